// Package db is the data layer: connections, transactions, prepared statements, and the mechanical
// verbs of [Table]. Whatever joins, merges or locks is plain SQL in a domain's store.go, run through
// the same [Querier].
package db

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// Querier runs SQL on a [Pool] or inside a [Tx]. It is always a parameter, never in a context.
//
// A Pool may be used at once from many goroutines; a Tx may not: concurrent use of one lib/pq
// transaction fails. Errors come back as the driver gave them; [Fault] gives them a code.
type Querier interface {
	// Select fills dest, a pointer to a slice.
	Select(ctx context.Context, dest any, query string, args ...any) error
	// Get fills dest with the first row, or returns [sql.ErrNoRows].
	Get(ctx context.Context, dest any, query string, args ...any) error
	// Exec returns how many rows were touched.
	Exec(ctx context.Context, query string, args ...any) (int64, error)
	// Query returns rows that the caller closes.
	Query(ctx context.Context, query string, args ...any) (*sqlx.Rows, error)
}

// Settings are the session settings of every connection of a pool.
type Settings struct {
	// MaxOpen bounds the connections; as many may stay idle, since reopening costs more than holding.
	MaxOpen int
	// StatementTimeout, LockTimeout and IdleTimeout are PostgreSQL's; zero leaves the server's own, a negative one is none.
	StatementTimeout, LockTimeout, IdleTimeout time.Duration
	// ApplicationName shows in pg_stat_activity.
	ApplicationName string
}

// Pool is a set of connections to one database. It is safe for concurrent use.
type Pool struct {
	x *sqlx.DB
	// declared are the statements of the program, and read those of compiled reads.
	declared, read *prepared
}

// Open connects lazily: an unreachable server is an error of the first statement.
func Open(databaseURL string, s Settings) (*Pool, error) {
	u, err := url.Parse(databaseURL)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return nil, fmt.Errorf("the database address must be a URL such as postgres://user:password@host:5432/name")
	}
	q := u.Query()
	set := func(name string, d time.Duration) {
		if d != 0 {
			q.Set(name, fmt.Sprint(max(d.Milliseconds(), 0)))
		}
	}
	set("statement_timeout", s.StatementTimeout)
	set("lock_timeout", s.LockTimeout)
	set("idle_in_transaction_session_timeout", s.IdleTimeout)
	q.Set("timezone", "UTC")
	if q.Get("connect_timeout") == "" {
		// lib/pq ignores the context while it connects; a host that accepts and does not answer would block us.
		q.Set("connect_timeout", "10")
	}
	// Statements are prepared once and planned once: every list and edge has an index that does not depend on
	// the arguments (tests explain them as generic plans), and planning a deep page anew each time costs a fifth of it.
	q.Set("plan_cache_mode", "force_generic_plan")
	// PostgreSQL's own 0.6 misses common misspellings: rivra and smiht are 0.50 like Rivera and Smith.
	q.Set("pg_trgm.word_similarity_threshold", "0.5")
	if s.ApplicationName != "" {
		q.Set("application_name", s.ApplicationName)
	}
	u.RawQuery = q.Encode()
	connector, err := pq.NewConnector(u.String())
	if err != nil {
		return nil, fmt.Errorf("the database address is not usable")
	}
	d := sql.OpenDB(connector)
	d.SetMaxOpenConns(s.MaxOpen)
	d.SetMaxIdleConns(s.MaxOpen)
	return NewPool(sqlx.NewDb(d, "postgres")), nil
}

// NewPool wraps connections that the caller opened.
func NewPool(x *sqlx.DB) *Pool {
	return &Pool{x: x, declared: newPrepared(maxDeclared), read: newPrepared(maxRead)}
}

// SQL returns the standard library's view, for migrations, jobs and pool statistics.
func (p *Pool) SQL() *sql.DB { return p.x.DB }

// Close closes all connections.
func (p *Pool) Close() error { return p.x.Close() }

// statement returns the prepared statement of a query, which the caller gives back.
func (p *Pool) statement(ctx context.Context, kept *prepared, query string) (*statement, error) {
	if st := kept.take(query); st != nil {
		return st, nil
	}
	x, err := p.x.PreparexContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return kept.keep(query, x), nil
}

// run runs a query by its prepared statement.
func (p *Pool) run(ctx context.Context, kept *prepared, query string, f func(st *statement) error) error {
	count(ctx)
	st, err := p.statement(ctx, kept, query)
	if err != nil {
		return err
	}
	defer kept.giveBack(st)
	return f(st)
}

// Select implements [Querier].
func (p *Pool) Select(ctx context.Context, dest any, query string, args ...any) error {
	return p.run(ctx, p.declared, query, func(st *statement) error { return st.SelectContext(ctx, dest, args...) })
}

// Get implements [Querier].
func (p *Pool) Get(ctx context.Context, dest any, query string, args ...any) error {
	return p.run(ctx, p.declared, query, func(st *statement) error { return st.GetContext(ctx, dest, args...) })
}

// Exec implements [Querier].
func (p *Pool) Exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = p.run(ctx, p.declared, query, func(st *statement) error {
		n, err = affected(st.ExecContext(ctx, args...))
		return err
	})
	return n, err
}

func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Query implements [Querier].
func (p *Pool) Query(ctx context.Context, query string, args ...any) (rows *sqlx.Rows, err error) {
	err = p.run(ctx, p.declared, query, func(st *statement) error {
		rows, err = st.QueryxContext(ctx, args...)
		return err
	})
	return rows, err
}

// Read runs a statement of a compiled read. The caller closes the rows.
func (p *Pool) Read(ctx context.Context, s Statement) (rows *sql.Rows, err error) {
	err = p.run(ctx, p.read, s.SQL, func(st *statement) error {
		rows, err = st.QueryContext(ctx, s.Args...)
		return err
	})
	return rows, err
}

type counterKey struct{}

// WithCounter returns a context under which statements are counted; [Statements] reads the count.
// BEGIN and COMMIT are not statements of the count.
func WithCounter(ctx context.Context) context.Context {
	return context.WithValue(ctx, counterKey{}, new(atomic.Int64))
}

// Statements returns how many statements ran under the context's counter, or 0 without one.
func Statements(ctx context.Context) int {
	if n, ok := ctx.Value(counterKey{}).(*atomic.Int64); ok {
		return int(n.Load())
	}
	return 0
}

func count(ctx context.Context) {
	if n, ok := ctx.Value(counterKey{}).(*atomic.Int64); ok {
		n.Add(1)
	}
}
