package bulk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/audit"
	"caseload/internal/batch"
	"caseload/internal/blob"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/identity"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

func some[T any](v T) graphql.Omittable[*T] { return graphql.OmittableOf(&v) }

func TestCreateChecksItsInput(t *testing.T) {
	t.Parallel()
	limits := DefaultLimits
	limits.FileBytes = 100
	w := newWorldWith(t, limits)
	file := w.upload(t, "a", strings.NewReader("{}"))
	tests := map[string]struct {
		change func(in *CreateInput, f *File)
		want   []string
	}{
		"kind":           {func(in *CreateInput, _ *File) { in.Kind = "OTHER" }, []string{"INVALID input.kind"}},
		"export as kind": {func(in *CreateInput, _ *File) { in.Kind = thingsExportKind }, []string{"INVALID input.kind"}},
		"format":         {func(in *CreateInput, _ *File) { in.Format = "XLSX" }, []string{"INVALID input.format"}},
		"of another kind": {func(in *CreateInput, _ *File) {
			in.Options = map[string]any{"upsertCustomers": &thingOptions{}, "testThings": &thingOptions{}}
		}, []string{"NOT_ALLOWED input.upsertCustomers"}},
		"the kind's own": {func(in *CreateInput, _ *File) {
			in.Options = map[string]any{"testThings": &thingOptions{Place: "wrong"}}
		}, []string{"INVALID input.testThings.place"}},
		"everything": {func(in *CreateInput, _ *File) { in.ErrorPolicy = some(batch.RejectEverything) }, []string{"NOT_ALLOWED input.errorPolicy"}},
		"policy":     {func(in *CreateInput, _ *File) { in.ErrorPolicy = some(batch.ErrorPolicy("x")) }, []string{"INVALID input.errorPolicy"}},
		"size":       {func(_ *CreateInput, f *File) { f.Size = 101 }, []string{"LIMIT_EXCEEDED input.file"}},
	}
	for name, test := range tests {
		in, f := CreateInput{Kind: thingsKind, Format: JSONL}, file
		test.change(&in, &f)
		_, err := w.Create(t.Context(), w.Viewer, in, f)
		errs, ok := fault.AsUserErrors(err)
		require.True(t, ok, "%s: %v", name, err)
		var got []string
		for _, e := range errs {
			got = append(got, string(e.Code)+" "+strings.Join(e.Path, "."))
		}
		require.Equal(t, test.want, got, name)
	}
	in := CreateInput{Kind: thingsKind, Format: CSV, Options: map[string]any{"testThings": &thingOptions{Place: "shelf"}}, ErrorPolicy: some(batch.IgnoreFailed)}
	o, err := w.Create(t.Context(), w.Viewer, in, file)
	require.NoError(t, err)
	var own thingOptions
	w.stored(t, o).ReadOptions(&own)
	require.Equal(t, thingOptions{Place: "shelf"}, own)
	require.JSONEq(t, `{"Place": "shelf"}`, string(w.stored(t, o).Options()))
	require.Equal(t, batch.IgnoreFailed, *w.stored(t, o).ErrorPolicy())
	without := &Operation{OptionJSON: db.JSON(`{"filter": {"name": "a"}}`)}
	require.Nil(t, without.ErrorPolicy())
	require.Equal(t, "{}", string(without.Options()), "a filter may hold names")
	require.Equal(t, "a", *o.FileName)
	require.Equal(t, w.stored(t, o).actor(), w.Viewer)

	foreign := file
	foreign.Key = blob.Key(uuid.New(), blob.Uploads+"x")
	_, err = w.Create(t.Context(), w.Viewer, CreateInput{Kind: thingsKind, Format: JSONL}, foreign)
	require.Error(t, err, "a file of somebody else is a mistake in the program")
	require.Equal(t, fault.Internal, fault.CodeOf(err))

	reader := *w.Viewer
	reader.Scopes = []viewer.Scope{viewer.CustomersRead}
	_, err = w.Create(t.Context(), &reader, CreateInput{Kind: thingsKind, Format: JSONL}, file)
	require.Equal(t, fault.Forbidden, fault.CodeOf(err))
	reader.Scopes = []viewer.Scope{viewer.CustomersWrite}
	_, err = w.CreateExport(t.Context(), &reader, ExportInput{Kind: thingsExportKind})
	require.Equal(t, fault.Forbidden, fault.CodeOf(err))
	require.NoError(t, w.MayDownload(&reader, &Operation{Kind: thingsKind}))
	require.Equal(t, fault.Forbidden, fault.CodeOf(w.MayDownload(&reader, &Operation{Kind: thingsExportKind})))
	require.NoError(t, w.MayDownload(w.Viewer, &Operation{Kind: thingsExportKind}))

	// What the creator's scopes put into the file is for those who have them too.
	narrow := *w.Viewer
	narrow.Scopes = []viewer.Scope{viewer.CustomersRead}
	require.NoError(t, w.MayDownload(&narrow, &Operation{Kind: thingsExportKind, ActorScopes: []string{string(viewer.CustomersRead)}}))
	require.Equal(t, fault.Forbidden, fault.CodeOf(w.MayDownload(&narrow, &Operation{Kind: thingsExportKind, ActorScopes: []string{string(viewer.PIIRead)}})))
	_, err = w.CreateExport(t.Context(), w.Viewer, ExportInput{Kind: thingsExportKind, Filters: map[string]json.RawMessage{"testThingsExport": []byte(`"wrong"`)}})
	require.Equal(t, "INVALID input.testThingsExport.filter", first(t, err))
	for want, in := range map[string]ExportInput{
		"INVALID input.kind":          {Kind: thingsKind},
		"INVALID input.format":        {Kind: thingsExportKind, Format: "XLSX"},
		"NOT_ALLOWED input.something": {Kind: thingsExportKind, Filters: map[string]json.RawMessage{"something": nil}},
	} {
		_, err = w.CreateExport(t.Context(), w.Viewer, in)
		require.Equal(t, want, first(t, err))
	}
}

// first is the code and the path of the first user error.
func first(t *testing.T, err error) string {
	t.Helper()
	errs, ok := fault.AsUserErrors(err)
	require.True(t, ok, "%v", err)
	return string(errs[0].Code) + " " + strings.Join(errs[0].Path, ".")
}

// The result of a creation is kept for a repeated request as JSON.
func TestOperationSurvivesJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.run(t, w.create(t, JSONL, `{"name":"a"}`))
	text, err := json.Marshal(o)
	require.NoError(t, err)
	back := new(Operation)
	require.NoError(t, json.Unmarshal(text, back))
	require.Equal(t, o, back)
}

func TestNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := New(ServiceOptions{Pool: w.pool, Log: w.log, Kinds: []Kind{&things{}, &things{}}})
	require.ErrorContains(t, err, "TEST_THINGS")
	_, err = New(ServiceOptions{Pool: w.pool, Log: w.log, Exporters: []Exporter{thingsExport{}, thingsExport{}}})
	require.ErrorContains(t, err, "TEST_THINGS_EXPORT")
}

// An organization sees its own operations and nothing of another's.
func TestTenancy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.run(t, w.create(t, JSONL, `{"name":"a"}`))
	stranger := *w.Viewer
	stranger.OrganizationID = uuid.New()
	_, err := w.Cancel(t.Context(), &stranger, CancelInput{ID: o.ID()})
	errs, _ := fault.AsUserErrors(err)
	require.Equal(t, fault.Missing, errs[0].Code)
	_, _, err = w.Open(t.Context(), stranger.Scope(), o.UUID)
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
	_, err = w.Cancel(t.Context(), w.Viewer, CancelInput{ID: relay.ID{Prefix: "cust", UUID: o.UUID}})
	require.Equal(t, fault.BadUserInput, fault.CodeOf(err))

	opened, r, err := w.Open(t.Context(), w.Viewer.Scope(), o.UUID)
	require.NoError(t, err)
	require.Equal(t, o, opened)
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.Equal(t, w.text(t, o), string(text))
	require.Equal(t, o.ID().String()+".jsonl", o.ResultsName())
}

func TestList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.create(t, JSONL, "")
	w.Clock.Advance(time.Second)
	second := w.create(t, CSV, "name\n")
	w.run(t, second)
	cursors := relay.NewCursors([]byte("a key of at least sixteen bytes"))
	list := func(raw map[string]any) []*Operation {
		args, err := List.Parse(t.Context(), cursors, w.Viewer.Scope(), "Query.bulkOperations", raw)
		require.NoError(t, err)
		rows, err := Operations.List(t.Context(), w.pool, w.Viewer.Scope(), args.Where, args.Page)
		require.NoError(t, err)
		return rows
	}
	all := list(nil)
	require.Len(t, all, 2)
	require.Equal(t, second.ID(), all[0].ID(), "newest first")
	require.Equal(t, first.ID(), all[1].ID())
}

func TestOpenOperationsAreBounded(t *testing.T) {
	t.Parallel()
	limits := DefaultLimits
	limits.Open = 2
	w := newWorldWith(t, limits)
	o := w.create(t, JSONL, "")
	w.create(t, JSONL, "")
	_, err := w.Create(t.Context(), w.Viewer, CreateInput{Kind: thingsKind, Format: JSONL}, w.upload(t, "a", strings.NewReader("")))
	errs, ok := fault.AsUserErrors(err)
	require.True(t, ok)
	require.Equal(t, fault.LimitExceeded, errs[0].Code)
	w.run(t, o)
	w.create(t, JSONL, "")
}

// Everything that is done is audited, in the name of who asked for it, without a value of the file.
func TestAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.run(t, w.create(t, JSONL, `{"name":"secret"}`))
	c := w.create(t, JSONL, "")
	_, err := w.Cancel(t.Context(), w.Viewer, CancelInput{ID: c.ID()})
	require.NoError(t, err)
	rows, err := audit.Entries.List(t.Context(), w.pool, w.Viewer.Scope(), db.Where{}, db.Page{Order: db.By("id")})
	require.NoError(t, err)
	var got []string
	for _, e := range rows {
		require.Equal(t, w.Viewer.ActorText(), e.ActorID)
		require.Equal(t, "request", e.RequestID)
		require.NotContains(t, string(e.Changes), "secret")
		got = append(got, e.Action+" "+e.TargetID)
	}
	require.Equal(t, []string{"bulk_operation.created " + o.ID().String(), "bulk_operation.finished " + o.ID().String(), "bulk_operation.created " + c.ID().String(), "bulk_operation.cancelled " + c.ID().String()}, got)
	require.JSONEq(t, `{"kind":"TEST_THINGS","state":"COMPLETED","processed":1,"created":1,"updated":0,"unchanged":0,"failed":0,"skipped":0}`, string(rows[1].Changes))
}

func TestChanges(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, oneAtATime())
	w.Listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	o := w.create(t, JSONL, strings.Repeat("{\"name\":\"a\"}\n", 150))
	stranger := *w.Viewer
	stranger.OrganizationID = uuid.New()
	foreign := w.Changes(ctx, &stranger, nil)
	other := uuid.New()
	another := w.Changes(ctx, w.Viewer, &other)
	changes := w.Changes(ctx, w.Viewer, &o.UUID)
	o = w.run(t, o)
	require.Equal(t, Completed, o.State)
	var got []State
	for len(got) == 0 || !got[len(got)-1].Final() {
		select {
		case c := <-changes:
			require.Equal(t, o.UUID, c.OperationID)
			got = append(got, c.State)
		case <-time.After(dbtest.Patience):
			require.FailNow(t, "no change came", "%v", got)
		}
	}
	if got[0] == Pending {
		got = got[1:]
	}
	require.Equal(t, []State{Checking, Running, Running, Running, Completed}, got, "each step, and each chunk")
	cancel()
	_, more := <-foreign
	require.False(t, more, "nothing of another organization")
	_, more = <-another
	require.False(t, more, "nothing of another operation")
}

// Results go when their time is over; uploads that nobody took over go after a day.
func TestExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := identity.CreateOrganization(t.Context(), w.pool, w.Viewer.OrganizationID, "Harbor", "America/New_York", dbtest.Monday)
	require.NoError(t, err)
	// The object store has a clock of its own.
	w.Clock.Set(time.Now())
	done := w.run(t, w.create(t, JSONL, `{"name":"a"}`))
	refused := w.run(t, w.create(t, JSONL, `{"company":"a"}`))
	waiting := w.create(t, JSONL, `{"name":"b"}`)
	lost := w.upload(t, "lost", strings.NewReader("x"))
	require.NoError(t, w.Expire(t.Context()))
	require.Len(t, w.results(t, done), 1, "nothing is due")
	require.True(t, w.exists(t, lost.Key))

	w.Clock.Advance(transit + time.Minute)
	require.NoError(t, w.Expire(t.Context()))
	require.False(t, w.exists(t, lost.Key))
	require.True(t, w.exists(t, *waiting.FileKey), "an open operation needs its file, however old it is")
	require.Len(t, w.results(t, done), 1)

	w.Clock.Advance(6 * 24 * time.Hour)
	for range 2 {
		require.NoError(t, w.Expire(t.Context()))
	}
	for _, o := range []*Operation{done, refused} {
		o = w.stored(t, o)
		require.NotNil(t, o.FilesRemovedAt)
		_, err := w.Results(t.Context(), o)
		require.Equal(t, fault.NotFound, fault.CodeOf(err))
		require.NoError(t, w.store.Each(t.Context(), o.OrganizationID, o.folder(), func(b blob.Object) error { return fmt.Errorf("%s is left", b.Key) }))
	}
	var chunks int
	require.NoError(t, w.pool.Get(t.Context(), &chunks, `SELECT count(*) FROM bulk_chunks`))
	require.Zero(t, chunks)
	require.Equal(t, Completed, w.run(t, waiting).State)
}

// What cannot be removed keeps nobody else's personal data past its time, and is tried again.
func TestExpireGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := identity.CreateOrganization(t.Context(), w.pool, w.Viewer.OrganizationID, "Harbor", "America/New_York", dbtest.Monday)
	require.NoError(t, err)
	w.Clock.Set(time.Now())
	var all []*Operation
	for range 4 {
		all = append(all, w.run(t, w.create(t, JSONL, `{"name":"a"}`)))
		w.Clock.Advance(time.Second)
	}
	lost := w.upload(t, "lost", strings.NewReader("x"))
	w.Exec(t, `CREATE FUNCTION stuck() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stuck'; END $$`)
	w.Exec(t, fmt.Sprintf(`CREATE TRIGGER stuck BEFORE UPDATE ON bulk_operations FOR EACH ROW WHEN (NEW.id IN ('%s', '%s')) EXECUTE FUNCTION stuck()`, all[0].UUID, all[2].UUID))
	w.Clock.Advance(8 * 24 * time.Hour)
	require.ErrorContains(t, w.Expire(t.Context()), "and 1 more")
	for i, o := range all {
		require.Equal(t, i%2 == 0, w.stored(t, o).FilesRemovedAt == nil, "%d", i)
	}
	require.False(t, w.exists(t, lost.Key))
	w.Exec(t, `DROP TRIGGER stuck ON bulk_operations`)
	require.NoError(t, w.Expire(t.Context()))
	for _, o := range all {
		require.NotNil(t, w.stored(t, o).FilesRemovedAt)
	}
}

func (w *world) exists(t *testing.T, key string) bool {
	t.Helper()
	r, err := w.store.Open(t.Context(), w.Viewer.OrganizationID, key, 0)
	if err != nil {
		require.ErrorIs(t, err, blob.ErrNotFound)
		return false
	}
	require.NoError(t, r.Close())
	return true
}

// An export is a file of all rows; whoever resumes it goes on after the last page.
func TestExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var want strings.Builder
	for i := range 10 {
		w.Exec(t, `INSERT INTO things (organization_id, id, name, lines) VALUES ($1, $2, $3, '')`, w.Viewer.OrganizationID, db.NewID(), fmt.Sprintf("n%d", i))
		fmt.Fprintf(&want, "{\"name\":\"n%d\"}\n", i)
	}
	w.Exec(t, `INSERT INTO things (organization_id, id, name, lines) VALUES ($1, $2, 'foreign', '')`, uuid.New(), db.NewID())
	o, err := w.CreateExport(t.Context(), w.Viewer, ExportInput{Kind: thingsExportKind})
	require.NoError(t, err)
	other := w.another(t, nil)
	steps := 0
	other = w.another(t, func() {
		// Some steps on, the process is told to stop.
		if steps++; steps == 12 {
			other.runner.Drain()
		}
	})
	o = other.run(t, o)
	require.Equal(t, Running, o.State)
	require.Equal(t, int32(10), *o.LineCount)
	require.Positive(t, o.ProcessedCount)
	require.Less(t, o.ProcessedCount, int32(10))
	require.True(t, strings.HasPrefix(want.String(), w.text(t, o)), "what is there can be read")
	o = w.run(t, o)
	require.Equal(t, Completed, o.State)
	require.Equal(t, int32(10), o.ProcessedCount)
	require.Equal(t, want.String(), w.text(t, o))

	w.Exec(t, `DELETE FROM things`)
	o, err = w.CreateExport(t.Context(), w.Viewer, ExportInput{Kind: thingsExportKind, Format: CSV})
	require.NoError(t, err)
	require.Equal(t, []string{o.ID().String() + ".csv", "text/csv; charset=utf-8; header=present"}, []string{o.ResultsName(), o.ResultsType()})
	o = w.run(t, o)
	require.Equal(t, Completed, o.State)
	require.InDelta(t, 1.0, *o.Progress(), 0)
	require.Empty(t, w.text(t, o))
}
