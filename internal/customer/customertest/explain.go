package customertest

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

// Rows fill an empty database for the plans of statements: $1 is the organization.
type Rows struct {
	statements []string
	tables     []string
}

// Accounts are 100,000 customers with as many accounts, of which one in a hundred awaits its holder.
var Accounts = Rows{
	statements: []string{
		`INSERT INTO customers (organization_id, id, reference_id, search_text, created_at, updated_at, created_by, updated_by)
		 SELECT $1, gen_random_uuid(), 'ref-' || i, 'x', now(), now(), 'x', 'x' FROM generate_series(1, 100000) i`,
		`INSERT INTO customer_identifiers (organization_id, id, customer_id, source, source_id, created_at)
		 SELECT $1, gen_random_uuid(), id, '7', substr(reference_id, 5), now() FROM customers WHERE organization_id = $1`,
		`INSERT INTO accounts (organization_id, id, source, source_account_id, status, type, primary_source_customer_id, created_at, updated_at, created_by, updated_by)
		 SELECT $1, gen_random_uuid(), '7', 'K' || i, 'OPEN', 'DDA', i::text, now(), now(), 'x', 'x' FROM generate_series(1, 100000) i`,
		`INSERT INTO account_holders (organization_id, id, account_id, source, source_customer_id, customer_id, is_primary, created_at, updated_at)
		 SELECT $1, gen_random_uuid(), a.id, '7', a.primary_source_customer_id, i.customer_id, true, now(), now()
		 FROM accounts a LEFT JOIN customer_identifiers i ON i.source_id = a.primary_source_customer_id AND right(i.source_id, 2) <> '00' WHERE a.organization_id = $1`,
		`INSERT INTO cards (organization_id, id, account_id, source, source_customer_id, customer_id, iin, last_four, card_type, status, opened_at, created_at, updated_at)
		 SELECT $1, gen_random_uuid(), account_id, source, source_customer_id, customer_id, '123456', '0001', 'CREDIT', 'OPEN', now(), now(), now() FROM account_holders WHERE organization_id = $1`,
	},
	tables: []string{"customers", "customer_identifiers", "accounts", "account_holders", "cards"},
}

// Parents are 100,000 customers, of whom some have a parent and one in a thousand awaits one.
var Parents = Rows{
	statements: []string{
		`INSERT INTO customers (organization_id, id, reference_id, search_text, parent_source, parent_source_id, created_at, updated_at, created_by, updated_by)
		 SELECT $1, gen_random_uuid(), 'ref-' || i, 'x', CASE WHEN i % 1000 = 0 THEN 'crm' END, CASE WHEN i % 1000 = 0 THEN 'late-' || i END, now(), now(), 'x', 'x' FROM generate_series(1, 100000) i`,
		`INSERT INTO customer_identifiers (organization_id, id, customer_id, source, source_id, created_at)
		 SELECT $1, gen_random_uuid(), id, 'crm', substr(reference_id, 5), now() FROM customers WHERE organization_id = $1`,
		`UPDATE customers c SET parent_id = (SELECT id FROM customers WHERE organization_id = $1 ORDER BY id LIMIT 1) WHERE organization_id = $1 AND reference_id LIKE 'ref-99%' AND parent_source IS NULL
			AND id <> (SELECT id FROM customers WHERE organization_id = $1 ORDER BY id LIMIT 1)`,
	},
	tables: []string{"customers", "customer_identifiers"},
}

// Duplicates are 100,000 customers, of whom some are children, some were merged, and some have all that a customer can have.
var Duplicates = Rows{
	statements: []string{
		`INSERT INTO customers (organization_id, id, reference_id, search_text, created_at, updated_at, created_by, updated_by)
		 SELECT $1, gen_random_uuid(), 'ref-' || i, 'x', now() - i * interval '1 second', now(), 'x', 'x' FROM generate_series(1, 100000) i`,
		`UPDATE customers c SET parent_id = (SELECT id FROM customers WHERE organization_id = $1 AND reference_id = 'ref-1') WHERE organization_id = $1 AND reference_id LIKE 'ref-99%'`,
		`UPDATE customers c SET deleted_at = now(), merged_into_id = (SELECT id FROM customers WHERE organization_id = $1 AND reference_id = 'ref-2') WHERE organization_id = $1 AND reference_id LIKE 'ref-88%'`,
		`INSERT INTO customer_identifiers (organization_id, id, customer_id, source, source_id, created_at) SELECT $1, gen_random_uuid(), id, 'crm', reference_id, now() FROM customers WHERE organization_id = $1 AND reference_id LIKE 'ref-1%'`,
		`INSERT INTO customer_phones (organization_id, id, customer_id, label, number, line_type, created_at, updated_at) SELECT $1, gen_random_uuid(), id, 'PRIMARY', '+1415' || (2000000 + row_number() OVER ()), 'UNKNOWN', now(), now() FROM customers WHERE organization_id = $1 AND reference_id LIKE 'ref-1%'`,
		`INSERT INTO customer_addresses (organization_id, id, customer_id, label, city, country, created_at, updated_at) SELECT $1, gen_random_uuid(), id, 'PRIMARY', 'Albany', 'US', now(), now() FROM customers WHERE organization_id = $1 AND reference_id LIKE 'ref-1%'`,
		`INSERT INTO loans (organization_id, id, customer_id, external_id, status, currency, fetched_at, created_at, updated_at) SELECT $1, gen_random_uuid(), id, 'L-1', 'ACTIVE', 'USD', now(), now(), now() FROM customers WHERE organization_id = $1 AND reference_id LIKE 'ref-1%'`,
		`INSERT INTO customer_medicare (organization_id, id, mbi_index, created_at, updated_at) SELECT $1, id, decode(md5(reference_id), 'hex'), now(), now() FROM customers WHERE organization_id = $1 AND reference_id LIKE 'ref-1%'`,
		`INSERT INTO accounts (organization_id, id, source, source_account_id, status, type, primary_source_customer_id, primary_customer_id, created_at, updated_at, created_by, updated_by)
		 SELECT $1, gen_random_uuid(), '7', reference_id, 'OPEN', 'DDA', 'x', id, now(), now(), 'x', 'x' FROM customers WHERE organization_id = $1 AND reference_id LIKE 'ref-1%'`,
		`INSERT INTO account_holders (organization_id, id, account_id, source, source_customer_id, customer_id, is_primary, created_at, updated_at)
		 SELECT $1, gen_random_uuid(), id, '7', 'x', primary_customer_id, true, now(), now() FROM accounts WHERE organization_id = $1`,
		`INSERT INTO cards (organization_id, id, account_id, source, source_customer_id, customer_id, iin, last_four, card_type, status, opened_at, created_at, updated_at)
		 SELECT $1, gen_random_uuid(), account_id, source, source_customer_id, customer_id, '123456', '0001', 'CREDIT', 'OPEN', now(), now(), now() FROM account_holders WHERE organization_id = $1`,
	},
	tables: []string{"customers", "customer_identifiers", "customer_phones", "customer_addresses", "loans", "customer_medicare", "accounts", "account_holders", "cards"},
}

// Insert writes the rows for a new organization, and has statements planned without their arguments from then on, as the
// server plans them.
func (r Rows) Insert(t *testing.T) (*sqlx.DB, uuid.UUID) {
	t.Helper()
	x := dbtest.Open(t)
	x.SetMaxOpenConns(1)
	organization := uuid.New()
	for _, statement := range r.statements {
		_, err := x.Exec(statement, organization)
		require.NoError(t, err)
	}
	for _, table := range r.tables {
		_, err := x.Exec("VACUUM ANALYZE " + table)
		require.NoError(t, err)
	}
	_, err := x.Exec("SET plan_cache_mode = force_generic_plan")
	require.NoError(t, err)
	return x, organization
}

// Plan is a statement and what its plan has to use.
type Plan struct {
	Statement string
	Args      []string
	// Want are beginnings or ends of scans, such as "customers by customers_pkey".
	Want []string
}

// Check explains statements by name: none reads a whole table, and each uses what it must.
func Check(t *testing.T, x *sqlx.DB, plans map[string]Plan) {
	t.Helper()
	for name, p := range plans {
		scans := scansOf(t, x, p.Statement, p.Args)
		for _, scan := range scans {
			require.NotContains(t, scan, "whole", "%s: %v", name, scans)
		}
		for _, want := range p.Want {
			found := false
			for _, scan := range scans {
				found = found || strings.Contains(scan, want)
			}
			require.True(t, found, "%s uses %s: %v", name, want, scans)
		}
	}
}

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

// scansOf plans a prepared statement without looking at its arguments.
func scansOf(t *testing.T, x *sqlx.DB, statement string, args []string) []string {
	t.Helper()
	_, err := x.Exec("PREPARE explained AS " + statement)
	require.NoError(t, err)
	quoted := make([]string, len(args))
	for i := range args {
		quoted[i] = pq.QuoteLiteral(args[i])
	}
	var text []byte
	require.NoError(t, x.Get(&text, "EXPLAIN (FORMAT JSON) EXECUTE explained ("+strings.Join(quoted, ", ")+")"))
	_, err = x.Exec("DEALLOCATE explained")
	require.NoError(t, err)
	var out []struct{ Plan planNode }
	require.NoError(t, json.Unmarshal(text, &out))
	return out[0].Plan.scans()
}
