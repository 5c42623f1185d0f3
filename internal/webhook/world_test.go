package webhook_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/lib/pq"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/notify"
	"caseload/internal/pii"
	"caseload/internal/relay"
	"caseload/internal/viewer"
	"caseload/internal/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute

var monday = time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)

// world is a database with the services on it, an organization, and a clock that tests turn.
type world struct {
	*webhook.Service
	outbox  *webhook.Outbox
	courier *webhook.Courier
	pool    *db.Pool
	bus     *notify.Bus
	sealer  *pii.Sealer
	keys    pii.Keys
	url     string
	v       *viewer.Viewer
	log     *buffer

	mu  sync.Mutex
	now time.Time
}

// buffer is a log that tests read.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newWorld(t testing.TB) *world { return newWorldWith(t, webhook.Options{AllowPrivate: true}) }

func newWorldWith(t testing.TB, o webhook.Options) *world {
	t.Helper()
	w := &world{url: dbtest.New(t), now: monday, log: &buffer{}}
	var err error
	w.pool, err = db.Open(w.url, db.Settings{MaxOpen: 12})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.pool.Close()) })
	w.keys, err = pii.GenerateKeys()
	require.NoError(t, err)
	w.sealer, err = pii.NewSealer(w.keys)
	require.NoError(t, err)
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.bus = notify.New(w.pool, w.url, log)
	w.outbox, err = webhook.NewOutbox(w.pool, w.bus, w.clock)
	require.NoError(t, err)
	w.Service = webhook.New(w.pool, w.sealer, w.outbox, o.AllowPrivate, w.clock)
	w.courier = w.newCourier(t, o)
	w.v = newViewer(uuid.MustParse("01920000-0000-7000-8000-0000000000aa"))
	w.exec(t, "INSERT INTO organizations (organization_id, id, name, created_at, updated_at, created_by, updated_by) VALUES ($1, $1, 'Harbor', now(), now(), 'x', 'x')", w.v.OrganizationID)
	return w
}

// newCourier is the courier of one more process.
func (w *world) newCourier(t testing.TB, o webhook.Options) *webhook.Courier {
	t.Helper()
	if o.Timeout == 0 {
		// What a test waits for does not depend on how busy the machine is.
		o.Timeout = patience
	}
	o.Log = slog.New(slog.NewTextHandler(w.log, nil))
	c := webhook.NewCourier(w.pool, w.sealer, w.outbox, o, w.clock)
	t.Cleanup(c.Close)
	return c
}

func newViewer(organization uuid.UUID) *viewer.Viewer {
	return &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: organization, ActorID: db.NewID(), ActorName: "key", Scopes: viewer.AllScopes(), RequestID: "request", IP: "192.0.2.1"}
}

// listen runs the bus, so that caches are trusted.
func (w *world) listen(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.bus.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	require.Eventually(t, w.bus.Connected, patience, time.Millisecond)
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) exec(t testing.TB, query string, args ...any) {
	t.Helper()
	_, err := w.pool.SQL().Exec(query, args...)
	require.NoError(t, err)
}

func get[T any](t testing.TB, w *world, query string, args ...any) T {
	t.Helper()
	var v T
	require.NoError(t, w.pool.SQL().QueryRow(query, args...).Scan(&v), query)
	return v
}

func val[T any](v T) graphql.Omittable[*T] { return graphql.OmittableOf(&v) }
func null[T any]() graphql.Omittable[*T]   { return graphql.OmittableOf[*T](nil) }

// endpoint makes an endpoint that wants some events, or all customer events, and returns its secret too.
func (w *world) endpoint(t testing.TB, url string, events ...webhook.EventType) (*webhook.Endpoint, string) {
	t.Helper()
	if len(events) == 0 {
		events = []webhook.EventType{webhook.CustomerCreated, webhook.CustomerUpdated, webhook.CustomerDeleted, webhook.CustomerMerged}
	}
	e, secret, err := w.CreateEndpoint(t.Context(), w.v, webhook.CreateEndpointInput{URL: url, Events: events})
	require.NoError(t, err)
	return e, secret
}

func (w *world) reread(t testing.TB, e *webhook.Endpoint) *webhook.Endpoint {
	t.Helper()
	got, err := webhook.Endpoints.ByID(t.Context(), w.pool, w.v.Scope(), e.UUID)
	require.NoError(t, err)
	return got
}

// events makes n events about as many customers.
func events(n int, typ webhook.EventType) []webhook.Event {
	out := make([]webhook.Event, n)
	for i := range out {
		out[i] = webhook.Event{Type: typ, Customer: webhook.Customer{ID: relay.ID{Prefix: "cust", UUID: db.NewID()}, ReferenceID: fmt.Sprintf("C-%d", i), Version: 3}, Changed: []string{"firstName"}}
	}
	return out
}

// emit tells of events in a transaction of their own.
func (w *world) emit(t testing.TB, list ...webhook.Event) {
	t.Helper()
	require.NoError(t, w.pool.InTx(t.Context(), w.clock(), func(tx *db.Tx) error { return w.outbox.Emit(t.Context(), tx, w.v, list...) }))
}

func (w *world) drain(t testing.TB, e *webhook.Endpoint) {
	t.Helper()
	require.NoError(t, w.courier.Drain(t.Context(), e.OrganizationID, e.UUID))
}

// deliveries are those of the organization, oldest first.
func (w *world) deliveries(t testing.TB) []*webhook.Delivery {
	t.Helper()
	rows, err := webhook.Deliveries.List(t.Context(), w.pool, w.v.Scope(), db.Where{}, db.Page{Order: db.By("created_at")})
	require.NoError(t, err)
	return rows
}

func (w *world) only(t testing.TB) *webhook.Delivery {
	t.Helper()
	rows := w.deliveries(t)
	require.Len(t, rows, 1)
	return rows[0]
}

// receiver is a server of an integrator. It answers by its answer, or 204, and keeps what arrived.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []received
	answer http.HandlerFunc
}

type received struct {
	header http.Header
	body   []byte
}

func newReceiver(t testing.TB, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{}
	r.set(answer)
	r.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil || req.Method != http.MethodPost {
			t.Errorf("receive delivery: %s, %v", req.Method, err)
		}
		r.mu.Lock()
		r.got = append(r.got, received{req.Header.Clone(), body})
		answer := r.answer
		r.mu.Unlock()
		answer(rw, req)
	}))
	r.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) set(answer http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if answer == nil {
		answer = status(http.StatusNoContent)
	}
	r.answer = answer
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// closedPort is an address at which nobody listens.
func closedPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return "http://" + l.Addr().String()
}

// refused returns the codes and paths of user errors.
func refused(t testing.TB, err error) []string {
	t.Helper()
	users, ok := fault.AsUserErrors(err)
	require.True(t, ok, "want user errors, got %v", err)
	var out []string
	for _, u := range users {
		require.Regexp(t, `\.$`, u.Message)
		out = append(out, string(u.Code)+" "+strings.Join(u.Path, "."))
	}
	return out
}

// audited returns how many entries an action has.
func (w *world) audited(t testing.TB, action string) int {
	t.Helper()
	return get[int](t, w, "SELECT count(*) FROM audit_entries WHERE action = $1", action)
}

func (w *world) jobs(t testing.TB, kind string) int {
	t.Helper()
	return get[int](t, w, "SELECT count(*) FROM river_job WHERE kind = $1", kind)
}

func newBus(t testing.TB, w *world) *notify.Bus {
	t.Helper()
	return notify.New(w.pool, w.url, slog.New(slog.DiscardHandler))
}

// listenTo listens to a channel of the database, and returns what counts the messages before a last one.
func listenTo(t testing.TB, w *world, channel string) func(t testing.TB, last string) int {
	t.Helper()
	l := pq.NewListener(w.url, time.Second, time.Second, nil)
	t.Cleanup(func() { _ = l.Close() })
	require.NoError(t, l.Listen(channel))
	return func(t testing.TB, last string) int {
		t.Helper()
		for n := 0; ; n++ {
			select {
			case m := <-l.Notify:
				if m.Extra == last {
					return n
				}
			case <-time.After(patience):
				require.FailNow(t, "the last message did not come")
			}
		}
	}
}
