package plan

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/db"
	"caseload/internal/loader"
	"caseload/internal/policy"
	"caseload/internal/viewer"
)

// NodeType is a type that node and nodes find, with the scopes that they ask for.
type NodeType struct {
	Name     string
	Source   *db.Relation
	Requires []viewer.Scope
}

// Declarations are what plans are made of.
type Declarations struct {
	Schema *ast.Schema
	// Edges are the edges and root lists.
	Edges []loader.Declaration
	// Singles are root fields by coordinate, such as "Query.customer".
	Singles map[string]*loader.Single
	// Nodes are the types of Query.node and Query.nodes.
	Nodes []NodeType
	// Computed are fields by coordinate, such as "Customer.ssnProvided".
	Computed map[string]db.Computed
	// Generated are the coordinates that are left to the generated executor, with the reason.
	Generated map[string]string
	// MaxAnswer is how many bytes the root fields of one operation may have; zero is no limit.
	MaxAnswer int
}

// Compiler makes plans. It is safe for concurrent use.
type Compiler struct {
	Declarations
	edges map[string]loader.Declaration
}

// NewCompiler takes the declarations.
func NewCompiler(d Declarations) *Compiler {
	c := &Compiler{d, map[string]loader.Declaration{}}
	for _, e := range d.Edges {
		c.edges[e.Coordinate] = e
	}
	return c
}

// notPlanned is why a selection has no plan.
type notPlanned string

func (n notPlanned) Error() string { return string(n) }

// The reasons for which there is no plan, besides those of Declarations.Generated.
const (
	ReasonAccess    = "access: a field needs a scope that the viewer does not have"
	ReasonUndefined = "not declared: neither column, edge, nor computed"
)

// Compile makes the plan of a root field for a viewer. It never fails: a plan may consist of a reason.
func (c *Compiler) Compile(oc *graphql.OperationContext, v *viewer.Viewer, f graphql.CollectedField) (p *Plan) {
	k := &compilation{Compiler: c, oc: oc, viewer: v}
	defer func() {
		// The executor gets the same error, such as a directive without its value, and reports it.
		if cause := recover(); cause != nil {
			p = &Plan{reason: fmt.Sprintf("compile: %T", cause), bytes: planBytes}
		}
	}()
	r, err := k.root(f)
	if err != nil {
		return &Plan{reason: err.Error(), bytes: planBytes + len(err.Error())}
	}
	return &Plan{root: r, bytes: planBytes + k.bytes, edges: k.numbered, limit: c.MaxAnswer}
}

// The weights by which the memory of plans is counted.
const (
	planBytes = 512
	partBytes = 192
	// edgeBytes is mostly the text of a statement.
	edgeBytes = 2 << 10
	// argumentFactor is about how many bytes of syntax tree a byte of an argument makes.
	argumentFactor = 20
)

// compilation is the making of one plan.
type compilation struct {
	*Compiler
	oc     *graphql.OperationContext
	viewer *viewer.Viewer
	// stored is set for a selection of the program's own; see [Compiler.Pages].
	stored bool
	// bytes and numbered count what the plan has so far, and its edges.
	bytes, numbered int
}

func (k *compilation) collect(sel ast.SelectionSet, typeName string) []graphql.CollectedField {
	satisfies := []string{typeName}
	for _, i := range k.Schema.GetImplements(k.Schema.Types[typeName]) {
		satisfies = append(satisfies, i.Name)
	}
	return graphql.CollectFields(k.oc, sel, satisfies)
}

// admit checks what @auth asks of the viewer: with its class, this is part of the plan's key.
func (k *compilation) admit(def *ast.FieldDefinition) error {
	if policy.Check(k.viewer, def) != nil {
		return notPlanned(ReasonAccess)
	}
	return nil
}

// lead is `"name":` with what stands before it.
func (k *compilation) lead(first *bool, alias string) []byte {
	b := []byte{','}
	if *first {
		b[0] = '{'
		*first = false
	}
	b = append(AppendString(b, alias), ':')
	k.bytes += partBytes + len(b)
	return b
}

// entity makes the writer of a selection on rows of a table, and adds what it needs to their rowset.
func (k *compilation) entity(rs *rowset, sel ast.SelectionSet, typeName string) (*writer, error) {
	w, first := &writer{}, true
	for _, f := range k.collect(sel, typeName) {
		if err := k.admit(f.Definition); err != nil && k.stored {
			continue
		} else if err != nil {
			return nil, err
		}
		o := op{name: f.Alias, lead: k.lead(&first, f.Alias)}
		if f.Name == "__typename" {
			o.lead = AppendString(o.lead, typeName)
			w.ops = append(w.ops, o)
			continue
		}
		coordinate := typeName + "." + f.Name
		if reason, ok := k.Generated[coordinate]; ok {
			return nil, notPlanned(coordinate + ": " + reason)
		}
		o.required = f.Definition.Type.NonNull
		var err error
		if decl, ok := k.edges[coordinate]; ok {
			err = k.edge(rs, &o, decl, f)
		} else {
			err = k.value(rs, &o, coordinate, f.Name)
		}
		if err != nil {
			return nil, err
		}
		w.ops = append(w.ops, o)
	}
	return w, nil
}

func (k *compilation) edge(rs *rowset, o *op, decl loader.Declaration, f graphql.CollectedField) error {
	e, at := k.edgeBelow(rs, decl, f)
	o.edge = at
	var err error
	switch {
	case decl.Parse == nil:
		o.one, err = k.entity(e.child, f.Selections, f.Definition.Type.Name())
	case k.stored:
		o.all, err = k.rows(e, f)
	default:
		o.conn, err = k.members(e, f.Selections, f.Definition.Type.Name())
	}
	return err
}

// edgeBelow returns the edge of a rowset for a field: fields with the same arguments share one statement.
func (k *compilation) edgeBelow(rs *rowset, decl loader.Declaration, f graphql.CollectedField) (*edge, int) {
	text := argumentText(f.Arguments)
	for i, e := range rs.edges {
		if e.decl.Coordinate == decl.Coordinate && argumentText(e.field.Arguments) == text {
			return e, i
		}
	}
	e := k.edgeOf(decl, f)
	e.key = rs.column(decl.ParentColumn)
	if decl.Parse == nil {
		e.found, e.rows = e.child.column(decl.ChildColumn), true
	}
	rs.edges = append(rs.edges, e)
	return e, len(rs.edges) - 1
}

// edgeOf makes the edge of a field.
func (k *compilation) edgeOf(decl loader.Declaration, f graphql.CollectedField) *edge {
	e := &edge{decl: decl, number: k.numbered, field: k.arguments(f), child: &rowset{source: decl.Child}}
	k.numbered++
	k.bytes += edgeBytes
	return e
}

// arguments is a field with its arguments alone: a plan is kept longer than the syntax tree of its document.
func (k *compilation) arguments(f graphql.CollectedField) *ast.Field {
	k.bytes += partBytes + len(argumentText(f.Arguments))*argumentFactor
	return &ast.Field{Name: f.Name, Definition: f.Definition, Arguments: f.Arguments}
}

// argumentText is equal for arguments that are equal whatever the variables are.
func argumentText(list ast.ArgumentList) string {
	parts := make([]string, len(list))
	for i, a := range list {
		parts[i] = a.Name + ":" + a.Value.String()
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// value finds how a field that is no edge is written: as declared, else from the column that it is bound to.
func (k *compilation) value(rs *rowset, o *op, coordinate, name string) error {
	if c, ok := k.Computed[coordinate]; ok {
		o.computed = &computed{Computed: c}
		for _, column := range c.Columns {
			o.computed.columns = append(o.computed.columns, rs.column(column))
		}
		return nil
	}
	if name == "id" {
		o.column, o.encode = rs.column("id"), idEncoder(rs.source.Prefix())
		return nil
	}
	column, ok := bound(rs.source, name)
	if !ok {
		return notPlanned(coordinate + ": " + ReasonUndefined)
	}
	o.column, o.encode = rs.column(column.Name), encoderOf(column.Type)
	if o.encode == nil {
		return notPlanned(coordinate + ": " + ReasonUndefined)
	}
	return nil
}

// bound returns the column that a field is bound to, as the generator binds it: methods come before fields,
// and names are compared without case.
func bound(s *db.Relation, field string) (db.Column, bool) {
	t := s.Type()
	p := reflect.PointerTo(t)
	for i := range p.NumMethod() {
		if strings.EqualFold(p.Method(i).Name, field) {
			return db.Column{}, false
		}
	}
	for _, c := range s.Columns() {
		if strings.EqualFold(t.FieldByIndex(c.Index).Name, field) {
			return c, true
		}
	}
	return db.Column{}, false
}

// members makes the writers of the members of a connection, or of an edge or of pageInfo in it.
func (k *compilation) members(e *edge, sel ast.SelectionSet, typeName string) ([]member, error) {
	out, first := []member{}, true
	for _, f := range k.collect(sel, typeName) {
		m := member{lead: k.lead(&first, f.Alias)}
		var err error
		switch f.Name {
		case "__typename":
			m.lead = AppendString(m.lead, typeName)
		case "nodes":
			m.kind, e.rows = nodesMember, true
			m.node, err = k.entity(e.child, f.Selections, f.Definition.Type.Name())
		case "edges":
			m.kind, e.rows = edgesMember, true
			m.members, err = k.members(e, f.Selections, f.Definition.Type.Name())
		case "pageInfo":
			m.kind, e.rows = pageInfoMember, true
			m.members, err = k.members(e, f.Selections, f.Definition.Type.Name())
		case "totalCount":
			m.kind, e.total = totalMember, true
		case "node":
			m.kind = nodeMember
			m.node, err = k.entity(e.child, f.Selections, f.Definition.Type.Name())
		case "cursor":
			m.kind, e.cursors = cursorMember, true
		case "hasNextPage":
			m.kind = hasNextMember
		case "hasPreviousPage":
			m.kind = hasPreviousMember
		case "startCursor":
			m.kind, e.cursors = startCursorMember, true
		case "endCursor":
			m.kind, e.cursors = endCursorMember, true
		default:
			err = notPlanned(typeName + "." + f.Name + ": " + ReasonUndefined)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}
