package live

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/httpapi"
	"caseload/internal/viewer"
)

// SSEOptions are the limits and the dependencies of an [SSE]. Zero values take the defaults.
type SSEOptions struct {
	Credentials

	// Heartbeat is the time between comments that keep proxies from closing a quiet stream: 15 s.
	Heartbeat time.Duration
	// WriteTimeout is how long a client may take to accept one event: 10 s.
	WriteTimeout time.Duration
	// MaxStreams is how many streams one principal may have open, 50, and MaxOpen how many all together
	// may: 10 000.
	MaxStreams, MaxOpen int
}

func (o SSEOptions) withDefaults() SSEOptions {
	o.Heartbeat = positive(o.Heartbeat, 15*time.Second)
	o.WriteTimeout = positive(o.WriteTimeout, 10*time.Second)
	o.MaxStreams = positive(o.MaxStreams, 50)
	o.MaxOpen = positive(o.MaxOpen, 10_000)
	return o
}

// SSE is a transport that answers one operation with a stream of events. Make it with [NewSSE].
type SSE struct {
	options SSEOptions
	streams *httpapi.Places

	mu       sync.Mutex
	open     int
	draining bool
	// restart is closed when draining begins, expired when its time is over, and empty once no stream is left.
	restart, expired, empty chan struct{}
}

var _ httpapi.Transport = (*SSE)(nil)

// NewSSE returns a transport that accepts streams until [SSE.Shutdown].
func NewSSE(options SSEOptions) *SSE {
	options = options.withDefaults()
	return &SSE{
		options: options,
		streams: httpapi.NewPlaces("streams of this caller are open", options.MaxOpen, options.MaxStreams),
		restart: make(chan struct{}),
		expired: make(chan struct{}),
		empty:   make(chan struct{}),
	}
}

// Supports reports whether the request is a POST or GET whose client likes text/event-stream better
// than JSON: clients that list every media type they know want JSON.
func (t *SSE) Supports(r *http.Request) bool {
	return (r.Method == http.MethodPost || r.Method == http.MethodGet) && httpapi.Prefers(r, httpapi.TypeEventStream)
}

// Serve serves one stream and returns when it has ended and its operation runs no more.
func (t *SSE) Serve(w http.ResponseWriter, r *http.Request, e *httpapi.Endpoint) {
	if !t.enter() {
		e.Refuse(w, r, restarting())
		return
	}
	defer t.leave()
	v := viewer.From(r.Context())
	leave, err := t.streams.Take(httpapi.Principal(v))
	if err != nil {
		e.Refuse(w, r, err)
		return
	}
	defer leave()
	params, err := e.Read(w, r)
	if err != nil {
		e.Refuse(w, r, err)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	run := &execution{endpoint: e, params: params}
	ctx, refusal := run.prepare(ctx)
	if err := e.CheckMethod(w, r, run.kind()); err != nil {
		e.Refuse(w, r, err)
		return
	}
	s := &stream{transport: t, w: w, control: http.NewResponseController(w), execution: run, viewer: v}
	if s.start() {
		s.serve(ctx, cancel, refusal)
	}
}

// Streams returns how many streams are open.
func (t *SSE) Streams() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open
}

// Shutdown refuses new streams, ends those of subscriptions, and lets queries and mutations finish
// until ctx ends. It returns when all streams have ended, or with the error of ctx after it has
// cancelled those that were left. It may be called more than once.
func (t *SSE) Shutdown(ctx context.Context) error {
	t.mu.Lock()
	if !t.draining {
		t.draining = true
		close(t.restart)
		if t.open == 0 {
			close(t.empty)
		}
	}
	t.mu.Unlock()
	select {
	case <-t.empty:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.expired:
	default:
		close(t.expired)
	}
	return ctx.Err()
}

func (t *SSE) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.draining {
		return false
	}
	t.open++
	return true
}

func (t *SSE) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open--
	if t.draining && t.open == 0 {
		close(t.empty)
	}
}

// stream is the answer to one request.
type stream struct {
	transport *SSE
	w         http.ResponseWriter
	control   *http.ResponseController
	execution *execution
	viewer    *viewer.Viewer
}

// start sends the headers, and reports false when the client is gone already.
func (s *stream) start() bool {
	h := s.w.Header()
	h.Set("Content-Type", httpapi.TypeEventStream+"; charset=utf-8")
	h.Set("Cache-Control", "no-cache, no-store, no-transform")
	// nginx would keep events back until its buffer is full.
	h.Set("X-Accel-Buffering", "no")
	return s.write(":\n\n")
}

// serve sends results until there are no more or somebody ends the stream.
func (s *stream) serve(ctx context.Context, cancel context.CancelFunc, refusal *graphql.Response) {
	events := make(chan []byte)
	go s.produce(ctx, refusal, events)
	revoked := make(chan error, 1)
	var watching sync.WaitGroup
	watching.Go(func() { revoked <- s.transport.options.watch(ctx, s.viewer) })
	defer func() {
		cancel()
		for range events { //nolint:revive // Unblocks the producer, which sees the end of ctx.
		}
		watching.Wait()
	}()

	heartbeat := time.NewTicker(s.transport.options.Heartbeat)
	defer heartbeat.Stop()
	restart := s.transport.restart
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.transport.expired:
			return
		case <-restart:
			if kind := s.execution.kind(); kind == ast.Subscription {
				// Without "complete", so that the client connects again.
				return
			}
			restart = nil
		case err := <-revoked:
			if err != nil {
				if s.write(event(encode(s.execution.endpoint.Explain(ctx, err)))) {
					s.write(completeEvent)
				}
			}
			return
		case <-heartbeat.C:
			if !s.write(":\n\n") {
				return
			}
		case body, more := <-events:
			if !more {
				s.write(completeEvent)
				return
			}
			if !s.write(event(body)) {
				return
			}
		}
	}
}

// produce runs the operation and closes events when it has ended.
func (s *stream) produce(ctx context.Context, failure *graphql.Response, events chan<- []byte) {
	defer close(events)
	defer func() {
		if recover() != nil {
			// What the executor runs is guarded already, so this is the presenter of errors itself. The value
			// may hold what the client sent; the stack does not.
			s.execution.endpoint.Log.ErrorContext(ctx, "panic in the operation of a stream", "stack", string(debug.Stack()))
		}
	}()
	send := func(body []byte) bool {
		select {
		case events <- body:
			return true
		case <-ctx.Done():
			return false
		}
	}
	if failure == nil {
		failure = s.execution.run(ctx, send)
	}
	if failure != nil {
		send(encode(failure))
	}
}

// encode returns the JSON of a response that has nothing but errors.
func encode(response *graphql.Response) []byte {
	// Errors are made of texts and of what encoding/json can write.
	body, _ := json.Marshal(response)
	return body
}

// completeEvent has an empty data line because EventSource drops events without one.
const completeEvent = "event: complete\ndata: \n\n"

func event(body []byte) string { return "event: next\ndata: " + string(body) + "\n\n" }

// write sends a piece of the stream and reports whether the client took it in time.
func (s *stream) write(piece string) bool {
	// Writers that know no deadlines rely on the server's own.
	_ = s.control.SetWriteDeadline(time.Now().Add(s.transport.options.WriteTimeout))
	_, err := s.w.Write([]byte(piece))
	if err == nil {
		err = s.control.Flush()
	}
	// The deadline would outlive this response on a connection that is kept.
	_ = s.control.SetWriteDeadline(time.Time{})
	return err == nil
}
