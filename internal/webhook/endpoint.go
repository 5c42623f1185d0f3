package webhook

import (
	"slices"
	"time"

	"github.com/lib/pq"

	"caseload/internal/db"
	"caseload/internal/entity"
	"caseload/internal/pii"
	"caseload/internal/relay"
)

// Endpoint is a URL to which an organization's events are sent.
type Endpoint struct {
	entity.Row
	URL            string          `db:"url"`
	Description    *string         `db:"description"`
	EventNames     pq.StringArray  `db:"events" audit:"events"`
	IsEnabled      bool            `db:"is_enabled" audit:"isEnabled"`
	DisabledReason *DisabledReason `db:"disabled_reason"`
	DisabledAt     *time.Time      `db:"disabled_at"`
	// SecretSealed and PreviousSecretSealed stay in the database: not even sealed do they stand in JSON.
	SecretSealed         []byte     `db:"secret_sealed" json:"-"`
	PreviousSecretSealed []byte     `db:"previous_secret_sealed" json:"-"`
	PreviousSecretUntil  *time.Time `db:"previous_secret_until"`
	// FailingSince is when the first failure after the last success was; nil while it works.
	FailingSince *time.Time `db:"failing_since" audit:"-"`
	// HoldUntil is when the lease of the worker that delivers, or a pause, ends; WakeAt is when the next job runs. They
	// do not raise the version.
	HoldUntil *time.Time `db:"hold_until" audit:"-"`
	WakeAt    *time.Time `db:"wake_at" audit:"-"`
}

// Endpoints declares the table.
var Endpoints = entity.New[Endpoint]("webhook_endpoints", "hook", "webhook endpoint")

// ID returns the typed id.
func (e *Endpoint) ID() relay.ID { return Endpoints.ID(e) }

// Events returns the events that the endpoint wants, sorted.
func (e *Endpoint) Events() []EventType {
	events := make([]EventType, len(e.EventNames))
	for i, name := range e.EventNames {
		events[i] = EventType(name)
	}
	return events
}

// Computed declares the fields that are not columns, for compiled reads.
func (*Endpoint) Computed(*pii.Sealer) map[string]db.Computed {
	return map[string]db.Computed{"events": db.Texts("events")}
}

// turn is the endpoint's turn to be delivered to.
func (e *Endpoint) turn() turn {
	return turn{OrganizationID: e.OrganizationID, EndpointID: e.UUID, Failing: e.FailingSince != nil}
}

// wants reports whether the endpoint gets events of a type.
func (e *Endpoint) wants(t EventType) bool { return slices.Contains(e.EventNames, string(t)) }

// disable ends deliveries at a time, for a reason.
func (e *Endpoint) disable(reason DisabledReason, at time.Time) {
	e.IsEnabled, e.DisabledReason, e.DisabledAt = false, &reason, &at
}

// enable starts deliveries again: earlier failures do not count.
func (e *Endpoint) enable() {
	e.IsEnabled, e.DisabledReason, e.DisabledAt = true, nil, nil
	// Only an endpoint that fails may be paused; otherwise HoldUntil is a worker's lease.
	if e.FailingSince != nil {
		e.FailingSince, e.HoldUntil = nil, nil
	}
}

// DisabledReason is why nothing is sent to an endpoint; it is bound to the GraphQL enum WebhookDisabledReason.
type DisabledReason string

// The reasons.
const (
	// DisabledByHand is by updateWebhookEndpoint, or by createWebhookEndpoint.
	DisabledByHand DisabledReason = "BY_HAND"
	// DisabledFailing is after 3 days without a success.
	DisabledFailing DisabledReason = "FAILING"
	// DisabledGone is after the endpoint answered 410 Gone.
	DisabledGone DisabledReason = "GONE"
)
