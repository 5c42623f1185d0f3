package bulk

import (
	"context"
	"encoding/json"
	"io"
	"slices"

	"caseload/internal/batch"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// Kind is what an import does with its lines. It is made once, at start, and is safe for concurrent use.
type Kind interface {
	// Name is the wire name.
	Name() KindName
	// Noun is what a line is, in the plural of the refusals: customers in "#/customers/0: extraneous key …".
	Noun() string
	// Scopes are what the creator needs, beside the scope for bulk operations.
	Scopes() []viewer.Scope
	// Keys are the keys that a line may have, at any depth.
	Keys() []Key
	// Check checks the format and the kind's own options, nil when none were sent, when the operation is created, and returns the
	// options to store, for [Operation.ReadOptions]. c stands at the mutation's input; the options are at [OptionsName] in it.
	Check(format Format, options any, c *fault.Check) (kept any)
	// Decoder returns the function that reads the lines of an operation, one after the other, by a [Binding], and checks what can be
	// checked without the database. The text is valid until the function returns.
	Decoder(o *Operation) func(text []byte) Row
	// Apply writes rows in the caller's transaction, by a fixed number of statements, and returns their outcomes, in their order.
	// Rows with the same key act in sequence. A wrong row is an outcome; an error rolls the chunk back, which is then tried
	// again, or, when the database refuses a value or the error is [fault.UserErrors], halved until the wrong row is found and
	// fails. So Apply may run more than once for the same rows, or for a part of them, and must not change them. prepared is
	// what [Preparer.Prepare] returned for the chunk, nil for a kind without it.
	Apply(ctx context.Context, tx *db.Tx, v *viewer.Viewer, o *Operation, rows []*Row, prepared any) ([]Outcome, error)
}

// Preparer is a Kind with work to do before the transaction of a chunk, such as asking another system. It runs once
// for a chunk, whatever the tries of its transaction.
type Preparer interface {
	Kind
	// Prepare returns what Apply needs for these rows. It must not write, as its context is cancelled with the operation.
	Prepare(ctx context.Context, v *viewer.Viewer, o *Operation, rows []*Row) (prepared any, err error)
}

// Row is one line, read.
type Row struct {
	// Line is the number of the row in its file, from 0. A CSV header and empty lines are not rows.
	Line int32
	// Key is the integrator's own name for the row, such as a source id: it is shown in the results.
	Key string
	// Locks are the keys of everything that the row reads or writes and other rows may write, such as its own and
	// its parent's. Rows that share one act in the order of the file. None stands for Key alone, if there is one.
	Locks []string
	// Value is the decoded line; nil for a row that is not applied, for the reasons in UserErrors.
	Value any
	// Weight is the memory that the row takes beyond its text, in bytes, such as for what Prepare finds for it. Chunks of heavy
	// rows are shorter.
	Weight int
	// UserErrors is what is wrong with the row; paths are below the row.
	UserErrors fault.UserErrors
	// unknown are keys that are not permitted. The first pass refuses them, but another version of the program may have run it.
	unknown []unknownKey
	// missing says of each required value that it was not sent; see [Row.Missing].
	missing fault.UserErrors
}

// Missing makes REQUIRED of what is BLANK because it was not sent: fields of the row without a value of their own, and those
// that [Binding.Decode] did not find in the line.
func (r *Row) Missing(errs fault.UserErrors, fields ...string) {
	for _, e := range errs {
		if e.Code == fault.Blank && (len(e.Path) == 1 && slices.Contains(fields, e.Path[0]) ||
			slices.ContainsFunc(r.missing, func(m *fault.UserError) bool { return slices.Equal(m.Path, e.Path) })) {
			e.Code, e.Message = fault.Required, "Give a value: there is none."
		}
	}
}

// Outcome is what became of a row.
type Outcome struct {
	Action batch.Action
	// ID is the row's entity; zero when there is none.
	ID relay.ID
	// UserErrors is all that was wrong; paths are below the row. No message repeats a value.
	UserErrors fault.UserErrors
}

// Exporter is what an export writes. It is made once, at start, and is safe for concurrent use.
type Exporter interface {
	// Name is the wire name.
	Name() KindName
	// Scopes are what creating the export and downloading the file need, beside the scope for bulk operations.
	Scopes() []viewer.Scope
	// Reveals are the scopes that add fields to the rows. The creator need not have them; downloading the file needs those that
	// the creator had.
	Reveals() []viewer.Scope
	// Check looks at the filter when the operation is created; c stands at it.
	Check(ctx context.Context, v *viewer.Viewer, filter json.RawMessage, c *fault.Check) error
	// Count returns how many rows there will be, for the progress.
	Count(ctx context.Context, v *viewer.Viewer, filter json.RawMessage) (int, error)
	// Page writes the rows after a cursor, "" for the first, in the form of the file, and returns how many there were and
	// the cursor to go on from, "" at the end. A page is read by a fixed number of statements, and is small enough to be
	// held in memory. The order must not change with what may be changed: by id.
	Page(ctx context.Context, v *viewer.Viewer, filter json.RawMessage, format Format, after string, w io.Writer) (rows int, next string, err error)
}
