package bulk

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/batch"
	"caseload/internal/db"
	"caseload/internal/pii"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// State is how far an operation is.
type State string

// The states; the last four are final.
const (
	Pending   State = "PENDING"
	Checking  State = "CHECKING"
	Running   State = "RUNNING"
	Completed State = "COMPLETED"
	Refused   State = "REFUSED"
	Cancelled State = "CANCELLED"
	Failed    State = "FAILED"
)

// Final reports whether nothing will change any more.
func (s State) Final() bool {
	return s == Completed || s == Refused || s == Cancelled || s == Failed
}

// Format is how a file is written.
type Format string

// The formats: one JSON object a line, or comma-separated values under a header.
const (
	JSONL Format = "JSONL"
	CSV   Format = "CSV"
)

// KindName names what an operation does; the wire name.
type KindName string

// The kinds of imports. Exports are named by the files of their queries, such as EXPORT_ACCOUNTS.
const (
	UpsertCustomers KindName = "UPSERT_CUSTOMERS"
	CreateCustomers KindName = "CREATE_CUSTOMERS"
	SyncSchedules   KindName = "SYNC_SCHEDULES"
)

// kept is what the creator chose for the whole file, as it is stored.
type kept struct {
	// ErrorPolicy is REJECT_FAILED_ROWS or IGNORE_FAILED: a file is many transactions, so a wrong line cannot undo the others.
	ErrorPolicy batch.ErrorPolicy `json:"errorPolicy,omitempty"`
	// Kind are the options of the kind, in its own form.
	Kind json.RawMessage `json:"kind,omitempty"`
	// Filter narrows an export; its form is the exporter's own.
	Filter json.RawMessage `json:"filter,omitempty"`
}

// Operation is one import or export.
type Operation struct {
	db.Row
	Kind     KindName `db:"kind"`
	Format   Format   `db:"format"`
	State    State    `db:"state"`
	FileName *string  `db:"file_name"`
	// FileKey is the upload in the object store; nil once the operation has finished.
	FileKey    *string `db:"file_key"`
	FileSHA256 []byte  `db:"file_sha256"`
	// ByteSize is the upload's size; 0 for an export.
	ByteSize   int64   `db:"byte_size"`
	OptionJSON db.JSON `db:"options"`
	// LineCount is nil until it is known.
	LineCount      *int32 `db:"line_count"`
	CreatedCount   int32  `db:"created_count"`
	UpdatedCount   int32  `db:"updated_count"`
	UnchangedCount int32  `db:"unchanged_count"`
	FailedCount    int32  `db:"failed_count"`
	SkippedCount   int32  `db:"skipped_count"`
	// ProcessedCount counts the lines that have an outcome, or the rows that were exported.
	ProcessedCount int32          `db:"processed_count"`
	MessageTexts   pq.StringArray `db:"messages"`
	ReportKey      *string        `db:"report_key"`
	// ResultsBytes is how much the operation has put into the object store.
	ResultsBytes      int64      `db:"results_bytes"`
	LeaseToken        *uuid.UUID `db:"lease_token"`
	LeaseUntil        *time.Time `db:"lease_until"`
	RunnableAt        time.Time  `db:"runnable_at"`
	EnqueuedAt        *time.Time `db:"enqueued_at"`
	FailureCount      int32      `db:"failure_count"`
	CancelRequestedAt *time.Time `db:"cancel_requested_at"`
	StartedAt         *time.Time `db:"started_at"`
	FinishedAt        *time.Time `db:"finished_at"`
	// ExpiresAt is when the results are removed; nil until the operation has finished.
	ExpiresAt      *time.Time     `db:"expires_at"`
	FilesRemovedAt *time.Time     `db:"files_removed_at"`
	ActorKind      viewer.Kind    `db:"actor_kind"`
	ActorID        uuid.UUID      `db:"actor_id"`
	ActorName      string         `db:"actor_name"`
	ActorScopes    pq.StringArray `db:"actor_scopes"`
	RequestID      string         `db:"request_id"`
	IP             string         `db:"ip"`
	Version        int32          `db:"version"`
	CreatedAt      time.Time      `db:"created_at"`
	UpdatedAt      time.Time      `db:"updated_at"`
	CreatedBy      string         `db:"created_by"`
	UpdatedBy      string         `db:"updated_by"`
}

// Operations declares the operations.
var Operations = db.NewTable[Operation]("bulk_operations", "bulk")

// ID returns the typed id.
func (o *Operation) ID() relay.ID { return relay.ID{Prefix: Operations.Prefix(), UUID: o.UUID} }

func (o *Operation) kept() kept {
	var k kept
	// Written by us from the same type.
	_ = json.Unmarshal(o.OptionJSON, &k)
	return k
}

// Options returns the options of the kind as they are kept, an object.
func (o *Operation) Options() db.JSON {
	if own := o.kept().Kind; own != nil {
		return db.JSON(own)
	}
	return db.JSON("{}")
}

// ReadOptions reads the options of the kind into a value of the type that its Check has returned.
func (o *Operation) ReadOptions(into any) {
	// Written by us from the same type.
	_ = json.Unmarshal(o.Options(), into)
}

// ErrorPolicy returns what becomes of wrong rows; nil for an export.
func (o *Operation) ErrorPolicy() *batch.ErrorPolicy {
	if p := o.kept().ErrorPolicy; p != "" {
		return &p
	}
	return nil
}

// Computed declares the fields that are not columns, for compiled reads.
func (*Operation) Computed(*pii.Sealer) map[string]db.Computed {
	options := func(value func(o *Operation) any) db.Computed {
		return db.Computed{Columns: []string{"options"}, Value: func(cells [][]byte) (any, error) { return value(&Operation{OptionJSON: cells[0]}), nil }}
	}
	return map[string]db.Computed{
		"cancelRequested": db.Provided("cancel_requested_at"),
		"messages":        db.Texts("messages"),
		"options":         options(func(o *Operation) any { return o.Options() }),
		"errorPolicy": options(func(o *Operation) any {
			if policy := o.ErrorPolicy(); policy != nil {
				return string(*policy)
			}
			return nil
		}),
	}
}

// Messages returns texts about the operation as a whole.
func (o *Operation) Messages() []string { return o.MessageTexts }

// Progress returns how much has been done, from 0 to 1; nil while that is not known.
func (o *Operation) Progress() *float64 {
	done := 1.0
	switch {
	case o.State == Completed:
	case o.LineCount == nil:
		return nil
	case *o.LineCount > 0:
		// An export counts its rows at the start, and some are added while it runs.
		done = min(1, float64(o.ProcessedCount)/float64(*o.LineCount))
	}
	return &done
}

// CancelRequested reports whether the operation has been asked to end.
func (o *Operation) CancelRequested() bool { return o.CancelRequestedAt != nil }

// actor is the viewer who created the operation, as it was then.
func (o *Operation) actor() *viewer.Viewer {
	v := &viewer.Viewer{Kind: o.ActorKind, OrganizationID: o.OrganizationID, ActorID: o.ActorID, ActorName: o.ActorName, RequestID: o.RequestID, IP: o.IP}
	for _, s := range o.ActorScopes {
		v.Scopes = append(v.Scopes, viewer.Scope(s))
	}
	return v
}

func (o *Operation) scope() db.Scope { return db.Scope{OrganizationID: o.OrganizationID} }

// ResultsName is the file name of the results: of an export in its format, of an import as JSON Lines.
func (o *Operation) ResultsName() string {
	if o.isExport() && o.Format == CSV {
		return o.ID().String() + ".csv"
	}
	return o.ID().String() + ".jsonl"
}

// ResultsType is the media type of the results.
func (o *Operation) ResultsType() string {
	if o.isExport() && o.Format == CSV {
		return "text/csv; charset=utf-8; header=present"
	}
	return "application/jsonl"
}

// isExport reports whether the operation makes its file, rather than taking one.
func (o *Operation) isExport() bool { return o.FileName == nil }

// folder is where the object store keeps what the operation makes.
func (o *Operation) folder() string { return "bulk/" + o.UUID.String() + "/" }
