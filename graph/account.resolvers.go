package graph

import (
	"context"

	"caseload/internal/customer/account"
	"caseload/internal/customer/intake"
	"caseload/internal/fault"
)

func (r *accountResolver) NumberMasked(ctx context.Context, obj *account.Account) (*string, error) {
	return obj.NumberMasked(r.customers.Sealer())
}

func (r *importRowResolver) UserErrors(ctx context.Context, obj *intake.ImportRow) ([]*fault.UserError, error) {
	return obj.Errors()
}
