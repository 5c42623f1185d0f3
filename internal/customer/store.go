package customer

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/audit"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// lockSQL locks the customers of a batch in the order of their references, so that two batches with
// the same customers wait for each other instead of deadlocking.
const lockSQL = `
	SELECT id FROM customers
	WHERE organization_id = $1 AND reference_id = ANY($2)
	ORDER BY reference_id FOR NO KEY UPDATE`

// otherSearchSQL is what the search looks through beside the columns of a [Record].
const otherSearchSQL = `
	SELECT c.id, lower(concat_ws(' ',
		(SELECT string_agg(trim(leading '+' FROM p.number), ' ' ORDER BY p.id) FROM customer_phones p
			WHERE p.organization_id = c.organization_id AND p.customer_id = c.id AND p.label <> 'PRIMARY'),
		(SELECT string_agg(i.source_id, ' ' ORDER BY i.id) FROM customer_identifiers i
			WHERE i.organization_id = c.organization_id AND i.customer_id = c.id))) AS text
	FROM customers c
	WHERE c.organization_id = $1 AND c.id = ANY($2)`

// LockByReference locks the customers that have these references until the transaction ends, and returns
// their records by reference. References that nobody has are missing from the answer.
func LockByReference(ctx context.Context, tx *db.Tx, s db.Scope, references []string) (map[string]*Record, error) {
	var ids []uuid.UUID
	if err := tx.Select(ctx, &ids, lockSQL, s.OrganizationID, pq.Array(references)); err != nil {
		return nil, fmt.Errorf("lock customers: %w", err)
	}
	records := make(map[string]*Record, len(ids))
	if len(ids) == 0 {
		return records, nil
	}
	// Read after the lock: what the locking statement saw of other tables may be older than the lock.
	byID, err := readRecords(ctx, tx, s, ids)
	if err != nil {
		return nil, err
	}
	for _, r := range byID {
		records[*r.Customer.ReferenceID] = r
	}
	return records, nil
}

// LockByID locks one customer until the transaction ends and returns its record, or a NOT_FOUND fault.
func LockByID(ctx context.Context, tx *db.Tx, s db.Scope, id uuid.UUID) (*Record, error) {
	if _, err := Table.Lock(ctx, tx, s, id); err != nil {
		return nil, err
	}
	byID, err := readRecords(ctx, tx, s, []uuid.UUID{id})
	if err != nil {
		return nil, err
	}
	return byID[id], nil
}

// ReadAll returns the records of customers without locking them, in four statements whatever their number.
func ReadAll(ctx context.Context, q db.Querier, s db.Scope, ids []uuid.UUID) (map[uuid.UUID]*Record, error) {
	return readRecords(ctx, q, s, ids)
}

// Read returns the record of one customer without locking it, or a NOT_FOUND fault.
func Read(ctx context.Context, q db.Querier, s db.Scope, id uuid.UUID) (*Record, error) {
	byID, err := readRecords(ctx, q, s, []uuid.UUID{id})
	if err != nil {
		return nil, err
	}
	if byID[id] == nil {
		return nil, fault.New(fault.NotFound, "Not found.")
	}
	return byID[id], nil
}

// readRecords reads whole records in four statements, whatever their number.
func readRecords(ctx context.Context, q db.Querier, s db.Scope, ids []uuid.UUID) (map[uuid.UUID]*Record, error) {
	customers, err := Table.ByKeys(ctx, q, s, "id", ids)
	if err != nil {
		return nil, fmt.Errorf("read customers: %w", err)
	}
	records := make(map[uuid.UUID]*Record, len(customers))
	for _, c := range customers {
		records[c.UUID] = &Record{Customer: *c}
	}
	phones, err := Phones.ByKeys(ctx, q, s, "customer_id", ids)
	if err != nil {
		return nil, fmt.Errorf("read phones: %w", err)
	}
	for _, p := range phones {
		if r := records[p.CustomerID]; r != nil && p.Label == Primary {
			r.Phone = p
		}
	}
	addresses, err := Addresses.ByKeys(ctx, q, s, "customer_id", ids)
	if err != nil {
		return nil, fmt.Errorf("read addresses: %w", err)
	}
	for _, a := range addresses {
		if r := records[a.CustomerID]; r != nil && a.Label == Primary {
			r.Address = a
		}
	}
	var other []struct {
		ID   uuid.UUID `db:"id"`
		Text string    `db:"text"`
	}
	if err := q.Select(ctx, &other, otherSearchSQL, s.OrganizationID, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("read search text: %w", err)
	}
	for _, o := range other {
		if r := records[o.ID]; r != nil {
			r.otherSearch = o.Text
		}
	}
	for _, r := range records {
		r.keep()
	}
	return records, nil
}

// WriteAll writes settled records in a fixed number of statements, whatever their number. The caller
// holds the locks of those that exist. When another writer created one of the new customers first, it
// returns [db.ErrRetry] and the transaction runs again with that customer found.
func WriteAll(ctx context.Context, tx *db.Tx, s db.Scope, records []*Record) error {
	var created, updated []*Customer
	var phones []*Phone
	var addresses []*Address
	var unphoned []uuid.UUID
	for _, r := range records {
		if r.IsNew {
			created = append(created, &r.Customer)
		} else {
			updated = append(updated, &r.Customer)
		}
		if r.phoneChanged() {
			if r.Phone != nil {
				phones = append(phones, r.Phone)
			} else {
				unphoned = append(unphoned, r.Customer.UUID)
			}
		}
		if r.addressChanged() {
			addresses = append(addresses, r.Address)
		}
	}
	n, err := Table.InsertAll(ctx, tx, s, created, true)
	if err != nil {
		return fmt.Errorf("create customers: %w", err)
	}
	if n < int64(len(created)) {
		return db.ErrRetry
	}
	if _, err := Table.UpdateAll(ctx, tx, s, updated, written); err != nil {
		return fmt.Errorf("update customers: %w", err)
	}
	if _, err := Phones.Upsert(ctx, tx, s, phones, []string{"organization_id", "customer_id", "label"},
		[]string{"number", "line_type", "blocked_at", "blocked_reason", "updated_at"}); err != nil {
		return fmt.Errorf("write phones: %w", err)
	}
	if len(unphoned) > 0 {
		if _, err := tx.Exec(ctx, "DELETE FROM customer_phones WHERE organization_id = $1 AND customer_id = ANY($2) AND label = 'PRIMARY'",
			s.OrganizationID, pq.Array(unphoned)); err != nil {
			return fmt.Errorf("remove phones: %w", err)
		}
	}
	if _, err := Addresses.Upsert(ctx, tx, s, addresses, []string{"organization_id", "customer_id", "label"},
		[]string{"line1", "line2", "city", "state", "postal_code", "country", "updated_at"}); err != nil {
		return fmt.Errorf("write addresses: %w", err)
	}
	return nil
}

// BlockPhone marks the customer's phone of this number as not to be called. Safe to repeat.
func BlockPhone(ctx context.Context, tx *db.Tx, s db.Scope, customerID uuid.UUID, number, reason string) error {
	_, err := tx.Exec(ctx, `
		UPDATE customer_phones SET blocked_at = $4, blocked_reason = $5, updated_at = $4
		WHERE organization_id = $1 AND customer_id = $2 AND number = $3 AND blocked_at IS NULL`,
		s.OrganizationID, customerID, number, tx.Now, reason)
	if err != nil {
		return fmt.Errorf("block phone: %w", err)
	}
	return nil
}

// SetDoNotCall marks a customer as not to be called, in effect at once (47 CFR 64.1200(a)(10) allows ten
// business days; we take none). The caller holds the customer's lock. Safe to repeat.
func SetDoNotCall(ctx context.Context, tx *db.Tx, v *viewer.Viewer, id uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		UPDATE customers SET do_not_call = true, do_not_call_at = $3, version = version + 1, updated_at = $3, updated_by = $4
		WHERE organization_id = $1 AND id = $2 AND NOT do_not_call`,
		v.OrganizationID, id, tx.Now, v.ActorText())
	if err != nil {
		return fmt.Errorf("mark customer as not to be called: %w", err)
	}
	return nil
}

// Find returns one customer by exactly one of three ways. Nil arguments are not given; more or fewer than one
// is BAD_USER_INPUT, none found is NOT_FOUND.
func Find(ctx context.Context, q db.Querier, s db.Scope, id *uuid.UUID, referenceID *string, identifier *IdentifierInput) (*Customer, error) {
	w, err := Which(id, referenceID, identifier)
	if err != nil {
		return nil, err
	}
	return Table.One(ctx, q, s, w)
}

// Which is the condition of [Find]. The error is BAD_USER_INPUT.
func Which(id *uuid.UUID, referenceID *string, identifier *IdentifierInput) (db.Where, error) {
	given := 0
	var w db.Where
	if id != nil {
		given++
		w = w.And("c.id = ?", *id)
	}
	if referenceID != nil {
		given++
		w = w.And("c.reference_id = ?", *referenceID)
	}
	if identifier != nil {
		given++
		language := ""
		if l := identifier.Language.Value(); l != nil {
			language = *l
		}
		w = w.And(`c.id = (SELECT i.customer_id FROM customer_identifiers i
			WHERE i.organization_id = c.organization_id AND i.source = ? AND i.source_id = ? AND i.language = ?)`,
			identifier.Source, identifier.SourceID, language)
	}
	if given != 1 {
		return db.Where{}, fault.New(fault.BadUserInput, "Give exactly one of id, referenceId and identifier.")
	}
	return w, nil
}

// RevealSSN returns the full social security number of one customer, "" when none is stored, and writes who
// asked and why to the audit log, also when there is nothing to reveal.
func (s *Service) RevealSSN(ctx context.Context, v *viewer.Viewer, in RevealSSNInput) (*Customer, string, error) {
	c := fault.NewCheck("input")
	in.Validate(c)
	if err := c.Err(); err != nil {
		return nil, "", err
	}
	id, err := in.CustomerID.As(Table.Prefix())
	if err != nil {
		return nil, "", err
	}
	var row *Customer
	var ssn string
	err = s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		row, err = Table.ByID(ctx, tx, v.Scope(), id)
		if err != nil {
			return missing(err, "input", "customerId")
		}
		if ssn, err = row.ssn(s.sealer); err != nil {
			return err
		}
		return audit.Write(ctx, tx, v, audit.Change{Action: "customer.ssn_revealed", Target: row.ID(), CustomerID: id,
			Fields: map[string]any{"fields": []string{"ssn"}, "provided": ssn != ""}, Reason: in.Reason})
	})
	if err != nil {
		return nil, "", err
	}
	return row, ssn, nil
}

// missing turns NOT_FOUND into a user error at path.
func missing(err error, path ...string) error {
	if err != nil && fault.CodeOf(err) == fault.NotFound {
		return fault.UserErrors{{Code: fault.Missing, Message: "There is no such customer in this organization.", Path: path}}
	}
	return err
}
