package live

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
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
	o.Heartbeat = cmp.Or(o.Heartbeat, 15*time.Second)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 10*time.Second)
	o.MaxStreams = cmp.Or(o.MaxStreams, 50)
	o.MaxOpen = cmp.Or(o.MaxOpen, 10_000)
	return o
}

// SSE is a transport that answers one operation with a stream of events, until [SSE.Shutdown]. Make it with [NewSSE].
type SSE struct {
	sessions
	options SSEOptions
	places  *httpapi.Places
}

var _ httpapi.Transport = (*SSE)(nil)

// NewSSE returns a transport without streams.
func NewSSE(options SSEOptions) *SSE {
	options = options.withDefaults()
	return &SSE{
		sessions: newSessions(), options: options,
		places: httpapi.NewPlaces("streams of this caller are open", options.MaxOpen, options.MaxStreams),
	}
}

// Supports reports whether the request is a POST or GET whose client prefers text/event-stream
// to JSON: clients that list every media type they know want JSON.
func (t *SSE) Supports(r *http.Request) bool {
	return (r.Method == http.MethodPost || r.Method == http.MethodGet) && httpapi.Prefers(r, httpapi.TypeEventStream)
}

// Serve serves one stream and returns when it has ended and its operation runs no more.
func (t *SSE) Serve(w http.ResponseWriter, r *http.Request, e *httpapi.Endpoint) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	restart := make(chan struct{})
	s := &stream{
		options: &t.options, w: w, control: http.NewResponseController(w), viewer: viewer.From(ctx), cancel: cancel,
		restart: restart, stop: sync.OnceFunc(func() { close(restart) }),
	}
	if err := t.serve(ctx, s, r, e); err != nil {
		e.Refuse(w, r, err)
	}
}

// serve returns the error for which there is no stream.
func (t *SSE) serve(ctx context.Context, s *stream, r *http.Request, e *httpapi.Endpoint) error {
	if !t.enter(s) {
		return t.check()
	}
	defer t.leave(s)
	leave, err := t.places.Take(httpapi.Principal(s.viewer))
	if err != nil {
		return err
	}
	defer leave()
	params, err := e.Read(s.w, r)
	if err != nil {
		return err
	}
	s.execution = &execution{endpoint: e, params: params}
	ctx, refusal := s.execution.prepare(ctx)
	if err := e.CheckMethod(s.w, r, s.execution.kind()); err != nil {
		return err
	}
	if s.start() {
		s.serve(ctx, refusal)
	}
	return nil
}

// stream is the answer to one request.
type stream struct {
	options   *SSEOptions
	w         http.ResponseWriter
	control   *http.ResponseController
	viewer    *viewer.Viewer
	execution *execution
	// restart is closed by drain.
	restart <-chan struct{}
	stop    func()
	cancel  context.CancelFunc
}

func (s *stream) drain(context.Context) { s.stop() }

func (s *stream) cut() { s.cancel() }

// start sends the headers, and reports false when the client is gone already.
func (s *stream) start() bool {
	h := s.w.Header()
	h.Set("Content-Type", httpapi.TypeEventStream+"; charset=utf-8")
	h.Set("Cache-Control", "no-cache, no-store, no-transform")
	// nginx would keep events back until its buffer is full.
	h.Set("X-Accel-Buffering", "no")
	return s.write(":\n\n")
}

// serve sends results until there are no more, or the client, a restart or the end of the credential ends the stream.
func (s *stream) serve(ctx context.Context, refusal *graphql.Response) {
	events := make(chan []byte)
	go s.produce(ctx, refusal, events)
	revoked := make(chan error, 1)
	var watching sync.WaitGroup
	watching.Go(func() { revoked <- s.options.watch(ctx, s.viewer, s.execution.endpoint.Presenter) })
	defer func() {
		s.cancel()
		for range events { //nolint:revive // Unblocks the producer, which sees the end of ctx.
		}
		watching.Wait()
	}()

	heartbeat := time.NewTicker(s.options.Heartbeat)
	defer heartbeat.Stop()
	restart := s.restart
	for {
		select {
		case <-ctx.Done():
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
			switch {
			case ctx.Err() != nil:
				return // cut off: the operation was not completed
			case !more:
				s.write(completeEvent)
				return
			case !s.write(event(body)):
				return
			}
		}
	}
}

// produce runs the operation and closes events when it has ended.
func (s *stream) produce(ctx context.Context, failure *graphql.Response, events chan<- []byte) {
	defer close(events)
	send := func(body []byte) bool {
		select {
		case events <- body:
			return true
		case <-ctx.Done():
			return false
		}
	}
	s.execution.guard(ctx, func() {
		if failure == nil {
			failure = s.execution.run(ctx, send)
		}
		if failure != nil {
			send(encode(failure))
		}
	})
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
	_ = s.control.SetWriteDeadline(time.Now().Add(s.options.WriteTimeout))
	_, err := s.w.Write([]byte(piece))
	if err == nil {
		err = s.control.Flush()
	}
	// The deadline would outlive this response on a connection that is kept.
	_ = s.control.SetWriteDeadline(time.Time{})
	return err == nil
}
