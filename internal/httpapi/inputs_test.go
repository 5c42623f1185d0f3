package httpapi

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func repeat(n int, v any) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = v
	}
	return out
}

func TestInputs(t *testing.T) {
	t.Parallel()
	b := newBench(t, roomy)
	by := "query Q($by: Selector!) { customer(by: $by) { id } }"
	bulk := "mutation M($i: BulkInput!) { bulkUpsertCustomers(input: $i) { customer { id } } }"
	filter := "query Q($f: Filter) { customers(filter: $f) { totalCount } }"
	update := "mutation M($i: CustomerInput!) { updateCustomer(input: $i) { customer { id } } }"
	texts := func(n int) string { return strings.Repeat(`"x" `, n) }
	for _, c := range []struct {
		text    string
		v       map[string]any
		code    string
		message string
	}{
		{by, map[string]any{"by": map[string]any{"id": "x"}}, "", ""},
		{by, map[string]any{"by": map[string]any{"id": "x", "externalId": "y"}}, "BAD_USER_INPUT", "The value at by must set exactly one field of Selector, and not to null."},
		{by, map[string]any{"by": map[string]any{"id": "x", "externalId": nil}}, "BAD_USER_INPUT", "by must set exactly one"},
		{by, map[string]any{"by": map[string]any{"id": nil}}, "BAD_USER_INPUT", "by must set exactly one"},
		{by, map[string]any{"by": map[string]any{}}, "BAD_USER_INPUT", "by must set exactly one"},
		{`{ customer(by: {id: "x"}) { id } }`, nil, "", ""},
		{`{ customer(by: {id: "x", externalId: "y"}) { id } }`, nil, "GRAPHQL_VALIDATION_FAILED", "exactly one key"},
		{filter, map[string]any{"f": map[string]any{"and": []any{map[string]any{}, map[string]any{"not": map[string]any{"by": map[string]any{}}}}}}, "BAD_USER_INPUT", "at filter.and.1.not.by must set"},
		{filter, map[string]any{"f": map[string]any{"in": repeat(500, "x")}}, "", ""},
		{filter, map[string]any{"f": map[string]any{"in": repeat(501, "x")}}, "TOO_MANY_ITEMS", "The list at filter.in has 501 items; the limit is 500."},
		{"query Q($l: [String!]) { customers(filter: {in: $l}) { totalCount } }", map[string]any{"l": repeat(501, "x")}, "TOO_MANY_ITEMS", "filter.in has 501"},
		{filter, map[string]any{"f": map[string]any{"and": map[string]any{"in": repeat(501, "x")}}}, "TOO_MANY_ITEMS", "filter.and.0.in has 501"},
		{"query Q($i: [ID!]!) { nodes(ids: $i) { id } }", map[string]any{"i": repeat(100, "x")}, "", ""},
		{"query Q($i: [ID!]!) { nodes(ids: $i) { id } }", map[string]any{"i": "x"}, "", ""},
		{"query Q($i: [ID!]!) { nodes(ids: $i) { id } }", map[string]any{"i": repeat(101, "x")}, "TOO_MANY_ITEMS", "ids has 101 items; the limit is 100"},
		{"{ nodes(ids: [" + texts(101) + "]) { id } }", nil, "TOO_MANY_ITEMS", "ids has 101"},
		{"{ tags(of: [" + texts(4) + "]) }", nil, "TOO_MANY_ITEMS", "of has 4 items; the limit is 3"},
		{"{ ...F ...F } fragment F on Query { ... { tags(of: [" + texts(4) + "]) } }", nil, "TOO_MANY_ITEMS", "of has 4"},
		{bulk, map[string]any{"i": map[string]any{"items": repeat(1000, map[string]any{})}}, "", ""},
		{bulk, map[string]any{"i": map[string]any{"items": repeat(1001, map[string]any{})}}, "TOO_MANY_ITEMS", "input.items has 1001 items; the limit is 1000"},
		{bulk, map[string]any{"i": map[string]any{"items": []any{map[string]any{}, map[string]any{"tags": repeat(251, "x")}}}}, "TOO_MANY_ITEMS", "input.items.1.tags has 251 items; the limit is 250"},
		{"mutation M($i: BulkInput!) { createCustomers(input: $i) { customer { id } } }", map[string]any{"i": map[string]any{"items": repeat(1000, map[string]any{})}}, "", ""},
		{update, map[string]any{"i": map[string]any{"tags": repeat(250, "x")}}, "", ""},
		{update, map[string]any{"i": map[string]any{"tags": repeat(251, "x")}}, "TOO_MANY_ITEMS", "input.tags has 251"},
	} {
		before := b.executed.Load()
		got := b.do(t, query(c.text, c.v, "X-API-Key", "admin"))
		require.Equal(t, c.code, got.code(), "%s %v", c.text, got.body)
		if c.code == "" {
			require.Equal(t, before+1, b.executed.Load())
			continue
		}
		require.Equal(t, before, b.executed.Load(), "refused before execution")
		require.Contains(t, got.Errors[0].Message, c.message)
		require.Equal(t, 400, got.Code)
	}
}

// What the executor cannot read, or panics at, is refused before anything runs.
func TestInputsTheExecutorCannotRead(t *testing.T) {
	t.Parallel()
	b := newBench(t, roomy)
	include := "query Q($b: Boolean = true) { me @include(if: $b) { id } }"
	for _, c := range []struct {
		text, message string
		v             map[string]any
	}{
		{include, "", nil},
		{include, "", map[string]any{"b": false}},
		{include, "The value at if must not be null.", map[string]any{"b": nil}},
		{"query Q($b: Boolean = true) { me { id @skip(if: $b) } }", "The value at if must not be null.", map[string]any{"b": nil}},
		{"query Q($b: Boolean = true) { ... @include(if: $b) { me { id } } }", "The value at if must not be null.", map[string]any{"b": nil}},
		{"query Q($b: Boolean = true) { me { ...F } me { ...F @skip(if: $b) } } fragment F on Customer { id }", "The value at if must not be null.", map[string]any{"b": nil}},
		{"mutation M($b: Boolean = true) { updateCustomer(input: {}) { customer { id @include(if: $b) } } }", "The value at if must not be null.", map[string]any{"b": nil}},
		{`query Q($id: [ID!] = ["x"]) { nodes(ids: $id) { id } }`, "The value at ids must not be null.", map[string]any{"id": nil}},
		{`query Q($id: ID = "x") { nodes(ids: ["y", $id]) { id } }`, "The value at ids.1 must not be null.", map[string]any{"id": nil}},
		{`mutation M($i: [CustomerInput!] = []) { bulkUpsertCustomers(input: {items: $i}) { customer { id } } }`, "The value at input.items must not be null.", map[string]any{"i": nil}},
		{`mutation M($i: CustomerInput = {}) { updateCustomer(input: $i) { customer { id } } }`, "The value at input must not be null.", map[string]any{"i": nil}},
		{`{ since(day: 20260309) }`, "", nil},
		{`{ since(day: 99999999999999999999) }`, "The number at day is out of range.", nil},
		{`{ since(day: 1e999) }`, "The number at day is out of range.", nil},
		{`{ since(day: [1e999]) }`, "The number at day is out of range.", nil},
		{`query Q($d: Date) { since(day: {a: [$d, {n: 12345678901234567890}]}) }`, "The number at day is out of range.", nil},
		{`query Q($d: Date) { since(day: {a: [$d, {n: 1234567890123456789}]}) }`, "", nil},
		{`query Q($d: Date = 99999999999999999999) { since(day: $d) }`, "The variable at d has the wrong form.", nil},
	} {
		before := b.executed.Load()
		got := b.do(t, query(c.text, c.v, "X-API-Key", "admin"))
		if c.message == "" {
			require.Empty(t, got.code(), "%s %v", c.text, got.body)
			continue
		}
		require.Equal(t, "BAD_USER_INPUT", got.code(), "%s %v", c.text, got.body)
		require.Equal(t, c.message, got.Errors[0].Message)
		require.Equal(t, before, b.executed.Load(), "refused before execution")
	}
}

func TestComplexityIsExplained(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	got := b.do(t, query("{ customers(first: 100) { nodes { accounts(first: 100) { nodes { id } } } } }", nil))
	require.Equal(t, "COMPLEXITY_LIMIT_EXCEEDED", got.code())
	require.Equal(t, "The operation costs 10201 points; the limit is 10000. Ask for smaller pages, fewer levels, or split it.", got.Errors[0].Message)
	require.Equal(t, map[string]any{"cost": 10201.0, "costLimit": 10000.0, "nodes": 10100.0, "nodeLimit": 20000.0}, got.Errors[0].Extensions.Details)
}
