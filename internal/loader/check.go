package loader

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/policy"
	"caseload/internal/viewer"
)

// CheckArguments reports whether the arguments of all declared lists that a mutation selects are right; the error of the
// first that is not is added at its path. Call it with the context of a root field before any of them runs: what they write
// is committed before the selection of their payload is resolved, and an error there undoes nothing. Fields that the viewer may
// not select are left to the resolvers, which refuse them.
func (g *Graph) CheckArguments(ctx context.Context, l *Loaders) bool {
	return g.checkSelection(ctx, l, graphql.GetOperationContext(ctx).Operation.SelectionSet, g.schema.Mutation)
}

// checkSelection checks what is selected of an object, or of each type behind an interface or a union.
func (g *Graph) checkSelection(ctx context.Context, l *Loaders, sel ast.SelectionSet, def *ast.Definition) bool {
	if len(sel) == 0 || def == nil || !def.IsCompositeType() {
		return true
	}
	for _, object := range g.schema.GetPossibleTypes(def) {
		for _, f := range g.collect(ctx, sel, object.Name) {
			if f.Definition == nil || policy.Check(viewer.From(ctx), f.Definition) != nil {
				continue
			}
			// Without Args it is the context in which the executor reads arguments, by which errors say what they are about.
			at := graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: object.Name, Field: f})
			if err := g.parseArguments(at, l, object.Name+"."+f.Name); err != nil {
				graphql.AddError(at, err)
				return false
			}
			if !g.checkSelection(at, l, f.Selections, g.schema.Types[f.Definition.Type.Name()]) {
				return false
			}
		}
	}
	return true
}

// parseArguments returns what is wrong with the arguments of the field in ctx if it is a declared list.
func (g *Graph) parseArguments(ctx context.Context, l *Loaders, coordinate string) error {
	edge := g.edges[coordinate]
	if edge == nil || edge.Declaration().Parse == nil {
		return nil
	}
	// Only the filter is read with the context; errors of its values say where they are in it.
	_, err := edge.Declaration().Parse(graphql.WithPathContext(ctx, graphql.NewPathWithField("filter")), l, rawArguments(ctx))
	return err
}
