package bulk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/db"
)

// leaseTime is how long a lease is valid, and renewEvery how often it is renewed. After a process is killed, another goes on when
// the lease has run out and the next sweep has run.
const (
	leaseTime  = 15 * time.Second
	renewEvery = 3 * time.Second
)

// errLost says that another process has the lease: nothing more may be written.
var errLost = errors.New("the lease of the bulk operation was lost")

// acquireSQL leases an operation that is not leased, unless the organization has its limit of running ones. $5 is the first state
// of a new one. An expired lease counts as a failure, as its process was killed, perhaps by the operation: otherwise it would kill
// one process after the other.
var acquireSQL = `
	UPDATE bulk_operations c SET lease_token = $3, lease_until = $4, enqueued_at = NULL, version = version + 1, updated_at = $6,
		failure_count = failure_count + CASE WHEN lease_token IS NULL THEN 0 ELSE 1 END,
		started_at = coalesce(started_at, $6), state = CASE state WHEN 'PENDING' THEN $5 ELSE state END
	WHERE organization_id = $1 AND id = $2 AND finished_at IS NULL AND runnable_at <= $6 AND (lease_until IS NULL OR lease_until < $6)
		AND (SELECT count(*) FROM bulk_operations o WHERE o.organization_id = $1 AND o.finished_at IS NULL AND o.lease_until >= $6) < $7
	RETURNING ` + Operations.Select()

// acquire leases an operation, or returns nil when it is leased, not due, or over.
func (s *Service) acquire(ctx context.Context, organizationID, id uuid.UUID) (*Operation, error) {
	var o *Operation
	err := s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		// Without the lock two processes could each miss the operation that the other leases.
		if _, err := tx.Exec(ctx, lockSQL, organizationID); err != nil {
			return err
		}
		stored, err := Operations.ByID(ctx, tx, db.Scope{OrganizationID: organizationID}, id)
		if err != nil {
			return err
		}
		first := Checking
		if s.exporters[stored.Kind] != nil {
			first = Running
		}
		o = new(Operation)
		err = tx.Get(ctx, o, acquireSQL, organizationID, id, db.NewID(), tx.Now.Add(leaseTime), first, tx.Now, s.limits.PerOrganization)
		if errors.Is(err, sql.ErrNoRows) {
			o = nil
			return nil
		}
		if err == nil {
			s.changed(tx, o)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("take a bulk operation: %w", err)
	}
	return o, nil
}

// renew renews the lease, and reports whether the operation is to be cancelled.
func (s *Service) renew(ctx context.Context, o *Operation) (cancel bool, err error) {
	err = s.pool.Get(ctx, &cancel, `
		UPDATE bulk_operations SET lease_until = $4 WHERE organization_id = $1 AND id = $2 AND lease_token = $3
		RETURNING cancel_requested_at IS NOT NULL`, o.OrganizationID, o.UUID, o.LeaseToken, s.now().Add(leaseTime))
	if errors.Is(err, sql.ErrNoRows) {
		return false, errLost
	}
	if err != nil {
		return false, fmt.Errorf("renew the lease of a bulk operation: %w", err)
	}
	return cancel, nil
}

// held locks the operation in the caller's transaction and returns it, or errLost.
func held(ctx context.Context, tx *db.Tx, o *Operation) (*Operation, error) {
	stored, err := Operations.Lock(ctx, tx, o.scope(), o.UUID)
	if err != nil {
		return nil, err
	}
	if stored.LeaseToken == nil || *stored.LeaseToken != *o.LeaseToken {
		return nil, errLost
	}
	return stored, nil
}

// change changes the operation in a transaction of its own, as long as the lease is held, and sets o to what is stored then. An
// upload that the operation needs no more is removed.
func (s *Service) change(ctx context.Context, o *Operation, f func(tx *db.Tx, stored *Operation) error) error {
	var stored *Operation
	err := s.pool.InTx(ctx, s.now(), func(tx *db.Tx) (err error) {
		if stored, err = held(ctx, tx, o); err != nil {
			return err
		}
		stored.UpdatedAt = tx.Now
		if err := f(tx, stored); err != nil {
			return err
		}
		if err := Operations.Update(ctx, tx, stored.scope(), stored); err != nil {
			return err
		}
		s.changed(tx, stored)
		return nil
	})
	if err != nil {
		return fmt.Errorf("change a bulk operation: %w", err)
	}
	if stored.FileKey == nil {
		s.drop(ctx, o.OrganizationID, o.FileKey)
	}
	*o = *stored
	return nil
}

// finish gives the operation its final state. also changes further fields; it may be nil.
func (s *Service) finish(ctx context.Context, o *Operation, state State, also func(stored *Operation), messages ...string) error {
	return s.change(ctx, o, func(tx *db.Tx, stored *Operation) error {
		if state == Cancelled {
			messages = []string{cancelledMessage(stored)}
		}
		if also != nil {
			also(stored)
		}
		return s.conclude(ctx, tx, stored, state, messages...)
	})
}

// conclude gives a locked operation its final state.
func (s *Service) conclude(ctx context.Context, tx *db.Tx, stored *Operation, state State, messages ...string) error {
	stored.end(state, tx.Now, s.limits.Keep, messages...)
	return audit.Write(ctx, tx, stored.actor(), audit.Change{Action: "bulk_operation.finished", Target: stored.ID(), Fields: map[string]any{
		"kind": stored.Kind, "state": stored.State, "processed": stored.ProcessedCount, "created": stored.CreatedCount, "updated": stored.UpdatedCount,
		"unchanged": stored.UnchangedCount, "failed": stored.FailedCount, "skipped": stored.SkippedCount,
	}})
}

// An operation that fails is tried again after 5 s, then after twice as long, up to 5 minutes, ten times.
const (
	firstWait   = 5 * time.Second
	longestWait = 5 * time.Minute
	maxFailures = 10
)

func wait(failures int32) time.Duration {
	return min(firstWait<<min(failures-1, maxFailures), longestWait)
}

// handBack releases the lease, and the operation is runnable at once.
func (s *Service) handBack(ctx context.Context, o *Operation) error {
	return s.change(ctx, o, func(tx *db.Tx, stored *Operation) error {
		stored.LeaseToken, stored.LeaseUntil, stored.EnqueuedAt, stored.RunnableAt = nil, nil, nil, tx.Now
		return nil
	})
}

// failed releases the lease and has the operation tried again later, or ends it after too many failures. It reads the stored
// count, which a chunk that was committed in this turn has reset.
func (s *Service) failed(ctx context.Context, o *Operation) error {
	return s.change(ctx, o, func(tx *db.Tx, stored *Operation) error {
		if stored.FailureCount++; stored.FailureCount >= maxFailures {
			return s.conclude(ctx, tx, stored, Failed, fmt.Sprintf("Given up after %d tries in which it came no further. What was done stays: see the results.", maxFailures))
		}
		stored.LeaseToken, stored.LeaseUntil, stored.EnqueuedAt, stored.RunnableAt = nil, nil, nil, tx.Now.Add(wait(stored.FailureCount))
		return nil
	})
}
