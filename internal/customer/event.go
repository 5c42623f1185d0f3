package customer

import (
	"context"
	"slices"
	"time"

	"caseload/internal/db"
	"caseload/internal/viewer"
)

// EventKind is what happened to a customer, by the name under which an organization's endpoints subscribe to it.
type EventKind string

// The kinds of events.
const (
	EventCreated EventKind = "customer.created"
	EventUpdated EventKind = "customer.updated"
	EventDeleted EventKind = "customer.deleted"
	EventMerged  EventKind = "customer.merged"
)

// Event is a change of a customer.
type Event struct {
	Kind EventKind
	// Customer is the customer after the change; of a merge it is the duplicate.
	Customer *Customer
	// Into is the survivor of a merge, nil otherwise.
	Into *Customer
	// Changed are the names of the fields that changed, without values.
	Changed []string
	At      time.Time
}

// Events receives changes in the transaction that makes them, so that it can store what it sends later.
type Events interface {
	// Emit takes all events of one transaction at once. An error rolls the transaction back. It is safe for
	// concurrent use.
	Emit(ctx context.Context, tx *db.Tx, v *viewer.Viewer, events ...Event) error
}

// Emit passes all events of a transaction to the service's listener, if there is one. It is called once per
// transaction; without events it does nothing. Changes of a customer who is deleted, such as the link to an awaited parent, are
// left out: after [EventDeleted] there are no events of a customer.
func (s *Service) Emit(ctx context.Context, tx *db.Tx, v *viewer.Viewer, events ...Event) error {
	events = slices.DeleteFunc(events, func(e Event) bool { return e.Kind == EventUpdated && e.Customer.DeletedAt != nil })
	if s.Events == nil || len(events) == 0 {
		return nil
	}
	return s.Events.Emit(ctx, tx, v, events...)
}
