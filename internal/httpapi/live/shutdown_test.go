package live_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"caseload/internal/httpapi/live"
)

func TestShutdownDrainsSockets(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{})
	c := s.connect(t)
	c.say(ticks)
	c.say(`{"id":"m","type":"subscribe","payload":{"query":"mutation { wait }"}}`)
	await(t, s.schema.started, "the first operation starts")
	await(t, s.schema.started, "the second operation starts")

	stopped := make(chan error, 1)
	go func() { stopped <- s.ws.Shutdown(context.Background()) }()
	// The subscription ends at once and without "complete"; the mutation is waited for.
	await(t, s.schema.ended, "the subscription ends")
	_, response, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	require.Error(t, err)
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.Equal(t, "1", response.Header.Get("Retry-After"))
	c.say(`{"id":"late","type":"subscribe","payload":{"query":"{ hello }"}}`)
	c.say(`{"type":"ping"}`)
	c.hear(`{"type":"pong"}`)
	close(s.schema.release)
	c.hear(`{"type":"next","id":"m","payload":{"data":{"wait":"released"}}}`)
	c.hear(`{"type":"complete","id":"m"}`)
	c.hearClose(1001)
	require.NoError(t, <-stopped)
	require.NoError(t, s.ws.Shutdown(context.Background()))
	require.Zero(t, s.ws.Open())
}

func TestShutdownCutsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{})
	c := s.connect(t)
	c.say(`{"id":"m","type":"subscribe","payload":{"query":"mutation { wait }"}}`)
	e := open(t, s.post(t, `{"query":"mutation { wait }"}`))
	require.Equal(t, ":\n", e.next())
	await(t, s.schema.started, "the first operation starts")
	await(t, s.schema.started, "the second operation starts")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.sse.Shutdown(ctx), context.Canceled)
	require.Empty(t, e.next())
	// Without "complete", and nothing more.
	heard := make(chan struct{})
	go func() { defer close(heard); c.hearClose(1001) }()
	if err := s.ws.Shutdown(ctx); err != nil {
		require.ErrorIs(t, err, context.Canceled)
	}
	await(t, heard, "the socket is closed")
	await(t, s.schema.ended, "the first operation's context ends")
	await(t, s.schema.ended, "the second operation's context ends")
}

func TestShutdownEndsStreams(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{})
	subscription := open(t, s.post(t, `{"query":"subscription { ticks }"}`))
	mutation := open(t, s.post(t, `{"query":"mutation { wait }"}`))
	require.Equal(t, ":\n", subscription.next())
	require.Equal(t, ":\n", mutation.next())
	await(t, s.schema.started, "the first operation starts")
	await(t, s.schema.started, "the second operation starts")
	stopped := make(chan error, 1)
	go func() { stopped <- s.sse.Shutdown(context.Background()) }()
	require.Empty(t, subscription.next())
	response, _ := do(t, s.post(t, `{"query":"{ hello }"}`))
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	close(s.schema.release)
	require.Contains(t, mutation.next(), "released")
	require.Equal(t, "event: complete\ndata: \n", mutation.next())
	require.NoError(t, <-stopped)
	require.Zero(t, s.sse.Open())
}
