package graph_test

import (
	"flag"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/graph"
	"caseload/internal/graphtest"
	"caseload/internal/policy"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

var update = flag.Bool("update", false, "write the golden files anew")

// schema is read only, so tests share it.
var schema = graph.Schema()

type vars = graphtest.Vars

// rootFields returns the fields of the three roots as coordinates, without introspection.
func rootFields() []string {
	var out []string
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		for _, f := range root.Fields {
			if !strings.HasPrefix(f.Name, "__") {
				out = append(out, root.Name+"."+f.Name)
			}
		}
	}
	return out
}

// field returns the definition at a coordinate.
func field(coordinate string) *ast.FieldDefinition {
	typeName, name, _ := strings.Cut(coordinate, ".")
	return schema.Types[typeName].Fields.ForName(name)
}

// requires returns the scopes of a field's @auth, and false when it has none.
func requires(f *ast.FieldDefinition) ([]viewer.Scope, bool) {
	scopes, declared := policy.Scopes(f)
	slices.Sort(scopes)
	return scopes, declared
}

// selection returns what makes a selection of a type legal.
func selection(t *ast.Type) string {
	if schema.Types[t.Name()].IsLeafType() {
		return ""
	}
	return " { __typename }"
}

// minimal writes the smallest literal that fits a type.
func minimal(t testing.TB, typ *ast.Type) string {
	t.Helper()
	if typ.Elem != nil {
		return "[" + minimal(t, typ.Elem) + "]"
	}
	def := schema.Types[typ.Name()]
	switch def.Kind {
	case ast.Enum:
		return def.EnumValues[0].Name
	case ast.InputObject:
		var fields []string
		for _, f := range def.Fields {
			if f.Type.NonNull && f.DefaultValue == nil {
				fields = append(fields, f.Name+": "+minimal(t, f.Type))
			}
		}
		return "{" + strings.Join(fields, ", ") + "}"
	}
	literal, ok := map[string]string{
		"ID": `"` + relay.ID{Prefix: "cust", UUID: uuid.Max}.String() + `"`, "String": `"x"`, "Int": "1", "Boolean": "true", "Int64": `"1"`,
		"DateTime": `"2026-03-09T15:00:00Z"`, "Date": `"2026-03-09"`, "LocalTime": `"08:00"`, "Decimal": `"1.00"`, "JSON": "{}",
		"SourceId": `"x"`, "Upload": "$file",
	}[typ.Name()]
	require.True(t, ok, "a literal for the scalar %s is missing here", typ.Name())
	return literal
}

// call writes an operation that asks for one root field with the smallest arguments.
func call(t testing.TB, coordinate string) string {
	t.Helper()
	f := field(coordinate)
	root, _, _ := strings.Cut(coordinate, ".")
	var args []string
	for _, a := range f.Arguments {
		if a.Type.NonNull {
			args = append(args, a.Name+": "+minimal(t, a.Type))
		}
	}
	list := strings.Join(args, ", ")
	text := strings.ToLower(root)
	if strings.Contains(list, "$file") {
		text += " ($file: Upload!)"
	}
	text += " { " + f.Name
	if len(args) > 0 {
		text += "(" + list + ")"
	}
	return text + selection(f.Type) + " }"
}

// answer runs an operation of any kind, with a file where it declares one, and returns its answer, or its first
// event. Headers are names and values in turn; subscriptions have none.
func answer(t testing.TB, s *graphtest.Server, key, document string, variables vars, headers ...string) *graphtest.Reply {
	t.Helper()
	switch text := strings.TrimSpace(document); {
	case strings.HasPrefix(text, "subscription"):
		return s.Subscribe(t, key, document, variables).Next()
	case strings.Contains(text, "$file: Upload!"):
		return s.Upload(t, key, document, variables, file, headers...)
	}
	return s.Send(t, key, document, variables, headers...)
}

// file is what is sent where an operation needs one.
var file = graphtest.File{Name: "customers.jsonl", Content: `{"sourceId": "F-1", "firstName": "Ann"}` + "\n"}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
