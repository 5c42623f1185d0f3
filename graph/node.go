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

// nodeTypes returns every type that node finds, by the prefix of its ids. Its scopes are those that the schema requires for other fields
// of the type; it is an error when the schema requires none, or has a root field that the entity does not declare.
func nodeTypes(schema *ast.Schema, entities []loader.AnyEntity) (map[string]nodeType, error) {
	w := &scopeFinder{schema: schema, nodes: map[string]bool{}}
	for _, e := range entities {
		w.nodes[e.Name()] = true
	}
	out := map[string]nodeType{}
	for _, e := range entities {
		requires, err := w.scopesOf(e.Name(), nil)
		if err == nil {
			err = checkRoots(schema, e)
		}
		if err != nil {
			return nil, err
		}
		out[e.Source().Prefix()] = nodeType{e, requires}
	}
	return out, nil
}

// checkRoots returns an error for a root field that returns the entity, or a connection of it, and that the entity does not declare: the
// resolver that is generated for it would panic at the first request.
func checkRoots(schema *ast.Schema, e loader.AnyEntity) error {
	declared := map[string]bool{}
	for _, list := range e.Lists() {
		declared[list.Coordinate] = true
	}
	if s := e.Single(); s != nil {
		declared[s.Coordinate] = true
	}
	for _, f := range schema.Query.Fields {
		how, coordinate := "", "Query."+f.Name
		switch {
		case f.Type.Elem != nil || declared[coordinate] || notCompiled[coordinate] != "":
		case f.Type.Name() == e.Name():
			how = "FindBy"
		case f.Type.Name() == e.Name()+"Connection":
			how = "ListOf"
		}
		if how != "" {
			return fmt.Errorf("%s is not declared: add loader.%s(%q, …) to %s in graph/loaders.go", coordinate, how, f.Name, e.Name())
		}
	}
	return nil
}

// scopeFinder finds the scopes that the schema requires to read a type.
type scopeFinder struct {
	schema *ast.Schema
	nodes  map[string]bool
}

// referrer is a field of a type, with the scopes that it requires.
type referrer struct {
	coordinate string
	requires   []viewer.Scope
}

// scopesOf returns the scopes of a type: those of the root fields that return it; where there is none, those of the fields of other nodes
// that do; and where there is none of these either, those of the fields of other objects that can be queried. A field has the scopes of
// its own @auth, or else those of its parent type. There must be one, and all must be the same. Types in visiting are left out.
func (w *scopeFinder) scopesOf(name string, visiting []string) ([]viewer.Scope, error) {
	found, err := w.roots(name)
	if err != nil {
		return nil, err
	}
	visiting = append(slices.Clip(visiting), name)
	for _, ofNodes := range []bool{true, false} {
		if len(found) == 0 {
			found = w.edges(name, ofNodes, visiting)
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

// roots returns the fields of Query that return a type. One without @auth is an error.
func (w *scopeFinder) roots(name string) ([]referrer, error) {
	var out []referrer
	for _, f := range w.schema.Query.Fields {
		if strings.TrimSuffix(f.Type.Name(), "Connection") != name {
			continue
		}
		requires, declared := policy.Scopes(f)
		if !declared {
			return nil, fmt.Errorf("Query.%s has no @auth", f.Name)
		}
		out = append(out, newReferrer("Query."+f.Name, requires))
	}
	return out, nil
}

// edges returns the fields of nodes, or of other objects, that return a type. Objects that cannot be queried, such as the payloads of
// mutations, are left out.
func (w *scopeFinder) edges(name string, ofNodes bool, visiting []string) []referrer {
	var out []referrer
	for _, def := range w.schema.Types {
		isRoot := def == w.schema.Query || def == w.schema.Mutation || def == w.schema.Subscription
		if def.Kind != ast.Object || isRoot || w.nodes[def.Name] != ofNodes || slices.Contains(visiting, def.Name) {
			continue
		}
		for _, f := range def.Fields {
			if strings.TrimSuffix(f.Type.Name(), "Connection") != name {
				continue
			}
			requires, _ := policy.Scopes(f)
			if len(requires) == 0 {
				// Without scopes of its own a field requires those of its parent.
				var err error
				if requires, err = w.scopesOf(def.Name, visiting); err != nil {
					continue
				}
			}
			out = append(out, newReferrer(def.Name+"."+f.Name, requires))
		}
	}
	slices.SortFunc(out, func(a, b referrer) int { return strings.Compare(a.coordinate, b.coordinate) })
	return out
}

func newReferrer(coordinate string, requires []viewer.Scope) referrer {
	requires = slices.Clone(requires)
	slices.Sort(requires)
	return referrer{coordinate, slices.Compact(requires)}
}

// node finds a node by its id; null when it does not exist, is of another organization, or may not be read.
func (r *Resolver) node(ctx context.Context, id relay.ID) (relay.Node, error) {
	found, err := r.nodes(ctx, []*relay.ID{&id})
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// nodes finds nodes by their ids, in one statement for each type, in the order of the ids.
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
