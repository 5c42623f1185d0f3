package observe

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

const defaultCheckTimeout = 2 * time.Second

// The states of a check in the answer of /readyz. The cause of a failure goes to the log only.
const (
	checkOK      = "ok"
	checkFailed  = "failed"
	checkTimeout = "timeout"
)

// Check is one thing without which the server cannot do its work.
type Check struct {
	// Name appears in the answer of /readyz.
	Name string
	// Run returns nil when the thing is there. It should return when ctx ends.
	Run func(ctx context.Context) error
}

// Health answers whether the process lives and whether it can take requests. Its methods are safe for
// use by several goroutines.
type Health struct {
	checks   []Check
	busy     []atomic.Bool
	timeout  time.Duration
	log      *slog.Logger
	draining atomic.Bool
	probes   singleflight.Group
}

// NewHealth returns a Health with these checks; each may take as long as timeout (0 means 2 s). A nil
// log is [slog.Default].
func NewHealth(log *slog.Logger, timeout time.Duration, checks ...Check) *Health {
	if timeout <= 0 {
		timeout = defaultCheckTimeout
	}
	if log == nil {
		log = slog.Default()
	}
	return &Health{checks: checks, busy: make([]atomic.Bool, len(checks)), timeout: timeout, log: log}
}

// Drain makes the server not ready for good, so that a load balancer sends its requests elsewhere.
func (h *Health) Drain() { h.draining.Store(true) }

// Alive is the handler of /healthz: it answers 200 as long as the process can answer. It checks nothing else, as a restart does not
// repair a database.
func (h *Health) Alive() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, http.StatusOK, readiness{Status: "alive"})
	})
}

// Ready is the handler of /readyz: 200 when every check passes, and 503 otherwise or while draining.
// Concurrent requests share one run of the checks, so that they cannot overload what is checked.
func (h *Health) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.draining.Load() {
			answer(w, r, http.StatusServiceUnavailable, readiness{Status: "draining"})
			return
		}
		// Not the request's context: other requests wait for the same run.
		shared, _, _ := h.probes.Do("", func() (any, error) {
			return h.probe(context.WithoutCancel(r.Context())), nil
		})
		result := shared.(readiness)
		status := http.StatusOK
		if result.Status != "ready" {
			status = http.StatusServiceUnavailable
		}
		answer(w, r, status, result)
	})
}

// readiness is the answer's JSON.
type readiness struct {
	Status string            `json:"status"`
	Checks map[string]string `json:"checks,omitempty"`
}

func (h *Health) probe(ctx context.Context) readiness {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	states := make([]string, len(h.checks))
	var all sync.WaitGroup
	for i := range h.checks {
		all.Go(func() { states[i] = h.run(ctx, i) })
	}
	all.Wait()
	result := readiness{Status: "ready", Checks: map[string]string{}}
	for i, state := range states {
		result.Checks[h.checks[i].Name] = state
		if state != checkOK {
			result.Status = "not ready"
		}
	}
	return result
}

// run runs one check. A check that ignores the end of its context is abandoned and counts as failed until it returns, so that at most
// one of each is ever stuck.
func (h *Health) run(ctx context.Context, i int) string {
	if !h.busy[i].CompareAndSwap(false, true) {
		return checkTimeout
	}
	outcome := make(chan error, 1)
	go func() {
		err := h.checks[i].Run(ctx)
		// Before the result is sent, so that the next run does not find the check busy.
		h.busy[i].Store(false)
		outcome <- err
	}()
	select {
	case err := <-outcome:
		switch {
		case err == nil:
			return checkOK
		case ctx.Err() != nil:
			h.log.WarnContext(ctx, "readiness check took too long", "check", h.checks[i].Name, "error", err)
			return checkTimeout
		default:
			h.log.WarnContext(ctx, "readiness check failed", "check", h.checks[i].Name, "error", err)
			return checkFailed
		}
	case <-ctx.Done():
		h.log.WarnContext(ctx, "readiness check took too long", "check", h.checks[i].Name)
		return checkTimeout
	}
}

func answer(w http.ResponseWriter, r *http.Request, status int, body readiness) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// An error means that the client is gone.
	_ = json.NewEncoder(w).Encode(body)
}
