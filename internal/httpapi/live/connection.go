package live

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"

	"caseload/internal/fault"
	"caseload/internal/httpapi"
	"caseload/internal/viewer"
)

// connection is one socket: a goroutine that reads, one that writes, one that pings, one that watches
// the credential, and one for each operation.
type connection struct {
	transport *WebSocket
	options   *WebSocketOptions
	request   *http.Request
	endpoint  *httpapi.Endpoint
	conn      *websocket.Conn
	network   net.Conn

	// ctx ends when the connection is being closed; operations end with it.
	ctx     context.Context
	cancel  context.CancelFunc
	closing sync.Once
	running sync.WaitGroup
	out     chan frame
	// initialised is closed when connection_init has arrived.
	initialised chan struct{}

	// Only the reading goroutine uses these. leave gives the place of the connection back: among those that wait for
	// connection_init, and later among those of its viewer.
	viewer *viewer.Viewer
	leave  func()

	mu sync.Mutex
	// operations are those whose id is taken.
	operations map[string]*operation
	// active are all that have a goroutine; one whose id was given back may still have something to send.
	active   map[*operation]struct{}
	draining bool
}

// frame is something for the writing goroutine: a message, or a mark to be told that everything before
// it has been written.
type frame struct {
	body      []byte
	operation *operation
	written   chan struct{}
}

// newConnection returns a connection that holds a place among those that wait for connection_init; acknowledge gives it
// back.
func newConnection(t *WebSocket, r *http.Request, e *httpapi.Endpoint, conn *websocket.Conn, network net.Conn, acknowledge func()) *connection {
	// The end of the request is watched, not inherited: it must close the socket in good order.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	return &connection{
		transport:   t,
		options:     &t.options,
		request:     r,
		endpoint:    e,
		conn:        conn,
		network:     network,
		leave:       acknowledge,
		ctx:         ctx,
		cancel:      cancel,
		out:         make(chan frame, t.options.Queue),
		initialised: make(chan struct{}),
		operations:  map[string]*operation{},
		active:      map[*operation]struct{}{},
	}
}

// serve runs the connection to its end and returns when none of its goroutines runs any more.
func (c *connection) serve() {
	defer func() {
		c.cut()
		c.running.Wait()
		c.leave()
	}()
	if c.conn.Subprotocol() != subprotocol {
		c.close(closeSubprotocol)
		return
	}
	c.running.Go(c.write)
	c.running.Go(c.keepAlive)
	c.read()
}

func (c *connection) read() {
	for {
		// The context is never cancelled: the library would tear the connection down without a close frame.
		kind, body, err := c.conn.Read(context.Background())
		switch {
		case errors.Is(err, websocket.ErrMessageTooBig):
			c.close(closeTooBig)
			return
		case err != nil:
			return
		case c.ctx.Err() != nil:
			// Somebody else is closing the connection; what arrives until the peer's answer is not for us.
			continue
		}
		if reason := c.receive(kind, body); reason != nil {
			c.close(*reason)
			return
		}
	}
}

// receive acts on one message and returns why the connection must be closed, or nil.
func (c *connection) receive(kind websocket.MessageType, body []byte) *closure {
	m, ok := parseMessage(kind, body)
	if !ok {
		return &closeInvalid
	}
	switch m.Type {
	case typeInit:
		return c.initialise(m)
	case typePing:
		c.send(frame{body: compose(typePong, "", nil)})
	case typeSubscribe:
		return c.subscribe(*m.ID, m.Payload)
	case typeComplete:
		c.stop(*m.ID)
	}
	return nil
}

func (c *connection) initialise(m incoming) *closure {
	select {
	case <-c.initialised:
		return &closeSecondInit
	default:
		close(c.initialised)
	}
	key, ok := m.key()
	if !ok {
		return &closeInvalid
	}
	v, err := c.identify(key)
	switch {
	case refused(err):
		return &closeForbidden
	case fault.CodeOf(err) == fault.RateLimited:
		return &closeTryAgain
	case err != nil:
		c.endpoint.Log.ErrorContext(c.ctx, "check credential of a connection", "error", err)
		return &closeTryAgain
	}
	leave, err := c.transport.acknowledged.Take(httpapi.Principal(v))
	if err != nil {
		return &closeTooMany
	}
	c.leave()
	c.viewer, c.leave = v, leave
	c.running.Go(func() {
		if err := c.options.watch(c.ctx, v, c.endpoint.Presenter); err != nil {
			c.close(closeUnauthorized)
		}
	})
	c.send(frame{body: compose(typeAck, "", nil)})
	return nil
}

// identify returns the viewer of the key in connection_init, which wins over the headers as the more specific of the two;
// without a key, the viewer of the headers.
func (c *connection) identify(key string) (*viewer.Viewer, error) {
	if key == "" {
		return viewer.From(c.request.Context()), nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.options.InitTimeout)
	defer cancel()
	r := c.request.Clone(ctx)
	r.Header.Del("Authorization")
	r.Header.Set(httpapi.KeyHeader, key)
	return c.endpoint.Identify(r)
}

// keepAlive waits for connection_init, then pings until the connection ends.
func (c *connection) keepAlive() {
	initTimeout := time.NewTimer(c.options.InitTimeout)
	defer initTimeout.Stop()
	ended := c.request.Context().Done()
	select {
	case <-c.ctx.Done():
		return
	case <-ended:
		c.close(closeRestart)
		return
	case <-initTimeout.C:
		c.close(closeInitTimeout)
		return
	case <-c.initialised:
	}
	ticker := time.NewTicker(c.options.PingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ended:
			c.close(closeRestart)
			return
		case <-ticker.C:
		}
		if !c.ping() {
			c.close(closeNoPong)
			return
		}
	}
}

func (c *connection) ping() bool {
	// Not from c.ctx: a write that is cancelled tears the connection down while it is being closed.
	ctx, cancel := context.WithTimeout(context.Background(), c.options.PongTimeout)
	defer cancel()
	return c.conn.Ping(ctx) == nil
}

// send queues a frame and waits while the queue is full; it reports false when the connection ends first.
func (c *connection) send(f frame) bool {
	select {
	case c.out <- f:
		return true
	case <-c.ctx.Done():
		return false
	}
}

func (c *connection) write() {
	for {
		select {
		case <-c.ctx.Done():
			return
		case f := <-c.out:
			if f.written != nil {
				close(f.written)
				continue
			}
			// A client that completed an operation may have given its id to the next one.
			if f.operation != nil && f.operation.abandoned.Load() {
				continue
			}
			if !c.writeMessage(f.body) {
				c.cut()
				return
			}
		}
	}
}

func (c *connection) writeMessage(body []byte) bool {
	ctx, cancel := context.WithTimeout(context.Background(), c.options.WriteTimeout)
	defer cancel()
	return c.conn.Write(ctx, websocket.MessageText, body) == nil
}

// close ends the operations and closes the socket in good order, within twice the close timeout. Only
// the first call has an effect, and later ones wait for it.
func (c *connection) close(why closure) {
	c.closing.Do(func() {
		c.cancel()
		// An error means that the network connection is gone already.
		_ = c.network.SetDeadline(time.Now().Add(c.options.CloseTimeout))
		// The peer's answer to the close, or its absence, changes nothing for us.
		_ = c.conn.Close(why.code, why.reason)
		c.cut()
	})
}

// cut ends the connection without a close frame.
func (c *connection) cut() {
	c.cancel()
	_ = c.network.Close()
	_ = c.conn.CloseNow()
}

// drain ends subscriptions, waits for queries and mutations until ctx ends, and closes the connection.
func (c *connection) drain(ctx context.Context) {
	c.mu.Lock()
	c.draining = true
	var unfinished []*operation
	for o := range c.active {
		if o.mayFinish() {
			unfinished = append(unfinished, o)
		} else {
			// No "complete": a client would take it for the end of the events and not subscribe again.
			o.abandon()
		}
	}
	c.mu.Unlock()
	for _, o := range unfinished {
		select {
		case <-o.done:
		case <-c.ctx.Done():
		case <-ctx.Done():
		}
	}
	mark := frame{written: make(chan struct{})}
	select {
	case c.out <- mark:
		select {
		case <-mark.written:
		case <-c.ctx.Done():
		case <-ctx.Done():
		}
	case <-c.ctx.Done():
	case <-ctx.Done():
	}
	c.close(closeRestart)
}

// errorsOf returns the payload of an error message.
func errorsOf(response *graphql.Response) []byte {
	// Errors are made of texts and of what encoding/json can write.
	payload, _ := json.Marshal(response.Errors)
	return payload
}
