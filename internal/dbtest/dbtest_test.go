package dbtest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"caseload/migrations"
)

func count(t *testing.T, q sqlx.Queryer, statement string) int {
	t.Helper()
	var n int
	require.NoError(t, sqlx.Get(q, &n, statement))
	return n
}

func TestOpenIsMigratedAndOnesOwn(t *testing.T) {
	t.Parallel()
	first, second := Open(t), Open(t)
	require.NoError(t, migrations.Check(t.Context(), first.DB))
	_, err := first.Exec(`CREATE TABLE mine (n int)`)
	require.NoError(t, err)
	require.Equal(t, 0, count(t, second, `SELECT count(*) FROM pg_class WHERE relname = 'mine'`))
}

func TestEmptyHasNoSchema(t *testing.T) {
	t.Parallel()
	db := connect(t, Empty(t))
	require.Equal(t, 0, count(t, db, `SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace`))
}

func TestTxIsSeenByNobodyElse(t *testing.T) {
	t.Parallel()
	first, second := Tx(t), Tx(t)
	_, err := first.Exec(`CREATE TABLE mine (n int)`)
	require.NoError(t, err)
	require.Equal(t, 0, count(t, second, `SELECT count(*) FROM pg_class WHERE relname = 'mine'`))
}

// recorder is a test that another test runs to its end.
type recorder struct {
	testing.TB
	cleanups []func()
	failed   bool
	logged   strings.Builder
}

func (r *recorder) Helper()                   {}
func (r *recorder) Cleanup(f func())          { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Failed() bool              { return r.failed }
func (r *recorder) Logf(f string, a ...any)   { fmt.Fprintf(&r.logged, f, a...) }
func (r *recorder) Errorf(f string, a ...any) { r.failed = true; r.Logf(f, a...) }
func (r *recorder) end() {
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
}

func TestDatabaseIsDroppedUnlessTheTestFailed(t *testing.T) {
	t.Parallel()
	admin := connect(t, New(t))
	name := func(address string) string {
		u, err := parse(address)
		require.NoError(t, err)
		return strings.TrimPrefix(u.Path, "/")
	}
	known := func(name string) bool {
		var there bool
		require.NoError(t, admin.Get(&there, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name))
		return there
	}

	passing := &recorder{TB: t}
	address := New(passing)
	forgotten, err := sqlx.Connect("postgres", address)
	require.NoError(t, err, "a connection that the test does not close")
	defer forgotten.Close() //nolint:errcheck // the server has cut it off
	require.True(t, known(name(address)))
	passing.end()
	require.False(t, passing.failed, passing.logged.String())
	require.False(t, known(name(address)))

	failing := &recorder{TB: t, failed: true}
	address = New(failing)
	failing.end()
	require.True(t, known(name(address)))
	require.Contains(t, failing.logged.String(), address)
	_, err = admin.Exec(`DROP DATABASE ` + quote(name(address)))
	require.NoError(t, err)
}

// The template of this schema may be cleared away by a test run of another one at any moment.
func TestTemplateIsMadeAgain(t *testing.T) {
	t.Parallel()
	s, err := shared()
	require.NoError(t, err)
	own := &server{base: s.base}
	template := templatePrefix + migrations.Hash()
	require.NoError(t, own.makeTemplate(t.Context(), template))
	err = own.locked(t.Context(), templateLock, func(conn *sqlx.Conn) error {
		_, err := conn.ExecContext(t.Context(), `DROP DATABASE IF EXISTS `+quote(template))
		return err
	})
	if !isCode(err, "55006") { // another test is cloning it just now
		require.NoError(t, err)
	}
	db := Open(t)
	require.NoError(t, migrations.Check(t.Context(), db.DB))
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s, err := shared()
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			name := clonePrefix + fmt.Sprint(time.Now().UnixNano())
			if err := s.clone(context.Background(), name); err != nil {
				t.Errorf("clone: %v", err)
			}
			if err := s.exec(context.Background(), `DROP DATABASE `+quote(name)); err != nil {
				t.Errorf("drop: %v", err)
			}
		})
	}
	group.Wait()
}

func TestWhatIsOld(t *testing.T) {
	t.Parallel()
	now := time.Unix(2_000_000_000, 0)
	hash := migrations.Hash()
	for name, old := range map[string]bool{
		templatePrefix + hash:          false,
		templatePrefix + "another":     true,
		sharedPrefix + hash:            false,
		sharedPrefix + "another":       true,
		buildPrefix + "another":        true,
		clonePrefix + "1999999000_abc": false,
		clonePrefix + "1999900000_abc": true,
		clonePrefix + "of_somebody":    false,
		"caseload":                     false,
		"caseload_production":          false,
		"somebody_elses":               false,
	} {
		require.Equal(t, old, isOld(name, now), name)
	}
}

func TestAddressIsNotRepeatedInErrors(t *testing.T) {
	t.Parallel()
	_, err := parse("postgres://user:secret@host:99999999999/%zz")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		r := &recorder{TB: b}
		New(r)
		r.end()
	}
}
