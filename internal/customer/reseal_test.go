package customer_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/customertest"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/entity"
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
		rows[i] = &customer.Customer{Row: entity.Row{Row: db.Row{OrganizationID: sc.OrganizationID, UUID: id}, Version: 1, CreatedAt: now, UpdatedAt: now, CreatedBy: "test", UpdatedBy: "test"}, SSNLastFourSealed: sealed}
	}
	_, err = customer.Customers.InsertAll(ctx, pool, sc, rows, false)
	require.NoError(t, err)

	// Beside the customers, every other column that is sealed.
	seal := func(table, column string, row uuid.UUID) []byte {
		t.Helper()
		sealed, err := before.Seal(pii.Location{OrganizationID: sc.OrganizationID, Table: table, Column: column, Row: row}, "value of "+column)
		require.NoError(t, err)
		return sealed
	}
	owner := rows[0].Row.Row
	require.NoError(t, customer.Medicares.Insert(ctx, pool, sc, &customer.Medicare{SectionRow: customer.SectionRow{Row: owner, CreatedAt: now, UpdatedAt: now}, MBISealed: seal("customer_medicare", "mbi_sealed", owner.UUID),
		MedicaidNumberSealed: seal("customer_medicare", "medicaid_number_sealed", owner.UUID), VANumberSealed: seal("customer_medicare", "va_number_sealed", owner.UUID)}))
	id := db.NewID()
	require.NoError(t, account.Accounts.Insert(ctx, pool, sc, &account.Account{Row: entity.Row{Row: db.Row{OrganizationID: sc.OrganizationID, UUID: id}, Version: 1, CreatedAt: now, UpdatedAt: now, CreatedBy: "x", UpdatedBy: "x"}, Source: "1", SourceAccountID: "A", Status: account.Open, Type: "DDA",
		PrimarySourceCustomerID: "x", NumberSealed: seal("accounts", "number_sealed", id)}))

	n, err := customer.Reseal(ctx, pool, after, sc, now)
	require.NoError(t, err)
	require.Equal(t, number+4, n)
	n, err = customer.Reseal(ctx, pool, after, sc, now)
	require.NoError(t, err)
	require.Zero(t, n, "the second run finds nothing to do")

	for _, v := range []struct {
		table, column string
		row           uuid.UUID
	}{{"customer_medicare", "mbi_sealed", owner.UUID}, {"customer_medicare", "medicaid_number_sealed", owner.UUID}, {"customer_medicare", "va_number_sealed", owner.UUID}, {"accounts", "number_sealed", id}} {
		var sealed []byte
		require.NoError(t, pool.Get(ctx, &sealed, "SELECT "+v.column+" FROM "+v.table+" WHERE id = $1", v.row))
		require.False(t, after.Stale(sealed), v.column)
		value, err := after.Open(pii.Location{OrganizationID: sc.OrganizationID, Table: v.table, Column: v.column, Row: v.row}, sealed)
		require.NoError(t, err)
		require.Equal(t, "value of "+v.column, value)
	}
	// No sealed column is forgotten, whoever adds one.
	var columns []string
	require.NoError(t, pool.Select(ctx, &columns, "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE column_name LIKE '%\\_sealed' AND table_name IN ('customers', 'customer_medicare', 'accounts', 'lending_systems') ORDER BY 1"))
	require.Equal(t, []string{"accounts.number_sealed", "customer_medicare.mbi_sealed", "customer_medicare.medicaid_number_sealed", "customer_medicare.va_number_sealed",
		"customers.ssn_last_four_sealed", "customers.ssn_sealed", "lending_systems.key_sealed"}, columns)

	stored, err := customer.Customers.List(ctx, pool, sc, db.Where{}, db.Page{Order: db.By("created_at")})
	require.NoError(t, err)
	require.Len(t, stored, number)
	for _, c := range stored {
		require.False(t, after.Stale(c.SSNLastFourSealed))
		digits, err := c.LastFour(after)
		require.NoError(t, err)
		require.Equal(t, "1234", *digits)
	}
}

// A section that was read before the reseal, and is written back during it, is not left under the old key.
func TestResealWaitsForWhoChangesASection(t *testing.T) {
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
	owner := db.Row{OrganizationID: uuid.New(), UUID: db.NewID()}
	sc := db.Scope{OrganizationID: owner.OrganizationID}
	require.NoError(t, customer.Customers.Insert(ctx, pool, sc, &customer.Customer{Row: entity.Row{Row: owner, Version: 1, CreatedAt: now, UpdatedAt: now, CreatedBy: "x", UpdatedBy: "x"}}))
	section := &customer.Medicare{SectionRow: customer.SectionRow{Row: owner, CreatedAt: now, UpdatedAt: now}}
	require.NoError(t, section.SetMBI(before, "1EG4-TE5-MK73"))
	require.NoError(t, customer.Medicares.Insert(ctx, pool, sc, section))

	write := func(q db.Querier, row *customer.Medicare) error {
		_, err := customer.Medicares.Upsert(ctx, q, sc, []*customer.Medicare{row}, []string{"organization_id", "id"}, []string{"mbi_sealed", "mbi_index", "has_card"})
		return err
	}

	done := make(chan error, 1)
	require.NoError(t, pool.InTx(ctx, now, func(tx *db.Tx) error {
		if _, err := customer.LockByID(ctx, tx, sc, owner.UUID); err != nil {
			return err
		}
		read, err := customer.Medicares.ByID(ctx, tx, sc, owner.UUID)
		if err != nil {
			return err
		}
		go func() {
			_, err := customer.Reseal(ctx, pool, after, sc, now)
			done <- err
		}()
		if err := customertest.AwaitWaiter(ctx, tx, done); err != nil {
			return err
		}
		yes := true
		read.HasCard = &yes
		return write(tx, read)
	}))
	require.NoError(t, <-done)
	read, err := customer.Medicares.ByID(ctx, pool, sc, owner.UUID)
	require.NoError(t, err)
	require.True(t, *read.HasCard)
	require.False(t, after.Stale(read.MBISealed))
	last, err := read.MBILastFour(after)
	require.NoError(t, err)
	require.Equal(t, "MK73", *last)

	// Who goes on sealing with the old key is told of, before the key is taken out.
	require.NoError(t, section.SetMBI(before, "1EG4-TE5-MK73"))
	require.NoError(t, write(pool, section))
	_, err = pool.Exec(ctx, `CREATE FUNCTION write_back() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN old; END'`)
	require.NoError(t, err)
	_, err = pool.Exec(ctx, `CREATE TRIGGER write_back BEFORE UPDATE ON customer_medicare FOR EACH ROW EXECUTE FUNCTION write_back()`)
	require.NoError(t, err)
	_, err = customer.Reseal(ctx, pool, after, sc, now)
	require.ErrorContains(t, err, "an older key sealed meanwhile: 1")
}
