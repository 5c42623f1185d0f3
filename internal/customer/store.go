package customer

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
)

// LockOrder ends every statement that locks customers, c: by all in the order of their ids, whatever the customers are found
// by, so that two batches with the same customers wait for each other instead of deadlocking. The locking statement
// returns the newest version of the rows that it locks; what it saw of other tables may be older than the lock.
const LockOrder = " ORDER BY c.id FOR NO KEY UPDATE OF c"

// LockByReference locks the customers that have these references until the transaction ends, and returns
// their records by reference. References that nobody has are missing from the answer.
func LockByReference(ctx context.Context, tx *db.Tx, s db.Scope, references []string) (map[string]*Record, error) {
	byID, err := lockRecords(ctx, tx, s, "c.reference_id = ANY($2)", pq.Array(references))
	if err != nil {
		return nil, err
	}
	records := make(map[string]*Record, len(byID))
	for _, r := range byID {
		records[*r.Customer.ReferenceID] = r
	}
	return records, nil
}

// LockByID locks one customer until the transaction ends and returns its record, or a NOT_FOUND fault.
func LockByID(ctx context.Context, tx *db.Tx, s db.Scope, id uuid.UUID) (*Record, error) {
	byID, err := lockRecords(ctx, tx, s, "c.id = $2", id)
	return only(byID[id], err)
}

// only returns the one record that was asked for, or a NOT_FOUND fault.
func only(r *Record, err error) (*Record, error) {
	if err == nil && r == nil {
		err = fault.New(fault.NotFound, "Not found.")
	}
	return r, err
}

// linksPerTx is how many customers waiting for a parent are linked to it in one transaction, give or take as many: half a
// million may wait for one, and each is written and audited.
const linksPerTx = 1000

// lockKnownSQL finds the customers that are known by keys or by references, and those that wait for an arriving key as their
// parent, up to a number.
const lockKnownSQL = `c.id IN (
	SELECT i.customer_id FROM unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS text[])) AS k(source, source_id, language)
		JOIN customer_identifiers i ON i.organization_id = $1 AND i.source = k.source AND i.source_id = k.source_id AND i.language = k.language
	UNION
	(SELECT w.id FROM unnest(CAST($5 AS text[]), CAST($6 AS text[]), CAST($7 AS text[])) AS k(source, source_id, language)
		JOIN customers w ON w.organization_id = $1 AND w.parent_source = k.source AND w.parent_source_id = k.source_id
			AND coalesce(w.parent_language, '') = k.language AND w.parent_id IS NULL
		LIMIT $8)
	UNION
	SELECT r.id FROM customers r WHERE r.organization_id = $1 AND r.reference_id = ANY($9))`

// LockKnown locks, until the transaction ends, the customers that are known by these ids of source systems or by
// these references, and those who wait for one of the arriving ids as their parent, and returns their records by id.
// Customers created concurrently are missing; inserting them returns [db.ErrRetry]. truncated reports that more may wait
// than fit into one transaction, and are missing. Five statements, one when nobody is known.
func LockKnown(ctx context.Context, tx *db.Tx, s db.Scope, keys, arriving []SourceKey, references []string) (records map[uuid.UUID]*Record, truncated bool, err error) {
	args := append(append(KeyColumns(keys), KeyColumns(arriving)...), 2*linksPerTx, pq.Array(references))
	if records, err = lockRecords(ctx, tx, s, lockKnownSQL, args...); err != nil || len(arriving) == 0 {
		return records, false, err
	}
	waiting := 0
	for _, r := range records {
		if key, waits := r.Customer.AwaitedParent(); waits {
			if _, arrives := slices.BinarySearchFunc(arriving, key, SourceKey.Compare); arrives {
				waiting++
			}
		}
	}
	return records, waiting >= linksPerTx, nil
}

// KeyColumns turns keys into one array per column: source, source id and language.
func KeyColumns(keys []SourceKey) []any {
	columns := [3]pq.StringArray{make(pq.StringArray, len(keys)), make(pq.StringArray, len(keys)), make(pq.StringArray, len(keys))}
	for i, k := range keys {
		columns[0][i], columns[1][i], columns[2][i] = k.Source, k.SourceID, k.Language
	}
	return []any{columns[0], columns[1], columns[2]}
}

func lockRecords(ctx context.Context, tx *db.Tx, s db.Scope, condition string, args ...any) (map[uuid.UUID]*Record, error) {
	customers, err := Customers.Query(ctx, tx, "SELECT "+Customers.Select()+" FROM customers c WHERE c.organization_id = $1 AND "+condition+LockOrder,
		append([]any{s.OrganizationID}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("lock customers: %w", err)
	}
	return readBeside(ctx, tx, s, customers)
}

// ReadAll returns the records of customers without locking them, in four statements whatever their number.
func ReadAll(ctx context.Context, q db.Querier, s db.Scope, ids []uuid.UUID) (map[uuid.UUID]*Record, error) {
	customers, err := Customers.ByKeys(ctx, q, s, "id", ids)
	if err != nil {
		return nil, fmt.Errorf("read customers: %w", err)
	}
	return readBeside(ctx, q, s, customers)
}

// Read returns the record of one customer without locking it, or a NOT_FOUND fault.
func Read(ctx context.Context, q db.Querier, s db.Scope, id uuid.UUID) (*Record, error) {
	byID, err := ReadAll(ctx, q, s, []uuid.UUID{id})
	return only(byID[id], err)
}

// readBeside makes records of customers with what belongs to them, in three statements, whatever their number.
func readBeside(ctx context.Context, q db.Querier, s db.Scope, customers []*Customer) (map[uuid.UUID]*Record, error) {
	records, ids := make(map[uuid.UUID]*Record, len(customers)), make([]uuid.UUID, len(customers))
	for i, c := range customers {
		records[c.UUID], ids[i] = &Record{Customer: *c}, c.UUID
	}
	if len(ids) == 0 {
		return records, nil
	}
	phones, err := Phones.ByKeys(ctx, q, s, "customer_id", ids)
	if err != nil {
		return nil, fmt.Errorf("read phones: %w", err)
	}
	// Ids grow with time: sorted by them, the search text comes out the same each time.
	slices.SortFunc(phones, func(a, b *Phone) int { return bytes.Compare(a.UUID[:], b.UUID[:]) })
	for _, p := range phones {
		if r := records[p.CustomerID]; p.Label == Primary {
			r.Phone = p
		} else {
			r.otherPhones = append(r.otherPhones, p)
		}
	}
	addresses, err := Addresses.ByKeys(ctx, q, s, "customer_id", ids)
	if err != nil {
		return nil, fmt.Errorf("read addresses: %w", err)
	}
	for _, a := range addresses {
		if r := records[a.CustomerID]; a.Label == Primary {
			r.Address = a
		} else {
			r.Others = append(r.Others, a)
		}
	}
	identifiers, err := Identifiers.ByKeys(ctx, q, s, "customer_id", ids)
	if err != nil {
		return nil, fmt.Errorf("read identifiers: %w", err)
	}
	slices.SortFunc(identifiers, func(a, b *Identifier) int { return bytes.Compare(a.UUID[:], b.UUID[:]) })
	for _, i := range identifiers {
		r := records[i.CustomerID]
		r.Identifiers = append(r.Identifiers, i)
	}
	for _, r := range records {
		slices.SortFunc(r.Others, func(a, b *Address) int { return strings.Compare(string(a.Label), string(b.Label)) })
		stored := *r
		r.stored = &stored
	}
	return records, nil
}

// ByReference is the condition of the customer with an organization's own reference.
func ByReference(id string) (db.Where, error) {
	return db.Where{}.And("c.reference_id = ?", input.KeyForm(id)), nil
}

// ByIdentifier is the condition of the customer with an id in a source system.
func ByIdentifier(in IdentifierInput) (db.Where, error) {
	language := ""
	if l := in.Language.Value(); l != nil {
		language = input.LanguageForm(*l)
	}
	return db.Where{}.And(`c.id = (SELECT i.customer_id FROM customer_identifiers i
		WHERE i.organization_id = c.organization_id AND i.source = ? AND i.source_id = ? AND i.language = ?)`,
		input.KeyForm(in.Source), input.KeyForm(in.SourceID), language), nil
}
