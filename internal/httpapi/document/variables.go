package document

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/fault"
)

// coercion brings variables to the one form that GraphQL gives them: an Int is an int64, texts, ids and enum
// values are strings, a single value where a list is expected is a list of one. The library lets through what
// GraphQL refuses, such as "100" for an Int or 5 for a String, and leaves it as it is; then the price of a page and the check of a filter
// would be of another value than the resolver reads.
type coercion struct{ schema *ast.Schema }

// coerceVariables coerces the variables of an operation, which the library has checked and filled with defaults,
// in place. It returns the first that is not of its type, or nil. Values of scalars of our own are left alone.
func coerceVariables(schema *ast.Schema, op *ast.OperationDefinition, variables map[string]any) *fault.Error {
	c := coercion{schema}
	for _, v := range op.VariableDefinitions {
		given, ok := variables[v.Variable]
		if !ok {
			continue
		}
		value, wrong := c.value(v.Type, given)
		if wrong != nil {
			path := append(wrong.path, ast.PathName(v.Variable))
			slices.Reverse(path)
			return fault.New(fault.BadUserInput, "The variable at %s must be %s.", Dotted(path), Article(wrong.want))
		}
		variables[v.Variable] = value
	}
	return nil
}

// mismatch is a value that is not of its type. The path to it runs from the value up, so that none is allocated for
// values that are right.
type mismatch struct {
	want string
	path ast.Path
}

func (m *mismatch) below(step ast.PathElement) *mismatch {
	m.path = append(m.path, step)
	return m
}

func (c coercion) value(t *ast.Type, v any) (any, *mismatch) {
	switch {
	case v == nil:
		return nil, nil // the library has refused those that must not be
	case t.Elem != nil:
		return c.list(t.Elem, v)
	}
	def := c.schema.Types[t.NamedType]
	switch def.Kind {
	case ast.InputObject:
		object, ok := v.(map[string]any)
		if !ok {
			return nil, &mismatch{want: def.Name}
		}
		for _, f := range def.Fields {
			child, ok := object[f.Name]
			if !ok {
				continue
			}
			coerced, wrong := c.value(f.Type, child)
			if wrong != nil {
				return nil, wrong.below(ast.PathName(f.Name))
			}
			object[f.Name] = coerced
		}
		return object, nil
	case ast.Enum:
		// The library compares without case.
		if text, ok := v.(string); ok && def.EnumValues.ForName(text) != nil {
			return text, nil
		}
		return nil, &mismatch{want: def.Name}
	}
	if coerced, ok := builtIn(t.NamedType, v); ok {
		return coerced, nil
	}
	return nil, &mismatch{want: t.NamedType}
}

func (c coercion) list(elem *ast.Type, v any) (any, *mismatch) {
	items, ok := v.([]any)
	if !ok {
		// The library wraps a single value in a slice of the value's own type.
		if r := reflect.ValueOf(v); r.Kind() == reflect.Slice {
			items = make([]any, r.Len())
			for i := range items {
				items[i] = r.Index(i).Interface()
			}
		} else {
			items = []any{v}
		}
	}
	for i, item := range items {
		coerced, wrong := c.value(elem, item)
		if wrong != nil {
			return nil, wrong.below(ast.PathIndex(i))
		}
		items[i] = coerced
	}
	return items, nil
}

// builtIn coerces a value of one of GraphQL's own scalars by the rules of the specification, section 3.5. Numbers
// of JSON come as [json.Number], those of a default as int64 or float64.
func builtIn(scalar string, v any) (any, bool) {
	switch scalar {
	case "Int":
		switch v := v.(type) {
		case int64:
			return v, int64(int32(v)) == v
		case json.Number:
			n, err := v.Int64()
			return n, err == nil && int64(int32(n)) == n
		}
		return nil, false
	case "Float":
		switch v.(type) {
		case int64, float64, json.Number:
			return v, true
		}
		return nil, false
	case "String":
		text, ok := v.(string)
		return text, ok
	case "ID":
		switch v := v.(type) {
		case string:
			return v, true
		case int64:
			return strconv.FormatInt(v, 10), true
		case json.Number:
			n, err := v.Int64()
			return strconv.FormatInt(n, 10), err == nil
		}
		return nil, false
	case "Boolean":
		on, ok := v.(bool)
		return on, ok
	}
	return v, true
}
