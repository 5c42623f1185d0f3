package migrations_test

import (
	"testing"

	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
	"caseload/migrations"
)

// Keys keep what they could do: changing task types becomes changing settings, and who read task types reads settings.
func TestStoredScopesBecomeThoseOfSettings(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	require.NoError(t, migrations.Down(t.Context(), db.DB, 12))
	scopes := map[string][2][]string{ // by the name of a key: before and after
		"reads":   {{"CUSTOMERS_READ", "SCHEDULES_READ"}, {"CUSTOMERS_READ", "SCHEDULES_READ", "SETTINGS_READ"}},
		"writes":  {{"SCHEDULES_READ", "TASK_TYPES_WRITE"}, {"SCHEDULES_READ", "SETTINGS_READ", "SETTINGS_WRITE"}},
		"only":    {{"TASK_TYPES_WRITE", "WEBHOOKS_READ"}, {"SETTINGS_WRITE", "WEBHOOKS_READ"}},
		"neither": {{"CUSTOMERS_READ"}, {"CUSTOMERS_READ"}},
	}
	_, err := db.ExecContext(t.Context(), `INSERT INTO organizations (organization_id, id, name, created_at, updated_at, created_by, updated_by)
		VALUES ('00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000001', 'Harbor', now(), now(), 'test', 'test')`)
	require.NoError(t, err)
	for name, s := range scopes {
		_, err := db.ExecContext(t.Context(), `INSERT INTO api_keys (organization_id, id, name, hash, scopes, created_at, updated_at, created_by, updated_by)
			VALUES ('00000000-0000-7000-8000-000000000001', gen_random_uuid(), $1, sha256($1::text::bytea), $2, now(), now(), 'test', 'test')`, name, pq.Array(s[0]))
		require.NoError(t, err)
	}
	check := func(at int) {
		t.Helper()
		for name, s := range scopes {
			var got pq.StringArray
			require.NoError(t, db.GetContext(t.Context(), &got, `SELECT scopes FROM api_keys WHERE name = $1`, name))
			require.Equal(t, s[at], []string(got), name)
		}
	}
	require.NoError(t, migrations.Up(t.Context(), db.DB))
	check(1)
	require.NoError(t, migrations.Down(t.Context(), db.DB, 12))
	check(0)
}
