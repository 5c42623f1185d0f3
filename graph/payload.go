package graph

import (
	"github.com/google/uuid"

	"caseload/graph/model"
	"caseload/internal/customer"
	"caseload/internal/customer/intake"
	"caseload/internal/customer/merging"
	"caseload/internal/fault"
	"caseload/internal/relay"
	"caseload/internal/schedule"
)

// refused parts what the client did wrong, which goes into the payload, from everything else.
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
		id := row.ID()
		payload.DeletedID = &id
	}
	return payload, err
}

// ref returns a reference to a value that is not the zero value.
func ref[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func bulkUpsertPayload(r *intake.BulkUpsertResult, errs []*fault.UserError) *model.BulkUpsertCustomersPayload {
	p := &model.BulkUpsertCustomersPayload{Results: []*intake.UpsertResult{}, Messages: []string{}, UserErrors: errs}
	if r != nil {
		p.Results, p.Messages, p.DryRun = withErrors(r.Results), r.Messages, r.DryRun
		p.Total, p.Created, p.Updated, p.Unchanged = int32(len(r.Results)), int32(r.Counts.Created), int32(r.Counts.Updated), int32(r.Counts.Unchanged)
		p.Failed, p.Skipped = int32(r.Counts.Failed), int32(r.Counts.Skipped)
	}
	return p
}

func createPayload(r *intake.CreateResult, errs []*fault.UserError) *model.CreateCustomersPayload {
	p := &model.CreateCustomersPayload{Results: []*intake.UpsertResult{}, UserErrors: errs}
	if r != nil {
		p.Results, p.ImportRequest = withErrors(r.Results), r.Request
		if r.Request != nil {
			id := r.Request.ID()
			p.RequestID = &id
		}
	}
	return p
}

func mergePayload(r *merging.Result, errs []*fault.UserError) *model.MergeCustomersPayload {
	p := &model.MergeCustomersPayload{Merged: []*customer.Customer{}, UserErrors: errs}
	if r != nil {
		p.Customer, p.Merged = r.Customer, r.Merged
	}
	return p
}

// withErrors gives every row a list of errors: an empty one is not null.
func withErrors(rows []*intake.UpsertResult) []*intake.UpsertResult {
	for _, row := range rows {
		if row.UserErrors == nil {
			row.UserErrors = []*fault.UserError{}
		}
	}
	return rows
}

func syncPayload(r *schedule.SyncResult, errs []*fault.UserError) *model.SyncCustomerSchedulePayload {
	p := &model.SyncCustomerSchedulePayload{UserErrors: errs}
	if r != nil {
		p.Customer, p.Schedule, p.TaskType = r.Customer, r.Schedule, r.TaskType
		p.ScheduleCreated, p.NotScheduledBecause = r.ScheduleCreated, r.NotScheduledBecause
		p.TasksCreated, p.ExistingTasksRemoved, p.LoansImported = int32(r.TasksCreated), int32(r.ExistingTasksRemoved), int32(r.LoansImported)
	}
	return p
}

func bulkSyncPayload(rows []*schedule.SyncResult, errs []*fault.UserError) *model.BulkSyncCustomerSchedulesPayload {
	p := &model.BulkSyncCustomerSchedulesPayload{Total: int32(len(rows)), UserErrors: errs, Results: make([]*model.BulkSyncCustomerScheduleResult, len(rows))}
	for i, r := range rows {
		if r.Success() {
			p.Succeeded++
		} else {
			p.Failed++
		}
		p.Results[i] = &model.BulkSyncCustomerScheduleResult{
			Index: int32(i), Action: r.Action, Success: r.Success(), Customer: r.Customer, ScheduleCreated: r.ScheduleCreated,
			NotScheduledBecause: r.NotScheduledBecause, TasksCreated: int32(r.TasksCreated),
			ExistingTasksRemoved: int32(r.ExistingTasksRemoved), UserErrors: r.UserErrors,
		}
		if r.UserErrors == nil {
			p.Results[i].UserErrors = []*fault.UserError{}
		}
	}
	return p
}

func claimPayload(r *schedule.ClaimResult, errs []*fault.UserError) *model.ClaimCallTasksPayload {
	p := &model.ClaimCallTasksPayload{Claims: []*schedule.CallTaskClaim{}, UserErrors: errs}
	if r != nil {
		p.Claims, p.Skipped, p.Postponed = r.Claims, int32(r.Skipped), int32(r.Postponed)
	}
	return p
}

func renewPayload(r *schedule.RenewResult, errs []*fault.UserError) *model.CallTaskPayload {
	p := &model.CallTaskPayload{UserErrors: errs}
	if r != nil {
		p.CallTask, p.UserErrors = r.Task, append(p.UserErrors, r.UserErrors...)
	}
	return p
}

func inconveniencePayload(r *schedule.InconvenientTimeResult, errs []*fault.UserError) *model.AddInconvenientTimePayload {
	p := &model.AddInconvenientTimePayload{UserErrors: errs}
	if r != nil {
		p.InconvenientTime, p.TasksRemoved = r.InconvenientTime, int32(r.TasksRemoved)
	}
	return p
}

func completePayload(r *schedule.CallResult, errs []*fault.UserError) *model.CompleteCallTaskPayload {
	p := &model.CompleteCallTaskPayload{UserErrors: errs}
	if r != nil {
		p.CallTask, p.Attempt, p.Customer, p.Callback = r.CallTask, r.Attempt, r.Customer, r.Callback
		p.TasksRemoved, p.TasksCreated = int32(r.TasksRemoved), int32(r.TasksCreated)
	}
	return p
}

func recordPayload(r *schedule.CallResult, errs []*fault.UserError) *model.RecordCallPayload {
	p := &model.RecordCallPayload{UserErrors: errs}
	if r != nil {
		p.Attempt, p.Customer, p.TasksRemoved, p.TasksCreated = r.Attempt, r.Customer, int32(r.TasksRemoved), int32(r.TasksCreated)
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
