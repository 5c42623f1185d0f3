package live_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"go.uber.org/goleak"

	"caseload/internal/fault"
	"caseload/internal/httpapi"
	"caseload/internal/httpapi/live"
	"caseload/internal/viewer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds how long a test waits for something that must happen.
const patience = 20 * time.Second

const goodKey = "cl_good"

var parsedSchema = gqlparser.MustLoadSchema(&ast.Source{Input: `
	type Query { hello(name: String): String! wait: String! crash: String! }
	type Mutation { wait: String! poke(value: String!): String! }
	type Subscription { ticks: String! flood: String! crash: String! }
`})

// schema answers by the name of the first field, and tells the test what happens inside.
type schema struct {
	ticks   chan string
	release chan struct{}
	started chan struct{}
	ended   chan struct{}
}

func newSchema() *schema {
	return &schema{
		ticks: make(chan string), release: make(chan struct{}),
		started: make(chan struct{}, 4096), ended: make(chan struct{}, 4096),
	}
}

func (*schema) Schema() *ast.Schema { return parsedSchema }

func (*schema) Complexity(context.Context, string, string, int, map[string]any) (int, bool) {
	return 0, false
}

func (s *schema) Exec(ctx context.Context) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	switch op.Operation.SelectionSet[0].(*ast.Field).Name {
	case "hello":
		return graphql.OneShot(result("hello", viewer.From(ctx).ActorName))
	case "__typename":
		return graphql.OneShot(result("__typename", "Query"))
	case "poke":
		select {
		case s.ticks <- op.Variables["value"].(string):
		default:
		}
		return graphql.OneShot(result("poke", "poked"))
	case "wait":
		finished := false
		return func(ctx context.Context) *graphql.Response {
			if finished {
				return nil
			}
			finished = true
			s.started <- struct{}{}
			select {
			case <-s.release:
				return result("wait", "released")
			case <-ctx.Done():
				s.ended <- struct{}{}
				return nil
			}
		}
	case "flood":
		return func(ctx context.Context) *graphql.Response {
			if ctx.Err() != nil {
				return nil
			}
			return result("flood", strings.Repeat("x", 1<<20))
		}
	case "ticks":
		var first sync.Once
		return func(ctx context.Context) *graphql.Response {
			// Here and not in Exec: an operation that is cancelled in between never gets this far.
			first.Do(func() { s.started <- struct{}{} })
			select {
			case v, more := <-s.ticks:
				if !more {
					return nil
				}
				return result("ticks", v)
			case <-ctx.Done():
				s.ended <- struct{}{}
				return nil
			}
		}
	default:
		return func(context.Context) *graphql.Response { panic("4111111111111111") }
	}
}

func result(field, value string) *graphql.Response {
	data, err := json.Marshal(map[string]string{field: value})
	if err != nil {
		panic(err)
	}
	return &graphql.Response{Data: data}
}

// identify knows one good key; "" is nobody, and "cl_outage" finds the store down.
func identify(r *http.Request) (*viewer.Viewer, error) {
	switch r.Header.Get(httpapi.KeyHeader) {
	case "":
		return viewer.Nobody, nil
	case goodKey:
		return &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: uuid.Max, ActorID: uuid.Max, ActorName: "portal"}, nil
	case "cl_outage":
		return nil, fault.New(fault.Unavailable, "The store is down.")
	default:
		return nil, fault.New(fault.Unauthenticated, "The API key is unknown.")
	}
}

// server is the GraphQL endpoint with both transports on a real port.
type server struct {
	*httptest.Server
	schema *schema
	ws     *live.WebSocket
	sse    *live.SSE
	// events counts responses; reused counts those whose context was that of an earlier one.
	events, reused atomic.Int64
	previous       atomic.Value
}

var _ graphql.ResponseInterceptor = (*server)(nil)

func (*server) ExtensionName() string { return "Responses" }

func (*server) Validate(graphql.ExecutableSchema) error { return nil }

func (s *server) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	response := next(ctx)
	if response != nil {
		// What it cost is for other tests.
		response.Extensions = nil
		s.events.Add(1)
		if before, ok := s.previous.Swap(ctx).(context.Context); ok && before.Err() == nil {
			s.reused.Add(1)
		}
	}
	return response
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// configure changes what a server is made of.
type configure func(*httpapi.Options, *httpapi.Limits, *http.Server)

func limited(change func(*httpapi.Limits)) configure {
	return func(_ *httpapi.Options, l *httpapi.Limits, _ *http.Server) { change(l) }
}

func newServer(t *testing.T, ws live.WebSocketOptions, sse live.SSEOptions, changes ...configure) *server {
	t.Helper()
	s := &server{schema: newSchema(), ws: live.NewWebSocket(ws), sse: live.NewSSE(sse)}
	limits := httpapi.DefaultLimits()
	limits.OperationsBurst, limits.AnonymousBurst, limits.PointsBurst = 1_000_000, 1_000_000, 100_000_000
	o := httpapi.Options{
		Schema: s.schema, Limits: &limits, Identify: identify, Log: quiet(),
		Transports: []httpapi.Transport{s.ws, s.sse}, Outer: []graphql.HandlerExtension{s},
	}
	s.Server = httptest.NewUnstartedServer(nil)
	for _, change := range changes {
		change(&o, &limits, s.Config)
	}
	s.Config.Handler = httpapi.Handler(o)
	s.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.ws.Shutdown(ctx)
		s.sse.Shutdown(ctx)
		s.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

func await(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		require.FailNow(t, "did not happen: "+what)
	}
}

// client is a WebSocket client that says exactly what a test tells it to.
type client struct {
	t    *testing.T
	conn *websocket.Conn
}

func (s *server) dial(t *testing.T, options *websocket.DialOptions) *client {
	t.Helper()
	if options == nil {
		options = &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}}
	}
	conn, response, err := websocket.Dial(t.Context(), s.URL, options)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	conn.SetReadLimit(-1)
	t.Cleanup(func() { conn.CloseNow() })
	return &client{t, conn}
}

// connect dials and initialises with the good key.
func (s *server) connect(t *testing.T) *client {
	t.Helper()
	c := s.dial(t, nil)
	c.say(`{"type":"connection_init","payload":{"X-API-Key":"cl_good"}}`)
	c.hear(`{"type":"connection_ack"}`)
	return c
}

func (c *client) say(message string) {
	c.t.Helper()
	require.NoError(c.t, c.conn.Write(c.t.Context(), websocket.MessageText, []byte(message)))
}

func (c *client) read() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, body, err := c.conn.Read(ctx)
	return string(body), err
}

func (c *client) hear(message string) {
	c.t.Helper()
	body, err := c.read()
	require.NoError(c.t, err)
	require.JSONEq(c.t, message, body)
}

// hearError expects that the operation ends with an error of the code, and returns its message.
func (c *client) hearError(id, code string) string {
	c.t.Helper()
	body, err := c.read()
	require.NoError(c.t, err)
	var m struct {
		ID, Type string
		Payload  []struct {
			Message    string
			Extensions struct{ Code, RequestID string }
		}
	}
	require.NoError(c.t, json.Unmarshal([]byte(body), &m), body)
	require.Equal(c.t, "error", m.Type, body)
	require.Equal(c.t, id, m.ID)
	require.Len(c.t, m.Payload, 1, body)
	require.Equal(c.t, code, m.Payload[0].Extensions.Code, body)
	require.NotEmpty(c.t, m.Payload[0].Extensions.RequestID)
	require.NotContains(c.t, body, "4111")
	return m.Payload[0].Message
}

func (c *client) hearClose(code int) {
	c.t.Helper()
	body, err := c.read()
	require.Errorf(c.t, err, "a message instead of a close: %.200s", body)
	require.Equal(c.t, code, int(websocket.CloseStatus(err)), "%v", err)
	var closed websocket.CloseError
	require.ErrorAs(c.t, err, &closed)
	require.NotContains(c.t, closed.Reason, "4111")
}
