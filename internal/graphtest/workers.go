package graphtest

import (
	"context"
	"log/slog"
	"testing"

	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"caseload/internal/bulk"
	"caseload/internal/dbtest"
	"caseload/internal/jobs"
	"caseload/internal/observe"
	"caseload/internal/webhook"
)

// Workers is what a server process does in the background.
type Workers struct {
	// Operations works on bulk operations, and Deliverer delivers webhooks.
	Operations *bulk.Runner
	Deliverer  *webhook.Deliverer
}

// NewWorkers makes the background work of a server, which does nothing by itself: tests run what they want to see.
func (w *World) NewWorkers(t testing.TB, s *Server, metrics *observe.Metrics) *Workers {
	t.Helper()
	f := &Workers{
		Operations: bulk.NewRunner(s.Bulk),
		Deliverer:  webhook.NewDeliverer(s.Pool, w.sealer, s.Outbox, webhook.Options{AllowPrivate: true, Observe: metrics.WebhookAttempt, Log: slog.New(s.Log)}, w.Clock.Now),
	}
	t.Cleanup(f.Deliverer.Close)
	return f
}

// StartWorkers runs the jobs of the server as the program does, until the test ends.
func (w *World) StartWorkers(t testing.TB, s *Server, metrics *observe.Metrics) *Workers {
	t.Helper()
	f := w.NewWorkers(t, s, metrics)
	workers := river.NewWorkers()
	// The schedules of their jobs are left out.
	for _, add := range []func(*river.Workers) []*river.PeriodicJob{s.Schedules.AddWorkers, s.Outcomes.AddWorkers, f.Operations.AddWorkers, f.Deliverer.AddWorkers} {
		add(workers)
	}
	runner, err := jobs.New(s.Pool.SQL(), jobs.Options{Workers: 4, Queues: webhook.Queues(2), Log: slog.New(s.Log), Observe: metrics.Job}, workers)
	require.NoError(t, err)
	require.NoError(t, runner.Start(context.WithoutCancel(t.Context())))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), dbtest.Patience)
		defer cancel()
		f.Operations.Drain()
		require.NoError(t, runner.Stop(ctx))
	})
	return f
}
