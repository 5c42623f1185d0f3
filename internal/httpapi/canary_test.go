package httpapi

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// canary stands for personal data of a client: it must appear in no reply and in no log.
const canary = "4111-1111-1111-1111"

// Libraries quote what they choke on. Each request puts the canary where one of them chokes.
func TestNothingPersonalComesBack(t *testing.T) {
	t.Parallel()
	const number = "4111111111111111"
	update := "mutation M($input: CustomerInput!) { updateCustomer(input: $input) { customer { id } } }"
	requests := map[string]*http.Request{
		"malformed JSON":          post(`{"query":"{ __typename }","variables":{"ssn":"` + canary + `",}}`),
		"not JSON":                post(canary),
		"unquoted":                post(`{"query":` + canary + `}`),
		"key twice":               post(`{"query":"{ __typename }","` + canary + `":1,"` + canary + `":2}`),
		"invalid UTF-8":           post("{\"query\":\"" + canary + "\xff\"}"),
		"batch":                   post(`[{"query":"` + canary + `"}]`),
		"wrong type of query":     post(`{"query":["` + canary + `"]}`),
		"wrong type of variables": post(`{"query":"{ __typename }","variables":"` + canary + `"}`),
		"content type":            post("{}", "Content-Type", "text/"+canary),
		"accept":                  post("{}", "Accept", canary),
		"form":                    post("ssn="+canary, "Content-Type", "application/x-www-form-urlencoded"),
		"key":                     post(`{"query":"{ __typename }"}`, "X-API-Key", canary),
		"panic of authentication": post(`{"query":"{ __typename }"}`, "X-API-Key", "broken"),
		"request id":              post("{}", "X-Request-Id", canary),
		"get":                     get(url.Values{"query": {"{ customer(by: {id: \"" + canary + "\"}) { nope } }"}, "variables": {`{"ssn":"` + canary + `"`}}),
		"path":                    httptest.NewRequest(http.MethodPost, "/graphql/"+canary, nil),
		"method":                  httptest.NewRequest("X"+canary, "/graphql", nil),
		"syntax with a text":      query(`{ me("`+canary+`") { id } }`, nil),
		"syntax with a number":    query(`{ `+number+` }`, nil),
		"syntax with a float":     query(`{ 4111.1111111111 }`, nil),
		"unterminated":            query(`{ customer(by: {id: "`+canary, nil),
		"bad escape":              query(`{ customer(by: {id: "\u41 `+canary+`"}) { id } }`, nil),
		"block text":              query(`{ """`+canary+`""" }`, nil),
		"literal for an int":      query(`{ customers(first: "`+canary+`") { totalCount } }`, nil),
		"huge int":                query(`{ customers(first: `+number+`) { totalCount } }`, nil),
		"literal for a text":      query(`{ customers(search: `+number+`) { totalCount } }`, nil),
		"literal for an enum":     query(`{ customers(filter: {language: "`+canary+`"}) { totalCount } }`, nil),
		"enum of digits":          query(`{ customers(filter: {language: N`+number+`}) { totalCount } }`, nil),
		"literal for an object":   query(`{ customer(by: "`+canary+`") { id } }`, nil),
		"unknown input field":     query(`{ customer(by: {n`+number+`: "`+canary+`"}) { id } }`, nil),
		"unknown field":           query(`{ n`+number+` }`, nil),
		"conflicting arguments":   query(`{ customer(by: {id: "`+canary+`"}) { id } customer(by: {id: "x"}) { id } }`, nil),
		"variable for an enum":    query(update, map[string]any{"input": map[string]any{"language": canary}}),
		"variable for an int":     query(update, map[string]any{"input": map[string]any{"size": canary}}),
		"variable with a key":     query(update, map[string]any{"input": map[string]any{canary: 1}}),
		"variable for an object":  query(update, map[string]any{"input": canary}),
		"operation name":          post(`{"query":"{ __typename }","operationName":"` + canary + `"}`),
		"name of an operation":    query("query N"+number+" { __typename }", nil),
		"raw error of a driver":   query(`{ fail(how: "raw") }`, nil),
		"panic of a resolver":     query(`{ fail(how: "panic") }`, nil),
	}
	for name, r := range requests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(o *Options) { roomy(o); o.Introspection = IntrospectionOpen })
			got := b.do(t, r)
			for _, secret := range []string{canary, number, "4111.1111", "1111-1111"} {
				require.NotContains(t, got.body, secret, "reply")
				require.NotContains(t, b.log.String(), secret, "log")
				for h, values := range got.Header() {
					require.NotContains(t, strings.Join(values, " "), secret, h)
				}
			}
			require.Contains(t, b.log.String(), `"msg":"request"`)
		})
	}
}

func TestMaskKeepsTheSchemaReadable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`Cannot query field "nmae" on type "Customer".`:                   `Cannot query field "nmae" on type "Customer".`,
		`Field "x" argument "by" of type "[Selector!]!" is required`:      `Field "x" argument "by" of type "[Selector!]!" is required`,
		`invalid input syntax for type uuid: "a b c"`:                     `invalid input syntax for type uuid: …`,
		`call ann@example.com about 123-45-6789 or 2125550123`:            `call … about … or …`,
		`relation "customers" does not exist`:                             `relation "customers" does not exist`,
		`Variable "$input" of type "CustomerInput" used in position`:      `Variable "$input" of type "CustomerInput" used in position`,
		`unfinished "quote with ` + canary:                                `unfinished …`,
		"Fields \"a\" conflict because they have differing arguments. 12": "Fields \"a\" conflict because they have differing arguments. 12",
	} {
		require.Equal(t, want, mask(in))
	}
	require.Equal(t, `Expected Name, found Int`, maskSyntax(`Expected Name, found Int "4111"`))
	require.Equal(t, `Unexpected String`, maskSyntax(`Unexpected String "a \" b"`))
	require.Equal(t, `Int cannot represent non-integer value.`, maskValue(`Int cannot represent non-integer value: "`+canary+`"`))
	require.Equal(t, `The value does not exist in "Language" enum.`, maskValue(`Value "SMITH" does not exist in "Language" enum.`))
	require.Equal(t, `Expected value of type "Selector!".`, maskValue(`Expected value of type "Selector!", found "Smith".`))
}
