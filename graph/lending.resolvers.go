package graph

import (
	"context"

	"caseload/internal/customer"
	"caseload/internal/viewer"
)

func (r *queryResolver) LendingSystem(ctx context.Context) (*customer.LendingSystem, error) {
	return orNull(customer.ReadLendingSystem(ctx, r.pool, viewer.From(ctx).Scope()))
}
