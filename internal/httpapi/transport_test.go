package httpapi

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func get(values url.Values, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/graphql?"+values.Encode(), nil)
	r.Header.Set("X-API-Key", "reader")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Del(header[i])
		if header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	return r
}

func TestQueriesAreAnswered(t *testing.T) {
	t.Parallel()
	b := newBench(t, roomy)
	for name, r := range map[string]*http.Request{
		"post":                 query("{ __typename }", nil),
		"post charset":         query("{ __typename }", nil, "Content-Type", "application/json; charset=UTF-8"),
		"get":                  get(url.Values{"query": {"{ __typename }"}}),
		"get with variables":   get(url.Values{"query": {"query Q($s: Boolean!) { __typename @skip(if: $s) me { id } }"}, "variables": {`{"s": false}`}, "operationName": {"Q"}}),
		"get with preflight":   get(url.Values{"query": {"{ __typename }"}}, "X-API-Key", "", "GraphQL-Require-Preflight", "1"),
		"get with apollo":      get(url.Values{"query": {"{ __typename }"}}, "X-API-Key", "", "Apollo-Require-Preflight", "1"),
		"unknown members":      post(`{"query":"{ __typename }","id":"1","extensions":{"a":[1]},"variables":null,"operationName":null}`),
		"explicit identity":    query("{ __typename }", nil, "Content-Encoding", "identity"),
		"escaped key of query": post(`{"\u0071uery":"{ __typename }"}`),
	} {
		got := b.do(t, r)
		require.Equal(t, 200, got.Code, "%s: %s", name, got.body)
		require.Empty(t, got.Errors, name)
		require.Contains(t, string(got.Data), `"__typename":"Query"`, name)
		require.NotEmpty(t, got.Header().Get("X-Request-Id"))
		require.Equal(t, "no-store", got.Header().Get("Cache-Control"))
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	good := `{"query":"{ __typename }"}`
	deep := func(n int) string {
		return `{"query":"{ __typename }","variables":{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}}`
	}
	mutation := "mutation { updateCustomer(input: {}) { customer { id } } }"
	for _, c := range []struct {
		name   string
		r      *http.Request
		status int
		code   string
		header [2]string
	}{
		{"not acceptable", post(good, "Accept", "text/html"), 406, "NOT_ACCEPTABLE", [2]string{}},
		{"no content type", post(good, "Content-Type", ""), 415, "UNSUPPORTED_MEDIA_TYPE", [2]string{}},
		{"text", post(good, "Content-Type", "text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE", [2]string{}},
		{"form", post("query=%7B__typename%7D", "Content-Type", "application/x-www-form-urlencoded"), 415, "UNSUPPORTED_MEDIA_TYPE", [2]string{}},
		{"multipart of another site", post("--x\r\n", "Content-Type", "multipart/form-data; boundary=x", "Origin", "https://evil.example"), 415, "UNSUPPORTED_MEDIA_TYPE", [2]string{}},
		{"application/graphql", post("{__typename}", "Content-Type", "application/graphql"), 415, "UNSUPPORTED_MEDIA_TYPE", [2]string{}},
		{"latin1", post(good, "Content-Type", "application/json; charset=iso-8859-1"), 415, "UNSUPPORTED_MEDIA_TYPE", [2]string{}},
		{"gzip", post(good, "Content-Encoding", "gzip"), 415, "UNSUPPORTED_MEDIA_TYPE", [2]string{}},
		{"put", httptest.NewRequest(http.MethodPut, "/graphql", nil), 405, "METHOD_NOT_ALLOWED", [2]string{"Allow", "GET, POST"}},
		{"delete", httptest.NewRequest(http.MethodDelete, "/graphql", nil), 405, "METHOD_NOT_ALLOWED", [2]string{"Allow", "GET, POST"}},
		{"mutation by get", get(url.Values{"query": {mutation}}), 405, "METHOD_NOT_ALLOWED", [2]string{"Allow", "POST"}},
		{"subscription by post", query("subscription { tick }", nil), 405, "METHOD_NOT_ALLOWED", [2]string{}},
		{"get without preflight", get(url.Values{"query": {"{__typename}"}}, "X-API-Key", ""), 403, "CSRF_REFUSED", [2]string{}},
		{"get with basic", get(url.Values{"query": {"{__typename}"}}, "X-API-Key", "", "Authorization", "Basic YTpi"), 403, "CSRF_REFUSED", [2]string{}},
		{"unknown key", post(good, "X-API-Key", "nobody"), 401, "UNAUTHENTICATED", [2]string{"WWW-Authenticate", "Bearer"}},
		{"too large by length", post(good + strings.Repeat(" ", 1<<20)), 413, "PAYLOAD_TOO_LARGE", [2]string{}},
		{"array batch", post(`[` + good + `]`), 400, "BAD_REQUEST", [2]string{}},
		{"empty", post(``), 400, "BAD_REQUEST", [2]string{}},
		{"scalar", post(`"x"`), 400, "BAD_REQUEST", [2]string{}},
		{"null", post(`null`), 400, "BAD_REQUEST", [2]string{}},
		{"two values", post(good + good), 400, "BAD_REQUEST", [2]string{}},
		{"trailing garbage", post(good + "x"), 400, "BAD_REQUEST", [2]string{}},
		{"unfinished", post(`{"query":"{`), 400, "BAD_REQUEST", [2]string{}},
		{"no query", post(`{"variables":{}}`), 400, "BAD_REQUEST", [2]string{}},
		{"empty query", post(`{"query":""}`), 400, "BAD_REQUEST", [2]string{}},
		{"null query", post(`{"query":null}`), 400, "BAD_REQUEST", [2]string{}},
		{"query in capitals", post(`{"QUERY":"{ __typename }"}`), 400, "BAD_REQUEST", [2]string{}},
		{"query is a number", post(`{"query":1}`), 400, "BAD_REQUEST", [2]string{}},
		{"operationName is a list", post(`{"query":"{ __typename }","operationName":["a"]}`), 400, "BAD_REQUEST", [2]string{}},
		{"variables is a text", post(`{"query":"{ __typename }","variables":"{}"}`), 400, "BAD_REQUEST", [2]string{}},
		{"duplicate key", post(`{"query":"{ __typename }","query":"{ me { id } }"}`), 400, "BAD_REQUEST", [2]string{}},
		{"duplicate key inside", post(`{"query":"{ __typename }","variables":{"a":{"b":1,"b":2}}}`), 400, "BAD_REQUEST", [2]string{}},
		{"duplicate key escaped", post(`{"query":"{ __typename }","\u0071uery":"{ me { id } }"}`), 400, "BAD_REQUEST", [2]string{}},
		{"invalid UTF-8", post("{\"query\":\"{ __typename }\",\"variables\":{\"a\":\"\xff\"}}"), 400, "BAD_REQUEST", [2]string{}},
		{"lone surrogate", post(`{"query":"{ __typename }","variables":{"a":"\ud800"}}`), 400, "BAD_REQUEST", [2]string{}},
		{"byte order mark", post("\ufeff" + good), 400, "BAD_REQUEST", [2]string{}},
		{"deep", post(deep(31)), 400, "BAD_REQUEST", [2]string{}},
		{"very deep", post(deep(200_000)), 400, "BAD_REQUEST", [2]string{}},
		{"many values", post(`{"query":"{ __typename }","variables":{"a":[` + strings.Repeat("1,", 100_000) + `1]}}`), 400, "TOO_MANY_ITEMS", [2]string{}},
		{"huge number", post(`{"query":"{ __typename }","variables":{"a":` + strings.Repeat("9", 1000) + `}}`), 400, "BAD_REQUEST", [2]string{}},
		{"huge exponent", post(`{"query":"{ __typename }","variables":{"a":1e999999999}}`), 400, "BAD_REQUEST", [2]string{}},
		{"get repeats", get(url.Values{"query": {"{__typename}", "{me{id}}"}}), 400, "BAD_REQUEST", [2]string{}},
		{"get smuggles", get(url.Values{"query": {"{__typename}"}, "variables": {`{}, "extensions": {}`}}), 400, "BAD_REQUEST", [2]string{}},
		{"get variables is a list", get(url.Values{"query": {"{__typename}"}, "variables": {`[1]`}}), 400, "BAD_REQUEST", [2]string{}},
		{"get invalid UTF-8", get(url.Values{"query": {"{__typename}\xff"}}), 400, "BAD_REQUEST", [2]string{}},
		{"get malformed", httptest.NewRequest(http.MethodGet, "/graphql?query=%zz", nil), 403, "CSRF_REFUSED", [2]string{}},
		{"unknown protocol", post(good, "Upgrade", "h2c"), 400, "BAD_REQUEST", [2]string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			got := b.do(t, c.r)
			require.Equal(t, c.status, got.Code, got.body)
			require.Equal(t, c.code, got.code(), got.body)
			require.Less(t, len(got.body), 4<<10)
			require.Zero(t, b.executed.Load(), "refused before execution")
			require.Equal(t, got.Header().Get("X-Request-Id"), got.Errors[0].Extensions.RequestID)
			require.NotContains(t, got.body, `"data"`)
			if c.header[0] != "" {
				require.Equal(t, c.header[1], got.Header().Get(c.header[0]))
			}
		})
	}
}

func TestBodyWithoutLengthIsLimited(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	r := post(strings.Repeat(" ", 2<<20))
	r.ContentLength = -1
	got := b.do(t, r)
	require.Equal(t, 413, got.Code)
	r = post(`{"query":"{ __typename }"}`+strings.Repeat(" ", 2<<20), "X-API-Key", "admin")
	r.ContentLength = -1
	require.Equal(t, 200, b.do(t, r).Code, "who may sync may send more")
}

// Under application/json old clients take any status but 200 for a broken server.
func TestStatusFollowsMediaType(t *testing.T) {
	t.Parallel()
	b := newBench(t, roomy)
	for text, code := range map[string]string{
		"{ nope }": "GRAPHQL_VALIDATION_FAILED", "{": "GRAPHQL_PARSE_FAILED", "query A { me { id } } query B { me { id } }": "OPERATION_RESOLUTION_FAILURE",
		"query Q($l: Language!) { customers(filter: {language: $l}) { totalCount } }": "BAD_USER_INPUT",
	} {
		strict, old := b.do(t, query(text, nil)), b.do(t, query(text, nil, "Accept", "application/json"))
		require.Equal(t, 400, strict.Code, text)
		require.Equal(t, typeGraphQL+"; charset=utf-8", strict.Header().Get("Content-Type"))
		require.Equal(t, 200, old.Code, text)
		require.Equal(t, code, strict.code(), strict.body)
		require.Equal(t, code, old.code())
	}
	require.Zero(t, b.executed.Load())
	partial := b.do(t, query(`{ fail(how: "fault") }`, nil))
	require.Equal(t, 200, partial.Code, "data is there, even though it is null")
	require.JSONEq(t, `{"fail":null}`, string(partial.Data))
}

func TestLargeResponses(t *testing.T) {
	t.Parallel()
	b := newBench(t, roomy)
	got := b.do(t, query("{ large }", nil))
	require.Equal(t, "RESPONSE_TOO_LARGE", got.code())
	require.Nil(t, got.Data)
	require.Less(t, len(got.body), 4<<10)
	require.NotContains(t, got.Errors[0].Message, "mutation")
	require.Contains(t, b.do(t, query("mutation { enlarge }", nil)).Errors[0].Message, "The mutation has been carried out")

	zipped := newBench(t, func(o *Options) { l := DefaultLimits(); l.MaxResponse = 16 << 20; o.Limits = &l })
	packed := zipped.do(t, query("{ large }", nil, "Accept-Encoding", "gzip"))
	require.Equal(t, "gzip", packed.Header().Get("Content-Encoding"))
	z, err := gzip.NewReader(packed.Body)
	require.NoError(t, err)
	plain, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Contains(t, string(plain[len(plain)-200:]), `"cost"`)
	require.Greater(t, len(plain), 11<<20)

	small := zipped.do(t, query("{ __typename }", nil, "Accept-Encoding", "gzip"))
	require.Empty(t, small.Header().Get("Content-Encoding"))
}

func TestCostIsShown(t *testing.T) {
	t.Parallel()
	got := newBench(t, nil).do(t, query("{ customers(first: 10) { totalCount nodes { id } } }", nil))
	require.Equal(t, map[string]any{"cost": map[string]any{"requested": 21.0, "limit": 10000.0, "remaining": 3979.0}}, got.Extensions)
}
