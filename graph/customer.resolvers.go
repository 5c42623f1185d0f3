package graph

import (
	"context"

	"caseload/graph/model"
	"caseload/internal/customer"
	"caseload/internal/reveal"
	"caseload/internal/viewer"
)

func (r *customerResolver) SsnLastFour(ctx context.Context, obj *customer.Customer) (*string, error) {
	return obj.LastFour(r.customers.Sealer())
}

func (r *mutationResolver) RevealPii(ctx context.Context, input reveal.Input) (*model.RevealPiiPayload, error) {
	value, err := r.reveal.Reveal(ctx, viewer.From(ctx), input)
	errs, err := refused(err)
	return &model.RevealPiiPayload{Value: ref(value), UserErrors: errs}, err
}
