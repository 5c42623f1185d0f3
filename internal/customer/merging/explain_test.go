package merging_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/customer/customertest"
	"caseload/internal/customer/merging"
)

func TestStatementsOfAMergeUseIndexes(t *testing.T) {
	t.Parallel()
	x, o := customertest.Duplicates.Insert(t)
	var some []string
	require.NoError(t, x.Select(&some, "SELECT id FROM customers WHERE organization_id = $1 AND reference_id LIKE 'ref-1%' LIMIT 3", o))
	from, into := "{"+some[0]+","+some[1]+"}", some[2]
	const now = "2026-03-02T12:00:00Z"
	three, four, five := []string{o.String(), from, into}, []string{o.String(), from, into, now}, []string{o.String(), from, into, now, "x"}
	customertest.Check(t, x, map[string]customertest.Plan{
		"lock":        {merging.LockMergeSQL, []string{o.String(), from, from}, []string{"by customers_parent_idx"}},
		"ways up":     {merging.UpSQL, []string{o.String(), from, "100"}, []string{"customers by customers_pkey"}},
		"children":    {merging.ChildrenSQL, five, []string{"by customers_parent_idx"}},
		"merged":      {merging.MergedSQL, three, []string{"by customers_merged_into_idx"}},
		"identifiers": {merging.IdentifiersSQL, three, []string{"by customer_identifiers_customer_idx"}},
		"holders":     {merging.HoldersSQL, four, []string{"by account_holders_customer_idx"}},
		"cards":       {merging.CardsSQL, four, []string{"by cards_customer_idx"}},
		"accounts":    {merging.AccountsSQL, five, []string{"by accounts_primary_customer_idx"}},
		"blocks":      {merging.BlocksSQL, four, []string{"by customer_phones_"}},
		"held":        {merging.LockHeldSQL, []string{o.String(), from}, []string{"accounts by accounts_pkey"}},
		"kept":        {merging.KeptSQL, []string{o.String(), from}, []string{"by customer_addresses_"}},
		"phones":      {merging.PhonesSQL, four, []string{"by customer_phones_"}},
		"addresses":   {merging.AddressesSQL, four, []string{"by customer_addresses_"}},
		"loans":       {merging.LoansSQL, three, []string{"by loans_"}},
	})
}
