package graph

import (
	"context"

	"caseload/graph/model"
	"caseload/internal/customer/intake"
	"caseload/internal/customer/merging"
)

func (r *mutationResolver) BulkUpsertCustomers(ctx context.Context, input intake.BulkUpsertInput) (*model.BulkUpsertCustomersPayload, error) {
	result, errs, err := change(ctx, r.Resolver, r.intake.BulkUpsert, input)
	return bulkUpsertPayload(result, errs), err
}

func (r *mutationResolver) CreateCustomers(ctx context.Context, input intake.CreateInput) (*model.CreateCustomersPayload, error) {
	result, errs, err := change(ctx, r.Resolver, r.intake.Create, input)
	return createPayload(result, errs), err
}

func (r *mutationResolver) MergeCustomers(ctx context.Context, input merging.Input) (*model.MergeCustomersPayload, error) {
	result, errs, err := change(ctx, r.Resolver, r.merging.Merge, input)
	return mergePayload(result, errs), err
}
