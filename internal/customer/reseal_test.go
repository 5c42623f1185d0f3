package customer_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/pii"
)

// A rotation loses nothing: what the old key sealed is sealed anew, and then opens without the old key.
func TestReseal(t *testing.T) {
	t.Parallel()
	ctx, now := context.Background(), time.Now()
	pool := db.NewPool(dbtest.Open(t))
	old, err := pii.GenerateKeys()
	require.NoError(t, err)
	rotated, err := old.Rotate()
	require.NoError(t, err)
	before, err := pii.NewSealer(old)
	require.NoError(t, err)
	after, err := pii.NewSealer(rotated)
	require.NoError(t, err)

	sc := db.Scope{OrganizationID: uuid.New()}
	const number = 1203
	rows := make([]*customer.Customer, number)
	for i := range rows {
		id := db.NewID()
		sealed, err := before.Seal(pii.Location{OrganizationID: sc.OrganizationID, Table: "customers", Column: "ssn_last_four_sealed", Row: id}, "1234")
		require.NoError(t, err)
		rows[i] = &customer.Customer{Row: db.Row{OrganizationID: sc.OrganizationID, UUID: id}, SSNLastFourSealed: sealed, Version: 1,
			CreatedAt: now, UpdatedAt: now, CreatedBy: "test", UpdatedBy: "test"}
	}
	_, err = customer.Table.InsertAll(ctx, pool, sc, rows, false)
	require.NoError(t, err)

	n, err := customer.Reseal(ctx, pool, after, sc, now)
	require.NoError(t, err)
	require.Equal(t, number, n)
	n, err = customer.Reseal(ctx, pool, after, sc, now)
	require.NoError(t, err)
	require.Zero(t, n, "the second run finds nothing to do")

	stored, err := customer.Table.List(ctx, pool, sc, db.Where{}, db.Page{Order: db.By("created_at")})
	require.NoError(t, err)
	require.Len(t, stored, number)
	for _, c := range stored {
		require.False(t, after.Stale(c.SSNLastFourSealed))
		digits, err := c.LastFour(after)
		require.NoError(t, err)
		require.Equal(t, "1234", *digits)
	}
}
