package intake_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/bulk/bulktest"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/viewer"
)

// marks is what the audit log tells of marks not to be called, in the order of time.
func (w *world) marks(t testing.TB) string {
	t.Helper()
	var actions []string
	require.NoError(t, w.pool.Select(t.Context(), &actions, "SELECT action FROM audit_entries WHERE action LIKE 'customer.do_not_call%' ORDER BY id"))
	for i := range actions {
		actions[i] = strings.TrimPrefix(actions[i], "customer.do_not_call_")
	}
	return strings.Join(actions, " ")
}

func TestConsentComesWithACustomer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var retired []uuid.UUID
	w.customers.OnRetire(func(_ context.Context, _ *db.Tx, _ *viewer.Viewer, customers []uuid.UUID, why string) error {
		require.Equal(t, "the customer asked not to be called", why)
		retired = append(retired, customers...)
		return nil
	})
	// Who is known as not to be called can never be called, not even between two requests.
	r := w.create(t, batch.RejectFailedRows, person("A", `"doNotCall": true`, `"doNotSms": true`, `"isTest": true`, `"externalMetadata": {"a": [1, null]}`), person("B"))
	a := r.Results[0].Customer
	require.Equal(t, []bool{true, true, false, false, true}, []bool{a.DoNotCall, a.DoNotSMS, a.DoNotEmail, a.DoNotMail, a.IsTest})
	require.True(t, a.DoNotCallAt.Equal(noon))
	require.JSONEq(t, `{"a": [1, null]}`, string(a.ExternalMetadata))
	require.Equal(t, "set", w.marks(t))
	require.Empty(t, retired, "nothing is planned for who is new")

	// The plans of who was known end at once, and the mark is not lost by rows that do not speak of it.
	r = w.create(t, batch.RejectFailedRows, person("A"), person("B", `"doNotCall": true`), person("B", `"doNotCall": true`))
	require.Equal(t, []batch.Action{batch.Unchanged, batch.Update, batch.Unchanged}, actions(r))
	require.Equal(t, []uuid.UUID{r.Results[1].Customer.UUID}, retired)
	require.Equal(t, "set set", w.marks(t))

	// A row that is refused marks nobody.
	w.create(t, batch.RejectFailedRows, person("C"))
	r = w.create(t, batch.RejectFailedRows, person("C", `"doNotCall": true`, `"email": "nobody"`))
	require.Equal(t, []batch.Action{batch.Failed}, actions(r))
	require.Len(t, retired, 1)
	require.Equal(t, "set set", w.marks(t))

	// To take it away needs the scope, and what else the row says is refused with it.
	scopes := w.v.Scopes
	w.v.Scopes = []viewer.Scope{viewer.CustomersWrite}
	for _, value := range []string{"false", "null"} {
		r = w.create(t, batch.RejectFailedRows, person("A", `"firstName": "Ann"`, `"doNotCall": `+value))
		require.Equal(t, []string{"NOT_ALLOWED doNotCall"}, wrong(r.Results[0]), value)
	}
	_, results := w.bulk(t).Import(t, w.v, createFile, person("A", `"doNotCall": false`)+"\n"+person("C", `"doNotCall": false`))
	require.Equal(t, []batch.Action{batch.Failed, batch.Unchanged}, bulktest.Actions(results))
	require.Equal(t, "set set", w.marks(t))
	w.v.Scopes = scopes
	r = w.create(t, batch.RejectFailedRows, person("A", `"doNotCall": false`, `"doNotSms": null`, `"isTest": null`, `"externalMetadata": null`))
	require.Equal(t, []batch.Action{batch.Update}, actions(r))
	a = r.Results[0].Customer
	require.Equal(t, []bool{false, false, false}, []bool{a.DoNotCall, a.DoNotSMS, a.IsTest})
	require.Nil(t, a.DoNotCallAt)
	require.Nil(t, a.ExternalMetadata)
	require.Equal(t, "set set removed", w.marks(t))

	// One after the other in one call: both happened, in this order.
	r = w.create(t, batch.RejectFailedRows, person("A", `"doNotCall": true`), person("A", `"doNotCall": false`))
	require.Equal(t, []batch.Action{batch.Update, batch.Update}, actions(r))
	require.False(t, all(t, w, customer.Customers)[0].DoNotCall && r.Results[1].Customer.DoNotCall)
	require.Len(t, retired, 2)
	require.Equal(t, "set set removed set removed", w.marks(t))
}

func TestIsTestHasTwoNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for row, want := range map[string]string{
		`"isTest": true`: "true", `"test": true`: "true", `"isTest": true, "test": true`: "true", `"isTest": true, "test": null`: "true",
		`"isTest": null, "test": null`: "false", `"test": false`: "false", `"isTest": true, "test": false`: "DUPLICATE_INPUT_ITEM test",
	} {
		w.create(t, batch.RejectFailedRows, person(row, `"isTest": `+fmt.Sprint(want == "false")))
		got := w.create(t, batch.RejectFailedRows, person(row, row)).Results[0]
		if !got.Success() {
			require.Equal(t, []string{want}, wrong(got), row)
			continue
		}
		require.Equal(t, want, fmt.Sprint(got.Customer.IsTest), row)
	}
}

// An empty list of accounts says as much as none.
func TestNoAccountsNeedNoSourceID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, none := range []string{`[]`, `null`} {
		r := w.create(t, batch.RejectFailedRows, `{"referenceId": "R", "accounts": `+none+`}`)
		require.Empty(t, r.Results[0].UserErrors, none)
	}
	r := w.create(t, batch.RejectFailedRows, `{"referenceId": "R", `+accounts(accountOf("K", "A", "A"))+`}`)
	require.Equal(t, []string{"REQUIRED sourceCustomerId"}, wrong(r.Results[0]))
}
