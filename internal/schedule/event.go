package schedule

import (
	"context"

	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/viewer"
)

// Synced is the event that a customer's calls were planned again.
type Synced struct {
	Customer *customer.Customer
	// Schedule is nil when the customer was written and cannot be called.
	Schedule *Schedule
}

// Events receives new plans in the transaction that makes them, so that it can store what it sends later.
type Events interface {
	// Synced takes all of one transaction at once. An error rolls the transaction back. It is safe for concurrent
	// use.
	Synced(ctx context.Context, tx *db.Tx, v *viewer.Viewer, synced ...Synced) error
}

// emit emits the events of a sync, after all rows are locked and written.
func (s *Service) emit(ctx context.Context, tx *db.Tx, v *viewer.Viewer, events []customer.Event, synced []Synced) error {
	if err := s.customers.Emit(ctx, tx, v, events...); err != nil {
		return err
	}
	if s.Events == nil || len(synced) == 0 {
		return nil
	}
	return s.Events.Synced(ctx, tx, v, synced...)
}
