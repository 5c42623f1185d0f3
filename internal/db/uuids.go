package db

import (
	"database/sql/driver"

	"github.com/google/uuid"
	"github.com/lib/pq"
)

// UUIDs is a uuid[] column; it is never NULL.
type UUIDs []uuid.UUID

// PGType names the column's type.
func (UUIDs) PGType() string { return "uuid[]" }

// Value implements driver.Valuer.
func (u UUIDs) Value() (driver.Value, error) {
	return pq.Array(append([]uuid.UUID{}, u...)).Value()
}

// Scan implements sql.Scanner.
func (u *UUIDs) Scan(src any) error {
	var ids []uuid.UUID
	if err := pq.Array(&ids).Scan(src); err != nil {
		return err
	}
	*u = ids
	return nil
}
