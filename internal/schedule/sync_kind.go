package schedule

import (
	"context"

	"caseload/internal/batch"
	"caseload/internal/bulk"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// SyncKind is bulkSyncCustomerSchedules for a file of any size. The lending system is asked before the transaction of a
// chunk, so that no row is locked while it works.
type SyncKind struct{ s *Service }

var _ bulk.Preparer = (*SyncKind)(nil)

// NewSyncKind makes the kind.
func NewSyncKind(s *Service) *SyncKind { return &SyncKind{s} }

// Name is the wire name.
func (*SyncKind) Name() bulk.KindName { return bulk.SyncSchedules }

// Noun is what a line is.
func (*SyncKind) Noun() string { return "customers" }

// Scopes are what the creator needs: those of the mutation.
func (*SyncKind) Scopes() []viewer.Scope {
	return []viewer.Scope{viewer.CustomersWrite, viewer.SchedulesWrite}
}

// syncRows reads customers by the keys of the mutation's input, and by those that the source document has for some of them.
var syncRows = bulk.Bind[SyncCustomerScheduleInput](bulk.BindAlias("id", "referenceId"), bulk.BindAlias("loanIds", "externalLoanIds"), bulk.BindAlias("loanId", "externalLoanId"))

// Keys are those of the mutation's input and of the source document.
func (*SyncKind) Keys() []bulk.Key { return syncRows.Keys() }

// Check has nothing to check: the kind has no options.
func (*SyncKind) Check(bulk.Format, any, *fault.Check) any { return nil }

// fetchedBytes estimates the answer of the lending system for a customer, so that a chunk has some sixty of those who are
// asked for: their loans are in memory together, and none is written before all have been asked for.
const fetchedBytes = 64 << 10

// Decoder reads lines, whatever the operation.
func (*SyncKind) Decoder(*bulk.Operation) func(text []byte) bulk.Row { return decodeSync }

func decodeSync(text []byte) bulk.Row {
	in, row := syncRows.Decode(text)
	if in == nil {
		return row
	}
	// A reference that is wrong may be anything, so it is not repeated in the results.
	row.Key = input.Reference(fault.NewCheck(), in.ReferenceID)
	if len(row.UserErrors) == 0 {
		row.Value = in
		if in.wantsLending() {
			row.Weight = fetchedBytes
		}
	}
	return row
}

// preparedSync is a chunk before its transaction.
type preparedSync struct {
	batch *syncBatch
	rows  map[*bulk.Row]*syncRow
}

// Prepare reads what the rules need beside the customers, and asks the lending system.
func (k *SyncKind) Prepare(ctx context.Context, v *viewer.Viewer, o *bulk.Operation, rows []*bulk.Row) (any, error) {
	inputs := make([]*SyncCustomerScheduleInput, len(rows))
	for i, row := range rows {
		inputs[i] = row.Value.(*SyncCustomerScheduleInput)
	}
	p := preparedSync{k.s.newBatch(v, inputs, *o.ErrorPolicy(), func(int) *fault.Check { return fault.NewCheck() }), make(map[*bulk.Row]*syncRow, len(rows))}
	p.batch.begun = o.CreatedAt
	for i, row := range rows {
		p.rows[row] = p.batch.rows[i]
	}
	return p, p.batch.prepare(ctx)
}

// Apply writes rows in the caller's transaction.
func (k *SyncKind) Apply(ctx context.Context, tx *db.Tx, _ *viewer.Viewer, _ *bulk.Operation, rows []*bulk.Row, prepared any) ([]bulk.Outcome, error) {
	p := prepared.(preparedSync)
	// The rows may be a part of the chunk.
	b := *p.batch
	b.rows = make([]*syncRow, len(rows))
	for i, row := range rows {
		b.rows[i] = p.rows[row]
	}
	if _, err := b.transact(ctx, tx); err != nil {
		return nil, err
	}
	outcomes := make([]bulk.Outcome, len(rows))
	for i, row := range b.rows {
		outcomes[i] = bulk.Outcome{Action: row.result.Action, UserErrors: row.result.UserErrors}
		if c := row.result.Customer; c != nil && row.result.Action != batch.Failed {
			outcomes[i].ID = relay.ID{Prefix: customer.Customers.Prefix(), UUID: c.UUID}
		}
	}
	return outcomes, nil
}
