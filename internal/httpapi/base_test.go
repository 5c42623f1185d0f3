package httpapi

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
	"caseload/internal/viewer"
)

func TestRequestID(t *testing.T) {
	t.Parallel()
	b := newBench(t, roomy)
	for sent, kept := range map[string]bool{
		"trace-0123456789": true, "01890a5d-ac96-774b-bcce-b302099a8057": true, "a.b_c-d1": true,
		"": false, "short": false, "123-45-6789": false, "4111111111111111": false, "with space 12": false,
		"x\"y<script>": false, strings.Repeat("a", 65): false,
	} {
		got := b.do(t, query("{ __typename }", nil, "X-Request-Id", sent)).Header().Get("X-Request-Id")
		require.Equal(t, kept, got == sent, sent)
		require.NotEmpty(t, got)
	}
}

func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *Options) { roomy(o); o.Origins = []string{"https://portal.example.com"} })
	preflight := func(origin string) *http.Request {
		r := httptest.NewRequest(http.MethodOptions, "/graphql", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		return r
	}
	ok := b.do(t, preflight("https://portal.example.com"))
	require.Equal(t, 204, ok.Code)
	require.Equal(t, "https://portal.example.com", ok.Header().Get("Access-Control-Allow-Origin"))
	require.Contains(t, ok.Header().Get("Access-Control-Allow-Headers"), "X-API-Key")
	require.Empty(t, ok.Header().Get("Access-Control-Allow-Credentials"))
	for _, origin := range []string{"https://evil.example", "null", "https://portal.example.com.evil.example", "http://portal.example.com", ""} {
		got := b.do(t, preflight(origin))
		require.Equal(t, 204, got.Code)
		require.Empty(t, got.Header().Get("Access-Control-Allow-Origin"), origin)
		require.Empty(t, got.Header().Get("Access-Control-Allow-Headers"), origin)
		require.Contains(t, got.Header().Values("Vary"), "Origin")
		require.Empty(t, b.do(t, query("{ __typename }", nil, "Origin", origin)).Header().Get("Access-Control-Allow-Origin"))
	}
	require.Zero(t, b.do(t, preflight("https://portal.example.com")).Body.Len())
}

func TestAccessLogTellsWhatMatters(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *Options) { o.Statements = nil })
	got := b.do(t, query("query FindSomebody { fail(how: \"fault\") customers(first: 5) { nodes { id } } }", nil))
	var line map[string]any
	require.NoError(t, json.Unmarshal([]byte(strings.TrimSpace(b.log.String())), &line))
	require.Equal(t, "FindSomebody", line["operation"])
	require.Equal(t, "query", line["operation_kind"])
	require.Equal(t, 6.0, line["cost"])
	require.Equal(t, 200.0, line["status"])
	require.Equal(t, float64(len(got.body)), line["bytes"])
	require.Equal(t, []any{"NOT_FOUND"}, line["codes"])
	require.Equal(t, testOrganization.String(), line["organization"])
	require.NotContains(t, b.log.String(), "customers")
}

func TestRouteHidesPaths(t *testing.T) {
	t.Parallel()
	log := &dbtest.Log{}
	r := chi.NewRouter()
	r.Use(accessLog(slog.New(slog.NewJSONHandler(log, nil))))
	r.Get("/files/{token}", func(http.ResponseWriter, *http.Request) {})
	for _, path := range []string{"/files/secret-token", "/nowhere/secret-token"} {
		r.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path+"?q=secret-token", nil))
	}
	require.NotContains(t, log.String(), "secret-token")
	require.Contains(t, log.String(), `"path":"/files/{token}"`)
	require.Contains(t, log.String(), `"path":"other"`)
	require.Equal(t, 2, strings.Count(log.String(), `"msg":"request"`), "one line per request")
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	seen := ""
	chain := chi.Chain(accessLog(slog.New(slog.DiscardHandler)), clientAddress("10.0.0.0/8"), (&Endpoint{}).authenticate).HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		v := viewer.From(r.Context())
		require.Equal(t, viewer.Anonymous, v.Kind)
		require.NotEmpty(t, v.RequestID)
		seen = v.IP
	})
	for _, c := range [][3]string{
		{"10.0.0.1:1", "198.51.100.4", "198.51.100.4"},
		{"10.0.0.1:1", "203.0.113.9, 198.51.100.4, 10.0.0.2", "198.51.100.4"},
		{"198.51.100.7:1", "203.0.113.9", "198.51.100.7"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c[0]
		r.Header.Set("X-Forwarded-For", c[1])
		chain.ServeHTTP(httptest.NewRecorder(), r)
		require.Equal(t, c[2], seen)
	}
	require.Equal(t, viewer.Anonymous, viewer.Nobody.Kind)
	require.Empty(t, viewer.Nobody.RequestID, "the shared viewer is not written to")
}

func TestAuthenticationFailures(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *Options) {
		o.Identify = func(*http.Request) (*viewer.Viewer, error) { return nil, errors.New("dial tcp 10.1.2.3: refused") }
	})
	got := b.do(t, query("{ __typename }", nil))
	require.Equal(t, 500, got.Code)
	require.Equal(t, "INTERNAL", got.code())
	require.NotContains(t, got.body, "10.1.2.3")
	require.Contains(t, b.log.String(), "operation failed")
}

func TestPanicsOfHandlers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		upgrade string
		aborts  bool
		status  int
		body    string
	}{
		"before the first byte":             {func(http.ResponseWriter, *http.Request) { panic("at once") }, "", false, 500, `"INTERNAL"`},
		"of an upgrade that did not happen": {func(http.ResponseWriter, *http.Request) { panic("at once") }, "websocket", false, 500, `"INTERNAL"`},
		"after the first byte":              {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "half a file"); panic("then") }, "", true, 200, "half a file"},
		"after the upgrade": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusSwitchingProtocols)
			panic("then")
		}, "websocket", true, 101, ""},
		"that breaks off the connection": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", true, 200, ""},
	} {
		log := &dbtest.Log{}
		h := chi.Chain(NewBase(Options{Log: slog.New(slog.NewJSONHandler(log, nil))}).Middleware()...).HandlerFunc(c.handler)
		r, rec := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
		r.Header.Set("Upgrade", c.upgrade)
		serve := func() { h.ServeHTTP(rec, r) }
		if c.aborts {
			require.PanicsWithValue(t, http.ErrAbortHandler, serve, name)
			require.Equal(t, c.body, rec.Body.String(), name)
		} else {
			require.NotPanics(t, serve, name)
			require.Contains(t, rec.Body.String(), c.body, name)
		}
		require.Equal(t, c.status, rec.Code, name)
		require.Equal(t, name != "that breaks off the connection", strings.Contains(log.String(), "panic"), name)
	}
}

func TestIntrospection(t *testing.T) {
	t.Parallel()
	text := "{ __schema { queryType { name } } }"
	for setting, keys := range map[Introspection]map[string]int{
		IntrospectionOpen:   {"": 400, "reader": 200, "admin": 200},
		IntrospectionScoped: {"": 400, "reader": 400, "admin": 200},
		"":                  {"": 400, "reader": 400, "admin": 200},
		IntrospectionClosed: {"": 400, "reader": 400, "admin": 400},
		"nonsense":          {"": 400, "reader": 400, "admin": 400},
	} {
		b := newBench(t, func(o *Options) { o.Introspection = setting })
		for key, status := range keys {
			got := b.do(t, query(text, nil, "X-API-Key", key))
			require.Equal(t, status, got.Code, "%s %s", setting, key)
			if status != 200 {
				require.Equal(t, "INTROSPECTION_DISABLED", got.code())
			}
			require.Equal(t, 200, b.do(t, query("{ __typename }", nil, "X-API-Key", key)).Code)
		}
	}
	var i Introspection
	require.NoError(t, i.UnmarshalText([]byte("open")))
	require.Equal(t, IntrospectionOpen, i)
	require.ErrorContains(t, i.UnmarshalText([]byte("on")), "open, scoped or closed")
}

// Over a real connection: keep-alive survives the deadlines that single requests set.
func TestServerOverAConnection(t *testing.T) {
	t.Parallel()
	l := DefaultLimits()
	l.OperationsBurst = 1000
	server := httptest.NewUnstartedServer(nil)
	server.Config = Server("", newBench(t, func(o *Options) { o.Limits = &l }))
	require.NotZero(t, server.Config.ReadHeaderTimeout)
	server.Start()
	defer server.Close()
	for range 3 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(`{"query":"{ __typename }"}`))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-API-Key", "reader")
		res, err := server.Client().Do(r)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Contains(t, string(body), `"__typename":"Query"`)
		require.EqualValues(t, len(body), res.ContentLength)
	}
}

// Whether a body is read, refused by its headers or sent where nothing is: when the rest does not come, the request is
// answered and its connection is closed.
func TestBodyThatDoesNotCome(t *testing.T) {
	t.Parallel()
	const short = 50 * time.Millisecond
	for name, c := range map[string]struct {
		path, headers, sent string
		status              int
		code                string
	}{
		"JSON":             {"/graphql", "Content-Type: application/json\r\nContent-Length: 100000\r\n", "{", 504, "TIMEOUT"},
		"nothing of it":    {"/graphql", "Content-Type: application/json\r\nContent-Length: 10\r\n", "", 504, "TIMEOUT"},
		"JSON in chunks":   {"/graphql", "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", "1\r\n{\r\n", 504, "TIMEOUT"},
		"another type":     {"/graphql", "Content-Type: text/plain\r\nContent-Length: 100000\r\n", "{", 415, "UNSUPPORTED_MEDIA_TYPE"},
		"a wrong key":      {"/graphql", "X-API-Key: wrong\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n", "{", 401, "UNAUTHENTICATED"},
		"an unknown path":  {"/nope", "Content-Type: application/json\r\nContent-Length: 100000\r\n", "{", 404, ""},
		"expect: continue": {"/nope", "Expect: 100-continue\r\nContent-Length: 100000\r\n", "{", 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := DefaultLimits()
			mux := http.NewServeMux()
			mux.Handle("/graphql", newBench(t, func(o *Options) { o.Limits = &limits }))
			server := httptest.NewUnstartedServer(nil)
			server.Config = Server("", mux)
			require.NotZero(t, server.Config.ReadTimeout)
			if c.code == "TIMEOUT" {
				limits.BodyTimeout = short
			} else {
				server.Config.ReadTimeout = short
			}
			server.Start()
			t.Cleanup(server.Close)
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
			require.NoError(t, err)
			t.Cleanup(func() { _ = conn.Close() })
			require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
			_, err = io.WriteString(conn, "POST "+c.path+" HTTP/1.1\r\nHost: x\r\nAccept: application/graphql-response+json\r\n"+c.headers+"\r\n"+c.sent)
			require.NoError(t, err)
			from := bufio.NewReader(conn)
			res, err := http.ReadResponse(from, nil)
			require.NoError(t, err)
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, c.status, res.StatusCode, string(body))
			require.True(t, res.Close, "the connection is announced to end")
			_, err = from.ReadByte()
			require.ErrorIs(t, err, io.EOF, "and it is closed")
			if c.code != "" {
				var got reply
				require.NoError(t, json.Unmarshal(body, &got))
				require.Equal(t, c.code, got.code())
			}
		})
	}
}

// The timeouts are for what is sent: an operation and its answer may take longer, and the connection serves the next request.
func TestTimeoutsEndWithTheBody(t *testing.T) {
	t.Parallel()
	const short = 50 * time.Millisecond
	limits := DefaultLimits()
	limits.BodyTimeout = short
	during := make(chan error, 1)
	server := httptest.NewUnstartedServer(nil)
	server.Config = Server("", newBench(t, func(o *Options) { o.Limits, o.Inner = &limits, []graphql.HandlerExtension{lasting(4*short, during)} }))
	server.Config.ReadTimeout = 2 * short
	server.Start()
	t.Cleanup(server.Close)
	for range 2 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(`{"query":"{ __typename }"}`))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		res, err := server.Client().Do(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, 200, res.StatusCode)
		require.False(t, res.Close)
		require.NoError(t, <-during)
	}
}
