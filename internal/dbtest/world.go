package dbtest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/db"
	"caseload/internal/notify"
	"caseload/internal/pii"
	"caseload/internal/viewer"
)

// Patience bounds what a test waits for. It does not depend on how busy the machine is.
const Patience = time.Minute

// Monday is where the clock of a world starts unless told otherwise: 10:00 in New York on a day without anything special.
var Monday = time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)

// World is a database of the test's own and what services on it are made of. It is one server process; [World.Another] is one more.
type World struct {
	URL string
	// Process is the name of the connections, unlike that of any other process.
	Process string
	Pool    *db.Pool
	// Bus does not run before [World.Listen].
	Bus *notify.Bus
	// Secrets are the keys of Sealer.
	Secrets pii.Keys
	Sealer  *pii.Sealer
	Clock   *Clock
	// Log holds what Logger was told.
	Log    *Log
	Logger *slog.Logger
	// Viewer is an API key with every scope.
	Viewer *viewer.Viewer
}

// WorldOptions change how a world is made. The zero value is good for most.
type WorldOptions struct {
	// Start is where the clock starts, [Monday] when it is zero.
	Start time.Time
	// Database holds at most twelve connections unless it says otherwise.
	Database db.Settings
}

// NewWorld makes a world. Everything ends with the test.
func NewWorld(t testing.TB, o WorldOptions) *World {
	t.Helper()
	w := &World{URL: New(t), Clock: NewClock(Monday), Log: &Log{}, Viewer: NewViewer(uuid.MustParse("01920000-0000-7000-8000-0000000000aa"))}
	if !o.Start.IsZero() {
		w.Clock.Set(o.Start)
	}
	w.Logger = slog.New(slog.NewTextHandler(w.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	w.Secrets, err = pii.GenerateKeys()
	require.NoError(t, err)
	w.Sealer, err = pii.NewSealer(w.Secrets)
	require.NoError(t, err)
	w.connect(t, o.Database)
	return w
}

// Another is one more process of the same server: it has a pool and a bus of its own and shares everything else.
func (w *World) Another(t testing.TB) *World {
	t.Helper()
	other := *w
	other.connect(t, db.Settings{})
	return &other
}

func (w *World) connect(t testing.TB, s db.Settings) {
	t.Helper()
	w.Process = "process " + uuid.NewString()
	s.ApplicationName = w.Process
	if s.MaxOpen == 0 {
		s.MaxOpen = 12
	}
	var err error
	w.Pool, err = db.Open(w.URL, s)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Pool.Close()) })
	w.Bus = notify.New(w.Pool, w.URL, w.Logger)
}

// Listen runs the bus until the test ends, and returns when it hears, so that caches are trusted.
func (w *World) Listen(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Bus.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	// A busy database server refuses connections for a while, and the bus tries again ever more slowly.
	require.Eventually(t, w.Bus.Connected, Patience, time.Millisecond, "the bus did not connect")
}

// NewViewer is an API key of an organization with these scopes, with every one when none is named.
func NewViewer(organization uuid.UUID, scopes ...viewer.Scope) *viewer.Viewer {
	if len(scopes) == 0 {
		scopes = viewer.AllScopes()
	}
	return &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: organization, ActorID: db.NewID(), ActorName: "key", Scopes: scopes, RequestID: "request", IP: "192.0.2.1"}
}

// Exec runs a statement.
func (w *World) Exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	_, err := w.Pool.Exec(context.Background(), statement, args...)
	require.NoError(t, err)
}

// Get reads one value, or one row into a struct.
func Get[T any](t testing.TB, w *World, query string, args ...any) T {
	t.Helper()
	var v T
	require.NoError(t, w.Pool.Get(context.Background(), &v, query, args...), query)
	return v
}

// Audited counts the audit entries of an action.
func (w *World) Audited(t testing.TB, action string) int {
	t.Helper()
	return Get[int](t, w, "SELECT count(*) FROM audit_entries WHERE action = $1", action)
}

// Dump is every row of every table with the transaction that wrote it: two equal dumps mean that nothing was written in
// between, not even the same values again.
func (w *World) Dump(t testing.TB) map[string][]string {
	t.Helper()
	var tables []string
	require.NoError(t, w.Pool.Select(t.Context(), &tables, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"))
	out := map[string][]string{}
	for _, name := range tables {
		var rows []string
		require.NoError(t, w.Pool.Select(t.Context(), &rows, fmt.Sprintf("SELECT x.xmin::text || ' ' || x::text FROM %s x ORDER BY 1", quote(name))))
		out[name] = rows
	}
	return out
}

// Clock stands still until it is told. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock makes a clock that stands at a time.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set turns the clock to a time.
func (c *Clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// Advance puts the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Log keeps what is written to it. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends to the log.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns everything that was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
