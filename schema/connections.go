package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// connectionsFile names the source that [Connections] writes.
const connectionsFile = "connections.graphqls"

// Connections writes the connection and the edge of every node type that a field returns a list of, and that no source
// declares: `XConnection` and `XEdge` for each `type X implements Node` to which a field of the type XConnection leads.
func Connections(sources []*ast.Source) (*ast.Source, error) {
	doc, err := parser.ParseSchemas(sources...)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	nodes, declared, used := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, def := range append(slices.Clone(doc.Definitions), doc.Extensions...) {
		declared[def.Name] = true
		if slices.Contains(def.Interfaces, "Node") {
			nodes[def.Name] = true
		}
		for _, f := range def.Fields {
			if name, ok := strings.CutSuffix(f.Type.Name(), "Connection"); ok {
				used[name] = true
			}
		}
	}
	var b strings.Builder
	for _, def := range doc.Definitions {
		if name := def.Name; nodes[name] && used[name] && !declared[name+"Connection"] {
			fmt.Fprintf(&b, connection, name)
		}
	}
	return &ast.Source{Name: connectionsFile, Input: b.String()}, nil
}

const connection = `"A page of a list of %[1]s rows."
type %[1]sConnection {
  "The rows with their cursors."
  edges: [%[1]sEdge!]!
  "The rows."
  nodes: [%[1]s!]!
  "Where the page stands in the list."
  pageInfo: PageInfo!
  "How many rows the whole list has. Counted only when selected."
  totalCount: Int!
}

"A %[1]s row in a page, with its cursor."
type %[1]sEdge {
  "The row."
  node: %[1]s!
  "The place of the row in the list, for after and before."
  cursor: String!
}

`
