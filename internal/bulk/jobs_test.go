package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/jobs"
	"caseload/internal/toolcheck"
	"caseload/internal/viewer"
)

// waiting lists the operations for which there is a job that has not run.
func (w *world) waiting(t testing.TB) []uuid.UUID {
	t.Helper()
	var texts []string
	require.NoError(t, w.pool.Select(context.Background(), &texts, `SELECT args::text FROM river_job WHERE kind = 'bulk.run' AND state = 'available' ORDER BY id`))
	var out []uuid.UUID
	for _, text := range texts {
		var args RunArgs
		require.NoError(t, json.Unmarshal([]byte(text), &args))
		require.Equal(t, w.Viewer.OrganizationID, args.Organization)
		out = append(out, args.Operation)
	}
	return out
}

func (w *world) forget(t testing.TB) {
	t.Helper()
	w.Exec(t, `DELETE FROM river_job`)
}

func TestSweep(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, oneAtATime())
	first := w.create(t, JSONL, `{"name":"a"}`)
	w.Clock.Advance(time.Second)
	second := w.create(t, JSONL, `{"name":"b"}`)
	require.Equal(t, []uuid.UUID{first.UUID, second.UUID}, w.waiting(t), "each has a job from its transaction")
	require.NoError(t, w.Sweep(t.Context()))
	require.Len(t, w.waiting(t), 2, "and needs no other for a while")
	w.forget(t)
	w.Clock.Advance(enqueueAgain)
	require.NoError(t, w.Sweep(t.Context()))
	require.Equal(t, []uuid.UUID{first.UUID, second.UUID}, w.waiting(t), "those first that have waited for longest")

	// One whose worker has died is found as soon as its lease is over, one that is worked on is left alone.
	w.forget(t)
	o, err := w.acquire(t.Context(), first.OrganizationID, first.UUID)
	require.NoError(t, err)
	require.NotNil(t, o)
	require.NoError(t, w.Sweep(t.Context()))
	require.Empty(t, w.waiting(t))
	w.Clock.Advance(leaseTime + time.Second)
	require.NoError(t, w.Sweep(t.Context()))
	require.Equal(t, []uuid.UUID{first.UUID}, w.waiting(t))

	// When one is done, the next gets its place at once.
	w.forget(t)
	require.Equal(t, Completed, w.run(t, first).State)
	require.Equal(t, []uuid.UUID{second.UUID}, w.waiting(t))
	w.forget(t)
	require.Equal(t, Completed, w.run(t, second).State)
	w.Clock.Advance(time.Hour)
	require.NoError(t, w.Sweep(t.Context()))
	require.Empty(t, w.waiting(t))
}

// A creation that is rolled back leaves neither row nor job.
func TestRolledBackCreationLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := w.upload(t, "a", strings.NewReader(""))
	ctx := db.WithGuard(t.Context(), refusing{})
	_, err := w.Create(ctx, w.Viewer, CreateInput{Kind: thingsKind, Format: JSONL}, file)
	require.ErrorIs(t, err, errBroken)
	require.Empty(t, w.waiting(t))
	n, err := Operations.Count(t.Context(), w.pool, w.Viewer.Scope(), db.Where{})
	require.NoError(t, err)
	require.Zero(t, n)
}

// refusing is a guard that lets nothing be committed, and sees that the result is kept for it.
type refusing struct{}

func (refusing) Begin(context.Context, *db.Tx) error { return nil }
func (refusing) Commit(_ context.Context, _ *db.Tx, kept any) error {
	if o, ok := kept.(**Operation); !ok || (*o).State != Pending {
		return errors.New("the operation was not kept")
	}
	return errBroken
}

// No more operations of an organization run than are its share, and none of a process than it has places.
func TestSlotsAreBounded(t *testing.T) {
	t.Parallel()
	limits := oneAtATime()
	limits.PerOrganization, limits.PerProcess = 2, 1
	w := newWorldWith(t, limits)
	var o [3]*Operation
	for i := range o {
		o[i] = w.create(t, JSONL, fmt.Sprintf(`{"name":"n%d"}`, i))
	}
	stranger := *w.Viewer
	stranger.OrganizationID = uuid.New()
	foreign, err := w.createFor(t, &stranger)
	require.NoError(t, err)

	began, end := make(chan struct{}), make(chan struct{})
	hold := func(w *world) {
		w.things.before = func(context.Context, []*Row) error {
			began <- struct{}{}
			<-end
			return nil
		}
	}
	a, b, c := w.another(t, nil), w.another(t, nil), w.another(t, nil)
	hold(a)
	hold(b)
	var running sync.WaitGroup
	running.Go(func() { assertNoError(t, a.runner.Run(context.Background(), o[0].OrganizationID, o[0].UUID)) })
	<-began
	require.NoError(t, a.runner.Run(t.Context(), o[1].OrganizationID, o[1].UUID))
	require.Equal(t, Pending, w.stored(t, o[1]).State, "the process has its hands full")
	running.Go(func() { assertNoError(t, b.runner.Run(context.Background(), o[1].OrganizationID, o[1].UUID)) })
	<-began
	require.Equal(t, Pending, c.run(t, o[2]).State, "the organization has its share")
	require.Equal(t, Completed, c.run(t, foreign).State, "which is not another's")
	close(end)
	running.Wait()
	require.Equal(t, Completed, c.run(t, o[2]).State)
	for i := range o {
		require.Equal(t, Completed, w.stored(t, o[i]).State)
	}
}

func (w *world) createFor(t testing.TB, v *viewer.Viewer) (*Operation, error) {
	t.Helper()
	stored, err := w.store.Put(context.Background(), v.OrganizationID, strings.NewReader(`{"name":"foreign"}`), 100)
	require.NoError(t, err)
	return w.Create(context.Background(), v, CreateInput{Kind: thingsKind, Format: JSONL}, File{Key: stored.Key, Name: "foreign", Size: stored.Size})
}

// The whole way: a job is enqueued with the operation and worked on by a process that has the workers.
func TestJobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	finished := make(chan struct{}, 100)
	workers := river.NewWorkers()
	periodic := w.runner.AddWorkers(workers)
	runner, err := jobs.New(w.pool.SQL(), jobs.Options{Workers: 3, Log: slog.New(slog.DiscardHandler), Observe: func(kind, outcome string, _ time.Duration) {
		if outcome != "done" {
			t.Errorf("%s has failed", kind)
		}
		if kind == "bulk.run" {
			finished <- struct{}{}
		}
	}}, workers, periodic...)
	require.NoError(t, err)
	o := w.create(t, JSONL, `{"name":"a"}`)
	require.NoError(t, runner.Start(context.Background()))
	select {
	case <-finished:
	case <-time.After(dbtest.Patience):
		require.FailNow(t, "the job never ran")
	}
	w.runner.Drain()
	ctx, cancel := context.WithTimeout(t.Context(), dbtest.Patience)
	defer cancel()
	require.NoError(t, runner.Stop(ctx))
	require.Equal(t, Completed, w.stored(t, o).State)
}

// Memory does not grow with the file: 200,000 lines, of more bytes than the heap may grow by.
func TestMemoryIsFlat(t *testing.T) {
	const lines, width = 200_000, 600
	const bound = 32 << 20
	if testing.Short() || toolcheck.RaceEnabled {
		t.Skip("the race detector multiplies the time; `make test/cheap` runs it")
	}
	w := newWorld(t)
	w.serve(t, DefaultLimits, nil)
	content := &generated{lines: lines, filler: strings.Repeat("x", width)}
	o, err := w.Create(t.Context(), w.Viewer, CreateInput{Kind: thingsKind, Format: JSONL}, w.upload(t, "many", content))
	require.NoError(t, err)
	require.Greater(t, o.ByteSize, int64(2*bound))
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var mu sync.Mutex
	var most uint64
	w.things.before = func(context.Context, []*Row) error {
		mu.Lock()
		defer mu.Unlock()
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc)
		return nil
	}
	o = w.run(t, o)
	require.Equal(t, Completed, o.State)
	require.Equal(t, int32(lines), o.CreatedCount)
	require.Less(t, int64(most)-int64(before.HeapAlloc), int64(bound))
	r, err := w.Results(t.Context(), o)
	require.NoError(t, err)
	defer r.Close() //nolint:errcheck // only read
	n, buffer := 0, make([]byte, 64<<10)
	for {
		read, err := r.Read(buffer)
		n += strings.Count(string(buffer[:read]), "\n")
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
	require.Equal(t, lines, n)
	t.Logf("%d bytes, heap grew by %d", o.ByteSize, int64(most)-int64(before.HeapAlloc))
}

// generated is a file that exists nowhere as a whole.
type generated struct {
	lines, line int
	filler      string
	rest        []byte
}

func (g *generated) Read(p []byte) (int, error) {
	if len(g.rest) == 0 {
		if g.line == g.lines {
			return 0, io.EOF
		}
		g.rest = fmt.Appendf(nil, "{\"name\":\"n%d\",\"note\":\"%s\"}\n", g.line, g.filler)
		g.line++
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

// The sweeps of all organizations read what is open or due, not all that ever was.
func TestSweepsUseTheirIndexes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		w.Exec(t, `
			INSERT INTO bulk_operations (organization_id, id, kind, format, state, byte_size, runnable_at, finished_at, expires_at, files_removed_at,
				actor_kind, actor_id, actor_name, actor_scopes, request_id, ip, created_at, updated_at, created_by, updated_by)
			SELECT CAST($1 AS uuid), gen_random_uuid(), 'X', 'CSV', 'COMPLETED', 1, $2, $2, $2, CASE WHEN i > 5 THEN CAST($2 AS timestamptz) END,
				'API_KEY', gen_random_uuid(), 'x', '{}', 'x', 'x', $2, $2, 'x', 'x' FROM generate_series(1, 8000) i`, uuid.New(), dbtest.Monday)
	}
	w.create(t, JSONL, "")
	w.Exec(t, `ANALYZE bulk_operations`)
	for query, index := range map[string]string{
		strings.NewReplacer("$1", "now()", "$2", "now()", "$3", "5", "$4", "10").Replace(sweepSQL):                                                   "bulk_operations_open_idx",
		strings.NewReplacer("$1", "now()", "$2", "'-infinity'::timestamptz", "$3", "'"+uuid.Nil.String()+"'::uuid", "$4", "100").Replace(expiredSQL): "bulk_operations_files_idx",
		`SELECT EXISTS (SELECT FROM bulk_operations WHERE finished_at IS NULL AND lease_token IS NULL AND runnable_at <= now())`:                     "bulk_operations_open_idx",
		strings.ReplaceAll(backlogSQL, "$1", "now()"): "bulk_operations_open_idx",
	} {
		var lines []string
		require.NoError(t, w.pool.Select(t.Context(), &lines, "EXPLAIN "+query))
		plan := strings.Join(lines, "\n")
		require.Contains(t, plan, index)
		require.NotContains(t, plan, "Seq Scan on bulk_operations", plan)
	}
}
