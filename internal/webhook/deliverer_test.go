package webhook_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/webhook"
)

func TestDeliveryArrives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t, nil)
	e, secret := w.endpoint(t, r.URL+"/hooks?tenant=7")
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	w.Clock.Advance(3 * time.Second)
	w.drain(t, e)
	d := w.only(t)
	require.Equal(t, webhook.Delivered, d.State)
	require.Equal(t, int32(1), d.Attempts)
	require.Equal(t, int32(204), *d.LastStatusCode)
	require.Nil(t, d.LastFailure)
	require.Nil(t, d.NextAttemptAt)
	require.Equal(t, w.Clock.Now(), d.DeliveredAt.UTC())
	require.Len(t, r.all(), 1)
	got := r.all()[0]
	require.Equal(t, string(d.Payload), string(got.body))
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.Equal(t, "Caseload", got.header.Get("User-Agent"))
	require.Equal(t, "customer.updated", got.header.Get(webhook.HeaderEvent))
	require.Equal(t, d.ID().String(), got.header.Get(webhook.HeaderDelivery))
	require.NoError(t, webhook.Verify(secret, got.header.Get(webhook.HeaderSignature), got.body, w.Clock.Now(), 0), "signed when sent, not when it happened")
	w.drain(t, e)
	require.Len(t, r.all(), 1)
}

// What the other side does wrong is one word of a closed list, and never its own words.
func TestMisbehavingReceivers(t *testing.T) {
	t.Parallel()
	const words = "words-of-the-other-side"
	hijack := func(send string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = conn.Write([]byte(send))
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
	}
	stay := func(send string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			_, _ = conn.Write([]byte(send))
		}
	}
	for name, row := range map[string]struct {
		answer  http.HandlerFunc
		timeout time.Duration
		failure webhook.Failure
		status  int32
		state   webhook.State
	}{
		"error":     {answer: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, words, 500) }, failure: webhook.FailureStatus, status: 500},
		"not found": {answer: status(404), failure: webhook.FailureStatus, status: 404},
		"redirect": {answer: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/"+words, http.StatusTemporaryRedirect)
		}, failure: webhook.FailureRedirect, status: 307},
		"not modified":             {answer: status(304), failure: webhook.FailureRedirect, status: 304},
		"gone":                     {answer: status(410), failure: webhook.FailureGone, status: 410, state: webhook.Failed},
		"slow":                     {answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, timeout: 50 * time.Millisecond, failure: webhook.FailureTimeout},
		"reset":                    {answer: hijack(""), failure: webhook.FailureUnreachable},
		"not http":                 {answer: hijack("220 " + words + "\r\n\r\n"), failure: webhook.FailureUnreachable},
		"broken off in the header": {answer: hijack("HTTP/1.1 200 OK\r\nX-Words: " + words), failure: webhook.FailureUnreachable},
		"huge header":              {answer: hijack("HTTP/1.1 200 OK\r\nX-Words: " + strings.Repeat("x", 100<<10) + "\r\n\r\n"), failure: webhook.FailureUnreachable},
		"huge body": {answer: func(w http.ResponseWriter, _ *http.Request) {
			for range 1 << 20 {
				if _, err := w.Write(make([]byte, 32<<10)); err != nil {
					return
				}
			}
			t.Error("32 GiB were read")
		}, status: 200, state: webhook.Delivered},
		"body without end": {answer: func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(words))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, timeout: 50 * time.Millisecond, status: 200, state: webhook.Delivered},
		"switches protocols":     {answer: stay("HTTP/1.1 101 " + words + "\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), failure: webhook.FailureUnreachable},
		"early hints for ever":   {answer: stay("HTTP/1.1 103 " + words + "\r\n\r\n"), timeout: 50 * time.Millisecond, failure: webhook.FailureTimeout},
		"broken off in the body": {answer: hijack("HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n" + words), status: 202, state: webhook.Delivered},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldWith(t, webhook.Options{AllowPrivate: true, Timeout: row.timeout})
			r := newReceiver(t, row.answer)
			e, _ := w.endpoint(t, r.URL)
			w.emit(t, events(1, webhook.CustomerUpdated)...)
			w.drain(t, e)
			d := w.only(t)
			if row.state == "" {
				row.state = webhook.Pending
			}
			require.Equal(t, row.state, d.State)
			if row.failure == "" {
				require.Nil(t, d.LastFailure)
			} else {
				require.Equal(t, row.failure, *d.LastFailure)
			}
			if row.status == 0 {
				require.Nil(t, d.LastStatusCode)
			} else {
				require.Equal(t, row.status, *d.LastStatusCode)
			}
			require.Len(t, r.all(), 1, "a redirect is not followed, and nothing is tried twice at once")
			require.NotContains(t, w.dump(t), words)
			require.NotContains(t, w.Log.String(), words)
		})
	}
}

func TestUnreachableAndPrivateReceivers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := w.endpoint(t, closedPort(t))
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	w.drain(t, e)
	require.Equal(t, webhook.FailureUnreachable, *w.only(t).LastFailure)

	w = newWorld(t)
	var hits atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	e, _ = w.endpoint(t, srv.URL)
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	// The setting was taken back after the endpoint was made: the address is looked at when it is dialed.
	strict := w.newDeliverer(t, webhook.Options{})
	require.NoError(t, strict.Drain(t.Context(), e.OrganizationID, e.UUID))
	d := w.only(t)
	require.Equal(t, webhook.FailurePrivateAddress, *d.LastFailure)
	w.Clock.Advance(time.Hour)
	w.drain(t, e)
	require.Equal(t, webhook.FailureCertificate, *w.only(t).LastFailure)
	require.Zero(t, hits.Load())
}

func TestRetriesForADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t, status(503))
	e, _ := w.endpoint(t, r.URL)
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	begin := w.Clock.Now()
	var waits []time.Duration
	for d := w.only(t); d.State == webhook.Pending; d = w.only(t) {
		w.drain(t, e)
		got := w.only(t)
		require.Equal(t, d.Attempts+1, got.Attempts)
		require.Less(t, w.Clock.Now().Sub(begin), 24*time.Hour)
		if got.State == webhook.Pending {
			waits = append(waits, got.NextAttemptAt.Sub(w.Clock.Now()))
			w.Clock.Set(got.NextAttemptAt.UTC())
		}
	}
	require.Greater(t, w.Clock.Now().Sub(begin), 22*time.Hour, "it is tried for a day")
	for i, d := range waits {
		require.GreaterOrEqual(t, d, 10*time.Second)
		require.LessOrEqual(t, d, time.Hour)
		if i > 9 {
			require.GreaterOrEqual(t, d, 48*time.Minute)
		}
	}
	d := w.only(t)
	require.Equal(t, webhook.Failed, d.State)
	require.Equal(t, webhook.FailureStatus, *d.LastFailure)
	require.Len(t, r.all(), int(d.Attempts))
	require.True(t, w.reread(t, e).IsEnabled, "a day is not three")
	require.Equal(t, begin, w.reread(t, e).FailingSince.UTC())
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	r.set(nil)
	w.Clock.Advance(time.Hour)
	w.drain(t, e)
	require.Nil(t, w.reread(t, e).FailingSince)
	require.Equal(t, int32(1), w.reread(t, e).Version, "health raises no version")
}

// A retry has its job, and only one, however often the endpoint is drained in between.
func TestARetryIsEnqueuedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(webhook.HeaderEvent) == "customer.deleted" {
			w.WriteHeader(500)
		}
	})
	e, _ := w.endpoint(t, r.URL)
	w.emit(t, append(events(1, webhook.CustomerDeleted), events(1, webhook.CustomerUpdated)...)...)
	before := w.jobs(t, "webhook.drain")
	w.drain(t, e)
	require.Equal(t, before+1, w.jobs(t, "webhook.drain"))
	require.True(t, get[bool](t, w, `SELECT j.scheduled_at = d.next_attempt_at FROM webhook_deliveries d, river_job j WHERE d.state = 'PENDING' ORDER BY j.id DESC LIMIT 1`))
	for range 3 {
		w.emit(t, events(1, webhook.CustomerUpdated)...)
		before = w.jobs(t, "webhook.drain")
		w.drain(t, e)
		require.Equal(t, before, w.jobs(t, "webhook.drain"))
	}
	w.Clock.Advance(15 * time.Second)
	w.drain(t, e)
	require.Equal(t, before+1, w.jobs(t, "webhook.drain"), "the next retry has the next job")
}

// A job that runs before a rest is over does nothing, so it is not the job of the retry after it.
func TestARetryAfterAPauseHasItsJob(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, webhook.Options{AllowPrivate: true, Concurrency: 1})
	e, _ := w.endpoint(t, closedPort(t))
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	w.drain(t, e)
	// It has been failing for long, so the rests are long, and the job of the first delivery runs within the next one.
	w.Exec(t, "UPDATE webhook_endpoints SET failing_since = $1, hold_until = NULL, wake_at = $2", w.Clock.Now().Add(-time.Hour), w.Clock.Now().Add(15*time.Second))
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	w.Exec(t, "UPDATE webhook_deliveries SET next_attempt_at = $1 WHERE attempts = 1", w.Clock.Now().Add(15*time.Second))
	w.Clock.Advance(12 * time.Second)
	w.drain(t, e)
	until := w.reread(t, e).HoldUntil.UTC()
	require.Equal(t, w.Clock.Now().Add(5*time.Minute), until)
	require.Equal(t, 1, get[int](t, w, "SELECT count(*) FROM river_job WHERE scheduled_at = $1", until))
}

func TestManyDeliveriesInOrderOfCreation(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, webhook.Options{AllowPrivate: true, Concurrency: 1})
	r := newReceiver(t, nil)
	e, _ := w.endpoint(t, r.URL)
	for range 5 {
		w.emit(t, events(50, webhook.CustomerUpdated)...)
		w.Clock.Advance(time.Second)
	}
	w.drain(t, e)
	var want, got []string
	for _, d := range w.deliveries(t) {
		require.Equal(t, webhook.Delivered, d.State)
		want = append(want, d.ID().String())
	}
	for _, r := range r.all() {
		got = append(got, r.header.Get(webhook.HeaderDelivery))
	}
	require.Equal(t, want, got)
}

func TestConcurrencyIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, webhook.Options{AllowPrivate: true, Concurrency: 3})
	var at, most atomic.Int32
	full := make(chan struct{})
	var once sync.Once
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) {
		n := at.Add(1)
		defer at.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if n == 3 {
			once.Do(func() { close(full) })
		}
		<-full
	})
	e, _ := w.endpoint(t, r.URL)
	w.emit(t, events(30, webhook.CustomerUpdated)...)
	w.drain(t, e)
	require.EqualValues(t, 3, most.Load())
	require.Len(t, r.all(), 30)
}

// Jobs of many processes for one endpoint: one works, the others end, and every delivery arrives once.
func TestManyWorkersDeliverOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t, nil)
	a, _ := w.endpoint(t, r.URL+"/a")
	b, _ := w.endpoint(t, r.URL+"/b")
	deliverers := []*webhook.Deliverer{w.deliverer, w.newDeliverer(t, webhook.Options{AllowPrivate: true}), w.newDeliverer(t, webhook.Options{AllowPrivate: true})}
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			w.emit(t, events(40, webhook.CustomerUpdated)...)
			for _, e := range []*webhook.Endpoint{a, b} {
				if err := deliverers[i%3].Drain(context.Background(), e.OrganizationID, e.UUID); err != nil {
					t.Errorf("drain: %v", err)
				}
			}
		})
	}
	group.Wait()
	w.drain(t, a)
	w.drain(t, b)
	seen := map[string]int{}
	for _, got := range r.all() {
		seen[got.header.Get(webhook.HeaderDelivery)]++
	}
	require.Len(t, seen, 960)
	for id, n := range seen {
		require.Equal(t, 1, n, id)
	}
	require.Zero(t, get[int](t, w, "SELECT count(*) FROM webhook_deliveries WHERE state <> 'DELIVERED' OR attempts <> 1"))
}

// A delivery that is committed while a worker is about to leave is not overlooked: its job ends for the hold, so the
// worker that leaves must see it.
func TestDeliveriesEmittedDuringADrainAreDelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var e *webhook.Endpoint
	var once sync.Once
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) {
		once.Do(func() {
			w.emit(t, events(1, webhook.CustomerUpdated)...)
			before := get[int](t, w, "SELECT count(*) FROM webhook_deliveries WHERE attempts > 0")
			w.drain(t, e)
			if after := get[int](t, w, "SELECT count(*) FROM webhook_deliveries WHERE attempts > 0"); before != after {
				t.Errorf("a second worker was at it")
			}
		})
	})
	e, _ = w.endpoint(t, r.URL)
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	w.drain(t, e)
	require.Len(t, r.all(), 2)
	require.Nil(t, w.reread(t, e).HoldUntil)
}

// A worker that was killed leaves its hold and its leases; when they run out, a sweep has another one deliver.
func TestDeliveriesOfAKilledWorkerAreRetried(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t, nil)
	e, _ := w.endpoint(t, r.URL)
	w.emit(t, events(5, webhook.CustomerUpdated)...)
	// What a worker has written when it is killed in the middle of its attempts.
	now := w.Clock.Now()
	w.Exec(t, "UPDATE webhook_endpoints SET hold_until = $1", now.Add(90*time.Second))
	w.Exec(t, "UPDATE webhook_deliveries SET attempts = 1, next_attempt_at = $1", now.Add(time.Minute))
	w.Exec(t, "DELETE FROM river_job")
	sweep := func() int {
		t.Helper()
		before := w.jobs(t, "webhook.drain")
		require.NoError(t, w.deliverer.Sweep(t.Context()))
		return w.jobs(t, "webhook.drain") - before
	}
	w.drain(t, e)
	require.Empty(t, r.all(), "held")
	w.Clock.Advance(80 * time.Second)
	require.Zero(t, sweep())
	w.Clock.Advance(10 * time.Second)
	require.Equal(t, 1, sweep())
	w.drain(t, e)
	require.Len(t, r.all(), 5)
	for _, d := range w.deliveries(t) {
		require.Equal(t, webhook.Delivered, d.State)
		require.Equal(t, int32(2), d.Attempts)
	}
	require.Zero(t, sweep())
}

// A worker that was slower than its lease must not write over what another one has done since.
func TestLateMarkChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var once sync.Once
	var e *webhook.Endpoint
	r := newReceiver(t, func(rw http.ResponseWriter, _ *http.Request) {
		slow := false
		once.Do(func() { slow = true })
		if !slow {
			return
		}
		// All leases run out while this answer takes its time, and another worker delivers.
		w.Clock.Advance(2 * time.Minute)
		w.drain(t, e)
		rw.WriteHeader(500)
	})
	e, _ = w.endpoint(t, r.URL)
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	w.drain(t, e)
	d := w.only(t)
	require.Equal(t, webhook.Delivered, d.State)
	require.Equal(t, []int32{2, 200}, []int32{d.Attempts, *d.LastStatusCode})
	require.Len(t, r.all(), 2)
}

// When the server stops, what was not begun goes back to its place, and what was sent is written down.
func TestStoppingReleasesDeliveries(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, webhook.Options{AllowPrivate: true, Concurrency: 1})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var n atomic.Int32
	r := newReceiver(t, func(_ http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 3 {
			cancel()
			<-r.Context().Done()
		}
	})
	e, _ := w.endpoint(t, r.URL)
	w.emit(t, events(10, webhook.CustomerUpdated)...)
	w.Clock.Advance(time.Second)
	require.NoError(t, w.deliverer.Drain(ctx, e.OrganizationID, e.UUID))
	require.Equal(t, 2, get[int](t, w, "SELECT count(*) FROM webhook_deliveries WHERE state = 'DELIVERED' AND attempts = 1"))
	require.Equal(t, 1, get[int](t, w, "SELECT count(*) FROM webhook_deliveries WHERE state = 'PENDING' AND attempts = 1 AND last_failure IS NULL"))
	require.Equal(t, 7, get[int](t, w, "SELECT count(*) FROM webhook_deliveries WHERE state = 'PENDING' AND attempts = 0 AND next_attempt_at = created_at"))
	require.Nil(t, w.reread(t, e).FailingSince, "the endpoint is not to blame")
	require.Nil(t, w.reread(t, e).HoldUntil)
	r.set(nil)
	w.drain(t, e)
	require.Equal(t, 10, get[int](t, w, "SELECT count(*) FROM webhook_deliveries WHERE state = 'DELIVERED'"))
}

// An endpoint that does not answer costs one wave of attempts, and then a rest; its backlog does not.
func TestDeadEndpointIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t, status(500))
	e, _ := w.endpoint(t, r.URL)
	w.emit(t, events(250, webhook.CustomerUpdated)...)
	w.drain(t, e)
	require.Len(t, r.all(), 8)
	require.Equal(t, w.Clock.Now().Add(10*time.Second), w.reread(t, e).HoldUntil.UTC())
	for range 3 {
		w.drain(t, e)
	}
	require.Len(t, r.all(), 8)
	require.Equal(t, 1, get[int](t, w, "SELECT count(*) FROM river_job WHERE scheduled_at = $1 AND queue = $2", w.Clock.Now().Add(10*time.Second), webhook.FailingQueue), "the job for after the rest")
	r.set(nil)
	w.Clock.Advance(10 * time.Second)
	w.drain(t, e)
	require.Equal(t, 242, get[int](t, w, "SELECT count(*) FROM webhook_deliveries WHERE state = 'DELIVERED' AND attempts = 1"))
	w.Clock.Advance(5 * time.Second)
	w.drain(t, e)
	require.Equal(t, 250, get[int](t, w, "SELECT count(*) FROM webhook_deliveries WHERE state = 'DELIVERED'"))
	require.Nil(t, w.reread(t, e).HoldUntil)
}

// An administrator who repairs an endpoint does not wait for the rest to end.
func TestMovedEndpointIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := w.endpoint(t, closedPort(t))
	w.emit(t, events(150, webhook.CustomerUpdated)...)
	w.drain(t, e)
	require.NotNil(t, w.reread(t, e).HoldUntil)
	r := newReceiver(t, nil)
	before := w.jobs(t, "webhook.drain")
	_, err := w.UpdateEndpoint(t.Context(), w.Viewer, webhook.UpdateEndpointInput{ID: e.ID(), URL: val(r.URL)})
	require.NoError(t, err)
	require.Equal(t, before+1, w.jobs(t, "webhook.drain"))
	w.drain(t, e)
	require.Len(t, r.all(), 142, "those that have not been tried; the others wait for their time")
	require.Nil(t, w.reread(t, e).FailingSince)
}

func TestGoneEndpointIsDisabled(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, webhook.Options{AllowPrivate: true, Concurrency: 1})
	r := newReceiver(t, status(http.StatusGone))
	e, _ := w.endpoint(t, r.URL)
	w.emit(t, events(120, webhook.CustomerUpdated)...)
	w.drain(t, e)
	got := w.reread(t, e)
	require.False(t, got.IsEnabled)
	require.Equal(t, webhook.DisabledGone, *got.DisabledReason)
	require.Equal(t, "system", got.UpdatedBy)
	require.Equal(t, 1, w.Audited(t, "webhook_endpoint.disabled"))
	require.Equal(t, "SYSTEM", get[string](t, w, "SELECT actor_kind FROM audit_entries WHERE action = 'webhook_endpoint.disabled'"))
	w.Clock.Advance(time.Minute)
	w.drain(t, e)
	require.Equal(t, 1, get[int](t, w, "SELECT count(*) FROM webhook_deliveries WHERE state = 'FAILED' AND last_failure = 'GONE'"))
	require.Equal(t, 119, get[int](t, w, "SELECT count(*) FROM webhook_deliveries WHERE state = 'FAILED' AND last_failure = 'ENDPOINT_DISABLED' AND attempts = 0"))
	before := len(w.deliveries(t))
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	require.Len(t, w.deliveries(t), before, "a disabled endpoint is told nothing")
}

// A disabled endpoint's pending deliveries are ended by a sweep too, when their job was lost.
func TestDisabledByHandEndsWhatIsPending(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t, nil)
	e, _ := w.endpoint(t, r.URL)
	w.emit(t, events(1200, webhook.CustomerUpdated)...)
	_, err := w.UpdateEndpoint(t.Context(), w.Viewer, webhook.UpdateEndpointInput{ID: e.ID(), IsEnabled: val(false)})
	require.NoError(t, err)
	w.Exec(t, "DELETE FROM river_job")
	require.NoError(t, w.deliverer.Sweep(t.Context()))
	require.Equal(t, 1, w.jobs(t, "webhook.drain"))
	w.drain(t, e)
	require.Equal(t, 1200, get[int](t, w, "SELECT count(*) FROM webhook_deliveries WHERE state = 'FAILED' AND last_failure = 'ENDPOINT_DISABLED'"))
	require.Empty(t, r.all())
}

func TestFailingEndpointIsDisabledAfterThreeDays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t, status(500))
	e, _ := w.endpoint(t, r.URL)
	begin := w.Clock.Now()
	for w.Clock.Now().Sub(begin) < 100*time.Hour && w.reread(t, e).IsEnabled {
		w.emit(t, events(1, webhook.CustomerUpdated)...)
		w.drain(t, e)
		w.Clock.Advance(time.Hour)
	}
	got := w.reread(t, e)
	require.False(t, got.IsEnabled)
	require.Equal(t, webhook.DisabledFailing, *got.DisabledReason)
	require.GreaterOrEqual(t, got.DisabledAt.Sub(begin), 72*time.Hour)
	require.Less(t, got.DisabledAt.Sub(begin), 75*time.Hour)
	require.Contains(t, w.Log.String(), "webhook endpoint disabled")
	require.Equal(t, `{"reason": "FAILING"}`, get[string](t, w, "SELECT changes FROM audit_entries WHERE action = 'webhook_endpoint.disabled'"))
	w.Clock.Advance(time.Hour)
	w.drain(t, e)
	require.Zero(t, get[int](t, w, "SELECT count(*) FROM webhook_deliveries WHERE state = 'PENDING'"))
}

// Who disables and enables an endpoint, or moves it, begins afresh, also while attempts of before are under way.
func TestRepairedEndpointIsNotDisabled(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]func(t *testing.T, w *world, e *webhook.Endpoint){
		"enabled": func(t *testing.T, w *world, e *webhook.Endpoint) {
			for _, on := range []bool{false, true} {
				if _, err := w.UpdateEndpoint(t.Context(), w.Viewer, webhook.UpdateEndpointInput{ID: e.ID(), IsEnabled: val(on)}); err != nil {
					t.Error(err)
				}
			}
		},
		"moved": func(t *testing.T, w *world, e *webhook.Endpoint) {
			if _, err := w.UpdateEndpoint(t.Context(), w.Viewer, webhook.UpdateEndpointInput{ID: e.ID(), URL: val("http://127.0.0.1:9/")}); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var e *webhook.Endpoint
			r := newReceiver(t, func(rw http.ResponseWriter, _ *http.Request) {
				row(t, w, e)
				rw.WriteHeader(500)
			})
			e, _ = w.endpoint(t, r.URL)
			w.emit(t, events(1, webhook.CustomerUpdated)...)
			// Its last attempt, after three days of failures.
			w.Exec(t, "UPDATE webhook_endpoints SET failing_since = $1", w.Clock.Now().Add(-73*time.Hour))
			w.Clock.Advance(24*time.Hour - time.Second)
			w.drain(t, e)
			require.Equal(t, webhook.Failed, w.only(t).State)
			got := w.reread(t, e)
			require.True(t, got.IsEnabled)
			require.Nil(t, got.FailingSince, "what it said before the repair does not count")
			require.Zero(t, w.Audited(t, "webhook_endpoint.disabled"))
		})
	}
}

// An attempt of before a move says nothing of the new place.
func TestMovedEndpointDoesNotFailForTheOldPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var e *webhook.Endpoint
	var once sync.Once
	good := newReceiver(t, nil)
	r := newReceiver(t, func(rw http.ResponseWriter, _ *http.Request) {
		once.Do(func() {
			if _, err := w.UpdateEndpoint(context.Background(), w.Viewer, webhook.UpdateEndpointInput{ID: e.ID(), URL: val(good.URL)}); err != nil {
				t.Error(err)
			}
		})
		rw.WriteHeader(500)
	})
	e, _ = w.endpoint(t, r.URL)
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	w.drain(t, e)
	require.Nil(t, w.reread(t, e).FailingSince)
}

// When the server begins to stop, what was begun may end, and nothing is begun.
func TestStoppedDelivererStartsNothing(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, webhook.Options{AllowPrivate: true, Concurrency: 2})
	begun, answer := make(chan struct{}, 2), make(chan struct{})
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) {
		begun <- struct{}{}
		<-answer
	})
	e, _ := w.endpoint(t, r.URL)
	w.emit(t, events(10, webhook.CustomerUpdated)...)
	done := make(chan error, 1)
	go func() { done <- w.deliverer.Drain(context.WithoutCancel(t.Context()), e.OrganizationID, e.UUID) }()
	<-begun
	<-begun
	w.deliverer.Stop()
	close(answer)
	require.NoError(t, <-done)
	require.Equal(t, 2, get[int](t, w, "SELECT count(*) FROM webhook_deliveries WHERE state = 'DELIVERED' AND attempts = 1"))
	require.Equal(t, 8, get[int](t, w, "SELECT count(*) FROM webhook_deliveries WHERE state = 'PENDING' AND attempts = 0 AND next_attempt_at = created_at"))
	require.Nil(t, w.reread(t, e).HoldUntil)
	before := w.jobs(t, "webhook.drain")
	w.drain(t, e)
	require.Len(t, r.all(), 2)
	require.Equal(t, before+1, w.jobs(t, "webhook.drain"), "another process has its job")
}

// A backlog that could not be tried within a day fails without an attempt.
func TestBacklogExpires(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t, nil)
	e, _ := w.endpoint(t, r.URL)
	w.emit(t, events(250, webhook.CustomerUpdated)...)
	w.Clock.Advance(24*time.Hour - time.Second)
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	w.Clock.Advance(time.Second)
	w.drain(t, e)
	require.Len(t, r.all(), 1)
	require.Equal(t, 250, get[int](t, w, "SELECT count(*) FROM webhook_deliveries WHERE state = 'FAILED' AND last_failure = 'EXPIRED' AND attempts = 0"))
}

func TestLogIsKeptForThirtyDays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := w.endpoint(t, "https://hooks.example.com")
	w.emit(t, events(700, webhook.CustomerUpdated)...)
	w.Clock.Advance(time.Second)
	w.emit(t, events(3, webhook.CustomerUpdated)...)
	// The log of an endpoint that is gone, which a lost job has left.
	w.Exec(t, "UPDATE webhook_deliveries SET endpoint_id = $1 WHERE id IN (SELECT id FROM webhook_deliveries ORDER BY id LIMIT 5)", w.Viewer.OrganizationID)
	w.Clock.Advance(30*24*time.Hour - time.Second)
	require.NoError(t, w.deliverer.Purge(t.Context()))
	require.Len(t, w.deliveries(t), 703)
	w.Clock.Advance(time.Second)
	require.NoError(t, w.deliverer.Purge(t.Context()))
	left := w.deliveries(t)
	require.Len(t, left, 3)
	require.Equal(t, e.UUID, left[0].EndpointID)
}

func TestObserveIsToldOfEveryAttempt(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]int{}
	w := newWorldWith(t, webhook.Options{AllowPrivate: true, Observe: func(outcome string, took time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		seen[outcome]++
		if took < 0 {
			seen[fmt.Sprint(took)]++
		}
	}})
	r := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(webhook.HeaderEvent) == "customer.deleted" {
			w.WriteHeader(500)
		}
	})
	e, _ := w.endpoint(t, r.URL)
	w.emit(t, append(events(2, webhook.CustomerDeleted), events(3, webhook.CustomerUpdated)...)...)
	w.drain(t, e)
	require.Equal(t, map[string]int{"delivered": 3, "status": 2}, seen)
}
