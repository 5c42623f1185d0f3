package httpapi

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/toolcheck"
)

// bomb makes fragments that spread the next one twice: 2^n fields in a few hundred bytes.
func bomb(n int, between string) string {
	var b strings.Builder
	b.WriteString("{ customers { nodes { ...F0 } } } ")
	for i := range n {
		next := fmt.Sprintf(between, i+1, i+1)
		fmt.Fprintf(&b, "fragment F%d on Customer { %s } ", i, next)
	}
	fmt.Fprintf(&b, "fragment F%d on Customer { id }", n)
	return b.String()
}

func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(format, "#", strconv.Itoa(i)))
		b.WriteByte(' ')
	}
	return b.String()
}

// attacks are documents that cost a naive server seconds or megabytes, each with the code it gets.
var attacks = []struct{ name, text, code string }{
	{"fragment bomb 25", bomb(25, "...F%d ...F%d"), "QUERY_TOO_LARGE"},
	{"fragment bomb 48", bomb(48, "...F%d ...F%d"), "QUERY_TOO_LARGE"},
	{"fragment bomb with fields", bomb(48, "a: parent { ...F%d } b: parent { ...F%d }"), "QUERY_TOO_LARGE"},
	{"fragment bomb inline", bomb(40, "... on Customer { ...F%d } ... on Node { ...F%d }"), "QUERY_TOO_LARGE"},
	{"unused fragment bomb", "{ me { id } } " + strings.TrimPrefix(bomb(40, "...F%d ...F%d"), "{ customers { nodes { ...F0 } } } "), "QUERY_TOO_LARGE"},
	{"fragment cycle", "{ me { ...A } } fragment A on Customer { ...B } fragment B on Customer { parent { ...A } }", "GRAPHQL_VALIDATION_FAILED"},
	{"fragment of itself", "{ me { ...A } } fragment A on Customer { ...A }", "GRAPHQL_VALIDATION_FAILED"},
	{"unused cycle", "{ me { id } } fragment A on Customer { ...A }", "GRAPHQL_VALIDATION_FAILED"},
	{"twin fragments", "{ me { ...A } } fragment A on Customer { id } fragment A on Customer { name }", "GRAPHQL_VALIDATION_FAILED"},
	{"many fragments", "{ me { id } } " + numbered(51, "fragment F# on Customer { id }"), "QUERY_TOO_LARGE"},
	{"same key 1000", "{ " + strings.Repeat("__typename ", 1000) + "}", "QUERY_TOO_LARGE"},
	{"same key 21", "{ " + strings.Repeat("__typename ", 21) + "}", "QUERY_TOO_LARGE"},
	{"same key across fragments", "{ " + numbered(40, "...F#") + "}" + numbered(40, "fragment F# on Query { __typename __typename }"), "QUERY_TOO_LARGE"},
	{"same key below same key", "{ " + strings.Repeat("me { id id id id id id } ", 20) + "}", "QUERY_TOO_LARGE"},
	{"same key in unused fragment", "{ me { id } } fragment F on Query { " + strings.Repeat("__typename ", 900) + "}", "QUERY_TOO_LARGE"},
	{"same key through inline", "{ " + strings.Repeat("... { __typename } ", 200) + "}", "QUERY_TOO_LARGE"},
	{"tokens", "{ me { " + strings.Repeat("id ", 2000) + "} }", "QUERY_TOO_LARGE"},
	{"bytes", "{ me { id } } #" + strings.Repeat("x", 32<<10), "QUERY_TOO_LARGE"},
	{"directives 50000", "{ me " + strings.Repeat("@aa", 50_000) + " { id } }", "QUERY_TOO_LARGE"},
	{"directives 900", "{ me " + strings.Repeat("@a ", 900) + " { id } }", "QUERY_TOO_LARGE"},
	{"directives on variables", "query Q($a: Int " + strings.Repeat("@a ", 60) + ") { me { id } }", "QUERY_TOO_LARGE"},
	{"operations", numbered(6, "query Q# { me { id } }"), "QUERY_TOO_LARGE"},
	{"alias flood", "{ me { " + numbered(31, "a#: id") + "} }", "ALIAS_LIMIT_EXCEEDED"},
	{"alias flood by fragments", "{ me { " + numbered(4, "p#: parent { ...F }") + "} } fragment F on Customer { " + numbered(10, "a#: id") + "}", "ALIAS_LIMIT_EXCEEDED"},
	{"root fields", "{ " + numbered(21, "a#: me { id }") + "}", "ALIAS_LIMIT_EXCEEDED"},
	{"mutation fields", "mutation { " + numbered(11, "a#: updateCustomer(input: {}) { customer { id } }") + "}", "ALIAS_LIMIT_EXCEEDED"},
	{"deep", "{ me { " + strings.Repeat("parent { ", 12) + "id" + strings.Repeat(" }", 12) + " } }", "DEPTH_LIMIT_EXCEEDED"},
	{"very deep", "{ me { " + strings.Repeat("parent { ", 600) + "id" + strings.Repeat(" }", 600) + " } }", "DEPTH_LIMIT_EXCEEDED"},
	{"deep connections", "{ customers { " + strings.Repeat("nodes { accounts { nodes { customers { ", 7) + "totalCount" + strings.Repeat(" } } } }", 7) + " } }", "DEPTH_LIMIT_EXCEEDED"},
	{"deep introspection", "{ __schema { types { " + strings.Repeat("ofType { ", 25) + "name" + strings.Repeat(" }", 25) + " } } }", "DEPTH_LIMIT_EXCEEDED"},
	{"defer", "{ me { id ... @defer { name } } }", "DEFER_UNSUPPORTED"},
	{"stream", "{ customers { nodes @stream(initialCount: 1) { id } } }", "DEFER_UNSUPPORTED"},
	{"defer in fragment", "{ me { ...F } } fragment F on Customer { ... @defer { name } }", "DEFER_UNSUPPORTED"},
	{"wide pages", "{ customers(first: 100) { nodes { accounts(first: 100) { nodes { customers(first: 100) { nodes { id } } } } } } }", "COMPLEXITY_LIMIT_EXCEEDED"},
	{"huge page", "{ customers(first: 2147483647) { nodes { accounts(first: 2147483647) { nodes { id } } } } }", "COMPLEXITY_LIMIT_EXCEEDED"},
	{"thousand mistakes", "{ me { " + numbered(900, "zz#") + "} }", "GRAPHQL_VALIDATION_FAILED"},
	{"introspection", "{ __schema { queryType { name } } }", "INTROSPECTION_DISABLED"},
	{"introspection of a type", `{ __type(name: "Customer") { name } }`, "INTROSPECTION_DISABLED"},
	{"introspection by fragment", "{ ...F } fragment F on Query { ... on Query { s: __schema { queryType { name } } } }", "INTROSPECTION_DISABLED"},
	{"deep brackets", `{ customer(by: ` + strings.Repeat("[", 900) + strings.Repeat("]", 900) + `) { id } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"only fragments", "fragment F on Customer { id }", "GRAPHQL_VALIDATION_FAILED"},
	{"only a comment", "# nothing", "GRAPHQL_VALIDATION_FAILED"},
	{"long unknown name", "{ " + strings.Repeat("x", 32<<10-10) + " }", "GRAPHQL_VALIDATION_FAILED"},
	{"type system", "type Query { a: Int }", "GRAPHQL_PARSE_FAILED"},
}

func TestAttacksAreRefused(t *testing.T) {
	t.Parallel()
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			got := b.do(t, query(a.text, nil))
			require.Equal(t, a.code, got.code(), shorten(got.body, 600))
			require.Equal(t, 400, got.Code)
			require.Nil(t, got.Data)
			require.Zero(t, b.executed.Load(), "refused before execution")
			if a.name == "thousand mistakes" {
				require.Contains(t, got.Errors[len(got.Errors)-1].Message, "more errors")
			}
			require.Less(t, len(got.body), 4<<10)
		})
	}
}

// Each attack has to be refused within 20 ms. The best of several tries is taken, as the machine that runs
// the tests does other things at the same time.
func TestAttacksAreCheap(t *testing.T) {
	if toolcheck.RaceEnabled {
		t.Skip("the race detector makes everything ten times slower")
	}
	b := newBench(t, roomy)
	for _, a := range attacks {
		best := time.Hour
		for range 5 {
			r := query(a.text, nil)
			start := time.Now()
			b.do(t, r)
			best = min(best, time.Since(start))
		}
		require.Less(t, best, 20*time.Millisecond, a.name)
	}
}

// What is just within the limits runs into validation, whose time these documents try to use up.
func TestWorstAllowedDocumentsAreCheap(t *testing.T) {
	if toolcheck.RaceEnabled {
		t.Skip("the race detector makes everything ten times slower")
	}
	b := newBench(t, roomy)
	for name, text := range map[string]string{
		"repeats":              "{ customers { nodes { " + strings.Repeat("id name ", 20) + "} } }",
		"repeats in repeats":   "{ me { " + strings.Repeat("parent { id } ", 20) + "} }",
		"fragments and fields": "{ me { " + numbered(20, "...F#") + numbered(25, "...G#") + "} } " + numbered(20, "fragment F# on Customer { name id }") + numbered(25, "fragment G# on Customer { n#: name }"),
		"fragments of fragments": "{ me { ...F0 } } " + numbered(1, "fragment F# on Customer { ...F1 ...F2 id }") +
			"fragment F1 on Customer { ...F3 ...F4 id } fragment F2 on Customer { ...F3 ...F4 name } fragment F3 on Customer { id name } fragment F4 on Customer { id }",
		"many fields": "{ customers { nodes { " + strings.Repeat("parent { id name phones { number } } ", 19) + "} } }",
		"shared fragment": "{ " + numbered(20, "a#: me { ...F }") + "} fragment F on Customer { parent { ...G } accounts { nodes { owner { ...G } } } } " +
			"fragment G on Customer { id name parent { id name parent { id name parent { id name } } } }",
	} {
		best := time.Hour
		for i := range 5 {
			r := query(text+" #"+strconv.Itoa(i), nil) // not from the cache
			start := time.Now()
			got := b.do(t, r)
			best = min(best, time.Since(start))
			require.Equal(t, 200, got.Code, "%s: %s", name, shorten(got.body, 300))
		}
		require.Less(t, best, 20*time.Millisecond, name)
	}
}

func TestOrdinaryDocumentsPass(t *testing.T) {
	t.Parallel()
	b := newBench(t, roomy)
	for _, text := range []string{
		"{ customers { edges { cursor node { id accounts { edges { node { owner { id } } } } } } pageInfo { hasNextPage } totalCount } }",
		"{ me { ...A ...B } } fragment A on Customer { id name } fragment B on Customer { id parent { ...A } }",
		"{ me { id @include(if: true) } }",
		"{ me { " + strings.Repeat("id ", 20) + "} }",
		"{ " + numbered(20, "a#: me { id }") + "}",
		"{ me { " + strings.Repeat("parent { ", 10) + "id" + strings.Repeat(" }", 10) + " } }",
		"mutation { updateCustomer(input: {ssn: \"x\"}) { customer { id } } }",
	} {
		got := b.do(t, query(text, nil))
		require.Equal(t, 200, got.Code, got.body)
		require.Empty(t, got.Errors, text)
		again := b.do(t, query(text, nil))
		require.Equal(t, string(got.Data), string(again.Data), "from the cache")
	}
}
