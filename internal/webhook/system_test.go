package webhook_test

import (
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/stretchr/testify/require"

	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/webhook"
)

// dump is every row of every table as text, bytes in hexadecimal.
func (w *world) dump(t testing.TB) string {
	t.Helper()
	return fmt.Sprint(w.Dump(t))
}

// newClient makes what runs jobs, those that deliver to so many endpoints at once.
func (w *world) newClient(t testing.TB, n int) *river.Client[*sql.Tx] {
	t.Helper()
	workers := river.NewWorkers()
	w.deliverer.AddWorkers(workers)
	queues := map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 2}}
	for name, n := range webhook.Queues(n) {
		queues[name] = river.QueueConfig{MaxWorkers: n}
	}
	client, err := river.NewClient(riverdatabasesql.New(w.Pool.SQL()), &river.Config{
		Logger: slog.New(slog.NewTextHandler(w.Log, &slog.HandlerOptions{Level: slog.LevelDebug})), Workers: workers, PollOnly: true, FetchPollInterval: 100 * time.Millisecond,
		Queues: queues,
	})
	require.NoError(t, err)
	return client
}

// The whole way: jobs are enqueued with the change and run by River; and the secret is nowhere in clear text.
func TestJobsDeliverAndSecretsStayHidden(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// River has a clock of its own.
	w.Clock.Set(time.Now())
	arrived := make(chan struct{}, 10)
	r := newReceiver(t, nil)
	r.set(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(204); arrived <- struct{}{} })
	e, first := w.endpoint(t, r.URL)
	_, second, err := w.RotateSecret(t.Context(), w.Viewer, webhook.RotateSecretInput{ID: e.ID()})
	require.NoError(t, err)
	client := w.newClient(t, 2)
	completed, unsubscribe := client.Subscribe(river.EventKindJobCompleted, river.EventKindJobFailed)
	defer unsubscribe()
	require.NoError(t, client.Start(t.Context()))
	w.emit(t, events(3, webhook.CustomerUpdated)...)
	for range 3 {
		select {
		case <-arrived:
		case <-time.After(dbtest.Patience):
			require.FailNow(t, "no delivery arrived")
		}
	}
	_, err = w.DeleteEndpoint(t.Context(), w.Viewer, webhook.DeleteEndpointInput{ID: e.ID()})
	require.NoError(t, err)
	for _, args := range []river.JobArgs{webhook.SweepArgs{}, webhook.PurgeArgs{}} {
		_, err := client.Insert(t.Context(), args, nil)
		require.NoError(t, err)
	}
	kinds := map[string]bool{}
	for len(kinds) < 4 {
		select {
		case event := <-completed:
			require.Equal(t, river.EventKindJobCompleted, event.Kind, fmt.Sprint(event.Job.Errors))
			kinds[event.Job.Kind] = true
		case <-time.After(dbtest.Patience):
			require.FailNow(t, "not every job ran", "%v", kinds)
		}
	}
	require.NoError(t, client.Stop(t.Context()))
	require.Empty(t, w.deliveries(t), "the log of a deleted endpoint is removed by its job")

	kept, third := w.endpoint(t, r.URL)
	_, fourth, err := w.RotateSecret(t.Context(), w.Viewer, webhook.RotateSecretInput{ID: kept.ID()})
	require.NoError(t, err)
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	w.drain(t, kept)
	everything := w.dump(t) + w.Log.String()
	require.Contains(t, everything, kept.UUID.String(), "the dump has what is stored")
	for _, secret := range []string{first, second, third, fourth} {
		for _, form := range []string{secret, strings.TrimPrefix(secret, "whsec_"), hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret))[:40]} {
			require.NotContains(t, everything, form)
		}
	}
}

// An organization whose receivers do not answer, more of them than there are workers, does not hold up another one;
// and each of its own has its turn as soon as one before it ends.
func TestSlowOrganizationDelaysNoOther(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, webhook.Options{AllowPrivate: true, PerOrganization: 2})
	w.Clock.Set(time.Now())
	begun, answer, arrived := make(chan string, 100), make(chan struct{}), make(chan struct{}, 1)
	var at atomic.Int32
	slow := newReceiver(t, func(_ http.ResponseWriter, r *http.Request) {
		if at.Add(1) > 2 {
			t.Error("the organization has more than its share")
		}
		begun <- r.URL.Path
		<-answer
		at.Add(-1)
	})
	fast := newReceiver(t, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{} })
	for i := range 6 {
		w.endpoint(t, fmt.Sprintf("%s/%d", slow.URL, i))
	}
	other := dbtest.NewViewer(uuid.MustParse("01920000-0000-7000-8000-0000000000bb"))
	w.Exec(t, "INSERT INTO organizations (organization_id, id, name, created_at, updated_at, created_by, updated_by) VALUES ($1, $1, 'Lagoon', now(), now(), 'x', 'x')", other.OrganizationID)
	_, _, err := w.CreateEndpoint(t.Context(), other, webhook.CreateEndpointInput{URL: fast.URL, Events: []webhook.EventType{webhook.CustomerUpdated}})
	require.NoError(t, err)
	client := w.newClient(t, 3)
	require.NoError(t, client.Start(t.Context()))
	next := func() string {
		t.Helper()
		select {
		case path := <-begun:
			return path
		case <-time.After(dbtest.Patience):
			require.FailNow(t, "the slow organization has no turn")
			return ""
		}
	}

	w.emit(t, events(1, webhook.CustomerUpdated)...)
	seen := map[string]bool{next(): true, next(): true}
	require.NoError(t, w.Pool.InTx(t.Context(), w.Clock.Now(), func(tx *db.Tx) error {
		return w.outbox.Emit(t.Context(), tx, other, events(1, webhook.CustomerUpdated)...)
	}))
	select {
	case <-arrived:
	case <-time.After(dbtest.Patience):
		require.FailNow(t, "the other organization waits for the slow one")
	}
	close(answer)
	for len(seen) < 6 {
		seen[next()] = true
	}
	require.NoError(t, client.Stop(t.Context()))
	require.Zero(t, get[int](t, w, "SELECT count(*) FROM webhook_deliveries WHERE state <> 'DELIVERED'"), "without a sweep")
}

// Jobs of endpoints that fail are in a queue of their own, whoever enqueues them.
func TestFailingEndpointsHaveTheirOwnQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t, status(500))
	e, _ := w.endpoint(t, r.URL)
	queues := func() map[string]int {
		t.Helper()
		out := map[string]int{}
		for _, name := range []string{webhook.Queue, webhook.FailingQueue} {
			out[name] = get[int](t, w, "SELECT count(*) FROM river_job WHERE queue = $1", name)
		}
		w.Exec(t, "DELETE FROM river_job")
		return out
	}
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	require.Equal(t, map[string]int{webhook.Queue: 1, webhook.FailingQueue: 0}, queues())
	w.drain(t, e)
	require.Equal(t, map[string]int{webhook.Queue: 0, webhook.FailingQueue: 1}, queues(), "the retry")
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	_, err := w.Ping(t.Context(), w.Viewer, webhook.PingEndpointInput{ID: e.ID()})
	require.NoError(t, err)
	require.Equal(t, map[string]int{webhook.Queue: 0, webhook.FailingQueue: 2}, queues())
	w.Clock.Advance(time.Minute)
	require.NoError(t, w.deliverer.Sweep(t.Context()))
	require.Equal(t, map[string]int{webhook.Queue: 0, webhook.FailingQueue: 1}, queues())
	r.set(nil)
	w.drain(t, e)
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	require.Equal(t, map[string]int{webhook.Queue: 1, webhook.FailingQueue: 0}, queues())
}
