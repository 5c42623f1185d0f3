package dbtest

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"caseload/internal/db"
)

// planNode is a part of what EXPLAIN answers.
type planNode struct {
	NodeType     string     `json:"Node Type"`
	RelationName string     `json:"Relation Name"`
	IndexName    string     `json:"Index Name"`
	Plans        []planNode `json:"Plans"`
}

func (n planNode) scans() []string {
	var out []string
	switch {
	case n.NodeType == "Seq Scan":
		out = append(out, n.RelationName+" whole")
	case n.IndexName != "":
		out = append(out, strings.TrimSpace(n.RelationName+" by "+n.IndexName))
	case strings.HasSuffix(n.NodeType, "Sort"):
		out = append(out, "sort")
	}
	for _, p := range n.Plans {
		out = append(out, p.scans()...)
	}
	return out
}

// Scans plans a statement as a pool does, once for all arguments, and lists how it reads: "table whole", "table by
// index", "by index" for a bitmap, and "sort". Types are those of its parameters, where PostgreSQL cannot tell them.
func Scans(t testing.TB, x *sqlx.DB, statement string, types ...string) []string {
	t.Helper()
	conn, err := x.Connx(context.Background())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	if len(types) > 0 {
		statement = "(" + strings.Join(types, ", ") + ") AS " + statement
	} else {
		statement = "AS " + statement
	}
	_, err = conn.ExecContext(context.Background(), "PREPARE explained "+statement)
	require.NoError(t, err, statement)
	defer func() {
		_, err := conn.ExecContext(context.Background(), "DEALLOCATE explained")
		require.NoError(t, err)
	}()
	return prepared(t, conn.Conn)["explained"].scans
}

// PreparedScans lists how each statement reads that a pool has prepared, by its text, as [Scans] does. What a
// transaction is the first to run is prepared when it has ended.
func PreparedScans(t testing.TB, pool *db.Pool) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	// Each connection that is open knows its own statements.
	for range pool.SQL().Stats().OpenConnections {
		conn, err := pool.SQL().Conn(context.Background())
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close()) }()
		for _, p := range prepared(t, conn) {
			out[p.text] = p.scans
		}
	}
	return out
}

type plan struct {
	text  string
	scans []string
}

// prepared explains the statements of a connection, by their names.
func prepared(t testing.TB, conn *sql.Conn) map[string]plan {
	t.Helper()
	ctx := context.Background()
	run := func(statement string) {
		_, err := conn.ExecContext(ctx, statement)
		require.NoError(t, err)
	}
	run("SET plan_cache_mode = force_generic_plan")
	rows, err := conn.QueryContext(ctx, `SELECT name, statement, 'EXECUTE ' || quote_ident(name) || CASE WHEN cardinality(parameter_types) = 0 THEN '' ELSE
		'(NULL' || repeat(', NULL', cardinality(parameter_types) - 1) || ')' END FROM pg_prepared_statements WHERE statement ~* '(SELECT|INSERT|UPDATE|DELETE)'`)
	require.NoError(t, err)
	out, execute := map[string]plan{}, map[string]string{}
	for rows.Next() {
		var name, text, call string
		require.NoError(t, rows.Scan(&name, &text, &call))
		out[name], execute[name] = plan{text: text}, call
	}
	require.NoError(t, rows.Err())
	for name, call := range execute {
		var text []byte
		require.NoError(t, conn.QueryRowContext(ctx, "EXPLAIN (FORMAT JSON) "+call).Scan(&text), "%s: %s", name, out[name].text)
		var top []struct{ Plan planNode }
		require.NoError(t, json.Unmarshal(text, &top))
		out[name] = plan{text: out[name].text, scans: top[0].Plan.scans()}
	}
	return out
}
