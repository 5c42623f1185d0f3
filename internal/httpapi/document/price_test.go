package document

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
)

func TestPrice(t *testing.T) {
	t.Parallel()
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: testSchema})
	limits := defaultLimits(t)
	items := make([]any, 200)
	for i := range items {
		items[i] = map[string]any{}
	}
	ids := []any{"a", "b", "c", "d"}
	for _, c := range []struct {
		text          string
		variables     map[string]any
		points, nodes int
	}{
		{"{ __typename }", nil, 0, 0},
		{"{ me { id name } }", nil, 1, 1},
		{"{ me { parent { id } } }", nil, 2, 2},
		{"{ me { phones { number } } }", nil, 1 + 5, 1 + 5},
		{"{ customers { nodes { id } } }", nil, 1 + 15, 15},
		{"{ customers(first: null) { nodes { id } } }", nil, 1 + 15, 15},
		{"{ customers(first: 10) { nodes { id } pageInfo { hasNextPage } } }", nil, 1 + 10, 10},
		{"{ customers(last: 10) { edges { cursor node { id } } } }", nil, 1 + 15, 15},
		{"{ customers(first: 10) { edges { node { parent { id } } } } }", nil, 1 + 10*2, 20},
		{"{ customers(first: 10) { edges { cursor } } }", nil, 1 + 10, 10},
		{"{ customers(first: 10) { totalCount } }", nil, 1 + 10, 0},
		{`{ customers(first: 10, search: "x") { nodes { id } } }`, nil, 1 + 10 + 10, 10},
		{`{ customers(first: 10, search: null) { nodes { id } } }`, nil, 1 + 10, 10},
		{"query Q($n: Int) { customers(first: $n) { nodes { id } } }", map[string]any{"n": int64(40)}, 1 + 40, 40},
		{"query Q($n: Int = 7) { customers(first: $n) { nodes { id } } }", nil, 1 + 7, 7},
		{"query Q($n: Int) { customers(first: $n) { nodes { id } } }", nil, 1 + 15, 15},
		{"{ customers(first: 10) { nodes { accounts(first: 20) { nodes { owner { id } } } } } }", nil, 1 + 10*(1+1+20*2), 10 * (1 + 20*2)},
		{"{ customers(first: 10) { ...C } } fragment C on CustomerConnection { nodes { ...F } edges { cursor } } fragment F on Customer { parent { id } }", nil, 1 + 10*2 + 10, 30},
		{"{ a: customers(first: 10) { ...C } b: customers(first: 20) { ...C } } fragment C on CustomerConnection { nodes { id } }", nil, 2 + 30, 30},
		{"query Q($i: [ID!]!) { nodes(ids: $i) { id } }", map[string]any{"i": ids}, 4, 4},
		{`{ nodes(ids: ["a", "b"]) { id ... on Account { owner { id } } } }`, nil, 2 * 2, 2 * 2},
		{"mutation { updateCustomer(input: {}) { customer { id } } }", nil, 10 + 2, 2},
		{"mutation M($i: BulkInput!) { bulkUpsertCustomers(input: $i) { customer { id } } }", map[string]any{"i": map[string]any{"items": items}}, 10 + 200 + 2, 2},
		{"mutation M($i: [CustomerInput!]!) { bulkUpsertCustomers(input: {items: $i}) { customer { id } } }", map[string]any{"i": items}, 10 + 200 + 2, 2},
		{"mutation { bulkUpsertCustomers(input: {items: [{}, {}]}) { customer { id } } }", nil, 10 + 2 + 2, 2},
		{"mutation M($i: BulkInput!) { bulkUpsertCustomers(input: $i) { results { id } } }", map[string]any{"i": map[string]any{"items": items}}, 10 + 1 + 200, 1 + 200},
		{"mutation M($i: BulkInput!) { bulkUpsertCustomers(input: $i) { results { accounts(first: 100) { nodes { id } } } userErrors { message } } }", map[string]any{"i": map[string]any{"items": items}}, 10 + 1 + 200*(1+1+100), 1 + 200*(1+100)},
		{"mutation M($i: BulkInput!) { createCustomers(input: $i) { results { parent { id } } } }", map[string]any{"i": map[string]any{"items": items[:50]}}, 10 + 1 + 50*2, 1 + 50*2},
		{"mutation M($i: [CustomerInput!]!) { addCustomers(rows: $i) { results { parent { id } } } }", map[string]any{"i": items[:50]}, 10 + 1 + 50*2, 1 + 50*2},
		{"mutation M($i: [CustomerInput!]!) { addCustomers(rows: $i) { customer { id } } }", map[string]any{"i": map[string]any{}}, 10 + 2 + 1, 2},
		{"mutation M($i: BulkInput!) { a: createCustomers(input: $i) { ...P } b: createCustomers(input: {items: [{}]}) { ...P } } fragment P on Payload { results { id } }", map[string]any{"i": map[string]any{"items": items[:50]}}, 22 + 51, 2 + 51},
		{"mutation { mergeCustomers(input: {ids: [1, 2, 3, 4, 5, 6, 7]}) { results { id } } }", nil, 10 + 1 + 7, 1 + 7},
		{"mutation { mergeCustomers(input: {ids: [1]}) { results { id } } }", nil, 10 + 1 + 5, 1 + 5},
		{"mutation M($n: Int) { claimCustomers(input: {limit: $n}) { results { id } } }", map[string]any{"n": json.Number("100")}, 10 + 1 + 100, 1 + 100},
		{"mutation { claimCustomers(input: {}) { results { id } } }", nil, 10 + 1 + 15, 1 + 15},
		{"mutation M($i: ClaimInput!) { claimCustomers(input: $i) { customer { id } } }", map[string]any{"i": map[string]any{"limit": json.Number("100")}}, 10 + 2, 2},
		{"mutation M($i: ClaimInput!) { claimCustomers(input: $i) { results { id } } }", map[string]any{"i": map[string]any{"limit": json.Number("100")}}, 10 + 1 + 100, 1 + 100},
		{"query Q($n: Int) { customers(first: $n) { nodes { id } } }", map[string]any{"n": json.Number("40")}, 1 + 40, 40},
		{"query Q($n: Int = 15) { customers(first: $n) { nodes { id } } }", map[string]any{"n": nil}, 1 + 15, 15},
		{"query Q($s: Boolean!) { me @skip(if: $s) { id } customers @include(if: $s) { nodes { id } } }", map[string]any{"s": true}, 16, 15},
		{"query Q($s: Boolean!) { ... @include(if: $s) { me { id } } ...F @skip(if: $s) } fragment F on Query { customers { nodes { id } } }", map[string]any{"s": true}, 1, 1},
		{"{ customers(first: 2147483647) { nodes { accounts(first: 2147483647) { nodes { customers(first: 2147483647) { nodes { id } } } } } } }", nil, saturated, saturated},
	} {
		doc, errs := gqlparser.LoadQueryWithRules(schema, c.text, nil)
		require.Empty(t, errs, c.text)
		variables, err := validator.VariableValues(schema, doc.Operations[0], c.variables)
		require.NoError(t, err)
		require.Nil(t, coerceVariables(schema, doc.Operations[0], variables))
		got := priceOf(schema, limits, doc.Operations[0], variables)
		require.Equal(t, Price{Points: c.points, Nodes: c.nodes}, got, c.text)
	}
}
