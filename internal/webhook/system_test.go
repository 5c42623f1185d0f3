package webhook_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/stretchr/testify/require"

	"caseload/internal/webhook"
)

// dump is every row of every table as text, bytes in hexadecimal.
func (w *world) dump(t testing.TB) string {
	t.Helper()
	rows, err := w.pool.SQL().Query("SELECT relname FROM pg_class WHERE relnamespace = CAST('public' AS regnamespace) AND relkind = 'r'")
	require.NoError(t, err)
	var tables []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		tables = append(tables, name)
	}
	require.NoError(t, rows.Err())
	require.NoError(t, rows.Close())
	var b strings.Builder
	for _, table := range tables {
		b.WriteString(get[string](t, w, "SELECT coalesce(string_agg(CAST(row_to_json(r) AS text), E'\\n'), '') FROM "+table+" r"))
	}
	return b.String()
}

// The whole way: jobs are enqueued with the change and run by River; and the secret is nowhere in clear text.
func TestJobsDeliverAndSecretsStayHidden(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// River has a clock of its own.
	w.now = time.Now()
	arrived := make(chan struct{}, 10)
	r := newReceiver(t, nil)
	r.set(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(204); arrived <- struct{}{} })
	e, first := w.endpoint(t, r.URL)
	_, second, err := w.RotateSecret(t.Context(), w.v, webhook.RotateSecretInput{ID: e.ID()})
	require.NoError(t, err)
	workers := river.NewWorkers()
	webhook.AddWorkers(workers, w.courier)
	client, err := river.NewClient(riverdatabasesql.New(w.pool.SQL()), &river.Config{
		Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Workers: workers, PollOnly: true, FetchPollInterval: 100 * time.Millisecond,
		Queues: map[string]river.QueueConfig{webhook.Queue: {MaxWorkers: 2}},
	})
	require.NoError(t, err)
	completed, unsubscribe := client.Subscribe(river.EventKindJobCompleted, river.EventKindJobFailed)
	defer unsubscribe()
	require.NoError(t, client.Start(t.Context()))
	w.emit(t, events(3, webhook.CustomerUpdated)...)
	for range 3 {
		select {
		case <-arrived:
		case <-time.After(patience):
			require.FailNow(t, "no delivery arrived")
		}
	}
	_, err = w.DeleteEndpoint(t.Context(), w.v, webhook.DeleteEndpointInput{ID: e.ID()})
	require.NoError(t, err)
	for _, args := range []river.JobArgs{webhook.SweepArgs{}, webhook.PurgeArgs{}} {
		_, err := client.Insert(t.Context(), args, &river.InsertOpts{Queue: webhook.Queue})
		require.NoError(t, err)
	}
	kinds := map[string]bool{}
	for len(kinds) < 4 {
		select {
		case event := <-completed:
			require.Equal(t, river.EventKindJobCompleted, event.Kind, fmt.Sprint(event.Job.Errors))
			kinds[event.Job.Kind] = true
		case <-time.After(patience):
			require.FailNow(t, "not every job ran", "%v", kinds)
		}
	}
	require.NoError(t, client.Stop(t.Context()))
	require.Empty(t, w.deliveries(t), "the log of a deleted endpoint is removed by its job")

	kept, third := w.endpoint(t, r.URL)
	_, fourth, err := w.RotateSecret(t.Context(), w.v, webhook.RotateSecretInput{ID: kept.ID()})
	require.NoError(t, err)
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	w.drain(t, kept)
	everything := w.dump(t) + w.log.String()
	require.Contains(t, everything, kept.UUID.String(), "the dump has what is stored")
	for _, secret := range []string{first, second, third, fourth} {
		for _, form := range []string{secret, strings.TrimPrefix(secret, "whsec_"), hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret))[:40]} {
			require.NotContains(t, everything, form)
		}
	}
}
