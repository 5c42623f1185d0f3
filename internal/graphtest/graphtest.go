// Package graphtest starts the real API on a database of a test's own, with organizations, API keys and a
// clock, and makes the things that tests ask for.
package graphtest

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/graph"
	"caseload/internal/blob"
	"caseload/internal/blob/blobtest"
	"caseload/internal/calling"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/httpapi"
	"caseload/internal/httpapi/download"
	"caseload/internal/identity"
	"caseload/internal/lending"
	"caseload/internal/notify"
	"caseload/internal/pii"
	"caseload/internal/schedule"
	"caseload/internal/viewer"
)

// Morning is where the clock of a world starts: a Monday, 11:00 in New York, when every rule of the
// standard task type allows a call.
var Morning = time.Date(2026, time.March, 9, 15, 0, 0, 0, time.UTC)

// secret is known to all server processes.
var secret = []byte("a secret of all server processes")

// World is one database with two organizations that know nothing of each other, and one API in front of it.
type World struct {
	// Server is the first API; [World.Start] adds others on the same database.
	*Server
	URL   string
	Clock *dbtest.Clock
	// Harbor and Summit are the organizations.
	Harbor, Summit *Tenant
	// Files is the object store of all servers, and Folder where it lies.
	Files  *blob.Store
	Folder string

	sealer *pii.Sealer
	links  *download.Links
}

// Tenant is an organization of a world.
type Tenant struct {
	world *World
	// System acts for the organization with every scope.
	System *viewer.Viewer
	// Key is the text of an API key with every scope.
	Key string
	// TaskType is the name of the standard task type, for collections.
	TaskType string

	mu   sync.Mutex
	keys map[string]string
	made int
}

// Option changes how an API is started.
type Option func(*graph.Options, *db.Settings)

// Limits replaces the limits, which are otherwise lifted where they would disturb tests that ask much.
func Limits(l httpapi.Limits) Option { return func(o *graph.Options, _ *db.Settings) { o.Limits = &l } }

// Timeout bounds each statement.
func Timeout(d time.Duration) Option {
	return func(_ *graph.Options, s *db.Settings) { s.StatementTimeout = d }
}

// Configure changes the options of the API.
func Configure(f func(*graph.Options)) Option {
	return func(o *graph.Options, _ *db.Settings) { f(o) }
}

// New makes a world. Everything ends with the test.
func New(t testing.TB, options ...Option) *World {
	t.Helper()
	base := dbtest.NewWorld(t, dbtest.WorldOptions{Start: Morning})
	w := &World{URL: base.URL, Clock: base.Clock, Folder: t.TempDir(), sealer: base.Sealer}
	w.Files = blobtest.Open(t, w.Folder, w.sealer)
	var err error
	w.links, err = download.NewLinks(download.LinksOptions{Secret: secret, Now: w.Clock.Now})
	require.NoError(t, err)
	w.Server = w.Start(t, options...)
	w.Harbor = w.tenant(t, "Harbor Lending", "America/New_York")
	w.Summit = w.tenant(t, "Summit Recovery", "America/Denver")
	return w
}

func (w *World) tenant(t testing.TB, name, zone string) *Tenant {
	t.Helper()
	id := db.NewID()
	_, err := identity.CreateOrganization(t.Context(), w.Pool, id, name, zone, w.Clock.Now())
	require.NoError(t, err)
	o := &Tenant{world: w, TaskType: "collections", keys: map[string]string{}, System: &viewer.Viewer{
		Kind: viewer.System, OrganizationID: id, ActorName: "test", Scopes: viewer.AllScopes(), RequestID: "test-request"}}
	_, err = w.Schedules.CreateTaskType(t.Context(), o.System, schedule.CreateTaskTypeInput{Name: o.TaskType, Purpose: calling.Collection})
	require.NoError(t, err)
	o.Key = o.KeyWith(t, viewer.AllScopes()...)
	return o
}

// KeyWith returns the text of an API key with exactly these scopes.
func (o *Tenant) KeyWith(t testing.TB, scopes ...viewer.Scope) string {
	t.Helper()
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	name := strings.Join(names, " ")
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.keys[name] == "" {
		_, text, err := o.world.Keys.Create(t.Context(), o.System, identity.CreateAPIKeyInput{Name: "a key", Scopes: scopes})
		require.NoError(t, err)
		o.keys[name] = text
	}
	return o.keys[name]
}

// KeyWithout returns the text of an API key with every scope but these.
func (o *Tenant) KeyWithout(t testing.TB, missing ...viewer.Scope) string {
	t.Helper()
	var scopes []viewer.Scope
	for _, s := range viewer.AllScopes() {
		keep := true
		for _, m := range missing {
			keep = keep && s != m
		}
		if keep {
			scopes = append(scopes, s)
		}
	}
	return o.KeyWith(t, scopes...)
}

// ID is the organization's id.
func (o *Tenant) ID() uuid.UUID { return o.System.OrganizationID }

// Server is one server process as far as its clients can tell: an API with a pool and a bus of its own.
type Server struct {
	*graph.API
	Pool *db.Pool
	Bus  *notify.Bus
	Log  *Log

	routes *http.ServeMux
	once   sync.Once
	http   *httptest.Server
}

// Start starts an API on the world's database, as another server process would.
func (w *World) Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	limits := httpapi.DefaultLimits()
	limits.OperationsBurst, limits.AnonymousBurst, limits.PointsBurst = 1_000_000, 1_000_000, 1_000_000_000
	limits.PrincipalInFlight, limits.MaxCost = 1000, 1_000_000
	s := &Server{Log: &Log{}}
	log := slog.New(s.Log)
	o := graph.Options{Sealer: w.sealer, CursorKey: secret, Now: w.Clock.Now, Log: log, Limits: &limits, Store: w.Files, Links: w.links,
		Lending: lending.New(lending.Options{TryTimeout: time.Second, Timeout: time.Second, Tries: 1}), AllowPrivate: true}
	t.Cleanup(o.Lending.Close)
	settings := db.Settings{MaxOpen: 8, StatementTimeout: dbtest.Patience, ApplicationName: "caseload"}
	for _, option := range options {
		option(&o, &settings)
	}
	var err error
	if o.Pool == nil {
		o.Pool, err = db.Open(w.URL, settings)
		require.NoError(t, err)
		t.Cleanup(func() { _ = o.Pool.Close() })
	}
	o.Bus = notify.New(o.Pool, w.URL, log)
	s.API, err = graph.New(o)
	require.NoError(t, err)
	s.Pool, s.Bus = o.Pool, o.Bus
	s.routes = http.NewServeMux()
	s.routes.Handle("/graphql", s.Handler)
	s.routes.Handle(download.Path, download.Handler(download.Options{Links: o.Links, Openers: s.Openers(), API: s.HTTP}))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- o.Bus.Run(ctx) }()
	t.Cleanup(func() {
		stop, end := context.WithTimeout(context.Background(), dbtest.Patience)
		defer end()
		_ = s.Shutdown(stop)
		if s.http != nil {
			s.http.Close()
		}
		cancel()
		<-ended
	})
	// The bus tells of gaps before it trusts what it hears, so being connected is an event that nobody tells.
	require.Eventually(t, func() bool { return o.Bus.Connected() || len(ended) > 0 }, dbtest.Patience, 2*time.Millisecond, "the bus does not listen")
	require.Empty(t, ended, "the bus ended")
	return s
}

// Address returns the URL of the GraphQL endpoint on a port of its own.
func (s *Server) Address() string {
	s.once.Do(func() { s.http = httptest.NewServer(s.routes) })
	return s.http.URL + "/graphql"
}

var _ http.Handler = (*Server)(nil)

// ServeHTTP serves a request without a network in between.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.routes.ServeHTTP(w, r) }
