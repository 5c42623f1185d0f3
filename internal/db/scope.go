package db

import "github.com/google/uuid"

// Scope is whose rows a statement may see. Every verb of the data layer takes one, and there is no
// way to build a statement without it: organization_id is always $1.
type Scope struct {
	// OrganizationID is the tenant. The zero value sees nothing.
	OrganizationID uuid.UUID
}

// Row is what every entity embeds: its tenant and its identity.
type Row struct {
	OrganizationID uuid.UUID `db:"organization_id"`
	UUID           uuid.UUID `db:"id"`
}

// Key returns the row's uuid.
func (r *Row) Key() uuid.UUID { return r.UUID }

// IsNode marks the GraphQL interface.
func (*Row) IsNode() {}

// NewID makes a uuid of version 7: ordered by time, so that indexes grow at their end.
func NewID() uuid.UUID {
	// NewV7 fails only when the system's random source does, which Go makes fatal anyway.
	return uuid.Must(uuid.NewV7())
}
