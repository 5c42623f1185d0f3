package schedule

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"caseload/internal/jobs"
)

// ReapArgs is the job of [Service.Reap].
type ReapArgs struct{}

// Kind names the job.
func (ReapArgs) Kind() string { return "schedule.reap" }

// AddWorkers registers the worker of call tasks, and returns the schedule of its job.
func (s *Service) AddWorkers(workers *river.Workers) []*river.PeriodicJob {
	jobs.Add(workers, 0, func(ctx context.Context, _ *river.Job[ReapArgs]) error { return s.Reap(ctx) })
	return []*river.PeriodicJob{jobs.Every(30*time.Second, ReapArgs{})}
}
