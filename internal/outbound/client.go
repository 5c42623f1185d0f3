package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"time"
)

// Options are how a client reaches servers.
type Options struct {
	// AllowPrivate lets connections go to addresses that are not on the public internet.
	AllowPrivate bool
	// DialTimeout bounds the time until a connection is made, and that of its TLS handshake: neither ends with the
	// request that it was begun for.
	DialTimeout time.Duration
	// Resolver looks names up; nil is the system's.
	Resolver *net.Resolver
	// RootCAs are the authorities trusted for https; nil is the system's.
	RootCAs *x509.CertPool
	// Dial replaces the network, guard included, in tests; nil is the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// ErrProtocol is why an answer is refused: the server wants to speak another protocol, which nobody asked for.
var ErrProtocol = errors.New("read answer: server switches protocols")

// NewClient makes a client that follows no redirect, uses no proxy, asks for no compression, and connects to
// no address that the options do not allow. It has no timeout of its own: give each request a context that
// ends. Clients with different options must not share connections, so there is one for each.
func NewClient(o Options) *http.Client {
	dialer := &net.Dialer{Timeout: o.DialTimeout, Resolver: o.Resolver}
	if !o.AllowPrivate {
		dialer.Control = refusePrivate
	}
	dial := dialer.DialContext
	if o.Dial != nil {
		dial = o.Dial
	}
	return &http.Client{
		// A redirect would carry what is sent to an address nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: oneProtocol{&http.Transport{
			// No proxy: it would be the proxy that is dialed, and the check of addresses would see only that.
			Proxy:               nil,
			DialContext:         dial,
			TLSHandshakeTimeout: o.DialTimeout,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
			ForceAttemptHTTP2:   true,
			// A small compressed body can be gigabytes of plain text; none is asked for, none is accepted.
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost:    4,
			MaxIdleConns:           64,
			IdleConnTimeout:        30 * time.Second,
		}},
	}
}

// oneProtocol refuses answers with 101. The transport takes them although nobody asked for another protocol, and
// their body is the connection itself: it stays open, and the request's context does not interrupt who reads it.
type oneProtocol struct{ *http.Transport }

// RoundTrip implements [http.RoundTripper].
func (t oneProtocol) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.Transport.RoundTrip(req)
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
		_ = resp.Body.Close()
		return nil, ErrProtocol
	}
	return resp, err
}
