package customer

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
)

// planNode is a part of what EXPLAIN tells.
type planNode struct {
	NodeType     string     `json:"Node Type"`
	RelationName string     `json:"Relation Name"`
	IndexName    string     `json:"Index Name"`
	Plans        []planNode `json:"Plans"`
}

func (n planNode) scans() []string {
	var out []string
	if n.NodeType == "Seq Scan" {
		out = append(out, n.RelationName+" whole")
	} else if n.IndexName != "" {
		out = append(out, n.RelationName+" by "+n.IndexName)
	}
	for _, p := range n.Plans {
		out = append(out, p.scans()...)
	}
	return out
}

// TestStatementsOfAnUpsertUseIndexes explains the statements on 100,000 customers, planned without their arguments as the
// server plans them.
func TestStatementsOfAnUpsertUseIndexes(t *testing.T) {
	t.Parallel()
	x := dbtest.Open(t)
	x.SetMaxOpenConns(1)
	o := uuid.New()
	for _, statement := range []string{
		`INSERT INTO customers (organization_id, id, reference_id, search_text, parent_source, parent_source_id, created_at, updated_at, created_by, updated_by)
		 SELECT $1, gen_random_uuid(), 'ref-' || i, 'x', CASE WHEN i % 1000 = 0 THEN 'crm' END, CASE WHEN i % 1000 = 0 THEN 'late-' || i END, now(), now(), 'x', 'x' FROM generate_series(1, 100000) i`,
		`INSERT INTO customer_identifiers (organization_id, id, customer_id, source, source_id, created_at)
		 SELECT $1, gen_random_uuid(), id, 'crm', substr(reference_id, 5), now() FROM customers WHERE organization_id = $1`,
		`UPDATE customers c SET parent_id = (SELECT id FROM customers WHERE organization_id = $1 ORDER BY id LIMIT 1) WHERE organization_id = $1 AND reference_id LIKE 'ref-99%' AND parent_source IS NULL
			AND id <> (SELECT id FROM customers WHERE organization_id = $1 ORDER BY id LIMIT 1)`,
	} {
		_, err := x.Exec(statement, o)
		require.NoError(t, err)
	}
	for _, table := range []string{"customers", "customer_identifiers"} {
		_, err := x.Exec("VACUUM ANALYZE " + table)
		require.NoError(t, err)
	}
	_, err := x.Exec("SET plan_cache_mode = force_generic_plan")
	require.NoError(t, err)
	var ids []uuid.UUID
	require.NoError(t, x.Select(&ids, "SELECT id FROM customers WHERE organization_id = $1 LIMIT 10", o))
	for name, row := range map[string]struct {
		statement string
		args      []string
		want      []string
	}{
		"lock": {"SELECT " + Table.Select() + " FROM customers c WHERE c.organization_id = $1 AND " + lockKnownSQL + lockOrder, []string{o.String(), "{crm,crm}", "{1,2}", "{}", "{crm,crm}", "{1,2}", "{}", "2000", "{ref-3}"},
			[]string{"customer_identifiers by customer_identifiers_key", "customers by customers_awaited_parent_idx", "customers by customers_reference_id_key", "customers by customers_pkey"}},
		"known": {knownSQL, []string{o.String(), "{crm,crm}", "{1,2}", "{}"}, []string{"customer_identifiers by customer_identifiers_key"}},
		"above": {aboveSQL, []string{o.String(), "{" + ids[0].String() + "}", "100"}, []string{"customers by customers_pkey"}},
	} {
		scans := explain(t, x, row.statement, row.args...)
		for _, scan := range scans {
			require.NotContains(t, scan, "whole", "%s: %v", name, scans)
		}
		for _, want := range row.want {
			require.Contains(t, scans, want, "%s: %v", name, scans)
		}
	}
}

// explain plans a prepared statement without looking at its arguments.
func explain(t *testing.T, x *sqlx.DB, statement string, args ...string) []string {
	t.Helper()
	_, err := x.Exec("PREPARE explained AS " + statement)
	require.NoError(t, err)
	for i := range args {
		args[i] = pq.QuoteLiteral(args[i])
	}
	var text []byte
	require.NoError(t, x.Get(&text, "EXPLAIN (FORMAT JSON) EXECUTE explained ("+strings.Join(args, ", ")+")"))
	_, err = x.Exec("DEALLOCATE explained")
	require.NoError(t, err)
	var out []struct{ Plan planNode }
	require.NoError(t, json.Unmarshal(text, &out))
	return out[0].Plan.scans()
}
