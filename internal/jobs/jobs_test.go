package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
	"caseload/internal/jobs"
)

const patience = time.Minute

// letter is a job of these tests.
type letter struct {
	To string `json:"to"`
}

func (letter) Kind() string { return "test.letter" }

// worker does with a letter what the test says.
type worker struct {
	river.WorkerDefaults[letter]
	work func(context.Context, *river.Job[letter]) error
}

func (w *worker) Work(ctx context.Context, job *river.Job[letter]) error { return w.work(ctx, job) }

// run is one observed run of a job.
type run struct{ kind, outcome string }

type observed struct {
	mu   sync.Mutex
	runs []run
}

func (o *observed) observe(kind, outcome string, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.runs = append(o.runs, run{kind, outcome})
}

func (o *observed) all() []run {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]run(nil), o.runs...)
}

// newRunner makes a started runner, as one more process has it.
func newRunner(t *testing.T, db *sqlx.DB, o *observed, work func(context.Context, *river.Job[letter]) error, periodic ...*river.PeriodicJob) *jobs.Runner {
	t.Helper()
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{work: work})
	r, err := jobs.New(db.DB, jobs.Options{Workers: 2, Log: slog.New(slog.DiscardHandler), Observe: o.observe}, workers, periodic...)
	require.NoError(t, err)
	require.NoError(t, r.Start(context.Background()))
	return r
}

func stop(t *testing.T, r *jobs.Runner, within time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	require.NoError(t, r.Stop(ctx))
}

func state(t *testing.T, db *sqlx.DB, id int64) string {
	t.Helper()
	var s string
	require.NoError(t, db.Get(&s, `SELECT state FROM river_job WHERE id = $1`, id))
	return s
}

// post enqueues a letter in a transaction, and ends the transaction by end.
func post(t *testing.T, db *sqlx.DB, end func(*sqlx.Tx) error) int64 {
	t.Helper()
	client, err := river.NewClient(riverdatabasesql.New(db.DB), &river.Config{})
	require.NoError(t, err)
	tx, err := db.Beginx()
	require.NoError(t, err)
	inserted, err := client.InsertTx(t.Context(), tx.Tx, letter{To: "Ann"}, nil)
	require.NoError(t, err)
	require.NoError(t, end(tx))
	return inserted.Job.ID
}

func wait(t *testing.T, c <-chan string) string {
	t.Helper()
	select {
	case s := <-c:
		return s
	case <-time.After(patience):
		require.FailNow(t, "no job ran")
		return ""
	}
}

func TestJobsOfCommittedTransactionsRun(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	post(t, db, (*sqlx.Tx).Rollback)
	id := post(t, db, (*sqlx.Tx).Commit)
	o, ran := &observed{}, make(chan string, 9)
	r := newRunner(t, db, o, func(_ context.Context, job *river.Job[letter]) error {
		ran <- job.Args.To
		return nil
	})
	require.Equal(t, "Ann", wait(t, ran))
	stop(t, r, patience)
	require.Equal(t, "completed", state(t, db, id), "stopping waits for what runs, and keeps its result")
	require.Equal(t, []run{{"test.letter", "done"}}, o.all(), "the job that was rolled back never ran")
}

func TestFailedJobIsTriedAgain(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	o, ran, times := &observed{}, make(chan string, 9), 0
	id := post(t, db, (*sqlx.Tx).Commit)
	r := newRunner(t, db, o, func(_ context.Context, _ *river.Job[letter]) error {
		times++
		ran <- "again"
		if times == 1 {
			return errors.New("the post office is closed")
		}
		return nil
	})
	wait(t, ran)
	wait(t, ran)
	stop(t, r, patience)
	require.Equal(t, "completed", state(t, db, id))
	require.Equal(t, []run{{"test.letter", "failed"}, {"test.letter", "done"}}, o.all())
}

// What does not finish while the server drains is handed back, and another process runs it.
func TestStopHandsBackWhatDoesNotFinish(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	began := make(chan string, 9)
	id := post(t, db, (*sqlx.Tx).Commit)
	first := newRunner(t, db, &observed{}, func(ctx context.Context, _ *river.Job[letter]) error {
		began <- "first"
		<-ctx.Done()
		return ctx.Err()
	})
	wait(t, began)
	stop(t, first, 50*time.Millisecond)
	require.Contains(t, []string{"available", "retryable"}, state(t, db, id), "not lost, and not held by the process that has gone")

	second := newRunner(t, db, &observed{}, func(context.Context, *river.Job[letter]) error {
		began <- "second"
		return nil
	})
	require.Equal(t, "second", wait(t, began))
	stop(t, second, patience)
	require.Equal(t, "completed", state(t, db, id))
}

// deaf is a worker whose jobs may run for a moment only.
type deaf struct{ worker }

func (*deaf) Timeout(*river.Job[letter]) time.Duration { return time.Millisecond }

// Jobs that do not end when they should keep no others from running.
func TestStuckJobsFreeTheirWorkers(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	began, release := make(chan string, 3), make(chan struct{})
	workers := river.NewWorkers()
	river.AddWorker(workers, &deaf{worker{work: func(_ context.Context, job *river.Job[letter]) error {
		began <- job.Args.To
		<-release
		return nil
	}}})
	r, err := jobs.New(db.DB, jobs.Options{Workers: 2, Log: slog.New(slog.DiscardHandler)}, workers)
	require.NoError(t, err)
	require.NoError(t, r.Start(context.Background()))
	for range 3 {
		post(t, db, (*sqlx.Tx).Commit)
	}
	for range 3 {
		require.Equal(t, "Ann", wait(t, began))
	}
	close(release)
	stop(t, r, patience)
}

// Every server process has the schedule; the work is done once.
func TestEveryEnqueuesOnceForAllProcesses(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	ran := make(chan string, 9)
	work := func(context.Context, *river.Job[letter]) error {
		ran <- "ran"
		return nil
	}
	first := newRunner(t, db, &observed{}, work, jobs.Every(24*time.Hour, letter{To: "everybody"}))
	wait(t, ran)
	stop(t, first, patience)
	// Each becomes the leader, one after the other, and would enqueue at its start.
	ready := make(chan string, 9)
	second := newRunner(t, db, &observed{}, func(_ context.Context, job *river.Job[letter]) error {
		ready <- job.Args.To
		return nil
	}, jobs.Every(24*time.Hour, letter{To: "everybody"}), jobs.Every(24*time.Hour, letter{To: "the second process"}))
	require.Equal(t, "the second process", wait(t, ready))
	stop(t, second, patience)
	var n int
	require.NoError(t, db.Get(&n, `SELECT count(*) FROM river_job WHERE args->>'to' = 'everybody'`))
	require.Equal(t, 1, n)
}
