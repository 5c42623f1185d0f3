package migrations_test

import (
	"io/fs"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
	"caseload/migrations"
)

func openEmpty(t *testing.T) *sqlx.DB {
	t.Helper()
	db, err := sqlx.Open("postgres", dbtest.Empty(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// catalogue is everything that migrations make, as lines: whatever differs between two databases that
// should be equal shows as a line.
func catalogue(t *testing.T, db *sqlx.DB) []string {
	t.Helper()
	var lines []string
	require.NoError(t, db.Select(&lines, `
		SELECT format('column %s.%s %s(%s) %s default %s collation %s generated %s', table_name, column_name, udt_name, datetime_precision, is_nullable, column_default, collation_name, generation_expression)
			FROM information_schema.columns WHERE table_schema = 'public'
		UNION ALL SELECT format('table %s %s', relname, relkind) FROM pg_class
			WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('i', 'I')
		UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
		UNION ALL SELECT format('constraint %s on %s: %s', conname, conrelid::regclass, pg_get_constraintdef(oid))
			FROM pg_constraint WHERE connamespace = 'public'::regnamespace
		UNION ALL SELECT 'extension ' || extname FROM pg_extension WHERE extname <> 'plpgsql'
		UNION ALL SELECT format('type %s %s', typname, (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid))
			FROM pg_type t WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
		UNION ALL SELECT format('function %s', p.oid::regprocedure) FROM pg_proc p
			WHERE pronamespace = 'public'::regnamespace
			AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
		UNION ALL SELECT format('trigger %s on %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE NOT tgisinternal
		ORDER BY 1`))
	return lines
}

// contents is every row of the tables that migrations fill, but goose's and River's notes of when.
func contents(t *testing.T, db *sqlx.DB) []string {
	t.Helper()
	var tables, lines []string
	require.NoError(t, db.Select(&tables, `SELECT tablename FROM pg_tables
		WHERE schemaname = 'public' AND tablename NOT IN ('schema_migrations', 'river_migration') ORDER BY 1`))
	for _, table := range tables {
		var rows []string
		require.NoError(t, db.Select(&rows, `SELECT '`+table+` ' || row_to_json(r)::text FROM `+table+` r ORDER BY 1`))
		lines = append(lines, rows...)
	}
	return lines
}

// ddl finds what changes the schema; other migrations, those in Go among them, change rows.
var ddl = regexp.MustCompile(`(?m)^(CREATE|ALTER|DROP) `)

// Each migration by itself takes back exactly what it did, and all of them everything.
func TestEveryMigrationUpDownUp(t *testing.T) {
	t.Parallel()
	db := openEmpty(t)
	// River's tables are made after ours and are there until the last of ours has gone.
	own := func() (lines []string) {
		for _, line := range catalogue(t, db) {
			if !strings.Contains(line, "river") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	steps, err := migrations.Status(t.Context(), db.DB)
	require.NoError(t, err)
	type state struct{ schema, rows []string }
	states := []state{{}}
	for _, step := range steps {
		if step.Source != "caseload" {
			continue
		}
		require.NoError(t, migrations.UpTo(t.Context(), db.DB, step.Version), step.Name)
		below, here := states[len(states)-1], state{own(), contents(t, db)}
		if text, err := fs.ReadFile(migrations.Files(), step.Name); err == nil && ddl.Match(text) {
			require.NotEmpty(t, cmp.Diff(below.schema, here.schema), step.Name)
		}
		states = append(states, here)
	}
	require.NoError(t, migrations.Up(t.Context(), db.DB))
	schema, rows := catalogue(t, db), contents(t, db)
	require.Contains(t, strings.Join(schema, "\n"), "table customers r")
	require.Contains(t, strings.Join(schema, "\n"), "table river_job r")

	for i := len(states) - 2; i > 0; i-- {
		require.NoError(t, migrations.Down(t.Context(), db.DB, steps[i-1].Version), steps[i].Name)
		require.Empty(t, cmp.Diff(states[i].schema, own()), steps[i].Name)
		require.Empty(t, cmp.Diff(states[i].rows, contents(t, db)), steps[i].Name)
	}
	require.NoError(t, migrations.Down(t.Context(), db.DB, 0))
	for _, line := range catalogue(t, db) {
		require.Contains(t, line, "schema_migrations", "nothing but goose's own table is left")
	}

	require.NoError(t, migrations.Up(t.Context(), db.DB))
	require.Empty(t, cmp.Diff(schema, catalogue(t, db)))
	require.Empty(t, cmp.Diff(rows, contents(t, db)))
}

func TestUpTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	before, err := migrations.Status(t.Context(), db.DB)
	require.NoError(t, err)
	require.NoError(t, migrations.Up(t.Context(), db.DB))
	after, err := migrations.Status(t.Context(), db.DB)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestManyProcessesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	db := openEmpty(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if err := migrations.Up(t.Context(), db.DB); err != nil {
				t.Errorf("migrate: %v", err)
			}
		})
	}
	group.Wait()
	require.NoError(t, migrations.Check(t.Context(), db.DB))
	var locks int
	require.NoError(t, db.Get(&locks, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`))
	require.Zero(t, locks, "the lock was given back")
}

func TestStatusAndCheck(t *testing.T) {
	t.Parallel()
	db := openEmpty(t)
	steps, err := migrations.Status(t.Context(), db.DB)
	require.NoError(t, err)
	for _, s := range steps {
		require.False(t, s.Applied(), s.Name)
	}
	require.Equal(t, "00001_identity.sql", steps[0].Name)
	require.Equal(t, "river", steps[len(steps)-1].Source)
	var outdated *migrations.OutdatedError
	require.ErrorAs(t, migrations.Check(t.Context(), db.DB), &outdated)
	require.Equal(t, "caseload", outdated.Source)
	require.Zero(t, outdated.Current)
	require.Empty(t, catalogue(t, db), "asking changes nothing")

	require.NoError(t, migrations.Up(t.Context(), db.DB))
	steps, err = migrations.Status(t.Context(), db.DB)
	require.NoError(t, err)
	for _, s := range steps {
		require.True(t, s.Applied(), s.Name)
	}
	require.NoError(t, migrations.Check(t.Context(), db.DB))

	require.NoError(t, migrations.Down(t.Context(), db.DB, 1))
	require.ErrorAs(t, migrations.Check(t.Context(), db.DB), &outdated)
	require.Equal(t, int64(1), outdated.Current)
	require.ErrorContains(t, outdated, "caseload migrate up")
}

func migration(up, down string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte("-- +goose Up\n" + up + ";\n-- +goose Down\n" + down + ";\n")}
}

// During an upgrade the old program still runs on the database that the new one has migrated.
func TestOldProgramOnNewerDatabase(t *testing.T) {
	t.Parallel()
	db := openEmpty(t)
	first := migration("CREATE TABLE a (n int)", "DROP TABLE a")
	older := migrations.Of(fstest.MapFS{"00001_a.sql": first})
	newer := migrations.Of(fstest.MapFS{"00001_a.sql": first, "00002_b.sql": migration("CREATE TABLE b (n int)", "DROP TABLE b")})
	require.NoError(t, newer.Up(t.Context(), db.DB))
	schema := catalogue(t, db)

	require.NoError(t, older.Check(t.Context(), db.DB))
	require.NoError(t, older.Up(t.Context(), db.DB))
	require.Equal(t, schema, catalogue(t, db))
	require.NotEqual(t, older.Hash(), newer.Hash())
}

func TestMigrationThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	db := openEmpty(t)
	good := migration("CREATE TABLE a (n int)", "DROP TABLE a")
	broken := migrations.Of(fstest.MapFS{"00001_a.sql": good, "00002_b.sql": migration("CREATE TABLE b (n int);\nSELECT 1/0", "DROP TABLE b")})
	require.ErrorContains(t, broken.Up(t.Context(), db.DB), "division by zero")
	var outdated *migrations.OutdatedError
	require.ErrorAs(t, broken.Check(t.Context(), db.DB), &outdated)
	require.Equal(t, int64(1), outdated.Current)

	mended := migrations.Of(fstest.MapFS{"00001_a.sql": good, "00002_b.sql": migration("CREATE TABLE b (n int)", "DROP TABLE b")})
	require.NoError(t, mended.Up(t.Context(), db.DB), "the lock was given back, and b was not half made")
	require.NoError(t, mended.Check(t.Context(), db.DB))
}

func TestHashNeedsNoDatabase(t *testing.T) {
	t.Parallel()
	require.Equal(t, migrations.Hash(), migrations.Hash())
	require.NotEqual(t, migrations.Hash(), migrations.Of(migrations.Files()).Hash(), "migrations that are Go count too")
	a := migrations.Of(fstest.MapFS{"00001_a.sql": migration("SELECT 1", "SELECT 1")})
	b := migrations.Of(fstest.MapFS{"00001_a.sql": migration("SELECT 2", "SELECT 1")})
	require.NotEqual(t, a.Hash(), b.Hash())
}

var block = regexp.MustCompile(`(?s)-- \+goose StatementBegin\s*(.*?)\s*-- \+goose StatementEnd`)

// Outside of blocks goose splits at every semicolon. A block is sent as it is, so it must be one command.
func TestBlocksHoldOneCommand(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(migrations.Files(), "*.sql")
	require.NoError(t, err)
	for _, name := range names {
		text, err := fs.ReadFile(migrations.Files(), name)
		require.NoError(t, err)
		for _, found := range block.FindAllStringSubmatch(string(text), -1) {
			require.Regexp(t, `(?is)^(DO|CREATE( OR REPLACE)? FUNCTION)\s`, found[1], "%s: only these need a block", name)
			body := regexp.MustCompile(`(?s)(\$\w*\$).*\$\w*\$`).ReplaceAllString(found[1], "")
			require.LessOrEqual(t, strings.Count(body, ";"), 1, name)
		}
		require.Contains(t, string(text), "-- +goose Down", name)
		require.Regexp(t, `^\d{5}_[a-z0-9_]+\.sql$`, name)
	}
}
