package httpapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/schema"
)

// The rows that the schema promises fit into one request, with every field of theirs.
func TestBulkMutationsTakeAllTheirRows(t *testing.T) {
	t.Parallel()
	public, err := schema.Load()
	require.NoError(t, err)
	limits := DefaultLimits()
	for mutation, list := range map[string]string{"BulkUpsertCustomersInput": "customers", "BulkSyncCustomerSchedulesInput": "customers", "CreateCustomersInput": "customers"} {
		field := public.Types[mutation].Fields.ForName(list)
		most, err := field.Directives.ForName("constraint").Arguments.ForName("maxItems").Value.Value(nil)
		require.NoError(t, err)
		row := whole(public, field.Type.Elem)
		rows := make([]any, most.(int64))
		for i := range rows {
			rows[i] = row
		}
		body, err := json.Marshal(map[string]any{"query": "mutation M { x }", "variables": map[string]any{"input": map[string]any{list: rows}}})
		require.NoError(t, err)
		assert.LessOrEqual(t, int64(len(body)), limits.MaxBulkBody, mutation)
		_, err = limits.ParseParams(body)
		assert.NoError(t, err, mutation)
	}
}

// whole is a value with every field of its type, up to four items in a list, and metadata as clients have them.
func whole(public *ast.Schema, t *ast.Type) any {
	if t.Elem != nil {
		n := 4
		if public.Types[t.Name()].Kind != ast.InputObject {
			n = 3
		}
		list := make([]any, n)
		for i := range list {
			list[i] = whole(public, t.Elem)
		}
		return list
	}
	if t.NamedType == "JSON" {
		metadata := map[string]any{}
		for _, name := range strings.Split("abcdefghijkl", "") {
			metadata["key_"+name] = "some value"
		}
		return metadata
	}
	def := public.Types[t.NamedType]
	if def.Kind != ast.InputObject {
		return "some value"
	}
	object := map[string]any{}
	for _, f := range def.Fields {
		object[f.Name] = whole(public, f.Type)
	}
	return object
}
