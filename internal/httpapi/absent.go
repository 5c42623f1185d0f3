package httpapi

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
	var out ast.SelectionSet
	for i, selection := range set {
		var changed ast.Selection
		switch s := selection.(type) {
		case *ast.Field:
			if arguments := a.arguments(s.Arguments); arguments != nil {
				field := *s
				field.Arguments = arguments
				changed = &field
			}
		case *ast.InlineFragment:
			if below := a.set(s.SelectionSet); below != nil {
				fragment := *s
				fragment.SelectionSet = below
				changed = &fragment
			}
		case *ast.FragmentSpread:
			if s.Definition == nil {
				continue
			}
			// The executor looks named fragments up in the document, which all requests share.
			if below := a.set(s.Definition.SelectionSet); below != nil {
				changed = &ast.InlineFragment{
					TypeCondition: s.Definition.TypeCondition, Directives: s.Directives, SelectionSet: below,
					ObjectDefinition: s.ObjectDefinition, Position: s.Position,
				}
			}
		}
		if changed != nil {
			if out == nil {
				out = slices.Clone(set)
			}
			out[i] = changed
		}
	}
	return out
}

func (a absentFields) arguments(list ast.ArgumentList) ast.ArgumentList {
	var out ast.ArgumentList
	for i, argument := range list {
		if value := a.value(argument.Value); value != nil {
			if out == nil {
				out = slices.Clone(list)
			}
			changed := *argument
			changed.Value = value
			out[i] = &changed
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
