// Package bulktest lets tests of kinds and exporters run whole operations: from a file in an object store to the lines
// of its results.
package bulktest

import (
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/blob"
	"caseload/internal/blob/blobtest"
	"caseload/internal/bulk"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/notify"
	"caseload/internal/pii"
	"caseload/internal/viewer"
)

// World is the service of bulk operations on a database and an object store of its own. It works on an operation as
// soon as one is made.
type World struct {
	*bulk.Service
	runner *bulk.Runner
	store  *blob.Store
	pool   *db.Pool
}

// Result is a line of a results file.
type Result struct {
	Line       *int32
	Action     batch.Action
	Key, ID    *string
	Success    bool
	UserErrors []*fault.UserError
}

// New makes the service with these kinds and exporters. The clock must move with the real one, since a lease is kept
// by it.
func New(t testing.TB, pool *db.Pool, kinds []bulk.Kind, exporters []bulk.Exporter) *World {
	t.Helper()
	keys, err := pii.GenerateKeys()
	require.NoError(t, err)
	sealer, err := pii.NewSealer(keys)
	require.NoError(t, err)
	store := blobtest.Open(t, t.TempDir(), sealer)
	log := slog.New(slog.DiscardHandler)
	w := &World{store: store, pool: pool}
	w.Service, err = bulk.New(bulk.ServiceOptions{
		Pool: pool, Bus: notify.New(pool, "", log), Store: store, Log: log, Now: time.Now, Kinds: kinds, Exporters: exporters, Limits: bulk.DefaultLimits,
	})
	require.NoError(t, err)
	w.runner = bulk.NewRunner(w.Service)
	return w
}

// Import uploads a file, runs the operation to its end and returns it with its results.
func (w *World) Import(t testing.TB, v *viewer.Viewer, in bulk.CreateInput, content string) (*bulk.Operation, []Result) {
	t.Helper()
	o, err := w.Create(t.Context(), v, in, w.Upload(t, v, content))
	require.NoError(t, err)
	return w.finish(t, v, o)
}

// Upload puts a file into the object store.
func (w *World) Upload(t testing.TB, v *viewer.Viewer, content string) bulk.File {
	t.Helper()
	stored, err := w.store.Put(t.Context(), v.OrganizationID, strings.NewReader(content), 1<<30)
	require.NoError(t, err)
	return bulk.File{Key: stored.Key, Name: "file", Size: stored.Size, SHA256: stored.SHA256}
}

func (w *World) finish(t testing.TB, v *viewer.Viewer, o *bulk.Operation) (*bulk.Operation, []Result) {
	t.Helper()
	o, text := w.Run(t, v, o)
	require.Contains(t, []bulk.State{bulk.Completed, bulk.Refused}, o.State)
	var results []Result
	for dec := json.NewDecoder(strings.NewReader(text)); dec.More(); {
		var r Result
		require.NoError(t, dec.Decode(&r))
		results = append(results, r)
	}
	require.Equal(t, len(results), strings.Count(text, "\n"))
	return o, results
}

// Run works on an operation and returns it as it is then, with its file.
func (w *World) Run(t testing.TB, v *viewer.Viewer, o *bulk.Operation) (*bulk.Operation, string) {
	t.Helper()
	require.NoError(t, w.runner.Run(t.Context(), o.OrganizationID, o.UUID))
	o, err := bulk.Operations.ByID(t.Context(), w.pool, v.Scope(), o.UUID)
	require.NoError(t, err)
	content, err := w.Results(t.Context(), o)
	require.NoError(t, err)
	defer content.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(content)
	require.NoError(t, err)
	return o, string(text)
}

// Actions are those of the results, in their order.
func Actions(results []Result) []batch.Action {
	actions := make([]batch.Action, len(results))
	for i, r := range results {
		actions[i] = r.Action
	}
	return actions
}

// Wrong are the codes and paths of the errors of a result.
func (r *Result) Wrong() []string {
	wrong := []string{}
	for _, e := range r.UserErrors {
		wrong = append(wrong, string(e.Code)+" "+strings.Join(e.Path, "."))
	}
	return wrong
}
