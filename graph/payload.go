package graph

import (
	"github.com/google/uuid"

	"caseload/graph/model"
	"caseload/internal/fault"
	"caseload/internal/relay"
	"caseload/internal/schedule"
)

// refused returns the user errors of err, which go into the payload, apart from any other error.
func refused(err error) ([]*fault.UserError, error) {
	if errs, ok := fault.AsUserErrors(err); ok {
		return errs, nil
	}
	return []*fault.UserError{}, err
}

// deleted answers with the id of the row that is gone.
func deleted[N interface {
	comparable
	relay.Node
}](row N, errs []*fault.UserError, err error) (*model.DeletePayload, error) {
	payload := &model.DeletePayload{UserErrors: errs}
	var none N
	if row != none {
		payload.DeletedID = new(row.ID())
	}
	return payload, err
}

// ref returns a pointer to a value, or nil for the zero value.
func ref[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// payload answers with a result that is the payload, or with an empty one where there is no result.
func payload[T any, P interface {
	*T
	Refuse(errs []*fault.UserError)
}](result P, errs []*fault.UserError, err error) (P, error) {
	if result == nil {
		result = new(T)
	}
	result.Refuse(errs)
	return result, err
}

func bulkSyncPayload(rows []*schedule.SyncResult, errs []*fault.UserError) *model.BulkSyncCustomerSchedulesPayload {
	p := &model.BulkSyncCustomerSchedulesPayload{Total: int32(len(rows)), UserErrors: errs, Results: rows}
	for i, r := range rows {
		if r.Index = i; r.Success() {
			p.Succeeded++
		} else {
			p.Failed++
		}
	}
	return p
}

// keyOf reads an optional id of the type with this prefix.
func keyOf(id *relay.ID, prefix string) (*uuid.UUID, error) {
	if id == nil {
		return nil, nil
	}
	u, err := id.As(prefix)
	if err != nil {
		return nil, err
	}
	return &u, nil
}
