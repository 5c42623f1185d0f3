package loader

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/policy"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// Edge is a declared edge.
type Edge interface {
	Declaration() Declaration
	// preload fetches the children of all parents for fields that select this edge with equal
	// arguments, primes the loaders, and returns the children with what is selected of them.
	preload(ctx context.Context, l *Loaders, parents []reflect.Value, fields []graphql.CollectedField) ([]reflect.Value, ast.SelectionSet, error)
}

// Graph is all declared edges of a schema. It is made once, at start.
type Graph struct {
	schema *ast.Schema
	edges  map[string]Edge
	// names is the GraphQL type of each Go type.
	names map[reflect.Type]string
}

// NewGraph makes the graph of the edges.
func NewGraph(schema *ast.Schema, edges ...Edge) *Graph {
	g := &Graph{schema: schema, edges: map[string]Edge{}, names: map[reflect.Type]string{}}
	for _, e := range edges {
		d := e.Declaration()
		g.edges[d.Coordinate] = e
		typeName, _, _ := strings.Cut(d.Coordinate, ".")
		g.names[d.Parent.Type()] = typeName
	}
	for _, e := range edges {
		d := e.Declaration()
		typeName, field, _ := strings.Cut(d.Coordinate, ".")
		def := schema.Types[typeName].Fields.ForName(field)
		child := def.Type.Name()
		g.names[d.Child.Type()] = strings.TrimSuffix(child, "Connection")
	}
	return g
}

// Coordinates returns the declared edges, for tests of each.
func (g *Graph) Coordinates() []string {
	return slices.Collect(maps.Keys(g.edges))
}

// Preload fetches every edge that the current root field selects below its result. Errors are left to the resolvers, which get them
// again at the right path.
func (g *Graph) Preload(ctx context.Context, result any) {
	l, ok := ctx.Value(contextKey{}).(*Loaders)
	if !ok || result == nil {
		return
	}
	fc := graphql.GetFieldContext(ctx)
	g.descend(ctx, l, []reflect.Value{reflect.ValueOf(result)}, fc.Field.Selections, fc.Field.Definition.Type.Name())
}

// descend follows a selection through values that are not entities (payloads, connections, lists) until it
// meets entities, and preloads those.
func (g *Graph) descend(ctx context.Context, l *Loaders, values []reflect.Value, sel ast.SelectionSet, typeName string) {
	values = flatten(values)
	if len(values) == 0 || len(sel) == 0 {
		return
	}
	// Values of an interface may be rows of several types, the first perhaps of one without edges.
	if slices.ContainsFunc(values, func(v reflect.Value) bool { return g.names[v.Type().Elem()] != "" }) {
		g.entities(ctx, l, values, sel)
		return
	}
	def := g.schema.Types[typeName]
	if def == nil {
		return
	}
	for _, f := range g.collect(ctx, sel, typeName) {
		g.field(ctx, l, values, f)
	}
}

// field descends into a field of values that is no edge.
func (g *Graph) field(ctx context.Context, l *Loaders, values []reflect.Value, f graphql.CollectedField) {
	if f.Definition == nil || len(f.Selections) == 0 || !isComposite(g.schema, f.Definition.Type.Name()) {
		return
	}
	var next []reflect.Value
	for _, v := range values {
		if child := member(v, f.Name); child.IsValid() {
			next = append(next, child)
		}
	}
	g.descend(ctx, l, next, f.Selections, f.Definition.Type.Name())
}

// entities preloads the edges selected of rows, which may be of several types behind an interface.
func (g *Graph) entities(ctx context.Context, l *Loaders, rows []reflect.Value, sel ast.SelectionSet) {
	byType := map[reflect.Type][]reflect.Value{}
	var types []reflect.Type
	for _, r := range rows {
		t := r.Type().Elem()
		if g.names[t] == "" {
			continue
		}
		if byType[t] == nil {
			types = append(types, t)
		}
		byType[t] = append(byType[t], r)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, t := range types {
		typeName := g.names[t]
		// Two aliases of one edge with the same arguments are one statement.
		groups := map[string][]graphql.CollectedField{}
		var order []string
		for _, f := range g.collect(ctx, sel, typeName) {
			e := g.edges[typeName+"."+f.Name]
			if e == nil {
				g.field(ctx, l, byType[t], f)
				continue
			}
			if policy.Check(viewer.From(ctx), f.Definition) != nil {
				continue // the resolver answers with the error
			}
			key := f.Name + argumentText(ctx, f.Field)
			if groups[key] == nil {
				order = append(order, key)
			}
			groups[key] = append(groups[key], f)
		}
		for _, key := range order {
			fields := groups[key]
			e := g.edges[typeName+"."+fields[0].Name]
			wg.Go(func() {
				defer recovered()
				children, sel, err := e.preload(ctx, l, byType[t], fields)
				if err == nil && len(children) > 0 {
					g.entities(ctx, l, children, sel)
				}
			})
		}
	}
}

// recovered ends a panic in a goroutine of the preload, which would end the process. The resolvers do the same work again, and
// the executor reports their panics as errors.
func recovered() { _ = recover() }

func (g *Graph) collect(ctx context.Context, sel ast.SelectionSet, typeName string) []graphql.CollectedField {
	satisfies := []string{typeName}
	if def := g.schema.Types[typeName]; def != nil {
		for _, i := range g.schema.GetImplements(def) {
			satisfies = append(satisfies, i.Name)
		}
	}
	return collect(graphql.GetOperationContext(ctx), sel, satisfies)
}

// collect is [graphql.CollectFields] without what the operation remembers of earlier calls. It knows selections
// by their address; those that are joined here do not live as long as the operation, and another selection may
// come to stand at the same address.
func collect(oc *graphql.OperationContext, sel ast.SelectionSet, satisfies []string) []graphql.CollectedField {
	return graphql.CollectFields(&graphql.OperationContext{Doc: oc.Doc, Variables: oc.Variables}, sel, satisfies)
}

func argumentText(ctx context.Context, f *ast.Field) string {
	if len(f.Arguments) == 0 {
		return ""
	}
	return relay.ArgumentKey(f.ArgumentMap(graphql.GetOperationContext(ctx).Variables))
}

func isComposite(schema *ast.Schema, typeName string) bool {
	def := schema.Types[typeName]
	return def != nil && def.IsCompositeType()
}

// flatten follows slices and interfaces down to non-nil pointers to structs.
func flatten(values []reflect.Value) []reflect.Value {
	var out []reflect.Value
	for _, v := range values {
		for v.Kind() == reflect.Interface && !v.IsNil() {
			v = v.Elem()
		}
		switch v.Kind() {
		case reflect.Slice:
			els := make([]reflect.Value, v.Len())
			for i := range els {
				els[i] = v.Index(i)
			}
			out = append(out, flatten(els)...)
		case reflect.Pointer:
			if !v.IsNil() && v.Elem().Kind() == reflect.Struct {
				out = append(out, v)
			}
		}
	}
	return out
}

// member reads what gqlgen binds a field to when it needs no resolver: a struct field, or a method
// without arguments.
func member(v reflect.Value, field string) reflect.Value {
	match := func(name string) bool { return strings.EqualFold(name, field) }
	if f := v.Elem().FieldByNameFunc(match); f.IsValid() && f.CanInterface() {
		return f
	}
	t := v.Type()
	for i := range t.NumMethod() {
		if m := t.Method(i); match(m.Name) && m.Type.NumIn() == 1 && m.Type.NumOut() == 1 {
			return v.Method(i).Call(nil)[0]
		}
	}
	return reflect.Value{}
}

func (e *one) preload(ctx context.Context, l *Loaders, parents []reflect.Value, fields []graphql.CollectedField) ([]reflect.Value, ast.SelectionSet, error) {
	keys := make([]uuid.UUID, 0, len(parents))
	for _, p := range parents {
		if k, ok := e.keyOf(p.Interface()); ok {
			keys = append(keys, k)
		}
	}
	keys = unique(keys)
	if len(keys) == 0 {
		return nil, nil, nil
	}
	var rows []any
	err := l.Within(ctx, func() (err error) {
		rows, err = e.fetch(ctx, l, keys)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	ld := e.loader(l)
	var children []reflect.Value
	for i, k := range keys {
		ld.Prime(ctx, k, rows[i])
		if rows[i] != nil {
			children = append(children, reflect.ValueOf(rows[i]))
		}
	}
	var sel ast.SelectionSet
	for _, f := range fields {
		sel = append(sel, f.Selections...)
	}
	return children, sel, nil
}

func (e *many) preload(ctx context.Context, l *Loaders, parents []reflect.Value, fields []graphql.CollectedField) ([]reflect.Value, ast.SelectionSet, error) {
	oc := graphql.GetOperationContext(ctx)
	args, err := e.parse(ctx, l, fields[0].ArgumentMap(oc.Variables))
	if err != nil {
		return nil, nil, err
	}
	keys := make([]uuid.UUID, 0, len(parents))
	for _, p := range parents {
		k, _ := e.keyOf(p.Interface())
		keys = append(keys, k)
	}
	keys = unique(keys)
	sel, wantRows, wantTotal := connectionSelection(oc, fields)

	var wg sync.WaitGroup
	var countErr error
	if wantTotal {
		wg.Go(func() {
			defer recovered()
			countErr = e.preloadCount(ctx, l, args, keys)
		})
	}
	var children []reflect.Value
	if wantRows {
		children, err = e.preloadRows(ctx, l, args, keys)
	}
	wg.Wait()
	if err == nil {
		err = countErr
	}
	return children, sel, err
}

func (e *many) preloadRows(ctx context.Context, l *Loaders, args *relay.Args, keys []uuid.UUID) ([]reflect.Value, error) {
	var groups [][]any
	err := l.Within(ctx, func() (err error) {
		groups, err = e.fetch(ctx, l, args, keys)
		return err
	})
	if err != nil {
		return nil, err
	}
	ld := e.rows(l, args)
	var children []reflect.Value
	for i, k := range keys {
		ld.Prime(ctx, k, groups[i])
		for _, row := range groups[i] {
			children = append(children, reflect.ValueOf(row))
		}
	}
	return children, nil
}

func (e *many) preloadCount(ctx context.Context, l *Loaders, args *relay.Args, keys []uuid.UUID) error {
	var counts []int
	err := l.Within(ctx, func() (err error) {
		counts, err = e.fetchCounts(ctx, l, args, keys)
		return err
	})
	if err != nil {
		return err
	}
	ld := e.count(l, args)
	for i, k := range keys {
		ld.Prime(ctx, k, counts[i])
	}
	return nil
}

// connectionSelection joins what is selected of the nodes, by nodes and by edges, and reports whether
// rows or the total are selected at all.
func connectionSelection(oc *graphql.OperationContext, fields []graphql.CollectedField) (nodes ast.SelectionSet, rows, total bool) {
	for _, f := range fields {
		typeName := f.Definition.Type.Name()
		for _, c := range collect(oc, f.Selections, []string{typeName}) {
			switch c.Name {
			case "nodes":
				rows = true
				nodes = append(nodes, c.Selections...)
			case "edges":
				rows = true
				for _, n := range collect(oc, c.Selections, []string{strings.TrimSuffix(typeName, "Connection") + "Edge"}) {
					if n.Name == "node" {
						nodes = append(nodes, n.Selections...)
					}
				}
			case "pageInfo":
				rows = true
			case "totalCount":
				total = true
			}
		}
	}
	return nodes, rows, total
}
