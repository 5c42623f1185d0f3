package lending

import (
	"bytes"
	"compress/gzip"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/fault"
)

// TestMisbehaviour runs one server per way of misbehaving and checks kind, number of tries, and that
// nothing of what was received, asked for or configured is repeated.
func TestMisbehaviour(t *testing.T) {
	t.Parallel()
	status := func(code int, contentType string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(code)
			_, _ = w.Write([]byte(`{"message":"private-words"}`))
		}
	}
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, text) }
	}
	hijack := func(answer string, reset bool) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = conn.Write([]byte(answer))
			if reset {
				_ = conn.(*net.TCPConn).SetLinger(0)
			}
			_ = conn.Close()
		}
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	for range 8 {
		_, _ = z.Write(make([]byte, 1<<20))
	}
	require.NoError(t, z.Close())
	bomb := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	}
	endless := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for r.Context().Err() == nil {
			if _, err := w.Write(bytes.Repeat([]byte(" "), 64<<10)); err != nil {
				return
			}
		}
	}
	const ok = `{"referenceId":"C-1","firstName":"private-words"`
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		kind    error
		tries   int32
	}{
		"400":          {status(400, "application/json"), ErrRefused, 1},
		"401":          {status(401, "application/json"), ErrRefused, 1},
		"403":          {status(403, "text/html"), ErrRefused, 1},
		"404":          {status(404, "application/json"), ErrNotFound, 1},
		"404 web page": {status(404, "text/html"), ErrRefused, 1},
		"408":          {status(408, "application/json"), ErrRefused, 1},
		"422":          {status(422, "application/json"), ErrRefused, 1},
		"201":          {status(201, "application/json"), ErrRefused, 1},
		"204":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, ErrRefused, 1},
		"429":          {status(429, "application/json"), ErrUnavailable, 3},
		"500":          {status(500, "application/json"), ErrUnavailable, 1},
		"501":          {status(501, "application/json"), ErrUnavailable, 1},
		"502":          {status(502, "text/html"), ErrUnavailable, 3},
		"503":          {status(503, "text/html"), ErrUnavailable, 3},
		"504":          {status(504, "text/html"), ErrUnavailable, 3},
		"HTML":         {status(200, "text/html"), ErrRefused, 1},
		"no content type": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			_, _ = w.Write([]byte(ok + "}"))
		}, ErrRefused, 1},
		"other charset":          {status(200, "application/json; charset=iso-8859-1"), ErrRefused, 1},
		"truncated JSON":         {body(ok), ErrRefused, 1},
		"wrong types":            {body(`{"referenceId":"C-1","lastName":["private-words"]}`), ErrRefused, 1},
		"somebody else":          {body(`{"referenceId":"C-2","lastName":"private-words"}`), ErrRefused, 1},
		"empty body":             {body(``), ErrRefused, 1},
		"oversized":              {body(ok + `,"x":"` + strings.Repeat("x", MaxResponseBytes) + `"}`), ErrRefused, 1},
		"oversized, endless":     {endless, ErrRefused, 1},
		"gzip bomb":              {bomb, ErrRefused, 1},
		"closes at once":         {hijack("", false), ErrUnavailable, 3},
		"resets at once":         {hijack("", true), ErrUnavailable, 3},
		"not HTTP":               {hijack("private-words\r\n\r\n", false), ErrUnavailable, 3},
		"malformed header":       {hijack("HTTP/1.1 200 OK\r\nprivate-words\r\n\r\n", false), ErrUnavailable, 3},
		"breaks off in the body": {hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"+ok, false), ErrUnavailable, 3},
		"resets in the body":     {hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"+ok, true), ErrUnavailable, 3},
		"breaks off in chunks":   {hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"ref", false), ErrUnavailable, 3},
		"announces too much":     {hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999999999\r\n\r\n"+ok, false), ErrRefused, 1},
		"headers without an end": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Long", strings.Repeat("x", 128<<10)) }, ErrUnavailable, 3},
		"redirect to itself":     {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, ErrRefused, 1},
		"redirect to metadata": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusTemporaryRedirect)
		}, ErrRefused, 1},
		"redirect without target": {status(301, "text/html"), ErrRefused, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int32
			target := serve(t, func(w http.ResponseWriter, r *http.Request) { tries.Add(1); c.handler(w, r) })
			client, seen := quick(t, Options{})
			b, loans, err := client.Fetch(t.Context(), target, Request{ReferenceID: "C-1"})
			require.ErrorIs(t, err, c.kind)
			require.Nil(t, b)
			require.Nil(t, loans)
			require.Equal(t, c.tries, tries.Load())
			code := map[error]fault.UserCode{ErrRefused: fault.LendingRefused, ErrUnavailable: fault.LendingUnavailable, ErrNotFound: fault.Missing}[c.kind]
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, code, e.UserCode())
			require.Equal(t, map[error]string{ErrRefused: "refused", ErrUnavailable: "unavailable", ErrNotFound: "not_found"}[c.kind], seen.last())
			requireDiscreet(t, target, err)
		})
	}
}

func requireDiscreet(t *testing.T, target Target, err error) {
	t.Helper()
	u, _ := url.Parse(target.BaseURL)
	for _, word := range []string{"private-words", testKey, "C-1", u.Host, u.Hostname(), "169.254"} {
		require.NotContains(t, err.Error(), word)
	}
	// The log may name the host, and nothing else of these.
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Error("x", "err", err, "target", target)
	for _, word := range []string{"private-words", testKey, "C-1"} {
		require.NotContains(t, log.String(), word)
	}
}
