package graph

import (
	"context"

	"caseload/graph/model"
	"caseload/internal/relay"
	"caseload/internal/viewer"
	"caseload/internal/webhook"
)

func (r *mutationResolver) CreateWebhookEndpoint(ctx context.Context, input webhook.CreateEndpointInput) (*model.CreateWebhookEndpointPayload, error) {
	row, secret, err := r.webhooks.CreateEndpoint(ctx, viewer.From(ctx), input)
	errs, err := refused(err)
	return &model.CreateWebhookEndpointPayload{WebhookEndpoint: row, Secret: ref(secret), UserErrors: errs}, err
}

func (r *mutationResolver) UpdateWebhookEndpoint(ctx context.Context, id relay.ID, input webhook.UpdateEndpointInput) (*model.WebhookEndpointPayload, error) {
	row, err := once(ctx, r.Resolver, func(ctx context.Context) (*webhook.Endpoint, error) {
		return r.webhooks.UpdateEndpoint(ctx, viewer.From(ctx), id, input)
	})
	errs, err := refused(err)
	return &model.WebhookEndpointPayload{WebhookEndpoint: row, UserErrors: errs}, err
}

func (r *mutationResolver) DeleteWebhookEndpoint(ctx context.Context, input webhook.DeleteEndpointInput) (*model.DeleteWebhookEndpointPayload, error) {
	row, errs, err := change(ctx, r.Resolver, r.webhooks.DeleteEndpoint, input)
	payload := &model.DeleteWebhookEndpointPayload{UserErrors: errs}
	if row != nil {
		id := row.ID()
		payload.DeletedWebhookEndpointID = &id
	}
	return payload, err
}

func (r *mutationResolver) RotateWebhookSecret(ctx context.Context, input webhook.RotateSecretInput) (*model.RotateWebhookSecretPayload, error) {
	row, secret, err := r.webhooks.RotateSecret(ctx, viewer.From(ctx), input)
	errs, err := refused(err)
	return &model.RotateWebhookSecretPayload{WebhookEndpoint: row, Secret: ref(secret), UserErrors: errs}, err
}

func (r *mutationResolver) PingWebhookEndpoint(ctx context.Context, input webhook.PingEndpointInput) (*model.WebhookDeliveryPayload, error) {
	row, errs, err := change(ctx, r.Resolver, r.webhooks.Ping, input)
	return &model.WebhookDeliveryPayload{WebhookDelivery: row, UserErrors: errs}, err
}

func (r *mutationResolver) RedeliverWebhook(ctx context.Context, input webhook.RedeliverInput) (*model.WebhookDeliveryPayload, error) {
	row, errs, err := change(ctx, r.Resolver, r.webhooks.Redeliver, input)
	return &model.WebhookDeliveryPayload{WebhookDelivery: row, UserErrors: errs}, err
}

func (r *queryResolver) WebhookEndpoint(ctx context.Context, id relay.ID) (*webhook.Endpoint, error) {
	key, err := id.As(webhook.Endpoints.Prefix())
	if err != nil {
		return nil, err
	}
	return orNull(webhook.Endpoints.ByID(ctx, r.pool, viewer.From(ctx).Scope(), key))
}
