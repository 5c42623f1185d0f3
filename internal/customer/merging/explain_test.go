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
		"lock":        {Statement: merging.LockMergeSQL, Args: []string{o.String(), from, from}, Want: []string{"by customers_parent_idx"}},
		"ways up":     {Statement: merging.UpSQL, Args: []string{o.String(), from, "100"}, Want: []string{"customers by customers_pkey"}},
		"children":    {Statement: merging.ChildrenSQL, Args: five, Want: []string{"by customers_parent_idx"}},
		"merged":      {Statement: merging.MergedSQL, Args: three, Want: []string{"by customers_merged_into_idx"}},
		"identifiers": {Statement: merging.IdentifiersSQL, Args: three, Want: []string{"by customer_identifiers_customer_idx"}},
		"holders":     {Statement: merging.HoldersSQL, Args: four, Want: []string{"by account_holders_customer_idx"}},
		"cards":       {Statement: merging.CardsSQL, Args: four, Want: []string{"by cards_customer_idx"}},
		"accounts":    {Statement: merging.AccountsSQL, Args: five, Want: []string{"by accounts_primary_customer_idx"}},
		"blocks":      {Statement: merging.BlocksSQL, Args: four, Want: []string{"by customer_phones_"}},
		"held":        {Statement: merging.LockHeldSQL, Args: []string{o.String(), from}, Want: []string{"accounts by accounts_pkey"}},
		"kept":        {Statement: merging.KeptSQL, Args: []string{o.String(), from}, Want: []string{"by customer_addresses_"}},
		"phones":      {Statement: merging.PhonesSQL, Args: four, Want: []string{"by customer_phones_"}},
		"addresses":   {Statement: merging.AddressesSQL, Args: four, Want: []string{"by customer_addresses_"}},
		"loans":       {Statement: merging.LoansSQL, Args: three, Want: []string{"by loans_"}},
	})
}
