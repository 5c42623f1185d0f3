package migrations_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
	"caseload/migrations"
)

// Keys that were stored before they had one form get it; those that another row has already are listed and stay, and so are those that
// can no longer be sent. What a deleted customer has is not listed.
func TestStoredKeysGetTheirForm(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	require.NoError(t, migrations.Down(t.Context(), db.DB, 14))
	const organization = "00000000-0000-7000-8000-000000000001"
	exec := func(query string, args ...any) {
		t.Helper()
		_, err := db.Exec(query, args...)
		require.NoError(t, err)
	}
	exec(`INSERT INTO organizations (organization_id, id, name, created_at, updated_at, created_by, updated_by) VALUES ($1, $1, 'Harbor', now(), now(), 'test', 'test')`, organization)
	customer := func(n int, reference, email, language string) string {
		id := fmt.Sprintf("00000000-0000-7000-8000-0000000001%02d", n)
		exec(`INSERT INTO customers (organization_id, id, version, reference_id, email, language, search_text, created_at, updated_at, created_by, updated_by)
			VALUES ($1, $2, 1, $3, $4, $5, lower($4 || ' ' || $3), now(), now(), 'test', 'test')`, organization, id, reference, email, language)
		return id
	}
	identifier := func(n int, of, source, id string) {
		exec(`INSERT INTO customer_identifiers (organization_id, id, customer_id, source, source_id, language, created_at)
			VALUES ($1, $2, $3, $4, $5, '', now())`, organization, fmt.Sprintf("00000000-0000-7000-8000-0000000002%02d", n), of, source, id)
	}
	plain := customer(1, "R1", "ann@example.com", "en")
	taken := customer(2, "\u00a0R1", "Ann@EXAMPLE.com", "es-mx")
	moved := customer(3, "\ufeffR2e\u0301", "bo@example.com", "zh-hant")
	hidden := customer(4, "\u200b", "cy@example.com", "en")
	artefact := customer(5, "3002196.0", "di@example.com 701", "en")
	gone := customer(6, "R1 ", "ed@example.com", "en")
	long := customer(7, strings.Repeat("\u0958", 200), "fy@example.com", "en")
	exec(`UPDATE customers SET deleted_at = now() WHERE id = $1`, gone)
	exec(`UPDATE customers SET search_text = 'bo 701 bo@example.com ' || lower(reference_id) || '  7 ' WHERE id = $1`, moved)
	identifier(1, moved, "crm\u00a0", " 7 ")
	identifier(4, moved, "crm", "7\u200b")
	identifier(5, gone, "crm", "#N/A")
	identifier(2, plain, "crm", "8")
	identifier(3, taken, "crm", "8\u200b")

	require.NoError(t, migrations.Up(t.Context(), db.DB))
	var rows []struct {
		Reference string `db:"reference_id"`
		Email     string
		Language  string
		Search    string `db:"search_text"`
		Version   int
	}
	require.NoError(t, db.Select(&rows, `SELECT reference_id, email, language, search_text, version FROM customers ORDER BY id`))
	require.Len(t, rows, 7)
	require.Equal(t, "\u00a0R1", rows[1].Reference, "taken, so it stays")
	require.Equal(t, "Ann@example.com", rows[1].Email)
	require.Equal(t, "es-MX", rows[1].Language)
	require.Equal(t, "R2é", rows[2].Reference)
	require.Equal(t, "zh-Hant", rows[2].Language)
	require.Equal(t, "bo 701 bo@example.com r2é 7", rows[2].Search)
	require.Equal(t, "\u200b", rows[3].Reference, "nothing is left of it, so it stays")
	require.Equal(t, 1, rows[2].Version, "nobody changed it")
	var keys []string
	require.NoError(t, db.Select(&keys, `SELECT source || '/' || source_id FROM customer_identifiers ORDER BY id`))
	require.Equal(t, []string{"crm/7", "crm/8", "crm/8\u200b", "crm/#N/A"}, keys, "what repeats a key of the same customer goes")

	var left []migrations.StoredKey
	require.NoError(t, migrations.NormalizeKeys(t.Context(), db.DB, func(k migrations.StoredKey) { left = append(left, k) }))
	require.Equal(t, []migrations.StoredKey{
		{OrganizationID: organization, Row: taken, Table: "customers", Column: "reference_id", Taken: true},
		{OrganizationID: organization, Row: hidden, Table: "customers", Column: "reference_id"},
		{OrganizationID: organization, Row: artefact, Table: "customers", Column: "reference_id"},
		{OrganizationID: organization, Row: long, Table: "customers", Column: "reference_id"},
		{OrganizationID: organization, Row: "00000000-0000-7000-8000-000000000203", Table: "customer_identifiers", Column: "source_id", Taken: true},
	}, left)
}

// Servers lock a customer before its identifiers, and hold it while they write them: so does the migration, which waits and does not
// end their transaction by a deadlock.
func TestKeysAreLockedAsServersLockThem(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	const organization, customer = "00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000101"
	for _, query := range []string{
		`INSERT INTO organizations (organization_id, id, name, created_at, updated_at, created_by, updated_by) VALUES ($1, $1, 'Harbor', now(), now(), $2, $2)`,
		`INSERT INTO customers (organization_id, id, version, search_text, created_at, updated_at, created_by, updated_by) VALUES ($1, $2, 1, '', now(), now(), 'x', 'x')`,
		`INSERT INTO customer_identifiers (organization_id, id, customer_id, source, source_id, language, created_at) VALUES ($1, $2, $2, 'crm', '7 ', '', now())`,
	} {
		_, err := db.Exec(query, organization, customer)
		require.NoError(t, err)
	}
	tx, err := db.Beginx()
	require.NoError(t, err)
	_, err = tx.Exec(`SELECT FROM customers WHERE id = $1 FOR NO KEY UPDATE`, customer)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		ended <- migrations.NormalizeKeys(t.Context(), db.DB, func(migrations.StoredKey) {})
	}()
	require.Eventually(t, func() bool {
		var waits bool
		err := db.Get(&waits, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`)
		return err == nil && waits
	}, time.Minute, 5*time.Millisecond)
	_, err = tx.Exec(`UPDATE customer_identifiers SET source_updated_at = now() WHERE customer_id = $1`, customer)
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	require.NoError(t, <-ended)
	var key string
	require.NoError(t, db.Get(&key, `SELECT source_id FROM customer_identifiers`))
	require.Equal(t, "7", key)
}

// A job that is tried again begins with its first identifier, so none has more than it can link within its time.
func TestLinksOfManyKeysAreManyJobs(t *testing.T) {
	t.Parallel()
	db := openEmpty(t)
	require.NoError(t, migrations.Up(t.Context(), db.DB))
	const organization = "00000000-0000-7000-8000-000000000001"
	for _, query := range []string{
		`INSERT INTO organizations (organization_id, id, name, created_at, updated_at, created_by, updated_by) VALUES ($1, $1, 'Harbor', now(), now(), 'x', 'x')`,
		`INSERT INTO customers (organization_id, id, version, search_text, parent_source, parent_source_id, parent_language, created_at, updated_at, created_by, updated_by)
			SELECT $1, gen_random_uuid(), 1, '', 'crm', n, '', now(), now(), 'x', 'x' FROM generate_series(1, 1001) n`,
		`INSERT INTO customer_identifiers (organization_id, id, customer_id, source, source_id, language, created_at)
			SELECT organization_id, id, id, 'crm', parent_source_id, '', now() FROM customers WHERE organization_id = $1`,
	} {
		_, err := db.Exec(query, organization)
		require.NoError(t, err)
	}
	require.NoError(t, migrations.NormalizeKeys(t.Context(), db.DB, func(migrations.StoredKey) { t.Error("no key is left") }))
	var jobs []int
	require.NoError(t, db.Select(&jobs, `SELECT jsonb_array_length(args->'identifiers') FROM river_job ORDER BY 1`))
	require.Equal(t, []int{1, 500, 500}, jobs)
}
