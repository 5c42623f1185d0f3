package customertest_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/graphtest"
	"caseload/schema"
)

// TestBulkUpsertByTheGraph sends what a source system sends: numbers as ids, its own words, null and absent, and gets
// the same answer for the same Idempotency-Key.
func TestBulkUpsertByTheGraph(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	const document = `mutation($input: BulkUpsertCustomersInput!) { bulkUpsertCustomers(input: $input) {
		messages total created failed dryRun userErrors { code }
		results { index action key lookupKey clientRef success customer { id firstName gender parent { firstName } } userErrors { code path } } } }`
	input := map[string]any{"source": "crm", "customers": []any{
		map[string]any{"sourceId": 3002196, "firstName": "Ann", "gender": "Non-Binary", "middleName": nil, "clientRef": "a", "parent": map[string]any{"sourceId": "p"}},
		map[string]any{"sourceId": "p", "firstName": "Pat", "addresses": []any{map[string]any{"city": "Albany", "state": "NY"}, map[string]any{"label": "WORK", "city": "Boston"}}},
		map[string]any{"sourceId": "3", "email": "x"},
	}}
	r := w.Repeatable(t, w.Harbor.Key, "upsert-1", document, graphtest.Vars{"input": input})
	require.Empty(t, r.Errors)
	require.JSONEq(t, `["Completed with 1 failed row"]`, asJSON(t, r.At("bulkUpsertCustomers.messages")))
	require.Equal(t, "CREATE", r.Text("bulkUpsertCustomers.results.0.action"))
	require.Equal(t, "3002196", r.Text("bulkUpsertCustomers.results.0.key"))
	require.Equal(t, "a", r.Text("bulkUpsertCustomers.results.0.clientRef"))
	require.Equal(t, "NON_BINARY", r.Text("bulkUpsertCustomers.results.0.customer.gender"))
	require.Equal(t, "Pat", r.Text("bulkUpsertCustomers.results.0.customer.parent.firstName"))
	require.Nil(t, r.At("bulkUpsertCustomers.results.2.customer"))
	require.JSONEq(t, `["input","customers","2","email"]`, asJSON(t, r.At("bulkUpsertCustomers.results.2.userErrors.0.path")))
	again := w.Repeatable(t, w.Harbor.Key, "upsert-1", document, graphtest.Vars{"input": input})
	require.Equal(t, r.Data, again.Data)
	once := w.OK(t, w.Harbor.Key, document, graphtest.Vars{"input": input})
	require.Equal(t, "UNCHANGED", once.Text("bulkUpsertCustomers.results.0.action"))
}

// A value of the wrong type refuses the whole request, whatever the field.
func TestEveryTypeOfAnUpsertByTheGraph(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	const document = `mutation($input: BulkUpsertCustomersInput!) { bulkUpsertCustomers(input: $input) { total } }`
	s, err := schema.Load()
	require.NoError(t, err)
	for _, f := range s.Types["UpsertCustomerInput"].Fields {
		values := []string{`true`, `{"a": "b"}`, `["a", "b"]`}
		if f.Type.Name() == "String" {
			values = append(values, `{}`, `1.5`)
		}
		for _, value := range values {
			row := map[string]any{"sourceId": "alien", f.Name: json.RawMessage(value)}
			r := w.Do(t, w.Harbor.Key, document, graphtest.Vars{"input": map[string]any{"source": "crm", "customers": []any{row}}})
			require.Equal(t, "BAD_USER_INPUT", r.Code(), "%s: %s: %s", f.Name, value, r.Body)
		}
	}
	require.Nil(t, w.OK(t, w.Harbor.Key, `{ customer(identifier: {source: "crm", sourceId: "alien"}) { id } }`, nil).At("customer"))
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}
