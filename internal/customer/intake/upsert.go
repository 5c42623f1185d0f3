package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/batch"
	"caseload/internal/civil"
	"caseload/internal/customer"
	"caseload/internal/customer/check"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// lookupKey is the field by which bulkUpsertCustomers finds customers.
const lookupKey = "sourceId"

// errDryRun rolls back what was only tried.
var errDryRun = errors.New("nothing is to be written")

// BulkUpsert creates or updates up to 1,000 customers by their ids in a source system, in one transaction and a
// fixed number of statements. Rows with the same id act in the order sent. Results come in the order of the rows;
// what is wrong with a row is in its result, and what is wrong with the call is fault.UserErrors with nothing
// written. Safe to repeat, and to call at once with the same customers: one of them waits.
func (s *Service) BulkUpsert(ctx context.Context, v *viewer.Viewer, in BulkUpsertInput) (*BulkUpsertResult, error) {
	c := fault.NewCheck("input")
	switch n := len(in.Customers); {
	case n == 0:
		c.At("customers").Add(fault.Required, "Give at least one customer.")
	case n > batch.MaxRows:
		c.At("customers").Add(fault.LimitExceeded, "Give at most %d customers in one call.", batch.MaxRows)
	}
	check.Source(c.At("source"), in.Source)
	check.Language(c.At("language"), in.Language.Value())
	if err := c.Err(); err != nil {
		return nil, err
	}
	// Each row has a collection of its own.
	at := func(i int) *fault.Check { return fault.NewCheck("input", "customers", strconv.Itoa(i)) }
	var result *BulkUpsertResult
	err := s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		var err error
		if result, err = s.UpsertIn(ctx, tx, v, in, at); err != nil {
			return err
		}
		if in.DryRun {
			return errDryRun
		}
		if n := result.Counts; n.Created+n.Updated+n.Unchanged > 0 {
			// Where no row was right nothing is kept, as when an input was refused: a repetition is judged afresh.
			tx.Keep(&result)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return nil, err
	}
	if in.DryRun {
		result.DryRun = true
		result.Messages = []string{"Nothing was written: this was a dry run"}
		for _, r := range result.Results {
			r.Customer = nil
		}
	}
	return result, nil
}

// UpsertIn is [Service.BulkUpsert] inside of the caller's transaction, which may write more beside it, for any number of
// rows. What is wrong with row i is recorded below at(i). It takes its locks before it reads, so the caller locks no
// customer before. The input's DryRun is the caller's: who wants one rolls back. A [db.ErrRetry] is meant for
// [db.Pool.InTx].
func (s *Service) UpsertIn(ctx context.Context, tx *db.Tx, v *viewer.Viewer, in BulkUpsertInput, at func(i int) *fault.Check) (*BulkUpsertResult, error) {
	b := &upsertBatch{s: s, v: v, in: &in, rows: make([]upsertRow, len(in.Customers)), touched: map[*customer.Record]bool{}, today: civil.DateIn(tx.Now, tx.Now.Location())}
	for i, row := range in.Customers {
		b.rows[i].read(row, &in, at(i), tx.Now)
		b.rows[i].result.Index = int32(i)
	}
	if err := b.lock(ctx, tx); err != nil {
		return nil, err
	}
	for i := range b.rows {
		if err := b.apply(&b.rows[i]); err != nil {
			return nil, err
		}
	}
	result := b.sum()
	if result.Counts.Failed > 0 && in.ErrorPolicy == batch.RejectEverything {
		return result, nil
	}
	if err := b.write(ctx, tx); err != nil {
		return nil, fmt.Errorf("write customers: %w", db.Refused(err, "input"))
	}
	return result, nil
}

// upsertBatch is one try of a bulk upsert.
type upsertBatch struct {
	s     *Service
	v     *viewer.Viewer
	in    *BulkUpsertInput
	rows  []upsertRow
	today civil.Date
	// stored are the records that were locked, by id.
	stored map[uuid.UUID]*customer.Record
	// truncated tells that there may be more who wait for one of the rows than are among them.
	truncated bool
	family    *family
	// order are the records that rows apply to, in the order of their first row.
	order   []*customer.Record
	touched map[*customer.Record]bool
}

// lock locks and reads the customers of the batch and those who wait for one of them.
func (b *upsertBatch) lock(ctx context.Context, tx *db.Tx) error {
	sc := b.v.Scope()
	own, named := b.names()
	held := customer.ExclusiveArrivalLock
	if tx.Try > 0 {
		// Batches that bring the same customers beat each other again and again, each winning a part of them: those that
		// were beaten once go alone.
		if err := customer.LockArrivals(ctx, tx, sc, held); err != nil {
			return err
		}
	}
	known, err := lookUp(ctx, tx, sc, distinct(append(slices.Clone(own), named...)))
	if err != nil {
		return err
	}
	if tx.Try == 0 {
		held = b.lockNeeded(known, nil)
		if err := customer.LockArrivals(ctx, tx, sc, held); err != nil {
			return err
		}
	}
	if b.stored, b.truncated, err = customer.LockKnown(ctx, tx, sc, own, known.missing(own), nil); err != nil {
		return err
	}
	members := make(map[uuid.UUID]*customer.Record, len(b.stored))
	for id, r := range b.stored {
		members[id] = r
	}
	if b.family, err = newFamily(ctx, tx, sc, members, named); err != nil {
		return err
	}
	if b.lockNeeded(b.family.seen(), b.family.waiting) > held {
		// What was seen at first has changed before the locks were there.
		return db.ErrRetry
	}
	return nil
}

// names are what the rows are known by, and the names of their parents.
func (b *upsertBatch) names() (own, named []customer.SourceKey) {
	for i := range b.rows {
		row := &b.rows[i]
		if row.known {
			own = append(own, row.key)
		}
		if row.known && row.parent != (customer.SourceKey{}) {
			named = append(named, row.parent)
		}
	}
	return distinct(own), distinct(named)
}

// lockNeeded returns the mode of the arrival lock that the batch needs when these customers are known, and these wait for one
// of its own.
func (b *upsertBatch) lockNeeded(known seen, waiting map[customer.SourceKey][]*customer.Record) customer.ArrivalLock {
	need := customer.NoArrivalLock
	for i := range b.rows {
		row := &b.rows[i]
		if !row.known {
			continue
		}
		isNew := known[row.key] == nil
		if row.parent != (customer.SourceKey{}) && known.links(row.key, row.parent) && (!isNew || known[row.parent] == nil || len(waiting[row.key]) > 0) {
			return customer.ExclusiveArrivalLock
		}
		if isNew {
			need = customer.SharedArrivalLock
		}
	}
	return need
}

func distinct(keys []customer.SourceKey) []customer.SourceKey {
	slices.SortFunc(keys, customer.SourceKey.Compare)
	return slices.Compact(keys)
}

// apply merges one row into its customer, in memory. A wrong row leaves the customer as it was, but all that is
// wrong with it is found.
func (b *upsertBatch) apply(row *upsertRow) error {
	if !row.known {
		return row.merge(b, customer.NewRecord(b.v, ""))
	}
	id, isKnown := b.family.known[row.key]
	r := b.family.members[id]
	switch {
	case isKnown && r == nil:
		// The id went to a customer who is not locked, by a merge of duplicates.
		return db.ErrRetry
	case !isKnown:
		r = customer.NewRecord(b.v, "")
	case !customer.CheckLive(row.check.At(lookupKey), &r.Customer):
		return nil
	case row.isLate(r):
		row.result.Action = batch.Skipped
		row.check.At("sourceUpdatedAt").Add(fault.StaleVersion, "A newer state of the record is stored already; nothing of this row was written.")
		return nil
	}
	before := *r
	if err := row.merge(b, r); err != nil {
		return err
	}
	if !row.check.OK() && b.in.ErrorPolicy != batch.IgnoreFailed {
		*r = before
		return nil
	}
	r.Identify(row.key, row.date)
	switch {
	case !isKnown:
		row.result.Action = batch.Create
		b.family.arrive(r, row.key)
	case r.Differs(&before):
		row.result.Action = batch.Update
	default:
		row.result.Action = batch.Unchanged
	}
	if !b.touched[r] {
		b.touched[r] = true
		b.order = append(b.order, r)
	}
	row.result.Customer = &r.Customer
	return nil
}

// contradictions counts the rows that say of their customer what an earlier row of the call says otherwise: the later one counts,
// but one key for two persons is how the data of one comes into the place of the other's.
func (b *upsertBatch) contradictions() (n int) {
	said := customer.Said[customer.SourceKey]{}
	for i := range b.rows {
		if row := &b.rows[i]; row.known {
			if birthday, ssn := said.Differ(row.key, row.in.DateOfBirth, row.in.SSN); birthday || ssn {
				n++
			}
		}
	}
	return n
}

// sum gathers the results and says what happened.
func (b *upsertBatch) sum() *BulkUpsertResult {
	result := &BulkUpsertResult{Results: make([]*UpsertResult, len(b.rows))}
	for i := range b.rows {
		row := &b.rows[i]
		row.result.UserErrors = row.check.Errors()
		result.Results[i] = &row.result
		result.Counts.Add(row.result.Action)
	}
	if result.Counts.Failed > 0 && b.in.ErrorPolicy == batch.RejectEverything {
		result.Messages = []string{fmt.Sprintf("Nothing was written: %s, and the error policy is %s", rowsThat(result.Counts.Failed, "failed"), batch.RejectEverything)}
		result.Counts = batch.Counts{}
		for _, r := range result.Results {
			if r.Success() {
				r.Action, r.Customer = batch.Skipped, nil
			}
			result.Counts.Add(r.Action)
		}
		return result
	}
	switch n := result.Counts.Failed; n {
	case 0:
		result.Messages = []string{"Completed"}
	case 1:
		result.Messages = []string{"Completed with 1 failed row"}
	default:
		result.Messages = []string{fmt.Sprintf("Completed with %d failed rows", n)}
	}
	if n := result.Counts.Skipped; n > 0 {
		result.Messages = append(result.Messages, rowsThat(n, "came too late and had no effect"))
	}
	if n := b.contradictions(); n > 0 {
		result.Messages = append(result.Messages, rowsThat(n, "had another birthday or social security number than an earlier row of the same customer"))
	}
	return result
}

func rowsThat(n int, did string) string {
	if n == 1 {
		return "1 row " + did
	}
	return fmt.Sprintf("%d rows %s", n, did)
}

// write stores the customers of the rows, and those who waited for them, in a fixed number of statements.
func (b *upsertBatch) write(ctx context.Context, tx *db.Tx) error {
	records := slices.Concat(b.order, linked(b.stored, b.touched))
	changes, events := make([]audit.Change, 0, len(records)), make([]customer.Event, 0, len(records))
	for _, r := range records {
		fields := r.Settle(b.v, tx.Now)
		if len(fields) == 0 {
			continue
		}
		changes = append(changes, audit.Change{Action: "customer.upserted", Target: r.Customer.ID(), CustomerID: r.Customer.UUID,
			Fields: map[string]any{"fields": fields}})
		event := customer.Event{Kind: customer.EventUpdated, Customer: &r.Customer, Changed: fields, At: tx.Now}
		if r.IsNew {
			event.Kind = customer.EventCreated
		}
		events = append(events, event)
	}
	if err := customer.WriteAll(ctx, tx, b.v, records); err != nil {
		return err
	}
	if err := audit.Write(ctx, tx, b.v, changes...); err != nil {
		return err
	}
	if b.truncated {
		if err := b.s.enqueueLinks(ctx, tx, b.v, records); err != nil {
			return err
		}
	}
	return b.s.customers.Emit(ctx, tx, b.v, events...)
}
