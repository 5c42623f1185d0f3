package graph

import (
	"context"

	"caseload/internal/customer/intake"
	"caseload/internal/customer/merging"
)

func (r *mutationResolver) BulkUpsertCustomers(ctx context.Context, input intake.BulkUpsertInput) (*intake.BulkUpsertResult, error) {
	return payload(change(ctx, r.Resolver, r.intake.BulkUpsert, input))
}

func (r *mutationResolver) CreateCustomers(ctx context.Context, input intake.CreateInput) (*intake.CreateResult, error) {
	return payload(change(ctx, r.Resolver, r.intake.Create, input))
}

func (r *mutationResolver) MergeCustomers(ctx context.Context, input merging.Input) (*merging.Result, error) {
	return payload(change(ctx, r.Resolver, r.merging.Merge, input))
}
