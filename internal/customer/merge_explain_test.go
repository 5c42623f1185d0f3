package customer

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
)

// TestStatementsOfAMergeUseIndexes explains the statements of a merge, and of what only live customers show, on 100,000
// customers, planned without their arguments as the server plans them.
func TestStatementsOfAMergeUseIndexes(t *testing.T) {
	t.Parallel()
	x := dbtest.Open(t)
	x.SetMaxOpenConns(1)
	o := uuid.New()
	for _, statement := range []string{
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
	} {
		_, err := x.Exec(statement, o)
		require.NoError(t, err)
	}
	for _, table := range []string{"customers", "customer_identifiers", "customer_phones", "customer_addresses", "loans", "customer_medicare", "accounts", "account_holders", "cards"} {
		_, err := x.Exec("VACUUM ANALYZE " + table)
		require.NoError(t, err)
	}
	_, err := x.Exec("SET plan_cache_mode = force_generic_plan")
	require.NoError(t, err)
	var some []string
	require.NoError(t, x.Select(&some, "SELECT id FROM customers WHERE organization_id = $1 AND reference_id LIKE 'ref-1%' LIMIT 3", o))
	from, into := "{"+some[0]+","+some[1]+"}", some[2]
	const now = "2026-03-02T12:00:00Z"
	three, four, five := []string{o.String(), from, into}, []string{o.String(), from, into, now}, []string{o.String(), from, into, now, "x"}
	live := "SELECT " + Table.Select() + " FROM customers c WHERE c.organization_id = $1 AND c.deleted_at IS NULL"
	for name, row := range map[string]struct {
		statement string
		args      []string
		want      string
	}{
		"lock":         {lockMergeSQL, []string{o.String(), from, from}, "by customers_parent_idx"},
		"ways up":      {upSQL, []string{o.String(), from, "100"}, "customers by customers_pkey"},
		"children":     {childrenSQL, five, "by customers_parent_idx"},
		"merged":       {mergedSQL, three, "by customers_merged_into_idx"},
		"identifiers":  {identifiersSQL, three, "by customer_identifiers_customer_idx"},
		"holders":      {holdersSQL, four, "by account_holders_customer_idx"},
		"cards":        {cardsSQL, four, "by cards_customer_idx"},
		"accounts":     {accountsSQL, five, "by accounts_primary_customer_idx"},
		"blocks":       {blocksSQL, four, "by customer_phones_"},
		"left blocks":  {leftBlocksSQL, []string{o.String(), from}, "by customer_phones_"},
		"held":         {lockHeldSQL, []string{o.String(), from}, "accounts by accounts_pkey"},
		"kept":         {keptSQL, []string{o.String(), from}, "by customer_addresses_"},
		"phones":       {phonesSQL, four, "by customer_phones_"},
		"addresses":    {addressesSQL, four, "by customer_addresses_"},
		"loans":        {loansSQL, three, "by loans_"},
		"live list":    {live + " ORDER BY c.created_at, c.id LIMIT 16", []string{o.String()}, "customers by customers_created_idx"},
		"deleted list": {strings.Replace(live, "IS NULL", "IS NOT NULL", 1) + " ORDER BY c.created_at, c.id LIMIT 16", []string{o.String()}, "customers by customers_deleted_idx"},
		"by mbi": {live + " AND c.id IN (SELECT m.id FROM customer_medicare m WHERE m.organization_id = c.organization_id AND m.mbi_index = $2) ORDER BY c.created_at, c.id LIMIT 16",
			[]string{o.String(), `\x00`}, "customer_medicare by customer_medicare_mbi_idx"},
		"children of one": {live + " AND c.parent_id = $2 ORDER BY c.created_at, c.id LIMIT 16", []string{o.String(), into}, "customers by customers_parent_idx"},
	} {
		scans := explain(t, x, row.statement, append([]string{}, row.args...)...)
		found := false
		for _, scan := range scans {
			require.NotContains(t, scan, "whole", "%s: %v", name, scans)
			found = found || strings.Contains(scan, row.want)
		}
		require.True(t, found, "%s: %v", name, scans)
	}
}
