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

// apply prepares and applies a chunk.
func (w *work) apply(ctx context.Context, kind Kind, c *chunk) error {
	var prepared any
	if p, ok := kind.(Preparer); ok {
		if rows := c.applicable(); len(rows) > 0 {
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

// applyRows applies a chunk whose rows are prepared. When the database refuses a row, the chunk is halved until that row is alone
// and fails, so that the others are applied.
func (w *work) applyRows(ctx context.Context, kind Kind, c *chunk, prepared any) error {
	err := w.retryLockTimeout(ctx, func() error { return w.transact(ctx, kind, c, prepared) })
	if refused(err) == nil {
		return err
	}
	rows := c.applicable()
	if len(rows) == 1 {
		// Once more, as the error may have been caused by another writer.
		err := w.retryLockTimeout(ctx, func() error { return w.transact(ctx, kind, c, prepared) })
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

// rowsError is an error of [Kind.Apply].
type rowsError struct{ error }

func (e rowsError) Unwrap() error { return e.error }

// The classes of SQLSTATE that are about values.
const (
	dataException      = "22"
	integrityViolation = "23"
)

// refused returns what is wrong with a row that the database refuses, or nil when its chunk has failed for another reason.
func refused(err error) fault.UserErrors {
	if _, ok := errors.AsType[rowsError](err); !ok {
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
	if p, ok := errors.AsType[*pq.Error](err); ok && (p.Code.Class() == dataException || p.Code.Class() == integrityViolation) {
		return fault.UserErrors{{Code: fault.Invalid, Message: "The database cannot hold a value of this line, or not together with what is stored.", Path: []string{}}}
	}
	return nil
}

const (
	// lockTries is how often a chunk is tried whose locks time out.
	lockTries = 10
	// lockNotAvailable is the SQLSTATE of a lock timeout.
	lockNotAvailable = "55P03"
)

// retryLockTimeout runs a transaction, and again after a lock timeout.
func (w *work) retryLockTimeout(ctx context.Context, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		if p, ok := errors.AsType[*pq.Error](err); !ok || p.Code != lockNotAvailable || try == lockTries {
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
	rows := c.applicable()
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

// longestPut bounds the writing of a part.
const longestPut = 8 * time.Second

// choosePutTime bounds the writing of a part well below lock_timeout, as rows are locked meanwhile: a slow object store must delay
// this operation, not fail the organization's mutations.
func (w *work) choosePutTime(ctx context.Context) error {
	var milliseconds int64
	if err := w.pool.Get(ctx, &milliseconds, `SELECT CAST(setting AS bigint) FROM pg_settings WHERE name = 'lock_timeout'`); err != nil {
		return fmt.Errorf("read lock_timeout: %w", err)
	}
	w.putTime = longestPut
	if milliseconds > 0 {
		w.putTime = min(longestPut, time.Duration(milliseconds)*time.Millisecond*2/3)
	}
	return nil
}

// writeResults puts the outcomes of a chunk into the object store, and their counts into d. It overwrites what an earlier try of the
// transaction has put there.
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
	// next is the cursor of an export.
	next *string
}

// commit stores a chunk and the progress, at the end of its transaction. It returns errLost without the lease. As the last
// statement, it locks the operation's row no longer than the commit takes.
func (w *work) commit(ctx context.Context, tx *db.Tx, d done) error {
	n := d.counts
	if _, err := tx.Exec(ctx, `
		INSERT INTO bulk_chunks (organization_id, operation_id, first_line, line_count, byte_from, byte_to,
			created_count, updated_count, unchanged_count, failed_count, skipped_count, results_key, next_cursor, committed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		w.o.OrganizationID, w.o.UUID, d.FirstLine, d.LineCount, d.from, d.ByteTo,
		n.Created, n.Updated, n.Unchanged, n.Failed, n.Skipped, d.key, d.next, tx.Now); err != nil {
		return fmt.Errorf("store a chunk: %w", err)
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
		return fmt.Errorf("store progress: %w", err)
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

// exported is the action of the rows of an export in metrics.
const exported = "EXPORT"

// count reports the rows of a chunk or page to Observe.
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
