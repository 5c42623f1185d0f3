package httpapi

import (
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/httpapi/document"
	"caseload/internal/viewer"
)

// Limits are the bounds within which a request is served; every one of them is on by default and
// each has an error code and a sentence of its own. The tags name the environment variable, its
// default and the text of the documentation. It is never changed after construction.
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

	document.Limits

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
	l, err := env.ParseAsWithOptions[Limits](env.Options{Environment: map[string]string{}})
	if err != nil {
		panic(err) // a tag is wrong
	}
	return l
}

// BodyFor returns the largest body in bytes that the viewer may send: those who sync may send more.
func (l *Limits) BodyFor(v *viewer.Viewer) int64 {
	if v.Has(viewer.CustomersWrite) || v.Has(viewer.SchedulesWrite) {
		return l.MaxBulkBody
	}
	return l.MaxBody
}

// timeout returns how long an operation may run; zero for subscriptions, which have no limit.
func (l *Limits) timeout(schema *ast.Schema, op *ast.OperationDefinition) time.Duration {
	switch op.Operation {
	case ast.Query:
		return l.QueryTimeout
	case ast.Mutation:
		if document.IsBulk(schema, op) {
			return l.BulkTimeout
		}
		return l.MutationTimeout
	default:
		return 0
	}
}
