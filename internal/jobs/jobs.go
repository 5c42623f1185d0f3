// Package jobs runs work that is slow, retried or scheduled, by River on the same database: a job is enqueued in the
// transaction of the change that needs it, and run by any process that has workers.
package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivertype"
)

// Options are how jobs are run.
type Options struct {
	// Workers is how many jobs run at once in this process.
	Workers int
	// Queues are further queues, with how many of their jobs run at once.
	Queues map[string]int
	Log    *slog.Logger
	// Observe is called after every run; it may be nil.
	Observe func(kind, outcome string, took time.Duration)
}

// Runner runs jobs until it is stopped.
type Runner struct {
	client *river.Client[*sql.Tx]
}

// New makes a runner of the given workers and schedules. It does nothing until [Runner.Start].
func New(db *sql.DB, o Options, workers *river.Workers, periodic ...*river.PeriodicJob) (*Runner, error) {
	config := &river.Config{
		Logger: o.Log, Workers: workers, PeriodicJobs: periodic,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: o.Workers}},
		// database/sql has no LISTEN; polling once a second is what River does then.
		PollOnly:   true,
		JobTimeout: time.Minute,
		// A job that does not end with its context must not block its worker for ever. River logs it.
		JobStuckHandler: func(context.Context, river.JobStuckHandlerParams) river.JobStuckHandlerResult {
			return river.JobStuckHandlerResult{AddWorkerSlot: true}
		},
	}
	for name, n := range o.Queues {
		config.Queues[name] = river.QueueConfig{MaxWorkers: n}
	}
	if o.Observe != nil {
		config.Middleware = []rivertype.Middleware{&observer{observe: o.Observe}}
	}
	client, err := river.NewClient(riverdatabasesql.New(db), config)
	if err != nil {
		return nil, fmt.Errorf("make job runner: %w", err)
	}
	return &Runner{client}, nil
}

// Inserter makes a client that enqueues jobs and runs none. It is safe for concurrent use.
func Inserter(db *sql.DB) (*river.Client[*sql.Tx], error) {
	// River sends a NOTIFY with an insertion once in FetchCooldown, and a transaction with a NOTIFY makes all others
	// wait for its commit (ADR 3); nobody listens, since workers poll.
	client, err := river.NewClient(riverdatabasesql.New(db), &river.Config{FetchCooldown: 24 * time.Hour, FetchPollInterval: 24 * time.Hour})
	if err != nil {
		return nil, fmt.Errorf("make job client: %w", err)
	}
	return client, nil
}

// Every enqueues a job at each interval, once for all processes together.
func Every(interval time.Duration, args river.JobArgs) *river.PeriodicJob {
	return river.NewPeriodicJob(river.PeriodicInterval(interval), func() (river.JobArgs, *river.InsertOpts) {
		return args, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true, ByPeriod: interval}, MaxAttempts: 1}
	}, &river.PeriodicJobOpts{RunOnStart: true})
}

// worker is a [river.Worker] made of a function.
type worker[A river.JobArgs] struct {
	river.WorkerDefaults[A]
	timeout time.Duration
	run     func(ctx context.Context, job *river.Job[A]) error
}

func (w *worker[A]) Timeout(*river.Job[A]) time.Duration               { return w.timeout }
func (w *worker[A]) Work(ctx context.Context, job *river.Job[A]) error { return w.run(ctx, job) }

// Add registers the function that runs the jobs of a kind, each for at most timeout; zero stands for a minute.
func Add[A river.JobArgs](workers *river.Workers, timeout time.Duration, run func(ctx context.Context, job *river.Job[A]) error) {
	river.AddWorker(workers, &worker[A]{timeout: timeout, run: run})
}

// Start starts to run jobs. They run until the context ends.
func (r *Runner) Start(ctx context.Context) error {
	if err := r.client.Start(ctx); err != nil {
		return fmt.Errorf("start jobs: %w", err)
	}
	return nil
}

// Stop takes no further jobs and waits for those that run, until ctx ends; then they are cancelled and
// handed back to be run again.
func (r *Runner) Stop(ctx context.Context) error {
	if err := r.client.Stop(ctx); err == nil {
		return nil
	}
	hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := r.client.StopAndCancel(hard); err != nil {
		return fmt.Errorf("stop jobs: %w", err)
	}
	return nil
}

// observer measures every job.
type observer struct {
	river.MiddlewareDefaults
	observe func(kind, outcome string, took time.Duration)
}

// Work implements rivertype.WorkerMiddleware.
func (o *observer) Work(ctx context.Context, job *rivertype.JobRow, inner func(context.Context) error) error {
	start := time.Now()
	err := inner(ctx)
	outcome := "done"
	if err != nil {
		outcome = "failed"
	}
	o.observe(job.Kind, outcome, time.Since(start))
	return err
}
