-- Indexes for the filters of the log of webhook deliveries that have few matches among many.

-- +goose Up
CREATE INDEX webhook_deliveries_event_idx ON webhook_deliveries (organization_id, event, created_at, id);
CREATE INDEX webhook_deliveries_endpoint_state_idx ON webhook_deliveries (organization_id, endpoint_id, state, created_at, id);

-- +goose Down
DROP INDEX webhook_deliveries_endpoint_state_idx;
DROP INDEX webhook_deliveries_event_idx;
