// Package entity writes plain entities: rows that are created, updated, archived, restored and deleted one at a time,
// and each time locked, checked, audited and answered in the same way.
//
// An entity is declared by a struct that embeds [Row], a line that names its table ([New]), and a function that fills
// the row from an input and records what is wrong with it. There are no hooks: what needs an `if` for one entity is
// plain Go in its domain, around the parts of which the whole changes are made ([Kind.Make], [Kind.Add], [Kind.Change],
// [Kind.Remove]), in a transaction of the domain's own.
package entity

import (
	"time"

	"github.com/google/uuid"

	"caseload/internal/db"
)

// Row is what every plain entity embeds: its identity, its version, and who wrote it when.
type Row struct {
	db.Row
	Version   int32     `db:"version"`
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
	CreatedBy string    `db:"created_by"`
	UpdatedBy string    `db:"updated_by"`
}

// NewRow returns the row of something new, with an id of its own.
func NewRow(organizationID uuid.UUID, by string, at time.Time) Row {
	return Row{db.Row{OrganizationID: organizationID, UUID: db.NewID()}, 1, at, at, by, by}
}

func (r *Row) row() *Row { return r }

// Plain is a pointer to a struct that embeds [Row].
type Plain[T any] interface {
	*T
	row() *Row
}
