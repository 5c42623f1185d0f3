package graph

import (
	"context"

	"caseload/graph/model"
	"caseload/internal/identity"
	"caseload/internal/viewer"
)

func (r *mutationResolver) CreateAPIKey(ctx context.Context, input identity.CreateAPIKeyInput) (*model.APIKeyPayload, error) {
	row, key, err := r.keys.Create(ctx, viewer.From(ctx), input)
	errs, err := refused(err)
	return &model.APIKeyPayload{APIKey: row, Key: ref(key), UserErrors: errs}, err
}

func (r *mutationResolver) RevokeAPIKey(ctx context.Context, input identity.RevokeAPIKeyInput) (*model.APIKeyPayload, error) {
	row, errs, err := change(ctx, r.Resolver, r.keys.Revoke, input)
	return &model.APIKeyPayload{APIKey: row, UserErrors: errs}, err
}

func (r *queryResolver) Viewer(ctx context.Context) (*viewer.Viewer, error) {
	return viewer.From(ctx), nil
}

func (r *viewerResolver) Organization(ctx context.Context, obj *viewer.Viewer) (*identity.Organization, error) {
	return r.edges.Entities.Organization.Load(ctx, obj.OrganizationID)
}
