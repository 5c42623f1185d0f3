package graph

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/fault"
	"caseload/internal/loader"
	"caseload/internal/policy"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// nodeType is how node finds one type, and the scopes that this needs.
type nodeType struct {
	loader.AnyEntity
	requires []viewer.Scope
}

// nodeTypes returns every type that node finds, by the prefix of its ids. The scopes are those of the other ways to the type,
// as the schema has them; a type of which the schema does not say who may read it is an error.
func nodeTypes(schema *ast.Schema, entities []loader.AnyEntity) (map[string]nodeType, error) {
	w := &ways{schema: schema, nodes: map[string]bool{}}
	for _, e := range entities {
		w.nodes[e.Name()] = true
	}
	out := map[string]nodeType{}
	for _, e := range entities {
		requires, err := w.to(e.Name(), nil)
		if err != nil {
			return nil, err
		}
		out[e.Source().Prefix()] = nodeType{e, requires}
	}
	return out, nil
}

// ways finds out who may read a type.
type ways struct {
	schema *ast.Schema
	nodes  map[string]bool
}

// way is a field that leads to a type, with the scopes of who may select it.
type way struct {
	coordinate string
	requires   []viewer.Scope
}

// to returns the scopes of a type: those of the root fields that lead to it; where there is none, those of the fields of other
// nodes that do; and where there is none of these either, those of the fields of what else can be queried. A field has the
// scopes of its own @auth, or else those of the type it stands at. All must be the same, and there must be one. Types on the
// trail are being asked already.
func (w *ways) to(name string, trail []string) ([]viewer.Scope, error) {
	found, err := w.roots(name)
	if err != nil {
		return nil, err
	}
	trail = append(slices.Clip(trail), name)
	for _, ofNodes := range []bool{true, false} {
		if len(found) == 0 {
			found = w.edges(name, ofNodes, trail)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: the schema does not say who may read it: no field that can be queried leads there", name)
	}
	for _, other := range found[1:] {
		if !slices.Equal(other.requires, found[0].requires) {
			return nil, fmt.Errorf("%s: %s requires %v and %s requires %v: let them require the same, or declare a root field", name, found[0].coordinate, found[0].requires, other.coordinate, other.requires)
		}
	}
	return found[0].requires, nil
}

// roots returns the fields of Query that lead to a type. One without @auth is an error.
func (w *ways) roots(name string) ([]way, error) {
	var out []way
	for _, f := range w.schema.Query.Fields {
		if strings.TrimSuffix(f.Type.Name(), "Connection") != name {
			continue
		}
		requires, declared := policy.Scopes(f)
		if !declared {
			return nil, fmt.Errorf("Query.%s has no @auth", f.Name)
		}
		out = append(out, newWay("Query."+f.Name, requires))
	}
	return out, nil
}

// edges returns the fields of nodes, or of other objects, that lead to a type. Those of objects that cannot be queried, such
// as the payloads of mutations, are no ways.
func (w *ways) edges(name string, ofNodes bool, trail []string) []way {
	var out []way
	for _, def := range w.schema.Types {
		isRoot := def == w.schema.Query || def == w.schema.Mutation || def == w.schema.Subscription
		if def.Kind != ast.Object || isRoot || w.nodes[def.Name] != ofNodes || slices.Contains(trail, def.Name) {
			continue
		}
		for _, f := range def.Fields {
			if strings.TrimSuffix(f.Type.Name(), "Connection") != name {
				continue
			}
			requires, _ := policy.Scopes(f)
			if len(requires) == 0 {
				// A list of no scopes does not open what its type keeps closed.
				var err error
				if requires, err = w.to(def.Name, trail); err != nil {
					continue
				}
			}
			out = append(out, newWay(def.Name+"."+f.Name, requires))
		}
	}
	slices.SortFunc(out, func(a, b way) int { return strings.Compare(a.coordinate, b.coordinate) })
	return out
}

func newWay(coordinate string, requires []viewer.Scope) way {
	requires = slices.Clone(requires)
	slices.Sort(requires)
	return way{coordinate, slices.Compact(requires)}
}

// node finds anything by its id; null when it does not exist, is foreign, or may not be read.
func (r *Resolver) node(ctx context.Context, id relay.ID) (relay.Node, error) {
	found, err := r.nodes(ctx, []*relay.ID{&id})
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// nodes finds many things, in one statement for each type, in the order of the ids.
func (r *Resolver) nodes(ctx context.Context, ids []*relay.ID) ([]relay.Node, error) {
	known, v := r.edges.nodes, viewer.From(ctx)
	keys, places := map[string][]uuid.UUID{}, map[string][]int{}
	for i, id := range ids {
		if _, ok := known[id.Prefix]; !ok {
			return nil, fault.New(fault.BadUserInput, "No type of this server has ids that begin so.")
		}
		keys[id.Prefix], places[id.Prefix] = append(keys[id.Prefix], id.UUID), append(places[id.Prefix], i)
	}
	out := make([]relay.Node, len(ids))
	for prefix, at := range places {
		t := known[prefix]
		if v.Require(t.requires...) != nil {
			continue
		}
		rows, err := t.Rows(ctx, keys[prefix])
		if err != nil {
			return nil, err
		}
		for i, row := range rows {
			out[at[i]] = row
		}
	}
	return out, nil
}
