package webhook_test

import (
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
	"github.com/lib/pq"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/relay"
	"caseload/internal/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a database with the services on it and an organization.
type world struct {
	*dbtest.World
	*webhook.Service
	outbox    *webhook.Outbox
	deliverer *webhook.Deliverer
}

func newWorld(t testing.TB) *world { return newWorldWith(t, webhook.Options{AllowPrivate: true}) }

func newWorldWith(t testing.TB, o webhook.Options) *world {
	t.Helper()
	w := &world{World: dbtest.NewWorld(t, dbtest.WorldOptions{})}
	w.outbox = w.newOutbox(t)
	w.Service = webhook.New(w.Pool, w.Sealer, w.outbox, o.AllowPrivate, w.Clock.Now)
	w.deliverer = w.newDeliverer(t, o)
	w.Exec(t, "INSERT INTO organizations (organization_id, id, name, created_at, updated_at, created_by, updated_by) VALUES ($1, $1, 'Harbor', now(), now(), 'x', 'x')", w.Viewer.OrganizationID)
	return w
}

func (w *world) newOutbox(t testing.TB) *webhook.Outbox {
	t.Helper()
	outbox, err := webhook.NewOutbox(w.Pool, w.Bus, w.Clock.Now)
	require.NoError(t, err)
	return outbox
}

// newDeliverer is the deliverer of one more process.
func (w *world) newDeliverer(t testing.TB, o webhook.Options) *webhook.Deliverer {
	t.Helper()
	if o.Timeout == 0 {
		// What a test waits for does not depend on how busy the machine is.
		o.Timeout = dbtest.Patience
	}
	o.Log = w.Logger
	c := webhook.NewDeliverer(w.Pool, w.Sealer, w.outbox, o, w.Clock.Now)
	t.Cleanup(c.Close)
	return c
}

func get[T any](t testing.TB, w *world, query string, args ...any) T {
	t.Helper()
	return dbtest.Get[T](t, w.World, query, args...)
}

func val[T any](v T) graphql.Omittable[*T] { return graphql.OmittableOf(&v) }
func null[T any]() graphql.Omittable[*T]   { return graphql.OmittableOf[*T](nil) }

// endpoint makes an endpoint that wants some events, or all customer events, and returns its secret too.
func (w *world) endpoint(t testing.TB, url string, events ...webhook.EventType) (*webhook.Endpoint, string) {
	t.Helper()
	if len(events) == 0 {
		events = []webhook.EventType{webhook.CustomerCreated, webhook.CustomerUpdated, webhook.CustomerDeleted, webhook.CustomerMerged}
	}
	e, secret, err := w.CreateEndpoint(t.Context(), w.Viewer, webhook.CreateEndpointInput{URL: url, Events: events})
	require.NoError(t, err)
	return e, secret
}

func (w *world) reread(t testing.TB, e *webhook.Endpoint) *webhook.Endpoint {
	t.Helper()
	got, err := webhook.Endpoints.ByID(t.Context(), w.Pool, w.Viewer.Scope(), e.UUID)
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
	require.NoError(t, w.Pool.InTx(t.Context(), w.Clock.Now(), func(tx *db.Tx) error { return w.outbox.Emit(t.Context(), tx, w.Viewer, list...) }))
}

func (w *world) drain(t testing.TB, e *webhook.Endpoint) {
	t.Helper()
	require.NoError(t, w.deliverer.Drain(t.Context(), e.OrganizationID, e.UUID))
}

// deliveries are those of the organization, oldest first.
func (w *world) deliveries(t testing.TB) []*webhook.Delivery {
	t.Helper()
	rows, err := webhook.Deliveries.List(t.Context(), w.Pool, w.Viewer.Scope(), db.Where{}, db.Page{Order: db.By("created_at")})
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

func (w *world) jobs(t testing.TB, kind string) int {
	t.Helper()
	return get[int](t, w, "SELECT count(*) FROM river_job WHERE kind = $1", kind)
}

// listenTo listens to a channel of the database, and returns what counts the messages before a last one.
func listenTo(t testing.TB, w *world, channel string) func(t testing.TB, last string) int {
	t.Helper()
	l := pq.NewListener(w.URL, time.Second, time.Second, nil)
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
			case <-time.After(dbtest.Patience):
				require.FailNow(t, "the last message did not come")
			}
		}
	}
}
