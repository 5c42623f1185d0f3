package observe_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/observe"
)

func ask(h http.Handler, method string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
	return w.Code, w.Body.String()
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var broken atomic.Bool
	h := observe.NewHealth(observe.NewLogger(&out, slog.LevelInfo), time.Minute,
		observe.Check{Name: "database", Run: func(context.Context) error {
			if broken.Load() {
				return errors.New("dial tcp 10.0.0.7: connection refused")
			}
			return nil
		}},
		observe.Check{Name: "migrations", Run: func(context.Context) error { return nil }},
	)
	status, body := ask(h.Ready(), http.MethodGet)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"status":"ready","checks":{"database":"ok","migrations":"ok"}}`, body)
	require.Empty(t, out.String())

	broken.Store(true)
	status, body = ask(h.Ready(), http.MethodGet)
	require.Equal(t, http.StatusServiceUnavailable, status)
	// The cause goes to the log only.
	require.JSONEq(t, `{"status":"not ready","checks":{"database":"failed","migrations":"ok"}}`, body)
	require.Contains(t, out.String(), "connection refused")
	status, body = ask(h.Alive(), http.MethodGet)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"status":"alive"}`, body)

	broken.Store(false)
	status, _ = ask(h.Ready(), http.MethodHead)
	require.Equal(t, http.StatusOK, status)
	status, _ = ask(h.Ready(), http.MethodPost)
	require.Equal(t, http.StatusMethodNotAllowed, status)

	h.Drain()
	status, body = ask(h.Ready(), http.MethodGet)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.JSONEq(t, `{"status":"draining"}`, body)
	status, _ = ask(h.Alive(), http.MethodGet)
	require.Equal(t, http.StatusOK, status)
}

func TestReadinessDoesNotWaitForAStuckCheck(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var entered atomic.Int64
	h := observe.NewHealth(slog.New(slog.DiscardHandler), 5*time.Millisecond,
		observe.Check{Name: "polite", Run: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
		observe.Check{Name: "stuck", Run: func(context.Context) error { entered.Add(1); <-release; return nil }},
	)
	for range 3 {
		status, body := ask(h.Ready(), http.MethodGet)
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.JSONEq(t, `{"status":"not ready","checks":{"polite":"timeout","stuck":"timeout"}}`, body)
	}
	require.EqualValues(t, 1, entered.Load())
	close(release)
}

func TestReadinessSharesOneRun(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	started := make(chan struct{}, 8)
	h := observe.NewHealth(nil, time.Minute,
		observe.Check{Name: "database", Run: func(context.Context) error { started <- struct{}{}; <-release; return nil }})
	var all sync.WaitGroup
	ready := func() {
		status, body := ask(h.Ready(), http.MethodGet)
		if status != http.StatusOK {
			t.Errorf("status %d: %s", status, body)
		}
	}
	for range 8 {
		all.Go(ready)
	}
	<-started
	close(release)
	all.Wait()
	// Requests that came after the first round may have had one of their own, but never two at once:
	// a second check while the first one runs would have been reported as busy, that is, not ready.
}
