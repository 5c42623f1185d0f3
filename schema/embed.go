// Package schema is the contract with clients: one .graphqls file per domain.
package schema

import (
	"embed"
	"io/fs"
	"slices"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

//go:embed *.graphqls
var files embed.FS

// Sources returns the schema's files in the order of their names, and after them the connections that they use.
func Sources() ([]*ast.Source, error) {
	names, _ := fs.Glob(files, "*.graphqls")
	slices.Sort(names)
	sources := make([]*ast.Source, len(names))
	for i, name := range names {
		// An embedded file that was just listed can be read.
		text, _ := files.ReadFile(name)
		sources[i] = &ast.Source{Name: name, Input: string(text)}
	}
	connections, err := Connections(sources)
	if err != nil {
		return nil, err
	}
	return append(sources, connections), nil
}

// Load parses the schema.
func Load() (*ast.Schema, error) {
	sources, err := Sources()
	if err != nil {
		return nil, err
	}
	return gqlparser.LoadSchema(sources...)
}
