package loader

import (
	"runtime"
	"strconv"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"
)

func TestSelectionsAreNotKnownByTheirAddress(t *testing.T) {
	t.Parallel()
	oc := &graphql.OperationContext{Doc: &ast.QueryDocument{}, Variables: map[string]any{}}
	for i := range 20_000 {
		name := strconv.Itoa(i)
		// Joined for this call only, as the preload joins what two fields select.
		sel := append(ast.SelectionSet{}, &ast.Field{Name: name, Alias: name})
		fields := collect(oc, sel, nil)
		require.Len(t, fields, 1)
		require.Equal(t, name, fields[0].Name, "the answer is another selection's, which stood at the same address")
		if i%1000 == 0 {
			runtime.GC()
		}
	}
}
