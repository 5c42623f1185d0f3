package main

import (
	"context"
	"slices"

	"github.com/riverqueue/river"

	"caseload/internal/bulk"
	"caseload/internal/customer/intake"
	"caseload/internal/jobs"
	"caseload/internal/webhook"
)

// workers run the jobs of a process.
type workers struct {
	runner     *jobs.Runner
	operations *bulk.Runner
	deliverer  *webhook.Deliverer
}

// startWorkers starts to run every kind of job, and enqueues those that recur.
func (p *program) startWorkers(ctx context.Context) (*workers, error) {
	w := &workers{
		operations: bulk.NewRunner(p.api.Bulk),
		deliverer: webhook.NewDeliverer(p.pool, p.sealer, p.api.Outbox,
			webhook.Options{
				AllowPrivate: p.cfg.Lending.AllowPrivate, PerOrganization: webhook.PerOrganization(p.cfg.Jobs.Webhooks), Observe: p.metrics.WebhookAttempt, Log: p.log,
			}, p.now),
	}
	w.operations.Observe = p.metrics.BulkRows
	all := river.NewWorkers()
	river.AddWorker(all, &intake.LinkParentsWorker{Intake: p.api.Intake})
	periodic := slices.Concat(p.api.Schedules.AddWorkers(all), p.api.Outcomes.AddWorkers(all), w.operations.AddWorkers(all), w.deliverer.AddWorkers(all))
	var err error
	w.runner, err = jobs.New(p.pool.SQL(), jobs.Options{
		// A bulk operation occupies its worker for long: others must not wait for it.
		Workers: p.cfg.Jobs.Workers + p.cfg.Files.Operations,
		Queues:  webhook.Queues(p.cfg.Jobs.Webhooks),
		Log:     p.log, Observe: p.metrics.Job,
	}, all, periodic...)
	if err != nil {
		return nil, err
	}
	return w, w.runner.Start(ctx)
}

// stop takes no more jobs, starts no further chunk of a bulk operation and no further webhook attempt, and waits for what runs
// until ctx ends. It may be called on nil.
func (w *workers) stop(ctx context.Context) error {
	if w == nil {
		return nil
	}
	w.operations.Drain()
	w.deliverer.Stop()
	defer w.deliverer.Close()
	return w.runner.Stop(ctx)
}
