// Package dbtest gives tests real databases: a clone of a migrated template for each test that commits, or
// a transaction that is rolled back.
//
// One PostgreSQL serves a whole `go test ./...`, whose test programs run as processes of their own. It is
// the server in CASELOAD_TEST_DATABASE_URL (whose user may create databases), or one that the first test
// program starts; see server.go for how it is shared and ended.
package dbtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"caseload/migrations"
)

const (
	templatePrefix = "caseload_template_"
	buildPrefix    = "caseload_building_"
	sharedPrefix   = "caseload_shared_"
	clonePrefix    = "caseload_test_"
)

// timeout bounds each piece of work on databases, so that a server that hangs fails the test with a reason.
const timeout = 2 * time.Minute

// New returns the URL of a database of the test's own with the newest schema and no rows. It is dropped at
// the end; when the test has failed it is kept for a day, and the test's output says where it is.
func New(t testing.TB) string {
	t.Helper()
	return database(t, func(ctx context.Context, s *server, name string) error { return s.clone(ctx, name) })
}

// Empty is [New] without any schema.
func Empty(t testing.TB) string {
	t.Helper()
	return database(t, func(ctx context.Context, s *server, name string) error {
		return s.exec(ctx, `CREATE DATABASE `+quote(name)+` TEMPLATE template0`)
	})
}

// Open is [New] with an open pool, which is closed at the end.
func Open(t testing.TB) *sqlx.DB {
	t.Helper()
	return connect(t, New(t))
}

// Tx returns a transaction on a migrated database that tests share. It is rolled back at the end, so
// nothing the test writes is ever seen by another; what must be committed needs [Open].
func Tx(t testing.TB) *sqlx.Tx {
	t.Helper()
	s, ctx := setUp(t)
	name := sharedPrefix + migrations.Hash()
	if err := s.share(ctx, name); err != nil {
		t.Fatalf("dbtest: make shared database: %v", err)
	}
	db := connect(t, s.url(name))
	// Not bound to ctx: database/sql rolls a transaction back when the context of its beginning ends.
	tx, err := db.BeginTxx(context.Background(), nil)
	if err != nil {
		t.Fatalf("dbtest: begin transaction: %v", err)
	}
	t.Cleanup(func() { _ = tx.Rollback() })
	return tx
}

func database(t testing.TB, create func(context.Context, *server, string) error) string {
	t.Helper()
	s, ctx := setUp(t)
	// The time in the name tells a later run when a kept database has been kept for long enough.
	name := fmt.Sprintf("%s%d_%s", clonePrefix, time.Now().Unix(), strings.ToLower(rand.Text()[:10]))
	if err := create(ctx, s, name); err != nil {
		t.Fatalf("dbtest: make database: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("dbtest: the database is kept for a day: %s", s.url(name))
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		// FORCE: a connection that the test forgot must not leave the database behind.
		if err := s.exec(ctx, `DROP DATABASE IF EXISTS `+quote(name)+` WITH (FORCE)`); err != nil {
			t.Errorf("dbtest: drop database: %v", err)
		}
	})
	return s.url(name)
}

func setUp(t testing.TB) (*server, context.Context) {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	t.Cleanup(cancel)
	return s, ctx
}

func connect(t testing.TB, address string) *sqlx.DB {
	t.Helper()
	db, err := sqlx.Open("postgres", address)
	if err != nil {
		t.Fatalf("dbtest: open database: %v", err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func quote(name string) string { return pq.QuoteIdentifier(name) }

// url is the address of a database of the server.
func (s *server) url(name string) string {
	u := *s.base
	u.Path = "/" + name
	return u.String()
}

// exec runs one statement on a connection of its own: a pool kept open would look like a leak to tests
// that count goroutines.
func (s *server) exec(ctx context.Context, statement string) error {
	db, err := sqlx.Open("postgres", s.base.String())
	if err != nil {
		return fmt.Errorf("open test server: %w", err)
	}
	defer db.Close() //nolint:errcheck // the statement's error was looked at
	_, err = db.ExecContext(ctx, statement)
	return err
}

func parse(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" && u.Query().Get("host") == "" {
		// Without the cause, which would repeat the address and its password.
		return nil, errors.New("read address of test server: want postgres://user:password@host:port/database")
	}
	return u, nil
}
