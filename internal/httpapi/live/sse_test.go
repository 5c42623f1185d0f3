package live_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/fault"
	"caseload/internal/httpapi"
	"caseload/internal/httpapi/live"
	"caseload/internal/viewer"
)

func do(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(body)
}

func (s *server) post(t *testing.T, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("X-API-Key", goodKey)
	return r
}

func (s *server) get(t *testing.T, parameters url.Values) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"?"+parameters.Encode(), http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("GraphQL-Require-Preflight", "1")
	return r
}

// events reads a stream piece by piece.
type events struct {
	t        *testing.T
	response *http.Response
	reader   *bufio.Reader
}

func open(t *testing.T, r *http.Request) *events {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { response.Body.Close() })
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "text/event-stream; charset=utf-8", response.Header.Get("Content-Type"))
	return &events{t, response, bufio.NewReader(response.Body)}
}

// next returns the next piece, comments included, or "" at the end of the stream.
func (e *events) next() string {
	e.t.Helper()
	var piece bytes.Buffer
	for {
		line, err := e.reader.ReadString('\n')
		if err == io.EOF {
			return piece.String()
		}
		require.NoError(e.t, err)
		if line == "\n" {
			return piece.String()
		}
		piece.WriteString(line)
	}
}

const helloStream = ":\n\nevent: next\ndata: {\"data\":{\"hello\":\"portal\"}}\n\nevent: complete\ndata: \n\n"

func TestStreamOfAQuery(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{})
	_, body := do(t, s.post(t, `{"query":"query A { hello } query B { wait }","operationName":"A","variables":null}`))
	require.Equal(t, helloStream, body)

	r := s.get(t, url.Values{"query": {"query($n: String) { hello(name: $n) }"}, "variables": {`{"n":"x"}`}})
	r.Header.Set("X-API-Key", goodKey)
	_, body = do(t, r)
	require.Equal(t, helloStream, body)
}

func TestStreamOfASubscription(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{})
	e := open(t, s.post(t, `{"query":"subscription { ticks }"}`))
	require.Equal(t, ":\n", e.next())
	for _, tick := range []string{"one", "two"} {
		s.schema.ticks <- tick
		require.Equal(t, "event: next\ndata: {\"data\":{\"ticks\":\""+tick+"\"}}\n", e.next())
	}
	close(s.schema.ticks)
	require.Equal(t, "event: complete\ndata: \n", e.next())
	require.Empty(t, e.next())
	require.EqualValues(t, 2, s.events.Load())
	require.Zero(t, s.reused.Load())
}

func TestStreamReportsErrorsAsEvents(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{}, limited(func(l *httpapi.Limits) {
		l.MaxResponse, l.QueryTimeout = 1<<10, 10*time.Millisecond
	}))
	for document, code := range map[string]string{
		"{ nothing }":            "GRAPHQL_VALIDATION_FAILED",
		"{ hello":                "GRAPHQL_PARSE_FAILED",
		"{ crash }":              "INTERNAL",
		"subscription { crash }": "INTERNAL",
		"subscription { flood }": "RESPONSE_TOO_LARGE",
		"{ wait }":               "TIMEOUT",
	} {
		response, body := do(t, s.post(t, `{"query":"`+document+`"}`))
		require.Equal(t, http.StatusOK, response.StatusCode, document)
		require.Contains(t, body, `"code":"`+code+`"`, document)
		require.True(t, strings.HasSuffix(body, "event: complete\ndata: \n\n"), document)
		require.Equal(t, 1, strings.Count(body, "event: next"), document)
		require.NotContains(t, body, "4111")
	}
}

func TestStreamRefusals(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{}, limited(func(l *httpapi.Limits) { l.MaxBody = 100 }))
	query := url.Values{"query": {"{ hello }"}}
	with := func(r *http.Request, name, value string) *http.Request {
		if value == "" {
			r.Header.Del(name)
		} else {
			r.Header.Set(name, value)
		}
		return r
	}
	for name, c := range map[string]struct {
		request *http.Request
		status  int
		code    fault.Code
	}{
		"not JSON":           {s.post(t, `4111111111111111`), 400, fault.BadRequest},
		"broken JSON":        {s.post(t, `{"query":"4111111111111111`), 400, fault.BadRequest},
		"list":               {s.post(t, `[{"query":"{ hello }"}]`), 400, fault.BadRequest},
		"two objects":        {s.post(t, `{"query":"{ hello }"}{"query":"4111"}`), 400, fault.BadRequest},
		"no query":           {s.post(t, `{}`), 400, fault.BadRequest},
		"too large":          {s.post(t, `{"query":"`+strings.Repeat("4111", 30)+`"}`), 413, fault.PayloadTooLarge},
		"form":               {with(s.post(t, `{}`), "Content-Type", "text/plain"), 415, fault.UnsupportedMedia},
		"no content type":    {with(s.post(t, `{}`), "Content-Type", ""), 415, fault.UnsupportedMedia},
		"latin 1":            {with(s.post(t, `{}`), "Content-Type", "application/json; charset=latin1"), 415, fault.UnsupportedMedia},
		"compressed":         {with(s.post(t, `{}`), "Content-Encoding", "gzip"), 415, fault.UnsupportedMedia},
		"wrong key":          {with(s.post(t, `{"query":"{ hello }"}`), "X-API-Key", "cl_4111"), 401, fault.Unauthenticated},
		"key not checkable":  {with(s.post(t, `{"query":"{ hello }"}`), "X-API-Key", "cl_outage"), 503, fault.Unavailable},
		"cross-site GET":     {with(s.get(t, query), "GraphQL-Require-Preflight", ""), 403, fault.CSRFRefused},
		"mutation by GET":    {s.get(t, url.Values{"query": {"mutation { wait }"}}), 405, fault.MethodNotAllowed},
		"variables not JSON": {s.get(t, url.Values{"query": {"{ hello }"}, "variables": {"4111"}}), 400, fault.BadRequest},
		"lone surrogate":     {s.post(t, `{"query":"{ hello }","variables":{"a":"\ud83d"}}`), 400, fault.BadRequest},
		"repeated parameter": {s.get(t, url.Values{"query": {"{ hello }", "4111"}}), 400, fault.BadRequest},
	} {
		response, body := do(t, c.request)
		require.Equal(t, c.status, response.StatusCode, name)
		require.Equal(t, "application/json; charset=utf-8", response.Header.Get("Content-Type"), name)
		require.Contains(t, body, `"code":"`+string(c.code)+`"`, name)
		require.NotContains(t, body, "4111", name)
		require.NotContains(t, body, `"data"`, name)
		if c.status == http.StatusMethodNotAllowed {
			require.Equal(t, http.MethodPost, response.Header.Get("Allow"))
		}
	}
}

func TestAcceptChoosesTheStream(t *testing.T) {
	t.Parallel()
	sse := live.NewSSE(live.SSEOptions{})
	for accept, want := range map[string]bool{
		"text/event-stream":                         true,
		"text/event-stream, multipart/mixed":        true,
		"text/event-stream, application/json;q=0.9": true,
		"application/json;q=0.5, text/event-stream": true,
		"":                      false,
		"*/*":                   false,
		"application/json":      false,
		"text/event-stream;q=0": false,
		"application/graphql-response+json, application/json, text/event-stream":             false,
		"application/json, text/event-stream;q=0.9, application/graphql-response+json;q=0.1": false,
	} {
		for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodPut} {
			r := &http.Request{Method: method, Header: http.Header{"Accept": {accept}}}
			require.Equal(t, want && method != http.MethodPut, sse.Supports(r), "%s %q", method, accept)
		}
	}
}

func TestStreamHeartbeat(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{Heartbeat: 5 * time.Millisecond})
	e := open(t, s.post(t, `{"query":"subscription { ticks }"}`))
	for range 4 {
		require.Equal(t, ":\n", e.next())
	}
}

func TestStreamOutlivesTheServersTimeouts(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{Heartbeat: 50 * time.Millisecond},
		func(_ *httpapi.Options, _ *httpapi.Limits, h *http.Server) {
			h.ReadTimeout, h.WriteTimeout = 300*time.Millisecond, 300*time.Millisecond
		})
	e := open(t, s.post(t, `{"query":"subscription { ticks }"}`))
	for range 9 {
		require.Equal(t, ":\n", e.next())
	}
	s.schema.ticks <- "late"
	require.Contains(t, e.next()+e.next(), "late")
}

func TestStreamEndsWithItsClient(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{})
	e := open(t, s.post(t, `{"query":"subscription { ticks }"}`))
	await(t, s.schema.started, "the operation starts")
	require.NoError(t, e.response.Body.Close())
	await(t, s.schema.ended, "the operation's context ends")
	require.Eventually(t, func() bool { return s.sse.Open() == 0 }, patience, time.Millisecond)
}

func TestSlowStreamIsCut(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{WriteTimeout: 30 * time.Millisecond})
	open(t, s.post(t, `{"query":"subscription { flood }"}`))
	require.Eventually(t, func() bool { return s.sse.Open() == 0 }, patience, time.Millisecond)
}

func TestStreamLimit(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{MaxStreams: 1})
	open(t, s.post(t, `{"query":"subscription { ticks }"}`))
	response, body := do(t, s.post(t, `{"query":"{ hello }"}`))
	require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
	require.Equal(t, "1", response.Header.Get("Retry-After"))
	require.Contains(t, body, `"code":"RATE_LIMITED"`)
	// Nobody is counted apart.
	_, body = do(t, s.get(t, url.Values{"query": {"{ hello }"}}))
	require.Contains(t, body, `{"data":{"hello":""}}`)
}

func TestRevokedCredentialEndsTheStream(t *testing.T) {
	t.Parallel()
	revoked := make(chan struct{})
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{Credentials: live.Credentials{
		Revoked: func(context.Context, *viewer.Viewer) <-chan struct{} { return revoked },
	}})
	e := open(t, s.post(t, `{"query":"subscription { ticks }"}`))
	require.Equal(t, ":\n", e.next())
	await(t, s.schema.started, "the operation starts")
	close(revoked)
	require.Contains(t, e.next(), `"code":"UNAUTHENTICATED"`)
	require.Equal(t, "event: complete\ndata: \n", e.next())
	await(t, s.schema.ended, "the operation's context ends")
}
