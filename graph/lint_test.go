package graph_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/vektah/gqlparser/v2/ast"
)

// describe records what has no description, or one that is no sentence.
func describe(t *testing.T, coordinate, text string) {
	t.Helper()
	text = strings.TrimSpace(text)
	assert.True(t, len(text) > 3 && strings.HasSuffix(text, ".") && strings.ToUpper(text[:1]) == text[:1] || startsLow(text), "%s needs a sentence as its description, has %q", coordinate, text)
}

// startsLow admits sentences that begin with a value, such as "true: no value; false: any value."
func startsLow(text string) bool {
	return strings.HasSuffix(text, ".") && (strings.HasPrefix(text, "true") || strings.HasPrefix(text, "false"))
}

func TestEverythingInTheSchemaIsDescribed(t *testing.T) {
	t.Parallel()
	for _, def := range types(ast.Object, ast.InputObject, ast.Enum, ast.Interface, ast.Union, ast.Scalar) {
		describe(t, def.Name, def.Description)
		for _, v := range def.EnumValues {
			describe(t, def.Name+"."+v.Name, v.Description)
		}
		for _, f := range def.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			describe(t, def.Name+"."+f.Name, f.Description)
			for _, a := range f.Arguments {
				describe(t, def.Name+"."+f.Name+"("+a.Name+":)", a.Description)
			}
		}
	}
	for _, name := range []string{"auth", "constraint"} {
		d := schema.Directives[name]
		describe(t, "@"+name, d.Description)
		for _, a := range d.Arguments {
			describe(t, "@"+name+"("+a.Name+":)", a.Description)
		}
	}
}

var (
	typeName  = regexp.MustCompile(`^[A-Z][a-z0-9]*([A-Z][a-z0-9]*)*$`)
	fieldName = regexp.MustCompile(`^[a-z][a-z0-9]*([A-Z][a-z0-9]*)*$`)
	valueName = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$`)
	twoUpper  = regexp.MustCompile(`[A-Z]{2}`)
	// verbs begin the names of mutations.
	verbs = regexp.MustCompile(`^(add|archive|bulkSync|bulkUpsert|cancel|claim|complete|configure|create|delete|merge|ping|record|redeliver|remove|renew|restore|reveal|revoke|rotate|sync|tighten|update)[A-Z]`)
	// money are names of amounts.
	money = regexp.MustCompile(`(?i)(amount|balance|principal|price|fee|payment)$`)
	// rounded are the fields with a name or a type that looks wrong and is not, with the reason.
	rounded = map[string]string{
		"BulkOperation.progress":                     "a part of the whole, of which nothing is reckoned",
		"CustomerHousehold.subsidyAmount":            "whole dollars, as all amounts of a household",
		"UpdateCustomerHouseholdInput.subsidyAmount": "whole dollars, as all amounts of a household",
	}
)

func TestNamesFollowOneStyle(t *testing.T) {
	t.Parallel()
	for _, def := range types(ast.Object, ast.InputObject, ast.Enum, ast.Interface, ast.Union, ast.Scalar) {
		if name := strings.TrimPrefix(def.Name, "ID"); def.Name != "JSON" && def.Name != "ID" {
			assert.Regexp(t, typeName, name)
			// Abbreviations are words: ApiKey, not APIKey.
			assert.NotRegexp(t, twoUpper, strings.ReplaceAll(name, "RegulationFMode", ""))
		}
		for _, v := range def.EnumValues {
			assert.Regexp(t, valueName, v.Name, def.Name)
		}
		for _, f := range def.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			assert.Regexp(t, fieldName, f.Name, def.Name)
			if rounded[def.Name+"."+f.Name] != "" {
				continue
			}
			assert.NotEqual(t, "Float", f.Type.Name(), "%s.%s: a Float loses digits", def.Name, f.Name)
			if money.MatchString(f.Name) && schema.Types[f.Type.Name()].Kind == ast.Scalar {
				assert.Equal(t, "Decimal", f.Type.Name(), "%s.%s is money", def.Name, f.Name)
			}
			for _, a := range f.Arguments {
				assert.Regexp(t, fieldName, a.Name, def.Name+"."+f.Name)
			}
		}
	}
}

func TestConnectionsHaveOneShape(t *testing.T) {
	t.Parallel()
	found := 0
	for _, def := range types(ast.Object) {
		for _, f := range def.Fields {
			if !strings.HasSuffix(f.Type.Name(), "Connection") {
				continue
			}
			for _, want := range []string{"first: Int", "after: String", "last: Int", "before: String"} {
				name, typ, _ := strings.Cut(want, ": ")
				a := f.Arguments.ForName(name)
				if assert.NotNil(t, a, "%s.%s has no %s", def.Name, f.Name, name) {
					assert.Equal(t, typ, a.Type.String(), "%s.%s(%s:)", def.Name, f.Name, name)
				}
			}
		}
		row, ok := strings.CutSuffix(def.Name, "Connection")
		if !ok {
			continue
		}
		found++
		got := map[string]string{}
		for _, f := range def.Fields {
			got[f.Name] = f.Type.String()
		}
		assert.Equal(t, map[string]string{"edges": "[" + row + "Edge!]!", "nodes": "[" + row + "!]!", "pageInfo": "PageInfo!", "totalCount": "Int!"}, got, def.Name)
		edge := schema.Types[row+"Edge"]
		assert.Equal(t, row+"!", edge.Fields.ForName("node").Type.String())
		assert.Equal(t, "String!", edge.Fields.ForName("cursor").Type.String())
		assert.Contains(t, schema.Types[row].Interfaces, "Node", "a list has things with ids")
	}
	assert.Positive(t, found)
}

func TestMutationsHaveOneShape(t *testing.T) {
	t.Parallel()
	users := map[string]int{}
	for _, f := range schema.Mutation.Fields {
		if strings.HasPrefix(f.Name, "__") {
			continue
		}
		assert.Regexp(t, verbs, f.Name, "a mutation begins with a verb")
		own := strings.ToUpper(f.Name[:1]) + f.Name[1:]
		if assert.Len(t, f.Arguments, 1, "%s takes its input and nothing else", f.Name) {
			assert.Equal(t, "input: "+own+"Input!", f.Arguments[0].Name+": "+f.Arguments[0].Type.String(), f.Name)
		}
		assert.True(t, f.Type.NonNull, "%s answers always", f.Name)
		users[f.Type.Name()]++
		if strings.HasPrefix(f.Name, "delete") {
			assert.Equal(t, "DeletePayload", f.Type.Name(), f.Name)
		}
		payload := schema.Types[f.Type.Name()]
		assert.True(t, strings.HasSuffix(payload.Name, "Payload"), f.Name)
		if errs := payload.Fields.ForName("userErrors"); assert.NotNil(t, errs, payload.Name) {
			assert.Equal(t, "[UserError!]!", errs.Type.String())
		}
		for _, p := range payload.Fields {
			if def := schema.Types[p.Type.Name()]; def.Kind == ast.Object && p.Type.Elem == nil {
				assert.False(t, p.Type.NonNull, "%s.%s must be null when nothing was written", payload.Name, p.Name)
			}
		}
	}
	// A payload is that of an entity, such as CustomerPayload, whatever was done to it; or, where it tells more, that of one mutation.
	for name, n := range users {
		payload := schema.Types[name]
		entity := strings.TrimSuffix(name, "Payload")
		if name == "DeletePayload" {
			assert.Equal(t, "ID", payload.Fields.ForName("deletedId").Type.String())
			assert.Len(t, payload.Fields, 2)
			continue
		}
		if _, isType := schema.Types[entity]; isType {
			shown := payload.Fields.ForName(strings.ToLower(entity[:1]) + entity[1:])
			if assert.NotNil(t, shown, "%s shows the %s", name, entity) {
				assert.Equal(t, entity, shown.Type.String(), name)
			}
			for _, f := range payload.Fields {
				assert.True(t, f.Name == "userErrors" || !f.Type.NonNull, "%s.%s must be null where a mutation does not tell it", name, f.Name)
			}
			continue
		}
		field := schema.Mutation.Fields.ForName(strings.ToLower(entity[:1]) + entity[1:])
		assert.True(t, n == 1 && field != nil && field.Type.Name() == name, "%s is named neither for an entity nor for its mutation", name)
		assert.Greater(t, len(payload.Fields), 1, name)
	}
	// An error in one root field of a query must not take the others with it.
	for _, f := range schema.Query.Fields {
		if !strings.HasPrefix(f.Name, "__") && f.Name != "nodes" {
			assert.False(t, f.Type.NonNull, "Query.%s must be nullable", f.Name)
		}
	}
}

func TestListsInInputsAreBounded(t *testing.T) {
	t.Parallel()
	check := func(coordinate string, typ *ast.Type, directives ast.DirectiveList) {
		if typ.Elem == nil {
			return
		}
		d := directives.ForName("constraint")
		if assert.NotNil(t, d, "%s has no @constraint(maxItems:)", coordinate) {
			n, err := d.Arguments.ForName("maxItems").Value.Value(nil)
			assert.NoError(t, err)
			assert.LessOrEqual(t, n, int64(1000), coordinate)
		}
		assert.True(t, typ.Elem.NonNull, "%s: elements must not be null", coordinate)
	}
	for _, def := range types(ast.InputObject) {
		for _, f := range def.Fields {
			check(def.Name+"."+f.Name, f.Type, f.Directives)
		}
	}
	for _, def := range types(ast.Object) {
		for _, f := range def.Fields {
			for _, a := range f.Arguments {
				check(def.Name+"."+f.Name+"("+a.Name+":)", a.Type, a.Directives)
			}
		}
	}
}

func TestNothingInTheSchemaIsUnused(t *testing.T) {
	t.Parallel()
	used := map[string]bool{"Query": true, "Mutation": true, "Subscription": true}
	for _, def := range types(ast.Object, ast.InputObject, ast.Interface) {
		for _, f := range def.Fields {
			used[f.Type.Name()] = true
			for _, a := range f.Arguments {
				used[a.Type.Name()] = true
			}
		}
		if slices.Contains(def.Interfaces, "Node") {
			// node and nodes lead there.
			used[def.Name] = true
		}
	}
	for _, def := range types(ast.Object, ast.InputObject, ast.Enum, ast.Interface, ast.Union) {
		assert.True(t, used[def.Name], "nothing leads to %s", def.Name)
	}
}

func TestScalarsSayWhereTheyAreSpecified(t *testing.T) {
	t.Parallel()
	for _, def := range types(ast.Scalar) {
		d := def.Directives.ForName("specifiedBy")
		if assert.NotNil(t, d, "%s has no @specifiedBy(url:)", def.Name) {
			assert.Regexp(t, `^https://`, d.Arguments.ForName("url").Value.Raw, def.Name)
		}
	}
}
