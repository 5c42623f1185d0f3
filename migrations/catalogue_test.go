package migrations_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
	"caseload/migrations"
)

// referenceTables belong to no organization: they are small, the same for all, and copied to every node of
// a sharded database. Each has the reason why it may be one.
var referenceTables = map[string]string{
	"state_windows":  "the law of each state, which no organization owns",
	"state_holidays": "public holidays of each state, which no organization owns",
}

// ours leaves out River's tables, which stay on one node, and goose's.
const ours = `relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
	AND relname NOT LIKE 'river\_%' AND relname <> 'schema_migrations'`

// Sharding by organization_id needs it first in every key. A sharded database refuses the rest.
func TestEveryKeyBeginsWithTheOrganization(t *testing.T) {
	t.Parallel()
	db := dbtest.Tx(t)
	var keys []struct {
		Table, Name, Columns string
	}
	require.NoError(t, db.Select(&keys, `
		SELECT c.relname AS table, con.conname AS name,
			(SELECT string_agg(a.attname, ',' ORDER BY k.ordinality) FROM unnest(con.conkey) WITH ORDINALITY k (attnum, ordinality)
				JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum) AS columns
		FROM pg_constraint con JOIN pg_class c ON c.oid = con.conrelid
		WHERE con.contype IN ('p', 'u', 'f', 'x') AND `+ours+`
		UNION ALL
		SELECT c.relname, i.indexrelid::regclass::text,
			(SELECT string_agg(coalesce(a.attname, '(expression)'), ',' ORDER BY k.ordinality)
				FROM unnest(i.indkey::int[]) WITH ORDINALITY k (attnum, ordinality)
				LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum AND k.attnum > 0)
		FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
		WHERE i.indisunique AND `+ours+`
		ORDER BY 1, 2`))
	require.Greater(t, len(keys), 20)
	for _, key := range keys {
		if _, ok := referenceTables[key.Table]; ok {
			require.NotContains(t, key.Columns, "organization_id", "%s is no reference table: take it off the list", key.Table)
			continue
		}
		require.True(t, key.Columns == "organization_id" || strings.HasPrefix(key.Columns, "organization_id,"),
			"%s of %s is (%s): begin it with organization_id", key.Name, key.Table, key.Columns)
	}
}

func TestReferenceTablesExist(t *testing.T) {
	t.Parallel()
	db := dbtest.Tx(t)
	for table, reason := range referenceTables {
		var there bool
		require.NoError(t, db.Get(&there, `SELECT to_regclass($1) IS NOT NULL`, table))
		require.True(t, there, table)
		require.NotEmpty(t, reason, table)
	}
}

func TestEveryTableHasAPrimaryKeyAndAnOrganization(t *testing.T) {
	t.Parallel()
	db := dbtest.Tx(t)
	var tables []struct {
		Name       string
		Key, Owner bool
	}
	require.NoError(t, db.Select(&tables, `
		SELECT relname AS name,
			EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype = 'p') AS key,
			EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'organization_id' AND attnotnull AND atttypid = 'uuid'::regtype) AS owner
		FROM pg_class c WHERE `+ours+` ORDER BY 1`))
	require.NotEmpty(t, tables)
	for _, table := range tables {
		require.True(t, table.Key, "%s has no primary key", table.Name)
		_, reference := referenceTables[table.Name]
		require.NotEqual(t, reference, table.Owner, "%s: organization_id uuid NOT NULL, or a place in referenceTables", table.Name)
	}
}

func TestNothingThatASharedDatabaseRefuses(t *testing.T) {
	t.Parallel()
	db := dbtest.Tx(t)
	var refused []string
	require.NoError(t, db.Select(&refused, `
		SELECT format('trigger %s on %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE NOT tgisinternal
		UNION ALL
		SELECT format('ON DELETE SET NULL/DEFAULT without a column list in %s on %s', conname, conrelid::regclass) FROM pg_constraint
			WHERE contype = 'f' AND (confdeltype IN ('n', 'd') OR confupdtype IN ('n', 'd'))
		UNION ALL
		SELECT format('rule %s on %s', rulename, tablename) FROM pg_rules WHERE schemaname = 'public'
		UNION ALL
		SELECT format('sequence %s', relname) FROM pg_class
			WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'river\_%' AND relname NOT LIKE 'schema\_migrations%'`))
	require.Empty(t, refused)
}

// A constraint's name is what a client's error is made from, so none may be left to PostgreSQL's choice of
// a form that other tables do not share.
func TestConstraintNamesBeginWithTheTable(t *testing.T) {
	t.Parallel()
	db := dbtest.Tx(t)
	var wrong []string
	require.NoError(t, db.Select(&wrong, `
		SELECT con.conname || ' on ' || c.relname FROM pg_constraint con JOIN pg_class c ON c.oid = con.conrelid
		WHERE con.contype IN ('p', 'u', 'f', 'x', 'c') AND NOT starts_with(con.conname, c.relname || '_') AND `+ours))
	require.Empty(t, wrong)
}

// Moments are shown in milliseconds: stored in less, a row would not be found by the time that it shows.
func TestMomentsAreInMilliseconds(t *testing.T) {
	t.Parallel()
	db := dbtest.Tx(t)
	var columns []struct {
		Name, Type string
	}
	require.NoError(t, db.Select(&columns, `
		SELECT c.relname || '.' || a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE a.atttypid = 'timestamptz'::regtype AND `+ours))
	require.Greater(t, len(columns), 80)
	for _, c := range columns {
		require.Equal(t, "timestamp(3) with time zone", c.Type, "%s: write timestamptz(3)", c.Name)
	}
}

// What was shown before the columns were in milliseconds is what is shown after: it was cut, and is not rounded.
func TestMomentsAreCutAsTheyWereShown(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	require.NoError(t, migrations.Down(t.Context(), db.DB, 13))
	_, err := db.Exec(`INSERT INTO organizations (organization_id, id, name, created_at, updated_at, created_by, updated_by)
		SELECT id, id, 'Harbor', '2026-03-09 15:00:00.123999+00', '1969-12-31 23:59:59.999999+00', 'test', 'test' FROM gen_random_uuid() id`)
	require.NoError(t, err)
	require.NoError(t, migrations.Up(t.Context(), db.DB))
	var row struct {
		CreatedAt time.Time `db:"created_at"`
		UpdatedAt time.Time `db:"updated_at"`
	}
	require.NoError(t, db.Get(&row, `SELECT created_at, updated_at FROM organizations`))
	require.Equal(t, "15:00:00.123", row.CreatedAt.UTC().Format("15:04:05.999999"))
	require.Equal(t, "23:59:59.999", row.UpdatedAt.UTC().Format("15:04:05.999999"))
}
