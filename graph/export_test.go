package graph

import (
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/graph/generated"
	"caseload/internal/bulk"
	"caseload/internal/db"
	"caseload/internal/loader"
	"caseload/internal/pii"
	"caseload/internal/viewer"
)

// Schema returns the schema that the API serves.
func Schema() *ast.Schema { return generated.NewExecutableSchema(generated.Config{}).Schema() }

func edges() *Edges {
	e, err := NewEdges(Schema(), nil)
	if err != nil {
		panic(err)
	}
	return e
}

// Coordinates returns every declared edge.
func Coordinates() []string { return edges().Graph.Coordinates() }

// Declarations returns what was declared of every edge and list.
func Declarations() []loader.Declaration { return edges().declarations() }

// NodeScopes returns the scopes that node asks for, by the prefix of ids.
func NodeScopes() map[string][]viewer.Scope {
	out := map[string][]viewer.Scope{}
	for prefix, t := range edges().nodes {
		out[prefix] = t.requires
	}
	return out
}

// NodeTypesOf derives the scopes of types of node from a schema.
func NodeTypesOf(s *ast.Schema) error {
	_, err := nodeTypes(s, loader.Members[loader.AnyEntity](&edges().Entities))
	return err
}

// LoadersOnly leaves the preload out.
func LoadersOnly(o *Options) { o.loadersOnly = true }

// NotReplayable returns the mutations that refuse an idempotency key, with the reason.
func NotReplayable() map[string]string { return notReplayable }

// Exporters are the declared exports.
func Exporters(pool *db.Pool, sealer *pii.Sealer) ([]bulk.Exporter, error) {
	schema := generated.NewExecutableSchema(generated.Config{Directives: generated.DirectiveRoot{Auth: auth}})
	edges, err := NewEdges(schema.Schema(), sealer)
	if err != nil {
		return nil, err
	}
	return newExports(pool, schema, newCompiler(schema.Schema(), edges, sealer, 0), edges)
}
