package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
	"caseload/internal/graphtest"
	"caseload/internal/pii"
)

func TestServeInDevelopment(t *testing.T) {
	t.Parallel()
	_, environ, key := seeded(t)
	begin := time.Now()
	s := startServer(t, environ)
	t.Logf("start on a migrated database: %v", time.Since(begin))

	status, body := get(t, s.address+"/healthz")
	require.Equal(t, http.StatusOK, status, body)
	status, body = get(t, s.address+"/readyz")
	require.Equal(t, http.StatusOK, status, body)
	a, err := ask(s.address, key, `query Named { viewer { organization { name } } }`, nil)
	require.NoError(t, err)
	require.Equal(t, "Harbor Lending", a.Text("viewer.organization.name"), a.Body)
	status, body = get(t, s.address+"/metrics")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "caseload_")
	require.Contains(t, body, "go_goroutines")
	status, body = get(t, s.address+"/")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "<title>Caseload")

	s.stop()
	require.NoError(t, s.end())
	require.Contains(t, s.log.String(), `"msg":"stopped"`)

	again := startServer(t, environ)
	a, err = ask(again.address, key, `{ customers(first: 1) { totalCount } }`, nil)
	require.NoError(t, err)
	require.EqualValues(t, 5, a.At("customers.totalCount"), "a second start finds what was there: %s", a.Body)
}

func TestPlaygroundCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	s := startServer(t, environment(t, dbtest.New(t), "CASELOAD_PLAYGROUND=false"))
	status, _ := get(t, s.address+"/")
	require.Equal(t, http.StatusNotFound, status)
	require.NotContains(t, s.out.String(), "Playground")
}

// production is an environment that production accepts.
func production(t *testing.T, databaseURL string, more ...string) []string {
	t.Helper()
	keys, err := pii.GenerateKeys()
	require.NoError(t, err)
	text, err := keys.Text()
	require.NoError(t, err)
	return environment(t, databaseURL, append([]string{"CASELOAD_ENVIRONMENT=production", "CASELOAD_PII_KEYS=" + text, "CASELOAD_BLOB_URL=file://" + t.TempDir()}, more...)...)
}

func TestServeInProduction(t *testing.T) {
	t.Parallel()
	ops := freeAddress(t)
	s := startServer(t, production(t, dbtest.New(t), "CASELOAD_OPS_LISTEN="+ops))
	for path, want := range map[string]int{"/": 404, "/metrics": 404, "/healthz": 200, "/readyz": 200} {
		status, body := get(t, s.address+path)
		require.Equal(t, want, status, "%s: %s", path, body)
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		status, body := get(t, "http://"+ops+path)
		require.Equal(t, http.StatusOK, status, "%s: %s", path, body)
	}
	a, err := ask(s.address, "", `{ __schema { queryType { name } } }`, nil)
	require.NoError(t, err)
	require.NotEmpty(t, a.Code(), "introspection is closed to strangers: %s", a.Body)
}

func TestProductionNeedsDatabaseAndKeys(t *testing.T) {
	t.Parallel()
	_, err := command(t, []string{"CASELOAD_ENVIRONMENT=production"}, "serve")
	require.ErrorContains(t, err, "DATABASE_URL is required in production")
	require.ErrorContains(t, err, "CASELOAD_PII_KEYS or CASELOAD_PII_KEYS_FILE is required in production")
	require.ErrorContains(t, err, "CASELOAD_BLOB_URL is required in production")
}

func TestProductionDoesNotMakeKeys(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/forgotten-volume/keys"
	_, err := command(t, environment(t, dbtest.New(t), "CASELOAD_ENVIRONMENT=production", "CASELOAD_PII_KEYS_FILE="+path, "CASELOAD_BLOB_URL=file://"+t.TempDir()), "serve")
	require.ErrorContains(t, err, "CASELOAD_PII_KEYS_FILE")
	require.NoFileExists(t, path)
}

func TestProductionDoesNotMigrateByItself(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.Empty(t)
	environ := production(t, databaseURL)
	_, err := command(t, environ, "serve")
	require.ErrorContains(t, err, "caseload migrate up")
	var tables int
	require.NoError(t, open(t, databaseURL).Get(&tables, `SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace`))
	require.Zero(t, tables)

	must(t, environ, "migrate", "up")
	s := startServer(t, environ)
	status, body := get(t, s.address+"/readyz")
	require.Equal(t, http.StatusOK, status, body)
}

func TestRolesDivideTheWork(t *testing.T) {
	t.Parallel()
	databaseURL, environ, key := seeded(t)
	db := open(t, databaseURL)
	jobs := func() (n int) {
		require.NoError(t, db.Get(&n, `SELECT count(*) FROM river_job WHERE state = 'completed'`))
		return n
	}

	api := startServer(t, environ, "--role", "api")
	a, err := ask(api.address, key, `{ viewer { name } }`, nil)
	require.NoError(t, err)
	require.Empty(t, a.Errors)
	require.NotContains(t, api.log.String(), "River")
	require.Zero(t, jobs(), "an api process runs no jobs")

	ops := freeAddress(t)
	worker := start(t, append(environ, "CASELOAD_OPS_LISTEN="+ops), "serve", "--role", "worker")
	worker.await(worker.log, "River client started")
	require.Eventually(t, func() bool { return jobs() > 0 }, patience, 20*time.Millisecond, "a worker runs the scheduled jobs")
	status, body := get(t, "http://"+ops+"/readyz")
	require.Equal(t, http.StatusOK, status, body)
	require.NotContains(t, worker.out.String(), "API:", "a worker does not serve the API")
	worker.stop()
	require.NoError(t, worker.end())
	api.stop()
	require.NoError(t, api.end())
}

func TestUnknownRole(t *testing.T) {
	t.Parallel()
	p := spawn(t, environment(t, "postgres://nobody@127.0.0.1:1/x"), nil, "serve", "--role", "dialer")
	require.Error(t, p.end())
	require.Contains(t, p.log.String()+p.out.String(), `must be one of "all","api","worker"`)
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close() //nolint:errcheck // nobody has connected
	for _, variable := range []string{"CASELOAD_LISTEN", "CASELOAD_OPS_LISTEN"} {
		_, err = command(t, environment(t, dbtest.New(t), variable+"="+taken.Addr().String()), "serve")
		require.ErrorContains(t, err, "address already in use")
		require.ErrorContains(t, err, taken.Addr().String())
		require.ErrorContains(t, err, variable)
	}
}

func TestDatabaseThatIsNotThere(t *testing.T) {
	t.Parallel()
	_, err := command(t, environment(t, "postgres://caseload:very-secret@127.0.0.1:1/caseload?sslmode=disable"), "serve")
	require.ErrorContains(t, err, "connection refused")
	require.NotContains(t, err.Error(), "very-secret")
}

const syncDocument = `mutation Sync($input: SyncCustomerScheduleInput!) {
	syncCustomerSchedule(input: $input) { tasksCreated customer { id version } userErrors { code path } } }`

// syncOf is the input of a sync for a customer.
func syncOf(referenceID, taskType, firstName string) graphtest.Vars {
	return graphtest.Vars{"input": graphtest.Vars{
		"referenceId": referenceID, "taskType": taskType, "firstName": firstName, "lastName": "Rivera", "email": "ann.rivera@example.com",
		"birthday": "1985-06-15", "ssnLastFour": "1234", "phoneNumber": "+14155550123", "timezone": "America/Los_Angeles",
		"streetAddress1": "123 Main St", "city": "San Francisco", "state": "CA", "zipCode": "94102",
	}}
}

// blockCustomers takes the locks that every sync waits for, until release.
func blockCustomers(t *testing.T, db *sqlx.DB) (release func()) {
	t.Helper()
	tx, err := db.Beginx()
	require.NoError(t, err)
	_, err = tx.Exec(`LOCK TABLE customers IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)
	return func() { require.NoError(t, tx.Rollback()) }
}

// awaitBlocked waits until a statement of the server waits for a lock.
func awaitBlocked(t *testing.T, db *sqlx.DB) {
	t.Helper()
	require.Eventually(t, func() bool {
		var waiting bool
		require.NoError(t, db.Get(&waiting, `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'caseload')`))
		return waiting
	}, patience, 10*time.Millisecond)
}

func TestDrainFinishesWhatHasBegun(t *testing.T) {
	t.Parallel()
	databaseURL, environ, key := seeded(t, "CASELOAD_DB_LOCK_TIMEOUT=60s")
	db := open(t, databaseURL)
	s := startServer(t, environ)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, s.address+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	require.NoError(t, err)
	defer socket.CloseNow() //nolint:errcheck // the server closes it
	require.NoError(t, wsjson.Write(ctx, socket, map[string]any{"type": "connection_init", "payload": map[string]string{"X-API-Key": key}}))
	var acknowledged struct{ Type string }
	require.NoError(t, wsjson.Read(ctx, socket, &acknowledged))
	require.Equal(t, "connection_ack", acknowledged.Type)
	require.NoError(t, wsjson.Write(ctx, socket, map[string]any{"type": "subscribe", "id": "1", "payload": map[string]string{
		"query": `subscription Watch { scheduleChanged { kind } }`}}))

	release := blockCustomers(t, db)
	type result struct {
		answer *answer
		err    error
	}
	results := make(chan result, 1)
	go func() {
		a, err := ask(s.address, key, syncDocument, syncOf("DRAIN-1", "collections", "Ann"))
		results <- result{a, err}
	}()
	awaitBlocked(t, db)
	// The only process with workers is the leader; it resigns when it has stopped.
	leads := func() bool {
		var n int
		require.NoError(t, db.Get(&n, `SELECT count(*) FROM river_leader`))
		return n == 1
	}
	require.Eventually(t, leads, patience, 10*time.Millisecond)

	s.stop()
	s.await(s.log, `"msg":"draining"`)
	require.Eventually(t, func() bool { return !leads() }, patience, 10*time.Millisecond, "no job is taken while requests run")
	for {
		// Events may come first; then the server says that it is going away.
		if _, _, err = socket.Read(ctx); err != nil {
			break
		}
	}
	require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err), "%v", err)
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.address, "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, patience, 10*time.Millisecond, "nobody new is let in")
	select {
	case <-s.done:
		require.FailNow(t, "the server has not waited for the request in progress")
	case r := <-results:
		require.FailNow(t, "the request was not blocked", "%+v", r)
	default:
	}

	release()
	r := <-results
	require.NoError(t, r.err)
	require.Equal(t, http.StatusOK, r.answer.Status, r.answer.Body)
	require.Empty(t, r.answer.Errors)
	require.Positive(t, r.answer.At("syncCustomerSchedule.tasksCreated"), r.answer.Body)
	require.NoError(t, s.end())
	var stored int
	require.NoError(t, db.Get(&stored, `SELECT count(*) FROM customers WHERE reference_id = 'DRAIN-1'`))
	require.Equal(t, 1, stored)
}

// A request that does not finish in time is cut off, long before any limit of its own.
func TestDrainGivesUpInTheEnd(t *testing.T) {
	t.Parallel()
	databaseURL, environ, key := seeded(t, "CASELOAD_DB_LOCK_TIMEOUT=5m", "CASELOAD_DB_STATEMENT_TIMEOUT=5m", "CASELOAD_LIMIT_MUTATION_TIMEOUT=5m", "CASELOAD_DRAIN_TIMEOUT=1s")
	db := open(t, databaseURL)
	s := startServer(t, environ)
	release := blockCustomers(t, db)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, err := ask(s.address, key, syncDocument, syncOf("DRAIN-2", "collections", "Ann"))
		assert.Error(t, err, "the client knows that it has no answer")
	}()
	awaitBlocked(t, db)
	s.stop()
	err := s.end()
	require.ErrorIs(t, err, context.DeadlineExceeded, "the exit code tells that work was cut off")
	require.ErrorContains(t, err, "CASELOAD_DRAIN_TIMEOUT")
	<-ended
	release()
	var stored int
	require.NoError(t, db.Get(&stored, `SELECT count(*) FROM customers WHERE reference_id = 'DRAIN-2'`))
	require.Zero(t, stored, "and nothing of it is written")
}

// SIGTERM, as orchestrators send it, to a real process: exit code 0.
func TestSIGTERMEndsTheProcess(t *testing.T) {
	t.Parallel()
	_, environ, key := seeded(t)
	p := spawn(t, environ, nil, "serve").listening()
	a, err := ask(p.address, key, `{ viewer { name } }`, nil)
	require.NoError(t, err)
	require.Empty(t, a.Errors)
	p.stop()
	require.NoError(t, p.end(), p.log)
	require.Contains(t, p.log.String(), `"msg":"stopped"`)
}

// freeAddress is an address that nobody listens on at this moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return fmt.Sprint(l.Addr())
}
