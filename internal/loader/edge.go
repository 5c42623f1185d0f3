package loader

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/graph-gophers/dataloader/v7"

	"caseload/internal/db"
	"caseload/internal/relay"
)

// The declarations below have the types of their rows, and a part without them that does the work: it is compiled once, while what has
// types is compiled for each declaration in each package that uses it.

// declared is what all have in common.
type declared struct{ d Declaration }

// Declaration returns what was declared.
func (e *declared) Declaration() Declaration { return e.d }

// parse reads raw arguments of the list.
func (e *declared) parse(ctx context.Context, l *Loaders, raw map[string]any) (*relay.Args, error) {
	return e.d.Parse(ctx, l, raw)
}

// keyOf returns the key by which a parent leads to its children; false when it is NULL.
func (e *declared) keyOf(parent any) (uuid.UUID, bool) {
	return keyOf(e.d.Parent, parent, e.d.ParentColumn)
}

// listOf is the part of a declaration that a list gives.
func listOf[C any](coordinate string, spec *relay.Spec[C]) Declaration {
	return Declaration{Coordinate: coordinate, Child: &spec.Table.Relation, Default: spec.Default, Orders: spec.Orders, Personal: spec.Personal,
		Parse: func(ctx context.Context, l *Loaders, raw map[string]any) (*relay.Args, error) {
			return spec.Parse(ctx, l.cursors, l.scope, coordinate, raw)
		}}
}

// One declares an edge from a parent to at most one child: the child whose id a column of the parent holds.
type One[P, C any] struct{ one }

type one struct{ declared }

// NewOne declares a to-one edge at a GraphQL coordinate such as "Schedule.customer".
func NewOne[P, C any](field string, parent *db.Table[P], parentColumn string, child *db.Table[C]) *One[P, C] {
	return NewOneBy(field, parent, parentColumn, child, "id", db.Where{})
}

// NewOneBy declares a to-one edge to the only child for which the condition holds and whose column equals
// the parent's; an index of the table sees to it that there is one at most.
func NewOneBy[P, C any](field string, parent *db.Table[P], parentColumn string, child *db.Table[C], childColumn string, where db.Where) *One[P, C] {
	parent.Column(parentColumn)
	child.Column(childColumn)
	return &One[P, C]{one{declared{Declaration{Coordinate: field, Parent: &parent.Relation, ParentColumn: parentColumn, Child: &child.Relation, ChildColumn: childColumn, Where: where}}}}
}

// Load returns the child, or nil when the parent has none.
func (e *One[P, C]) Load(ctx context.Context, parent *P) (*C, error) {
	row, err := e.load(ctx, parent)
	child, _ := row.(*C)
	return child, err
}

func (e *one) load(ctx context.Context, parent any) (any, error) {
	key, ok := e.keyOf(parent)
	if !ok {
		return nil, nil
	}
	return e.loader(From(ctx)).Load(ctx, key)()
}

func (e *one) loader(l *Loaders) *dataloader.Loader[uuid.UUID, any] {
	return l.loaderFor(instance{e, "one", ""}, func(ctx context.Context, keys []uuid.UUID) ([]any, error) { return e.fetch(ctx, l, keys) })
}

func (e *one) fetch(ctx context.Context, l *Loaders, keys []uuid.UUID) ([]any, error) {
	rows, err := e.d.Child.RowsAmong(ctx, l.pool, l.scope, e.d.ChildColumn, keys, e.d.Where)
	if err != nil {
		return nil, err
	}
	return align(keys, rows, func(row any) (uuid.UUID, bool) { return keyOf(e.d.Child, row, e.d.ChildColumn) }), nil
}

// Many declares an edge from a parent to the page of its children, as a connection.
type Many[P, C any] struct{ many }

type many struct{ declared }

// NewMany declares a to-many edge at a GraphQL coordinate such as "Customer.schedules": the rows of the
// list whose column holds the parent's id.
func NewMany[P, C any](field string, parent *db.Table[P], spec *relay.Spec[C], childColumn string) *Many[P, C] {
	spec.Table.Column(childColumn)
	d := listOf(field, spec)
	d.Parent, d.ParentColumn, d.ChildColumn = &parent.Relation, "id", childColumn
	return &Many[P, C]{many{declared{d}}}
}

// Connection returns the page that the current field's arguments ask for.
func (e *Many[P, C]) Connection(ctx context.Context, parent *P) (*relay.Connection[*C], error) {
	return connection[C](e.page(ctx, parent))
}

// page is the rows of a connection, one more than its limit when there are more.
type page struct {
	args  *relay.Args
	rows  []any
	table *db.Relation
	total func(ctx context.Context) (int, error)
}

func connection[C any](p *page, err error) (*relay.Connection[*C], error) {
	if err != nil {
		return nil, err
	}
	rows := make([]*C, len(p.rows))
	for i, row := range p.rows {
		rows[i] = row.(*C)
	}
	return relay.NewConnection(p.args, rows, p.table.ValueOf, p.total), nil
}

func (e *many) page(ctx context.Context, parent any) (*page, error) {
	l := From(ctx)
	args, err := e.parse(ctx, l, rawArguments(ctx))
	if err != nil {
		return nil, err
	}
	key, _ := e.keyOf(parent)
	p := &page{args: args, table: e.d.Child, total: func(ctx context.Context) (int, error) {
		n, err := e.count(l, args).Load(ctx, key)()
		total, _ := n.(int)
		return total, err
	}}
	// Where only the total is selected, the page is not read, and not primed for another field with the same arguments.
	field := graphql.GetFieldContext(ctx).Field
	if _, wanted, _ := connectionSelection(graphql.GetOperationContext(ctx), []graphql.CollectedField{field}); wanted {
		rows, err := e.rows(l, args).Load(ctx, key)()
		if err != nil {
			return nil, err
		}
		p.rows = rows.([]any)
	}
	return p, nil
}

func (e *many) rows(l *Loaders, args *relay.Args) *dataloader.Loader[uuid.UUID, any] {
	return l.loaderFor(instance{e, "rows", args.Key()}, func(ctx context.Context, keys []uuid.UUID) ([]any, error) {
		return values(e.fetch(ctx, l, args, keys))
	})
}

func (e *many) fetch(ctx context.Context, l *Loaders, args *relay.Args, keys []uuid.UUID) ([][]any, error) {
	return e.d.Child.RowsPer(ctx, l.pool, l.scope, e.d.ChildColumn, keys, args.Where, args.Page)
}

func (e *many) count(l *Loaders, args *relay.Args) *dataloader.Loader[uuid.UUID, any] {
	return l.loaderFor(instance{e, "count", args.Key()}, func(ctx context.Context, keys []uuid.UUID) ([]any, error) {
		return values(e.fetchCounts(ctx, l, args, keys))
	})
}

func (e *many) fetchCounts(ctx context.Context, l *Loaders, args *relay.Args, keys []uuid.UUID) ([]int, error) {
	return e.d.Child.CountPer(ctx, l.pool, l.scope, e.d.ChildColumn, keys, args.Where)
}

// values returns what was fetched as a dataloader takes it.
func values[V any](fetched []V, err error) ([]any, error) {
	out := make([]any, len(fetched))
	for i, v := range fetched {
		out[i] = v
	}
	return out, err
}

// List declares a root list, such as Query.customers.
type List[C any] struct{ list }

type list struct{ declared }

// NewList declares a root list at a GraphQL coordinate.
func NewList[C any](field string, spec *relay.Spec[C]) *List[C] {
	return &List[C]{list{declared{listOf(field, spec)}}}
}

// Connection returns the page that the current field's arguments ask for.
func (e *List[C]) Connection(ctx context.Context) (*relay.Connection[*C], error) {
	return connection[C](e.page(ctx))
}

func (e *list) page(ctx context.Context) (*page, error) {
	l := From(ctx)
	args, err := e.parse(ctx, l, rawArguments(ctx))
	if err != nil {
		return nil, err
	}
	rows, err := e.d.Child.Rows(ctx, l.pool, l.scope, args.Where, args.Page)
	return &page{args, rows, e.d.Child, func(ctx context.Context) (int, error) {
		return e.d.Child.Count(ctx, l.pool, l.scope, args.Where)
	}}, err
}

// keyOf reads a key column of a row; false when it is NULL.
func keyOf(t *db.Relation, row any, column string) (uuid.UUID, bool) {
	switch v := t.ValueOf(row, column).(type) {
	case uuid.UUID:
		return v, true
	case *uuid.UUID:
		if v != nil {
			return *v, true
		}
	case uuid.NullUUID:
		return v.UUID, v.Valid
	}
	return uuid.Nil, false
}

func rawArguments(ctx context.Context) map[string]any {
	return graphql.GetFieldContext(ctx).Field.ArgumentMap(graphql.GetOperationContext(ctx).Variables)
}
