package customer

import (
	"context"
	"fmt"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/customer/check"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// CheckLive records that a deleted customer cannot be changed, and how it can: by restoring it or, when it was
// merged, by way of the survivor. It reports whether the customer lives.
func CheckLive(c *fault.Check, customer *Customer) bool {
	switch {
	case customer.DeletedAt == nil:
		return true
	case customer.MergedIntoID != nil:
		c.Add(fault.InvalidState, "The customer was merged into %s on %s: use that one.",
			relay.ID{Prefix: Customers.Prefix(), UUID: *customer.MergedIntoID}, customer.DeletedAt.UTC().Format(time.RFC3339))
	default:
		c.Add(fault.InvalidState, "The customer was deleted on %s: use restoreCustomer first.", customer.DeletedAt.UTC().Format(time.RFC3339))
	}
	return false
}

// checkVersion records that a customer was changed since the caller read it.
func checkVersion(c *fault.Check, expected graphql.Omittable[*int32], stored int32) {
	if p := expected.Value(); p != nil && *p != stored {
		c.At("expectedVersion").Add(fault.StaleVersion, "The customer was changed since it was read; read it again.")
	}
}

// Delete marks a customer as deleted and cancels its planned calls. All that is known of the customer stays, so
// that it can be restored. Deleting again changes nothing. Wrong input comes back as fault.UserErrors.
func (s *Service) Delete(ctx context.Context, v *viewer.Viewer, in DeleteInput) (*Customer, error) {
	id, err := in.ID.As(Customers.Prefix())
	if err != nil {
		return nil, err
	}
	c := fault.NewCheck("input")
	reason := check.Reason(c, in.Reason)
	if err := c.Err(); err != nil {
		return nil, err
	}
	return s.changeLife(ctx, v, id, EventDeleted, audit.Change{Action: "customer.deleted", Reason: reason}, func(r *Record, now time.Time) (bool, error) {
		if r.Customer.IsDeleted() {
			// Before the version is looked at: a repetition still expects the version before the deletion.
			return false, nil
		}
		stale := fault.NewCheck("input")
		if checkVersion(stale, in.ExpectedVersion, r.Customer.Version); !stale.OK() {
			return false, stale.Err()
		}
		actor := v.ActorText()
		r.Customer.DeletedAt, r.Customer.DeletedBy = &now, &actor
		return true, nil
	})
}

// Restore takes the mark of deletion away. Calls are planned again by the next sync. Restoring a customer that
// lives changes nothing; one that was merged cannot be restored, since what it had belongs to the survivor.
func (s *Service) Restore(ctx context.Context, v *viewer.Viewer, in RestoreInput) (*Customer, error) {
	id, err := in.ID.As(Customers.Prefix())
	if err != nil {
		return nil, err
	}
	return s.changeLife(ctx, v, id, EventUpdated, audit.Change{Action: "customer.restored"}, func(r *Record, _ time.Time) (bool, error) {
		if !r.Customer.IsDeleted() {
			return false, nil
		}
		if r.Customer.MergedIntoID != nil {
			c := fault.NewCheck("input", "id")
			CheckLive(c, &r.Customer)
			return false, c.Err()
		}
		r.Customer.DeletedAt, r.Customer.DeletedBy = nil, nil
		return true, nil
	})
}

// changeLife deletes or restores one customer in one transaction. change reports whether there is anything to do.
func (s *Service) changeLife(ctx context.Context, v *viewer.Viewer, id uuid.UUID, kind EventKind, entry audit.Change, change func(r *Record, now time.Time) (bool, error)) (*Customer, error) {
	var row *Customer
	err := s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		tx.Keep(&row)
		r, err := LockByID(ctx, tx, v.Scope(), id)
		if err != nil {
			return missing(err, "input", "id")
		}
		row = &r.Customer
		changes, err := change(r, tx.Now)
		if err != nil || !changes {
			return err
		}
		fields := r.Settle(v, tx.Now)
		if err := WriteAll(ctx, tx, v, []*Record{r}); err != nil {
			return fmt.Errorf("write customer: %w", err)
		}
		if kind == EventDeleted {
			if err := s.Retire(ctx, tx, v, []uuid.UUID{id}, "the customer was deleted"); err != nil {
				return err
			}
		}
		entry.Target, entry.CustomerID = row.ID(), id
		if err := audit.Write(ctx, tx, v, entry); err != nil {
			return err
		}
		return s.Emit(ctx, tx, v, Event{Kind: kind, Customer: row, Changed: fields, At: tx.Now})
	})
	if err != nil {
		return nil, err
	}
	return row, nil
}
