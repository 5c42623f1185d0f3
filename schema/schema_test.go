package schema_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/schema"
)

// A change of the contract is a change of this file, and seen in review.
func TestGoldenSchema(t *testing.T) {
	t.Parallel()
	printed, err := schema.Print()
	require.NoError(t, err)
	golden, err := os.ReadFile(filepath.Join("..", "docs", "schema.graphql"))
	require.NoError(t, err)
	require.Equal(t, string(golden), printed, "make generate writes it anew")
}

// A client's tools read it without the server's directives, and find the same types in it.
func TestPrintedSchemaIsWhole(t *testing.T) {
	t.Parallel()
	printed, err := schema.Print()
	require.NoError(t, err)
	client, err := gqlparser.LoadSchema(&ast.Source{Name: "docs/schema.graphql", Input: printed})
	require.NoError(t, err)
	server, err := schema.Load()
	require.NoError(t, err)
	require.Len(t, client.Types, len(server.Types))
	for name, def := range server.Types {
		require.Len(t, client.Types[name].Fields, len(def.Fields), name)
		require.Len(t, client.Types[name].EnumValues, len(def.EnumValues), name)
	}
	for _, name := range []string{"auth", "constraint", "goField", "goModel"} {
		require.NotContains(t, client.Directives, name)
	}
	customers := client.Query.Fields.ForName("customers")
	require.Contains(t, customers.Description, " Needs CUSTOMERS_READ.")
	require.Contains(t, customers.Arguments.ForName("orderBy").Description, " At most 3 items.")
	require.NotNil(t, client.Types["DateTime"].Directives.ForName("specifiedBy"))
}

// Each node type of which there is a list has a connection, though no file declares it.
func TestConnectionsAreDeclared(t *testing.T) {
	t.Parallel()
	sources := []*ast.Source{{Name: "a", Input: `
		interface Node { id: ID! }
		type PageInfo { hasNextPage: Boolean! }
		type Query { goals: GoalConnection, own: OwnConnection }
		type Goal implements Node { id: ID! }
		type Unlisted implements Node { id: ID! }
		type Own implements Node { id: ID! }
		type OwnConnection { nodes: [Own!]! }
	`}, {Name: "b", Input: `type Note implements Node { id: ID! } extend type Goal { notes: NoteConnection! }`}}
	connections, err := schema.Connections(sources)
	require.NoError(t, err)
	s, err := gqlparser.LoadSchema(append(sources, connections)...)
	require.NoError(t, err)
	require.Equal(t, "[GoalEdge!]!", s.Types["GoalConnection"].Fields.ForName("edges").Type.String())
	require.Equal(t, "Note!", s.Types["NoteEdge"].Fields.ForName("node").Type.String())
	require.NotContains(t, s.Types, "UnlistedConnection", "nothing returns a list of them")
	require.NotContains(t, s.Types, "OwnEdge", "its connection is declared")

	_, err = schema.Connections([]*ast.Source{{Name: "wrong", Input: "type {"}})
	require.Error(t, err)
}
