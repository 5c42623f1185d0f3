package httpapi

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"

	"caseload/internal/httpapi/document"
)

// Coerced is what section 3.5 of the GraphQL specification makes of a value; "" where it refuses it.
func TestVariablesAreCoercedAsTheSpecificationSays(t *testing.T) {
	t.Parallel()
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: testSchema})
	limits := DefaultLimits()
	for _, c := range []struct {
		document, given string
		want            any
		message         string
	}{
		{"query Q($v: Int) { customers(first: $v) { totalCount } }", `40`, int64(40), ""},
		{"query Q($v: Int) { customers(first: $v) { totalCount } }", `null`, nil, ""},
		{"query Q($v: Int) { customers(first: $v) { totalCount } }", `"40"`, nil, "v must be an Int"},
		{"query Q($v: Int) { customers(first: $v) { totalCount } }", `2147483648`, nil, "v must be an Int"},
		{"query Q($v: Int) { customers(first: $v) { totalCount } }", `1.5`, nil, "v must be an Int"},
		{"query Q($v: Int = 2147483648) { customers(first: $v) { totalCount } }", ``, nil, "v must be an Int"},
		{"query Q($v: Float) { since(share: $v) }", `0.5`, 0.5, ""},
		{"query Q($v: Float) { since(share: $v) }", `"0.5"`, nil, "v must be a Float"},
		{"query Q($v: String) { customers(search: $v) { totalCount } }", `"4155550123"`, "4155550123", ""},
		{"query Q($v: String) { customers(search: $v) { totalCount } }", `4155550123`, nil, "v must be a String"},
		{"query Q($v: String) { customers(search: $v) { totalCount } }", `true`, nil, "v must be a String"},
		{"query Q($v: [ID!]!) { nodes(ids: $v) { id } }", `["a", 5]`, []any{"a", "5"}, ""},
		{"query Q($v: [ID!]!) { nodes(ids: $v) { id } }", `"a"`, []any{"a"}, ""},
		{"query Q($v: [ID!]!) { nodes(ids: $v) { id } }", `5`, []any{"5"}, ""},
		{"query Q($v: [ID!]! = 5) { nodes(ids: $v) { id } }", ``, []any{"5"}, ""},
		{"query Q($v: [ID!]!) { nodes(ids: $v) { id } }", `["a", 5.5]`, nil, "v.1 must be an ID"},
		{"query Q($v: [ID!]!) { nodes(ids: $v) { id } }", `[true]`, nil, "v.0 must be an ID"},
		{"query Q($v: Boolean!) { me @skip(if: $v) { id } }", `"true"`, nil, "v must be a Boolean"},
		{"query Q($v: Boolean!) { me @skip(if: $v) { id } }", `1`, nil, "v must be a Boolean"},
		{"query Q($v: Filter) { customers(filter: $v) { totalCount } }", `{"language": "EN"}`, map[string]any{"language": "EN"}, ""},
		{"query Q($v: Filter) { customers(filter: $v) { totalCount } }", `{"language": "en"}`, nil, "v.language must be a Language"},
		{"query Q($v: Filter) { customers(filter: $v) { totalCount } }", `{"and": {"not": {"in": "x", "and": []}}}`,
			map[string]any{"and": []any{map[string]any{"not": map[string]any{"in": []any{"x"}, "and": []any{}}}}}, ""},
		{"query Q($v: Filter) { customers(filter: $v) { totalCount } }", `{"and": [{"in": ["x"]}, {"not": {"in": ["x", 7]}}]}`, nil, "v.and.1.not.in.1 must be a String"},
		{"query Q($v: Filter) { customers(filter: $v) { totalCount } }", `{"and": null, "language": null}`, map[string]any{"and": nil, "language": nil}, ""},
		{"mutation M($v: CustomerInput!) { updateCustomer(input: $v) { customer { id } } }", `{"size": 7, "birthDate": 8}`, map[string]any{"size": int64(7), "birthDate": json.Number("8")}, ""},
		{"mutation M($v: CustomerInput!) { updateCustomer(input: $v) { customer { id } } }", `{"size": "7"}`, nil, "v.size must be an Int"},
		{"mutation M($v: CustomerInput!) { updateCustomer(input: $v) { customer { id } } }", `{"ssn": 123456789}`, nil, "v.ssn must be a String"},
	} {
		name := c.document + " " + c.given
		given := map[string]any{}
		if c.given != "" {
			params, err := limits.ParseParams([]byte(`{"query": "{ __typename }", "variables": {"v": ` + c.given + `}}`))
			require.NoError(t, err, name)
			given = params.Variables
		}
		doc, errs := gqlparser.LoadQueryWithRules(schema, c.document, nil)
		require.Empty(t, errs, name)
		variables, err := validator.VariableValues(schema, doc.Operations[0], given)
		if err == nil {
			if _, f := document.Examine(schema, &limits.Limits, &graphql.OperationContext{Operation: doc.Operations[0], Variables: variables}); f != nil {
				err = f
			}
		}
		if c.message == "" {
			require.NoError(t, err, name)
			require.Equal(t, c.want, variables["v"], name)
			continue
		}
		require.Error(t, err, name)
		got := newBench(t, nil).do(t, query(c.document, given))
		require.Equal(t, "BAD_USER_INPUT", got.code(), name)
		require.Equal(t, "The variable at "+c.message+".", got.Errors[0].Message, name)
	}
}

// Enums are bound to texts that nothing else checks: a value that the schema does not have is refused before any
// resolver runs, wherever it stands, and so is one in another case.
func TestUnknownEnumValuesReachNoResolver(t *testing.T) {
	t.Parallel()
	const list, update = "{ customers(filter: {language: %s}) { totalCount } }", "mutation { updateCustomer(input: {language: %s}) { customer { id } } }"
	const variable, declared = "query Q($v: Language) { customers(filter: {language: $v}) { totalCount } }", "query Q($v: Language = %s) { customers(filter: {language: $v}) { totalCount } }"
	const nested = "mutation M($v: CustomerInput!) { updateCustomer(input: $v) { customer { id } } }"
	type request struct {
		document  string
		variables map[string]any
	}
	var wrong, right []request
	for _, literal := range []string{"en", "En", "FR", `"EN"`, "1", "true", "[EN, FR]", "{EN: EN}"} {
		for _, document := range []string{list, update, declared} {
			wrong = append(wrong, request{fmt.Sprintf(document, literal), nil})
		}
	}
	for _, value := range []any{"en", "En", "FR", "", " EN", 1, true, []any{"EN", "FR"}, map[string]any{"EN": "EN"}} {
		wrong = append(wrong, request{variable, map[string]any{"v": value}}, request{nested, map[string]any{"v": map[string]any{"language": value}}})
	}
	for _, document := range []string{list, update, declared} {
		right = append(right, request{fmt.Sprintf(document, "EN"), nil})
	}
	right = append(right, request{variable, map[string]any{"v": "EN"}}, request{nested, map[string]any{"v": map[string]any{"language": "EN"}}})
	for _, r := range wrong {
		b := newBench(t, nil)
		require.Contains(t, []string{"GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"}, b.do(t, query(r.document, r.variables)).code(), "%v", r)
		require.Zero(t, b.executed.Load(), "%v", r)
	}
	for _, r := range right {
		b := newBench(t, nil)
		require.Empty(t, b.do(t, query(r.document, r.variables)).Errors, "%v", r)
		require.EqualValues(t, 1, b.executed.Load(), "%v", r)
	}
}

// Objects, lists and scalars are values; the names of fields are not.
func TestValuesOfARequest(t *testing.T) {
	t.Parallel()
	limits := DefaultLimits()
	limits.MaxVariableValues = 9
	// The request, its text, its variables, and in them a list of two objects with two scalars each.
	body := `{"query": "{ __typename }", "variables": {"i": [{"a": 1, "b": "x"}, {"a": null, "b": true}]}}`
	_, err := limits.ParseParams([]byte(body))
	require.ErrorContains(t, err, "more than 9 JSON values", "names are not counted")
	limits.MaxVariableValues = 10
	_, err = limits.ParseParams([]byte(body))
	require.NoError(t, err)
}
