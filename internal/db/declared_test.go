package db_test

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"caseload/graph"
	"caseload/graph/generated"
	"caseload/internal/db"
	"caseload/internal/loader"
)

// declaredTables is every table that the graph declares, with the lists that read it, by name.
func declaredTables(t testing.TB) []*declared {
	t.Helper()
	edges, err := graph.NewEdges(generated.NewExecutableSchema(generated.Config{}).Schema(), nil)
	require.NoError(t, err)
	known := map[string]*declared{}
	table := func(s *db.Relation) *declared {
		if known[s.Name()] == nil {
			known[s.Name()] = &declared{name: s.Name(), columns: s.Columns(), source: s, parents: filtered[s.Name()]}
		}
		return known[s.Name()]
	}
	for _, e := range loader.Members[loader.AnyEntity](edges) {
		d := table(e.Source())
		for _, l := range e.Lists() {
			d.isRoot = true
			d.order(l)
		}
	}
	for _, e := range loader.Members[interface{ Declaration() loader.Declaration }](edges) {
		l := e.Declaration()
		table(l.Parent)
		if d := table(l.Child); l.Parse != nil && !slices.Contains(d.parents, l.ChildColumn) {
			d.parents = append(d.parents, l.ChildColumn)
			d.order(l)
		}
	}
	return slices.SortedFunc(maps.Values(known), func(a, b *declared) int { return strings.Compare(a.name, b.name) })
}

// filtered are the columns by whose filter a list is read as if it stood below a parent.
var filtered = map[string][]string{"accounts": {"primary_customer_id"}, "audit_entries": {"customer_id"}}

// otherTables are read and written by hand-written SQL alone.
var otherTables = []string{"bulk_chunks", "idempotency_keys", "organization_holidays", "organization_windows", "state_holidays", "state_windows"}

// declared is one table without its type.
type declared struct {
	name    string
	columns []db.Column
	source  *db.Relation
	// parents are the columns by which children are listed, at the default order.
	parents []string
	// isRoot tells that the table is listed as a whole too.
	isRoot bool
	// orders are the lists' orders; the first is the default.
	orders []db.Order
}

// order takes the orders of a list, of which a table has one.
func (d *declared) order(l loader.Declaration) {
	d.orders = []db.Order{l.Default}
	for _, name := range slices.Sorted(maps.Keys(l.Orders)) {
		for _, desc := range []bool{false, true} {
			term := l.Orders[name]
			term.Desc, term.NullsFirst = desc, desc
			d.orders = append(d.orders, db.Order{term, {Column: "id", Desc: desc}})
		}
	}
}

var errRecorded = errors.New("the statement was recorded, not run")

// recorder is a Querier that keeps the texts.
type recorder struct{ texts []string }

func (r *recorder) record(query string) error { r.texts = append(r.texts, query); return errRecorded }

func (r *recorder) Select(_ context.Context, _ any, query string, _ ...any) error {
	return r.record(query)
}
func (r *recorder) Get(_ context.Context, _ any, query string, _ ...any) error {
	return r.record(query)
}
func (r *recorder) Exec(_ context.Context, query string, _ ...any) (int64, error) {
	return 0, r.record(query)
}
func (r *recorder) Query(_ context.Context, query string, _ ...any) (*sqlx.Rows, error) {
	return nil, r.record(query)
}

// emit runs the verbs of the table; the recorder answers all of them with its error.
func (d *declared) emit(q db.Querier) {
	s := db.Scope{OrganizationID: uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057")}
	ctx, value := context.Background(), reflect.New(d.source.Type())
	value.Elem().FieldByName("OrganizationID").Set(reflect.ValueOf(s.OrganizationID))
	row := value.Interface()
	_, _ = d.source.RowsAmong(ctx, q, s, "id", []uuid.UUID{s.OrganizationID}, db.Where{})
	_ = d.source.Get(ctx, q, s, db.Where{}.And("c.id = ?", s.OrganizationID), "", row)
	_ = d.source.InsertRow(ctx, q, s, row)
	_, _ = d.source.InsertRows(ctx, q, s, []any{row}, true)
	if slices.ContainsFunc(d.columns, func(c db.Column) bool { return c.Name == "version" }) {
		_ = d.source.UpdateRow(ctx, q, s, row)
		_, _ = d.source.UpdateRows(ctx, q, s, []any{row}, []string{"updated_at"})
	}
	if d.isRoot {
		_, _ = d.source.Count(ctx, q, s, db.Where{})
		for _, o := range d.orders {
			at := make([]*string, len(o))
			for i := range at {
				at[i] = new(string)
			}
			_, _ = d.source.Rows(ctx, q, s, db.Where{}, db.Page{Order: o, Limit: 15, After: at})
			_, _ = d.source.Rows(ctx, q, s, db.Where{}, db.Page{Order: o, Limit: 15, Before: at, Backward: true})
		}
	}
	for _, parent := range d.parents {
		_, _ = d.source.RowsPer(ctx, q, s, parent, []uuid.UUID{s.OrganizationID}, db.Where{}, db.Page{Order: d.orders[0], Limit: 15})
		_, _ = d.source.CountPer(ctx, q, s, parent, []uuid.UUID{s.OrganizationID}, db.Where{})
	}
}
