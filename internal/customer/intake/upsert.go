package intake

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"caseload/internal/batch"
	"caseload/internal/civil"
	"caseload/internal/customer"
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
	readSource(c.At("source"), in.Source)
	readLanguage(c.At("language"), in.Language.Value())
	if err := c.Err(); err != nil {
		return nil, err
	}
	now := s.now()
	rows := make([]*upsertRow, len(in.Customers))
	for i, row := range in.Customers {
		// Each row has a collection of its own.
		rows[i] = readUpsertRow(row, &in, fault.NewCheck("input", "customers", strconv.Itoa(i)), now)
	}
	var result *BulkUpsertResult
	err := s.pool.InTx(ctx, now, func(tx *db.Tx) (err error) {
		if result, err = s.upsert(ctx, tx, v, rows, in.ErrorPolicy, time.Time{}); err != nil {
			return err
		}
		if in.DryRun {
			return errDryRun
		}
		if n := result.Counts; n.Created+n.Updated+n.Unchanged > 0 {
			// Where no row was right nothing is kept, as when an input was refused: a replay is then a new request.
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

// upsert is [Service.BulkUpsert] inside of the caller's transaction, which may write more beside it, for any number of rows,
// which stay as they were read; begun is when the file was sent whose lines they are, zero for a call. It takes its locks before it reads, so the caller locks no customer before. A [db.ErrRetry] is
// meant for [db.Pool.InTx].
func (s *Service) upsert(ctx context.Context, tx *db.Tx, v *viewer.Viewer, read []*upsertRow, policy batch.ErrorPolicy, begun time.Time) (*BulkUpsertResult, error) {
	b := &upsertBatch{s: s, v: v, policy: policy, rows: make([]upsertRow, len(read)), today: civil.DateIn(tx.Now, tx.Now.Location())}
	rows := make([]*row, len(read))
	for i, r := range read {
		b.rows[i] = *r
		rows[i] = &b.rows[i].row
		rows[i].again(i)
	}
	var err error
	if b.arrivals, err = arrive(ctx, tx, v.Scope(), rows, nil, nil); err != nil {
		return nil, err
	}
	b.begun = begun
	for i := range b.rows {
		if err := b.apply(&b.rows[i]); err != nil {
			return nil, err
		}
	}
	results, rejected := resultsOf(rows, policy)
	if !rejected {
		if err := s.save(ctx, tx, v, rows, b.arrivals, "customer.upserted", nil); err != nil {
			return nil, db.Refused(err, "input")
		}
	}
	return b.summarize(rows, results, rejected), nil
}

// upsertBatch is one try of a bulk upsert.
type upsertBatch struct {
	*arrivals
	s      *Service
	v      *viewer.Viewer
	policy batch.ErrorPolicy
	rows   []upsertRow
	today  civil.Date
}

// apply merges one row into its customer, in memory. A wrong row leaves the customer as it was, but all that is
// wrong with it is found.
func (b *upsertBatch) apply(row *upsertRow) error {
	if !row.usable {
		return row.merge(b, customer.NewRecord(b.v, ""))
	}
	var r *customer.Record
	known := b.parents.known[row.key]
	if known != nil {
		r = b.parents.members[known.UUID]
	}
	switch {
	case known != nil && r == nil:
		// The id went to a customer who is not locked, by a merge of duplicates.
		return db.ErrRetry
	case known == nil:
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
	if !row.check.OK() && b.policy != batch.IgnoreFailed {
		*r = before
		return nil
	}
	r.Identify(row.key, row.date)
	switch {
	case known == nil:
		row.result.Action = batch.Create
		b.parents.add(r, row.key)
	case r.Differs(&before):
		row.result.Action = batch.Update
	default:
		row.result.Action = batch.Unchanged
	}
	b.applied(&row.row, r)
	return nil
}

// contradictions counts the rows that were applied whose birthday or social security number differs from an earlier one of the same
// customer: the later one is stored, but one key for two persons is how the data of one overwrites the other's.
func contradictions(rows []*row) (n int) {
	identities, lines := customer.Identities[*customer.Record]{}, linesOf(rows)
	for i := range lines {
		if birthday, ssn := identities.Differ(lines[i].Record, &lines[i]); birthday || ssn {
			n++
		}
	}
	return n
}

// summarize counts the results and says what happened.
func (b *upsertBatch) summarize(rows []*row, results []*UpsertResult, rejected bool) *BulkUpsertResult {
	result := &BulkUpsertResult{Results: results}
	for _, r := range results {
		result.Counts.Add(r.Action)
	}
	failed := result.Counts.Failed
	if rejected {
		result.Messages = []string{fmt.Sprintf("Nothing was written: %s, and the error policy is %s", rowsThat(failed, "failed"), batch.RejectEverything)}
		return result
	}
	switch failed {
	case 0:
		result.Messages = []string{"Completed"}
	case 1:
		result.Messages = []string{"Completed with 1 failed row"}
	default:
		result.Messages = []string{fmt.Sprintf("Completed with %d failed rows", failed)}
	}
	if n := result.Counts.Skipped; n > 0 {
		result.Messages = append(result.Messages, rowsThat(n, "came too late and had no effect"))
	}
	if applied := result.Counts.Total() - failed - result.Counts.Skipped; b.begun.IsZero() && applied > len(b.order) {
		if n := contradictions(rows); n > 0 {
			result.Messages = append(result.Messages, rowsThat(n, "had another birthday or social security number than an earlier row of the same customer"))
		}
	}
	return result
}

func rowsThat(n int, did string) string {
	if n == 1 {
		return "1 row " + did
	}
	return fmt.Sprintf("%d rows %s", n, did)
}
