package webhook

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"caseload/internal/db"
	"caseload/internal/jobs"
	"caseload/internal/notify"
	"caseload/internal/viewer"
)

// topic is the bus topic of changed endpoints; the subject is the organization.
const topic = "webhook"

const (
	// organizationsKept bounds the organizations whose wanted events a process caches.
	organizationsKept = 10_000
	wantedEventsTTL   = 30 * time.Second
)

// Outbox stores events in the transactions of the changes that they are about. It is safe for concurrent use; a process
// has one.
type Outbox struct {
	jobs *river.Client[*sql.Tx]
	// wantedEvents holds the events that some enabled endpoint of an organization wants.
	wantedEvents *notify.Cache[[]EventType]
}

// NewOutbox makes the outbox. Make it before the bus runs.
func NewOutbox(pool *db.Pool, bus *notify.Bus, now func() time.Time) (*Outbox, error) {
	client, err := jobs.Inserter(pool.SQL())
	if err != nil {
		return nil, fmt.Errorf("make outbox: %w", err)
	}
	return &Outbox{jobs: client, wantedEvents: notify.NewCache[[]EventType](bus, topic, organizationsKept, wantedEventsTTL, now)}, nil
}

// Emit stores events in the transaction of the change that they are about: one delivery for each event and
// enabled endpoint of the viewer's organization that wants it, and one job for each such endpoint. It runs three
// statements whatever the number of events, and none for an organization that wants none of them. A rollback
// takes the deliveries with it. Call it when the change's own rows are locked and written: it locks endpoints, and
// nothing may be locked after them.
func (o *Outbox) Emit(ctx context.Context, tx *db.Tx, v *viewer.Viewer, events ...Event) error {
	wanted, err := o.wanted(ctx, tx, v, events)
	if err != nil || !wanted {
		return err
	}
	endpoints, err := lockEnabled(ctx, tx, v.Scope())
	if err != nil {
		return fmt.Errorf("read webhook endpoints: %w", err)
	}
	var rows []*Delivery
	var turns []turn
	for _, p := range endpoints {
		if slices.ContainsFunc(events, func(e Event) bool { return p.wants(e.Type) }) {
			turns = append(turns, p.turn())
		}
	}
	for i := range events {
		e := &events[i]
		if !slices.ContainsFunc(endpoints, func(p *Endpoint) bool { return p.wants(e.Type) }) {
			continue
		}
		id, body, err := newEnvelope(v.OrganizationID, e.Type, data{Customer: &e.Customer, Schedule: e.Schedule, Merged: e.Merged, Changed: e.Changed}, tx.Now)
		if err != nil {
			return err
		}
		for _, p := range endpoints {
			if p.wants(e.Type) {
				rows = append(rows, newDelivery(v.Scope(), p.UUID, e.Type, id, e.subject().String(), body, tx.Now))
			}
		}
	}
	return o.put(ctx, tx, v.Scope(), rows, turns...)
}

// wanted reports whether some endpoint of the viewer's organization wants one of the events.
func (o *Outbox) wanted(ctx context.Context, tx *db.Tx, v *viewer.Viewer, events []Event) (bool, error) {
	if len(events) == 0 {
		return false, nil
	}
	// Read in the transaction: with another connection, transactions that hold them all would wait for each other.
	types, err := o.wantedEvents.Get(ctx, v.OrganizationID, func(ctx context.Context) ([]EventType, error) { return readWantedEvents(ctx, tx, v.Scope()) })
	if err != nil {
		return false, fmt.Errorf("read webhook events: %w", err)
	}
	return slices.ContainsFunc(events, func(e Event) bool { return slices.Contains(types, e.Type) }), nil
}

// put writes deliveries, and enqueues the jobs that deliver them to their endpoints.
func (o *Outbox) put(ctx context.Context, tx *db.Tx, sc db.Scope, rows []*Delivery, turns ...turn) error {
	if len(rows) == 0 {
		return nil
	}
	if _, err := Deliveries.InsertAll(ctx, tx, sc, rows, false); err != nil {
		return fmt.Errorf("write webhook deliveries: %w", err)
	}
	return o.enqueue(ctx, tx, time.Time{}, turns...)
}

// enqueue enqueues jobs in one statement, to run at a time or, when that is zero, at once. They are not unique: inserting a
// unique job waits for the commits of all others that insert it. A job that finds the endpoint leased, or nothing due,
// ends after one statement.
func (o *Outbox) enqueue(ctx context.Context, tx *db.Tx, at time.Time, turns ...turn) error {
	if len(turns) == 0 {
		return nil
	}
	params := make([]river.InsertManyParams, len(turns))
	for i, t := range turns {
		params[i] = t.job(at)
	}
	if _, err := o.jobs.InsertManyTx(ctx, tx.SQL(), params); err != nil {
		return fmt.Errorf("enqueue webhook deliveries: %w", err)
	}
	return nil
}

// changed makes every process read the organization's wanted events again, after the commit.
func (o *Outbox) changed(tx *db.Tx, organizationID uuid.UUID) {
	tx.AfterCommit(func() { o.wantedEvents.Changed(organizationID, organizationID, "CHANGED", tx.Now) })
}
