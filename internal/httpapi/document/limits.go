package document

import (
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// Limits are the bounds of a document and of its operations; see the limits of package httpapi, which embed them, for the tags.
type Limits struct {
	MaxDocumentBytes      int `env:"CASELOAD_LIMIT_DOCUMENT_BYTES" envDefault:"32768" doc:"Longest GraphQL document in bytes."`
	MaxTokens             int `env:"CASELOAD_LIMIT_TOKENS" envDefault:"2000" doc:"Most tokens in a document."`
	MaxOperations         int `env:"CASELOAD_LIMIT_OPERATIONS" envDefault:"5" doc:"Most operations in a document."`
	MaxFragments          int `env:"CASELOAD_LIMIT_FRAGMENTS" envDefault:"50" doc:"Most fragments in a document."`
	MaxDepth              int `env:"CASELOAD_LIMIT_DEPTH" envDefault:"12" doc:"Deepest selection; edges, node, nodes and pageInfo are not counted."`
	MaxIntrospectionDepth int `env:"CASELOAD_LIMIT_INTROSPECTION_DEPTH" envDefault:"20" doc:"Deepest selection below __schema and __type."`
	MaxAliases            int `env:"CASELOAD_LIMIT_ALIASES" envDefault:"30" doc:"Most aliased fields in a document, fragments expanded."`
	MaxRootFields         int `env:"CASELOAD_LIMIT_ROOT_FIELDS" envDefault:"20" doc:"Most fields at the root of a query."`
	MaxMutationFields     int `env:"CASELOAD_LIMIT_MUTATION_FIELDS" envDefault:"10" doc:"Most fields at the root of a mutation."`
	MaxRepeats            int `env:"CASELOAD_LIMIT_REPEATS" envDefault:"20" doc:"Most repeats of one response key in a selection set, fragments merged."`
	MaxDirectives         int `env:"CASELOAD_LIMIT_DIRECTIVES" envDefault:"50" doc:"Most directives in a document, fragments expanded."`
	MaxFields             int `env:"CASELOAD_LIMIT_FIELDS" envDefault:"5000" doc:"Most fields in a document, fragments expanded."`

	MaxCost      int `env:"CASELOAD_LIMIT_COST" envDefault:"10000" doc:"Highest cost of one operation in points."`
	MaxNodes     int `env:"CASELOAD_LIMIT_NODES" envDefault:"20000" doc:"Most objects that one operation may return."`
	DefaultPage  int `env:"CASELOAD_LIMIT_DEFAULT_PAGE" envDefault:"15" doc:"Page size that is assumed where first and last are absent."`
	MaxInputList int `env:"CASELOAD_LIMIT_INPUT_LIST" envDefault:"250" doc:"Most items in an input list, unless the schema states another number."`
	MaxBulkItems int `env:"CASELOAD_LIMIT_BULK_ITEMS" envDefault:"1000" doc:"Most items in an input list of a bulk mutation, unless the schema states another number."`
	MaxIDs       int `env:"CASELOAD_LIMIT_IDS" envDefault:"100" doc:"Most items in an argument named ids, unless the schema states another number."`
}

// IsBulk reports whether the operation has a bulk mutation among its root fields.
func IsBulk(schema *ast.Schema, op *ast.OperationDefinition) bool {
	return slices.ContainsFunc(rootFields(op.SelectionSet, nil), func(f *ast.Field) bool { return isBulk(schema, f.Definition) })
}

// isBulk reports whether a mutation is a bulk mutation: it takes rows, a list of input objects that must be given, as
// an argument or right in its input.
func isBulk(schema *ast.Schema, mutation *ast.FieldDefinition) bool {
	if mutation == nil {
		return false
	}
	for _, a := range mutation.Arguments {
		def := schema.Types[a.Type.Name()]
		if def == nil || def.Kind != ast.InputObject {
			continue
		}
		if isRows(schema, a.Type) {
			return true
		}
		for _, f := range def.Fields {
			if isRows(schema, f.Type) {
				return true
			}
		}
	}
	return false
}

func isRows(schema *ast.Schema, t *ast.Type) bool {
	if t.Elem == nil || !t.NonNull {
		return false
	}
	def := schema.Types[t.Name()]
	return def != nil && def.Kind == ast.InputObject
}

// rootFields appends the fields of a root selection set, fragments expanded. It is meant for validated
// documents: there fragments have definitions and no cycles.
func rootFields(set ast.SelectionSet, to []*ast.Field) []*ast.Field {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			to = append(to, s)
		case *ast.InlineFragment:
			to = rootFields(s.SelectionSet, to)
		case *ast.FragmentSpread:
			if s.Definition != nil {
				to = rootFields(s.Definition.SelectionSet, to)
			}
		}
	}
	return to
}
