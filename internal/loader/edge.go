package loader

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/graph-gophers/dataloader/v7"

	"caseload/internal/db"
	"caseload/internal/relay"
)

// One declares an edge from a parent to at most one child: the child whose id a column of the parent holds.
type One[P, C any] struct {
	field        string
	parent       *db.Table[P]
	parentColumn string
	child        *db.Table[C]
	childColumn  string
	where        db.Where
}

// NewOne declares a to-one edge at a GraphQL coordinate such as "Schedule.customer".
func NewOne[P, C any](field string, parent *db.Table[P], parentColumn string, child *db.Table[C]) *One[P, C] {
	return NewOneBy(field, parent, parentColumn, child, "id", db.Where{})
}

// NewOneBy declares a to-one edge to the only child for which the condition holds and whose column equals
// the parent's; an index of the table sees to it that there is one at most.
func NewOneBy[P, C any](field string, parent *db.Table[P], parentColumn string, child *db.Table[C], childColumn string, where db.Where) *One[P, C] {
	parent.Column(parentColumn)
	child.Column(childColumn)
	return &One[P, C]{field, parent, parentColumn, child, childColumn, where}
}

// Load returns the child, or nil when the parent has none.
func (e *One[P, C]) Load(ctx context.Context, parent *P) (*C, error) {
	key, ok := keyOf(e.parent, parent, e.parentColumn)
	if !ok {
		return nil, nil
	}
	return e.loader(From(ctx)).Load(ctx, key)()
}

func (e *One[P, C]) loader(l *Loaders) *dataloader.Loader[uuid.UUID, *C] {
	return loaderFor(l, instance{e, "one", ""}, func(ctx context.Context, keys []uuid.UUID) ([]*C, error) {
		return e.fetch(ctx, l, keys)
	})
}

func (e *One[P, C]) fetch(ctx context.Context, l *Loaders, keys []uuid.UUID) ([]*C, error) {
	rows, err := e.child.Among(ctx, l.pool, l.scope, e.childColumn, keys, e.where)
	if err != nil {
		return nil, err
	}
	return align(keys, rows, func(c *C) (uuid.UUID, bool) { return keyOf(e.child, c, e.childColumn) }), nil
}

// Many declares an edge from a parent to the page of its children, as a connection.
type Many[P, C any] struct {
	field       string
	parent      *db.Table[P]
	spec        *relay.Spec[C]
	childColumn string
}

// NewMany declares a to-many edge at a GraphQL coordinate such as "Customer.schedules": the rows of the
// list whose column holds the parent's id.
func NewMany[P, C any](field string, parent *db.Table[P], spec *relay.Spec[C], childColumn string) *Many[P, C] {
	spec.Table.Column(childColumn)
	return &Many[P, C]{field, parent, spec, childColumn}
}

// Connection returns the page that the current field's arguments ask for.
func (e *Many[P, C]) Connection(ctx context.Context, parent *P) (*relay.Connection[*C], error) {
	l := From(ctx)
	args, err := e.spec.Parse(ctx, l.cursors, l.scope, e.field, rawArguments(ctx))
	if err != nil {
		return nil, err
	}
	key, _ := keyOf(e.parent, parent, "id")
	var rows []*C
	// Where only the total is selected, the page is not read, and not primed for another field with the same arguments.
	field := graphql.GetFieldContext(ctx).Field
	if _, wanted, _ := connectionSelection(graphql.GetOperationContext(ctx), []graphql.CollectedField{field}); wanted {
		if rows, err = e.rows(l, args).Load(ctx, key)(); err != nil {
			return nil, err
		}
	}
	return relay.NewConnection(args, rows, relay.Values(e.spec.Table), func(ctx context.Context) (int, error) {
		return e.count(l, args).Load(ctx, key)()
	}), nil
}

func (e *Many[P, C]) rows(l *Loaders, args *relay.Args) *dataloader.Loader[uuid.UUID, []*C] {
	return loaderFor(l, instance{e, "rows", args.Key()}, func(ctx context.Context, keys []uuid.UUID) ([][]*C, error) {
		return e.spec.Table.ListPer(ctx, l.pool, l.scope, e.childColumn, keys, args.Where, args.Page)
	})
}

func (e *Many[P, C]) count(l *Loaders, args *relay.Args) *dataloader.Loader[uuid.UUID, int] {
	return loaderFor(l, instance{e, "count", args.Key()}, func(ctx context.Context, keys []uuid.UUID) ([]int, error) {
		return e.spec.Table.CountPer(ctx, l.pool, l.scope, e.childColumn, keys, args.Where)
	})
}

// List declares a root list, such as Query.customers.
type List[C any] struct {
	field string
	spec  *relay.Spec[C]
}

// NewList declares a root list at a GraphQL coordinate.
func NewList[C any](field string, spec *relay.Spec[C]) *List[C] { return &List[C]{field, spec} }

// Connection returns the page that the current field's arguments ask for.
func (e *List[C]) Connection(ctx context.Context) (*relay.Connection[*C], error) {
	l := From(ctx)
	args, err := e.spec.Parse(ctx, l.cursors, l.scope, e.field, rawArguments(ctx))
	if err != nil {
		return nil, err
	}
	rows, err := e.spec.Table.List(ctx, l.pool, l.scope, args.Where, args.Page)
	if err != nil {
		return nil, err
	}
	return relay.NewConnection(args, rows, relay.Values(e.spec.Table), func(ctx context.Context) (int, error) {
		return e.spec.Table.Count(ctx, l.pool, l.scope, args.Where)
	}), nil
}

// Node is the part of an [Entity] that fetches rows by their ids, for node and nodes.
type Node[T any] struct {
	typeName string
	table    *db.Table[T]
}

// Load returns the row, or nil when there is none in the scope.
func (n *Node[T]) Load(ctx context.Context, id uuid.UUID) (*T, error) {
	return n.loader(From(ctx)).Load(ctx, id)()
}

// LoadAll returns one row per id, in the order of the ids, nil where there is none in the scope. It runs one
// statement, under any load: ids that are loaded one by one may miss each other's batch.
func (n *Node[T]) LoadAll(ctx context.Context, ids []uuid.UUID) ([]*T, error) {
	return n.fetch(ctx, From(ctx), ids)
}

func (n *Node[T]) loader(l *Loaders) *dataloader.Loader[uuid.UUID, *T] {
	return loaderFor(l, instance{n, "node", ""}, func(ctx context.Context, keys []uuid.UUID) ([]*T, error) {
		return n.fetch(ctx, l, keys)
	})
}

func (n *Node[T]) fetch(ctx context.Context, l *Loaders, keys []uuid.UUID) ([]*T, error) {
	rows, err := n.table.ByKeys(ctx, l.pool, l.scope, "id", unique(keys))
	if err != nil {
		return nil, err
	}
	return align(keys, rows, func(row *T) (uuid.UUID, bool) { return keyOf(n.table, row, "id") }), nil
}

// keyOf reads a key column of a row; false when it is NULL.
func keyOf[P any](t *db.Table[P], row *P, column string) (uuid.UUID, bool) {
	switch v := t.Value(row, column).(type) {
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
