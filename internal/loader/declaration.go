package loader

import (
	"context"
	"reflect"

	"caseload/internal/db"
	"caseload/internal/relay"
)

// Source is a [db.Table] without its Go type, for compiled reads.
type Source interface {
	Name() string
	Prefix() string
	Type() reflect.Type
	Columns() []db.Column
	Column(name string) db.Column
	StatementOne(s db.Scope, cells []db.Cell, w db.Where) db.Statement
	StatementAmong(s db.Scope, cells []db.Cell, column, keys string, w db.Where) db.Statement
	StatementList(s db.Scope, cells []db.Cell, w db.Where, p db.Page) db.Statement
	StatementListPer(s db.Scope, cells []db.Cell, column, parents string, w db.Where, p db.Page) db.Statement
	StatementCount(s db.Scope, w db.Where) db.Statement
	StatementCountPer(s db.Scope, column, parents string, w db.Where) db.Statement
}

// Declaration is an edge or a list without its Go types, for compiled reads, which so read the same as the loaders.
type Declaration struct {
	// Coordinate is where it stands in the schema, such as "Schedule.customer".
	Coordinate string
	// Parent and ParentColumn are zero for a root list.
	Parent       Source
	ParentColumn string
	Child        Source
	ChildColumn  string
	// Where narrows a to-one edge.
	Where db.Where
	// Default is the order of a connection, and Orders are what it can be ordered by instead.
	Default db.Order
	Orders  map[string]db.Term
	// Parse checks the arguments of a connection; nil for a to-one edge.
	Parse func(ctx context.Context, l *Loaders, raw map[string]any) (*relay.Args, error)
	// Personal is that of a root list's [relay.Spec].
	Personal []string
}

// Declaration returns what was declared.
func (e *One[P, C]) Declaration() Declaration {
	return Declaration{Coordinate: e.field, Parent: e.parent, ParentColumn: e.parentColumn, Child: e.child, ChildColumn: e.childColumn, Where: e.where}
}

// Declaration returns what was declared.
func (e *Many[P, C]) Declaration() Declaration {
	return Declaration{Coordinate: e.field, Parent: e.parent, ParentColumn: "id", Child: e.spec.Table, ChildColumn: e.childColumn,
		Default: e.spec.Default, Orders: e.spec.Orders, Parse: parse(e.spec, e.field)}
}

// Declaration returns what was declared.
func (e *List[C]) Declaration() Declaration {
	return Declaration{Coordinate: e.field, Child: e.spec.Table, Default: e.spec.Default, Orders: e.spec.Orders, Parse: parse(e.spec, e.field), Personal: e.spec.Personal}
}

func parse[C any](spec *relay.Spec[C], field string) func(context.Context, *Loaders, map[string]any) (*relay.Args, error) {
	return func(ctx context.Context, l *Loaders, raw map[string]any) (*relay.Args, error) {
		return spec.Parse(ctx, l.cursors, l.scope, field, raw)
	}
}

// Source returns the table of the node type, and Name its GraphQL name.
func (n *Node[T]) Source() Source { return n.table }

// Name returns the GraphQL name of the node type.
func (n *Node[T]) Name() string { return n.typeName }
