package customertest_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/customer"
	"caseload/internal/customer/customertest"
	"caseload/internal/dbtest"
	"caseload/internal/graphtest"
)

// many fills an organization, $1, with 20,000 customers as "crm" knows them, and source "7" by the same numbers but for one
// in a hundred, whose accounts wait for them. One in a thousand waits for a parent, some have one, some were merged, and
// some have all that a customer can have.
var many = []string{
	`INSERT INTO customers (organization_id, id, reference_id, search_text, parent_source, parent_source_id, created_at, updated_at, created_by, updated_by)
	 SELECT $1, gen_random_uuid(), 'ref-' || i, 'x', CASE WHEN i % 1000 = 0 THEN 'crm' END, CASE WHEN i % 1000 = 0 THEN 'late-' || i END, now() - i * interval '1 second', now(), 'x', 'x' FROM generate_series(1, 20000) i`,
	`INSERT INTO customer_identifiers (organization_id, id, customer_id, source, source_id, created_at)
	 SELECT $1, gen_random_uuid(), id, s, substr(reference_id, 5), now() FROM customers, unnest(ARRAY['crm', '7']) s WHERE organization_id = $1 AND reference_id LIKE 'ref-%' AND (s = 'crm' OR right(reference_id, 2) <> '00')`,
	`UPDATE customers c SET parent_id = (SELECT id FROM customers WHERE organization_id = $1 AND reference_id = 'ref-1') WHERE organization_id = $1 AND reference_id LIKE 'ref-99%' AND parent_source IS NULL`,
	`UPDATE customers c SET deleted_at = now(), merged_into_id = (SELECT id FROM customers WHERE organization_id = $1 AND reference_id = 'ref-2') WHERE organization_id = $1 AND reference_id LIKE 'ref-88%'`,
	`INSERT INTO customer_phones (organization_id, id, customer_id, label, number, line_type, created_at, updated_at)
	 SELECT $1, gen_random_uuid(), id, 'PRIMARY', '+1415' || (2000000 + row_number() OVER ()), 'UNKNOWN', now(), now() FROM customers WHERE organization_id = $1 AND reference_id LIKE 'ref-1%'`,
	`INSERT INTO customer_addresses (organization_id, id, customer_id, label, city, country, created_at, updated_at)
	 SELECT $1, gen_random_uuid(), id, 'PRIMARY', 'Albany', 'US', now(), now() FROM customers WHERE organization_id = $1 AND reference_id LIKE 'ref-1%'`,
	`INSERT INTO loans (organization_id, id, customer_id, external_id, status, currency, fetched_at, created_at, updated_at)
	 SELECT $1, gen_random_uuid(), id, 'L-1', 'ACTIVE', 'USD', now(), now(), now() FROM customers WHERE organization_id = $1 AND reference_id LIKE 'ref-1%'`,
	`INSERT INTO customer_medicare (organization_id, id, mbi_index, created_at, updated_at) SELECT $1, id, decode(md5(reference_id), 'hex'), now(), now() FROM customers WHERE organization_id = $1 AND reference_id LIKE 'ref-1%'`,
	`ANALYZE customer_identifiers`,
	`INSERT INTO accounts (organization_id, id, source, source_account_id, status, type, primary_source_customer_id, primary_customer_id, created_at, updated_at, created_by, updated_by)
	 SELECT $1, gen_random_uuid(), '7', 'K' || i, 'OPEN', 'DDA', i::text, k.customer_id, now(), now(), 'x', 'x' FROM generate_series(1, 20000) i LEFT JOIN customer_identifiers k ON k.source = '7' AND k.source_id = i::text`,
	`INSERT INTO account_holders (organization_id, id, account_id, source, source_customer_id, customer_id, is_primary, created_at, updated_at)
	 SELECT $1, gen_random_uuid(), id, '7', primary_source_customer_id, primary_customer_id, true, now(), now() FROM accounts WHERE organization_id = $1`,
	`INSERT INTO cards (organization_id, id, account_id, source, source_customer_id, customer_id, iin, last_four, card_type, status, opened_at, created_at, updated_at)
	 SELECT $1, gen_random_uuid(), account_id, source, source_customer_id, customer_id, '123456', '0001', 'CREDIT', 'OPEN', now(), now(), now() FROM account_holders WHERE organization_id = $1`,
}

// In an organization of 20,000 customers, no statement of an upsert, of a create with accounts, of a merge, of an
// update and of the lists reads a whole table, and each finds what it needs by the index that is meant for it.
func TestStatementsOfCustomersUseIndexes(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	// What fills the tables is not prepared, so that it is not explained.
	fill := func(statement string) {
		_, err := w.Pool.SQL().Exec(strings.ReplaceAll(statement, "$1", "'"+w.Harbor.ID().String()+"'::uuid"))
		require.NoError(t, err)
	}
	for _, statement := range many {
		fill(statement)
	}
	large := []string{"customers", "customer_identifiers", "customer_phones", "customer_addresses", "loans", "customer_medicare", "accounts", "account_holders", "cards"}
	for _, table := range large {
		fill("VACUUM ANALYZE " + table)
	}
	id := func(reference string) *customer.Customer {
		return read(t, w, number[customer.Customer](t, w, "SELECT id FROM customers WHERE organization_id = $1 AND reference_id = $2", w.Harbor.ID(), reference).UUID)
	}

	// Somebody known, somebody new with a parent, the parent whom others await, and the holder whom an account awaits.
	w.OK(t, w.Harbor.Key, `mutation($input: BulkUpsertCustomersInput!) { bulkUpsertCustomers(input: $input) { failed } }`, graphtest.Vars{"input": map[string]any{"source": "crm", "customers": []any{
		map[string]any{"sourceId": "5", "firstName": "Ann", "phone": "+12125551234"}, map[string]any{"sourceId": "new", "parent": map[string]any{"sourceId": "9"}}, map[string]any{"sourceId": "late-1000"},
		map[string]any{"sourceId": "100", "source": "7"}}}})
	seed := strings.NewReplacer(`"organizationId": "50004"`, `"organizationId": "7"`, customertest.SeedID, "200", "42c57311-25f9-4501-b9db-e78afa73c0e3", "K300").Replace(customertest.SeedCustomer)
	_, err := w.Intake.Create(t.Context(), w.Harbor.System, createOf(t, seed))
	require.NoError(t, err)
	_, err = merge(t, w, id("ref-10"), id("ref-11"), id("ref-992"))
	require.NoError(t, err)
	w.OK(t, w.Harbor.Key, `mutation($input: UpdateCustomerInput!) { updateCustomer(input: $input) { userErrors { code } } }`,
		graphtest.Vars{"input": map[string]any{"id": graphtest.ID(id("ref-12")), "firstName": "Ann"}})
	for _, filter := range []string{`{}`, `{isDeleted: true}`, `{mbi: "1EG4TE5MK73"}`} {
		w.OK(t, w.Harbor.Key, `{ customers(first: 15, filter: `+filter+`) { nodes { id children(first: 5) { nodes { id } } } } }`, nil)
	}

	used := map[string]bool{}
	statements := dbtest.PreparedScans(t, w.Pool)
	for statement, scans := range statements {
		for _, scan := range scans {
			used[scan] = true
			for _, table := range large {
				require.NotEqual(t, table+" whole", scan, statement)
			}
		}
	}
	for _, want := range []string{
		"customer_identifiers by customer_identifiers_key", "customers by customers_pkey", "customers by customers_reference_id_key", "customers by customers_awaited_parent_idx",
		"accounts by accounts_key", "accounts by accounts_pkey", "account_holders by account_holders_awaited_idx",
		"cards by cards_account_idx", "cards by cards_awaited_idx",
		"by customers_parent_idx", "by customers_merged_into_idx", "by customer_identifiers_customer_idx", "by account_holders_customer_idx", "by cards_customer_idx", "by accounts_primary_customer_idx",
		"customers by customers_created_idx", "customers by customers_deleted_idx", "customer_medicare by customer_medicare_mbi_idx",
	} {
		found := used[want]
		for scan := range used {
			found = found || strings.HasSuffix(scan, want)
		}
		require.True(t, found, "nothing reads %s: %v", want, slices.Sorted(maps.Keys(used)))
	}
	for _, part := range []string{"customer_phones", "customer_addresses", "loans"} {
		require.NotEmpty(t, strings.Join(keysWith(used, "by "+part+"_"), " "), "nothing reads %s by an index", part)
	}
	for _, part := range []string{"account_holders SET customer_id", "UPDATE cards SET customer_id", "WITH RECURSIVE", "merged_into_id =", "UPDATE loans"} {
		found := false
		for statement := range statements {
			found = found || strings.Contains(statement, part)
		}
		require.True(t, found, "no statement has %s", part)
	}
}

func keysWith(m map[string]bool, part string) []string {
	var out []string
	for k := range m {
		if strings.Contains(k, part) {
			out = append(out, k)
		}
	}
	return out
}
