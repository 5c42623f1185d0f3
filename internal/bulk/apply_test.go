package bulk

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// strict writes notes into a column that does not take all of them.
type strict struct{ *things }

func (s strict) Apply(ctx context.Context, tx *db.Tx, v *viewer.Viewer, o *Operation, rows []*Row, prepared any) ([]Outcome, error) {
	for _, row := range rows {
		switch note := row.Value.(*thing).Note.Value(); {
		case note == nil:
		case *note == "twice":
			return nil, fault.UserErrors{{Code: fault.Taken, Message: "It is taken.", Path: []string{"input", "name"}}}
		default:
			if _, err := tx.Exec(ctx, `INSERT INTO strict VALUES ($1)`, *note); err != nil {
				return nil, err
			}
		}
	}
	return s.things.Apply(ctx, tx, v, o, rows, prepared)
}

// A value that the database does not take is that row's failure: the others of its chunk have their outcomes, and the
// operation goes on.
func TestRowsThatTheDatabaseRefusesFailAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Exec(t, `CREATE TABLE strict (n numeric CONSTRAINT small CHECK (n < 1000))`)
	w.kinds[thingsKind] = strict{w.things}
	prepared := map[int32]int{}
	var mu sync.Mutex
	w.things.prepared = func(rows []*Row) error {
		mu.Lock()
		defer mu.Unlock()
		for _, row := range rows {
			prepared[row.Line]++
		}
		return nil
	}
	notes := map[int]string{0: "x", 7: "1e200000", 8: "12", 50: "twice", 98: "2000", 99: "", 100: "7", 249: "one"}
	wrong := map[int]fault.UserCode{0: fault.Invalid, 7: fault.Invalid, 50: fault.Taken, 98: fault.Invalid, 99: fault.Invalid, 249: fault.Invalid}
	var file strings.Builder
	for i := range 250 {
		switch note, ok := notes[i]; {
		case i == 30:
			file.WriteString("not JSON\n")
		case ok:
			fmt.Fprintf(&file, "{\"name\":\"n%d\",\"note\":%q}\n", i, note)
		default:
			fmt.Fprintf(&file, "{\"name\":\"n%d\"}\n", i)
		}
	}
	o := w.run(t, w.create(t, JSONL, file.String()))
	require.Equal(t, Completed, o.State)
	require.Zero(t, o.FailureCount)
	require.Equal(t, []int32{250 - 7, 7}, []int32{o.CreatedCount, o.FailedCount})
	for i, l := range w.results(t, o) {
		require.Equal(t, int32(i), *l.Line)
		if code, ok := wrong[i]; ok {
			require.Equal(t, batch.Failed, *l.Action)
			require.Len(t, l.UserErrors, 1)
			require.Equal(t, code, l.UserErrors[0].Code)
			require.Empty(t, l.UserErrors[0].Path)
			require.Equal(t, fmt.Sprintf("n%d", i), *l.Key)
		} else if i != 30 {
			require.Equal(t, batch.Create, *l.Action, i)
		}
	}
	stock := w.stock(t)
	require.Len(t, stock, 250-7)
	for name, lines := range stock {
		require.Equal(t, strings.TrimPrefix(name, "n")+" ", lines)
	}
	for line, n := range prepared {
		require.Equal(t, 1, n, "line %d", line)
	}
	require.Len(t, prepared, 249)
}

// What is written beside the rows is no fault of theirs.
func TestOtherErrorsHalveNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Exec(t, `ALTER TABLE bulk_chunks ADD CONSTRAINT never CHECK (line_count < 0)`)
	o := w.run(t, w.create(t, JSONL, `{"name":"a"}`))
	require.Equal(t, []any{Running, int32(1), int32(0)}, []any{o.State, o.FailureCount, o.ProcessedCount})
	w.Exec(t, `ALTER TABLE bulk_chunks DROP CONSTRAINT never`)
	w.Clock.Advance(longestWait)
	require.Equal(t, int32(1), w.run(t, o).CreatedCount)
}

// Somebody holds a row for longer than lock_timeout: the chunk waits again, without a failure.
func TestLockTimeoutsAreSurvived(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pool, err := db.Open(w.URL, db.Settings{MaxOpen: 8, LockTimeout: 50 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pool.Close() })
	w.run(t, w.create(t, JSONL, `{"name":"a"}`))
	held, release := make(chan struct{}), make(chan struct{})
	var holding sync.WaitGroup
	holding.Go(func() {
		assertNoError(t, w.pool.InTx(context.Background(), dbtest.Monday, func(tx *db.Tx) error {
			_, err := tx.Exec(context.Background(), `UPDATE things SET note = 'held'`)
			close(held)
			<-release
			return err
		}))
	})
	<-held
	tries := 0
	w.things.before = func(context.Context, []*Row) error {
		if tries++; tries == 3 {
			close(release)
			holding.Wait()
		}
		return nil
	}
	o := w.create(t, JSONL, `{"name":"a"}`)
	w.pool = pool
	o = w.run(t, o)
	require.Equal(t, Completed, o.State)
	require.Equal(t, 3, tries)
	require.Equal(t, int32(1), o.UpdatedCount)
}

// While results are written the chunk's rows are locked, so that must take less than others wait for a lock.
func TestResultsAreWrittenWithinTheLockTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for timeout, want := range map[time.Duration]time.Duration{0: longestPut, 3 * time.Second: 2 * time.Second, time.Minute: longestPut} {
		pool, err := db.Open(w.URL, db.Settings{MaxOpen: 1, LockTimeout: timeout})
		require.NoError(t, err)
		t.Cleanup(func() { _ = pool.Close() })
		s := *w.Service
		s.pool = pool
		turn := &work{Service: &s}
		require.NoError(t, turn.choosePutTime(t.Context()))
		require.Equal(t, want, turn.putTime)
	}
}

// asks is a kind that asks another system for as long as nobody stops it.
type asks struct {
	*things
	asking func()
}

func (a asks) Prepare(ctx context.Context, _ *viewer.Viewer, _ *Operation, _ []*Row) (any, error) {
	a.asking()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(dbtest.Patience):
		return nil, errBroken
	}
}

// Asking another system may take long, and writes nothing: it ends as soon as the operation is to end.
func TestPrepareIsInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runner.renewEvery = 10 * time.Millisecond
	var o *Operation
	w.kinds[thingsKind] = asks{w.things, func() {
		_, err := w.Cancel(context.Background(), w.Viewer, CancelInput{ID: o.ID()})
		assertNoError(t, err)
	}}
	o = w.create(t, JSONL, `{"name":"a"}`)
	o = w.run(t, o)
	require.Equal(t, Cancelled, o.State)

	w.kinds[thingsKind] = asks{w.things, w.runner.Drain}
	o = w.run(t, w.create(t, JSONL, `{"name":"a"}`))
	require.Equal(t, []any{Running, int32(0)}, []any{o.State, o.FailureCount})
	require.Nil(t, o.LeaseToken, "it is handed back at once")
	require.Empty(t, w.stock(t))
}

// Who observes the process is told of each row once.
func TestRowsAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	got := map[string]int{}
	w.runner.Observe = func(kind, action string, rows int) {
		mu.Lock()
		defer mu.Unlock()
		got[kind+" "+action] += rows
	}
	w.run(t, w.create(t, JSONL, strings.Repeat(`{"name":"a"}`+"\n", 120)+"1\n"))
	o, err := w.CreateExport(t.Context(), w.Viewer, ExportInput{Kind: thingsExportKind})
	require.NoError(t, err)
	w.run(t, o)
	require.Equal(t, map[string]int{"TEST_THINGS CREATE": 1, "TEST_THINGS UPDATE": 119, "TEST_THINGS FAILED": 1, "TEST_THINGS_EXPORT EXPORT": 1}, got)
}
