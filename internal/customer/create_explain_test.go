package customer

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
)

// TestStatementsOfACreateUseIndexes explains the statements on 100,000 customers with as many accounts, planned without
// their arguments as the server plans them.
func TestStatementsOfACreateUseIndexes(t *testing.T) {
	t.Parallel()
	x := dbtest.Open(t)
	x.SetMaxOpenConns(1)
	o := uuid.New()
	for _, statement := range []string{
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
	} {
		_, err := x.Exec(statement, o)
		require.NoError(t, err)
	}
	for _, table := range []string{"customers", "customer_identifiers", "accounts", "account_holders", "cards"} {
		_, err := x.Exec("VACUUM ANALYZE " + table)
		require.NoError(t, err)
	}
	_, err := x.Exec("SET plan_cache_mode = force_generic_plan")
	require.NoError(t, err)
	var account string
	require.NoError(t, x.Get(&account, "SELECT '{' || id || '}' FROM accounts WHERE organization_id = $1 LIMIT 1", o))
	const now = "2026-03-02T12:00:00Z"
	for name, row := range map[string]struct {
		statement string
		args      []string
		want      []string
	}{
		"look up": {lookUpSQL, []string{o.String(), "{7}", "{1}", "{}"}, []string{"customer_identifiers by customer_identifiers_key", "customers by customers_pkey"}},
		"left":    {leftSQL, []string{o.String(), "{7}", "{K1}"}, []string{"accounts by accounts_key", "account_holders by account_holders_account_idx", "cards by cards_account_idx"}},
		"lock accounts": {lockAccountsSQL, []string{o.String(), "{7}", "{K1}", "{7}", "{100}"},
			[]string{"accounts by accounts_key", "account_holders by account_holders_awaited_idx", "cards by cards_awaited_idx"}},
		"lock those who wait": {lockAwaitingSQL, []string{o.String(), "{7}", "{100}"},
			[]string{"accounts by accounts_pkey", "account_holders by account_holders_awaited_idx", "cards by cards_awaited_idx"}},
		"lead holders": {resolveHoldersSQL, []string{o.String(), "{7}", "{100}", account, now, account, "x"}, nil},
		"lead cards":   {resolveCardsSQL, []string{o.String(), "{7}", "{100}", account, now, account}, nil},
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
