package webhook

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
)

// The queues of the jobs that talk to receivers. They are their own, so that receivers that do not answer hold up no
// other job; and those that have been failing have one apart, so that they do not hold up receivers that work.
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
// While nobody answers a job holds no connection to the database.
func Queues(n int) map[string]int { return map[string]int{Queue: n, FailingQueue: max(1, n/2)} }

// Share is how many of n one organization may take, so that there is room for others; see [Options].
func Share(n int) int { return max(1, n/4) }

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

// DrainWorker runs [Courier.Drain] where the organization has a turn left.
type DrainWorker struct {
	river.WorkerDefaults[DrainArgs]
	Courier *Courier
}

// Work implements river.Worker.
func (w *DrainWorker) Work(ctx context.Context, job *river.Job[DrainArgs]) error {
	return w.Courier.take(ctx, turn{job.Args.OrganizationID, job.Args.EndpointID, job.Queue == FailingQueue})
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

// AddWorkers makes the jobs of webhooks runnable. The process must work on [Queue] and [FailingQueue] too, and run [SweepArgs] every
// [SweepInterval] and [PurgeArgs] every [PurgeInterval].
func AddWorkers(workers *river.Workers, c *Courier) {
	river.AddWorker(workers, &DrainWorker{Courier: c})
	river.AddWorker(workers, &ForgetWorker{Courier: c})
	river.AddWorker(workers, &SweepWorker{Courier: c})
	river.AddWorker(workers, &PurgeWorker{Courier: c})
}
