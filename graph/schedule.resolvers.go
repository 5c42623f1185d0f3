package graph

import (
	"context"

	"caseload/graph/model"
	"caseload/internal/calling"
	"caseload/internal/civil"
	"caseload/internal/customer"
	"caseload/internal/fault"
	"caseload/internal/relay"
	"caseload/internal/schedule"
	"caseload/internal/viewer"
)

func (r *mutationResolver) SyncCustomerSchedule(ctx context.Context, input schedule.SyncCustomerScheduleInput) (*schedule.SyncResult, error) {
	return payload(change(ctx, r.Resolver, r.schedules.Sync, input))
}

func (r *mutationResolver) BulkSyncCustomerSchedules(ctx context.Context, input schedule.BulkSyncCustomerSchedulesInput) (*model.BulkSyncCustomerSchedulesPayload, error) {
	results, errs, err := change(ctx, r.Resolver, r.schedules.BulkSync, input)
	return bulkSyncPayload(results, errs), err
}

func (r *mutationResolver) ClaimCallTasks(ctx context.Context, input schedule.ClaimCallTasksInput) (*schedule.ClaimResult, error) {
	return payload(change(ctx, r.Resolver, r.schedules.ClaimTasks, input))
}

func (r *mutationResolver) ClaimCallTask(ctx context.Context, input schedule.ClaimCallTaskInput) (*schedule.ClaimCallTaskPayload, error) {
	var denials []calling.CallDenial
	claim, err := replayed(ctx, r.Resolver, func(ctx context.Context) (claim *schedule.CallTaskClaim, err error) {
		claim, denials, err = r.schedules.ClaimOne(ctx, viewer.From(ctx), input)
		return claim, err
	})
	errs, err := refused(err)
	return &schedule.ClaimCallTaskPayload{Claim: claim, Denials: denials, Payload: fault.Payload{UserErrors: errs}}, err
}

func (r *mutationResolver) RenewCallTask(ctx context.Context, input schedule.RenewCallTaskInput) (*model.CallTaskPayload, error) {
	result, errs, err := change(ctx, r.Resolver, r.schedules.Renew, input)
	p := &model.CallTaskPayload{UserErrors: errs}
	if result != nil {
		p.CallTask, p.UserErrors = result.Task, append(errs, result.UserErrors...)
	}
	return p, err
}

func (r *mutationResolver) CompleteCallTask(ctx context.Context, input schedule.CompleteCallTaskInput) (*schedule.CallResult, error) {
	return payload(change(ctx, r.Resolver, r.schedules.Complete, input))
}

func (r *mutationResolver) CancelCallTask(ctx context.Context, input schedule.CancelCallTaskInput) (*model.CallTaskPayload, error) {
	row, errs, err := change(ctx, r.Resolver, r.schedules.Cancel, input)
	return &model.CallTaskPayload{CallTask: row, UserErrors: errs}, err
}

func (r *mutationResolver) RecordCall(ctx context.Context, input schedule.RecordCallInput) (*schedule.CallResult, error) {
	return payload(change(ctx, r.Resolver, r.schedules.RecordCall, input))
}

func (r *mutationResolver) AddInconvenientTime(ctx context.Context, input schedule.AddInconvenientTimeInput) (*schedule.InconvenientTimeResult, error) {
	return payload(change(ctx, r.Resolver, r.schedules.AddInconvenientTime, input))
}

func (r *queryResolver) SchedulePreview(ctx context.Context, input schedule.SchedulePreviewInput) (*schedule.SchedulePreview, error) {
	return r.schedules.Preview(ctx, viewer.From(ctx), input)
}

func (r *queryResolver) CallEligibility(ctx context.Context, input schedule.CallEligibilityInput) (*calling.CallEligibility, error) {
	return r.schedules.CallEligibility(ctx, viewer.From(ctx), input)
}

func (r *queryResolver) CallingWindows(ctx context.Context, state *string) ([]*schedule.CallingWindow, error) {
	return r.schedules.CallingWindows(ctx, viewer.From(ctx), state)
}

func (r *queryResolver) CallingHolidays(ctx context.Context, state *string, from *civil.Date, to *civil.Date) ([]*schedule.CallingHoliday, error) {
	return r.schedules.CallingHolidays(ctx, viewer.From(ctx), state, from, to)
}

func (r *scheduleChangeResolver) Customer(ctx context.Context, obj *schedule.ScheduleChange) (*customer.Customer, error) {
	return r.edges.Entities.Customer.Load(ctx, obj.CustomerID)
}

func (r *scheduleChangeResolver) Schedule(ctx context.Context, obj *schedule.ScheduleChange) (*schedule.Schedule, error) {
	c, err := r.edges.Entities.Customer.Load(ctx, obj.CustomerID)
	if err != nil || c == nil {
		return nil, err
	}
	return r.edges.CustomerActiveSchedule.Load(ctx, c)
}

func (r *subscriptionResolver) ScheduleChanged(ctx context.Context, customerID *relay.ID) (<-chan *schedule.ScheduleChange, error) {
	key, err := keyOf(customerID, customer.Customers.Prefix())
	if err != nil {
		return nil, err
	}
	return r.schedules.Changes(ctx, viewer.From(ctx), key), nil
}
