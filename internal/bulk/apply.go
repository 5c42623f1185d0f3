package bulk

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lib/pq"

	"caseload/internal/batch"
	"caseload/internal/db"
	"caseload/internal/fault"
)

// apply applies a chunk, after asking for what it needs.
func (w *work) apply(ctx context.Context, kind Kind, c *chunk) error {
	var prepared any
	if p, ok := kind.(Preparer); ok {
		if rows := c.right(); len(rows) > 0 {
			err := w.interruptible(ctx, func(ctx context.Context) (err error) {
				prepared, err = p.Prepare(ctx, w.o.actor(), w.o, rows)
				return err
			})
			if err != nil {
				return fmt.Errorf("prepare a chunk of %s: %w", kind.Name(), err)
			}
		}
	}
	if err := w.applyRows(ctx, kind, c, prepared); err != nil {
		return fmt.Errorf("apply a chunk of %s: %w", kind.Name(), err)
	}
	return nil
}

// applyRows applies a chunk whose rows are prepared. Where the database refuses one of them, the chunk is halved until
// that row is alone, which then has failed: it must not keep the others from their outcomes.
func (w *work) applyRows(ctx context.Context, kind Kind, c *chunk, prepared any) error {
	err := w.patiently(ctx, func() error { return w.transact(ctx, kind, c, prepared) })
	if refused(err) == nil {
		return err
	}
	rows := c.right()
	if len(rows) == 1 {
		// Once more as it is: another writer may have been in its way just then.
		err := w.patiently(ctx, func() error { return w.transact(ctx, kind, c, prepared) })
		problem := refused(err)
		if problem == nil {
			return err
		}
		w.log.Warn("a row of a bulk operation was refused by the database", "operation", w.o.ID().String(), "kind", kind.Name(), "line", rows[0].Line, "error", describe(err))
		rows[0].Value, rows[0].UserErrors = nil, problem
		return w.transact(ctx, kind, c, prepared)
	}
	for _, half := range c.halves() {
		if err := w.interrupted(ctx); err != nil {
			return err
		}
		if err := w.applyRows(ctx, kind, half, prepared); err != nil {
			return err
		}
	}
	return nil
}

// rowsError is an error of [Kind.Apply], which is about its rows.
type rowsError struct{ error }

func (e rowsError) Unwrap() error { return e.error }

// The classes of SQLSTATE that are about values.
const (
	dataException      = "22"
	integrityViolation = "23"
)

// refused returns what is wrong with a row that the database does not take, or nil when that is not why its chunk has
// failed.
func refused(err error) fault.UserErrors {
	var rows rowsError
	var p *pq.Error
	if !errors.As(err, &rows) {
		return nil
	}
	if errs, ok := fault.AsUserErrors(err); ok {
		told := make(fault.UserErrors, len(errs))
		for i, e := range errs {
			// Its path is that of a mutation's input.
			told[i] = &fault.UserError{Code: e.Code, Message: e.Message, Path: []string{}}
		}
		return firstErrors(told)
	}
	if errors.As(err, &p) && (p.Code.Class() == dataException || p.Code.Class() == integrityViolation) {
		return fault.UserErrors{{Code: fault.Invalid, Message: "The database cannot hold a value of this line, or not together with what is stored.", Path: []string{}}}
	}
	return nil
}

const (
	// lockTries is how often a chunk is tried that waits in vain for what another writer has locked: a client is told so
	// at once, a file has more time.
	lockTries = 10
	// lockNotAvailable is the SQLSTATE of a wait that has reached lock_timeout.
	lockNotAvailable = "55P03"
)

// patiently runs a transaction, and runs it again when it has waited for a lock in vain.
func (w *work) patiently(ctx context.Context, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		var p *pq.Error
		if try == lockTries || !errors.As(err, &p) || p.Code != lockNotAvailable {
			return err
		}
		select {
		case <-time.After(rand.N(time.Duration(try) * 100 * time.Millisecond)):
		case <-ctx.Done():
		}
		if err := w.interrupted(ctx); err != nil {
			return err
		}
	}
}

// transact applies a chunk in one transaction with its row, its results and the progress.
func (w *work) transact(ctx context.Context, kind Kind, c *chunk, prepared any) error {
	rows := c.right()
	return w.pool.InTx(ctx, w.now(), func(tx *db.Tx) error {
		var outcomes []Outcome
		if len(rows) > 0 {
			var err error
			if outcomes, err = kind.Apply(ctx, tx, w.o.actor(), w.o, rows, prepared); err != nil {
				return rowsError{err}
			}
			if len(outcomes) != len(rows) {
				return fmt.Errorf("%d rows have %d outcomes", len(rows), len(outcomes))
			}
		}
		d := done{span: span{c.first, int32(len(c.rows)), c.to()}, from: c.from}
		if err := w.writeResults(ctx, c, outcomes, &d); err != nil {
			return err
		}
		return w.commit(ctx, tx, d)
	})
}

// longestPut is how long the writing of a part may take at most.
const longestPut = 8 * time.Second

// choosePutTime bounds the writing of a part well below the time for which others wait for the rows that are locked
// meanwhile: a slow object store must delay this operation, not fail the mutations of the organization.
func (w *work) choosePutTime(ctx context.Context) error {
	var milliseconds int64
	if err := w.pool.Get(ctx, &milliseconds, `SELECT CAST(setting AS bigint) FROM pg_settings WHERE name = 'lock_timeout'`); err != nil {
		return fmt.Errorf("read for how long others wait for a lock: %w", err)
	}
	w.putTime = longestPut
	if milliseconds > 0 {
		w.putTime = min(longestPut, time.Duration(milliseconds)*time.Millisecond*2/3)
	}
	return nil
}

// writeResults puts the outcomes of a chunk into the object store, and what they are into d. A try of the transaction
// writes over what the try before has written.
func (w *work) writeResults(ctx context.Context, c *chunk, outcomes []Outcome, d *done) error {
	ctx, cancel := context.WithTimeout(ctx, w.putTime)
	defer cancel()
	p, err := w.newPart(ctx, fmt.Sprintf("%010d", c.first))
	if err != nil {
		return err
	}
	defer p.abort()
	for _, row := range c.rows {
		out := Outcome{Action: batch.Failed, UserErrors: row.UserErrors}
		if row.Value != nil {
			out, outcomes = outcomes[0], outcomes[1:]
		}
		d.counts.Add(out.Action)
		if err := p.write(newResult(row, out)); err != nil {
			return err
		}
	}
	if d.counts.Total() != len(c.rows) {
		return errors.New("a row has an unknown action")
	}
	d.key, err = p.commit()
	d.size = p.size
	return err
}

// done is what a chunk, or a page of an export, adds to its operation.
type done struct {
	span
	from   int64
	counts batch.Counts
	key    string
	// size is what the part takes in the object store, in bytes.
	size int64
	// next is where an export goes on.
	next *string
}

// commit writes down a chunk, as the last of its transaction: the operation's row is the fence that nobody passes
// who has lost the lease, and it is locked for no longer than the commit takes.
func (w *work) commit(ctx context.Context, tx *db.Tx, d done) error {
	n := d.counts
	if _, err := tx.Exec(ctx, `
		INSERT INTO bulk_chunks (organization_id, operation_id, first_line, line_count, byte_from, byte_to,
			created_count, updated_count, unchanged_count, failed_count, skipped_count, results_key, next_cursor, committed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		w.o.OrganizationID, w.o.UUID, d.FirstLine, d.LineCount, d.from, d.ByteTo,
		n.Created, n.Updated, n.Unchanged, n.Failed, n.Skipped, d.key, d.next, tx.Now); err != nil {
		return fmt.Errorf("write down a chunk: %w", err)
	}
	var stored []struct {
		Cancel bool
		Bytes  int64
	}
	if err := tx.Select(ctx, &stored, `
		UPDATE bulk_operations SET processed_count = processed_count + $4, created_count = created_count + $5, updated_count = updated_count + $6,
			unchanged_count = unchanged_count + $7, failed_count = failed_count + $8, skipped_count = skipped_count + $9,
			results_bytes = results_bytes + $12, failure_count = 0, lease_until = $10, version = version + 1, updated_at = $11
		WHERE organization_id = $1 AND id = $2 AND lease_token = $3
		RETURNING cancel_requested_at IS NOT NULL AS cancel, results_bytes AS bytes`,
		w.o.OrganizationID, w.o.UUID, w.o.LeaseToken, d.LineCount, n.Created, n.Updated, n.Unchanged, n.Failed, n.Skipped,
		w.now().Add(leaseTime), tx.Now, d.size); err != nil {
		return fmt.Errorf("write down progress: %w", err)
	}
	if len(stored) == 0 {
		return errLost
	}
	if stored[0].Cancel {
		w.cancelNow()
	}
	if stored[0].Bytes > w.limits.OrganizationBytes {
		w.full.Store(true)
	}
	w.changed(tx, w.o)
	tx.AfterCommit(func() { w.count(d) })
	return nil
}

// exported is the action of the rows of an export, for who counts them.
const exported = "EXPORT"

// count tells who observes the process of the rows of a chunk or page.
func (w *work) count(d done) {
	if w.observe == nil {
		return
	}
	rows := map[string]int{
		string(batch.Create): d.counts.Created, string(batch.Update): d.counts.Updated, string(batch.Unchanged): d.counts.Unchanged,
		string(batch.Failed): d.counts.Failed, string(batch.Skipped): d.counts.Skipped, exported: int(d.LineCount) - d.counts.Total(),
	}
	for action, n := range rows {
		if n > 0 {
			w.observe(string(w.o.Kind), action, n)
		}
	}
}
