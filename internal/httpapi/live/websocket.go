package live

import (
	"bufio"
	"cmp"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"caseload/internal/fault"
	"caseload/internal/httpapi"
	"caseload/internal/viewer"
)

// subprotocol is the only one spoken; the older graphql-ws has the same messages under other names.
const subprotocol = "graphql-transport-ws"

// WebSocketOptions are the limits and the dependencies of a [WebSocket]. Zero values take the defaults.
type WebSocketOptions struct {
	Credentials

	// InitTimeout is how long a client may take to send connection_init, and the credential's check to
	// answer: 3 s.
	InitTimeout time.Duration
	// PingInterval is the time between pings, 20 s, and PongTimeout how long an answer may take, 10 s.
	PingInterval, PongTimeout time.Duration
	// WriteTimeout is how long a client may take to accept one message: 10 s.
	WriteTimeout time.Duration
	// CloseTimeout is how long a client may take to answer a close: 5 s.
	CloseTimeout time.Duration

	// MaxMessage is the size of a client's message in bytes: 64 KiB.
	MaxMessage int
	// MaxConnections is how many connections one principal may have, 10, MaxWaiting how many more of one principal, or of one
	// network where the handshake has no credential, may wait for connection_init, 100, and MaxOpen how many there may be
	// of all together: 10 000.
	MaxConnections, MaxWaiting, MaxOpen int
	// MaxOperations is how many operations may run in one connection: 50.
	MaxOperations int
	// Queue is how many messages wait for a slow client before its operations wait too: 16.
	Queue int
}

func (o WebSocketOptions) withDefaults() WebSocketOptions {
	o.InitTimeout = cmp.Or(o.InitTimeout, 3*time.Second)
	o.PingInterval = cmp.Or(o.PingInterval, 20*time.Second)
	o.PongTimeout = cmp.Or(o.PongTimeout, 10*time.Second)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 10*time.Second)
	o.CloseTimeout = cmp.Or(o.CloseTimeout, 5*time.Second)
	o.MaxMessage = cmp.Or(o.MaxMessage, 64<<10)
	o.MaxConnections = cmp.Or(o.MaxConnections, 10)
	o.MaxWaiting = cmp.Or(o.MaxWaiting, 100)
	o.MaxOpen = cmp.Or(o.MaxOpen, 10_000)
	o.MaxOperations = cmp.Or(o.MaxOperations, 50)
	o.Queue = cmp.Or(o.Queue, 16)
	return o
}

// WebSocket is a transport that speaks graphql-transport-ws, until [WebSocket.Shutdown], which closes every socket with 1001.
// Make it with [NewWebSocket].
type WebSocket struct {
	sessions
	options WebSocketOptions
	// waiting are the connections before connection_init, acknowledged those after it.
	waiting, acknowledged *httpapi.Places
}

var _ httpapi.Transport = (*WebSocket)(nil)

// NewWebSocket returns a transport without connections.
func NewWebSocket(options WebSocketOptions) *WebSocket {
	options = options.withDefaults()
	return &WebSocket{
		sessions: newSessions(), options: options,
		waiting:      httpapi.NewPlaces("connections of this caller wait for connection_init", options.MaxOpen, options.MaxWaiting),
		acknowledged: httpapi.NewPlaces("connections of this caller are open", options.MaxOpen, options.MaxConnections),
	}
}

// Supports reports whether the request asks to become a WebSocket.
func (t *WebSocket) Supports(r *http.Request) bool {
	return hasToken(r.Header, "Upgrade", "websocket")
}

// Serve serves one connection and returns when it is closed and none of its operations runs any more.
func (t *WebSocket) Serve(w http.ResponseWriter, r *http.Request, e *httpapi.Endpoint) {
	if err := t.checkHandshake(r, e); err != nil {
		e.Refuse(w, r, err)
		return
	}
	leave, err := t.waiting.Take(httpapi.Principal(viewer.From(r.Context())))
	if err != nil {
		e.Refuse(w, r, err)
		return
	}
	defer leave()
	taken := &hijacked{ResponseWriter: w}
	conn, err := websocket.Accept(taken, r, &websocket.AcceptOptions{
		Subprotocols: []string{subprotocol},
		// checkHandshake has compared the origin: the library's refusal would repeat the header.
		InsecureSkipVerify: true,
	})
	if err != nil {
		return
	}
	conn.SetReadLimit(int64(t.options.MaxMessage))
	c := newConnection(t, r, e, conn, taken.conn, leave)
	if !t.enter(c) {
		c.close(closeRestart)
		return
	}
	defer t.leave(c)
	c.serve()
}

// checkHandshake returns why the request may not become a connection. What is wrong with the handshake itself is
// checked here because the library's answers repeat headers.
func (t *WebSocket) checkHandshake(r *http.Request, e *httpapi.Endpoint) error {
	restarting := t.check()
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.Header.Get("Sec-WebSocket-Key")))
	switch {
	case restarting != nil:
		return restarting
	case t.Open() >= t.options.MaxOpen:
		return fault.New(fault.Unavailable, "The server has too many connections.").After(5 * time.Second)
	case r.Method != http.MethodGet || !r.ProtoAtLeast(1, 1) || !hasToken(r.Header, "Connection", "upgrade") ||
		r.Header.Get("Sec-WebSocket-Version") != "13" || err != nil || len(key) != 16 ||
		len(r.Header.Values("Sec-WebSocket-Key")) != 1:
		return fault.New(fault.BadRequest, "The WebSocket handshake is not one of RFC 6455.")
	case !allowsOrigin(r, e):
		return fault.New(fault.CSRFRefused, "Pages of this origin may not connect.")
	}
	return nil
}

// allowsOrigin compares the host only for pages of our own, because a proxy in front of us may have
// taken the TLS off; other sites are listed with their scheme.
func allowsOrigin(r *http.Request, e *httpapi.Endpoint) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	if len(origins) > 1 {
		return false
	}
	origin, err := url.Parse(origins[0])
	if err != nil || origin.Host == "" {
		return false
	}
	return strings.EqualFold(origin.Host, r.Host) || e.AllowsOrigin(origins[0])
}

func hasToken(h http.Header, name, token string) bool {
	for _, line := range h.Values(name) {
		for _, part := range strings.Split(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// hijacked keeps the network connection under the WebSocket: the library's close drains what the peer
// has announced without a time limit, so a deadline must be set below it.
type hijacked struct {
	http.ResponseWriter
	conn net.Conn
}

// Hijack takes the connection over from the HTTP server.
func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.conn = conn
	return conn, buffers, err
}
