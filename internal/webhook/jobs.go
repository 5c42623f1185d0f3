package webhook

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"caseload/internal/jobs"
)

// The queues of deliveries: their own, so that receivers which do not answer delay no other job, and one for receivers that
// have been failing, so that they do not delay those that work.
const (
	Queue        = "webhooks"
	FailingQueue = "webhooks_failing"
)

// Queues returns how many jobs of each queue run at once in a process that delivers to n endpoints at a time. A job holds no
// database connection while it waits for a response.
func Queues(n int) map[string]int { return map[string]int{Queue: n, FailingQueue: max(1, n/2)} }

// PerOrganization is how many of n endpoints may be one organization's; see [Options].
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

// DrainArgs is the job of [Deliverer.Drain], where the organization is within its limit.
type DrainArgs struct {
	OrganizationID uuid.UUID `json:"organizationId"`
	EndpointID     uuid.UUID `json:"endpointId"`
}

// Kind names the job.
func (DrainArgs) Kind() string { return "webhook.drain" }

// ForgetArgs is the job of [Deliverer.Forget].
type ForgetArgs struct {
	OrganizationID uuid.UUID `json:"organizationId"`
	EndpointID     uuid.UUID `json:"endpointId"`
}

// Kind names the job.
func (ForgetArgs) Kind() string { return "webhook.forget" }

// SweepArgs is the job of [Deliverer.Sweep].
type SweepArgs struct{}

// Kind names the job.
func (SweepArgs) Kind() string { return "webhook.sweep" }

// PurgeArgs is the job of [Deliverer.Purge].
type PurgeArgs struct{}

// Kind names the job.
func (PurgeArgs) Kind() string { return "webhook.purge" }

// AddWorkers registers the workers of webhooks, and returns the schedules of their jobs. The process must work on [Queue] and
// [FailingQueue] too.
func (c *Deliverer) AddWorkers(workers *river.Workers) []*river.PeriodicJob {
	jobs.Add(workers, 0, func(ctx context.Context, job *river.Job[DrainArgs]) error {
		return c.drainWithinLimit(ctx, turn{job.Args.OrganizationID, job.Args.EndpointID, job.Queue == FailingQueue})
	})
	jobs.Add(workers, 0, func(ctx context.Context, job *river.Job[ForgetArgs]) error {
		done, err := c.Forget(ctx, job.Args.OrganizationID, job.Args.EndpointID)
		if err == nil && !done {
			// A long log takes longer than a job may run.
			return river.JobSnooze(time.Second)
		}
		return err
	})
	jobs.Add(workers, 0, func(ctx context.Context, _ *river.Job[SweepArgs]) error { return c.Sweep(ctx) })
	jobs.Add(workers, 0, func(ctx context.Context, _ *river.Job[PurgeArgs]) error { return c.Purge(ctx) })
	return []*river.PeriodicJob{jobs.Every(30*time.Second, SweepArgs{}), jobs.Every(time.Hour, PurgeArgs{})}
}
