package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
)

// A file of 64 MiB goes from the client through the server into the spool, in memory that has nothing to do with
// its size. The test is not parallel: it counts every allocation of the process, the client's with them.
func TestUploadsAreStreamed(t *testing.T) {
	const size = 64 << 20
	u := newUploadBench(t, nil)
	server := httptest.NewServer(u)
	defer server.Close()
	send := func(n int64) *http.Response {
		head := body(oneFile("")...)
		head = strings.TrimSuffix(head, "\r\n--XX--\r\n")
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, io.MultiReader(strings.NewReader(head), io.LimitReader(endlessX{}, n), strings.NewReader("\r\n--XX--\r\n")))
		require.NoError(t, err)
		r.Header = multi("").Header
		res, err := server.Client().Do(r)
		require.NoError(t, err)
		return res
	}
	require.NoError(t, send(1).Body.Close()) // connections, caches and pools are made
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	res := send(size)
	runtime.ReadMemStats(&after)
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 200, res.StatusCode, string(text))
	<-u.seen
	require.EqualValues(t, size, (<-u.seen).Size)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20), "bytes allocated on the way, client and server together")
}

// endlessX yields the same byte without allocating.
type endlessX struct{}

func (endlessX) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// wire is a raw connection, so that a test decides what is sent when.
func wire(t *testing.T, u *uploadBench) (conn net.Conn, ended chan struct{}) {
	t.Helper()
	ended = make(chan struct{}, 8)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { ended <- struct{}{} }()
		u.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn, ended
}

func begin(t *testing.T, conn net.Conn, announced int, sent string) {
	t.Helper()
	_, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-API-Key: reader\r\nAccept: application/graphql-response+json\r\nGraphQL-Require-Preflight: 1\r\n"+
		"Content-Type: multipart/form-data; boundary=XX\r\nContent-Length: %d\r\n\r\n%s", announced, sent)
	require.NoError(t, err)
}

func TestUploadsThatStall(t *testing.T) {
	t.Parallel()
	whole := body(oneFile(strings.Repeat("x", 10_000))...)
	for name, c := range map[string]struct {
		sent   int
		limits func(*Limits)
		puts   int
	}{
		"in operations":         {40, func(l *Limits) { l.BodyTimeout = 50 * time.Millisecond }, 0},
		"in a file":             {len(whole) - 5000, func(l *Limits) { l.UploadStall = 50 * time.Millisecond }, 1},
		"before the boundary":   {len(whole) - 8, func(l *Limits) { l.UploadStall = 50 * time.Millisecond }, 1},
		"over all":              {len(whole) - 5000, func(l *Limits) { l.UploadTimeout = 50 * time.Millisecond }, 1},
		"after the last part":   {len(whole), func(l *Limits) { l.UploadStall = 50 * time.Millisecond }, 1},
		"over all, by progress": {len(whole) - 5000, func(l *Limits) { l.UploadTimeout, l.UploadStall = 1, time.Hour }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUploadBench(t, func(o *Options) { c.limits(o.Limits) })
			conn, ended := wire(t, u)
			begin(t, conn, len(whole)+1000, whole[:c.sent])
			got := bufio.NewReader(conn)
			res, err := http.ReadResponse(got, nil)
			require.NoError(t, err)
			text, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, 504, res.StatusCode, string(text))
			var r reply
			require.NoError(t, json.Unmarshal(text, &r))
			require.Equal(t, "TIMEOUT", r.code())
			require.True(t, r.Errors[0].Extensions.Retryable)
			require.True(t, res.Close, "the connection is announced to end")
			_, err = got.ReadByte()
			require.Error(t, err, "and it is cut")
			<-ended
			puts, held := u.shelf.count()
			require.Equal(t, c.puts, puts)
			require.Zero(t, held)
			require.Zero(t, u.executed.Load())
		})
	}
}

func TestClientThatLeavesDuringAnUpload(t *testing.T) {
	t.Parallel()
	u := newUploadBench(t, nil)
	conn, ended := wire(t, u)
	whole := body(oneFile(strings.Repeat("x", 10_000))...)
	begin(t, conn, len(whole), whole[:len(whole)-5000])
	require.NoError(t, conn.Close())
	<-ended
	_, held := u.shelf.count()
	require.Zero(t, held)
	require.Zero(t, u.executed.Load())
}

// The deadlines of the files must not outlive them: the server would take an expired one for a client that left,
// and cancel the mutation. The connection serves further requests.
func TestDeadlinesEndWithTheFiles(t *testing.T) {
	t.Parallel()
	const stall = 50 * time.Millisecond
	during := make(chan error, 2)
	u := newUploadBench(t, func(o *Options) {
		o.Limits.UploadStall = stall
		o.Inner = append(o.Inner, lasting(4*stall, during))
	})
	conn, _ := wire(t, u)
	from := bufio.NewReader(conn)
	whole := body(oneFile("abc")...)
	for range 2 {
		begin(t, conn, len(whole), whole)
		res, err := http.ReadResponse(from, nil)
		require.NoError(t, err)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, 200, res.StatusCode, string(text))
		require.False(t, res.Close)
		require.NoError(t, <-during)
	}
}

// around runs a function before the operation, within its context.
type around func(context.Context)

func (around) ExtensionName() string                   { return "Around" }
func (around) Validate(graphql.ExecutableSchema) error { return nil }
func (a around) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	a(ctx)
	return next(ctx)
}

// lasting makes operations take a time, and tells whether their context has ended within it.
func lasting(d time.Duration, ended chan<- error) around {
	return func(ctx context.Context) {
		wait := time.NewTimer(d)
		defer wait.Stop()
		select {
		case <-ctx.Done():
			ended <- ctx.Err()
		case <-wait.C:
			ended <- nil
		}
	}
}

// The writer of the standard library is a client like any other.
func TestMultipartWriterOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	u := newUploadBench(t, nil)
	server := httptest.NewServer(u)
	defer server.Close()
	reader, writer := io.Pipe()
	form := multipart.NewWriter(writer)
	go func() {
		parts := oneFile("")
		err := errors.Join(form.WriteField("operations", parts[0].body), form.WriteField("map", parts[1].body))
		to, makeErr := form.CreateFormFile("0", "Zahlen für März.csv")
		if err = errors.Join(err, makeErr); err == nil {
			_, err = io.Copy(to, io.LimitReader(endlessX{}, 100_000))
		}
		writer.CloseWithError(errors.Join(err, form.Close()))
	}()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, reader)
	require.NoError(t, err)
	r.Header = multi("").Header
	r.Header.Set("Content-Type", form.FormDataContentType())
	res, err := server.Client().Do(r)
	require.NoError(t, err)
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Contains(t, string(text), "Zahlen für März.csv")
	seen := <-u.seen
	require.EqualValues(t, 100_000, seen.Size)
	require.Equal(t, "application/octet-stream", seen.ContentType)
}
