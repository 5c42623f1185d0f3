package graph

import (
	"context"

	"caseload/internal/customer"
	"caseload/internal/fault"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

func (r *accountResolver) NumberMasked(ctx context.Context, obj *customer.Account) (*string, error) {
	return obj.NumberMasked(r.customers.Sealer())
}

func (r *importRowResolver) UserErrors(ctx context.Context, obj *customer.ImportRow) ([]*fault.UserError, error) {
	return obj.Errors()
}

func (r *queryResolver) Account(ctx context.Context, id *relay.ID, sourceAccount *customer.AccountKey) (*customer.Account, error) {
	key, err := keyOf(id, customer.Accounts.Prefix())
	if err != nil {
		return nil, err
	}
	return orNull(customer.FindAccount(ctx, r.pool, viewer.From(ctx).Scope(), key, sourceAccount))
}

func (r *queryResolver) ImportRequest(ctx context.Context, requestID relay.ID) (*customer.ImportRequest, error) {
	key, err := requestID.As(customer.ImportRequests.Prefix())
	if err != nil {
		return nil, err
	}
	return orNull(customer.ImportRequests.ByID(ctx, r.pool, viewer.From(ctx).Scope(), key))
}
