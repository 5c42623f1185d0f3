// Package docs_test keeps the tables of the documentation equal to what the program does.
package docs_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/fault"
	"caseload/internal/httpapi"
	"caseload/schema"
)

var update = flag.Bool("update", false, "rewrite the tables")

// TestGoldenTables compares each generated table with the one between its markers.
func TestGoldenTables(t *testing.T) {
	for _, c := range []struct{ file, marker, table string }{
		{"errors.md", "codes", codes()},
		{"errors.md", "user-codes", userCodes()},
		{"limits.md", "limits", limits()},
		{"limits.md", "lists", lists(t)},
	} {
		t.Run(c.file+" "+c.marker, func(t *testing.T) {
			raw, err := os.ReadFile(c.file)
			require.NoError(t, err)
			text := string(raw)
			open, end := "<!-- "+c.marker+" -->\n", "<!-- /"+c.marker+" -->"
			before, rest, ok := strings.Cut(text, open)
			require.True(t, ok, "marker %s is missing", open)
			got, after, ok := strings.Cut(rest, end)
			require.True(t, ok, "marker %s is missing", end)
			if *update {
				require.NoError(t, os.WriteFile(c.file, []byte(before+open+c.table+end+after), 0o644))
				return
			}
			require.Equal(t, c.table, got, "run: go test ./docs -update")
		})
	}
}

func codes() string {
	var b strings.Builder
	b.WriteString("\n| code | HTTP status | retry | meaning |\n| --- | --- | --- | --- |\n")
	for _, c := range fault.Codes {
		retry := "no"
		if c.Retryable {
			retry = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %d | %s | %s |\n", c.Code, c.Status, retry, c.Meaning)
	}
	return b.String() + "\n"
}

func userCodes() string {
	var b strings.Builder
	b.WriteString("\n| code | meaning |\n| --- | --- |\n")
	for _, c := range fault.UserCodes {
		fmt.Fprintf(&b, "| `%s` | %s |\n", c.Code, c.Meaning)
	}
	return b.String() + "\n"
}

// lists are those of the input, but for what all filters and orders have alike.
func lists(t *testing.T) string {
	t.Helper()
	public, err := schema.Load()
	require.NoError(t, err)
	var b strings.Builder
	b.WriteString("\n| list | most items |\n| --- | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(public.Types)) {
		def := public.Types[name]
		if def.Kind != ast.InputObject || strings.HasSuffix(name, "Filter") {
			continue
		}
		for _, f := range def.Fields {
			if d := f.Directives.ForName("constraint"); d != nil {
				fmt.Fprintf(&b, "| `%s.%s` | %s |\n", name, f.Name, d.Arguments.ForName("maxItems").Value.Raw)
			}
		}
	}
	return b.String() + "\n"
}

func limits() string {
	var b strings.Builder
	b.WriteString("\n| limit | default | variable |\n| --- | --- | --- |\n")
	for _, field := range reflect.VisibleFields(reflect.TypeFor[httpapi.Limits]()) {
		if field.Anonymous {
			continue
		}
		tag := field.Tag
		fmt.Fprintf(&b, "| %s | %s | `%s` |\n", strings.TrimSuffix(tag.Get("doc"), "."), tag.Get("envDefault"), tag.Get("env"))
	}
	return b.String() + "\n"
}
