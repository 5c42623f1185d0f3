package httpapi

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// What things cost in points. Objects cost one each, scalars nothing.
const (
	countPoints         = 10
	searchPoints        = 10
	mutationPoints      = 10
	bulkItemPoints      = 1
	introspectionPoints = 10
	// assumedList is the length of a list that is no connection and says nothing about its length.
	assumedList = 5
)

// price is what an operation may cost and how many objects it may return, at most.
type price struct {
	points, nodes int
	introspects   bool
}

// tally is the price of a selection set. Of a connection's selection set the part below `edges` and
// `nodes` is kept apart, as the page size is an argument of the field above, outside the fragment that
// may hold the selection; that is what allows one walk per fragment.
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
func priceOf(schema *ast.Schema, limits *Limits, op *ast.OperationDefinition, variables map[string]any) price {
	p := pricer{schema: schema, limits: limits, variables: variables}
	t := p.set(op.SelectionSet)
	return price{points: t.points, nodes: t.nodes, introspects: t.introspects}
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
	if def == nil || !def.IsCompositeType() {
		if f.Name == "totalCount" {
			own += countPoints
		}
		return tally{points: own}
	}
	if f.ObjectDefinition != nil && f.ObjectDefinition == p.schema.Mutation {
		own += mutationPoints
		if isBulk(f.Name) {
			own = plus(own, times(bulkItemPoints, p.items(f)))
		}
	}
	below := p.set(f.SelectionSet)
	return p.place(f, def, own, below)
}

// place puts what is below a field where it belongs: times the page for a connection, times the length
// for a list, into the part per item for edges and nodes.
func (p *pricer) place(f *ast.Field, def *ast.Definition, own int, below tally) tally {
	in := f.ObjectDefinition
	switch {
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
		n := p.length(f)
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

// page returns the page size of a connection field. Sizes over the maximum are priced as they are
// written; the resolver refuses them.
func (p *pricer) page(f *ast.Field) int {
	for _, arg := range []string{"first", "last"} {
		if n, ok := p.number(f, arg); ok {
			return n
		}
	}
	return p.limits.DefaultPage
}

// length returns the length of a plain list: what its arguments say, else an assumption.
func (p *pricer) length(f *ast.Field) int {
	for _, arg := range []string{"first", "last", "limit"} {
		if n, ok := p.number(f, arg); ok {
			return n
		}
	}
	if a := f.Arguments.ForName("ids"); a != nil {
		return p.count(a.Value)
	}
	return assumedList
}

// number returns an argument that is an integer, from the document, a variable or the schema's default.
func (p *pricer) number(f *ast.Field, arg string) (int, bool) {
	value := (*ast.Value)(nil)
	if a := f.Arguments.ForName(arg); a != nil {
		value = a.Value
	}
	if !p.given(value) {
		if d := f.Definition.Arguments.ForName(arg); d != nil && value == nil {
			value = d.DefaultValue
		}
	}
	if value == nil {
		return 0, false
	}
	v, err := value.Value(p.variables)
	if err != nil {
		return 0, false
	}
	n, ok := number(v)
	return min(max(n, 0), saturated), ok
}

// given tells whether a value is there and not null.
func (p *pricer) given(v *ast.Value) bool {
	switch {
	case v == nil || v.Kind == ast.NullValue:
		return false
	case v.Kind == ast.Variable:
		return p.variables[v.Raw] != nil
	}
	return true
}

// items counts what the lists in the arguments of a bulk mutation hold: in the argument itself, or one
// level below, where an input object has its list.
func (p *pricer) items(f *ast.Field) int {
	n := 0
	for _, a := range f.Arguments {
		n = plus(n, p.listed(a.Value, 1))
	}
	return n
}

func (p *pricer) listed(v *ast.Value, levels int) int {
	switch v.Kind {
	case ast.Variable:
		return listedIn(p.variables[v.Raw], levels)
	case ast.ListValue:
		return len(v.Children)
	case ast.ObjectValue:
		n := 0
		if levels > 0 {
			for _, c := range v.Children {
				n = plus(n, p.listed(c.Value, levels-1))
			}
		}
		return n
	}
	return 0
}

func listedIn(v any, levels int) int {
	if list, ok := elements(v); ok {
		return list.Len()
	}
	n := 0
	if m, ok := v.(map[string]any); ok && levels > 0 {
		for _, c := range m {
			n = plus(n, listedIn(c, levels-1))
		}
	}
	return n
}

// count returns the length of a list value; a single value is a list of one.
func (p *pricer) count(v *ast.Value) int {
	switch v.Kind {
	case ast.ListValue:
		return len(v.Children)
	case ast.Variable:
		if list, ok := elements(p.variables[v.Raw]); ok {
			return list.Len()
		}
	}
	return 1
}

// skipped tells whether @skip or @include leaves a selection out.
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
