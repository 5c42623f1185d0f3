package bulk

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/fault"
	"caseload/internal/toolcheck"
)

// A cell of a CSV file may be an object, or a list of them: its keys are looked at like those of JSON Lines.
func TestKeysInCellsAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := "name,parts,place,parts.0\n"
	o := w.run(t, w.create(t, CSV, file))
	require.Equal(t, []string{"#/header: second column [parts.0] is not permitted"}, o.Messages())

	rows := []string{`a,[],`, `b,"[{""code"":""c""},{""planet"":""Mars"",""moon"":1}]","{""street"":1}"`, `c,,"{""city"":""x""}"`}
	o = w.run(t, w.create(t, CSV, "name,parts,place\n"+strings.Join(rows, "\n")+"\n"))
	require.Equal(t, Refused, o.State)
	require.Equal(t, []string{
		"#/things/1/parts/1: extraneous key [planet] is not permitted", "#/things/1/parts/1: extraneous key [moon] is not permitted",
		"#/things/1/place: extraneous key [street] is not permitted",
	}, o.Messages())
	require.Empty(t, w.stock(t))
	require.Equal(t, int32(3), *o.LineCount)

	o = w.run(t, w.create(t, CSV, "name,parts.0\na,\"{\"\"planet\"\":1}\"\n"))
	require.Equal(t, []string{"#/things/0/parts/0: extraneous key [planet] is not permitted"}, o.Messages())
}

// A program that goes on may permit less than the one that began: its rows say all that they have too much.
func TestRowsSayAllTheirExtraneousKeys(t *testing.T) {
	t.Parallel()
	c := &chunks{rows: jsonLines{newFileReader(strings.NewReader(`{"name":"a","company":1,"place":{"512738846":1}}`), 0, 4)}, kind: &things{}, keys: testKeys, decoded: decodeThing, lines: chunkLines}
	got, err := c.next()
	require.NoError(t, err)
	require.Nil(t, got.rows[0].Value)
	var told []string
	for _, e := range got.rows[0].UserErrors {
		told = append(told, e.Message)
	}
	require.Equal(t, []string{"#/things/4: extraneous key [company] is not permitted", "#/things/4/place: extraneous key […] is not permitted"}, told)
}

func TestLinesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mostLines = 3
	o := w.run(t, w.create(t, JSONL, "1\n2\n3\n"))
	require.Equal(t, Completed, o.State)
	o = w.run(t, w.create(t, JSONL, `{"name":"a"}`+"\n2\n3\n\n4\n5\n"))
	require.Equal(t, Refused, o.State)
	require.Equal(t, []string{"#/things: a file may have at most 3 lines"}, o.Messages())
	require.Nil(t, o.LineCount, "nobody has counted them")
	require.Len(t, w.results(t, o), 1)
	require.Empty(t, w.stock(t))
	require.Less(t, int64(maxLines), int64(1)<<31, "lines are counted in 32 bits")
}

func TestReportIsBounded(t *testing.T) {
	t.Parallel()
	if toolcheck.RaceEnabled {
		t.Skip("the race detector multiplies the time; `make test/cheap` runs it")
	}
	w := newWorld(t)
	o := w.run(t, w.create(t, JSONL, strings.Repeat("{\"\":1}\n", maxReported+7)))
	require.Equal(t, Refused, o.State)
	require.Equal(t, fmt.Sprintf("%d more: see the results.", maxReported+7-maxMessages), o.Messages()[maxMessages])
	got := w.results(t, o)
	require.Len(t, got, maxReported+1)
	require.Equal(t, "7 more.", got[maxReported].UserErrors[0].Message)
	require.Nil(t, got[maxReported].Line)
}

// Of what is wrong with one row not more is told than somebody reads.
func TestErrorsOfARowAreBounded(t *testing.T) {
	t.Parallel()
	c := fault.NewCheck()
	for i := range 3 * maxRowErrors {
		c.Index(i).Add(fault.Invalid, "Give a text.")
	}
	told := firstErrors(c.Errors())
	require.Len(t, told, maxRowErrors+1)
	require.Equal(t, &fault.UserError{Code: fault.LimitExceeded, Message: "200 more.", Path: []string{}}, told[maxRowErrors])
	require.Len(t, firstErrors(c.Errors()[:maxRowErrors]), maxRowErrors)
	require.Len(t, newResult(&Row{}, Outcome{UserErrors: c.Errors()}).UserErrors, maxRowErrors+1)
}

// A line of a MiB may have half a million elements: of a list that is too long nothing is read.
func TestListsAreBounded(t *testing.T) {
	t.Parallel()
	read := func(element string, n int) (fields, *fault.Check) {
		c := fault.NewCheck()
		values, err := members([]byte(`{"l":[`+strings.TrimSuffix(strings.Repeat(element+",", n), ",")+`]}`), '{')
		require.NoError(t, err)
		return fields{c: c, missing: fault.NewCheck(), values: values}, c
	}
	for element, list := range map[string]func(f fields) int{
		`{}`:  func(f fields) int { return len(f.each("l")) },
		`""`:  func(f fields) int { return len(f.texts("l").Value()) },
		`1`:   func(f fields) int { return len(f.integers("l").Value()) },
		`0.5`: func(f fields) int { return len(f.texts("l").Value()) },
	} {
		f, c := read(element, maxElements)
		require.Equal(t, maxElements, list(f), element)
		require.Equal(t, element != `0.5`, c.OK(), element)
		f, c = read(element, maxLine/3)
		require.Zero(t, list(f), element)
		require.Len(t, c.Errors(), 1, element)
		require.Equal(t, []any{fault.LimitExceeded, []string{"l"}}, []any{c.Errors()[0].Code, c.Errors()[0].Path})
	}
}

// Objects take much more memory than their text, and what another system is asked for is no text at all: both make
// chunks shorter.
func TestChunksAreBoundedInWhatTheyTake(t *testing.T) {
	t.Parallel()
	line := `{"name":"a","parts":[` + strings.TrimSuffix(strings.Repeat("{},", 100), ",") + `]}` + "\n"
	for weight, want := range map[int]int{0: 220, 64 << 10: 51} {
		c := &chunks{rows: jsonLines{newFileReader(strings.NewReader(strings.Repeat(line, 1000)), 0, 0)}, kind: &things{}, keys: testKeys, lines: chunkLines, decoded: func(text []byte) Row {
			return Row{Key: "a", Value: 1, Weight: weight}
		}}
		got, err := c.next()
		require.NoError(t, err)
		require.Less(t, len(got.rows), want)
		require.Greater(t, len(got.rows), want*9/10)
		require.Len(t, got.ends, len(got.rows))
		require.Equal(t, int64(len(line)*len(got.rows)), got.to())
	}
}

// What an organization keeps in the object store is bounded, by what is under way and by results.
func TestFilesOfAnOrganizationAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := strings.Repeat(`{"name":"a"}`+"\n", 100)
	o := w.create(t, JSONL, file)
	w.limits.OrganizationBytes = int64(len(file)) + 20
	small := CreateInput{Kind: thingsKind, Format: JSONL}
	refusal := func() string {
		_, err := w.Create(t.Context(), w.Viewer, small, w.upload(t, "b", strings.NewReader(file)))
		errs, ok := fault.AsUserErrors(err)
		if !ok {
			require.NoError(t, err)
			return ""
		}
		require.Equal(t, []string{"input"}, errs[0].Path)
		return string(errs[0].Code)
	}
	require.Equal(t, string(fault.LimitExceeded), refusal(), "the other is open")
	_, err := w.Create(t.Context(), w.Viewer, small, w.upload(t, "c", strings.NewReader("{}")))
	require.NoError(t, err, "there is place for a small one")

	w.limits.OrganizationBytes = 1 << 20
	o = w.run(t, o)
	require.Equal(t, Completed, o.State)
	require.Equal(t, int64(len(w.text(t, o))), o.ResultsBytes)
	w.limits.OrganizationBytes = int64(len(file)) + o.ResultsBytes
	require.Equal(t, string(fault.LimitExceeded), refusal(), "its results are kept")
	w.Clock.Advance(w.limits.Keep + time.Hour)
	require.NoError(t, w.Expire(t.Context()))
	require.Empty(t, refusal(), "and removed")
}

// An operation whose results are out of proportion ends.
func TestResultsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, oneAtATime())
	o := w.create(t, JSONL, strings.Repeat("1\n", 500))
	w.limits.OrganizationBytes = 20_000
	o = w.run(t, o)
	require.Equal(t, Failed, o.State)
	require.Equal(t, "The results have more than the 20000 bytes that the files of an organization may take. What was done stays: see the results.", o.Messages()[0])
	require.Equal(t, int32(200), o.ProcessedCount)
	require.Len(t, w.results(t, o), 200)
}

// An operation may kill its process: it must not kill one after the other.
func TestKilledProcessesAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, oneAtATime())
	o := w.create(t, JSONL, strings.Repeat(`{"name":"a"}`+"\n", 150))
	for n := range int32(maxFailures) {
		got, err := w.acquire(t.Context(), o.OrganizationID, o.UUID)
		require.NoError(t, err)
		require.Equal(t, n, got.FailureCount, "the one before died")
		w.Clock.Advance(leaseTime + time.Second)
	}
	o = w.run(t, o)
	require.Equal(t, Failed, o.State)
	require.Contains(t, o.Messages()[0], "Given up after 10 tries")
	require.Nil(t, o.FileKey)

	// Releasing an operation is no failure, and a commit resets the count.
	o = w.create(t, JSONL, strings.Repeat(`{"name":"a"}`+"\n", 150))
	for range 2 * maxFailures {
		got, err := w.acquire(t.Context(), o.OrganizationID, o.UUID)
		require.NoError(t, err)
		require.NoError(t, w.handBack(t.Context(), got))
	}
	require.Zero(t, w.stored(t, o).FailureCount)
}

// The tenth failure ends an operation only when nothing was committed since the first.
func TestFailureAfterProgressIsTheFirst(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, oneAtATime())
	o := w.create(t, JSONL, strings.Repeat(`{"name":"a"}`+"\n", 250))
	var broken atomic.Int32
	w.things.before = func(_ context.Context, rows []*Row) error {
		if rows[0].Line >= broken.Load() {
			return errBroken
		}
		return nil
	}
	for range maxFailures - 1 {
		o = w.run(t, o)
		w.Clock.Advance(longestWait)
	}
	require.Equal(t, int32(maxFailures-1), o.FailureCount)
	broken.Store(100)
	o = w.run(t, o)
	require.Equal(t, Running, o.State, "one chunk was committed in this turn")
	require.Equal(t, []int32{100, 1}, []int32{o.ProcessedCount, o.FailureCount})
	require.NotNil(t, o.FileKey)
}

// A turn that its deadline ends was stuck, and is a failure; being stopped is none.
func TestDeadlineIsAFailure(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, oneAtATime())
	o := w.create(t, JSONL, `{"name":"a"}`)
	over := make(chan struct{})
	pass := sync.OnceFunc(func() { close(over) })
	w.things.before = func(ctx context.Context, _ []*Row) error {
		pass()
		<-ctx.Done()
		return ctx.Err()
	}
	require.NoError(t, w.runner.Run(deadline{t.Context(), over}, o.OrganizationID, o.UUID))
	o = w.stored(t, o)
	require.Equal(t, int32(1), o.FailureCount)
	require.Nil(t, o.LeaseToken)
}

// deadline is a context whose deadline passes when over is closed.
type deadline struct {
	context.Context //nolint:containedctx // it is one
	over            <-chan struct{}
}

func (d deadline) Done() <-chan struct{} { return d.over }

func (d deadline) Err() error {
	select {
	case <-d.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// An upload that is gone does not come back.
func TestMissingUploadFailsTheOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.create(t, JSONL, `{"name":"a"}`)
	require.NoError(t, w.store.Delete(t.Context(), o.OrganizationID, *o.FileKey))
	o = w.run(t, o)
	require.Equal(t, Failed, o.State)
	require.Equal(t, []string{"The uploaded file is gone. What was done stays: see the results."}, o.Messages())
}
