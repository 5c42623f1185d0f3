package webhook

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"caseload/internal/db"
)

// Sweep enqueues jobs for endpoints of all organizations with deliveries that should have been attempted: those of
// a killed worker, of a lost job, or of an endpoint that was disabled. Running it twice at once is safe.
func (c *Deliverer) Sweep(ctx context.Context) error {
	return c.pool.InTx(ctx, c.now(), func(tx *db.Tx) error {
		var late []turn
		if err := tx.Select(ctx, &late, lateSQL, tx.Now, tx.Now.Add(-lateAfter)); err != nil {
			return fmt.Errorf("find late webhook deliveries: %w", err)
		}
		return c.outbox.enqueue(ctx, tx, time.Time{}, late...)
	})
}

// Purge removes deliveries that are older than 30 days, and expired secrets, of all organizations. What is left when
// the time of a job is over is removed by the next.
func (c *Deliverer) Purge(ctx context.Context) error {
	now := c.now()
	if _, err := c.pool.Exec(ctx, expireSecretsSQL, now); err != nil {
		return fmt.Errorf("remove webhook secrets: %w", err)
	}
	if _, err := c.pool.ExecInBatches(ctx, purgeBatch, purgeSQL, now.Add(-keepFor)); err != nil {
		return fmt.Errorf("remove webhook deliveries: %w", err)
	}
	return nil
}

// Forget removes the log of an endpoint that was deleted, and reports whether all of it is removed.
func (c *Deliverer) Forget(ctx context.Context, organizationID, endpointID uuid.UUID) (bool, error) {
	done, err := c.pool.ExecInBatches(ctx, purgeBatch, forgetSQL, organizationID, endpointID)
	if err != nil {
		return false, fmt.Errorf("remove log of webhook endpoint: %w", err)
	}
	return done, nil
}
