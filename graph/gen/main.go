// Command gen runs gqlgen, and writes what is mechanical here:
//
//   - the connections and edges of the schema ([schema.Connections]) and the Go types behind them (graph/connection);
//   - which Go type serves a type of the schema, found by its name (see [source.find]);
//   - the resolvers of lists, edges and plain mutations (graph/resolvers.generated.go);
//   - the whole schema as clients see it (docs/schema.graphql).
//
// What differs from these is written by hand: a line in gqlgen.yml, or a method in one of graph/*.resolvers.go, which gen reads
// and never writes. It runs in the root of the module, by `make generate`.
package main

import (
	"fmt"
	"io"
	"log"
	"os"

	"github.com/99designs/gqlgen/api"
	"github.com/99designs/gqlgen/codegen"
	"github.com/99designs/gqlgen/codegen/config"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/schema"
)

func main() {
	if err := generate(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func generate() error {
	// gqlgen tells of each binding it tries.
	log.SetOutput(io.Discard)
	cfg, err := config.LoadConfigFromDefaultLocations()
	if err != nil {
		return err
	}
	src, err := readSource(cfg.AutoBind)
	if err != nil {
		return err
	}
	// Types are bound by plugin, which knows the names that gqlgen does not.
	cfg.AutoBind = nil
	if err := api.Generate(cfg, api.AddPlugin(&plugin{cfg, src})); err != nil {
		return err
	}
	printed, err := schema.Print()
	if err != nil {
		return err
	}
	return os.WriteFile("docs/schema.graphql", []byte(printed), 0o644)
}

// plugin adds to gqlgen what the package comment lists.
type plugin struct {
	cfg *config.Config
	src *source
}

// Name names the plugin.
func (*plugin) Name() string { return "caseload" }

// InjectSourcesEarly declares the connections.
func (p *plugin) InjectSourcesEarly() ([]*ast.Source, error) {
	connections, err := schema.Connections(p.cfg.Sources)
	if err != nil {
		return nil, err
	}
	connections.Name = "schema/" + connections.Name
	return []*ast.Source{connections}, nil
}

// InjectSourcesLate adds no source: it is called when the schema is known and no type is bound yet.
func (p *plugin) InjectSourcesLate(s *ast.Schema) ([]*ast.Source, error) {
	p.bind(s)
	return nil, p.writeConnections(s)
}

// GenerateCode writes the resolvers.
func (p *plugin) GenerateCode(data *codegen.Data) error { return p.writeResolvers(data) }
