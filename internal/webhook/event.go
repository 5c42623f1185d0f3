package webhook

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/relay"
)

// EventType is a kind of event; it is bound to the GraphQL enum WebhookEventType as it is.
type EventType string

// The kinds of event.
const (
	CustomerCreated EventType = "CUSTOMER_CREATED"
	CustomerUpdated EventType = "CUSTOMER_UPDATED"
	CustomerDeleted EventType = "CUSTOMER_DELETED"
	// CustomerMerged is about the customer that remains.
	CustomerMerged EventType = "CUSTOMER_MERGED"
	ScheduleSynced EventType = "SCHEDULE_SYNCED"
	// Ping is sent on request, to every endpoint, and cannot be subscribed to.
	Ping EventType = "PING"
)

// EventTypes lists the kinds of event in the order of the documentation.
var EventTypes = []EventType{CustomerCreated, CustomerUpdated, CustomerDeleted, CustomerMerged, ScheduleSynced, Ping}

// Name is the name that receivers see, such as customer.created.
func (e EventType) Name() string { return strings.ToLower(strings.ReplaceAll(string(e), "_", ".")) }

// IsValid reports whether e is a kind of event.
func (e EventType) IsValid() bool { return slices.Contains(EventTypes, e) }

// Customer names the customer that an event is about, without a personal value.
type Customer struct {
	ID relay.ID `json:"id"`
	// ReferenceID is the integrator's own reference; "" when there is none.
	ReferenceID string `json:"referenceId,omitempty"`
	// Version grows with every change: a receiver ignores an event with a lower one than it has seen.
	Version int32 `json:"version"`
	// Identifiers are what source systems know the customer by.
	Identifiers []Identifier `json:"identifiers,omitempty"`
}

// Identifier is the name of a customer in a source system.
type Identifier struct {
	Source   string `json:"source"`
	SourceID string `json:"sourceId"`
	Language string `json:"language,omitempty"`
}

// Schedule names the schedule that an event is about.
type Schedule struct {
	ID      relay.ID `json:"id"`
	Version int32    `json:"version"`
}

// Event is something that happened, for [Outbox.Emit].
type Event struct {
	Type     EventType
	Customer Customer
	// Schedule is set for ScheduleSynced.
	Schedule *Schedule
	// Merged are the customers that were merged into Customer and are gone, for CustomerMerged.
	Merged []relay.ID
	// Changed are the names of the fields that changed, as the GraphQL schema has them; never their values.
	Changed []string
}

// subject is what a delivery is listed under.
func (e *Event) subject() relay.ID {
	if e.Schedule != nil {
		return e.Schedule.ID
	}
	return e.Customer.ID
}

// eventPrefix is the prefix of the typed ids of events, which have no table: they live in their deliveries.
const eventPrefix = "evt"

// envelope is the body of a delivery; docs/webhooks.md describes it.
type envelope struct {
	ID             string `json:"id"`
	Type           string `json:"type"`
	OccurredAt     string `json:"occurredAt"`
	OrganizationID string `json:"organizationId"`
	Data           data   `json:"data"`
}

type data struct {
	Customer *Customer  `json:"customer,omitempty"`
	Schedule *Schedule  `json:"schedule,omitempty"`
	Merged   []relay.ID `json:"merged,omitempty"`
	Changed  []string   `json:"changed,omitempty"`
	Endpoint *relay.ID  `json:"endpoint,omitempty"`
}

// newEnvelope returns the body of an event and the event's id, by which receivers drop duplicates.
func newEnvelope(organizationID uuid.UUID, typ EventType, d data, at time.Time) (eventID string, body db.JSON, err error) {
	e := envelope{
		ID: relay.ID{Prefix: eventPrefix, UUID: db.NewID()}.String(), Type: typ.Name(), Data: d,
		// As the API writes a DateTime.
		OccurredAt:     at.UTC().Format("2006-01-02T15:04:05.000Z07:00"),
		OrganizationID: relay.ID{Prefix: "org", UUID: organizationID}.String(),
	}
	if body, err = json.Marshal(e); err != nil {
		return "", nil, fmt.Errorf("write event %s: %w", e.Type, err)
	}
	return e.ID, body, nil
}
