package document

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/fault"
)

// What things cost in points. Objects cost one each, scalars nothing.
const (
	countPoints         = 10
	searchPoints        = 10
	mutationPoints      = 10
	bulkRowPoints       = 1
	introspectionPoints = 10
	// assumedList is the length of a list that is no connection and says nothing about its length.
	assumedList = 5
)

// Price is what an operation may cost and how many objects it may return, at most.
type Price struct {
	Points, Nodes int
	// Introspects reports whether the operation reads the schema.
	Introspects bool
}

// tally is the price of a selection set. The part below `edges` and `nodes` of a connection, and below the lists of
// a mutation's payload, is kept apart, as their length follows from the arguments of the field above, outside the
// fragment that may hold the selection; that is what allows one walk per fragment.
type tally struct {
	points, nodes         int
	itemPoints, itemNodes int
	introspects           bool
}

func (t *tally) add(c tally) {
	t.points, t.nodes = plus(t.points, c.points), plus(t.nodes, c.nodes)
	t.itemPoints, t.itemNodes = plus(t.itemPoints, c.itemPoints), plus(t.itemNodes, c.itemNodes)
	t.introspects = t.introspects || c.introspects
}

// pricer prices one validated operation with its variables.
type pricer struct {
	schema    *ast.Schema
	limits    *Limits
	variables map[string]any
	memo      map[string]*tally
}

// priceOf returns the price of an operation whose document passed the structural check and validation.
// Its time is linear in the document.
func priceOf(schema *ast.Schema, limits *Limits, op *ast.OperationDefinition, variables map[string]any) Price {
	p := pricer{schema: schema, limits: limits, variables: variables}
	t := p.set(op.SelectionSet)
	return Price{Points: t.points, Nodes: t.nodes, Introspects: t.introspects}
}

func (p *pricer) set(set ast.SelectionSet) (t tally) {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			if !p.skipped(sel.Directives) {
				t.add(p.field(sel))
			}
		case *ast.InlineFragment:
			if !p.skipped(sel.Directives) {
				t.add(p.set(sel.SelectionSet))
			}
		case *ast.FragmentSpread:
			if sel.Definition != nil && !p.skipped(sel.Directives) {
				t.add(p.fragment(sel.Definition))
			}
		}
	}
	return t
}

func (p *pricer) fragment(f *ast.FragmentDefinition) tally {
	if m := p.memo[f.Name]; m != nil {
		return *m
	}
	if p.memo == nil {
		p.memo = make(map[string]*tally)
	}
	m := p.set(f.SelectionSet)
	p.memo[f.Name] = &m
	return m
}

func (p *pricer) field(f *ast.Field) tally {
	switch f.Name {
	case "__typename":
		return tally{}
	case "__schema", "__type":
		return tally{points: introspectionPoints, introspects: true}
	}
	if f.Definition == nil {
		return tally{}
	}
	own := 0
	if a := f.Arguments.ForName("search"); a != nil && p.given(a.Value) {
		own = searchPoints
	}
	def := p.schema.Types[f.Definition.Type.Name()]
	switch {
	case def != nil && def.Name == userError:
		return tally{} // made from the input, not read from anywhere
	case def == nil || !def.IsCompositeType():
		if f.Name == "totalCount" {
			own += countPoints
		}
		return tally{points: own}
	}
	below := p.set(f.SelectionSet)
	if f.ObjectDefinition != nil && f.ObjectDefinition == p.schema.Mutation {
		return p.mutation(f, below)
	}
	return p.place(f, def, own, below)
}

// mutation prices a mutation with the payload that is selected. A row of a bulk mutation costs what is selected of
// its result, and no less than a point.
func (p *pricer) mutation(f *ast.Field, below tally) tally {
	rows, perRow := p.rows(f), below.itemPoints
	if isBulk(p.schema, f.Definition) {
		perRow = max(perRow, bulkRowPoints)
	}
	return tally{
		points:      plus(mutationPoints, plus(plus(1, below.points), times(rows, perRow))),
		nodes:       plus(plus(1, below.nodes), times(rows, below.itemNodes)),
		introspects: below.introspects,
	}
}

// place puts what is below a field where it belongs: times the page for a connection, times the length
// for a list, into the part per item for edges and nodes.
func (p *pricer) place(f *ast.Field, def *ast.Definition, own int, below tally) tally {
	in := f.ObjectDefinition
	switch {
	case in != nil && isPayload(in) && f.Definition.Type.Elem != nil:
		return tally{itemPoints: plus(1, below.points), itemNodes: plus(1, below.nodes), introspects: below.introspects}
	case in != nil && isConnection(in) && (f.Name == "edges" || f.Name == "nodes"):
		return tally{itemPoints: plus(1, below.points), itemNodes: plus(1, below.nodes), introspects: below.introspects}
	case in != nil && isConnection(in) && f.Name == "pageInfo":
		return tally{}
	case in != nil && strings.HasSuffix(in.Name, "Edge") && f.Name == "node":
		return below // the edge has counted it
	}
	t := tally{introspects: below.introspects}
	switch {
	case isConnection(def):
		page := p.page(f)
		t.points = plus(plus(own, 1), plus(below.points, times(page, below.itemPoints)))
		t.nodes = plus(below.nodes, times(page, below.itemNodes))
	case f.Definition.Type.Elem != nil:
		n := p.listLength(f)
		t.points = plus(own, times(n, plus(1, below.points)))
		t.nodes = times(n, plus(1, below.nodes))
	default:
		t.points = plus(plus(own, 1), below.points)
		t.nodes = plus(1, below.nodes)
	}
	return t
}

func isConnection(def *ast.Definition) bool {
	return strings.HasSuffix(def.Name, "Connection") && (def.Fields.ForName("edges") != nil || def.Fields.ForName("nodes") != nil)
}

// userError is the type of what is wrong with an input.
const userError = "UserError"

// isPayload reports whether a type is what a mutation answers; a test of the schema holds them to that name.
func isPayload(def *ast.Definition) bool { return strings.HasSuffix(def.Name, "Payload") }

// page returns the page size of a connection field. Sizes over the maximum are priced as they are
// written; the resolver refuses them.
func (p *pricer) page(f *ast.Field) int {
	if n, ok := p.number(f, "first", "last"); ok {
		return n
	}
	return p.limits.DefaultPage
}

// listLength returns the length of a plain list: what its arguments say, else an assumption.
func (p *pricer) listLength(f *ast.Field) int {
	if n, ok := p.number(f, "first", "last", "limit"); ok {
		return n
	}
	if a, def := f.Arguments.ForName("ids"), f.Definition.Arguments.ForName("ids"); a != nil && def != nil {
		if v, err := a.Value.Value(p.variables); err == nil {
			return length(def.Type, v)
		}
	}
	return assumedList
}

// number returns the first of the arguments that is an integer, from the document, a variable or the schema's default. What
// is given and cannot be read counts as endless.
func (p *pricer) number(f *ast.Field, names ...string) (int, bool) {
	for _, name := range names {
		var value *ast.Value
		if a := f.Arguments.ForName(name); a != nil {
			value = a.Value
		} else if d := f.Definition.Arguments.ForName(name); d != nil {
			value = d.DefaultValue
		}
		if value == nil {
			continue
		}
		if v, err := value.Value(p.variables); err != nil || v != nil {
			return size(v), true
		}
	}
	return 0, false
}

// size reads an integer; any other value counts as endless.
func size(v any) int {
	n, ok := v.(int64)
	if !ok {
		return saturated
	}
	return int(min(max(n, 0), saturated))
}

// given reports whether a value is there and not null.
func (p *pricer) given(v *ast.Value) bool {
	switch {
	case v == nil || v.Kind == ast.NullValue:
		return false
	case v.Kind == ast.Variable:
		return p.variables[v.Raw] != nil
	}
	return true
}

// rows returns how long the lists of a mutation's payload are at most: as long as the longest list that was sent, in
// an argument or right in an input object, or as the `limit` there says.
func (p *pricer) rows(f *ast.Field) int {
	n := 0
	if !isBulk(p.schema, f.Definition) {
		n = assumedList
	}
	for _, a := range f.Arguments {
		arg := f.Definition.Arguments.ForName(a.Name)
		v, err := a.Value.Value(p.variables)
		if arg == nil || err != nil {
			continue // refused elsewhere
		}
		n = max(n, length(arg.Type, v))
		object, ok := v.(map[string]any)
		def := p.schema.Types[arg.Type.Name()]
		if !ok || def == nil {
			continue
		}
		for _, field := range def.Fields {
			switch value := object[field.Name]; {
			case field.Name == "limit" && value == nil:
				n = max(n, p.limits.DefaultPage)
			case field.Name == "limit":
				n = max(n, size(value))
			default:
				n = max(n, length(field.Type, value))
			}
		}
	}
	return n
}

// length returns the length of a list value; a single value is a list of one, and nothing else is a list.
func length(t *ast.Type, v any) int {
	if t.Elem == nil || v == nil {
		return 0
	}
	if list, ok := v.([]any); ok {
		return len(list)
	}
	return 1
}

// skipped reports whether @skip or @include leaves a selection out.
func (p *pricer) skipped(list ast.DirectiveList) bool {
	for _, d := range list {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		a := d.Arguments.ForName("if")
		if a == nil {
			continue
		}
		if v, err := a.Value.Value(p.variables); err == nil {
			if on, ok := v.(bool); ok && on == (d.Name == "skip") {
				return true
			}
		}
	}
	return false
}

// checkCost refuses an operation whose price is over the limits.
func (l *Limits) checkCost(p Price) *fault.Error {
	var f *fault.Error
	switch {
	case p.Points > l.MaxCost:
		f = fault.New(fault.ComplexityLimit, "The operation costs %s points; the limit is %d. Ask for smaller pages, fewer levels, or split it.", figure(p.Points), l.MaxCost)
	case p.Nodes > l.MaxNodes:
		f = fault.New(fault.ComplexityLimit, "The operation may return %s objects; the limit is %d. Ask for smaller pages, or split it.", figure(p.Nodes), l.MaxNodes)
	default:
		return nil
	}
	f.Details = map[string]any{"cost": p.Points, "costLimit": l.MaxCost, "nodes": p.Nodes, "nodeLimit": l.MaxNodes}
	return f
}
