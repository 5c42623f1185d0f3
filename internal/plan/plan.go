// Package plan answers queries without the executor: a plan is made once from a selection and the
// declarations of tables and edges, and runs one statement per edge and one pass that writes the JSON
// straight from the cells that the database sent.
//
// What a plan cannot answer, and every error it meets, is left to the generated executor, so that
// errors, their paths and the propagation of null have one implementation.
package plan

import (
	"reflect"

	"caseload/internal/db"
	"caseload/internal/loader"
)

// Plan is how one root field of one operation is answered, for viewers of one class. It holds no values of
// arguments, is immutable, and is safe for concurrent use.
type Plan struct {
	// reason says why there is no plan; "" when there is one.
	reason string
	// bytes is about how much memory the plan holds.
	bytes int

	root root
}

// Reason says why the field is left to the generated executor; "" when it is not.
func (p *Plan) Reason() string { return p.reason }

// rowset is what one statement reads of a table: columns, and the edges that lead on from its rows.
type rowset struct {
	source loader.Source
	cells  []db.Cell
	types  []reflect.Type
	edges  []*edge
}

// column returns the place of a column among the cells, which it joins when it is new.
func (r *rowset) column(name string) int {
	for i, c := range r.cells {
		if c.Column == name {
			return i
		}
	}
	col := r.source.Column(name)
	r.cells = append(r.cells, cellOf(col))
	r.types = append(r.types, col.Type)
	return len(r.cells) - 1
}

// edge is one statement for the children of all rows of a rowset; a connection may count them too.
type edge struct {
	decl loader.Declaration
	// key is the cell of the parent that its children are found by.
	key int
	// field gives the arguments, which are read for each request.
	field arguments
	child *rowset
	// rows, total and cursors tell what is selected of a connection.
	rows, total, cursors bool
}

// arguments is the part of a selected field that gives its arguments.
type arguments interface {
	ArgumentMap(variables map[string]any) map[string]any
}

// writer writes one object from a row.
type writer struct {
	ops []op
}

// op writes one member of an object: its name with what stands before it, then its value.
type op struct {
	lead []byte
	// One of these is set; a member that is the same for every row is part of the lead.
	encode   encoder
	computed *computed
	one      *writer
	conn     *connection

	// cell is the place of the value, and edge that of the edge.
	cell, edge int
	// required tells that the schema does not allow null.
	required bool
}

type computed struct {
	Computed
	cells []int
}

// connection writes a page.
type connection struct {
	ops []connectionOp
}

type connectionKind int

const (
	constantMember connectionKind = iota
	nodesMember
	edgesMember
	pageInfoMember
	totalMember
)

type connectionOp struct {
	lead []byte
	kind connectionKind
	// node writes the elements of nodes.
	node *writer
	// members are those of the elements of edges, or of pageInfo.
	members []pageMember
}

type pageMemberKind int

const (
	constantPart pageMemberKind = iota
	nodePart
	cursorPart
	hasNextPart
	hasPreviousPart
	startCursorPart
	endCursorPart
)

type pageMember struct {
	lead []byte
	kind pageMemberKind
	node *writer
}
