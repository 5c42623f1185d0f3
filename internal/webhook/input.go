package webhook

import (
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/lib/pq"

	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/outbound"
	"caseload/internal/relay"
)

// CreateEndpointInput is what createWebhookEndpoint needs.
type CreateEndpointInput struct {
	URL         string
	Description graphql.Omittable[*string]
	Events      []EventType
	IsEnabled   graphql.Omittable[*bool]
}

// UpdateEndpointInput is what updateWebhookEndpoint needs; absent fields stay.
type UpdateEndpointInput struct {
	ID              relay.ID
	URL             graphql.Omittable[*string]
	Description     graphql.Omittable[*string]
	Events          graphql.Omittable[[]EventType]
	IsEnabled       graphql.Omittable[*bool]
	ExpectedVersion graphql.Omittable[*int32]
}

// DeleteEndpointInput is what deleteWebhookEndpoint needs.
type DeleteEndpointInput struct{ ID relay.ID }

// RotateSecretInput is what rotateWebhookSecret needs.
type RotateSecretInput struct {
	ID relay.ID
	// OverlapHours is how long the old secret goes on signing, 0 to 72; 24 when absent or null.
	OverlapHours graphql.Omittable[*int32]
}

// PingEndpointInput is what pingWebhookEndpoint needs.
type PingEndpointInput struct{ ID relay.ID }

// RedeliverInput is what redeliverWebhook needs.
type RedeliverInput struct{ ID relay.ID }

const (
	// maxEndpoints is how many endpoints an organization may have.
	maxEndpoints = 20
	// maxURL and maxDescription are in characters.
	maxURL, maxDescription = 2048, 1000
	// The overlap of a rotation, in hours.
	maxOverlap, usualOverlap = 72, 24
)

// readURL returns a URL, or "" and records what is wrong with it.
func readURL(c *fault.Check, raw string, allowPrivate bool) (string, bool) {
	url := input.Text(c, raw, maxURL)
	if url == "" {
		return "", false
	}
	if _, err := outbound.ParseURL(url, allowPrivate); err != nil {
		c.Add(fault.Invalid, "%v", err)
		return "", false
	}
	return url, true
}

// checkEvents records what is wrong with a choice of events, and returns it sorted and without repeats.
func checkEvents(c *fault.Check, events []EventType) pq.StringArray {
	if len(events) == 0 {
		c.At("events").Add(fault.Required, "Choose at least one event.")
	}
	names := make(pq.StringArray, 0, len(events))
	for i, e := range events {
		switch {
		case e == Ping:
			c.At("events").Index(i).Add(fault.Invalid, "PING is sent by pingWebhookEndpoint to every endpoint; leave it out.")
		case !e.IsValid():
			c.At("events").Index(i).Add(fault.Invalid, "Choose among %v.", EventTypes[:len(EventTypes)-1])
		}
		names = append(names, string(e))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// fill checks the input and writes it into a new endpoint, which is enabled.
func (in *CreateEndpointInput) fill(c *fault.Check, e *Endpoint, allowPrivate bool) {
	e.IsEnabled = true
	e.URL, _ = readURL(c.At("url"), in.URL, allowPrivate)
	input.ClearNote(c.At("description"), in.Description, maxDescription, &e.Description)
	e.EventNames = checkEvents(c, in.Events)
}

// apply checks the input and writes what was given into the endpoint, as of a time.
func (in *UpdateEndpointInput) apply(c *fault.Check, e *Endpoint, allowPrivate bool, at time.Time) {
	before := e.URL
	input.Required(c.At("url"), in.URL, &e.URL, func(raw string) (string, bool) { return readURL(c.At("url"), raw, allowPrivate) })
	input.ClearNote(c.At("description"), in.Description, maxDescription, &e.Description)
	if in.Events.IsSet() {
		e.EventNames = checkEvents(c, in.Events.Value())
	}
	if in.IsEnabled.IsSet() && in.IsEnabled.Value() == nil {
		c.At("isEnabled").Add(fault.Required, "An endpoint is enabled or not; leave it out to keep it.")
	}
	switch on := in.IsEnabled.Value(); {
	case on != nil && *on && !e.IsEnabled, e.IsEnabled && (on == nil || *on) && e.URL != before:
		e.enable()
	case on != nil && !*on && e.IsEnabled:
		e.disable(DisabledByHand, at)
	}
}

// overlapHours checks the overlap of a rotation.
func (in *RotateSecretInput) overlapHours(c *fault.Check) int32 {
	hours := input.Or(in.OverlapHours, usualOverlap)
	if hours < 0 || hours > maxOverlap {
		c.At("overlapHours").Add(fault.OutOfRange, "The overlap is 0 to %d hours.", maxOverlap)
	}
	return hours
}
