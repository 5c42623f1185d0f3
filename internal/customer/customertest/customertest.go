// Package customertest is for the tests of customers: it calls services as a test wants them called, and explains statements.
package customertest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/intake"
	"caseload/internal/customer/merging"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/graphtest"
	"caseload/internal/pii"
	"caseload/internal/reveal"
	"caseload/internal/viewer"
)

// Recorder records the events of transactions, committed or not. It is safe for concurrent use.
type Recorder struct {
	mu    sync.Mutex
	heard []string
	// Fail is what Emit returns.
	Fail error
}

// Emit implements [customer.Events].
func (e *Recorder) Emit(_ context.Context, _ *db.Tx, _ *viewer.Viewer, events ...customer.Event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range events {
		line := fmt.Sprint(event.Kind, " ", event.Changed)
		if event.Into != nil {
			line = fmt.Sprint(event.Kind, " into ", event.Into.ID())
		}
		e.heard = append(e.heard, line)
	}
	return e.Fail
}

// Take returns what was recorded since it was called last, one line for each event.
func (e *Recorder) Take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := e.heard
	e.heard = nil
	return out
}

// Listen makes a world whose events are recorded.
func Listen(t testing.TB) (*graphtest.World, *Recorder) {
	t.Helper()
	w, e := graphtest.New(t), &Recorder{}
	w.Customers.Events = e
	return w, e
}

// Merge merges duplicates and returns the result.
func Merge(t testing.TB, w *graphtest.World, into *customer.Customer, from ...*customer.Customer) (*merging.Result, error) {
	t.Helper()
	in, reason := MergeOf(into, from...), "the same person"
	in.Reason = graphql.OmittableOf(&reason)
	return w.Merging.Merge(t.Context(), w.Harbor.System, in)
}

// MergeOf is the input that merges duplicates into a customer.
func MergeOf(into *customer.Customer, from ...*customer.Customer) merging.Input {
	in := merging.Input{SurvivorID: into.ID()}
	for _, d := range from {
		id := d.ID()
		in.DuplicateIDs = append(in.DuplicateIDs, &id)
	}
	return in
}

// Refusals are the codes and paths of user errors.
func Refusals(t testing.TB, err error) []string {
	t.Helper()
	errs, ok := fault.AsUserErrors(err)
	require.True(t, ok, "want user errors, got %v", err)
	var out []string
	for _, e := range errs {
		out = append(out, fmt.Sprint(e.Code, " ", e.Path))
	}
	return out
}

// Number reads one value.
func Number[T any](t testing.TB, w *graphtest.World, query string, args ...any) T {
	t.Helper()
	var n T
	require.NoError(t, w.Pool.Get(t.Context(), &n, query, args...))
	return n
}

// Execute runs a statement.
func Execute(t testing.TB, w *graphtest.World, query string, args ...any) {
	t.Helper()
	_, err := w.Pool.Exec(t.Context(), query, args...)
	require.NoError(t, err)
}

// Update changes a customer of Harbor.
func Update(t testing.TB, w *graphtest.World, c *customer.Customer, in customer.UpdateInput) *customer.Customer {
	t.Helper()
	in.ID = c.ID()
	row, err := w.Customers.Update(t.Context(), w.Harbor.System, in)
	require.NoError(t, err)
	return row
}

// Revealer reveals the sealed values of customers and accounts.
func Revealer(pool *db.Pool, sealer *pii.Sealer) *reveal.Service {
	return reveal.New(pool, time.Now, slices.Concat(customer.Sealed(sealer), account.Sealed(sealer))...)
}

// Bare removes from all customers what a test sets by itself: parents, sections, accounts.
func Bare(t testing.TB, w *graphtest.World) {
	t.Helper()
	Execute(t, w, "UPDATE customers SET parent_id = NULL, parent_source = NULL, parent_source_id = NULL, parent_language = NULL")
	for _, table := range []string{"customer_profiles", "customer_coverages", "customer_medicare", "customer_households", "customer_enrollments", "customer_agents",
		"customer_alert_programs", "cards", "account_holders", "accounts"} {
		Execute(t, w, "DELETE FROM "+table)
	}
}

// Read returns a customer of Harbor as it is stored.
func Read(t testing.TB, w *graphtest.World, id uuid.UUID) *customer.Customer {
	t.Helper()
	row, err := customer.Customers.ByID(t.Context(), w.Pool, w.Harbor.System.Scope(), id)
	require.NoError(t, err)
	return row
}

// AwaitWaiter returns when another transaction waits for this one, or with an error when done answers first.
func AwaitWaiter(ctx context.Context, tx *db.Tx, done <-chan error) error {
	for waiting := 0; waiting == 0; {
		select {
		case err := <-done:
			return fmt.Errorf("it did not wait: %v", err)
		default:
		}
		if err := tx.Get(ctx, &waiting, "SELECT count(*) FROM pg_locks l, pg_sleep(0.01) WHERE NOT l.granted AND pg_backend_pid() = ANY(pg_blocking_pids(l.pid))"); err != nil {
			return err
		}
	}
	return nil
}

// CreateRows reads customers as they stand in a file.
func CreateRows(t testing.TB, rows ...string) []*intake.CreateRow {
	t.Helper()
	var out []*intake.CreateRow
	for _, text := range rows {
		row, read := intake.CreateRows.Decode([]byte(text))
		require.Empty(t, read.UserErrors, "%v", read.UserErrors)
		out = append(out, row)
	}
	return out
}

// UpsertRows reads customers as they stand in a file.
func UpsertRows(t testing.TB, rows ...string) []*intake.UpsertRow {
	t.Helper()
	var out []*intake.UpsertRow
	for _, text := range rows {
		row, read := intake.UpsertRows.Decode([]byte(text))
		require.Empty(t, read.UserErrors, "%s: %v", text, read.UserErrors)
		out = append(out, row)
	}
	return out
}
