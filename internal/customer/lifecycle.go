package customer

import (
	"context"
	"time"

	"caseload/internal/audit"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
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

// Delete marks a customer as deleted and cancels its planned calls. All that is known of the customer stays, so
// that it can be restored. Deleting again changes nothing. Wrong input comes back as fault.UserErrors.
func (s *Service) Delete(ctx context.Context, v *viewer.Viewer, in DeleteInput) (*Customer, error) {
	id, err := in.ID.As(Customers.Prefix())
	if err != nil {
		return nil, err
	}
	c := fault.NewCheck("input")
	reason := input.Reason(c.At("reason"), in.Reason.Value(), 0, MaxReason)
	if err := c.Err(); err != nil {
		return nil, err
	}
	return s.change(ctx, v, id, lifeEntry("customer.deleted"), reason, func(tx *db.Tx, r *Record) error {
		if r.Customer.IsDeleted() {
			// Before the version is compared: a replay still expects the version before the deletion.
			return nil
		}
		actor := v.ActorText()
		r.Customer.DeletedAt, r.Customer.DeletedBy = &tx.Now, &actor
		input.Version(c, in.ExpectedVersion.Value(), r.Customer.Version, "customer")
		return c.Err()
	})
}

// Restore takes the mark of deletion away. Calls are planned again by the next sync. Restoring a customer that
// lives changes nothing; one that was merged cannot be restored, since what it had belongs to the survivor.
func (s *Service) Restore(ctx context.Context, v *viewer.Viewer, in RestoreInput) (*Customer, error) {
	id, err := in.ID.As(Customers.Prefix())
	if err != nil {
		return nil, err
	}
	return s.change(ctx, v, id, lifeEntry("customer.restored"), "", func(_ *db.Tx, r *Record) error {
		c := fault.NewCheck("input", "id")
		if r.Customer.MergedIntoID != nil {
			CheckLive(c, &r.Customer)
		}
		r.Customer.DeletedAt, r.Customer.DeletedBy = nil, nil
		return c.Err()
	})
}

// lifeEntry is the [Batch.Entry] of a deletion or restoration: its action says what changed.
func lifeEntry(action string) func(*Record, []string) audit.Change {
	return func(_ *Record, changed []string) (entry audit.Change) {
		if len(changed) > 0 {
			entry.Action = action
		}
		return entry
	}
}
