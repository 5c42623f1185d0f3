package db_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/entity"
)

// noon is the time of the rows that tests make, with all the digits that PostgreSQL keeps.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 123000000, time.UTC)

func open(t testing.TB, s db.Settings) *db.Pool {
	t.Helper()
	return openAt(t, dbtest.New(t), s)
}

func openAt(t testing.TB, address string, s db.Settings) *db.Pool {
	t.Helper()
	if s.MaxOpen == 0 {
		s.MaxOpen = 4
	}
	pool, err := db.Open(address, s)
	require.NoError(t, err)
	t.Cleanup(func() { _ = pool.Close() })
	return pool
}

func scope() db.Scope { return db.Scope{OrganizationID: db.NewID()} }

// number makes a customer of a scope, different for each n.
func number(s db.Scope, n int) *customer.Customer {
	reference, name := fmt.Sprintf("ref-%04d", n), fmt.Sprintf("Name%04d", n)
	at := noon.Add(time.Duration(n) * time.Millisecond)
	return &customer.Customer{
		Row:         entity.Row{Row: db.Row{OrganizationID: s.OrganizationID, UUID: db.NewID()}, Version: 1, CreatedAt: at, UpdatedAt: at, CreatedBy: "system", UpdatedBy: "system"},
		ReferenceID: &reference, LastName: &name, SearchText: name,
	}
}

func phoneOf(c *customer.Customer, label customer.PhoneLabel, number string) *customer.Phone {
	return &customer.Phone{
		Row: db.Row{OrganizationID: c.OrganizationID, UUID: db.NewID()}, CustomerID: c.UUID,
		Label: label, Number: number, LineType: "UNKNOWN", CreatedAt: noon, UpdatedAt: noon,
	}
}

// stored makes n customers of a scope in the database.
func stored(t testing.TB, q db.Querier, s db.Scope, n int) []*customer.Customer {
	t.Helper()
	rows := make([]*customer.Customer, n)
	for i := range rows {
		rows[i] = number(s, i)
	}
	written, err := customer.Customers.InsertAll(context.Background(), q, s, rows, false)
	require.NoError(t, err)
	require.Equal(t, int64(n), written)
	return rows
}

func ids[T any, P interface {
	*T
	Key() uuid.UUID
}](rows []P) []uuid.UUID {
	out := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		out[i] = r.Key()
	}
	return out
}

// version reads what changes with every write of a row: PostgreSQL's own row version.
func version(t testing.TB, q db.Querier, table string, id uuid.UUID) string {
	t.Helper()
	var xmin string
	require.NoError(t, q.Get(context.Background(), &xmin, "SELECT CAST(xmin AS text) FROM "+table+" WHERE id = $1", id))
	return xmin
}

func pointer[V any](v V) *V { return &v }
