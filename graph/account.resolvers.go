package graph

import (
	"context"

	"caseload/internal/customer/account"
	"caseload/internal/customer/intake"
	"caseload/internal/fault"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

func (r *accountResolver) NumberMasked(ctx context.Context, obj *account.Account) (*string, error) {
	return obj.NumberMasked(r.customers.Sealer())
}

func (r *importRowResolver) UserErrors(ctx context.Context, obj *intake.ImportRow) ([]*fault.UserError, error) {
	return obj.Errors()
}

func (r *queryResolver) Account(ctx context.Context, id *relay.ID, sourceAccount *account.Key) (*account.Account, error) {
	key, err := keyOf(id, account.Accounts.Prefix())
	if err != nil {
		return nil, err
	}
	return orNull(account.Find(ctx, r.pool, viewer.From(ctx).Scope(), key, sourceAccount))
}

func (r *queryResolver) ImportRequest(ctx context.Context, requestID relay.ID) (*intake.ImportRequest, error) {
	key, err := requestID.As(intake.ImportRequests.Prefix())
	if err != nil {
		return nil, err
	}
	return orNull(intake.ImportRequests.ByID(ctx, r.pool, viewer.From(ctx).Scope(), key))
}
