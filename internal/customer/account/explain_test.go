package account_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/customer/account"
	"caseload/internal/customer/customertest"
)

func TestStatementsOfArrivalsUseIndexes(t *testing.T) {
	t.Parallel()
	x, o := customertest.Accounts.Insert(t)
	var id string
	require.NoError(t, x.Get(&id, "SELECT '{' || id || '}' FROM accounts WHERE organization_id = $1 LIMIT 1", o))
	const now = "2026-03-02T12:00:00Z"
	customertest.Check(t, x, map[string]customertest.Plan{
		"lock those that wait": {Statement: account.LockAwaitingSQL, Args: []string{o.String(), "{7}", "{100}"},
			Want: []string{"accounts by accounts_pkey", "account_holders by account_holders_awaited_idx", "cards by cards_awaited_idx"}},
		"link holders": {Statement: account.ResolveHoldersSQL, Args: []string{o.String(), "{7}", "{100}", id, now, id, "x"}, Want: nil},
		"link cards":   {Statement: account.ResolveCardsSQL, Args: []string{o.String(), "{7}", "{100}", id, now, id}, Want: nil},
	})
}
