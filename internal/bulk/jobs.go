package bulk

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"caseload/internal/db"
)

// SweepInterval is how often operations are looked for that nobody works on, and ExpireInterval how often files
// are removed whose time is over.
const (
	SweepInterval  = 5 * time.Second
	ExpireInterval = time.Hour
)

// enqueueAgain is after how long another job is made for an operation that nobody has taken: its job found no free
// place, or was lost with the process that had just fetched it. A job too many does nothing.
const enqueueAgain = 30 * time.Second

// RunArgs is the job that works on one operation.
type RunArgs struct {
	Organization uuid.UUID `json:"organization"`
	Operation    uuid.UUID `json:"operation"`
}

// Kind names the job.
func (RunArgs) Kind() string { return "bulk.run" }

// InsertOpts tells that a job is tried once, as the sweep comes back to what is left.
func (RunArgs) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 1} }

func (s *Service) enqueue(ctx context.Context, tx *db.Tx, jobs ...RunArgs) error {
	params := make([]river.InsertManyParams, len(jobs))
	for i, job := range jobs {
		params[i] = river.InsertManyParams{Args: job}
	}
	if len(params) == 0 {
		return nil
	}
	if _, err := s.jobs.InsertManyTx(ctx, tx.SQL(), params); err != nil {
		return fmt.Errorf("enqueue bulk operations: %w", err)
	}
	return nil
}

// sweepSQL finds the operations of all organizations that nobody works on, no more of each than may be worked on,
// those first that have waited for longest.
const sweepSQL = `
	UPDATE bulk_operations c SET enqueued_at = $1 FROM (
		SELECT organization_id, id FROM (
			SELECT organization_id, id, runnable_at, row_number() OVER (PARTITION BY organization_id ORDER BY runnable_at, id) AS place
			FROM bulk_operations
			WHERE finished_at IS NULL AND runnable_at <= $1 AND (lease_until IS NULL OR lease_until < $1) AND (enqueued_at IS NULL OR enqueued_at <= $2)
		) o WHERE place <= $3 ORDER BY runnable_at, id LIMIT $4
	) w WHERE c.organization_id = w.organization_id AND c.id = w.id AND (c.enqueued_at IS NULL OR c.enqueued_at <= $2)
	RETURNING c.organization_id, c.id`

// sweepBatch is how many operations one sweep enqueues.
const sweepBatch = 1000

// Sweep enqueues the operations that nobody works on: new ones whose job found no place, those that were handed
// back, and those whose worker has died. Safe to run at once in several processes.
func (s *Service) Sweep(ctx context.Context) error { return s.sweep(ctx, enqueueAgain, sweepBatch) }

// sweep enqueues up to n operations for which no job has been made for a while.
func (s *Service) sweep(ctx context.Context, since time.Duration, n int) error {
	return s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		var rows []struct {
			OrganizationID uuid.UUID `db:"organization_id"`
			ID             uuid.UUID `db:"id"`
		}
		if err := tx.Select(ctx, &rows, sweepSQL, tx.Now, tx.Now.Add(-since), s.limits.PerOrganization, n); err != nil {
			return fmt.Errorf("find bulk operations that wait: %w", err)
		}
		jobs := make([]RunArgs, len(rows))
		for i, r := range rows {
			jobs[i] = RunArgs{r.OrganizationID, r.ID}
		}
		return s.enqueue(ctx, tx, jobs...)
	})
}

// RunWorker runs [Runner.Run].
type RunWorker struct {
	river.WorkerDefaults[RunArgs]
	Runner *Runner
}

// Timeout is well over the longest turn: after it the job's row is taken for that of a killed process.
func (w *RunWorker) Timeout(*river.Job[RunArgs]) time.Duration { return 2 * longestTurn }

// Work implements river.Worker.
func (w *RunWorker) Work(ctx context.Context, job *river.Job[RunArgs]) error {
	return w.Runner.Run(ctx, job.Args.Organization, job.Args.Operation)
}

// SweepArgs is the job that looks for operations that nobody works on.
type SweepArgs struct{}

// Kind names the job.
func (SweepArgs) Kind() string { return "bulk.sweep" }

// SweepWorker runs [Service.Sweep].
type SweepWorker struct {
	river.WorkerDefaults[SweepArgs]
	Operations *Service
}

// Work implements river.Worker.
func (w *SweepWorker) Work(ctx context.Context, _ *river.Job[SweepArgs]) error {
	return w.Operations.Sweep(ctx)
}

// ExpireArgs is the job that removes files whose time is over.
type ExpireArgs struct{}

// Kind names the job.
func (ExpireArgs) Kind() string { return "bulk.expire" }

// ExpireWorker runs [Service.Expire].
type ExpireWorker struct {
	river.WorkerDefaults[ExpireArgs]
	Operations *Service
}

// Timeout leaves time for a bucket that is slow to list and delete.
func (w *ExpireWorker) Timeout(*river.Job[ExpireArgs]) time.Duration { return 30 * time.Minute }

// Work implements river.Worker.
func (w *ExpireWorker) Work(ctx context.Context, _ *river.Job[ExpireArgs]) error {
	return w.Operations.Expire(ctx)
}
