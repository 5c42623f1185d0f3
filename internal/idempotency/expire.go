package idempotency

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"caseload/internal/jobs"
)

// expireBatch is how many rows one statement removes, so that none holds its locks for long.
const expireBatch = 1000

// ExpireArgs is the job of [Outcomes.Expire].
type ExpireArgs struct{}

// Kind names the job.
func (ExpireArgs) Kind() string { return "idempotency.expire" }

// AddWorkers registers the worker of outcomes, and returns the schedule of its job.
func (o *Outcomes) AddWorkers(workers *river.Workers) []*river.PeriodicJob {
	jobs.Add(workers, 0, func(ctx context.Context, _ *river.Job[ExpireArgs]) error { return o.Expire(ctx) })
	return []*river.PeriodicJob{jobs.Every(15*time.Minute, ExpireArgs{})}
}

// The statement goes organization by organization, one step into the index of each, however many outcomes are stored. It looks
// at expires_at again, as a row may have been replaced since it was found.
const expireSQL = `
	WITH old AS MATERIALIZED (
		SELECT k.organization_id, k.id, k.field FROM organizations o CROSS JOIN LATERAL (
			SELECT organization_id, id, field FROM idempotency_keys
			WHERE organization_id = o.organization_id AND expires_at <= $1
			ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) k
		LIMIT $2)
	DELETE FROM idempotency_keys k USING old
	WHERE k.organization_id = old.organization_id AND k.id = old.id AND k.field = old.field AND k.expires_at <= $1`

// Expire removes the expired outcomes of all organizations, in batches; the next run removes what is left. Several processes
// may run it at once. An outcome is not replayed from the moment it expires, removed or not.
func (o *Outcomes) Expire(ctx context.Context) error {
	if _, err := o.pool.ExecInBatches(ctx, expireBatch, expireSQL, o.now()); err != nil {
		return fmt.Errorf("remove expired idempotency keys: %w", err)
	}
	return nil
}
