package document

import (
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// omitAbsent removes from a mutation the input fields whose variables were not sent, as section 3.10 of
// the GraphQL specification has it: the library reads them as null, which in an update clears what is stored.
// Documents are shared by all who send them, so what changes is copied. Queries may stay as they are: there null
// means the same as absent, or is refused.
func omitAbsent(op *graphql.OperationContext) {
	if op.Operation.Operation != ast.Mutation {
		return
	}
	a := absentFields{op.Variables}
	if set := a.set(op.Operation.SelectionSet); set != nil {
		operation := *op.Operation
		operation.SelectionSet = set
		op.Operation = &operation
	}
}

// absentFields removes input fields by the variables that were sent. Its methods return nil for what stays as it is.
type absentFields struct{ variables map[string]any }

func (a absentFields) set(set ast.SelectionSet) ast.SelectionSet {
	return replaced(set, func(selection ast.Selection) (ast.Selection, bool) {
		switch s := selection.(type) {
		case *ast.Field:
			if arguments := a.arguments(s.Arguments); arguments != nil {
				field := *s
				field.Arguments = arguments
				return &field, true
			}
		case *ast.InlineFragment:
			if below := a.set(s.SelectionSet); below != nil {
				fragment := *s
				fragment.SelectionSet = below
				return &fragment, true
			}
		case *ast.FragmentSpread:
			if s.Definition == nil {
				break
			}
			// The executor looks named fragments up in the document, which all requests share.
			if below := a.set(s.Definition.SelectionSet); below != nil {
				return &ast.InlineFragment{
					TypeCondition: s.Definition.TypeCondition, Directives: s.Directives, SelectionSet: below,
					ObjectDefinition: s.ObjectDefinition, Position: s.Position,
				}, true
			}
		}
		return nil, false
	})
}

func (a absentFields) arguments(list ast.ArgumentList) ast.ArgumentList {
	return replaced(list, func(argument *ast.Argument) (*ast.Argument, bool) {
		value := a.value(argument.Value)
		if value == nil {
			return nil, false
		}
		changed := *argument
		changed.Value = value
		return &changed, true
	})
}

// replaced returns a copy of the list with what change returns in the place of its elements, or nil when it changes none.
func replaced[L ~[]E, E any](list L, change func(E) (E, bool)) (out L) {
	for i, e := range list {
		if changed, ok := change(e); ok {
			if out == nil {
				out = slices.Clone(list)
			}
			out[i] = changed
		}
	}
	return out
}

func (a absentFields) value(v *ast.Value) *ast.Value {
	if v.Kind != ast.ObjectValue && v.Kind != ast.ListValue {
		return nil
	}
	children, changed := make(ast.ChildValueList, 0, len(v.Children)), false
	for _, child := range v.Children {
		if v.Kind == ast.ObjectValue && child.Value.Kind == ast.Variable {
			if _, sent := a.variables[child.Value.Raw]; !sent {
				changed = true
				continue
			}
		}
		if below := a.value(child.Value); below != nil {
			written := *child
			written.Value = below
			child, changed = &written, true
		}
		children = append(children, child)
	}
	if !changed {
		return nil
	}
	out := *v
	out.Children = children
	return &out
}
