package db_test

import (
	"flag"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/db"
	"caseload/internal/dbtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// ours leaves out the tables of the libraries that keep their own.
const ours = `c.relnamespace = CAST('public' AS regnamespace) AND c.relkind = 'r' AND c.relname NOT LIKE 'river\_%' AND c.relname <> 'schema_migrations'`

// A violated constraint without an entry is answered as a defect, so each that input can reach has one.
func TestEveryConstraintHasItsMessage(t *testing.T) {
	t.Parallel()
	var names []string
	require.NoError(t, dbtest.Open(t).Select(&names, `
		SELECT con.conname FROM pg_constraint con JOIN pg_class c ON c.oid = con.conrelid
		WHERE con.contype IN ('c', 'u', 'f', 'x') AND `+ours+`
		UNION
		SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
		WHERE x.indisunique AND NOT x.indisprimary AND `+ours))
	require.NotEmpty(t, names)
	// The rows of these come with the program, not from a client.
	names = slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(n, "state_holidays_") })
	require.ElementsMatch(t, slices.Collect(maps.Keys(db.Constraints)), names)
	for name, c := range db.Constraints {
		require.NotEmpty(t, c.Code, name)
		require.Regexp(t, `^[A-Z].*\.$`, c.Message, name)
	}
}

func TestEveryTableOfTheProgramIsDeclaredHere(t *testing.T) {
	t.Parallel()
	var names []string
	require.NoError(t, dbtest.Open(t).Select(&names, "SELECT c.relname FROM pg_class c WHERE "+ours))
	known := slices.Clone(otherTables)
	for _, d := range declaredTables(t) {
		known = append(known, d.name)
	}
	require.ElementsMatch(t, known, names)
}

// kinds are the types a column of a Go type may have.
var kinds = map[string][]string{
	"uuid.UUID": {"uuid"}, "time.Time": {"timestamp with time zone"}, "civil.Date": {"date"},
	"civil.LocalTime": {"time without time zone"}, "decimal.Decimal": {"numeric"}, "db.JSON": {"jsonb"}, "[]uint8": {"bytea"},
	"pq.StringArray": {"text[]"}, "bool": {"boolean"}, "int32": {"integer"}, "int": {"integer", "smallint"}, "int64": {"bigint"},
	"string": {"text"}, "uint8": {"smallint"}, "int16": {"smallint"},
}

func TestColumnsAreAsDeclared(t *testing.T) {
	t.Parallel()
	var columns []struct {
		Table, Name, Type string
		Nullable          bool
	}
	require.NoError(t, dbtest.Open(t).Select(&columns, `
		SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, NULL) AS type, NOT a.attnotnull AS nullable
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE a.attnum > 0 AND NOT a.attisdropped AND `+ours+` ORDER BY 1, a.attnum`))
	for _, d := range declaredTables(t) {
		t.Run(d.name, func(t *testing.T) {
			left := map[string]db.Column{}
			for _, c := range d.columns {
				left[c.Name] = c
			}
			for _, c := range columns {
				if c.Table != d.name {
					continue
				}
				col, ok := left[c.Name]
				require.True(t, ok, "%s is in the table and not in the struct", c.Name)
				delete(left, c.Name)
				typ := col.Type
				pointer := typ.Kind() == reflect.Pointer
				if pointer {
					typ = typ.Elem()
				}
				// A nil of these is NULL; whether it may be is the column's affair.
				nilable := typ.Kind() == reflect.Slice && !pointer
				if !nilable {
					require.Equal(t, c.Nullable, pointer, "%s: NULL in the table, pointer in the struct", c.Name)
				}
				if p, ok := reflect.Zero(typ).Interface().(interface{ PGType() string }); ok {
					require.Equal(t, c.Type, longName(p.PGType()), c.Name)
					continue
				}
				want, ok := kinds[typ.String()]
				if !ok {
					want, ok = kinds[typ.Kind().String()]
				}
				require.True(t, ok, "%s: %s is no kind of column", c.Name, typ)
				require.Contains(t, want, c.Type, c.Name)
			}
			require.Empty(t, left, "in the struct and not in the table")
		})
	}
}

// longName is PostgreSQL's own name of a type.
func longName(short string) string {
	base, array := strings.CutSuffix(short, "[]")
	if long, ok := map[string]string{"time": "time without time zone", "timestamp": "timestamp without time zone"}[base]; ok {
		base = long
	}
	if array {
		base += "[]"
	}
	return base
}

// index is one index as far as a list needs it.
type index struct {
	Table, Name, Columns string
	Unique               bool
	Condition            *string
}

// serves reports whether rows come out of the index in the order of these columns. The last one may be missing
// where those before it are unique already; a condition may only leave out rows without the parent.
func (x index) serves(parent string, columns []string) bool {
	have := strings.Join(columns, ",")
	if !strings.HasPrefix(x.Columns+",", have+",") && (!x.Unique || x.Columns+",id" != have) {
		return false
	}
	return x.Condition == nil || *x.Condition == "("+parent+" IS NOT NULL)"
}

// Lists are read in the order of an index, or a page of a large organization would sort all its rows.
func TestKeysAndOrdersHaveAnIndex(t *testing.T) {
	t.Parallel()
	pg := dbtest.Open(t)
	var indexes []index
	require.NoError(t, pg.Select(&indexes, `
		SELECT c.relname AS table, i.relname AS name, x.indisunique AS unique, pg_get_expr(x.indpred, x.indrelid) AS condition,
			(SELECT string_agg(coalesce(a.attname, '?') || CASE x.indoption[k.n - 1] WHEN 0 THEN '' ELSE ' special' END, ',' ORDER BY k.n)
				FROM unnest(CAST(x.indkey AS int[])) WITH ORDINALITY k (attnum, n)
				LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum AND k.attnum > 0) AS columns
		FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid WHERE `+ours))
	var nullable []string
	require.NoError(t, pg.Select(&nullable, `
		SELECT c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE a.attnum > 0 AND NOT a.attnotnull AND `+ours))
	for _, d := range declaredTables(t) {
		for i, o := range d.orders {
			columns := []string{"organization_id"}
			for _, term := range o {
				columns = append(columns, term.Column)
				require.Equal(t, slices.Contains(nullable, d.name+"."+term.Column), term.Nullable, "%s: Nullable of the order by %s", d.name, term.Column)
				require.Equal(t, o[0].Desc, term.Desc, "%s: an index is walked one way", d.name)
			}
			served := func(parent string, columns []string) bool {
				return slices.ContainsFunc(indexes, func(x index) bool { return x.Table == d.name && x.serves(parent, columns) })
			}
			if d.isRoot {
				require.True(t, served("", columns), "no index of %s serves %v", d.name, columns)
			}
			if i > 0 {
				continue
			}
			for _, parent := range d.parents {
				require.True(t, served(parent, slices.Insert(slices.Clone(columns), 1, parent)), "no index of %s serves %s and %v", d.name, parent, columns)
			}
		}
	}
}

// The golden file is where a review sees the SQL of the generic layer.
func TestEmittedSQLGolden(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("-- What db.Table emits for each declared table; written by: go test ./internal/db -run Golden -update\n")
	for _, d := range declaredTables(t) {
		b.WriteString("\n-- " + d.name + "\n")
		r := &recorder{}
		d.emit(r)
		for _, text := range r.texts {
			require.Contains(t, text, "organization_id")
			b.WriteString(text + ";\n")
		}
	}
	const file = "testdata/tables.golden.sql"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	before, after := strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")
	for i := range max(len(before), len(after)) {
		if i >= len(before) || i >= len(after) || before[i] != after[i] {
			t.Fatalf("the emitted SQL changed at line %d: look at the difference, then run with -update\nwas %s\nis  %s", i+1, strings.Join(before[min(i, len(before)):min(i+1, len(before))], ""), strings.Join(after[min(i, len(after)):min(i+1, len(after))], ""))
		}
	}
}

// What is emitted is not only text: PostgreSQL accepts each of the statements.
func TestEmittedSQLIsValid(t *testing.T) {
	t.Parallel()
	tx := dbtest.Tx(t)
	for _, d := range declaredTables(t) {
		r := &recorder{}
		d.emit(r)
		for i, text := range r.texts {
			_, err := tx.Exec("PREPARE p_" + strings.ReplaceAll(uuid.NewString(), "-", "") + " AS " + text)
			require.NoError(t, err, "%s %d: %s", d.name, i, text)
		}
	}
}
