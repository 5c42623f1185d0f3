package intake

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/audit"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/viewer"
)

// customersByKey are customers by their ids in source systems. Of customers that are not locked only the id and the parent
// are known.
type customersByKey map[customer.SourceKey]*customer.Customer

// lookUpSQL finds customers by keys, with their parents.
const lookUpSQL = `
	SELECT i.source, i.source_id, i.language, c.id, c.parent_source, c.parent_source_id, c.parent_language, c.parent_id
	FROM unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS text[])) AS k(source, source_id, language)
		JOIN customer_identifiers i ON i.organization_id = $1 AND i.source = k.source AND i.source_id = k.source_id AND i.language = k.language
		JOIN customers c ON c.organization_id = $1 AND c.id = i.customer_id`

// lookUp finds customers by keys. It locks nothing.
func lookUp(ctx context.Context, q db.Querier, s db.Scope, keys []customer.SourceKey) (customersByKey, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	var rows []*struct {
		Source, Language string
		SourceID         string `db:"source_id"`
		customer.Customer
	}
	if err := q.Select(ctx, &rows, lookUpSQL, append([]any{s.OrganizationID}, customer.KeyColumns(keys)...)...); err != nil {
		return nil, fmt.Errorf("look up customers: %w", err)
	}
	found := make(customersByKey, len(rows))
	for _, row := range rows {
		found[customer.SourceKey{Source: row.Source, SourceID: row.SourceID, Language: row.Language}] = &row.Customer
	}
	return found, nil
}

// missing are the keys that nobody has.
func (k customersByKey) missing(keys []customer.SourceKey) []customer.SourceKey {
	return slices.DeleteFunc(slices.Clone(keys), func(key customer.SourceKey) bool { return k[key] != nil })
}

// links reports whether the child gets another parent, or another name of one, when it is given the parent of this key.
func (k customersByKey) links(child, parent customer.SourceKey) bool {
	var id *uuid.UUID
	if p := k[parent]; p != nil {
		id = &p.UUID
	}
	c := k[child]
	return c == nil || !isChildOf(c, parent, id)
}

// arrivals are the customers that a batch has locked and read, and what it changes of them.
type arrivals struct {
	// records are by id those of the rows, the holders of accounts that are named, and those that wait for one of the rows as
	// their parent. truncated reports that more may wait than are among them.
	records   map[uuid.UUID]*customer.Record
	truncated bool
	// held is the arrival lock that the transaction holds.
	held    customer.ArrivalLock
	parents *parents
	// order are the records of rows that were applied, in the order of their first row.
	order   []*customer.Record
	touched map[*customer.Record]bool
	// begun is when the operation was created of whose file the rows are lines; zero when they are of a call.
	begun time.Time
}

// arrive locks and reads, in a fixed number of statements, the customers that rows name, the holders, and those that wait for
// one of the rows as their parent. The locks of arrivals come first, in the mode that the rows need: storesNames, which may be
// nil, reports whether they store other names of unknown customers than those of parents. When what was looked up without a
// lock has changed meanwhile, it returns [db.ErrRetry].
func arrive(ctx context.Context, tx *db.Tx, sc db.Scope, rows []*row, holders []customer.SourceKey, storesNames func(known customersByKey) (bool, error)) (*arrivals, error) {
	own, named, references := namesOf(rows)
	keys := distinct(slices.Concat(own, holders))
	a := &arrivals{held: customer.ExclusiveArrivalLock, touched: map[*customer.Record]bool{}}
	if tx.Try > 0 {
		// Batches that bring the same customers make each other retry again and again, each creating a part of them: after its
		// first try a batch runs alone.
		if err := customer.LockArrivals(ctx, tx, sc, a.held); err != nil {
			return nil, err
		}
	}
	known, err := lookUp(ctx, tx, sc, distinct(slices.Concat(keys, named)))
	if err != nil {
		return nil, err
	}
	if tx.Try == 0 {
		if a.held, err = lookAhead(ctx, tx, sc, rows, known, storesNames); err != nil {
			return nil, err
		}
		if err := customer.LockArrivals(ctx, tx, sc, a.held); err != nil {
			return nil, err
		}
	}
	if a.records, a.truncated, err = customer.LockKnown(ctx, tx, sc, keys, known.missing(own), references); err != nil {
		return nil, err
	}
	referenced := map[string]bool{}
	for _, r := range a.records {
		if r.Customer.ReferenceID != nil {
			referenced[*r.Customer.ReferenceID] = true
		}
	}
	if a.parents, err = readParents(ctx, tx, sc, a.records, named); err != nil {
		return nil, err
	}
	if lockNeeded(rows, a.parents.known, referenced, a.parents.waiting) > a.held {
		return nil, db.ErrRetry
	}
	return a, nil
}

// namesOf are the keys of rows, those of their parents, and their references, each sorted.
func namesOf(rows []*row) (own, parents []customer.SourceKey, references []string) {
	for _, r := range rows {
		if !r.usable {
			continue
		}
		if r.key.SourceID != "" {
			own = append(own, r.key)
		}
		if r.reference != "" {
			references = append(references, r.reference)
		}
		if r.parent != (customer.SourceKey{}) {
			parents = append(parents, r.parent)
		}
	}
	slices.Sort(references)
	return distinct(own), distinct(parents), slices.Compact(references)
}

func distinct(keys []customer.SourceKey) []customer.SourceKey {
	slices.SortFunc(keys, customer.SourceKey.Compare)
	return slices.Compact(keys)
}

// lookAhead returns the mode of the arrival lock that rows need, as far as that can be found out without a lock.
func lookAhead(ctx context.Context, tx *db.Tx, sc db.Scope, rows []*row, known customersByKey, storesNames func(known customersByKey) (bool, error)) (customer.ArrivalLock, error) {
	var asked, found []string
	for _, r := range rows {
		if r.usable && r.reference != "" && r.key.SourceID != "" && known[r.key] == nil {
			asked = append(asked, r.reference)
		}
	}
	if len(asked) > 0 {
		if err := tx.Select(ctx, &found, "SELECT reference_id FROM customers WHERE organization_id = $1 AND reference_id = ANY($2)",
			sc.OrganizationID, pq.Array(asked)); err != nil {
			return customer.NoArrivalLock, fmt.Errorf("look up references: %w", err)
		}
	}
	referenced := make(map[string]bool, len(found))
	for _, reference := range found {
		referenced[reference] = true
	}
	need := lockNeeded(rows, known, referenced, nil)
	if storesNames != nil {
		if stores, err := storesNames(known); err != nil {
			return customer.NoArrivalLock, err
		} else if stores {
			need = customer.ExclusiveArrivalLock
		}
	}
	return need, nil
}

// lockNeeded returns the mode of the arrival lock that rows need when these customers are known, by keys and by references, and
// these wait for a key as that of their parent.
func lockNeeded(rows []*row, known customersByKey, referenced map[string]bool, waiting map[customer.SourceKey][]*customer.Record) customer.ArrivalLock {
	need := customer.NoArrivalLock
	for _, r := range rows {
		if !r.usable || r.key.SourceID == "" {
			continue
		}
		isNew := known[r.key] == nil
		links := r.parent != (customer.SourceKey{}) && known.links(r.key, r.parent)
		switch {
		case isNew && referenced[r.reference], links && (!isNew || known[r.parent] == nil || len(waiting[r.key]) > 0):
			return customer.ExclusiveArrivalLock
		case isNew:
			need = customer.SharedArrivalLock
		}
	}
	return need
}

// applied notes that a row was applied to a record.
func (a *arrivals) applied(row *row, r *customer.Record) {
	row.record = r
	if !a.touched[r] {
		a.touched[r] = true
		a.order = append(a.order, r)
	}
}

// save saves the customers of applied rows and those that got one of them as their parent, with the audit entries of an action
// and what beside writes, and reports the customers in the results of the rows.
func (s *Service) save(ctx context.Context, tx *db.Tx, v *viewer.Viewer, rows []*row, a *arrivals, action string, beside func() ([]audit.Change, []customer.Event, error)) error {
	if !a.begun.IsZero() {
		if err := customer.CheckLines(ctx, tx, v, a.begun, linesOf(rows)); err != nil {
			return err
		}
		for _, row := range rows {
			row.result.UserErrors = row.check.Errors()
		}
	}
	records := append(slices.Clip(a.order), linked(a.records, a.touched)...)
	if err := s.customers.Save(ctx, tx, v, customer.Batch{Records: records, Entry: customer.NamedChanges(action), Beside: beside}); err != nil {
		return err
	}
	for _, row := range rows {
		if row.record != nil {
			row.result.Customer = &row.record.Customer
		}
	}
	if a.truncated {
		return s.enqueueLinks(ctx, tx, v, records)
	}
	return nil
}

// linesOf are the rows that were applied.
func linesOf(rows []*row) (lines []customer.Line) {
	for _, row := range rows {
		if row.record != nil {
			field, birthday, ssn := row.identity()
			lines = append(lines, customer.Line{Record: row.record, Check: row.check, BirthdayField: field, Birthday: birthday, SSN: ssn})
		}
	}
	return lines
}
