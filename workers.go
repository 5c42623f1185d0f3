package main

import (
	"context"

	"github.com/riverqueue/river"

	"caseload/internal/bulk"

	"caseload/internal/customer/intake"
	"caseload/internal/idempotency"
	"caseload/internal/jobs"
	"caseload/internal/schedule"
	"caseload/internal/webhook"
)

// workforce is all that a process with workers runs in the background.
type workforce struct {
	runner     *jobs.Runner
	operations *bulk.Runner
	deliverer  *webhook.Deliverer
}

// hire makes every job of the program runnable, with the schedules of those that recur.
func (p *program) hire(ctx context.Context) (*workforce, error) {
	f := &workforce{
		operations: bulk.NewRunner(p.api.Bulk),
		deliverer: webhook.NewDeliverer(p.pool, p.sealer, p.api.Outbox,
			webhook.Options{
				AllowPrivate: p.cfg.Lending.AllowPrivate, PerOrganization: webhook.PerOrganization(p.cfg.Jobs.Webhooks), Observe: p.metrics.WebhookAttempt, Log: p.log,
			}, p.now),
	}
	f.operations.Observe = p.metrics.BulkRows
	workers := river.NewWorkers()
	river.AddWorker(workers, &schedule.ReapWorker{Schedules: p.api.Schedules})
	river.AddWorker(workers, &intake.LinkParentsWorker{Intake: p.api.Intake})
	river.AddWorker(workers, &idempotency.ExpireWorker{Outcomes: p.api.Outcomes})
	river.AddWorker(workers, &bulk.RunWorker{Runner: f.operations})
	river.AddWorker(workers, &bulk.SweepWorker{Operations: p.api.Bulk})
	river.AddWorker(workers, &bulk.ExpireWorker{Operations: p.api.Bulk})
	webhook.AddWorkers(workers, f.deliverer)
	var err error
	f.runner, err = jobs.New(p.pool.SQL(), jobs.Options{
		// A bulk operation holds its job for long: others must not wait for it.
		Workers: p.cfg.Jobs.Workers + p.cfg.Files.Operations,
		Queues:  webhook.Queues(p.cfg.Jobs.Webhooks),
		Log:     p.log, Observe: p.metrics.Job,
	}, workers,
		jobs.Every(schedule.ReapInterval, schedule.ReapArgs{}),
		jobs.Every(idempotency.ExpireInterval, idempotency.ExpireArgs{}),
		jobs.Every(bulk.SweepInterval, bulk.SweepArgs{}),
		jobs.Every(bulk.ExpireInterval, bulk.ExpireArgs{}),
		jobs.Every(webhook.SweepInterval, webhook.SweepArgs{}),
		jobs.Every(webhook.PurgeInterval, webhook.PurgeArgs{}),
	)
	if err != nil {
		return nil, err
	}
	return f, f.runner.Start(ctx)
}

// dismiss takes no more jobs, hands bulk operations back between two chunks, begins no further attempt at a webhook,
// and lets what runs finish until ctx ends.
func (f *workforce) dismiss(ctx context.Context) error {
	if f == nil {
		return nil
	}
	f.operations.Drain()
	f.deliverer.Stop()
	defer f.deliverer.Close()
	return f.runner.Stop(ctx)
}
