package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"caseload/internal/batch"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/pii"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// writeImport keeps what became of the customers of a call, in two statements.
func writeImport(ctx context.Context, tx *db.Tx, v *viewer.Viewer, results []*UpsertResult) (*ImportRequest, error) {
	request := &ImportRequest{Row: db.Row{OrganizationID: v.OrganizationID, UUID: db.NewID()}, Total: int32(len(results)), CreatedAt: tx.Now, CreatedBy: v.ActorText()}
	var counts batch.Counts
	rows := make([]*ImportRow, len(results))
	for i, r := range results {
		counts.Add(r.Action)
		text, err := json.Marshal(r.UserErrors)
		if err != nil {
			return nil, fmt.Errorf("write import row: %w", err)
		}
		rows[i] = &ImportRow{
			Row: db.Row{OrganizationID: v.OrganizationID, UUID: db.NewID()}, RequestID: request.UUID, Index: r.Index, Action: r.Action,
			Key: r.Key, LookupKey: r.LookupKey, UserErrors: text, CreatedAt: tx.Now,
		}
		if r.Customer != nil {
			rows[i].CustomerID = &r.Customer.UUID
		}
	}
	request.Created, request.Updated, request.Unchanged = int32(counts.Created), int32(counts.Updated), int32(counts.Unchanged)
	request.Failed, request.Skipped = int32(counts.Failed), int32(counts.Skipped)
	if err := ImportRequests.Insert(ctx, tx, v.Scope(), request); err != nil {
		return nil, fmt.Errorf("write import request: %w", err)
	}
	if _, err := ImportRows.InsertAll(ctx, tx, v.Scope(), rows, false); err != nil {
		return nil, fmt.Errorf("write import rows: %w", err)
	}
	return request, nil
}

// ImportRequest is one call of createCustomers, kept so that its results can be asked for later.
type ImportRequest struct {
	db.Row
	Total     int32     `db:"total"`
	Created   int32     `db:"created"`
	Updated   int32     `db:"updated"`
	Unchanged int32     `db:"unchanged"`
	Failed    int32     `db:"failed"`
	Skipped   int32     `db:"skipped"`
	CreatedAt time.Time `db:"created_at"`
	CreatedBy string    `db:"created_by"`
}

// ImportRequests declares the requests.
var ImportRequests = db.NewTable[ImportRequest]("import_requests", "impreq")

// ID returns the typed id.
func (r *ImportRequest) ID() relay.ID {
	return relay.ID{Prefix: ImportRequests.Prefix(), UUID: r.UUID}
}

// ImportRow is what became of one customer of a request.
type ImportRow struct {
	db.Row
	RequestID  uuid.UUID    `db:"request_id"`
	Index      int32        `db:"index"`
	Action     batch.Action `db:"action"`
	Key        string       `db:"key"`
	LookupKey  string       `db:"lookup_key"`
	CustomerID *uuid.UUID   `db:"customer_id"`
	// UserErrors is a list of {code, message, path}, without any value of the row.
	UserErrors db.JSON   `db:"user_errors"`
	CreatedAt  time.Time `db:"created_at"`
}

// ImportRows declares the rows.
var ImportRows = db.NewTable[ImportRow]("import_rows", "improw")

// ID returns the typed id.
func (r *ImportRow) ID() relay.ID { return relay.ID{Prefix: ImportRows.Prefix(), UUID: r.UUID} }

// Success reports whether what the row says is stored.
func (r *ImportRow) Success() bool { return r.Action.Wrote() }

// Computed declares the fields that are not columns, for compiled reads.
func (*ImportRow) Computed(*pii.Sealer) map[string]db.Computed {
	return map[string]db.Computed{"success": {Columns: []string{"action"}, Value: func(cells [][]byte) (any, error) {
		return batch.Action(cells[0]).Wrote(), nil
	}}}
}

// Errors reads what was wrong; empty when nothing was.
func (r *ImportRow) Errors() ([]*fault.UserError, error) {
	errs := []*fault.UserError{}
	if err := json.Unmarshal(r.UserErrors, &errs); err != nil {
		return nil, fmt.Errorf("read the errors of an import row: %w", err)
	}
	return errs, nil
}

// ImportRowList is the list of a request's rows.
var ImportRowList = &relay.Spec[ImportRow]{Table: ImportRows, Default: db.By("index")}
