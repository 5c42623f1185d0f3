package schedule

import (
	"context"
	"time"

	"github.com/riverqueue/river"
)

// ReapInterval is how often leases that ran out are looked for.
const ReapInterval = 30 * time.Second

// ReapArgs is the job that ends leases that ran out and tasks whose plan is over.
type ReapArgs struct{}

// Kind names the job.
func (ReapArgs) Kind() string { return "schedule.reap" }

// ReapWorker runs [Service.Reap].
type ReapWorker struct {
	river.WorkerDefaults[ReapArgs]
	Schedules *Service
}

// Work implements river.Worker.
func (w *ReapWorker) Work(ctx context.Context, _ *river.Job[ReapArgs]) error {
	return w.Schedules.Reap(ctx)
}
