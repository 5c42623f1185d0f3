package loader

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/entity"
	"caseload/internal/relay"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

type world struct {
	pool  *db.Pool
	scope db.Scope
	// batches are the sizes of the batches that waits gathered.
	mu      sync.Mutex
	batches []int
	people  []*customer.Customer
	phones  []*customer.Phone
}

// open makes an organization with n customers, of whom each second has a phone.
func open(t testing.TB, n int) *world {
	t.Helper()
	pool, err := db.Open(dbtest.New(t), db.Settings{MaxOpen: 4})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pool.Close() })
	w := &world{pool: pool, scope: db.Scope{OrganizationID: db.NewID()}}
	for i := range n {
		p := &customer.Customer{Row: entity.Row{Row: db.Row{OrganizationID: w.scope.OrganizationID, UUID: db.NewID()}, Version: 1, CreatedAt: noon, UpdatedAt: noon, CreatedBy: "system", UpdatedBy: "system"}, SearchText: "x"}
		w.people = append(w.people, p)
		if i%2 == 0 {
			w.phones = append(w.phones, &customer.Phone{Row: db.Row{OrganizationID: w.scope.OrganizationID, UUID: db.NewID()}, CustomerID: p.UUID,
				Label: "PRIMARY", Number: "+14155550100", LineType: "UNKNOWN", CreatedAt: noon, UpdatedAt: noon})
		}
	}
	_, err = customer.Customers.InsertAll(t.Context(), pool, w.scope, w.people, false)
	require.NoError(t, err)
	_, err = customer.Phones.InsertAll(t.Context(), pool, w.scope, w.phones, false)
	require.NoError(t, err)
	return w
}

func (w *world) context(ctx context.Context, scope db.Scope) context.Context {
	l := New(w.pool, scope, relay.NewCursors(nil), func(n int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.batches = append(w.batches, n)
	})
	return With(db.WithCounter(ctx), l)
}

// together calls f for each i at once, as an executor does for the elements of a list.
func together(n int, f func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { f(i) })
	}
	group.Wait()
}

var (
	owner   = NewOne("CustomerPhone.customer", customer.Phones, "customer_id", customer.Customers)
	primary = NewOneBy("Customer.primaryPhone", customer.Customers, "id", customer.Phones, "customer_id", db.Where{}.And("c.label = ?", "PRIMARY"))
	node    = NewEntity("Customer", customer.Customers)
)

func TestOneBatchPerWaitInTheOrderOfTheKeys(t *testing.T) {
	t.Parallel()
	w := open(t, 20)
	ctx := w.context(t.Context(), w.scope)
	got := make([]*customer.Phone, len(w.people))
	errs := make([]error, len(w.people))
	together(len(w.people), func(i int) { got[i], errs[i] = primary.Load(ctx, w.people[i]) })
	require.NoError(t, errors.Join(errs...))
	for i, p := range got {
		if i%2 == 1 {
			require.Nil(t, p, "a customer without a phone")
			continue
		}
		require.Equal(t, w.people[i].UUID, p.CustomerID, "each gets its own")
	}
	total := 0
	for _, n := range w.batches {
		total += n
	}
	require.Equal(t, len(w.people), total, "no key twice")
	require.Equal(t, len(w.batches), db.Statements(ctx))
	// A wait is a millisecond; a busy machine may need a second one, never one for each key.
	require.Less(t, len(w.batches), 5)

	before := db.Statements(ctx)
	again, err := primary.Load(ctx, w.people[0])
	require.NoError(t, err)
	require.Same(t, got[0], again)
	require.Equal(t, before, db.Statements(ctx), "what is known is not read again")

	fresh := w.context(t.Context(), w.scope)
	_, err = primary.Load(fresh, w.people[0])
	require.NoError(t, err)
	require.Equal(t, 1, db.Statements(fresh), "another operation reads for itself")
}

func TestLoadersSeeTheirOrganizationOnly(t *testing.T) {
	t.Parallel()
	w := open(t, 2)
	for _, s := range []db.Scope{{OrganizationID: db.NewID()}, {}} {
		ctx := w.context(t.Context(), s)
		p, err := primary.Load(ctx, w.people[0])
		require.NoError(t, err)
		require.Nil(t, p)
		c, err := owner.Load(ctx, w.phones[0])
		require.NoError(t, err)
		require.Nil(t, c)
		n, err := node.Load(ctx, w.people[0].UUID)
		require.NoError(t, err)
		require.Nil(t, n, "a foreign row is like a missing one")
	}
	ctx := w.context(t.Context(), w.scope)
	n, err := node.Load(ctx, w.people[0].UUID)
	require.NoError(t, err)
	require.Equal(t, w.people[0].UUID, n.UUID)
}

func TestPrimedRowsCostNothing(t *testing.T) {
	t.Parallel()
	w := open(t, 2)
	ctx := w.context(t.Context(), w.scope)
	owner.loader(From(ctx)).Prime(ctx, w.people[0].UUID, w.people[0])
	primary.loader(From(ctx)).Prime(ctx, w.people[1].UUID, nil)
	c, err := owner.Load(ctx, w.phones[0])
	require.NoError(t, err)
	require.Same(t, w.people[0], c)
	p, err := primary.Load(ctx, w.people[1])
	require.NoError(t, err)
	require.Nil(t, p, "that there is none is known too")
	require.Zero(t, db.Statements(ctx))
	require.Empty(t, w.batches)
}

// parentless has a reference that may be missing.
type parentless struct {
	db.Row
	CustomerID *uuid.UUID    `db:"customer_id"`
	Other      uuid.NullUUID `db:"other_id"`
	Name       string        `db:"name"`
}

func TestMissingReferenceIsNoStatement(t *testing.T) {
	t.Parallel()
	w := open(t, 1)
	ctx := w.context(t.Context(), w.scope)
	table := db.NewTable[parentless]("parentless", "x")
	for _, column := range []string{"customer_id", "other_id"} {
		e := NewOne("X."+column, table, column, customer.Customers)
		c, err := e.Load(ctx, &parentless{})
		require.NoError(t, err)
		require.Nil(t, c)
		require.Zero(t, db.Statements(ctx))
		id := w.people[0].UUID
		c, err = e.Load(ctx, &parentless{CustomerID: &id, Other: uuid.NullUUID{UUID: id, Valid: true}})
		require.NoError(t, err)
		require.Equal(t, id, c.UUID)
		ctx = w.context(t.Context(), w.scope)
	}
}

func TestChildKeyThatMayBeNull(t *testing.T) {
	t.Parallel()
	w := open(t, 2)
	_, err := w.pool.Exec(t.Context(), "CREATE TABLE parentless (organization_id uuid NOT NULL, id uuid NOT NULL, customer_id uuid, other_id uuid, name text NOT NULL)")
	require.NoError(t, err)
	table := db.NewTable[parentless]("parentless", "x")
	child := &parentless{Row: db.Row{OrganizationID: w.scope.OrganizationID, UUID: db.NewID()}, CustomerID: &w.people[1].UUID}
	orphan := &parentless{Row: db.Row{OrganizationID: w.scope.OrganizationID, UUID: db.NewID()}}
	_, err = table.InsertAll(t.Context(), w.pool, w.scope, []*parentless{child, orphan}, false)
	require.NoError(t, err)
	e := NewOneBy("Customer.child", customer.Customers, "id", table, "customer_id", db.Where{})
	ctx := w.context(t.Context(), w.scope)
	got, err := e.Load(ctx, w.people[1])
	require.NoError(t, err)
	require.Equal(t, child.UUID, got.UUID)
	got, err = e.Load(ctx, w.people[0])
	require.NoError(t, err)
	require.Nil(t, got)
}

func TestErrorsReachEveryKeyAndNameNone(t *testing.T) {
	t.Parallel()
	w := open(t, 3)
	require.NoError(t, w.pool.Close())
	ctx := w.context(t.Context(), w.scope)
	errs := make([]error, len(w.people))
	together(len(w.people), func(i int) { _, errs[i] = primary.Load(ctx, w.people[i]) })
	for _, err := range errs {
		require.Error(t, err)
		for _, p := range w.people {
			require.NotContains(t, err.Error(), p.UUID.String())
		}
	}
}

func TestResultsAreAsManyAsKeys(t *testing.T) {
	t.Parallel()
	keys := []uuid.UUID{db.NewID(), db.NewID(), db.NewID()}
	for _, r := range results(keys, []any{1, 2, 3}, nil) {
		require.NoError(t, r.Error)
	}
	failed := errors.New("no")
	for _, values := range [][]any{nil, {1, 2, 3}} {
		got := results(keys, values, failed)
		require.Len(t, got, 3)
		for _, r := range got {
			require.ErrorIs(t, r.Error, failed)
			require.Nil(t, r.Data)
		}
	}
	// A fetch that returns too few or too many would give one parent's rows to another.
	for _, values := range [][]any{{1}, {1, 2, 3, 4}} {
		got := results(keys, values, nil)
		require.Len(t, got, 3)
		for _, r := range got {
			require.Error(t, r.Error)
			require.Nil(t, r.Data)
			for _, k := range keys {
				require.False(t, strings.Contains(r.Error.Error(), k.String()))
			}
		}
	}
}

func TestAlign(t *testing.T) {
	t.Parallel()
	a, b, c := &db.Row{UUID: db.NewID()}, &db.Row{UUID: db.NewID()}, &db.Row{UUID: db.NewID()}
	key := func(row any) (uuid.UUID, bool) { return row.(*db.Row).UUID, row != c }
	got := align([]uuid.UUID{b.UUID, db.NewID(), a.UUID, b.UUID, c.UUID}, []any{a, b, c}, key)
	require.Equal(t, []any{b, nil, a, b, nil}, got)
	require.Empty(t, align(nil, []any{a}, key))
}

func TestUnique(t *testing.T) {
	t.Parallel()
	a, b := db.NewID(), db.NewID()
	given := []uuid.UUID{b, a, b, b, a}
	before := slices.Clone(given)
	require.Equal(t, []uuid.UUID{b, a}, unique(given))
	require.Equal(t, before, given)
}

func TestConnectionsOfAnOperationAreBounded(t *testing.T) {
	t.Parallel()
	l := New(nil, db.Scope{}, nil, nil)
	full, end, done := make(chan struct{}), make(chan struct{}), make(chan error)
	for range branches {
		go func() { done <- l.Within(context.Background(), func() error { full <- struct{}{}; <-end; return nil }) }()
	}
	for range branches {
		<-full
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, l.Within(ctx, func() error { t.Error("one too many"); return nil }), context.Canceled)
	close(end)
	for range branches {
		require.NoError(t, <-done)
	}
	for range 2 * branches {
		require.Panics(t, func() { _ = l.Within(t.Context(), func() error { panic("boom") }) })
	}
	failed := errors.New("no")
	require.ErrorIs(t, l.Within(t.Context(), func() error { return failed }), failed, "a panic frees its connection too")
}

func TestDeclarationsAreChecked(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { NewOne("X.y", customer.Phones, "nonsense", customer.Customers) })
	require.Panics(t, func() {
		NewOneBy("X.y", customer.Phones, "customer_id", customer.Customers, "nonsense", db.Where{})
	})
	require.Panics(t, func() { NewMany("X.y", customer.Customers, customer.NewLists(nil).Phones, "nonsense") })
	require.Panics(t, func() { From(t.Context()) }, "a resolver outside an operation")
}
