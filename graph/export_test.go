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

// Coordinates returns every declared edge.
func Coordinates() []string { return NewEdges(Schema(), nil).Graph.Coordinates() }

// Declarations returns what was declared of every edge and list.
func Declarations() (out []loader.Declaration) {
	for _, e := range gathered[interface{ Declaration() loader.Declaration }](NewEdges(Schema(), nil)) {
		out = append(out, e.Declaration())
	}
	return out
}

// NodeScopes returns the scopes that node asks for, by the prefix of ids.
func NodeScopes() map[string][]viewer.Scope {
	r := &Resolver{edges: NewEdges(Schema(), nil)}
	out := map[string][]viewer.Scope{}
	for prefix, t := range r.nodeTypes() {
		out[prefix] = t.requires
	}
	return out
}

// LoadersOnly leaves the preload out.
func LoadersOnly(o *Options) { o.loadersOnly = true }

// Unrepeatable returns the mutations that refuse an idempotency key, with the reason.
func Unrepeatable() map[string]string { return unrepeatable }

// Exporters are the declared exports.
func Exporters(pool *db.Pool, sealer *pii.Sealer) ([]bulk.Exporter, error) {
	schema := generated.NewExecutableSchema(generated.Config{Directives: generated.DirectiveRoot{Auth: auth}})
	edges := NewEdges(schema.Schema(), sealer)
	return newExports(pool, schema, newCompiler(schema.Schema(), edges, sealer, 0), edges)
}
