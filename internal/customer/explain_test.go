package customer_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/customer"
	"caseload/internal/customer/customertest"
)

func TestTheLockOfKnownCustomersUsesIndexes(t *testing.T) {
	t.Parallel()
	x, o := customertest.Parents.Insert(t)
	customertest.Check(t, x, map[string]customertest.Plan{
		"lock": {Statement: "SELECT " + customer.Customers.Select() + " FROM customers c WHERE c.organization_id = $1 AND " + customer.LockKnownSQL + customer.LockOrder,
			Args: []string{o.String(), "{crm,crm}", "{1,2}", "{}", "{crm,crm}", "{1,2}", "{}", "2000", "{ref-3}"},
			Want: []string{"customer_identifiers by customer_identifiers_key", "customers by customers_awaited_parent_idx", "customers by customers_reference_id_key", "customers by customers_pkey"}},
	})
}

// What only live customers show, and what is asked when phones are written.
func TestListsWithDeletedCustomersUseIndexes(t *testing.T) {
	t.Parallel()
	x, o := customertest.Duplicates.Insert(t)
	var some []string
	require.NoError(t, x.Select(&some, "SELECT id FROM customers WHERE organization_id = $1 AND reference_id LIKE 'ref-1%' LIMIT 3", o))
	live := "SELECT " + customer.Customers.Select() + " FROM customers c WHERE c.organization_id = $1 AND c.deleted_at IS NULL"
	customertest.Check(t, x, map[string]customertest.Plan{
		"left blocks":  {Statement: customer.LeftBlocksSQL, Args: []string{o.String(), "{" + some[0] + "," + some[1] + "}"}, Want: []string{"by customer_phones_"}},
		"live list":    {Statement: live + " ORDER BY c.created_at, c.id LIMIT 16", Args: []string{o.String()}, Want: []string{"customers by customers_created_idx"}},
		"deleted list": {Statement: strings.Replace(live, "IS NULL", "IS NOT NULL", 1) + " ORDER BY c.created_at, c.id LIMIT 16", Args: []string{o.String()}, Want: []string{"customers by customers_deleted_idx"}},
		"by mbi": {Statement: live + " AND c.id IN (SELECT m.id FROM customer_medicare m WHERE m.organization_id = c.organization_id AND m.mbi_index = $2) ORDER BY c.created_at, c.id LIMIT 16",
			Args: []string{o.String(), `\x00`}, Want: []string{"customer_medicare by customer_medicare_mbi_idx"}},
		"children of one": {Statement: live + " AND c.parent_id = $2 ORDER BY c.created_at, c.id LIMIT 16", Args: []string{o.String(), some[2]}, Want: []string{"customers by customers_parent_idx"}},
	})
}
