package graph

import (
	"context"

	"caseload/graph/model"
	"caseload/internal/customer"
	"caseload/internal/customer/intake"
	"caseload/internal/customer/merging"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

func (r *mutationResolver) BulkUpsertCustomers(ctx context.Context, input intake.BulkUpsertInput) (*model.BulkUpsertCustomersPayload, error) {
	result, errs, err := change(ctx, r.Resolver, r.intake.BulkUpsert, input)
	return bulkUpsertPayload(result, errs), err
}

func (r *mutationResolver) CreateCustomers(ctx context.Context, input intake.CreateInput) (*model.CreateCustomersPayload, error) {
	result, errs, err := change(ctx, r.Resolver, r.intake.Create, input)
	return createPayload(result, errs), err
}

func (r *mutationResolver) UpdateCustomer(ctx context.Context, id relay.ID, input customer.UpdateInput) (*model.UpdateCustomerPayload, error) {
	row, err := once(ctx, r.Resolver, func(ctx context.Context) (*customer.Customer, error) {
		return r.customers.Update(ctx, viewer.From(ctx), id, input)
	})
	errs, err := refused(err)
	return &model.UpdateCustomerPayload{Customer: row, UserErrors: errs}, err
}

func (r *mutationResolver) MergeCustomers(ctx context.Context, input merging.Input) (*model.MergeCustomersPayload, error) {
	result, errs, err := change(ctx, r.Resolver, r.merging.Merge, input)
	return mergePayload(result, errs), err
}
