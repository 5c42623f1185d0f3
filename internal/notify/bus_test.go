package notify_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/notify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what must happen: a test that waits longer has found a fault.
const patience = 20 * time.Second

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// process is one server process: a bus with connections of its own.
type process struct {
	*notify.Bus
	pool *db.Pool
	// gaps counts the gaps; a value comes for each.
	gaps chan struct{}
	stop context.CancelFunc
	done chan error
}

func open(t testing.TB, address string) *db.Pool {
	t.Helper()
	pool, err := db.Open(address, db.Settings{MaxOpen: 2})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pool.Close() })
	return pool
}

func prepare(t testing.TB, address string, pool *db.Pool) *process {
	t.Helper()
	p := &process{Bus: notify.New(pool, address, slog.New(slog.DiscardHandler)), pool: pool, gaps: make(chan struct{}, 1000), done: make(chan error, 1)}
	p.OnGap(func() { p.gaps <- struct{}{} })
	return p
}

// run runs the bus and waits until it hears.
func (p *process) run(t testing.TB) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	go func() { p.done <- p.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-p.done })
	p.wait(t, p.Connected)
	return p
}

func (p *process) wait(t testing.TB, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, time.Millisecond)
}

func start(t testing.TB, address string) *process {
	t.Helper()
	return prepare(t, address, open(t, address)).run(t)
}

func next[V any](t testing.TB, c <-chan V) (V, bool) {
	t.Helper()
	select {
	case v, ok := <-c:
		return v, ok
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func all(notify.Message) bool { return true }

func about(topic string) notify.Message {
	return notify.Message{Topic: topic, OrganizationID: db.NewID(), Subject: db.NewID(), Kind: "CHANGED", At: noon}
}

func TestMessagesReachOtherProcesses(t *testing.T) {
	address := dbtest.New(t)
	a, b := start(t, address), start(t, address)
	heard := b.Subscribe(t.Context(), all)
	deaf := b.Subscribe(t.Context(), func(m notify.Message) bool { return m.Topic == "other" })
	self := a.Subscribe(t.Context(), all)
	var sent []notify.Message
	for range 100 {
		m := about("x")
		sent = append(sent, m)
		a.Publish(m)
	}
	for _, want := range sent {
		got, ok := next(t, heard)
		require.True(t, ok)
		require.Equal(t, want, got, "in order")
		got, ok = next(t, self)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	other := about("other")
	b.Publish(other)
	got, _ := next(t, deaf)
	require.Equal(t, other, got)
}

func TestHandlersGetTheirTopicOnly(t *testing.T) {
	address := dbtest.New(t)
	a := start(t, address)
	b := prepare(t, address, open(t, address))
	got := make(chan notify.Message, 10)
	b.OnMessage("mine", func(m notify.Message) { got <- m })
	b.run(t)
	a.Publish(about("other"))
	want := about("mine")
	a.Publish(want)
	m, _ := next(t, got)
	require.Equal(t, want, m)
}

func TestSubscriptionEndsWithItsContext(t *testing.T) {
	a := start(t, dbtest.New(t))
	ctx, cancel := context.WithCancel(t.Context())
	c := a.Subscribe(ctx, all)
	cancel()
	_, open := next(t, c)
	require.False(t, open)
	_, open = next(t, a.Subscribe(ctx, all))
	require.False(t, open, "also when it has ended before")
}

func TestSlowSubscriberIsCutOff(t *testing.T) {
	address := dbtest.New(t)
	a := start(t, address)
	slow := a.Subscribe(t.Context(), func(m notify.Message) bool { return m.Topic == "flood" })
	quick := a.Subscribe(t.Context(), all)
	for range 300 {
		a.Publish(about("flood"))
		_, ok := next(t, quick)
		require.True(t, ok, "a slow one does not hold up the others")
	}
	n := 0
	for range slow {
		n++
	}
	require.Equal(t, 256, n, "what came before is still there")
}

func TestLostConnectionIsAGap(t *testing.T) {
	address := dbtest.New(t)
	a, b := start(t, address), start(t, address)
	cache := a.Subscribe(t.Context(), all)
	for len(a.gaps) > 0 {
		<-a.gaps
	}
	// The listening connections are those that are not the pool's.
	_, err := b.pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'`)
	require.NoError(t, err)
	_, open := next(t, cache)
	require.False(t, open, "whoever may have missed something is told")
	next(t, a.gaps)

	a.wait(t, a.Connected)
	b.wait(t, b.Connected)
	again := a.Subscribe(t.Context(), all)
	want := about("x")
	b.Publish(want)
	for {
		// The reconnection itself may be one more gap.
		got, ok := next(t, again)
		if !ok {
			again = a.Subscribe(t.Context(), all)
			b.Publish(want)
			continue
		}
		require.Equal(t, want, got)
		return
	}
}

func TestNotConnectedBeforeItListens(t *testing.T) {
	address := dbtest.New(t)
	p := prepare(t, address, open(t, address))
	require.False(t, p.Connected())
	p.run(t)
	require.True(t, p.Connected())
	p.stop()
	require.NoError(t, <-p.done)
	p.done <- nil
	require.False(t, p.Connected(), "what it hears no more it must not be trusted for")
}

func TestRunEndsWhileTheDatabaseIsAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	address := "postgres://nobody@" + l.Addr().String() + "/nothing?sslmode=disable"
	p := prepare(t, address, open(t, address))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { p.done <- p.Run(ctx) }()
	next(t, p.gaps) // an attempt has failed
	require.False(t, p.Connected())
	cancel()
	err, _ = next(t, p.done)
	require.NoError(t, err)
}

// flaky is a way to the database that can be closed.
type flaky struct {
	driver.Connector
	closed   atomic.Bool
	attempts chan struct{}
}

func (f *flaky) Connect(ctx context.Context) (driver.Conn, error) {
	if f.closed.Load() {
		select {
		case f.attempts <- struct{}{}:
		default:
		}
		return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
	}
	return f.Connector.Connect(ctx)
}

// A message must outlive an outage of the sender's own connections: it may tell that a key is revoked.
func TestMessagesOutliveAnOutage(t *testing.T) {
	address := dbtest.New(t)
	connector, err := pq.NewConnector(address)
	require.NoError(t, err)
	f := &flaky{Connector: connector, attempts: make(chan struct{}, 1)}
	f.closed.Store(true)
	d := sql.OpenDB(f)
	t.Cleanup(func() { _ = d.Close() })
	a, b := prepare(t, address, db.NewPool(sqlx.NewDb(d, "postgres"))).run(t), start(t, address)
	heard := b.Subscribe(t.Context(), all)
	first, second := about("first"), about("second")
	a.Publish(first)
	next(t, f.attempts)
	a.Publish(second)
	f.closed.Store(false)
	got, _ := next(t, heard)
	require.Equal(t, first, got)
	got, _ = next(t, heard)
	require.Equal(t, second, got)
}

func TestQueuedMessagesAreSentAtStop(t *testing.T) {
	address := dbtest.New(t)
	a, b := start(t, address), start(t, address)
	heard := b.Subscribe(t.Context(), all)
	want := about("x")
	a.Publish(want)
	a.stop()
	got, ok := next(t, heard)
	require.True(t, ok)
	require.Equal(t, want, got)
}

func TestFlushOfABusThatDoesNotRun(t *testing.T) {
	address := dbtest.New(t)
	b := start(t, address)
	heard := b.Subscribe(t.Context(), all)
	command := prepare(t, address, open(t, address))
	require.NoError(t, command.Flush(t.Context()), "nothing to send")
	want := about("x")
	command.Publish(want)
	require.NoError(t, command.Flush(t.Context()))
	got, _ := next(t, heard)
	require.Equal(t, want, got)
}

// What the database will never take must not stand in the way of the rest.
func TestMessageThatIsTooLongIsDropped(t *testing.T) {
	address := dbtest.New(t)
	a := start(t, address)
	heard := a.Subscribe(t.Context(), all)
	long := about("x")
	long.Kind = string(bytes.Repeat([]byte("x"), 9000))
	command := prepare(t, address, open(t, address))
	command.Publish(long)
	require.Error(t, command.Flush(t.Context()))
	want := about("x")
	command.Publish(want)
	require.NoError(t, command.Flush(t.Context()))
	got, _ := next(t, heard)
	require.Equal(t, want, got)
}

func TestForeignNotificationIsIgnored(t *testing.T) {
	address := dbtest.New(t)
	a := start(t, address)
	heard := a.Subscribe(t.Context(), all)
	_, err := a.pool.Exec(t.Context(), "SELECT pg_notify('caseload', 'not JSON')")
	require.NoError(t, err)
	want := about("x")
	a.Publish(want)
	got, _ := next(t, heard)
	require.Equal(t, want, got)
}

func TestQueueIsBounded(t *testing.T) {
	pool := open(t, "postgres://nobody@127.0.0.1:1/nothing?sslmode=disable")
	p := prepare(t, "postgres://nobody@127.0.0.1:1/nothing?sslmode=disable", pool)
	for range 50_000 {
		p.Publish(about("x"))
	}
	require.Empty(t, p.gaps)
	p.Publish(about("x"))
	next(t, p.gaps)
}

func TestCacheReadsOnceUntilChanged(t *testing.T) {
	address := dbtest.New(t)
	now := atomic.Int64{}
	clock := func() time.Time { return noon.Add(time.Duration(now.Load())) }
	a, b := prepare(t, address, open(t, address)), prepare(t, address, open(t, address))
	mine, theirs := notify.NewCache[int](a.Bus, "thing", 10, time.Minute, clock), notify.NewCache[int](b.Bus, "thing", 10, time.Minute, clock)
	dropped := make(chan notify.Message, 10)
	b.OnMessage("thing", func(m notify.Message) { dropped <- m }) // after the cache's own
	reads := 0
	read := func(context.Context) (int, error) { reads++; return reads, nil }
	get := func(c *notify.Cache[int], key uuid.UUID) int {
		v, err := c.Get(t.Context(), key, read)
		require.NoError(t, err)
		return v
	}
	key, other := db.NewID(), db.NewID()
	require.Equal(t, 1, get(theirs, key))
	require.Equal(t, 2, get(theirs, key), "nothing is trusted before changes are heard")
	a.run(t)
	b.run(t)
	require.Equal(t, 3, get(theirs, key))
	require.Equal(t, 3, get(theirs, key))
	require.Equal(t, 4, get(theirs, other))

	mine.Changed(db.NewID(), key, "CHANGED", noon)
	next(t, dropped)
	require.Equal(t, 5, get(theirs, key))
	require.Equal(t, 4, get(theirs, other), "what did not change is kept")

	now.Store(int64(time.Minute))
	require.Equal(t, 6, get(theirs, key), "and nothing for longer than its time")

	theirs.Drop(key)
	require.Equal(t, 7, get(theirs, key))
	failing := errors.New("no")
	theirs.Drop(key)
	_, err := theirs.Get(t.Context(), key, func(context.Context) (int, error) { return 0, failing })
	require.ErrorIs(t, err, failing)
	require.Equal(t, 8, get(theirs, key), "an error is not remembered")

	_, err = a.pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'`)
	require.NoError(t, err)
	b.wait(t, func() bool { return get(theirs, key) > 8 }) // a gap clears it
}

// A value that was read before a change, and comes back after it, must not be kept.
func TestCacheDoesNotStoreAValueReadBeforeAChange(t *testing.T) {
	address := dbtest.New(t)
	p := prepare(t, address, open(t, address))
	c := notify.NewCache[string](p.Bus, "thing", 10, time.Minute, func() time.Time { return noon })
	p.run(t)
	key := db.NewID()
	v, err := c.Get(t.Context(), key, func(context.Context) (string, error) {
		c.Drop(key) // the change commits after the row was read
		return "old", nil
	})
	require.NoError(t, err)
	require.Equal(t, "old", v)
	v, err = c.Get(t.Context(), key, func(context.Context) (string, error) { return "new", nil })
	require.NoError(t, err)
	require.Equal(t, "new", v)
}

func TestCacheAtOnce(t *testing.T) {
	address := dbtest.New(t)
	p := prepare(t, address, open(t, address))
	c := notify.NewCache[int](p.Bus, "thing", 2, time.Minute, func() time.Time { return noon })
	p.run(t)
	keys := []uuid.UUID{db.NewID(), db.NewID(), db.NewID()}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 50 {
				k := (i + j) % 3
				if v, err := c.Get(context.Background(), keys[k], func(context.Context) (int, error) { return k, nil }); err != nil || v != k {
					t.Errorf("%d %v", v, err)
				}
				if j%10 == 0 {
					c.Changed(db.NewID(), keys[k], "CHANGED", noon)
				}
			}
		})
	}
	group.Wait()
}
