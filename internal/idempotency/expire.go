package idempotency

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"
)

// ExpireInterval is how often outcomes that have expired are removed. They answer for nothing from the moment at
// which they expire, removed or not.
const ExpireInterval = 15 * time.Minute

// expireBatch is how many rows one statement removes, so that none holds its locks for long.
const expireBatch = 1000

// ExpireArgs is the job that removes outcomes that have expired.
type ExpireArgs struct{}

// Kind names the job.
func (ExpireArgs) Kind() string { return "idempotency.expire" }

// ExpireWorker runs [Outcomes.Expire].
type ExpireWorker struct {
	river.WorkerDefaults[ExpireArgs]
	Outcomes *Outcomes
}

// Work implements river.Worker.
func (w *ExpireWorker) Work(ctx context.Context, _ *river.Job[ExpireArgs]) error {
	return w.Outcomes.Expire(ctx)
}

// The organizations lead: each costs one step into its index, however many outcomes are kept. A row that was replaced
// since it was found is not old any more.
const expireSQL = `
	WITH old AS MATERIALIZED (
		SELECT k.organization_id, k.id, k.field FROM organizations o CROSS JOIN LATERAL (
			SELECT organization_id, id, field FROM idempotency_keys
			WHERE organization_id = o.organization_id AND expires_at <= $1
			ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) k
		LIMIT $2)
	DELETE FROM idempotency_keys k USING old
	WHERE k.organization_id = old.organization_id AND k.id = old.id AND k.field = old.field AND k.expires_at <= $1`

// Expire removes the outcomes that have expired, of all organizations and in batches. What is left when the time of a
// job is over goes the next time. Running it twice at once is safe; what one has locked the other passes over.
func (o *Outcomes) Expire(ctx context.Context) error {
	if _, err := o.pool.InRounds(ctx, expireBatch, expireSQL, o.now()); err != nil {
		return fmt.Errorf("remove expired idempotency keys: %w", err)
	}
	return nil
}
