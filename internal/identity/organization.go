// Package identity has organizations and API keys.
package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/relay"
)

// Organization is a tenant. Its id is its own organization_id.
type Organization struct {
	db.Row
	Name      string    `db:"name"`
	TimeZone  string    `db:"time_zone"`
	Version   int32     `db:"version"`
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
	CreatedBy string    `db:"created_by"`
	UpdatedBy string    `db:"updated_by"`
}

// Organizations declares the table.
var Organizations = db.NewTable[Organization]("organizations", "org")

// ID returns the typed id.
func (o *Organization) ID() relay.ID { return relay.ID{Prefix: Organizations.Prefix(), UUID: o.UUID} }

// CreateOrganization makes a tenant. It is for the command line and the demonstration data: no GraphQL
// field reaches it.
func CreateOrganization(ctx context.Context, pool *db.Pool, id uuid.UUID, name, timeZone string, now time.Time) (*Organization, error) {
	o := &Organization{Row: db.Row{OrganizationID: id, UUID: id}, Name: name, TimeZone: timeZone, Version: 1,
		CreatedAt: now, UpdatedAt: now, CreatedBy: "system", UpdatedBy: "system"}
	if err := Organizations.Insert(ctx, pool, db.Scope{OrganizationID: id}, o); err != nil {
		return nil, fmt.Errorf("create organization: %w", err)
	}
	return o, nil
}

// ListOrganizations returns all tenants by creation, for the command line only: it reads across tenants.
func ListOrganizations(ctx context.Context, pool *db.Pool) ([]*Organization, error) {
	var rows []*Organization
	err := pool.Select(ctx, &rows, "SELECT "+Organizations.Select()+" FROM organizations c ORDER BY c.created_at, c.id")
	return rows, err
}
