package loader

import (
	"context"

	"caseload/internal/db"
	"caseload/internal/relay"
)

// Declaration is an edge or a list without its Go types: loaders, preloads and compiled reads are made from it, and so read the same.
type Declaration struct {
	// Coordinate is where it stands in the schema, such as "Schedule.customer".
	Coordinate string
	// Parent and ParentColumn are zero for a root list.
	Parent       *db.Relation
	ParentColumn string
	Child        *db.Relation
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
