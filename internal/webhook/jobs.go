package webhook

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
)

// The queues of the jobs that talk to receivers. They are their own, so that receivers that do not answer delay no
// other job; and those that have been failing have a second one, so that they do not delay receivers that work.
const (
	Queue        = "webhooks"
	FailingQueue = "webhooks_failing"
)

// How often the periodic jobs run.
const (
	SweepInterval = 30 * time.Second
	PurgeInterval = time.Hour
)

// Queues are both queues, with the jobs of each that run at once in a process that delivers to n endpoints at a time.
// A job holds no connection to the database while it waits for a response.
func Queues(n int) map[string]int { return map[string]int{Queue: n, FailingQueue: max(1, n/2)} }

// PerOrganization is how many of n one organization may take, so that there is room for others; see [Options].
func PerOrganization(n int) int { return max(1, n/4) }

// turn is an endpoint that is to be delivered to.
type turn struct {
	OrganizationID uuid.UUID `db:"organization_id"`
	EndpointID     uuid.UUID `db:"id"`
	// Failing chooses the queue; the job is the same.
	Failing bool `db:"is_failing"`
}

// job is the job of a turn, to run at a time or, when that is zero, at once.
func (t turn) job(at time.Time) river.InsertManyParams {
	queue := Queue
	if t.Failing {
		queue = FailingQueue
	}
	return river.InsertManyParams{Args: DrainArgs{t.OrganizationID, t.EndpointID}, InsertOpts: &river.InsertOpts{Queue: queue, ScheduledAt: at}}
}

// DrainArgs is the job that delivers what is due at one endpoint.
type DrainArgs struct {
	OrganizationID uuid.UUID `json:"organizationId"`
	EndpointID     uuid.UUID `json:"endpointId"`
}

// Kind names the job.
func (DrainArgs) Kind() string { return "webhook.drain" }

// DrainWorker runs [Deliverer.Drain] where the organization has a turn left.
type DrainWorker struct {
	river.WorkerDefaults[DrainArgs]
	Deliverer *Deliverer
}

// Work implements river.Worker.
func (w *DrainWorker) Work(ctx context.Context, job *river.Job[DrainArgs]) error {
	return w.Deliverer.drainWithinLimit(ctx, turn{job.Args.OrganizationID, job.Args.EndpointID, job.Queue == FailingQueue})
}

// ForgetArgs is the job that removes the log of an endpoint that was deleted.
type ForgetArgs struct {
	OrganizationID uuid.UUID `json:"organizationId"`
	EndpointID     uuid.UUID `json:"endpointId"`
}

// Kind names the job.
func (ForgetArgs) Kind() string { return "webhook.forget" }

// ForgetWorker runs [Deliverer.Forget].
type ForgetWorker struct {
	river.WorkerDefaults[ForgetArgs]
	Deliverer *Deliverer
}

// Work implements river.Worker.
func (w *ForgetWorker) Work(ctx context.Context, job *river.Job[ForgetArgs]) error {
	done, err := w.Deliverer.Forget(ctx, job.Args.OrganizationID, job.Args.EndpointID)
	if err == nil && !done {
		// A long log takes longer than a job may run.
		return river.JobSnooze(time.Second)
	}
	return err
}

// SweepArgs is the job that enqueues jobs for deliveries that are late.
type SweepArgs struct{}

// Kind names the job.
func (SweepArgs) Kind() string { return "webhook.sweep" }

// SweepWorker runs [Deliverer.Sweep].
type SweepWorker struct {
	river.WorkerDefaults[SweepArgs]
	Deliverer *Deliverer
}

// Work implements river.Worker.
func (w *SweepWorker) Work(ctx context.Context, _ *river.Job[SweepArgs]) error {
	return w.Deliverer.Sweep(ctx)
}

// PurgeArgs is the job that removes old deliveries.
type PurgeArgs struct{}

// Kind names the job.
func (PurgeArgs) Kind() string { return "webhook.purge" }

// PurgeWorker runs [Deliverer.Purge].
type PurgeWorker struct {
	river.WorkerDefaults[PurgeArgs]
	Deliverer *Deliverer
}

// Work implements river.Worker.
func (w *PurgeWorker) Work(ctx context.Context, _ *river.Job[PurgeArgs]) error {
	return w.Deliverer.Purge(ctx)
}

// AddWorkers registers the workers of webhooks. The process must work on [Queue] and [FailingQueue] too, and run
// [SweepArgs] every [SweepInterval] and [PurgeArgs] every [PurgeInterval].
func AddWorkers(workers *river.Workers, c *Deliverer) {
	river.AddWorker(workers, &DrainWorker{Deliverer: c})
	river.AddWorker(workers, &ForgetWorker{Deliverer: c})
	river.AddWorker(workers, &SweepWorker{Deliverer: c})
	river.AddWorker(workers, &PurgeWorker{Deliverer: c})
}
