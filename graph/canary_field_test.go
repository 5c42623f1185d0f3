package graph_test

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"
)

// Whatever field of whatever mutation such a number is sent in by mistake, no error, log, metric or job repeats it.
// Where a field holds free text it may be stored, which is not looked at here.
func TestNoErrorRepeatsWhatWasSent(t *testing.T) {
	t.Parallel()
	m := newCoalMine(t)
	fields := 0
	for _, f := range schema.Mutation.Fields {
		if strings.HasPrefix(f.Name, "__") || f.Name == "createBulkOperation" {
			continue // A file cannot be sent so; see the other test.
		}
		arguments := vars{}
		for _, a := range f.Arguments {
			arguments[a.Name] = example(t, a.Type)
		}
		for _, a := range f.Arguments {
			each(t, a.Type, func(place func(value any) any) {
				for _, number := range []any{canaries["ssn"], pan + "\x00", 4929381332664295} {
					fields++
					v := maps.Clone(arguments)
					v[a.Name] = place(number)
					m.mutate(f.Name, v, "")
				}
			}, map[string]bool{})
		}
	}
	require.Greater(t, fields, 500)
	m.clean("an answer", m.answers.String())
	m.clean("the log", m.Log.String())
	rec := httptest.NewRecorder()
	m.metrics.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	m.clean("the metrics", rec.Body.String())
	m.clean("the jobs", rows(t, m.World, `river\_%`))
}

// example is the smallest value of an input type.
func example(t *testing.T, typ *ast.Type) any {
	t.Helper()
	if typ.Elem != nil {
		return []any{example(t, typ.Elem)}
	}
	def := schema.Types[typ.Name()]
	if def.Kind != ast.InputObject {
		literal := minimal(t, typ)
		var v any
		if json.Unmarshal([]byte(literal), &v) != nil {
			return literal
		}
		return v
	}
	out := map[string]any{}
	for _, f := range def.Fields {
		if f.Type.NonNull && f.DefaultValue == nil {
			out[f.Name] = example(t, f.Type)
		}
	}
	return out
}

// each visits every leaf of an input type with a function that makes a value of the type with something at that leaf.
func each(t *testing.T, typ *ast.Type, visit func(place func(any) any), above map[string]bool) {
	def := schema.Types[typ.Name()]
	wrap := func(v any) any {
		if typ.Elem != nil {
			return []any{v}
		}
		return v
	}
	if def.Kind != ast.InputObject {
		visit(wrap)
		return
	}
	if above[def.Name] {
		return
	}
	above[def.Name] = true
	defer delete(above, def.Name)
	for _, f := range def.Fields {
		each(t, f.Type, func(place func(any) any) {
			visit(func(v any) any {
				out := map[string]any{}
				for _, other := range def.Fields {
					if other.Type.NonNull && other.DefaultValue == nil {
						out[other.Name] = example(t, other.Type)
					}
				}
				out[f.Name] = place(v)
				return wrap(out)
			})
		}, above)
	}
}
