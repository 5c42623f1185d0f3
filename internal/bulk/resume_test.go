package bulk

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/fault"
	"caseload/internal/toolcheck"
)

// shuffled is a file in which some names come again and again, some lines are wrong, and what it must lead to.
func shuffled(random *rand.Rand, prefix string, lines int) (file string, want map[string]string) {
	var b strings.Builder
	want = map[string]string{}
	for i := range lines {
		name := fmt.Sprintf("%s-%d", prefix, i)
		switch random.IntN(200) {
		case 0:
			name = prefix + "-often"
		case 1:
			b.WriteString("not JSON\n")
			continue
		}
		want[name] += fmt.Sprintf("%d ", i)
		fmt.Fprintf(&b, `{"name":%q}`+"\n", name)
	}
	return b.String(), want
}

// exactlyOnce says that every line has one outcome and one effect.
func exactlyOnce(t *testing.T, w *world, o *Operation, want map[string]string) {
	t.Helper()
	require.Equal(t, Completed, o.State)
	got := map[string]string{}
	for name, lines := range w.stock(t) {
		if _, ok := want[name]; ok {
			got[name] = lines
		}
	}
	require.Equal(t, want, got)
	var success int32
	results := w.results(t, o)
	for i, l := range results {
		require.Equal(t, int32(i), *l.Line)
		if l.Success {
			success++
		}
	}
	require.Equal(t, *o.LineCount, int32(len(results)))
	require.Equal(t, *o.LineCount, o.ProcessedCount)
	require.Equal(t, success, o.CreatedCount+o.UpdatedCount)
	require.Equal(t, o.ProcessedCount-success, o.FailedCount)
}

// A process is killed at a random step of its work, and another goes on, again and again.
func TestKilledAtAnyPoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seeds := 12
	if testing.Short() || toolcheck.RaceEnabled {
		seeds = 4
	}
	var total int32
	for seed := range uint64(seeds) {
		random := rand.New(rand.NewPCG(seed, 7))
		file, want := shuffled(random, fmt.Sprint("s", seed), 420)
		o := w.create(t, JSONL, file)
		var kills atomic.Int32
		for !o.State.Final() {
			var reads atomic.Int32
			at := int32(1 + random.IntN(16))
			var victim *world
			victim = w.another(t, func() {
				if victim != nil && reads.Add(1) == at {
					kills.Add(1)
					victim.die(w)
				}
			})
			if random.IntN(2) == 0 {
				// Also inside of a transaction, after its effects and before they are committed.
				victim.things.after = func(context.Context, []*Row) error {
					if reads.Add(1) == at {
						kills.Add(1)
						victim.die(w)
					}
					return nil
				}
			}
			_ = victim.runner.Run(context.Background(), o.OrganizationID, o.UUID)
			w.Clock.Advance(leaseTime + longestWait + time.Second)
			o = w.stored(t, o)
			require.Less(t, kills.Load(), int32(100), "seed %d", seed)
		}
		exactlyOnce(t, w, o, want)
		total += kills.Load()
	}
	require.GreaterOrEqual(t, total, int32(seeds), "once for each file, on average at least")
}

// die ends the process of a world as kill -9 does: its connections break, and it says nothing more. by is another
// process on the same database.
func (w *world) die(by *world) {
	// Closing refuses every further statement at once; those that run are ended from outside.
	closed := make(chan struct{})
	go func() { _ = w.pool.Close(); close(closed) }()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		_, _ = by.pool.Exec(context.Background(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1`, w.Process)
		select {
		case <-closed:
			return
		case <-tick.C:
		}
	}
}

// Any number of processes may be told to work on an operation: one does.
func TestOneRunnerWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file, want := shuffled(rand.New(rand.NewPCG(1, 1)), "n", 300)
	o := w.create(t, JSONL, file)
	var mu sync.Mutex
	who := map[*world]int{}
	var all sync.WaitGroup
	for range 6 {
		other := w.another(t, nil)
		other.things.before = func(context.Context, []*Row) error {
			mu.Lock()
			defer mu.Unlock()
			who[other]++
			return nil
		}
		all.Go(func() { assertNoError(t, other.runner.Run(context.Background(), o.OrganizationID, o.UUID)) })
	}
	all.Wait()
	require.Len(t, who, 1)
	exactlyOnce(t, w, w.stored(t, o), want)
}

func assertNoError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("unexpected error: %v", err)
	}
}

// Who was only thought dead, and wakes up after another has taken over, commits nothing and spoils no results.
func TestLostLeaseCommitsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file, want := shuffled(rand.New(rand.NewPCG(2, 1)), "n", 250)
	o := w.create(t, JSONL, file)
	sleeper := w.another(t, nil)
	asleep, wake := make(chan struct{}), make(chan struct{})
	var once sync.Once
	sleeper.runner.renewEvery = time.Hour
	sleeper.things.before = func(context.Context, []*Row) error {
		once.Do(func() { close(asleep) })
		<-wake
		return nil
	}
	woken := make(chan error)
	go func() { woken <- sleeper.runner.Run(context.Background(), o.OrganizationID, o.UUID) }()
	<-asleep
	require.NoError(t, w.runner.Run(t.Context(), o.OrganizationID, o.UUID))
	require.Equal(t, Running, w.stored(t, o).State, "not while the lease lasts")
	w.Clock.Advance(leaseTime + time.Second)
	o = w.run(t, o)
	exactlyOnce(t, w, o, want)
	before := w.text(t, o)
	close(wake)
	require.NoError(t, <-woken)
	exactlyOnce(t, w, w.stored(t, o), want)
	require.Equal(t, before, w.text(t, o))
}

// The commit itself is the fence: nothing else tells this process that its lease is gone.
func TestCommitIsFenced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.create(t, JSONL, `{"name":"a"}`)
	w.runner.renewEvery = time.Hour
	w.things.after = func(context.Context, []*Row) error {
		w.Exec(t, `UPDATE bulk_operations SET lease_token = $1 WHERE id = $2`, o.UUID, o.UUID)
		return nil
	}
	o = w.run(t, o)
	require.Equal(t, Running, o.State)
	require.Zero(t, o.ProcessedCount)
	require.Zero(t, o.FailureCount)
	require.Empty(t, w.stock(t))
	require.Empty(t, w.results(t, o))
}

// The lease is renewed while a chunk takes its time, and a process that cannot renew it in time stops by itself.
func TestLeaseIsRenewed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.create(t, JSONL, `{"name":"a"}`)
	w.runner.renewEvery = time.Millisecond
	w.things.before = func(ctx context.Context, _ []*Row) error {
		w.Clock.Advance(leaseTime - time.Second)
		began := w.Clock.Now()
		for !w.stored(t, o).LeaseUntil.After(began.Add(leaseTime - time.Second)) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		return nil
	}
	require.Equal(t, Completed, w.run(t, o).State)

	o = w.create(t, JSONL, `{"name":"b"}`)
	w.things.before = func(ctx context.Context, _ []*Row) error {
		// Somebody else takes it: the work ends without being told by its own commit.
		w.Exec(t, `UPDATE bulk_operations SET lease_token = $1 WHERE id = $2`, o.UUID, o.UUID)
		<-ctx.Done()
		return ctx.Err()
	}
	o = w.run(t, o)
	require.Equal(t, Running, o.State)
	require.Equal(t, o.UUID, *o.LeaseToken, "what is somebody else's is left alone")
	require.Zero(t, o.FailureCount)
}

func TestCancelPending(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.create(t, JSONL, `{"name":"a"}`)
	file := *o.FileKey
	o, err := w.Cancel(t.Context(), w.Viewer, CancelInput{ID: o.ID()})
	require.NoError(t, err)
	require.Equal(t, Cancelled, o.State)
	require.Equal(t, []string{"Cancelled after 0 lines."}, o.Messages())
	_, err = w.store.Open(t.Context(), o.OrganizationID, file, 0)
	require.Error(t, err)
	again, err := w.Cancel(t.Context(), w.Viewer, CancelInput{ID: o.ID()})
	require.NoError(t, err)
	require.Equal(t, o.Version, again.Version, "safe to repeat")
	require.Equal(t, Cancelled, w.run(t, o).State)
	require.Empty(t, w.stock(t))
	require.Empty(t, w.text(t, o))
}

func TestCancelRunning(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, oneAtATime())
	file, _ := shuffled(rand.New(rand.NewPCG(3, 1)), "n", 500)
	o := w.create(t, JSONL, file)
	w.things.before = func(ctx context.Context, rows []*Row) error {
		if rows[0].Line < 200 {
			return nil
		}
		asked, err := w.Cancel(ctx, w.Viewer, CancelInput{ID: o.ID()})
		if err == nil && asked.State != Running {
			return errBroken
		}
		return err
	}
	o = w.run(t, o)
	require.Equal(t, Cancelled, o.State)
	require.Equal(t, []string{"Cancelled after 300 of 500 lines."}, o.Messages())
	require.Equal(t, int32(300), o.ProcessedCount)
	require.InDelta(t, 0.6, *o.Progress(), 0.001)
	require.Len(t, w.results(t, o), 300, "the results end with what was done")
}

// The check of a file is cancelled too.
func TestCancelChecking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file, _ := shuffled(rand.New(rand.NewPCG(4, 1)), "n", 300)
	o := w.create(t, JSONL, file)
	var reads atomic.Int32
	other := w.another(t, func() {
		// The first reading takes the operation, the second ends the check.
		if reads.Add(1) == 2 {
			_, err := w.Cancel(context.Background(), w.Viewer, CancelInput{ID: o.ID()})
			assertNoError(t, err)
		}
	})
	o = other.run(t, o)
	require.Equal(t, Cancelled, o.State)
	require.Empty(t, w.stock(t))
	require.Empty(t, w.text(t, o))
}

// Each turn of a check starts from the beginning, so long checks do not take turns: they would never end.
func TestCheckIsNotInterruptedForOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file, want := shuffled(rand.New(rand.NewPCG(10, 1)), "n", 300)
	o := w.create(t, JSONL, file)
	w.create(t, JSONL, "")
	slow := w.another(t, func() { w.Clock.Advance(fairTurn) })
	o = slow.run(t, o)
	require.Equal(t, Running, o.State)
	require.Equal(t, int32(300), *o.LineCount)
	o = w.run(t, o)
	exactlyOnce(t, w, o, want)
}

func oneAtATime() Limits {
	l := DefaultLimits
	l.Chunks = 1
	return l
}

// A process that is to stop finishes the chunks that are being written and hands the rest back.
func TestDrain(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, oneAtATime())
	file, want := shuffled(rand.New(rand.NewPCG(5, 1)), "n", 500)
	o := w.create(t, JSONL, file)
	w.things.before = func(context.Context, []*Row) error {
		w.runner.Drain()
		return nil
	}
	o = w.run(t, o)
	require.Equal(t, Running, o.State)
	require.Equal(t, int32(100), o.ProcessedCount)
	require.Nil(t, o.LeaseToken)
	require.Len(t, w.results(t, o), 100, "the results so far can be read")
	require.Equal(t, o.Version, w.run(t, o).Version, "it takes no more")
	w.runner.Drain()
	o = w.another(t, nil).run(t, o)
	exactlyOnce(t, w, o, want)
}

// When the time to stop is up, what is being written is rolled back and handed back at once.
func TestHardStop(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, oneAtATime())
	file, want := shuffled(rand.New(rand.NewPCG(6, 1)), "n", 500)
	o := w.create(t, JSONL, file)
	ctx, cancel := context.WithCancel(t.Context())
	w.things.after = func(_ context.Context, rows []*Row) error {
		if rows[0].Line >= 100 {
			cancel()
		}
		return nil
	}
	require.NoError(t, w.runner.Run(ctx, o.OrganizationID, o.UUID))
	o = w.stored(t, o)
	require.Equal(t, int32(100), o.ProcessedCount)
	require.Nil(t, o.LeaseToken)
	require.Zero(t, o.FailureCount, "stopping is no failure")
	w.things.after = nil
	exactlyOnce(t, w, w.run(t, o), want)
}

// One large file does not keep others waiting to its end.
func TestTurnsAreFair(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, oneAtATime())
	file, want := shuffled(rand.New(rand.NewPCG(7, 1)), "n", 400)
	o := w.create(t, JSONL, file)
	w.things.before = func(context.Context, []*Row) error {
		w.Clock.Advance(fairTurn/2 + time.Second)
		return nil
	}
	small := w.create(t, JSONL, `{"name":"small"}`)
	o = w.run(t, o)
	require.Equal(t, Running, o.State)
	require.Equal(t, int32(200), o.ProcessedCount, "its turn is over, since another waits")
	require.True(t, o.RunnableAt.After(small.RunnableAt), "and it comes after the other")
	require.Equal(t, Completed, w.run(t, small).State)
	exactlyOnce(t, w, w.run(t, o), want)

	file, want = shuffled(rand.New(rand.NewPCG(8, 1)), "m", 300)
	o = w.create(t, JSONL, file)
	w.things.before = func(context.Context, []*Row) error {
		w.Clock.Advance(longestTurn)
		return nil
	}
	o = w.run(t, o)
	require.Equal(t, int32(200), o.ProcessedCount, "the longest turn ends also when nobody waits")
	exactlyOnce(t, w, w.run(t, o), want)
}

// A chunk that cannot be applied is tried again, later and later, and in the end given up.
func TestFailure(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, oneAtATime())
	file, want := shuffled(rand.New(rand.NewPCG(9, 1)), "n", 300)
	o := w.create(t, JSONL, file)
	fails := func(_ context.Context, rows []*Row) error {
		switch {
		case rows[0].Line != 200:
			return nil
		case w.stored(t, o).FailureCount == 0:
			return errBroken
		}
		var none []int
		_ = none[len(rows)]
		return nil
	}
	w.things.after = fails
	o = w.run(t, o)
	require.Equal(t, int32(1), o.FailureCount)
	require.Equal(t, int32(200), o.ProcessedCount)
	require.Equal(t, w.Clock.Now().Add(firstWait), o.RunnableAt.UTC())
	require.Equal(t, o.Version, w.run(t, o).Version, "not before its time")
	w.Clock.Advance(firstWait)
	o = w.run(t, o)
	require.Equal(t, int32(2), o.FailureCount)
	require.Equal(t, w.Clock.Now().Add(2*firstWait), o.RunnableAt.UTC())
	w.Clock.Advance(longestWait)
	w.things.after = nil
	exactlyOnce(t, w, w.run(t, o), want)
	require.Zero(t, w.stored(t, o).FailureCount)

	w.things.after = func(context.Context, []*Row) error { panic("broken on purpose") }
	o = w.create(t, JSONL, `{"name":"never"}`)
	for n := range int32(maxFailures) {
		require.False(t, o.State.Final(), "try %d", n)
		o = w.run(t, o)
		w.Clock.Advance(longestWait)
	}
	require.Equal(t, Failed, o.State)
	require.Equal(t, []string{"Given up after 10 tries in which it came no further. What was done stays: see the results."}, o.Messages())
	require.NotContains(t, w.stock(t), "never")
}

// The second of two chunks side by side may be there alone: the results stop before the gap, and whoever goes on
// fills it.
func TestGapIsFilled(t *testing.T) {
	t.Parallel()
	for _, format := range []Format{JSONL, CSV} {
		w := newWorld(t)
		var file strings.Builder
		if format == CSV {
			file.WriteString("name\n")
		}
		want := map[string]string{}
		for i := range 350 {
			name := fmt.Sprintf("n%d", i)
			want[name] = fmt.Sprintf("%d ", i)
			if format == CSV {
				fmt.Fprintf(&file, "%q\n", name)
			} else {
				fmt.Fprintf(&file, `{"name":%q}`+"\n", name)
			}
		}
		o := w.create(t, format, file.String())
		began := make(chan struct{})
		w.things.before = func(_ context.Context, rows []*Row) error {
			switch rows[0].Line {
			case 100:
				// The fourth chunk begins when the third is committed.
				<-began
				return errBroken
			case 300:
				close(began)
				return errBroken
			}
			return nil
		}
		o = w.run(t, o)
		require.Equal(t, int32(200), o.ProcessedCount)
		require.Equal(t, int32(1), o.FailureCount)
		require.Len(t, w.results(t, o), 100)
		require.NotContains(t, w.stock(t), "n150")
		require.Contains(t, w.stock(t), "n250")

		w.things.before = func(_ context.Context, rows []*Row) error {
			if line := rows[0].Line; line != 100 && line != 300 {
				return fault.New(fault.Internal, "line %d was done already", line)
			}
			return nil
		}
		w.Clock.Advance(longestWait)
		exactlyOnce(t, w, w.run(t, o), want)
	}
}
