package httpapi

import (
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/viewer"
)

// Limits are the bounds within which a request is served; every one of them is on by default and
// each has an error code and a sentence of its own. The tags name the environment variable, its
// default (equal to [DefaultLimits], a test compares them) and the text of the documentation.
// Embed the struct to read it with caarlos0/env. It is never changed after construction.
type Limits struct {
	MaxBody           int64 `env:"CASELOAD_LIMIT_BODY_BYTES" envDefault:"1048576" doc:"Largest request body in bytes."`
	MaxBulkBody       int64 `env:"CASELOAD_LIMIT_BULK_BODY_BYTES" envDefault:"4194304" doc:"Largest request body in bytes for credentials that hold CUSTOMERS_WRITE or SCHEDULES_WRITE."`
	MaxJSONDepth      int   `env:"CASELOAD_LIMIT_JSON_DEPTH" envDefault:"32" doc:"Deepest nesting of objects and lists in a request body."`
	MaxVariableValues int   `env:"CASELOAD_LIMIT_VARIABLE_VALUES" envDefault:"100000" doc:"Most values (objects, lists and scalars) in a request body."`

	MaxUpload             int64         `env:"CASELOAD_LIMIT_UPLOAD_BYTES" envDefault:"2147483648" doc:"Largest size in bytes of the files of one request together."`
	MaxUploadFiles        int           `env:"CASELOAD_LIMIT_UPLOAD_FILES" envDefault:"10" doc:"Most files in one request."`
	MaxUploadMap          int64         `env:"CASELOAD_LIMIT_UPLOAD_MAP_BYTES" envDefault:"16384" doc:"Largest part map of a request with files in bytes."`
	PrincipalUploads      int           `env:"CASELOAD_LIMIT_PRINCIPAL_UPLOADS" envDefault:"4" doc:"Requests with files of one principal whose files come in at the same time."`
	ProcessUploads        int           `env:"CASELOAD_LIMIT_PROCESS_UPLOADS" envDefault:"32" doc:"Requests with files that come in at the same time in one process."`
	UploadStall           time.Duration `env:"CASELOAD_LIMIT_UPLOAD_STALL" envDefault:"15s" doc:"Longest wait for the next bytes of a file."`
	UploadTimeout         time.Duration `env:"CASELOAD_LIMIT_UPLOAD_TIMEOUT" envDefault:"15m" doc:"Longest wait for all files of a request."`
	Downloads             int           `env:"CASELOAD_LIMIT_DOWNLOADS" envDefault:"64" doc:"Downloads that run at the same time in one process."`
	OrganizationDownloads int           `env:"CASELOAD_LIMIT_ORGANIZATION_DOWNLOADS" envDefault:"16" doc:"Downloads of one organization that run at the same time in one process."`
	DownloadRate          int64         `env:"CASELOAD_LIMIT_DOWNLOAD_BYTES_PER_SECOND" envDefault:"32768" doc:"Least rate in bytes a second at which a client takes a download on the whole, or is cut off."`

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

	PointsPerSecond     int `env:"CASELOAD_LIMIT_POINTS_PER_SECOND" envDefault:"200" doc:"Points that a principal regains each second."`
	PointsBurst         int `env:"CASELOAD_LIMIT_POINTS_BURST" envDefault:"4000" doc:"Points that a principal can save up; a single operation is never charged more."`
	OperationsPerSecond int `env:"CASELOAD_LIMIT_OPERATIONS_PER_SECOND" envDefault:"20" doc:"Operations a principal may start each second."`
	OperationsBurst     int `env:"CASELOAD_LIMIT_OPERATIONS_BURST" envDefault:"100" doc:"Operations a principal can save up."`
	AnonymousPerSecond  int `env:"CASELOAD_LIMIT_ANONYMOUS_PER_SECOND" envDefault:"1" doc:"Operations that callers without a credential may start each second, by network address."`
	AnonymousBurst      int `env:"CASELOAD_LIMIT_ANONYMOUS_BURST" envDefault:"5" doc:"Operations that callers without a credential can save up."`
	PrincipalInFlight   int `env:"CASELOAD_LIMIT_PRINCIPAL_IN_FLIGHT" envDefault:"10" doc:"Operations of one principal that run at the same time."`
	ProcessInFlight     int `env:"CASELOAD_LIMIT_PROCESS_IN_FLIGHT" envDefault:"200" doc:"Operations that run at the same time in one process."`
	TrackedPrincipals   int `env:"CASELOAD_LIMIT_TRACKED_PRINCIPALS" envDefault:"10000" doc:"Principals, and as many network addresses, whose budgets are kept in memory."`

	MaxErrors       int `env:"CASELOAD_LIMIT_ERRORS" envDefault:"50" doc:"Most errors in a response."`
	MaxErrorMessage int `env:"CASELOAD_LIMIT_ERROR_MESSAGE_BYTES" envDefault:"1024" doc:"Longest error message in bytes."`
	MaxResponse     int `env:"CASELOAD_LIMIT_RESPONSE_BYTES" envDefault:"10485760" doc:"Largest response in bytes before compression."`

	QueryTimeout    time.Duration `env:"CASELOAD_LIMIT_QUERY_TIMEOUT" envDefault:"10s" doc:"Longest run of a query."`
	MutationTimeout time.Duration `env:"CASELOAD_LIMIT_MUTATION_TIMEOUT" envDefault:"20s" doc:"Longest run of a mutation."`
	BulkTimeout     time.Duration `env:"CASELOAD_LIMIT_BULK_TIMEOUT" envDefault:"60s" doc:"Longest run of a bulk mutation."`
	BodyTimeout     time.Duration `env:"CASELOAD_LIMIT_BODY_TIMEOUT" envDefault:"15s" doc:"Longest wait for a request body."`
	WriteTimeout    time.Duration `env:"CASELOAD_LIMIT_WRITE_TIMEOUT" envDefault:"30s" doc:"Longest wait for a client to take a response."`
}

// DefaultLimits returns the limits that hold when the environment says nothing.
func DefaultLimits() Limits {
	return Limits{
		MaxBody: 1 << 20, MaxBulkBody: 4 << 20, MaxJSONDepth: 32, MaxVariableValues: 100_000,
		MaxUpload: 2 << 30, MaxUploadFiles: 10, MaxUploadMap: 16 << 10, PrincipalUploads: 4, ProcessUploads: 32,
		UploadStall: 15 * time.Second, UploadTimeout: 15 * time.Minute, Downloads: 64, OrganizationDownloads: 16, DownloadRate: 32 << 10,
		MaxDocumentBytes: 32 << 10, MaxTokens: 2000, MaxOperations: 5, MaxFragments: 50,
		MaxDepth: 12, MaxIntrospectionDepth: 20, MaxAliases: 30, MaxRootFields: 20, MaxMutationFields: 10,
		MaxRepeats: 20, MaxDirectives: 50, MaxFields: 5000,
		MaxCost: 10_000, MaxNodes: 20_000, DefaultPage: 15, MaxInputList: 250, MaxBulkItems: 1000, MaxIDs: 100,
		PointsPerSecond: 200, PointsBurst: 4000, OperationsPerSecond: 20, OperationsBurst: 100,
		AnonymousPerSecond: 1, AnonymousBurst: 5, PrincipalInFlight: 10, ProcessInFlight: 200,
		TrackedPrincipals: 10_000,
		MaxErrors:         50, MaxErrorMessage: 1 << 10, MaxResponse: 10 << 20,
		QueryTimeout: 10 * time.Second, MutationTimeout: 20 * time.Second, BulkTimeout: 60 * time.Second,
		BodyTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second,
	}
}

// BodyFor returns the largest body in bytes that the viewer may send: those who sync may send more.
func (l *Limits) BodyFor(v *viewer.Viewer) int64 {
	if v.Has(viewer.CustomersWrite) || v.Has(viewer.SchedulesWrite) {
		return l.MaxBulkBody
	}
	return l.MaxBody
}

// timeout returns how long an operation may run; zero means for ever, which only subscriptions may.
func (l *Limits) timeout(schema *ast.Schema, op *ast.OperationDefinition) time.Duration {
	switch op.Operation {
	case ast.Query:
		return l.QueryTimeout
	case ast.Mutation:
		for _, f := range rootFields(op.SelectionSet, nil) {
			if isBulk(schema, f.Definition) {
				return l.BulkTimeout
			}
		}
		return l.MutationTimeout
	default:
		return 0
	}
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
