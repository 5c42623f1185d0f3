package bulk

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"caseload/internal/db"
	"caseload/internal/jobs"
)

// How often the periodic jobs run.
const (
	sweepInterval  = 5 * time.Second
	expireInterval = time.Hour
)

// enqueueAgain is after how long another job is enqueued for an operation that is not leased: the first found no free slot,
// or was lost with its process. A superfluous job does nothing.
const enqueueAgain = 30 * time.Second

// RunArgs is the job of [Runner.Run].
type RunArgs struct {
	Organization uuid.UUID `json:"organization" db:"organization_id"`
	Operation    uuid.UUID `json:"operation" db:"id"`
}

// Kind names the job.
func (RunArgs) Kind() string { return "bulk.run" }

// InsertOpts has a job tried once, as the sweep enqueues another.
func (RunArgs) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 1} }

func (s *Service) enqueue(ctx context.Context, tx *db.Tx, runs ...RunArgs) error {
	params := make([]river.InsertManyParams, len(runs))
	for i, job := range runs {
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

// sweepSQL finds the operations of all organizations that are runnable and not leased, at most as many of each organization as
// may run at once, the longest waiting first.
const sweepSQL = `
	UPDATE bulk_operations c SET enqueued_at = $1 FROM (
		SELECT organization_id, id FROM (
			SELECT organization_id, id, runnable_at, row_number() OVER (PARTITION BY organization_id ORDER BY runnable_at, id) AS place
			FROM bulk_operations
			WHERE finished_at IS NULL AND runnable_at <= $1 AND (lease_until IS NULL OR lease_until < $1) AND (enqueued_at IS NULL OR enqueued_at <= $2)
		) o WHERE place <= $3 ORDER BY runnable_at, id LIMIT $4
	) w WHERE c.organization_id = w.organization_id AND c.id = w.id AND (c.enqueued_at IS NULL OR c.enqueued_at <= $2)
	RETURNING c.organization_id, c.id`

// sweepBatch bounds the operations of one sweep.
const sweepBatch = 1000

// Sweep enqueues the operations that are runnable and not leased: new ones whose job found no free slot, those that were
// released, and those of a killed process. Several processes may run it at once.
func (s *Service) Sweep(ctx context.Context) error { return s.sweep(ctx, enqueueAgain, sweepBatch) }

// sweep enqueues up to n operations for which no job has been made for a while.
func (s *Service) sweep(ctx context.Context, since time.Duration, n int) error {
	return s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		var runs []RunArgs
		if err := tx.Select(ctx, &runs, sweepSQL, tx.Now, tx.Now.Add(-since), s.limits.PerOrganization, n); err != nil {
			return fmt.Errorf("find bulk operations that wait: %w", err)
		}
		return s.enqueue(ctx, tx, runs...)
	})
}

// SweepArgs is the job of [Service.Sweep].
type SweepArgs struct{}

// Kind names the job.
func (SweepArgs) Kind() string { return "bulk.sweep" }

// ExpireArgs is the job of [Service.Expire].
type ExpireArgs struct{}

// Kind names the job.
func (ExpireArgs) Kind() string { return "bulk.expire" }

// AddWorkers registers the workers of bulk operations, and returns the schedules of their jobs.
func (r *Runner) AddWorkers(workers *river.Workers) []*river.PeriodicJob {
	// A run must end well before its job's timeout: after that the job counts as lost.
	jobs.Add(workers, 2*longestTurn, func(ctx context.Context, job *river.Job[RunArgs]) error {
		return r.Run(ctx, job.Args.Organization, job.Args.Operation)
	})
	jobs.Add(workers, 0, func(ctx context.Context, _ *river.Job[SweepArgs]) error { return r.Sweep(ctx) })
	// A bucket may be slow to list and delete.
	jobs.Add(workers, 30*time.Minute, func(ctx context.Context, _ *river.Job[ExpireArgs]) error { return r.Expire(ctx) })
	return []*river.PeriodicJob{jobs.Every(sweepInterval, SweepArgs{}), jobs.Every(expireInterval, ExpireArgs{})}
}
