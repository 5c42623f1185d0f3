package webhook

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"caseload/internal/db"
)

// purgeFor is how long a purge goes on, within the time of a job.
const purgeFor = 40 * time.Second

// Sweep enqueues jobs for endpoints of all organizations with deliveries that should have been attempted: those of
// a killed worker, of a lost job, or of an endpoint that was disabled. Running it twice at once is safe.
func (c *Courier) Sweep(ctx context.Context) error {
	return c.pool.InTx(ctx, c.now(), func(tx *db.Tx) error {
		var late []struct {
			OrganizationID uuid.UUID `db:"organization_id"`
			ID             uuid.UUID `db:"id"`
		}
		if err := tx.Select(ctx, &late, lateSQL, tx.Now, tx.Now.Add(-lateAfter)); err != nil {
			return fmt.Errorf("find late webhook deliveries: %w", err)
		}
		due := make([]DrainArgs, len(late))
		for i, l := range late {
			due[i] = DrainArgs{l.OrganizationID, l.ID}
		}
		return c.outbox.wake(ctx, tx, time.Time{}, due...)
	})
}

// Purge removes deliveries from the log that are older than 30 days, and secrets whose time is over, of all
// organizations. It goes on in batches for as long as a job may, and does the rest the next time.
func (c *Courier) Purge(ctx context.Context) error {
	now := c.now()
	if _, err := c.pool.Exec(ctx, overSQL, now); err != nil {
		return fmt.Errorf("remove webhook secrets: %w", err)
	}
	if _, err := c.inBatches(ctx, purgeSQL, now.Add(-keepFor)); err != nil {
		return fmt.Errorf("remove webhook deliveries: %w", err)
	}
	return nil
}

// Forget removes the log of an endpoint that was deleted, and tells whether all of it is gone.
func (c *Courier) Forget(ctx context.Context, organizationID, endpointID uuid.UUID) (bool, error) {
	done, err := c.inBatches(ctx, forgetSQL, organizationID, endpointID)
	if err != nil {
		return false, fmt.Errorf("remove log of webhook endpoint: %w", err)
	}
	return done, nil
}

// inBatches runs a statement, whose last argument is how many rows it takes, until it takes fewer or time is over.
func (c *Courier) inBatches(ctx context.Context, statement string, args ...any) (done bool, err error) {
	for began := c.now(); c.now().Sub(began) < purgeFor; {
		n, err := c.pool.Exec(ctx, statement, append(args, purgeBatch)...)
		if err != nil || n < purgeBatch {
			return err == nil, err
		}
	}
	return false, nil
}
