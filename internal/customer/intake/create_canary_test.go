package intake_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/batch"

	"caseload/internal/customer/account"
	"caseload/internal/customer/intake"
)

// The full number of a card goes into every id and code, and into every field of accounts and cards, and account numbers into
// theirs; then all that was answered and the whole database are searched for them.
func TestNoCardOrAccountNumberIsLeftInTheClear(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const number, normal = "GB29 NWBK 6016 1331 9268 19", "GB29NWBK60161331926819"
	answers := []any{}
	for _, key := range keysOf("", intake.NewCreateKind(nil).Keys()) {
		if !strings.HasPrefix(key, "accounts.") && !strings.HasPrefix(key, "source") && key != "referenceId" {
			continue
		}
		path := strings.NewReplacer("accounts.", "accounts.0.", "cards.", "cards.0.").Replace(key)
		for n, form := range []string{card, "4111 1111 1111 1111", "4111-1111-1111-1111", "\t4111.1111.1111.1111 ", "a card 4111 1111 1111 1111!", "card-4111-1111-1111-1111", "4111 1111 1111 1111 123", "PAN_4111111111111111"} {
			var value any = form
			if strings.HasSuffix(path, "sourceCustomerIds") {
				value = []any{seedID, form}
			} else if strings.HasSuffix(path, "cards") {
				value = []any{map[string]any{"sourceCustomerId": seedID, "last4": form, "iin": form}}
			}
			row := strings.Replace(seedCustomer, `"50004"`, fmt.Sprintf(`"%d"`, n), 1)
			row = edit(t, row, "accounts.0.accountNumber", number)
			if path == "sourceOrganizationId" {
				row = edit(t, row, "organizationId", remove)
			}
			// With the next policy each time, so that each form meets each of them.
			policy := []batch.ErrorPolicy{batch.RejectFailedRows, batch.IgnoreFailed, batch.RejectEverything}[len(answers)%3]
			r := w.create(t, policy, edit(t, row, path, value))
			require.NotEmpty(t, r.Results[0].UserErrors, "%s %q", path, form)
			answers = append(answers, r)
		}
	}
	r := w.create(t, batch.RejectFailedRows, edit(t, seedCustomer, "accounts.0.accountNumber", number))
	require.True(t, r.Results[0].Success())
	answers = append(answers, r)
	text, err := json.Marshal(answers)
	require.NoError(t, err)

	// What is stored can be found by its index and opened again.
	a := all(t, w, account.Accounts)
	require.NotEmpty(t, a)
	for _, k := range a {
		masked, err := k.NumberMasked(w.sealer)
		require.NoError(t, err)
		require.Equal(t, "••••6819", *masked)
	}
	var columns []struct {
		Table  string `db:"table_name"`
		Column string `db:"column_name"`
		Type   string `db:"data_type"`
	}
	require.NoError(t, w.pool.Select(t.Context(), &columns, "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"))
	for _, secret := range []string{card, "4111 1111", "4111-1111", "4111.1111", number, normal, normal[4:], fmt.Sprintf("%x", normal)} {
		require.NotContains(t, string(text), secret)
		for _, c := range columns {
			value := fmt.Sprintf("%q::text", c.Column)
			if c.Type == "bytea" {
				value = fmt.Sprintf("encode(%q, 'escape')", c.Column)
			}
			var n int
			require.NoError(t, w.pool.Get(t.Context(), &n, fmt.Sprintf("SELECT count(*) FROM %s WHERE position($1 in %s) > 0", c.Table, value), secret))
			require.Zero(t, n, "%s.%s holds a secret", c.Table, c.Column)
		}
	}
}
