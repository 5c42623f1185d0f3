package bulk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/viewer"
)

func TestImportJSONLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.create(t, JSONL, strings.Join([]string{
		`{"name":"a"}`,
		`{"name":"b","note":"refuse"}`,
		``,
		`{"name":"a","note":null}`,
		`{"note":"no name"}`,
		`not JSON`,
		`{"name":"\u0000"}`,
		strings.Repeat("x", maxLine+1),
		"{\"company\":\"B\xfcrger\",\"name\":\"d\"}",
		`{"name":"c"}`,
	}, "\n"))
	require.Equal(t, Pending, o.State)
	require.Nil(t, o.Progress())
	file := *o.FileKey

	o = w.run(t, o)
	require.Equal(t, Completed, o.State)
	require.Equal(t, []string{"Completed"}, o.Messages())
	require.Equal(t, int32(9), *o.LineCount)
	require.Equal(t, []int32{2, 1, 0, 6, 0, 9}, []int32{o.CreatedCount, o.UpdatedCount, o.UnchangedCount, o.FailedCount, o.SkippedCount, o.ProcessedCount})
	require.InDelta(t, 1.0, *o.Progress(), 0)
	require.Equal(t, dbtest.Monday, o.FinishedAt.UTC())
	require.Equal(t, dbtest.Monday.Add(7*24*time.Hour), o.ExpiresAt.UTC())
	require.Nil(t, o.LeaseToken)
	require.Nil(t, o.FileKey)
	_, err := w.store.Open(t.Context(), o.OrganizationID, file, 0)
	require.Error(t, err, "the uploaded file is removed as soon as nobody needs it")
	require.Equal(t, map[string]string{"a": "0 2 ", "c": "8 "}, w.stock(t))

	got := w.results(t, o)
	require.Len(t, got, 9)
	for i, l := range got {
		require.Equal(t, int32(i), *l.Line)
		require.Equal(t, l.Success, l.ID != nil)
		require.Equal(t, l.Success, len(l.UserErrors) == 0)
	}
	require.Equal(t, []batch.Action{batch.Create, batch.Failed, batch.Update, batch.Failed, batch.Failed, batch.Failed, batch.Failed, batch.Failed, batch.Create},
		[]batch.Action{*got[0].Action, *got[1].Action, *got[2].Action, *got[3].Action, *got[4].Action, *got[5].Action, *got[6].Action, *got[7].Action, *got[8].Action})
	require.Equal(t, "a", *got[0].Key)
	require.Equal(t, got[0].ID, got[2].ID)
	require.Equal(t, []fault.UserError{{Code: fault.Taken, Message: "It is refused.", Path: []string{"note"}}}, got[1].UserErrors)
	require.Equal(t, []fault.UserError{{Code: fault.Required, Message: "Give a name.", Path: []string{"name"}}}, got[3].UserErrors)
	require.Equal(t, "The line must be one JSON object in UTF-8.", got[4].UserErrors[0].Message)
	require.Equal(t, fault.TooLong, got[6].UserErrors[0].Code)
	require.Equal(t, []fault.UserError{*errUTF8}, got[7].UserErrors, "nothing of the line is read, so neither is a key that is not permitted")
	text := w.text(t, o)
	require.True(t, strings.HasPrefix(text, `{"line":0,"action":"CREATE","key":"a","id":"thing_`), text)
	require.NotContains(t, text, "no name", "no value but the key")

	before := w.stock(t)
	require.Equal(t, o, w.run(t, o), "a finished operation is not run again")
	require.Equal(t, before, w.stock(t))
}

func TestImportCSV(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.run(t, w.create(t, CSV, "\xef\xbb\xbfname;note\r\na;x\r\n\"b\nc\";\r\nd\r\n\"e;f\r\na;refuse\r\n"))
	require.Equal(t, Completed, o.State)
	require.Equal(t, map[string]string{"a": "0 ", "b\nc": "1 "}, w.stock(t))
	require.Equal(t, []int32{2, 3, 5}, []int32{o.CreatedCount, o.FailedCount, *o.LineCount})
	require.Len(t, w.results(t, o), 5)
}

func TestImportOfNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, content := range []string{"", "\n\n"} {
		o := w.run(t, w.create(t, JSONL, content))
		require.Equal(t, Completed, o.State)
		require.Zero(t, *o.LineCount)
		require.Empty(t, w.text(t, o))
	}
	o := w.run(t, w.create(t, CSV, "name\n"))
	require.Equal(t, Completed, o.State)
	o = w.run(t, w.create(t, CSV, ""))
	require.Equal(t, Refused, o.State)
}

// A file with keys that are not permitted says all of them, in the words of the contract, and writes nothing.
func TestRefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var file strings.Builder
	for i := range 2500 {
		switch {
		case i == 3:
			file.WriteString(`{"name":"a","company":"x","place":{"street":1}}` + "\n")
		case i == 5:
			file.WriteString("not JSON\n")
		case i >= 2300:
			fmt.Fprintf(&file, `{"name":"n%d","ssn":"123456789"}`+"\n", i)
		default:
			fmt.Fprintf(&file, `{"name":"n%d"}`+"\n", i)
		}
	}
	o := w.run(t, w.create(t, JSONL, file.String()))
	require.Equal(t, Refused, o.State)
	require.Empty(t, w.stock(t), "nothing is written")
	require.Len(t, o.Messages(), 101)
	require.Equal(t, "#/things/3: extraneous key [company] is not permitted", o.Messages()[0])
	require.Equal(t, "#/things/3/place: extraneous key [street] is not permitted", o.Messages()[1])
	require.Equal(t, "#/things/2300: extraneous key [ssn] is not permitted", o.Messages()[2])
	require.Equal(t, "102 more: see the results.", o.Messages()[100])
	require.Equal(t, int32(2500), *o.LineCount)
	require.Zero(t, o.ProcessedCount)
	got := w.results(t, o)
	require.Len(t, got, 202)
	require.Equal(t, int32(3), *got[0].Line)
	require.Equal(t, int32(2499), *got[201].Line)
	require.Equal(t, []fault.UserError{{Code: fault.NotAllowed, Message: "#/things/2499: extraneous key [ssn] is not permitted", Path: []string{}}}, got[201].UserErrors)
	require.False(t, got[201].Success)
	require.Nil(t, got[201].Action)
	require.NotContains(t, w.text(t, o), "123456789")

	o = w.run(t, w.create(t, CSV, "name,company\na,b\n"))
	require.Equal(t, Refused, o.State)
	require.Equal(t, []string{"#/header: extraneous key [company] is not permitted"}, o.Messages())
	got = w.results(t, o)
	require.Len(t, got, 1)
	require.Nil(t, got[0].Line)
	require.Empty(t, w.stock(t))
}

// Lines with the same key act in the order of the file, also over chunks that would otherwise run side by side.
func TestRowsWithOneKeyApplyInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	now, most := 0, 0
	w.things.before = func(context.Context, []*Row) error {
		mu.Lock()
		defer mu.Unlock()
		now++
		most = max(most, now)
		return nil
	}
	w.things.after = func(context.Context, []*Row) error {
		mu.Lock()
		defer mu.Unlock()
		now--
		return nil
	}
	var file strings.Builder
	want := map[string]string{}
	for i := range 6 * testLines {
		name := fmt.Sprintf("n%d", i)
		if i%70 == 0 {
			name = "often"
		}
		want[name] += fmt.Sprintf("%d ", i)
		fmt.Fprintf(&file, `{"name":%q}`+"\n", name)
	}
	o := w.run(t, w.create(t, JSONL, file.String()))
	require.Equal(t, Completed, o.State)
	require.Equal(t, want, w.stock(t))
	require.Equal(t, 1, most, "all chunks share a key")

	// Without it they run side by side: each of the first two waits for the other.
	both := make(chan struct{})
	arrived := 0
	w.things.before = func(context.Context, []*Row) error {
		mu.Lock()
		arrived++
		if arrived == 2 {
			close(both)
		}
		mu.Unlock()
		select {
		case <-both:
			return nil
		case <-time.After(dbtest.Patience):
			return errors.New("the other chunk never came")
		}
	}
	w.things.after = nil
	file.Reset()
	for i := range 3 * testLines {
		fmt.Fprintf(&file, `{"name":"m%d"}`+"\n", i)
	}
	o = w.run(t, w.create(t, JSONL, file.String()))
	require.Equal(t, Completed, o.State)
	require.Equal(t, int32(3*testLines), o.CreatedCount)
	for i, l := range w.results(t, o) {
		require.Equal(t, int32(i), *l.Line)
	}
}

// What a row links to counts as its key: a chunk waits for the one that writes it.
func TestLinkedRowsApplyInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	now, most := 0, 0
	w.things.before = func(context.Context, []*Row) error {
		mu.Lock()
		defer mu.Unlock()
		now++
		most = max(most, now)
		return nil
	}
	w.things.after = func(context.Context, []*Row) error {
		mu.Lock()
		defer mu.Unlock()
		now--
		return nil
	}
	var file strings.Builder
	for i := range 4 * testLines {
		fmt.Fprintf(&file, `{"name":"n%d","links":["n%d"]}`+"\n", i, max(i-1, 0))
	}
	o := w.run(t, w.create(t, JSONL, file.String()))
	require.Equal(t, Completed, o.State)
	require.Equal(t, 1, most)
}

// A row without locks has its key as one, and without a key none.
func TestRowsWithoutAKeyShareNoLock(t *testing.T) {
	t.Parallel()
	c := &chunks{rows: jsonLines{newFileReader(strings.NewReader("{}\n{}\n"), 0, 0)}, kind: &things{}, decoded: func([]byte) Row { return Row{Value: 1} }}
	out, err := c.next()
	require.NoError(t, err)
	require.Len(t, out.rows, 2)
	require.Empty(t, out.locks)
}

// Lines are long or short: a chunk is bounded in bytes too.
func TestChunksAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	var sizes []int
	w.things.before = func(_ context.Context, rows []*Row) error {
		mu.Lock()
		defer mu.Unlock()
		sizes = append(sizes, len(rows))
		return nil
	}
	var file strings.Builder
	for i := range 12 {
		fmt.Fprintf(&file, `{"name":"n%d","note":%q}`+"\n", i, strings.Repeat("x", 1<<20-100))
	}
	o := w.run(t, w.create(t, JSONL, file.String()))
	require.Equal(t, Completed, o.State)
	require.Equal(t, int32(12), o.CreatedCount)
	require.Len(t, sizes, 3)
	for _, n := range sizes {
		require.LessOrEqual(t, n, 5)
	}
}

// A transaction that another writer was in the way of runs again; neither effects nor results are doubled, and
// what was prepared before it is prepared once.
func TestRetriedChunkCountsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// As in a process that serves, with a thousand lines in a chunk.
	w.serve(t, DefaultLimits, nil)
	var mu sync.Mutex
	tries, prepared := map[int32]int{}, 0
	w.things.prepared = func(rows []*Row) error {
		mu.Lock()
		defer mu.Unlock()
		prepared += len(rows)
		return nil
	}
	w.things.after = func(_ context.Context, rows []*Row) error {
		mu.Lock()
		defer mu.Unlock()
		if tries[rows[0].Line]++; tries[rows[0].Line] < 3 {
			return db.ErrRetry
		}
		return nil
	}
	var file strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&file, `{"name":"n%d"}`+"\n", i)
	}
	o := w.run(t, w.create(t, JSONL, file.String()))
	require.Equal(t, Completed, o.State)
	require.Equal(t, map[int32]int{0: 3, 1000: 3, 2000: 3}, tries)
	require.Equal(t, 2500, prepared)
	require.Equal(t, int32(2500), o.CreatedCount)
	require.Len(t, w.results(t, o), 2500)
	for name, lines := range w.stock(t) {
		require.Equal(t, strings.TrimPrefix(name, "n")+" ", lines)
	}
}

// Deadlocks between the chunks of one operation are met and survived: the rows lock other rows in random order.
func TestDeadlocksAreSurvived(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Exec(t, `CREATE TABLE gates (id int PRIMARY KEY, n int NOT NULL)`)
	w.Exec(t, `INSERT INTO gates VALUES (0, 0), (1, 0)`)
	var tries atomic.Int32
	// Both hold their first gate before either asks for its second.
	var both sync.WaitGroup
	both.Add(2)
	w.kinds[thingsKind] = &gated{things: w.things, tries: &tries, both: &both}
	var file strings.Builder
	for i := range 2 * testLines {
		fmt.Fprintf(&file, `{"name":"n%d"}`+"\n", i)
	}
	o := w.run(t, w.create(t, JSONL, file.String()))
	require.Equal(t, Completed, o.State)
	// PostgreSQL ends one of the two, or both when both look at the same moment.
	require.GreaterOrEqual(t, tries.Load(), int32(3), "one of the two ran again")
	require.Len(t, w.stock(t), 2*testLines)
	var sum int
	require.NoError(t, w.pool.Get(t.Context(), &sum, `SELECT sum(n) FROM gates`))
	require.Equal(t, 4, sum)
}

// gated locks two rows in an order that depends on the chunk.
type gated struct {
	*things
	tries *atomic.Int32
	both  *sync.WaitGroup
}

func (g *gated) Apply(ctx context.Context, tx *db.Tx, v *viewer.Viewer, o *Operation, rows []*Row, prepared any) ([]Outcome, error) {
	isFirst := g.tries.Add(1) <= 2
	first := int(rows[0].Line/testLines) % 2
	for i, gate := range []int{first, 1 - first} {
		if i == 1 && isFirst {
			g.both.Done()
			g.both.Wait()
		}
		if _, err := tx.Exec(ctx, `UPDATE gates SET n = n + 1 WHERE id = $1`, gate); err != nil {
			return nil, err
		}
	}
	return g.things.Apply(ctx, tx, v, o, rows, prepared)
}
