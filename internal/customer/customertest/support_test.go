package customertest_test

import (
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/customer"
	"caseload/internal/customer/customertest"
	"caseload/internal/customer/intake"
	"caseload/internal/customer/merging"
	"caseload/internal/graphtest"
)

// listen makes a world whose events are recorded.
func listen(t testing.TB) (*graphtest.World, *customertest.Recorder) {
	t.Helper()
	w, e := graphtest.New(t), &customertest.Recorder{}
	w.Customers.Events = e
	return w, e
}

// merge merges duplicates and returns the result.
func merge(t testing.TB, w *graphtest.World, into *customer.Customer, from ...*customer.Customer) (*merging.Result, error) {
	t.Helper()
	in, reason := mergeOf(into, from...), "the same person"
	in.Reason = graphql.OmittableOf(&reason)
	return w.Merging.Merge(t.Context(), w.Harbor.System, in)
}

// mergeOf is the input that merges duplicates into a customer.
func mergeOf(into *customer.Customer, from ...*customer.Customer) merging.Input {
	in := merging.Input{SurvivorID: into.ID()}
	for _, d := range from {
		id := d.ID()
		in.DuplicateIDs = append(in.DuplicateIDs, &id)
	}
	return in
}

// number reads one value.
func number[T any](t testing.TB, w *graphtest.World, query string, args ...any) T {
	t.Helper()
	var n T
	require.NoError(t, w.Pool.Get(t.Context(), &n, query, args...))
	return n
}

// execute runs a statement.
func execute(t testing.TB, w *graphtest.World, query string, args ...any) {
	t.Helper()
	_, err := w.Pool.Exec(t.Context(), query, args...)
	require.NoError(t, err)
}

// update changes a customer of Harbor.
func update(t testing.TB, w *graphtest.World, c *customer.Customer, in customer.UpdateInput) *customer.Customer {
	t.Helper()
	in.ID = c.ID()
	row, err := w.Customers.Update(t.Context(), w.Harbor.System, in)
	require.NoError(t, err)
	return row
}

// bare removes from all customers what a test sets by itself: parents, sections, accounts.
func bare(t testing.TB, w *graphtest.World) {
	t.Helper()
	execute(t, w, "UPDATE customers SET parent_id = NULL, parent_source = NULL, parent_source_id = NULL, parent_language = NULL")
	for _, table := range []string{"customer_profiles", "customer_coverages", "customer_medicare", "customer_households", "customer_enrollments", "customer_agents",
		"customer_alert_programs", "cards", "account_holders", "accounts"} {
		execute(t, w, "DELETE FROM "+table)
	}
}

// read returns a customer of Harbor as it is stored.
func read(t testing.TB, w *graphtest.World, id uuid.UUID) *customer.Customer {
	t.Helper()
	row, err := customer.Customers.ByID(t.Context(), w.Pool, w.Harbor.System.Scope(), id)
	require.NoError(t, err)
	return row
}

// createOf is the input that creates customers as they stand in a file.
func createOf(t testing.TB, rows ...string) intake.CreateInput {
	t.Helper()
	return intake.CreateInput{Customers: customertest.CreateRows(t, rows...)}
}
