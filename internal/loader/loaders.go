// Package loader loads the edges of the graph: each has one declaration, from which come a dataloader and a preload.
//
// The preload reads the selection of a root field once and fetches every selected edge with one
// statement for all parents, so that a nested query costs exactly one statement per edge, at any width
// and under any load. It primes the dataloaders; what it does not foresee (an event of a subscription, a
// field behind an interface it does not know) still goes through Load, batched by a short wait.
package loader

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/graph-gophers/dataloader/v7"

	"caseload/internal/db"
	"caseload/internal/relay"
)

const (
	// wait is how long a loader collects keys. dataloader's own default of 16 ms would be paid at each level.
	wait = time.Millisecond
	// batchCapacity bounds the keys of one statement.
	batchCapacity = 500
	// branches is how many connections one operation may use at once for its preload.
	branches = 3
)

// Loaders are the loaders of one operation, one event of a subscription, or one root field of a
// mutation, for one viewer. They are not shared further, as they cache what they have loaded, and errors too. Loaders are safe for
// concurrent use.
type Loaders struct {
	pool    *db.Pool
	scope   db.Scope
	cursors *relay.Cursors
	slots   chan struct{}
	// batch, when set, is called with the size of every batch of a dataloader.
	batch func(n int)

	memory Memory

	mu     sync.Mutex
	loader map[instance]*dataloader.Loader[uuid.UUID, any]
}

// Memory counts the bytes of rows and of answers that compiled reads hold for all root fields of one operation, which run
// concurrently under one limit.
type Memory struct{ Rows, Answers atomic.Int64 }

// instance is one edge with one set of arguments; what tells the page from its count.
type instance struct {
	edge any
	what string
	args string
}

// New makes the loaders of one operation. batch may be nil.
func New(pool *db.Pool, scope db.Scope, cursors *relay.Cursors, batch func(n int)) *Loaders {
	return &Loaders{pool: pool, scope: scope, cursors: cursors, slots: make(chan struct{}, branches), batch: batch, loader: map[instance]*dataloader.Loader[uuid.UUID, any]{}}
}

type contextKey struct{}

// With returns a context that carries the loaders.
func With(ctx context.Context, l *Loaders) context.Context {
	return context.WithValue(ctx, contextKey{}, l)
}

// From returns the loaders of the context. It panics without them: a resolver ran outside an operation.
func From(ctx context.Context) *Loaders {
	return ctx.Value(contextKey{}).(*Loaders)
}

// Scope returns whose rows the loaders see.
func (l *Loaders) Scope() db.Scope { return l.scope }

// Memory returns the counts of the operation.
func (l *Loaders) Memory() *Memory { return &l.memory }

// Pool returns the connections that the loaders read from.
func (l *Loaders) Pool() *db.Pool { return l.pool }

// Within runs f with one of the operation's connections, which compiled reads and preloads share, when one is free.
func (l *Loaders) Within(ctx context.Context, f func() error) error {
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.slots }()
	return f()
}

// loaderFor returns the dataloader of an instance, made with fetch when it is new. fetch returns one
// value per key, in the order of the keys.
func (l *Loaders) loaderFor(i instance, fetch func(ctx context.Context, keys []uuid.UUID) ([]any, error)) *dataloader.Loader[uuid.UUID, any] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ld, ok := l.loader[i]; ok {
		return ld
	}
	ld := dataloader.NewBatchedLoader(func(ctx context.Context, keys []uuid.UUID) []*dataloader.Result[any] {
		if l.batch != nil {
			l.batch(len(keys))
		}
		values, err := fetch(ctx, keys)
		return results(keys, values, err)
	}, dataloader.WithWait[uuid.UUID, any](wait), dataloader.WithBatchCapacity[uuid.UUID, any](batchCapacity))
	l.loader[i] = ld
	return ld
}

// results gives every key its result. dataloader prints all keys and values when the lengths differ,
// so this is the one place that makes them equal.
func results(keys []uuid.UUID, values []any, err error) []*dataloader.Result[any] {
	if err == nil && len(values) != len(keys) {
		err = fmt.Errorf("load: %d values for %d keys", len(values), len(keys))
	}
	out := make([]*dataloader.Result[any], len(keys))
	for i := range keys {
		r := &dataloader.Result[any]{Error: err}
		if err == nil {
			r.Data = values[i]
		}
		out[i] = r
	}
	return out
}

// align returns one row per key, in the order of the keys, nil where there is none. Rows come from the
// database in its own order; matching by position would give one customer's data to another.
func align(keys []uuid.UUID, rows []any, key func(row any) (uuid.UUID, bool)) []any {
	byKey := make(map[uuid.UUID]any, len(rows))
	for _, row := range rows {
		if k, ok := key(row); ok {
			byKey[k] = row
		}
	}
	out := make([]any, len(keys))
	for i, k := range keys {
		out[i] = byKey[k]
	}
	return out
}

// unique returns the distinct keys in their first order.
func unique(keys []uuid.UUID) []uuid.UUID {
	seen := make(map[uuid.UUID]bool, len(keys))
	return slices.DeleteFunc(slices.Clone(keys), func(k uuid.UUID) bool {
		again := seen[k]
		seen[k] = true
		return again
	})
}
