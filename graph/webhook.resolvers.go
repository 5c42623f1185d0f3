package graph

import (
	"context"

	"caseload/graph/model"
	"caseload/internal/viewer"
	"caseload/internal/webhook"
)

func (r *mutationResolver) CreateWebhookEndpoint(ctx context.Context, input webhook.CreateEndpointInput) (*model.WebhookEndpointPayload, error) {
	row, secret, err := r.webhooks.CreateEndpoint(ctx, viewer.From(ctx), input)
	errs, err := refused(err)
	return &model.WebhookEndpointPayload{WebhookEndpoint: row, Secret: ref(secret), UserErrors: errs}, err
}

func (r *mutationResolver) RotateWebhookSecret(ctx context.Context, input webhook.RotateSecretInput) (*model.WebhookEndpointPayload, error) {
	row, secret, err := r.webhooks.RotateSecret(ctx, viewer.From(ctx), input)
	errs, err := refused(err)
	return &model.WebhookEndpointPayload{WebhookEndpoint: row, Secret: ref(secret), UserErrors: errs}, err
}

func (r *mutationResolver) PingWebhookEndpoint(ctx context.Context, input webhook.PingEndpointInput) (*model.WebhookDeliveryPayload, error) {
	row, errs, err := change(ctx, r.Resolver, r.webhooks.Ping, input)
	return &model.WebhookDeliveryPayload{WebhookDelivery: row, UserErrors: errs}, err
}

func (r *mutationResolver) RedeliverWebhook(ctx context.Context, input webhook.RedeliverInput) (*model.WebhookDeliveryPayload, error) {
	row, errs, err := change(ctx, r.Resolver, r.webhooks.Redeliver, input)
	return &model.WebhookDeliveryPayload{WebhookDelivery: row, UserErrors: errs}, err
}
