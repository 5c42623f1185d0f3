package graph

import (
	"context"

	"caseload/graph/model"
	"caseload/internal/customer"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

func (r *customerResolver) SsnLastFour(ctx context.Context, obj *customer.Customer) (*string, error) {
	return obj.LastFour(r.customers.Sealer())
}

func (r *mutationResolver) RevealPii(ctx context.Context, input customer.RevealInput) (*model.RevealPiiPayload, error) {
	row, value, err := r.customers.Reveal(ctx, viewer.From(ctx), input)
	errs, err := refused(err)
	return &model.RevealPiiPayload{Customer: row, Value: ref(value), UserErrors: errs}, err
}

func (r *queryResolver) Customer(ctx context.Context, id *relay.ID, referenceID *string, identifier *customer.IdentifierInput) (*customer.Customer, error) {
	key, err := keyOf(id, customer.Customers.Prefix())
	if err != nil {
		return nil, err
	}
	return orNull(customer.Find(ctx, r.pool, viewer.From(ctx).Scope(), key, referenceID, identifier))
}
