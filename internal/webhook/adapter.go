package webhook

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/relay"
	"caseload/internal/schedule"
	"caseload/internal/viewer"
)

// customerEvents are the kinds of event that customers make.
var customerEvents = map[customer.EventKind]EventType{
	customer.EventCreated: CustomerCreated, customer.EventUpdated: CustomerUpdated, customer.EventDeleted: CustomerDeleted, customer.EventMerged: CustomerMerged,
}

// CustomerEvents puts what happens to customers into the outbox; it implements [customer.Events].
type CustomerEvents struct{ Outbox *Outbox }

// Emit implements [customer.Events]. Duplicates that were merged into one survivor are one event.
func (c CustomerEvents) Emit(ctx context.Context, tx *db.Tx, v *viewer.Viewer, events ...customer.Event) error {
	var out []Event
	about := map[uuid.UUID]int{}
	for _, e := range events {
		kind, ok := customerEvents[e.Kind]
		if !ok {
			return fmt.Errorf("tell of customers: no event is named %s", e.Kind)
		}
		if e.Into == nil {
			event := Event{Type: kind, Customer: customerOf(e.Customer)}
			// Of a new customer, and of one who is gone, nothing has changed: it is there, or is not.
			if kind == CustomerUpdated {
				event.Changed = schemaNames(e.Changed)
			}
			out = append(out, event)
			continue
		}
		i, ok := about[e.Into.UUID]
		if !ok {
			i = len(out)
			about[e.Into.UUID] = i
			out = append(out, Event{Type: kind, Customer: customerOf(e.Into)})
		}
		out[i].Merged = append(out[i].Merged, e.Customer.ID())
	}
	return c.Outbox.emitWithIdentifiers(ctx, tx, v, out)
}

// ScheduleEvents puts new plans into the outbox; it implements [schedule.Events].
type ScheduleEvents struct{ Outbox *Outbox }

// Synced implements [schedule.Events].
func (s ScheduleEvents) Synced(ctx context.Context, tx *db.Tx, v *viewer.Viewer, synced ...schedule.Synced) error {
	out := make([]Event, len(synced))
	for i, e := range synced {
		out[i] = Event{Type: ScheduleSynced, Customer: customerOf(e.Customer)}
		if e.Schedule != nil {
			out[i].Schedule = &Schedule{ID: e.Schedule.ID(), Version: e.Schedule.Version}
		}
	}
	return s.Outbox.emitWithIdentifiers(ctx, tx, v, out)
}

// renamed are the names in the audit log that the schema has otherwise; "" is what it does not show.
var renamed = map[string]string{
	"ssn": "ssnProvided", "parent_id": "parent", "merged_into_id": "mergedInto", "phone_number": "phones", "address": "addresses",
	"identifier": "identifiers", "blocked_phones": "phones", "accounts": "accountHolders", "holders": "accountHolders", "merged": "",
}

// schemaNames turns the names of the audit log, which are those of columns, into those that receivers know from the
// GraphQL schema, each once.
func schemaNames(fields []string) []string {
	var out []string
	for _, field := range fields {
		name, ok := renamed[field]
		if !ok {
			words := strings.Split(field, "_")
			for i, word := range words[1:] {
				if word != "" {
					words[i+1] = strings.ToUpper(word[:1]) + word[1:]
				}
			}
			name = strings.Join(words, "")
		}
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func customerOf(c *customer.Customer) Customer {
	out := Customer{ID: c.ID(), Version: c.Version}
	if c.ReferenceID != nil {
		out.ReferenceID = *c.ReferenceID
	}
	return out
}

// emitWithIdentifiers emits events with the identifiers of their customers. Where no endpoint wants them it runs no statement.
func (o *Outbox) emitWithIdentifiers(ctx context.Context, tx *db.Tx, v *viewer.Viewer, events []Event) error {
	wanted, err := o.wanted(ctx, tx, v, events)
	if err != nil || !wanted {
		return err
	}
	keys := make([]uuid.UUID, len(events))
	for i, e := range events {
		keys[i] = e.Customer.ID.UUID
	}
	rows, err := customer.Identifiers.ByKeys(ctx, tx, v.Scope(), "customer_id", keys)
	if err != nil {
		return fmt.Errorf("read identifiers for webhooks: %w", err)
	}
	names := make(map[relay.ID][]Identifier, len(keys))
	for _, r := range rows {
		id := relay.ID{Prefix: customer.Customers.Prefix(), UUID: r.CustomerID}
		names[id] = append(names[id], Identifier{Source: r.Source, SourceID: r.SourceID, Language: r.Language})
	}
	for i := range events {
		events[i].Customer.Identifiers = names[events[i].Customer.ID]
	}
	return o.Emit(ctx, tx, v, events...)
}
