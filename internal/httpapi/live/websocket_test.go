package live_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"caseload/internal/fault"
	"caseload/internal/httpapi"
	"caseload/internal/httpapi/live"
	"caseload/internal/viewer"
)

const (
	initGood = `{"type":"connection_init","payload":{"X-API-Key":"cl_good"}}`
	hello    = `{"id":"1","type":"subscribe","payload":{"query":"{ hello }"}}`
	ticks    = `{"id":"1","type":"subscribe","payload":{"query":"subscription { ticks }"}}`
)

func TestCloseCodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		says []string
		code int
	}{
		{"not JSON", []string{`4111111111111111 {`}, 4400},
		{"not an object", []string{`["4111111111111111"]`}, 4400},
		{"not UTF-8", []string{"{\"type\":\"ping\",\"x\":\"\xff\"}"}, 4400},
		{"no type", []string{`{"id":"1"}`}, 4400},
		{"unknown type", []string{`{"type":"4111111111111111"}`}, 4400},
		{"a message of the server", []string{`{"type":"connection_ack"}`}, 4400},
		{"payload of ping is a text", []string{`{"type":"ping","payload":"4111111111111111"}`}, 4400},
		{"id is a number", []string{initGood, `{"id":1,"type":"subscribe","payload":{"query":"{ hello }"}}`}, 4400},
		{"id is empty", []string{initGood, `{"id":"","type":"subscribe","payload":{"query":"{ hello }"}}`}, 4400},
		{"id is long", []string{initGood, `{"id":"` + strings.Repeat("i", 257) + `","type":"subscribe","payload":{"query":"{ hello }"}}`}, 4400},
		{"complete without id", []string{initGood, `{"type":"complete"}`}, 4400},
		{"subscribe without payload", []string{initGood, `{"id":"1","type":"subscribe"}`}, 4400},
		{"query is a number", []string{initGood, `{"id":"1","type":"subscribe","payload":{"query":4111111111111111}}`}, 4400},
		{"variables are a list", []string{initGood, `{"id":"1","type":"subscribe","payload":{"query":"{ hello }","variables":[1]}}`}, 4400},
		{"lone surrogate", []string{initGood, `{"id":"1","type":"subscribe","payload":{"query":"{ hello }","variables":{"a":"\ud83d"}}}`}, 4400},
		{"no query", []string{initGood, `{"id":"1","type":"subscribe","payload":{}}`}, 4400},
		{"key is a number", []string{`{"type":"connection_init","payload":{"X-API-Key":4111}}`}, 4400},
		{"subscribe before acknowledgement", []string{hello}, 4401},
		{"wrong key", []string{`{"type":"connection_init","payload":{"X-API-Key":"cl_4111111111111111"}}`}, 4403},
		{"key cannot be checked", []string{`{"type":"connection_init","payload":{"x-api-key":"cl_outage"}}`}, 1013},
		{"two inits", []string{initGood, initGood}, 4429},
		{"duplicate id", []string{initGood, ticks, ticks}, 4409},
		{"too big", []string{initGood, `{"type":"ping","payload":{"x":"` + strings.Repeat("4111", 16<<10) + `"}}`}, 1009},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{})
			client := s.dial(t, nil)
			for i, message := range c.says {
				client.say(message)
				if message == initGood && i == 0 {
					client.hear(`{"type":"connection_ack"}`)
				}
			}
			client.hearClose(c.code)
		})
	}
}

func TestBinaryMessageIsInvalid(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{})
	c := s.dial(t, nil)
	require.NoError(t, c.conn.Write(t.Context(), websocket.MessageBinary, []byte(initGood)))
	c.hearClose(4400)
}

func TestInitTimeout(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{InitTimeout: 20 * time.Millisecond}, live.SSEOptions{})
	c := s.dial(t, nil)
	c.say(`{"type":"ping"}`)
	c.hear(`{"type":"pong"}`)
	c.hearClose(4408)
}

func TestOtherSubprotocolsAreClosed(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{})
	s.dial(t, &websocket.DialOptions{Subprotocols: []string{"graphql-ws"}}).hearClose(4406)
	s.dial(t, &websocket.DialOptions{}).hearClose(4406)
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{}, func(o *httpapi.Options, _ *httpapi.Limits, _ *http.Server) {
		o.Origins = []string{"https://portal.example.com"}
	})
	for origin, status := range map[string]int{
		"":                                     http.StatusSwitchingProtocols,
		s.URL:                                  http.StatusSwitchingProtocols,
		"https://portal.example.com":           http.StatusSwitchingProtocols,
		"http://portal.example.com":            http.StatusForbidden,
		"https://portal.example.com.evil.test": http.StatusForbidden,
		"null":                                 http.StatusForbidden,
	} {
		options := &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{}}
		if origin != "" {
			options.HTTPHeader.Set("Origin", origin)
		}
		conn, response, err := websocket.Dial(t.Context(), s.URL, options)
		require.Equal(t, status, response.StatusCode, "origin %q", origin)
		if err == nil {
			conn.CloseNow()
		}
	}
}

func TestBadHandshakeIsRefusedWithoutEcho(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Connection", "4111111111111111")
	r.Header.Set("Upgrade", "websocket")
	response, body := do(t, r)
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	require.Contains(t, body, `"code":"BAD_REQUEST"`)
	require.NotContains(t, body, "4111")
}

func TestCredentialFromHeader(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{})
	for key, want := range map[string]string{goodKey: "portal", "": ""} {
		c := s.dial(t, &websocket.DialOptions{
			Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{"X-Api-Key": {key}},
		})
		c.say(`{"type":"connection_init"}`)
		c.hear(`{"type":"connection_ack"}`)
		c.say(hello)
		c.hear(`{"type":"next","id":"1","payload":{"data":{"hello":"` + want + `"}}}`)
		c.hear(`{"type":"complete","id":"1"}`)
	}
	_, response, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{
		Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{"X-Api-Key": {"cl_wrong"}},
	})
	require.Error(t, err)
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	// The key of connection_init wins, as the more specific of the two.
	c := s.dial(t, &websocket.DialOptions{
		Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{"X-Api-Key": {goodKey}},
	})
	c.say(`{"type":"connection_init","payload":{"X-API-Key":"cl_wrong"}}`)
	c.hearClose(4403)
}

func TestWrongKeysOverWebSocketAreCounted(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{}, limited(func(l *httpapi.Limits) { l.AnonymousPerSecond, l.AnonymousBurst = 0, 2 }))
	good := s.connect(t)
	for _, code := range []int{4403, 4403, 1013, 1013} {
		c := s.dial(t, nil)
		c.say(`{"type":"connection_init","payload":{"X-API-Key":"cl_wrong"}}`)
		c.hearClose(code)
	}
	good.say(hello)
	good.hear(`{"type":"next","id":"1","payload":{"data":{"hello":"portal"}}}`)
	s.connect(t)
}

func TestQueriesAndErrors(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{})
	c := s.connect(t)
	// The id is free again as soon as the client hears of the end.
	for range 300 {
		c.say(hello)
		c.hear(`{"type":"next","id":"1","payload":{"data":{"hello":"portal"}}}`)
		c.hear(`{"type":"complete","id":"1"}`)
	}
	c.say(`{"id":"q\"<","type":"subscribe","payload":{"query":"{ nothing }"}}`)
	body, err := c.read()
	require.NoError(t, err)
	require.Contains(t, body, `"type":"error"`)
	require.Contains(t, body, `"id":"q\"\u003c"`)
	require.Contains(t, body, `"code":"GRAPHQL_VALIDATION_FAILED"`)

	for _, kind := range []string{"", "subscription "} {
		c.say(`{"id":"p","type":"subscribe","payload":{"query":"` + kind + `{ crash }"}}`)
		require.Equal(t, "Something went wrong on our side. Quote the request id.", c.hearError("p", "INTERNAL"))
	}
}

func TestSubscriptionEventsHaveContextsOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{})
	c := s.connect(t)
	c.say(ticks)
	for i := range 5 {
		s.schema.ticks <- fmt.Sprint(i)
		c.hear(fmt.Sprintf(`{"type":"next","id":"1","payload":{"data":{"ticks":"%d"}}}`, i))
	}
	close(s.schema.ticks)
	c.hear(`{"type":"complete","id":"1"}`)
	require.EqualValues(t, 5, s.events.Load())
	require.Zero(t, s.reused.Load())
}

func TestCompleteCancelsTheOperation(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{})
	c := s.connect(t)
	for _, document := range []string{"subscription { ticks }", "{ wait }", "mutation { wait }"} {
		c.say(`{"id":"1","type":"subscribe","payload":{"query":"` + document + `"}}`)
		await(t, s.schema.started, "the operation starts")
		c.say(`{"id":"1","type":"complete"}`)
		await(t, s.schema.ended, "the operation's context ends")
	}
	// Nothing was sent for the abandoned operations.
	c.say(`{"id":"2","type":"complete"}`)
	c.say(`{"type":"ping","payload":{"n":1}}`)
	c.hear(`{"type":"pong"}`)
}

func TestDisconnectCancelsOperations(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{})
	c := s.connect(t)
	c.say(ticks)
	await(t, s.schema.started, "the operation starts")
	require.NoError(t, c.conn.CloseNow())
	await(t, s.schema.ended, "the operation's context ends")
}

func TestLimits(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{MaxConnections: 2, MaxOperations: 2}, live.SSEOptions{}, limited(func(l *httpapi.Limits) { l.MaxResponse = 1 << 10 }))
	c := s.connect(t)
	for _, id := range []string{"a", "b"} {
		c.say(`{"id":"` + id + `","type":"subscribe","payload":{"query":"subscription { ticks }"}}`)
	}
	c.say(`{"id":"c","type":"subscribe","payload":{"query":"subscription { ticks }"}}`)
	require.Equal(t, "This connection already runs 2 operations; complete one first.", c.hearError("c", "RATE_LIMITED"))
	c.say(`{"id":"a","type":"complete"}`)
	c.say(hello)
	c.hear(`{"type":"next","id":"1","payload":{"data":{"hello":"portal"}}}`)
	c.hear(`{"type":"complete","id":"1"}`)
	c.say(`{"id":"f","type":"subscribe","payload":{"query":"subscription { flood }"}}`)
	require.Equal(t, "The answer has 1048588 bytes; the limit is 1024. Select less, or ask for smaller pages.", c.hearError("f", "RESPONSE_TOO_LARGE"))

	second := s.connect(t)
	third := s.dial(t, nil)
	third.say(initGood)
	third.hearClose(4503)
	// The place is free once the server has seen the second one go.
	require.NoError(t, second.conn.Close(websocket.StatusNormalClosure, ""))
	require.Eventually(t, func() bool { return s.ws.Open() == 1 }, patience, time.Millisecond)
	s.connect(t)
}

// Whoever has no credential is counted by network: one household owns billions of IPv6 addresses.
func TestStrangersAreCountedByNetwork(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{MaxConnections: 3, MaxWaiting: 3}, live.SSEOptions{MaxStreams: 3},
		func(o *httpapi.Options, _ *httpapi.Limits, _ *http.Server) {
			o.Proxies = []string{"127.0.0.0/8", "::1/128"}
		})
	from := func(address string) *websocket.DialOptions {
		return &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{"X-Forwarded-For": {address}}}
	}
	stream := func(address string) *http.Request {
		r := s.get(t, url.Values{"query": {"subscription { ticks }"}})
		r.Header.Set("X-Forwarded-For", address)
		return r
	}
	household := func(i int) string { return fmt.Sprintf("2001:db8:1:2:%x::%x", i, i+1) }

	// Before connection_init.
	var clients []*client
	for i := range 3 {
		clients = append(clients, s.dial(t, from(household(i))))
	}
	_, response, err := websocket.Dial(t.Context(), s.URL, from(household(3)))
	require.Error(t, err)
	require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
	require.Equal(t, "1", response.Header.Get("Retry-After"))

	// After it.
	for _, c := range clients {
		c.say(`{"type":"connection_init"}`)
		c.hear(`{"type":"connection_ack"}`)
	}
	fourth := s.dial(t, from(household(4)))
	fourth.say(`{"type":"connection_init"}`)
	fourth.hearClose(4503)
	// Its key makes it somebody.
	known := s.dial(t, from(household(5)))
	known.say(initGood)
	known.hear(`{"type":"connection_ack"}`)
	// Another network has places of its own.
	other := s.dial(t, from("2001:db8:1:3::1"))
	other.say(`{"type":"connection_init"}`)
	other.hear(`{"type":"connection_ack"}`)

	for i := range 3 {
		require.Equal(t, ":\n", open(t, stream(household(i))).next())
	}
	response, body := do(t, stream(household(3)))
	require.Equal(t, http.StatusTooManyRequests, response.StatusCode, body)
	require.Equal(t, ":\n", open(t, stream("2001:db8:1:3::1")).next())
}

func TestOperationTimeout(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{}, limited(func(l *httpapi.Limits) { l.QueryTimeout = 10 * time.Millisecond }))
	c := s.connect(t)
	c.say(`{"id":"w","type":"subscribe","payload":{"query":"{ wait }"}}`)
	require.Contains(t, c.hearError("w", "TIMEOUT"), "The operation took longer than its limit.")
}

func TestRevokedCredentialEndsTheConnection(t *testing.T) {
	t.Parallel()
	revoked := make(chan struct{})
	checks := make(chan func() error, 4)
	checks <- func() error { return nil }
	checks <- func() error { return fault.New(fault.Unavailable, "The store is down.") }
	checks <- func() error { panic("4111111111111111") }
	checks <- func() error { return fault.New(fault.Unauthenticated, "The API key has expired.") }
	for name, credentials := range map[string]live.Credentials{
		"told": {Revoked: func(context.Context, *viewer.Viewer) <-chan struct{} { return revoked }},
		"asked": {
			Revoked:         func(context.Context, *viewer.Viewer) <-chan struct{} { panic("4111111111111111") },
			RecheckInterval: 5 * time.Millisecond,
			Recheck:         func(context.Context, *viewer.Viewer) error { return (<-checks)() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, live.WebSocketOptions{Credentials: credentials}, live.SSEOptions{})
			c := s.connect(t)
			if name == "told" {
				c.say(ticks)
				await(t, s.schema.started, "the operation starts")
				close(revoked)
				await(t, s.schema.ended, "the operation's context ends")
			}
			c.hearClose(4401)
		})
	}
}

func TestPingsAreAnsweredAndKeepTheConnection(t *testing.T) {
	t.Parallel()
	pings := make(chan struct{}, 100)
	s := newServer(t, live.WebSocketOptions{PingInterval: 5 * time.Millisecond}, live.SSEOptions{})
	c := s.dial(t, &websocket.DialOptions{
		Subprotocols:   []string{"graphql-transport-ws"},
		OnPingReceived: func(context.Context, []byte) bool { pings <- struct{}{}; return true },
	})
	c.say(initGood)
	c.hear(`{"type":"connection_ack"}`)
	c.say(ticks)
	go func() {
		for range 3 {
			<-pings
		}
		s.schema.ticks <- "still here"
	}()
	c.hear(`{"type":"next","id":"1","payload":{"data":{"ticks":"still here"}}}`)
}

func TestSlowConsumerIsCut(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{WriteTimeout: 30 * time.Millisecond}, live.SSEOptions{})
	c := s.connect(t)
	c.say(`{"id":"f","type":"subscribe","payload":{"query":"subscription { flood }"}}`)
	c.say(`{"id":"t","type":"subscribe","payload":{"query":"subscription { ticks }"}}`)
	// The client reads nothing; the other subscription of the connection sees it end.
	await(t, s.schema.ended, "the connection is cut")
	require.Eventually(t, func() bool { return s.ws.Open() == 0 }, patience, time.Millisecond)
}

func TestThousandConnectionsLeaveNothingBehind(t *testing.T) { //nolint:paralleltest // It counts goroutines.
	s := newServer(t, live.WebSocketOptions{MaxConnections: 64}, live.SSEOptions{})
	before := goleak.IgnoreCurrent()
	work := make(chan int)
	finished := make(chan struct{})
	for range 8 {
		go func() {
			defer func() { finished <- struct{}{} }()
			for i := range work {
				c := s.connect(t)
				c.say(ticks)
				switch i % 3 {
				case 0:
					c.conn.Close(websocket.StatusNormalClosure, "")
				case 1:
					c.say(`{"id":"1","type":"complete"}`)
					c.conn.CloseNow()
				default:
					c.conn.CloseNow()
				}
			}
		}()
	}
	for i := range 1000 {
		work <- i
	}
	close(work)
	for range 8 {
		await(t, finished, "all connections were made")
	}
	require.Eventually(t, func() bool { return s.ws.Open() == 0 }, patience, time.Millisecond)
	s.Client().CloseIdleConnections()
	goleak.VerifyNone(t, before)
}
