package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// ErrRetry makes [Pool.InTx] roll back and run the function again, for a concurrent insert of the same key. After the last
// try InTx returns it wrapped, and [Fault] makes a CONFLICT of it.
var ErrRetry = errors.New("concurrent insert of the same key")

// ErrUnknown says that the connection was lost during the commit. [Pool.InTx] wraps it; every other error of InTx means that
// nothing was changed. Keep what is outside of the database if a committed row may refer to it, such as a file.
var ErrUnknown = errors.New("commit outcome unknown")

// txTries bounds how often a transaction is run. Fifty writers of one new key need two tries each,
// since the second finds the row; only deadlocks and serialization failures may need more.
const txTries = 5

// Tx is one transaction. It belongs to one goroutine.
type Tx struct {
	x     *sqlx.Tx
	pool  *Pool
	after []func()
	// unprepared are the texts that this transaction was the first to run.
	unprepared []string
	kept       any
	// Now is the time of the transaction, the same for all its rows: in milliseconds, as moments are shown and stored.
	Now time.Time
	// Try is how often [Pool.InTx] has run the function before: a batch may take a lock before its second try.
	Try int
}

// AfterCommit registers a function to run after the commit, such as one that notifies listeners; after a rollback it does
// not run. The functions run in order, in the caller's goroutine, and must not block.
func (t *Tx) AfterCommit(f func()) { t.after = append(t.after, f) }

// Keep registers the result of the transaction for the [Guard] of its context: a pointer to the variable
// that will hold it, read right before the commit. The last one counts, and without a guard it is nothing. A
// transaction that changed nothing since its input was refused keeps nothing.
//
// The result is written as JSON and read again, so all that is to be answered from it must stand in exported fields.
func (t *Tx) Keep(result any) { t.kept = result }

// Guard is called by the transactions of a context, in their goroutine; see [WithGuard].
type Guard interface {
	// Begin runs first in every try of a transaction; an error rolls it back and is InTx's own.
	Begin(ctx context.Context, tx *Tx) error
	// Commit runs last, before a transaction is committed that has kept something; an error rolls it back.
	Commit(ctx context.Context, tx *Tx, kept any) error
}

type guardKey struct{}

// WithGuard returns a context whose transactions call the guard.
func WithGuard(ctx context.Context, g Guard) context.Context {
	return context.WithValue(ctx, guardKey{}, g)
}

// guarded runs f between the guard's two calls, or by itself where the context has no guard.
func guarded(ctx context.Context, tx *Tx, f func(tx *Tx) error) error {
	g, ok := ctx.Value(guardKey{}).(Guard)
	if !ok {
		return f(tx)
	}
	if err := g.Begin(ctx, tx); err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return err
	}
	if tx.kept == nil {
		return nil
	}
	return g.Commit(ctx, tx, tx.kept)
}

// SQL returns the standard library's transaction, for enqueuing jobs in it.
func (t *Tx) SQL() *sql.Tx { return t.x.Tx }

// InTx runs f in one read-committed transaction at the given time and commits it.
//
// Deadlocks, serialization failures and [ErrRetry] run f again from the start, so f must not keep
// state between runs. Any other error, a panic or a cancelled context rolls back; but see [ErrUnknown].
func (p *Pool) InTx(ctx context.Context, now time.Time, f func(tx *Tx) error) error {
	var err error
	for try := range txTries {
		if try > 0 {
			// Jitter separates writers that collided.
			select {
			case <-time.After(rand.N(5 * time.Millisecond << try)):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err = p.tryTx(ctx, now, try, f)
		if err == nil || !retryable(err) {
			return err
		}
	}
	return fmt.Errorf("transaction given up after %d tries: %w", txTries, err)
}

// InTx is [Pool.InTx] for a function with a result, which is kept for a replay of the request; see [Tx.Keep].
func InTx[T any](ctx context.Context, p *Pool, now time.Time, f func(tx *Tx) (T, error)) (result T, err error) {
	err = p.InTx(ctx, now, func(tx *Tx) (err error) {
		tx.Keep(&result)
		result, err = f(tx)
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return result, nil
}

func (p *Pool) tryTx(ctx context.Context, now time.Time, try int, f func(tx *Tx) error) (err error) {
	x, err := p.x.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	tx := &Tx{x: x, pool: p, Now: now.UTC().Truncate(time.Millisecond), Try: try}
	// A panic in f unwinds through here too: without this the connection would stay in its transaction.
	defer func() { _ = x.Rollback() }()
	err = guarded(ctx, tx, f)
	if err == nil {
		err = commit(ctx, x)
	}
	if err != nil {
		// database/sql rolls back when the context ends; statements then fail with an error about the transaction.
		if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
			return fmt.Errorf("%w: %w", ended, err)
		}
		return err
	}
	for _, text := range tx.unprepared {
		// The connection is free again. An error is not lost: the next caller of the text gets it again.
		if st, err := p.statement(ctx, p.declared, text); err == nil {
			p.declared.giveBack(st)
		}
	}
	for _, effect := range tx.after {
		effect()
	}
	return nil
}

func commit(ctx context.Context, x *sqlx.Tx) error {
	// database/sql has rolled back then; Commit would not say why.
	if err := ctx.Err(); err != nil {
		return err
	}
	err := x.Commit()
	if err == nil || errors.Is(err, sql.ErrTxDone) {
		return err
	}
	// An error of the server means that it did not commit, unless it ended the connection (57P).
	if p, ok := errors.AsType[*pq.Error](err); ok && !strings.HasPrefix(string(p.Code), "08") && !strings.HasPrefix(string(p.Code), "57P") {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}

// statement returns a prepared statement of this transaction, or nil for a text that is not prepared. It
// never prepares on the pool: that takes a second connection, and transactions that hold all of them
// would wait for each other without end.
func (t *Tx) statement(ctx context.Context, query string) *sqlx.Stmt {
	st := t.pool.declared.take(query)
	if st == nil {
		if !slices.Contains(t.unprepared, query) {
			t.unprepared = append(t.unprepared, query)
		}
		return nil
	}
	// The transaction's own statement keeps it open.
	defer t.pool.declared.giveBack(st)
	return t.x.StmtxContext(ctx, st.Stmt)
}

// Select implements [Querier].
func (t *Tx) Select(ctx context.Context, dest any, query string, args ...any) error {
	count(ctx)
	st := t.statement(ctx, query)
	if st == nil {
		return t.x.SelectContext(ctx, dest, query, args...)
	}
	return st.SelectContext(ctx, dest, args...)
}

// Get implements [Querier].
func (t *Tx) Get(ctx context.Context, dest any, query string, args ...any) error {
	count(ctx)
	st := t.statement(ctx, query)
	if st == nil {
		return t.x.GetContext(ctx, dest, query, args...)
	}
	return st.GetContext(ctx, dest, args...)
}

// Exec implements [Querier].
func (t *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	count(ctx)
	st := t.statement(ctx, query)
	if st == nil {
		return affected(t.x.ExecContext(ctx, query, args...))
	}
	return affected(st.ExecContext(ctx, args...))
}

// Query implements [Querier].
func (t *Tx) Query(ctx context.Context, query string, args ...any) (*sqlx.Rows, error) {
	count(ctx)
	st := t.statement(ctx, query)
	if st == nil {
		return t.x.QueryxContext(ctx, query, args...)
	}
	return st.QueryxContext(ctx, args...)
}
