// Package plan answers queries without the executor: a plan is made once from a selection and the
// declarations of tables and edges, and runs one statement per edge and one pass that writes the JSON
// straight from the cells that the database sent.
//
// What a plan cannot answer, and every error, is left to the generated executor, so that errors, their paths and the propagation of
// null have one implementation.
package plan

import (
	"slices"
	"sync/atomic"

	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/db"
	"caseload/internal/loader"
	"caseload/internal/relay"
)

// Plan is how one root field of one operation is answered, for viewers of one class. It holds no values of
// arguments but the page sizes of the latest run, and is safe for concurrent use.
type Plan struct {
	// reason says why there is no plan; "" when there is one.
	reason string
	// bytes is about how much memory the plan holds.
	bytes int

	root root
	// edges is how many there are, and limit how many bytes the answer may have; zero is no limit.
	edges, limit int
}

// Reason says why the field is left to the generated executor; "" when it is not.
func (p *Plan) Reason() string { return p.reason }

// rowset is what one statement reads of a table: columns, and the edges that lead on from its rows.
type rowset struct {
	source  *db.Relation
	columns []*column
	edges   []*edge
	// cells are the columns as they are read, once the rowset is settled.
	cells []db.Cell
}

// column is a column that a rowset reads; cell is its place among the cells, once the rowset is settled.
type column struct {
	db.Column
	cell int
}

// column returns a column, which joins the rowset when it is new.
func (r *rowset) column(name string) *column {
	for _, c := range r.columns {
		if c.Name == name {
			return c
		}
	}
	c := &column{Column: r.source.Column(name)}
	r.columns = append(r.columns, c)
	return c
}

// settle gives the columns their places, here and in all rowsets below. They are read in the order in which the table
// declares them, in whatever order they were selected: those are texts less to prepare.
func (r *rowset) settle() {
	if len(r.columns) == 0 {
		r.column("id")
	}
	declared := r.source.Columns()
	place := func(c *column) int {
		return slices.IndexFunc(declared, func(d db.Column) bool { return d.Name == c.Name })
	}
	slices.SortFunc(r.columns, func(a, b *column) int { return place(a) - place(b) })
	r.cells = make([]db.Cell, len(r.columns))
	for i, c := range r.columns {
		c.cell, r.cells[i] = i, cellOf(c.Column)
	}
	for _, e := range r.edges {
		e.child.settle()
	}
}

// edge is one statement for the children of all rows of a rowset; a connection may count them too.
type edge struct {
	decl loader.Declaration
	// number is its place among the edges of the plan.
	number int
	// key is the column of the parent that its children are found by, and found that of the child of a to-one edge.
	key, found *column
	// field has the arguments, which are read for each request, and not the selection.
	field *ast.Field
	child *rowset
	// rows, total and cursors tell what is selected of a connection.
	rows, total, cursors bool
	// made is the statement of the latest page without conditions and cursor, whose text only the page decides.
	made atomic.Pointer[made]
}

// made is a statement, for no keys yet, and the page that it was made for.
type made struct {
	page      db.Page
	statement db.Statement
}

// among returns the statement for the children of a to-one edge.
func (e *edge) among(s db.Scope, keys string) db.Statement {
	if m := e.made.Load(); m != nil {
		return m.statement.For(s, keys)
	}
	m := &made{statement: e.decl.Child.StatementAmong(db.Scope{}, e.child.cells, e.decl.ChildColumn, "", e.decl.Where)}
	e.made.Store(m)
	return m.statement.For(s, keys)
}

// listPer returns the statement for a page of children of each parent.
func (e *edge) listPer(s db.Scope, cells []db.Cell, keys string, args *relay.Args) db.Statement {
	p := args.Page
	if !args.Where.None() || p.After != nil || p.Before != nil {
		return e.decl.Child.StatementListPer(s, cells, e.decl.ChildColumn, keys, args.Where, p)
	}
	m := e.made.Load()
	if m == nil || m.page.Limit != p.Limit || m.page.Backward != p.Backward || !slices.Equal(m.page.Order, p.Order) {
		m = &made{p, e.decl.Child.StatementListPer(db.Scope{}, cells, e.decl.ChildColumn, "", db.Where{}, p)}
		e.made.Store(m)
	}
	return m.statement.For(s, keys)
}

// writer writes one object from a row.
type writer struct {
	ops []op
}

// op writes one member of an object: its name with what stands before it, then its value.
type op struct {
	// name is the member's name, for the header of a table; see [Pages].
	name string
	lead []byte
	// One of these is set; a member that is the same for every row is part of the lead.
	encode   encoder
	computed *computed
	one      *writer
	conn     []member
	// all writes the children of a connection as a plain list; see [Pages].
	all *writer

	// column has the value, and edge is the place of the edge in its rowset.
	column *column
	edge   int
	// required tells that the schema does not allow null.
	required bool
}

type computed struct {
	db.Computed
	columns []*column
}

// member writes one member of a connection, of an edge or of pageInfo.
type member struct {
	lead []byte
	kind memberKind
	// node writes the rows of nodes, or that of an edge; members are those of edges, or of pageInfo.
	node    *writer
	members []member
}

type memberKind int

const (
	// constantMember is all in its lead.
	constantMember memberKind = iota
	nodesMember
	edgesMember
	pageInfoMember
	totalMember
	nodeMember
	cursorMember
	hasNextMember
	hasPreviousMember
	startCursorMember
	endCursorMember
)
