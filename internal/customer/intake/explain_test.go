package intake_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/customer/customertest"
	"caseload/internal/customer/intake"
)

func TestStatementsOfACreateUseIndexes(t *testing.T) {
	t.Parallel()
	x, o := customertest.Accounts.Insert(t)
	customertest.Check(t, x, map[string]customertest.Plan{
		"look up": {Statement: intake.LookUpSQL, Args: []string{o.String(), "{7}", "{1}", "{}"}, Want: []string{"customer_identifiers by customer_identifiers_key", "customers by customers_pkey"}},
		"left":    {Statement: intake.LeftSQL, Args: []string{o.String(), "{7}", "{K1}"}, Want: []string{"accounts by accounts_key", "account_holders by account_holders_account_idx", "cards by cards_account_idx"}},
		"lock accounts": {Statement: intake.LockAccountsSQL, Args: []string{o.String(), "{7}", "{K1}", "{7}", "{100}"},
			Want: []string{"accounts by accounts_key", "account_holders by account_holders_awaited_idx", "cards by cards_awaited_idx"}},
	})
}

func TestStatementsOfParentsUseIndexes(t *testing.T) {
	t.Parallel()
	x, o := customertest.Parents.Insert(t)
	var id uuid.UUID
	require.NoError(t, x.Get(&id, "SELECT id FROM customers WHERE organization_id = $1 LIMIT 1", o))
	customertest.Check(t, x, map[string]customertest.Plan{
		"known": {Statement: intake.KnownSQL, Args: []string{o.String(), "{crm,crm}", "{1,2}", "{}"}, Want: []string{"customer_identifiers by customer_identifiers_key"}},
		"above": {Statement: intake.AboveSQL, Args: []string{o.String(), "{" + id.String() + "}", "100"}, Want: []string{"customers by customers_pkey"}},
	})
}
