package httpapi

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Halves are refused in documents and in JSON, and pairs are one character, whatever brings them.
func TestHalvesOfPairsAreRefusedEverywhere(t *testing.T) {
	t.Parallel()
	b := newBench(t, roomy)
	inDocument := func(literal string) string { return `query { customer(by: {id: ` + literal + `}) { id } }` }
	inVariables := func(literal string) string {
		return `{"query":"query($id: String) { customers(search: $id) { totalCount } }","variables":{"id":` + literal + `}}`
	}
	for name, c := range map[string]struct {
		r    *http.Request
		code string
	}{
		"post":                {query(inDocument(`"\uD83D"`), nil), "GRAPHQL_PARSE_FAILED"},
		"get":                 {get(url.Values{"query": {inDocument(`"\uDE00"`)}}), "GRAPHQL_PARSE_FAILED"},
		"default":             {query(`query($id: ID = "\uDE00") { customer(by: {id: $id}) { id } }`, nil), "GRAPHQL_PARSE_FAILED"},
		"directive":           {query(`{ me @include(if: true, why: "\uDE00") { id } }`, nil), "GRAPHQL_PARSE_FAILED"},
		"variables":           {post(inVariables(`"\ud83d"`)), "BAD_REQUEST"},
		"variables of a get":  {get(url.Values{"query": {`query($id: String) { customers(search: $id) { totalCount } }`}, "variables": {`{"id":"\ud83d"}`}}), "BAD_REQUEST"},
		"document as JSON":    {post(`{"query":"{ tags(of: [\"\ud83d\"]) }"}`), "BAD_REQUEST"},
		"multipart":           {multi(body(part{name: "operations", body: `{"query":"mutation($file: Upload!) { keep(file: $file, name: \"\\ud83d\") }","variables":{"file":null}}`}, mapped(`{"0":["variables.file"]}`), file("0", "1"))), "GRAPHQL_PARSE_FAILED"},
		"multipart variables": {multi(body(part{name: "operations", body: `{"query":"mutation($file: Upload!, $n: String) { keep(file: $file, name: $n) }","variables":{"file":null,"n":"\udc00"}}`}, mapped(`{"0":["variables.file"]}`), file("0", "1"))), "BAD_REQUEST"},
		"pair":                {query(inDocument(`"\uD83D\uDE00"`), nil), ""},
		"pair in variables":   {post(inVariables(`"\ud83d\ude00"`)), ""},
	} {
		var got *reply
		if strings.HasPrefix(name, "multipart") {
			u := newUploadBench(t, nil)
			got = u.serve(t, c.r)
			puts, _ := u.shelf.count()
			require.Zero(t, puts, name)
		} else {
			got = b.do(t, c.r)
		}
		require.Equal(t, c.code, got.code(), "%s: %s", name, got.body)
	}
	got := b.do(t, query("{\n me { id }\n tags(of: [\"\\uD83D\"]) }", nil))
	require.Contains(t, got.Errors[0].Message, "half of a surrogate pair")
	require.Contains(t, got.body, `"locations":[{"line":3,"column":13}]`)
}
