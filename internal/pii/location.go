package pii

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// Location is the one cell a sealed value belongs to. All four parts are authenticated with the value, so
// changing any of them makes it impossible to open.
type Location struct {
	OrganizationID uuid.UUID
	Table, Column  string
	Row            uuid.UUID
}

// associated returns organization|table|column|row. An empty part is refused: it would let a value wander
// between all rows that have not got their id yet. A bar inside a name is refused because it would let two
// locations have one text.
func (l Location) associated() ([]byte, error) {
	if l.OrganizationID == uuid.Nil || l.Row == uuid.Nil || l.Table == "" || l.Column == "" {
		return nil, fmt.Errorf("locate sealed value: organization, table, column and row must all be set (table %q, column %q)", l.Table, l.Column)
	}
	if strings.Contains(l.Table, "|") || strings.Contains(l.Column, "|") {
		return nil, fmt.Errorf("locate sealed value: table %q and column %q must not contain a bar", l.Table, l.Column)
	}
	return []byte(l.OrganizationID.String() + "|" + l.Table + "|" + l.Column + "|" + l.Row.String()), nil
}
