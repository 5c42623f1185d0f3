package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/blob/blobtest"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// world is a process with a scratch table and an object store.
type world struct {
	*dbtest.World
	*Service
	folder string
	runner *Runner
	things *things
}

// testLines is how many lines a chunk has in the tests, so that files of some hundreds have several.
const testLines = 100

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldWith(t, DefaultLimits)
}

func newWorldWith(t testing.TB, limits Limits) *world {
	t.Helper()
	w := &world{World: dbtest.NewWorld(t, dbtest.WorldOptions{}), folder: t.TempDir()}
	w.serve(t, limits, nil)
	w.chunkLines = testLines
	w.Exec(t, `CREATE TABLE things (organization_id uuid NOT NULL, id uuid NOT NULL, name text NOT NULL, lines text NOT NULL, note text,
		PRIMARY KEY (organization_id, id), UNIQUE (organization_id, name))`)
	return w
}

// serve makes the services. onRead is called whenever the clock is read, which happens at every step of the work; it may be nil.
func (w *world) serve(t testing.TB, limits Limits, onRead func()) {
	t.Helper()
	now := func() time.Time {
		if onRead != nil {
			onRead()
		}
		return w.Clock.Now()
	}
	w.things = &things{}
	var err error
	w.Service, err = New(ServiceOptions{
		Pool: w.Pool, Bus: w.Bus, Store: blobtest.Open(t, w.folder, w.Sealer), Log: slog.New(slog.DiscardHandler), Now: now,
		Kinds: []Kind{w.things}, Exporters: []Exporter{thingsExport{w.Pool}}, Limits: limits,
	})
	require.NoError(t, err)
	w.runner = NewRunner(w.Service)
}

// another is one more process of the same server.
func (w *world) another(t testing.TB, onRead func()) *world {
	t.Helper()
	other := &world{World: w.Another(t), folder: w.folder}
	other.serve(t, w.limits, onRead)
	other.chunkLines = w.chunkLines
	return other
}

// upload puts a file into the store.
func (w *world) upload(t testing.TB, name string, content io.Reader) File {
	t.Helper()
	stored, err := w.store.Put(context.Background(), w.Viewer.OrganizationID, content, 1<<30)
	require.NoError(t, err)
	return File{Key: stored.Key, Name: name, Size: stored.Size, SHA256: stored.SHA256}
}

func (w *world) create(t testing.TB, format Format, content string) *Operation {
	t.Helper()
	o, err := w.Create(context.Background(), w.Viewer, CreateInput{Kind: thingsKind, Format: format}, w.upload(t, "things", strings.NewReader(content)))
	require.NoError(t, err)
	return o
}

// run works on an operation in this process, and returns what is stored then.
func (w *world) run(t testing.TB, o *Operation) *Operation {
	t.Helper()
	require.NoError(t, w.runner.Run(context.Background(), o.OrganizationID, o.UUID))
	return w.stored(t, o)
}

func (w *world) stored(t testing.TB, o *Operation) *Operation {
	t.Helper()
	got, err := Operations.ByID(context.Background(), w.pool, o.scope(), o.UUID)
	require.NoError(t, err)
	return got
}

// line is a result as a client reads it.
type line struct {
	Line       *int32
	Action     *batch.Action
	Key, ID    *string
	Success    bool
	UserErrors []fault.UserError
}

func (w *world) results(t testing.TB, o *Operation) []line {
	t.Helper()
	text := w.text(t, o)
	var out []line
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	for dec.More() {
		var l line
		require.NoError(t, dec.Decode(&l))
		out = append(out, l)
	}
	require.Equal(t, len(out), strings.Count(text, "\n"))
	return out
}

func (w *world) text(t testing.TB, o *Operation) string {
	t.Helper()
	r, err := w.Results(context.Background(), w.stored(t, o))
	require.NoError(t, err)
	defer r.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(text)
}

// stock reads the scratch table: for each name the lines that were applied to it, in their order.
func (w *world) stock(t testing.TB) map[string]string {
	t.Helper()
	var rows []struct{ Name, Lines string }
	require.NoError(t, w.pool.Select(context.Background(), &rows, `SELECT name, lines FROM things WHERE organization_id = $1`, w.Viewer.OrganizationID))
	out := map[string]string{}
	for _, r := range rows {
		out[r.Name] = r.Lines
	}
	return out
}

const (
	thingsKind       KindName = "TEST_THINGS"
	thingsExportKind KindName = "TEST_THINGS_EXPORT"
)

// things is a kind that upserts into the scratch table, and writes down which lines did so.
type things struct {
	// before is called at the beginning of Apply, and prepared at that of Prepare; they may be nil.
	before   func(ctx context.Context, rows []*Row) error
	after    func(ctx context.Context, rows []*Row) error
	prepared func(rows []*Row) error
}

type thing struct {
	Name  string
	Note  graphql.Omittable[*string]
	Links []string
}

func (*things) Name() KindName         { return thingsKind }
func (*things) Noun() string           { return "things" }
func (*things) Scopes() []viewer.Scope { return []viewer.Scope{viewer.CustomersWrite} }

// thingOptions are the options of things.
type thingOptions struct{ Place string }

func (k *things) Check(_ Format, options any, c *fault.Check) any {
	own, ok := options.(*thingOptions)
	if !ok {
		return nil
	}
	if own.Place == "wrong" {
		c.At(OptionsName(k.Name()), "place").Add(fault.Invalid, "Use another place.")
	}
	return own
}

func (*things) Keys() []Key {
	return []Key{
		{Name: "name"}, {Name: "note"}, {Name: "count", Type: Number}, {Name: "isBig", Type: Boolean}, {Name: "extra", Type: Any},
		{Name: "place", Type: Object, Keys: []Key{{Name: "city"}, {Name: "zip"}}},
		{Name: "parts", Type: Array, Keys: []Key{{Name: "code"}, {Name: "size", Type: Number}}},
		{Name: "links", Type: Array},
	}
}

func (*things) Decoder(*Operation) func([]byte) Row { return decodeThing }

// thingRow is a line of things.
type thingRow struct {
	Name, Count, IsBig, Extra graphql.Omittable[db.JSON]
	Note                      graphql.Omittable[*string]
	Links                     []string
	Place                     graphql.Omittable[*placeRow]
	Parts                     graphql.Omittable[[]*partRow]
}

type placeRow struct{ City, Zip graphql.Omittable[db.JSON] }

type partRow struct{ Code, Size graphql.Omittable[db.JSON] }

var thingRows = Bind[thingRow](BindObject[placeRow](), BindList[partRow]())

func decodeThing(text []byte) Row {
	read, row := thingRows.Decode(text)
	if read == nil {
		return row
	}
	var in struct {
		Name  *string
		Note  graphql.Omittable[*string]
		Links []string
	}
	if err := json.Unmarshal(text, &in); err != nil {
		row.UserErrors = fault.UserErrors{{Code: fault.Invalid, Message: "A value has the wrong type.", Path: []string{}}}
		return row
	}
	c := fault.NewCheck()
	if in.Name == nil || *in.Name == "" {
		c.At("name").Add(fault.Required, "Give a name.")
		row.UserErrors = c.Errors()
		return row
	}
	row.UserErrors = nil
	row.Key, row.Locks, row.Value = *in.Name, append([]string{*in.Name}, in.Links...), &thing{*in.Name, in.Note, in.Links}
	return row
}

func (k *things) Prepare(_ context.Context, _ *viewer.Viewer, _ *Operation, rows []*Row) (any, error) {
	if k.prepared != nil {
		if err := k.prepared(rows); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func (k *things) Apply(ctx context.Context, tx *db.Tx, v *viewer.Viewer, _ *Operation, rows []*Row, prepared any) ([]Outcome, error) {
	for _, row := range rows {
		if !slices.Contains(prepared.([]*Row), row) {
			return nil, fmt.Errorf("line %d was not prepared with its chunk", row.Line)
		}
	}
	if k.before != nil {
		if err := k.before(ctx, rows); err != nil {
			return nil, err
		}
	}
	outcomes := make([]Outcome, len(rows))
	lines, first := map[string]string{}, map[string]int{}
	for i, row := range rows {
		t := row.Value.(*thing)
		if note := t.Note.Value(); note != nil && *note == "refuse" {
			outcomes[i] = Outcome{Action: batch.Failed, UserErrors: fault.UserErrors{{Code: fault.Taken, Message: "It is refused.", Path: []string{"note"}}}}
			continue
		}
		if _, ok := first[t.Name]; !ok {
			first[t.Name] = i
		}
		lines[t.Name] += fmt.Sprintf("%d ", row.Line)
		outcomes[i].Action = batch.Update
	}
	names := slices.Sorted(maps.Keys(lines))
	ids, texts := make([]string, len(names)), make([]string, len(names))
	for i, n := range names {
		ids[i], texts[i] = db.NewID().String(), lines[n]
	}
	var stored []struct {
		ID      uuid.UUID
		Name    string
		Created bool
	}
	if err := tx.Select(ctx, &stored, `
		INSERT INTO things AS t (organization_id, id, name, lines) SELECT $1, i.id, i.name, i.lines
		FROM unnest(CAST($2 AS uuid[]), CAST($3 AS text[]), CAST($4 AS text[])) AS i (id, name, lines)
		ON CONFLICT (organization_id, name) DO UPDATE SET lines = t.lines || excluded.lines
		RETURNING id, name, xmax = 0 AS created`, v.OrganizationID, pq.Array(ids), pq.Array(names), pq.Array(texts)); err != nil {
		return nil, err
	}
	byName := map[string]uuid.UUID{}
	for _, s := range stored {
		byName[s.Name] = s.ID
		if s.Created {
			outcomes[first[s.Name]].Action = batch.Create
		}
	}
	for i, row := range rows {
		if outcomes[i].Action.Wrote() {
			outcomes[i].ID = relay.ID{Prefix: "thing", UUID: byName[row.Key]}
		}
	}
	if k.after != nil {
		return outcomes, k.after(ctx, rows)
	}
	return outcomes, nil
}

// thingsExport writes the scratch table, three rows a page.
type thingsExport struct{ pool *db.Pool }

func (thingsExport) Name() KindName          { return thingsExportKind }
func (thingsExport) Scopes() []viewer.Scope  { return []viewer.Scope{viewer.CustomersRead} }
func (thingsExport) Reveals() []viewer.Scope { return []viewer.Scope{viewer.PIIRead} }
func (thingsExport) Check(_ context.Context, _ *viewer.Viewer, filter json.RawMessage, c *fault.Check) error {
	if bytes.Contains(filter, []byte("wrong")) {
		c.Add(fault.Invalid, "Use another filter.")
	}
	return nil
}

func (e thingsExport) Count(ctx context.Context, v *viewer.Viewer, _ json.RawMessage) (n int, err error) {
	err = e.pool.Get(ctx, &n, `SELECT count(*) FROM things WHERE organization_id = $1`, v.OrganizationID)
	return n, err
}

func (e thingsExport) Page(ctx context.Context, v *viewer.Viewer, _ json.RawMessage, format Format, after string, w io.Writer) (int, string, error) {
	const page = 3
	if after == "" {
		after = uuid.Nil.String()
	}
	var rows []struct {
		ID   uuid.UUID
		Name string
	}
	if err := e.pool.Select(ctx, &rows, `SELECT id, name FROM things WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT $3`, v.OrganizationID, after, page); err != nil {
		return 0, "", err
	}
	form := "{\"name\":%q}\n"
	if format == CSV {
		form = "%s\n"
	}
	for _, r := range rows {
		if _, err := fmt.Fprintf(w, form, r.Name); err != nil {
			return 0, "", err
		}
	}
	if len(rows) < page {
		return len(rows), "", nil
	}
	return len(rows), rows[page-1].ID.String(), nil
}

var errBroken = errors.New("broken on purpose")
