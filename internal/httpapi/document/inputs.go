package document

import (
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/fault"
)

// inputs checks the arguments of one validated operation for what the validation of gqlparser leaves
// out: the length of lists, numbers that no machine type holds, and, where the value comes from a variable, @oneOf
// and null where none is allowed. A limit belongs to the argument or input field, so variables are checked where
// they are used. The variables have been coerced.
type inputs struct {
	schema    *ast.Schema
	limits    *Limits
	variables map[string]any
	bulk      bool
	fragments map[string]bool
	done      map[use]bool
}

// use is one variable in one place of the schema; thirty aliases of one field check it once.
type use struct {
	place    any
	variable string
}

// checkInputs returns the first input that is too long, out of range, null, or not exactly one of several, or nil.
func checkInputs(schema *ast.Schema, limits *Limits, op *ast.OperationDefinition, variables map[string]any) *fault.Error {
	c := &inputs{schema: schema, limits: limits, variables: variables}
	return c.set(op.SelectionSet)
}

func (c *inputs) set(set ast.SelectionSet) *fault.Error {
	for _, sel := range set {
		var f *fault.Error
		switch sel := sel.(type) {
		case *ast.Field:
			if f = c.directives(sel.Directives); f == nil {
				f = c.field(sel)
			}
		case *ast.InlineFragment:
			if f = c.directives(sel.Directives); f == nil {
				f = c.set(sel.SelectionSet)
			}
		case *ast.FragmentSpread:
			if f = c.directives(sel.Directives); f != nil || sel.Definition == nil || c.fragments[sel.Name] {
				break
			}
			if c.fragments == nil {
				c.fragments = make(map[string]bool)
			}
			c.fragments[sel.Name] = true
			f = c.set(sel.Definition.SelectionSet)
		}
		if f != nil {
			return f
		}
	}
	return nil
}

// directives checks what @skip and @include are given: at a null the executor would panic, in a mutation after its
// change was committed.
func (c *inputs) directives(list ast.DirectiveList) *fault.Error {
	for _, d := range list {
		if d.Definition == nil {
			continue
		}
		if f := c.arguments(d.Arguments, d.Definition.Arguments); f != nil {
			return f
		}
	}
	return nil
}

func (c *inputs) field(f *ast.Field) *fault.Error {
	if f.Definition != nil {
		c.bulk = f.ObjectDefinition == c.schema.Mutation && isBulk(c.schema, f.Definition)
		if refusal := c.arguments(f.Arguments, f.Definition.Arguments); refusal != nil {
			return refusal
		}
	}
	return c.set(f.SelectionSet)
}

func (c *inputs) arguments(list ast.ArgumentList, defs ast.ArgumentDefinitionList) *fault.Error {
	for _, a := range list {
		def := defs.ForName(a.Name)
		if def == nil {
			continue
		}
		if f := c.literal(def.Type, a.Value, c.limit(a.Name, def.Type, def.Directives), ast.Path{ast.PathName(a.Name)}, def); f != nil {
			return f
		}
	}
	return nil
}

// limit returns how many items a list in this place may have.
func (c *inputs) limit(name string, t *ast.Type, directives ast.DirectiveList) int {
	if d := directives.ForName("constraint"); d != nil {
		if a := d.Arguments.ForName("maxItems"); a != nil {
			if n, err := strconv.Atoi(a.Value.Raw); err == nil {
				return n
			}
		}
	}
	if name == "ids" {
		return c.limits.MaxIDs
	}
	if def := c.schema.Types[t.Name()]; c.bulk && def != nil && def.Kind == ast.InputObject {
		return c.limits.MaxBulkItems
	}
	return c.limits.MaxInputList
}

func (c *inputs) literal(t *ast.Type, v *ast.Value, limit int, path ast.Path, place any) *fault.Error {
	switch v.Kind {
	case ast.Variable:
		u := use{place, v.Raw}
		if c.done[u] {
			return nil
		}
		if c.done == nil {
			c.done = make(map[use]bool)
		}
		c.done[u] = true
		value, given := c.variables[v.Raw]
		if given && value == nil && t.NonNull {
			// A nullable variable with a default may stand where null must not, but its value still must not be null.
			return fault.New(fault.BadUserInput, "The value at %s must not be null.", Dotted(path))
		}
		return c.value(t, value, limit, path)
	case ast.IntValue, ast.FloatValue:
		return c.scalar(v, path)
	case ast.ListValue:
		if t.Elem == nil {
			return c.scalar(v, path)
		}
		if f := tooMany(len(v.Children), limit, path); f != nil {
			return f
		}
		for i, item := range v.Children {
			if f := c.literal(t.Elem, item.Value, limit, join(path, ast.PathIndex(i)), place); f != nil {
				return f
			}
		}
	case ast.ObjectValue:
		def := c.inputObject(t)
		if def == nil {
			return c.scalar(v, path)
		}
		if isOneOf(def) && (len(v.Children) != 1 || c.absent(v.Children[0].Value)) {
			return notOneOf(def, path)
		}
		for _, child := range v.Children {
			field := def.Fields.ForName(child.Name)
			if field == nil {
				continue
			}
			if f := c.literal(field.Type, child.Value, c.limit(field.Name, field.Type, field.Directives), join(path, ast.PathName(field.Name)), field); f != nil {
				return f
			}
		}
	}
	return nil
}

// scalar checks the numbers of a scalar, which may be a list or an object, as JSON is: validation does not look at scalars of our own,
// and the executor panics at what it cannot read.
func (c *inputs) scalar(v *ast.Value, path ast.Path) *fault.Error {
	if _, err := v.Value(c.variables); err != nil {
		return fault.New(fault.BadUserInput, "The number at %s is out of range.", Dotted(path))
	}
	return nil
}

func (c *inputs) value(t *ast.Type, v any, limit int, path ast.Path) *fault.Error {
	if v == nil {
		return nil
	}
	if t.Elem != nil {
		list, _ := v.([]any)
		if f := tooMany(len(list), limit, path); f != nil {
			return f
		}
		if t.Elem.Elem == nil && c.inputObject(t.Elem) == nil {
			return nil // nothing to find in scalars
		}
		for i, item := range list {
			if f := c.value(t.Elem, item, limit, join(path, ast.PathIndex(i))); f != nil {
				return f
			}
		}
		return nil
	}
	def := c.inputObject(t)
	object, ok := v.(map[string]any)
	if def == nil || !ok {
		return nil
	}
	if isOneOf(def) && !exactlyOne(object) {
		return notOneOf(def, path)
	}
	for _, field := range def.Fields {
		if child, ok := object[field.Name]; ok {
			if f := c.value(field.Type, child, c.limit(field.Name, field.Type, field.Directives), join(path, ast.PathName(field.Name))); f != nil {
				return f
			}
		}
	}
	return nil
}

func (c *inputs) inputObject(t *ast.Type) *ast.Definition {
	if t.Elem != nil {
		// An object where a list is expected stands for a list of one.
		return c.inputObject(t.Elem)
	}
	if def := c.schema.Types[t.NamedType]; def != nil && def.Kind == ast.InputObject {
		return def
	}
	return nil
}

func (c *inputs) absent(v *ast.Value) bool {
	return v.Kind == ast.NullValue || (v.Kind == ast.Variable && c.variables[v.Raw] == nil)
}

func isOneOf(def *ast.Definition) bool { return def.Directives.ForName("oneOf") != nil }

// exactlyOne reports whether the object has one key and a value for it. A second key with null is refused
// as well: that is the rule of the GraphQL specification.
func exactlyOne(object map[string]any) bool {
	for _, v := range object {
		return len(object) == 1 && v != nil
	}
	return false
}

func notOneOf(def *ast.Definition, path ast.Path) *fault.Error {
	return fault.New(fault.BadUserInput, "The value at %s must set exactly one field of %s, and not to null.", Dotted(path), def.Name)
}

func tooMany(n, limit int, path ast.Path) *fault.Error {
	if n <= limit {
		return nil
	}
	f := fault.New(fault.TooManyItems, "The list at %s has %d items; the limit is %d. Split it into several calls.", Dotted(path), n, limit)
	f.Details = map[string]any{"items": n, "limit": limit}
	return f
}

// join makes a path of its own, so that siblings do not write into each other's.
func join(path ast.Path, step ast.PathElement) ast.Path {
	return append(path[:len(path):len(path)], step)
}
