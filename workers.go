package main

import (
	"context"
	"errors"

	"github.com/riverqueue/river"

	"caseload/internal/bulk"
	"caseload/internal/idempotency"
	"caseload/internal/jobs"
	"caseload/internal/schedule"
	"caseload/internal/webhook"
)

// webhookWorkers is how many endpoints are delivered to at once; each has several deliveries under way.
const webhookWorkers = 4

// workforce is all that a process with workers runs in the background.
type workforce struct {
	runner     *jobs.Runner
	operations *bulk.Runner
	courier    *webhook.Courier
}

// hire makes every job of the program runnable, with the schedules of those that recur.
func (p *program) hire(ctx context.Context) (*workforce, error) {
	f := &workforce{
		operations: bulk.NewRunner(p.api.Bulk),
		courier: webhook.NewCourier(p.pool, p.sealer, p.api.Outbox,
			webhook.Options{AllowPrivate: p.cfg.Lending.AllowPrivate, Observe: p.metrics.WebhookAttempt, Log: p.log}, p.now),
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &schedule.ReapWorker{Schedules: p.api.Schedules})
	river.AddWorker(workers, &idempotency.ExpireWorker{Outcomes: p.api.Outcomes})
	river.AddWorker(workers, &bulk.RunWorker{Runner: f.operations})
	river.AddWorker(workers, &bulk.SweepWorker{Operations: p.api.Bulk})
	river.AddWorker(workers, &bulk.ExpireWorker{Operations: p.api.Bulk})
	webhook.AddWorkers(workers, f.courier)
	var err error
	f.runner, err = jobs.New(p.pool.SQL(), jobs.Options{
		// A bulk operation holds its job for long: others must not wait for it.
		Workers: p.cfg.Jobs.Workers + p.cfg.Files.Operations,
		Queues:  map[string]int{webhook.Queue: webhookWorkers},
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

// dismiss hands bulk operations back between two chunks, and lets the other jobs finish until ctx ends.
func (f *workforce) dismiss(ctx context.Context) error {
	if f == nil {
		return nil
	}
	f.operations.Drain()
	err := f.runner.Stop(ctx)
	f.courier.Close()
	return errors.Join(err)
}
