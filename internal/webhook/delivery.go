package webhook

import (
	"time"

	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/relay"
)

// Delivery is one event for one endpoint, and how its delivery went.
type Delivery struct {
	db.Row
	EndpointID uuid.UUID `db:"endpoint_id"`
	Event      EventType `db:"event"`
	// EventID is the same for all deliveries of one event, and for its redeliveries.
	EventID string `db:"event_id"`
	// SubjectID is the typed id of what the event is about.
	SubjectID string  `db:"subject_id"`
	Payload   db.JSON `db:"payload"`
	State     State   `db:"state"`
	// Attempts counts the attempts that began.
	Attempts int32 `db:"attempts"`
	// LastStatusCode and LastFailure are of the last attempt; a delivery that arrived has no failure.
	LastStatusCode *int32   `db:"last_status_code"`
	LastFailure    *Failure `db:"last_failure"`
	// NextAttemptAt is set while the delivery is pending. While an attempt is under way it is when that one is
	// taken for lost.
	NextAttemptAt *time.Time `db:"next_attempt_at"`
	DeliveredAt   *time.Time `db:"delivered_at"`
	CreatedAt     time.Time  `db:"created_at"`
}

// Deliveries declares the table.
var Deliveries = db.NewTable[Delivery]("webhook_deliveries", "dlv")

// ID returns the typed id.
func (d *Delivery) ID() relay.ID { return relay.ID{Prefix: Deliveries.Prefix(), UUID: d.UUID} }

// newDelivery makes a delivery that is due at once.
func newDelivery(sc db.Scope, endpointID uuid.UUID, event EventType, eventID, subject string, payload db.JSON, now time.Time) *Delivery {
	return &Delivery{
		Row: db.Row{OrganizationID: sc.OrganizationID, UUID: db.NewID()}, EndpointID: endpointID, Event: event, EventID: eventID,
		SubjectID: subject, Payload: payload, State: Pending, NextAttemptAt: &now, CreatedAt: now,
	}
}

// State is where a delivery stands; doc.go has the picture. It is bound to the GraphQL enum WebhookDeliveryState.
type State string

// The states of a delivery.
const (
	Pending   State = "PENDING"
	Delivered State = "DELIVERED"
	Failed    State = "FAILED"
)

// Failure is why an attempt, or the delivery, failed: a closed list, since the words of the other side are never
// kept. It is bound to the GraphQL enum WebhookFailure.
type Failure string

// The failures.
const (
	// FailureStatus is an answer that is not 2xx; the status code is beside it.
	FailureStatus Failure = "STATUS"
	// FailureRedirect is an answer that leads elsewhere; it is not followed.
	FailureRedirect Failure = "REDIRECT"
	// FailureGone is 410 Gone: the endpoint is disabled.
	FailureGone Failure = "GONE"
	// FailureTimeout is no answer in time.
	FailureTimeout Failure = "TIMEOUT"
	// FailureUnreachable is a name that is not known, a connection refused or closed, or no HTTP.
	FailureUnreachable Failure = "UNREACHABLE"
	// FailureCertificate is a certificate that is not valid.
	FailureCertificate Failure = "CERTIFICATE"
	// FailurePrivateAddress is an address that is not on the public internet.
	FailurePrivateAddress Failure = "PRIVATE_ADDRESS"
	// FailureDisabled is an endpoint that was disabled before the delivery.
	FailureDisabled Failure = "ENDPOINT_DISABLED"
	// FailureExpired is a delivery that was not begun within 24 hours, as the endpoint failed all the time.
	FailureExpired Failure = "EXPIRED"
)

// Failures lists the failures.
var Failures = []Failure{FailureStatus, FailureRedirect, FailureGone, FailureTimeout, FailureUnreachable, FailureCertificate, FailurePrivateAddress, FailureDisabled, FailureExpired}
