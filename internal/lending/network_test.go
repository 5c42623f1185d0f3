package lending

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// resolver answers every question with the given addresses, by a DNS server on a pipe.
func resolver(t *testing.T, addrs ...netip.Addr) *net.Resolver {
	t.Helper()
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer func() { _ = server.Close() }()
			for {
				// A pipe is not a packet connection, so the resolver frames messages as over TCP.
				var size [2]byte
				if _, err := io.ReadFull(server, size[:]); err != nil {
					return
				}
				question := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(server, question); err != nil {
					return
				}
				var m dnsmessage.Message
				if err := m.Unpack(question); err != nil {
					t.Error(err)
					return
				}
				m.Response, m.Additionals = true, nil
				for _, a := range addrs {
					h := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET}
					switch {
					case a.Is4() && m.Questions[0].Type == dnsmessage.TypeA:
						m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
					case a.Is6() && m.Questions[0].Type == dnsmessage.TypeAAAA:
						m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
					}
				}
				answer, err := m.Pack()
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := server.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
					return
				}
			}
		}()
		return client, nil
	}}
}

// TestNameOfAPrivateAddress is the DNS rebinding attack: the configured name looks public, and whatever it
// answered when it was checked, it answers with an inner address when it is dialed.
func TestNameOfAPrivateAddress(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		reply(w, 200, `{"referenceId":"C-1"}`)
	}))
	t.Cleanup(srv.Close)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	require.NoError(t, err)
	// The certificate of httptest names example.com.
	target := Target{BaseURL: "https://example.com:" + port, Key: testKey}
	none := Request{ReferenceID: "C-1", LoanIDs: &[]int64{}}

	for _, inner := range []string{"127.0.0.1", "::ffff:127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "fd00:ec2::254", "100.64.0.1", "0.0.0.0"} {
		c, _ := quick(t, Options{Resolver: resolver(t, netip.MustParseAddr(inner)), RootCAs: roots, FailuresToOpen: 1})
		for range 2 {
			_, _, err := c.Fetch(t.Context(), target, none)
			require.ErrorIs(t, err, ErrRefused, inner)
			require.ErrorContains(t, err, "not on the public internet")
			require.NotContains(t, err.Error(), inner)
		}
	}
	require.Zero(t, hits.Load())

	c, _ := quick(t, Options{Resolver: resolver(t, netip.MustParseAddr("127.0.0.1")), RootCAs: roots})
	allowed := target
	allowed.AllowPrivate = true
	_, _, err = c.Fetch(t.Context(), allowed, none)
	require.NoError(t, err, "the same road is open when private addresses are allowed")
	require.EqualValues(t, 1, hits.Load())
	_, _, err = c.Fetch(t.Context(), target, none)
	require.ErrorIs(t, err, ErrRefused, "a pooled connection of the allowed target is not reused")
	require.EqualValues(t, 1, hits.Load())
}

func TestCertificateIsChecked(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("must not be called") }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c, _ := quick(t, Options{})
	_, _, err := c.Fetch(t.Context(), Target{BaseURL: srv.URL, Key: testKey, AllowPrivate: true}, Request{ReferenceID: "C-1"})
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "certificate")
}

// bubble runs a real HTTP server and a client over pipes inside a synctest bubble, where waits are exact
// and take no time.
func bubble(t *testing.T, opts Options, h http.HandlerFunc, f func(t *testing.T, c *Client, target Target, seen *outcomes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Hour}
		done := make(chan error, 1)
		go func() { done <- srv.Serve(l) }()
		opts.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			client, server := net.Pipe()
			select {
			case l.conns <- server:
				return client, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		seen := &outcomes{}
		opts.Observe = seen.observe
		c := New(opts)
		// Deferred, as a failed requirement that left the server running would show as a deadlock.
		defer func() {
			c.Close()
			_ = srv.Close()
			<-done
		}()
		f(t, c, Target{BaseURL: "http://lms.example.com", Key: testKey, AllowPrivate: true}, seen)
	})
}

type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

var noLoans = Request{ReferenceID: "C-1", LoanIDs: &[]int64{}}

func TestBackoffGrowsWithJitter(t *testing.T) {
	t.Parallel()
	var at []time.Time
	bubble(t, Options{Tries: 4}, func(w http.ResponseWriter, _ *http.Request) {
		at = append(at, time.Now())
		reply(w, 503, ``)
	}, func(t *testing.T, c *Client, target Target, _ *outcomes) {
		_, _, err := c.Fetch(t.Context(), target, noLoans)
		require.ErrorIs(t, err, ErrUnavailable)
	})
	require.Len(t, at, 4)
	for i, middle := range []time.Duration{100, 200, 400} {
		middle *= time.Millisecond
		wait := at[i+1].Sub(at[i])
		require.GreaterOrEqual(t, wait, middle/2)
		require.LessOrEqual(t, wait, middle*3/2+1)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header string
		tries  int
		wait   time.Duration
		told   time.Duration
	}{
		"seconds":       {"2", 2, 2 * time.Second, 0},
		"at the bound":  {"3", 2, 3 * time.Second, 0},
		"over":          {"4", 1, 0, 4 * time.Second},
		"far over":      {"86400", 1, 0, 24 * time.Hour},
		"date":          {"date", 2, 2 * time.Second, 0},
		"far date":      {"far", 1, 0, time.Hour},
		"date gone by":  {"Mon, 02 Jan 1995 15:04:05 GMT", 2, -1, 0},
		"negative":      {"-5", 2, -1, 0},
		"nonsense":      {"soon", 2, -1, 0},
		"overflow":      {"99999999999999999999", 2, -1, 0},
		"empty":         {"", 2, -1, 0},
		"fraction":      {"1.5", 2, -1, 0},
		"zero, at once": {"0", 2, -1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, status := range []int{429, 503} {
				var at []time.Time
				bubble(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
					at = append(at, time.Now())
					if len(at) > 1 {
						reply(w, 200, `{"referenceId":"C-1"}`)
						return
					}
					header := c.header
					switch header {
					case "date":
						header = time.Now().UTC().Add(2 * time.Second).Format(http.TimeFormat)
					case "far":
						header = time.Now().UTC().Add(time.Hour).Format(http.TimeFormat)
					}
					w.Header().Set("Retry-After", header)
					reply(w, status, ``)
				}, func(t *testing.T, client *Client, target Target, _ *outcomes) {
					_, _, err := client.Fetch(t.Context(), target, noLoans)
					if c.tries == 1 {
						var e *Error
						require.ErrorAs(t, err, &e)
						require.ErrorIs(t, err, ErrUnavailable)
						require.Equal(t, c.told, e.RetryAfter)
						return
					}
					require.NoError(t, err)
				})
				require.Len(t, at, c.tries)
				switch {
				case c.wait > 0:
					require.Equal(t, c.wait, at[1].Sub(at[0]))
				case c.wait < 0:
					require.Less(t, at[1].Sub(at[0]), 200*time.Millisecond, "the usual backoff")
				}
			}
		})
	}
}

func TestCircuit(t *testing.T) {
	t.Parallel()
	calls, healthy := 0, false
	bubble(t, Options{Tries: 1, FailuresToOpen: 3, OpenFor: 30 * time.Second}, func(w http.ResponseWriter, _ *http.Request) {
		calls++
		if healthy {
			reply(w, 200, `{"referenceId":"C-1"}`)
			return
		}
		reply(w, 500, ``)
	}, func(t *testing.T, c *Client, target Target, seen *outcomes) {
		fetch := func() error {
			_, _, err := c.Fetch(t.Context(), target, noLoans)
			return err
		}
		for range 3 {
			require.ErrorIs(t, fetch(), ErrUnavailable)
		}
		require.Equal(t, 3, calls)
		err := fetch()
		require.ErrorIs(t, err, ErrUnavailable)
		require.Equal(t, 3, calls, "open: nothing is sent")
		require.Equal(t, "circuit_open", seen.last())
		var e *Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, 30*time.Second, e.RetryAfter)

		other := target
		other.OrganizationID[0] = 1
		_, _, err = c.Fetch(t.Context(), other, noLoans)
		require.ErrorIs(t, err, ErrUnavailable)
		require.Equal(t, 4, calls, "another organization has a circuit of its own")

		<-time.After(31 * time.Second)
		require.ErrorIs(t, fetch(), ErrUnavailable)
		require.Equal(t, 5, calls, "half open: one probe")
		require.ErrorIs(t, fetch(), ErrUnavailable)
		require.Equal(t, 5, calls, "the probe failed: open again")

		<-time.After(31 * time.Second)
		healthy = true
		require.NoError(t, fetch())
		require.NoError(t, fetch())
		require.Equal(t, 7, calls, "the probe succeeded: closed")
	})
}

func TestRefusalsKeepTheCircuitClosed(t *testing.T) {
	t.Parallel()
	calls := 0
	bubble(t, Options{Tries: 1, FailuresToOpen: 1}, func(w http.ResponseWriter, _ *http.Request) {
		calls++
		reply(w, []int{401, 404, 400, 429, 200}[calls%5], `{`)
	}, func(t *testing.T, c *Client, target Target, seen *outcomes) {
		for range 20 {
			_, _, err := c.Fetch(t.Context(), target, noLoans)
			require.Error(t, err)
			require.NotEqual(t, "circuit_open", seen.last())
		}
	})
	require.Equal(t, 20, calls)
}

func TestSlowDrip(t *testing.T) {
	t.Parallel()
	tries := 0
	bubble(t, Options{Tries: 2, TryTimeout: 5 * time.Second}, func(w http.ResponseWriter, r *http.Request) {
		tries++
		w.Header().Set("Content-Type", "application/json")
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_, _ = w.Write([]byte(" "))
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}, func(t *testing.T, c *Client, target Target, _ *outcomes) {
		start := time.Now()
		_, _, err := c.Fetch(t.Context(), target, noLoans)
		require.ErrorIs(t, err, ErrUnavailable)
		require.GreaterOrEqual(t, time.Since(start), 10*time.Second)
		require.Less(t, time.Since(start), 11*time.Second, "a byte a second does not prolong a try")
	})
	require.Equal(t, 2, tries)
}

func TestWholeFetchIsBounded(t *testing.T) {
	t.Parallel()
	bubble(t, Options{Tries: 10, FailuresToOpen: 100, TryTimeout: 5 * time.Second, Timeout: 12 * time.Second}, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}, func(t *testing.T, c *Client, target Target, seen *outcomes) {
		start := time.Now()
		_, _, err := c.Fetch(t.Context(), target, noLoans)
		require.ErrorIs(t, err, ErrUnavailable)
		require.Equal(t, "unavailable", seen.last())
		require.LessOrEqual(t, time.Since(start), 12*time.Second)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err = c.Fetch(ctx, target, noLoans)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, ErrUnavailable, "the caller's own deadline is the caller's")
	})
}

func TestConcurrencyIsBounded(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	bubble(t, Options{MaxConcurrent: 3, Timeout: time.Minute, TryTimeout: time.Minute}, func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		most.Store(max(most.Load(), n))
		<-time.After(time.Second)
		reply(w, 200, `{"referenceId":"C-1"}`)
	}, func(t *testing.T, c *Client, target Target, _ *outcomes) {
		var wg sync.WaitGroup
		start := time.Now()
		for range 12 {
			wg.Go(func() {
				if _, _, err := c.Fetch(t.Context(), target, noLoans); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 4*time.Second, time.Since(start), "12 fetches, 3 at a time, 1 s each")
	})
	require.EqualValues(t, 3, most.Load())
}

func TestTargetsAreForgotten(t *testing.T) {
	t.Parallel()
	c, _ := quick(t, Options{})
	for i := range maxTargets + 10 {
		key := gateKey{baseURL: strings.Repeat("x", i)}
		require.Same(t, c.gate(key), c.gate(key))
	}
	require.Equal(t, maxTargets, c.gates.Len())
}

func TestLoggableHidesWhatWasReceived(t *testing.T) {
	t.Parallel()
	require.Equal(t, "http exchange failed", loggable(errors.New(`malformed HTTP response "private-words"`)).Error())
	require.ErrorIs(t, loggable(io.ErrUnexpectedEOF), io.ErrUnexpectedEOF)
}
