package webhook_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/notify"
	"caseload/internal/relay"
	"caseload/internal/webhook"
)

// emitCounted returns how many statements an emission runs, without the insertion of jobs, which is one more.
func (w *world) emitCounted(t testing.TB, list ...webhook.Event) int {
	t.Helper()
	ctx := db.WithCounter(t.Context())
	require.NoError(t, w.Pool.InTx(ctx, w.Clock.Now(), func(tx *db.Tx) error { return w.outbox.Emit(ctx, tx, w.Viewer, list...) }))
	return db.Statements(ctx)
}

func TestPayloadIsThin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.endpoint(t, "https://hooks.example.com", webhook.CustomerMerged, webhook.ScheduleSynced)
	customer := webhook.Customer{ID: relay.ID{Prefix: "cust", UUID: uuid.MustParse("01920000-0000-7000-8000-000000000001")}, ReferenceID: `C-1 "<&`, Version: 7,
		Identifiers: []webhook.Identifier{{Source: "lms", SourceID: "77", Language: "en"}}}
	gone := relay.ID{Prefix: "cust", UUID: uuid.MustParse("01920000-0000-7000-8000-000000000002")}
	sched := relay.ID{Prefix: "sched", UUID: uuid.MustParse("01920000-0000-7000-8000-000000000003")}
	w.emit(t,
		webhook.Event{Type: webhook.CustomerMerged, Customer: customer, Merged: []relay.ID{gone}, Changed: []string{"email", "phones"}},
		webhook.Event{Type: webhook.ScheduleSynced, Customer: webhook.Customer{ID: customer.ID, Version: 7}, Schedule: &webhook.Schedule{ID: sched, Version: 2}},
	)
	rows := w.deliveries(t)
	require.Len(t, rows, 2)
	require.NotEqual(t, rows[0].EventID, rows[1].EventID)
	for i, want := range []string{
		`{"type": "customer.merged", "occurredAt": "2026-03-02T15:00:00.000Z", "data": {
			"customer": {"id": "` + customer.ID.String() + `", "referenceId": "C-1 \"<&", "version": 7, "identifiers": [{"source": "lms", "sourceId": "77", "language": "en"}]},
			"merged": ["` + gone.String() + `"], "changed": ["email", "phones"]}}`,
		`{"type": "schedule.synced", "occurredAt": "2026-03-02T15:00:00.000Z", "data": {
			"customer": {"id": "` + customer.ID.String() + `", "version": 7}, "schedule": {"id": "` + sched.String() + `", "version": 2}}}`,
	} {
		var body map[string]any
		require.NoError(t, json.Unmarshal(rows[i].Payload, &body))
		require.Equal(t, rows[i].EventID, body["id"])
		require.Equal(t, relay.ID{Prefix: "org", UUID: w.Viewer.OrganizationID}.String(), body["organizationId"])
		delete(body, "id")
		delete(body, "organizationId")
		text, err := json.Marshal(body)
		require.NoError(t, err)
		require.JSONEq(t, want, string(text))
	}
	require.Equal(t, []string{customer.ID.String(), sched.String()}, []string{rows[0].SubjectID, rows[1].SubjectID})
}

func TestEmitReachesTheEndpointsThatWantIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	both, _ := w.endpoint(t, "https://a.example.com", webhook.CustomerCreated, webhook.CustomerUpdated)
	one, _ := w.endpoint(t, "https://b.example.com", webhook.CustomerUpdated)
	off, _ := w.endpoint(t, "https://c.example.com")
	_, err := w.UpdateEndpoint(t.Context(), w.Viewer, webhook.UpdateEndpointInput{ID: off.ID(), IsEnabled: val(false)})
	require.NoError(t, err)
	_, _, err = w.CreateEndpoint(t.Context(), dbtest.NewViewer(uuid.New()), webhook.CreateEndpointInput{URL: "https://d.example.com", Events: []webhook.EventType{webhook.CustomerCreated}})
	require.NoError(t, err)
	jobs := w.jobs(t, "webhook.drain")
	w.emit(t, append(append(events(1, webhook.CustomerCreated), events(1, webhook.CustomerUpdated)...), events(1, webhook.CustomerDeleted)...)...)
	got := map[string]uuid.UUIDs{}
	ids := map[string]map[string]bool{}
	for _, d := range w.deliveries(t) {
		got[d.Event.Name()] = append(got[d.Event.Name()], d.EndpointID)
		if ids[d.Event.Name()] == nil {
			ids[d.Event.Name()] = map[string]bool{}
		}
		ids[d.Event.Name()][d.EventID] = true
	}
	require.Len(t, got, 2)
	require.ElementsMatch(t, uuid.UUIDs{both.UUID}, got["customer.created"])
	require.ElementsMatch(t, uuid.UUIDs{both.UUID, one.UUID}, got["customer.updated"])
	require.Len(t, ids["customer.updated"], 1, "one event has one id at all endpoints")
	require.Equal(t, jobs+2, w.jobs(t, "webhook.drain"), "one job for each endpoint, not for each delivery")
	require.Equal(t, jobs+2, get[int](t, w, "SELECT count(*) FROM river_job WHERE queue = $1", webhook.Queue))
}

func TestRolledBackChangesEmitNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.endpoint(t, "https://hooks.example.com")
	sorry := errors.New("sorry")
	err := w.Pool.InTx(t.Context(), w.Clock.Now(), func(tx *db.Tx) error {
		if err := w.outbox.Emit(t.Context(), tx, w.Viewer, events(3, webhook.CustomerCreated)...); err != nil {
			return err
		}
		return sorry
	})
	require.ErrorIs(t, err, sorry)
	require.Empty(t, w.deliveries(t))
	require.Zero(t, w.jobs(t, "webhook.drain"))
}

func TestEmitRunsAFixedNumberOfStatements(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Listen(t)
	require.Equal(t, 1, w.emitCounted(t, events(1, webhook.CustomerCreated)...), "the first look")
	require.Zero(t, w.emitCounted(t, events(1000, webhook.CustomerCreated)...), "an organization without endpoints pays nothing")
	// The messages of new endpoints arrive at their own process too, and make it read once more.
	messages := w.Bus.Subscribe(t.Context(), func(m notify.Message) bool { return m.Subject == w.Viewer.OrganizationID })
	for range 2 {
		w.endpoint(t, "https://hooks.example.com")
		select {
		case <-messages:
		case <-time.After(dbtest.Patience):
			require.FailNow(t, "the message did not come")
		}
	}
	w.emit(t, events(1, webhook.CustomerCreated)...)
	one := w.emitCounted(t, events(1, webhook.CustomerCreated)...)
	require.Equal(t, 2, one)
	before := len(w.deliveries(t))
	require.Equal(t, one, w.emitCounted(t, events(1000, webhook.CustomerUpdated)...))
	require.Equal(t, before+2000, len(w.deliveries(t)))
	require.Zero(t, w.emitCounted(t, events(5, webhook.ScheduleSynced)...), "nobody wants it")
	require.Zero(t, w.emitCounted(t))
}

// Every process learns of an endpoint that another has made or ended.
func TestOtherProcessesSeeChangedEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Listen(t)
	other := &world{World: w.Another(t)}
	other.outbox = other.newOutbox(t)
	other.Listen(t)
	other.emit(t, events(1, webhook.CustomerCreated)...)
	require.Zero(t, other.emitCounted(t, events(1, webhook.CustomerCreated)...))
	e, _ := w.endpoint(t, "https://hooks.example.com")
	require.Eventually(t, func() bool { return other.emitCounted(t, events(1, webhook.CustomerCreated)...) > 0 }, dbtest.Patience, time.Millisecond)
	_, err := w.DeleteEndpoint(t.Context(), w.Viewer, webhook.DeleteEndpointInput{ID: e.ID()})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return other.emitCounted(t, events(1, webhook.CustomerCreated)...) == 0 }, dbtest.Patience, time.Millisecond)
}

// A NOTIFY in a transaction makes all commits of the database wait for each other; River must not send one with
// every insertion.
func TestEmissionsDoNotNotify(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.endpoint(t, "https://hooks.example.com")
	heard := listenTo(t, w, "public.river_insert")
	for range 20 {
		w.emit(t, events(1, webhook.CustomerCreated)...)
	}
	w.Exec(t, "SELECT pg_notify('public.river_insert', 'end')")
	require.LessOrEqual(t, heard(t, "end"), 1)
}
