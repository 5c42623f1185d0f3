package webhook

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
)

// Queue is the queue of the jobs that talk to receivers. It is one of its own, so that receivers that do not
// answer hold up no other job.
const Queue = "webhooks"

// How often the periodic jobs run.
const (
	SweepInterval = 30 * time.Second
	PurgeInterval = time.Hour
)

// DrainArgs is the job that delivers what is due at one endpoint.
type DrainArgs struct {
	OrganizationID uuid.UUID `json:"organizationId"`
	EndpointID     uuid.UUID `json:"endpointId"`
}

// Kind names the job.
func (DrainArgs) Kind() string { return "webhook.drain" }

// DrainWorker runs [Courier.Drain].
type DrainWorker struct {
	river.WorkerDefaults[DrainArgs]
	Courier *Courier
}

// Work implements river.Worker.
func (w *DrainWorker) Work(ctx context.Context, job *river.Job[DrainArgs]) error {
	return w.Courier.Drain(ctx, job.Args.OrganizationID, job.Args.EndpointID)
}

// ForgetArgs is the job that removes the log of an endpoint that was deleted.
type ForgetArgs struct {
	OrganizationID uuid.UUID `json:"organizationId"`
	EndpointID     uuid.UUID `json:"endpointId"`
}

// Kind names the job.
func (ForgetArgs) Kind() string { return "webhook.forget" }

// ForgetWorker runs [Courier.Forget].
type ForgetWorker struct {
	river.WorkerDefaults[ForgetArgs]
	Courier *Courier
}

// Work implements river.Worker.
func (w *ForgetWorker) Work(ctx context.Context, job *river.Job[ForgetArgs]) error {
	done, err := w.Courier.Forget(ctx, job.Args.OrganizationID, job.Args.EndpointID)
	if err == nil && !done {
		// A long log takes longer than a job may run.
		return river.JobSnooze(time.Second)
	}
	return err
}

// SweepArgs is the job that takes up what was left behind.
type SweepArgs struct{}

// Kind names the job.
func (SweepArgs) Kind() string { return "webhook.sweep" }

// SweepWorker runs [Courier.Sweep].
type SweepWorker struct {
	river.WorkerDefaults[SweepArgs]
	Courier *Courier
}

// Work implements river.Worker.
func (w *SweepWorker) Work(ctx context.Context, _ *river.Job[SweepArgs]) error {
	return w.Courier.Sweep(ctx)
}

// PurgeArgs is the job that removes deliveries whose time in the log is over.
type PurgeArgs struct{}

// Kind names the job.
func (PurgeArgs) Kind() string { return "webhook.purge" }

// PurgeWorker runs [Courier.Purge].
type PurgeWorker struct {
	river.WorkerDefaults[PurgeArgs]
	Courier *Courier
}

// Work implements river.Worker.
func (w *PurgeWorker) Work(ctx context.Context, _ *river.Job[PurgeArgs]) error {
	return w.Courier.Purge(ctx)
}

// AddWorkers makes the jobs of webhooks runnable. The process must work on [Queue] too, and run [SweepArgs] every
// [SweepInterval] and [PurgeArgs] every [PurgeInterval].
func AddWorkers(workers *river.Workers, c *Courier) {
	river.AddWorker(workers, &DrainWorker{Courier: c})
	river.AddWorker(workers, &ForgetWorker{Courier: c})
	river.AddWorker(workers, &SweepWorker{Courier: c})
	river.AddWorker(workers, &PurgeWorker{Courier: c})
}
