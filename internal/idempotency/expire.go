package idempotency

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
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

const expireSQL = `
	DELETE FROM idempotency_keys k
	USING (SELECT id, field FROM idempotency_keys WHERE organization_id = $1 AND expires_at <= $2
		ORDER BY expires_at LIMIT $3 FOR UPDATE SKIP LOCKED) old
	WHERE k.organization_id = $1 AND k.id = old.id AND k.field = old.field`

// Expire removes the outcomes that have expired, in batches and one organization after the other. Running it
// twice at once is safe; what one has locked the other passes over.
func (o *Outcomes) Expire(ctx context.Context) error {
	now := o.now()
	var organizations []uuid.UUID
	if err := o.pool.Select(ctx, &organizations, "SELECT DISTINCT organization_id FROM idempotency_keys WHERE expires_at <= $1", now); err != nil {
		return fmt.Errorf("find expired idempotency keys: %w", err)
	}
	for _, organization := range organizations {
		for {
			n, err := o.pool.Exec(ctx, expireSQL, organization, now, expireBatch)
			if err != nil {
				return fmt.Errorf("remove expired idempotency keys: %w", err)
			}
			if n < expireBatch {
				break
			}
		}
	}
	return nil
}
