package outbound

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestIsPublic(t *testing.T) {
	t.Parallel()
	for _, a := range []string{
		"127.0.0.1", "127.255.255.254", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "0.0.0.0", "0.1.2.3",
		"100.64.0.1", "100.100.100.200", "169.254.169.254", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.19.255.255",
		"198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::10.0.0.1", "fe80::1", "fec0::1", "fc00::1",
		"fd00:ec2::254", "ff02::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
		"64:ff9b:1::1", "100::1", "5f00::1",
	} {
		require.False(t, IsPublic(netip.MustParseAddr(a)), a)
	}
	for _, a := range []string{"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "168.63.129.17",
		"::ffff:8.8.8.8", "2606:4700::1111", "2a00:1450::1", "64:ff9b::808:808"} {
		require.True(t, IsPublic(netip.MustParseAddr(a)), a)
	}
	require.False(t, IsPublic(netip.Addr{}))
	require.ErrorIs(t, refusePrivate("tcp", "[::ffff:127.0.0.1]:443", nil), ErrPrivateAddress)
	require.ErrorIs(t, refusePrivate("tcp", "[fe80::1%eth0]:443", nil), ErrPrivateAddress)
	require.ErrorIs(t, refusePrivate("tcp", "nonsense", nil), ErrPrivateAddress)
	require.NoError(t, refusePrivate("tcp", "8.8.8.8:443", nil))
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"https://hooks.example.com", "https://hooks.example.com/", "https://hooks.example.com:8443/a/b/?tenant=7", "https://8.8.8.8/x",
		"https://[2606:4700::1111]:444", "https://xn--bcher-kva.example",
	} {
		for _, allowPrivate := range []bool{false, true} {
			u, err := ParseURL(raw, allowPrivate)
			require.NoError(t, err, raw)
			require.Equal(t, raw, u.String())
		}
	}
	for _, raw := range []string{
		"", "hooks.example.com", "//hooks.example.com", "ftp://hooks.example.com", "file:///etc/passwd", "https:", "https://", "https:///path",
		"https:hooks.example.com", "https://user@hooks.example.com", "https://user:secret-word@hooks.example.com", "https://hooks.example.com#",
		"https://hooks.example.com/#part", "https://hooks.example.com/a b", "https://hooks.example.com\\@evil.example", "https://hooks.example.com:0",
		"https://hooks.example.com:", "https://hooks.example.com:99999", "https://127.1", "https://2130706433", "https://0x7f000001",
		"https://127.0.0.1.", "https://a..b", "https://bücher.example", "https://[::1", "https://[fe80::1%25eth0]", "https://a*b.example",
		"https://" + strings.Repeat("a", 64) + ".example", "https://hooks.example.com/" + strings.Repeat("a", 2048),
	} {
		for _, allowPrivate := range []bool{false, true} {
			_, err := ParseURL(raw, allowPrivate)
			require.Error(t, err, "%q", raw)
			for _, echo := range []string{"evil", "secret-word", "passwd", "99999"} {
				require.NotContains(t, err.Error(), echo)
			}
		}
	}
	for _, raw := range []string{
		"http://hooks.example.com", "https://localhost", "https://localhost.", "https://LOCALHOST:8443", "https://a.localhost",
		"https://metadata.google.internal", "https://127.0.0.1", "https://[::ffff:10.0.0.1]", "https://169.254.169.254", "https://[fd00:ec2::254]",
	} {
		_, err := ParseURL(raw, false)
		require.Error(t, err, raw)
		_, err = ParseURL(raw, true)
		require.NoError(t, err, raw)
	}
}

// What is connected to decides, not what was checked: localhost is refused at the connection too.
func TestClientRefusesPrivateAddressesAndRedirects(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	require.NoError(t, err)
	for _, host := range []string{"127.0.0.1", "localhost"} {
		c := NewClient(Options{DialTimeout: time.Minute})
		_, err := c.Get("http://" + host + ":" + u.Port()) //nolint:bodyclose // there is no response
		require.ErrorIs(t, err, ErrPrivateAddress, host)
	}
	require.Zero(t, hits.Load())

	c := NewClient(Options{DialTimeout: time.Minute, AllowPrivate: true})
	t.Cleanup(c.CloseIdleConnections)
	resp, err := c.Get(srv.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusFound, resp.StatusCode)
	require.EqualValues(t, 1, hits.Load(), "the redirect was not followed")
}

// listen serves one connection after the other by f, which closes it.
func listen(t *testing.T, f func(net.Conn)) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go f(conn)
		}
	}()
	return l.Addr()
}

// Of an answer 101 the body is the raw connection, which no context interrupts: nobody gets to read it.
func TestClientRefusesOtherProtocols(t *testing.T) {
	t.Parallel()
	closed := make(chan error, 1)
	address := listen(t, func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		r := bufio.NewReader(conn)
		if _, err := http.ReadRequest(r); err != nil {
			closed <- err
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		closed <- ended(conn)
	})
	c := NewClient(Options{DialTimeout: time.Minute, AllowPrivate: true})
	t.Cleanup(c.CloseIdleConnections)
	_, err := c.Get("http://" + address.String()) //nolint:bodyclose // there is no response
	require.ErrorIs(t, err, ErrProtocol)
	require.NoError(t, <-closed)
}

// A connection on which the other side stays silent is given up, also when nobody waits for it any more.
func TestClientGivesUpHandshakes(t *testing.T) {
	t.Parallel()
	closed := make(chan error, 1)
	address := listen(t, func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		closed <- ended(conn)
	})
	c := NewClient(Options{DialTimeout: 200 * time.Millisecond, AllowPrivate: true})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address.String(), nil)
	require.NoError(t, err)
	_, err = c.Do(req) //nolint:bodyclose // there is no response
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, <-closed)
}

// ended reads until the other side has closed the connection.
func ended(conn net.Conn) error {
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return nil
}

// What is accepted is reached as it was checked: by the host that was looked at, and by nothing else of the text.
func FuzzParseURL(f *testing.F) {
	for _, raw := range []string{
		"https://hooks.example.com/a?b=c", "http://127.0.0.1:8080", "https://[::ffff:10.0.0.1]:444", "https://user@host", "https://host#x", "https://0x7f.1",
		"https://a..b", "https://[fe80::1%25eth0]/", "https://host:", "https://LOCALHOST.", "https:host", "https://h\\@x", "https://8.8.8.8/%2e%2e/x",
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := ParseURL(raw, false)
		wide, wideErr := ParseURL(raw, true)
		if err != nil {
			require.Nil(t, u)
			require.Regexp(t, `^The .+\.$`, err.Error())
			return
		}
		require.NoError(t, wideErr, "private addresses allowed, everything else is")
		require.Equal(t, u, wide)
		require.Equal(t, "https", u.Scheme)
		require.Nil(t, u.User)
		require.Empty(t, u.Fragment)
		// What a request is made of is this text, read once more.
		again, err := ParseURL(u.String(), false)
		require.NoError(t, err)
		require.Equal(t, u.Host, again.Host)
		req, err := http.NewRequest(http.MethodPost, raw, nil)
		require.NoError(t, err)
		require.Equal(t, u.Host, req.URL.Host)
		if a, err := netip.ParseAddr(u.Hostname()); err == nil {
			require.True(t, IsPublic(a), raw)
		}
		require.NotContains(t, []string{"localhost", "localhost."}, strings.ToLower(u.Hostname()))
	})
}
