package live

import (
	"context"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

const eventStream = "text/event-stream"

// SSEOptions are the limits and the dependencies of an [SSE]. Zero values take the defaults.
type SSEOptions struct {
	Credentials
	// Params reads the JSON of a request; the default is [ParseParams].
	Params func(body []byte) (*graphql.RawParams, error)
	// OperationTimeout limits a query or mutation; zero does not. Subscriptions are not limited.
	OperationTimeout func(*graphql.OperationContext) time.Duration
	// Log receives defects; the default is [slog.Default].
	Log *slog.Logger

	// Heartbeat is the time between comments that keep proxies from closing a quiet stream: 15 s.
	Heartbeat time.Duration
	// WriteTimeout is how long a client may take to accept one event: 10 s.
	WriteTimeout time.Duration
	// MaxBody is the size of a request body in bytes, 1 MiB, and MaxResponse that of one result, 10 MiB.
	MaxBody     int64
	MaxResponse int
	// MaxStreams is how many streams one principal may have open, 50, and MaxOpen how many all together
	// may: 10 000.
	MaxStreams, MaxOpen int
}

func (o SSEOptions) withDefaults() SSEOptions {
	if o.Params == nil {
		o.Params = ParseParams
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.Heartbeat = positive(o.Heartbeat, 15*time.Second)
	o.WriteTimeout = positive(o.WriteTimeout, 10*time.Second)
	o.MaxBody = positive(o.MaxBody, 1<<20)
	o.MaxResponse = positive(o.MaxResponse, defaultMaxResponse)
	o.MaxStreams = positive(o.MaxStreams, 50)
	o.MaxOpen = positive(o.MaxOpen, 10_000)
	return o
}

// SSE is a gqlgen transport that answers one operation with a stream of events. Make it with [NewSSE]
// and add it before the transports for plain POST and GET.
type SSE struct {
	options    SSEOptions
	principals *census

	mu       sync.Mutex
	open     int
	draining bool
	// restart is closed when draining begins, expired when its time is over, and empty once no stream is left.
	restart, expired, empty chan struct{}
}

var _ graphql.Transport = (*SSE)(nil)

// NewSSE returns a transport that accepts streams until [SSE.Shutdown].
func NewSSE(options SSEOptions) *SSE {
	options = options.withDefaults()
	return &SSE{
		options:    options,
		principals: newCensus(options.MaxStreams),
		restart:    make(chan struct{}),
		expired:    make(chan struct{}),
		empty:      make(chan struct{}),
	}
}

// Supports reports whether the request is a POST or GET whose client likes text/event-stream better
// than JSON: clients that list every media type they know want JSON.
func (t *SSE) Supports(r *http.Request) bool {
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		return false
	}
	best, bestQuality := "", 0.0
	for _, line := range r.Header.Values("Accept") {
		for _, part := range strings.Split(line, ",") {
			media, attributes, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			quality := 1.0
			if q, err := strconv.ParseFloat(attributes["q"], 64); err == nil {
				quality = q
			}
			switch media {
			case eventStream, "application/json", "application/graphql-response+json":
				if quality > bestQuality {
					best, bestQuality = media, quality
				}
			}
		}
	}
	return best == eventStream
}

// Do serves one stream and returns when it has ended and its operation runs no more.
func (t *SSE) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	if !t.enter() {
		refuse(w, r, exec, fault.New(fault.Unavailable, "The server is restarting, or has too many streams.").After(time.Second))
		return
	}
	defer t.leave()
	params, f := t.read(w, r)
	if f != nil {
		refuse(w, r, exec, f)
		return
	}
	v, f := t.identify(r)
	if f != nil {
		refuse(w, r, exec, f)
		return
	}
	principal := principalOf(v, r)
	if !t.principals.enter(principal) {
		refuse(w, r, exec, fault.New(fault.RateLimited,
			"There are already %d streams open; close one first.", t.options.MaxStreams).After(time.Second))
		return
	}
	defer t.principals.leave(principal)

	ctx, cancel := context.WithCancel(viewer.With(r.Context(), v))
	defer cancel()
	params.Headers = r.Header
	e := &execution{exec: exec, params: params, timeout: t.options.OperationTimeout, log: t.options.Log}
	ctx, refusal := e.prepare(ctx)
	if r.Method == http.MethodGet && e.kind() == ast.Mutation {
		refuse(w, r, exec, fault.New(fault.MethodNotAllowed, "Mutations are sent by POST."))
		return
	}
	s := &stream{transport: t, w: w, control: http.NewResponseController(w), execution: e, viewer: v}
	if s.start() {
		s.serve(ctx, cancel, refusal)
	}
}

func (t *SSE) read(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, *fault.Error) {
	var body []byte
	var f *fault.Error
	if r.Method == http.MethodGet {
		body, f = readGet(r)
	} else {
		body, f = readPost(w, r, t.options.MaxBody)
	}
	if f != nil {
		return nil, f
	}
	params, err := t.options.Params(body)
	if err != nil {
		return nil, asFault(err, fault.BadRequest, "The request is not a GraphQL request.")
	}
	return params, nil
}

func (t *SSE) identify(r *http.Request) (*viewer.Viewer, *fault.Error) {
	v, err := t.options.identify(r.Context(), "", r)
	switch {
	case err == nil:
		return v, nil
	case refused(err):
		return nil, asFault(err, fault.Unauthenticated, "The credential was refused.")
	default:
		t.options.Log.ErrorContext(r.Context(), "check credential of a stream", "error", err)
		return nil, fault.New(fault.Unavailable, "The credential could not be checked just now.").After(time.Second)
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
	if t.draining || t.open >= t.options.MaxOpen {
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
	h.Set("Content-Type", eventStream+"; charset=utf-8")
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
		for range events { //nolint:revive // The producer must see that nobody listens, and end.
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
				response := s.execution.explain(ctx, err)
				if body, f := encode(response, s.transport.options.MaxResponse); f == nil && s.write(event(body)) {
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
			s.transport.options.Log.ErrorContext(ctx, "panic in the operation of a stream", "stack", string(debug.Stack()))
		}
	}()
	send := func(response *graphql.Response) *fault.Error {
		body, f := encode(response, s.transport.options.MaxResponse)
		if f != nil {
			return f
		}
		select {
		case events <- body:
		case <-ctx.Done():
		}
		return nil
	}
	var unfit *fault.Error
	if failure == nil {
		failure = s.execution.run(ctx, func(response *graphql.Response) bool {
			unfit = send(response)
			return unfit == nil && ctx.Err() == nil
		})
	}
	if failure != nil {
		unfit = send(failure)
	}
	if unfit != nil {
		send(s.execution.explain(ctx, unfit))
	}
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
