-- +goose Up
CREATE TABLE webhook_endpoints (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    url text NOT NULL,
    description text,
    -- The names of the enum WebhookEventType, sorted.
    events text[] NOT NULL,
    is_enabled boolean NOT NULL,
    disabled_reason text,
    disabled_at timestamptz,
    secret_sealed bytea NOT NULL,
    -- The secret before the last rotation, which signs too until its time is over.
    previous_secret_sealed bytea,
    previous_secret_until timestamptz,
    -- Since when there have been nothing but failures.
    failing_since timestamptz,
    -- Nobody else delivers to this endpoint before: a worker is at it, or it is left alone after failures.
    hold_until timestamptz,
    -- When the next job for this endpoint runs that was enqueued for a retry.
    wake_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT webhook_endpoints_url_length CHECK (char_length(url) BETWEEN 1 AND 2048),
    CONSTRAINT webhook_endpoints_events_some CHECK (cardinality(events) > 0),
    CONSTRAINT webhook_endpoints_disabled CHECK (is_enabled = (disabled_at IS NULL) AND is_enabled = (disabled_reason IS NULL)),
    CONSTRAINT webhook_endpoints_disabled_reason_known CHECK (disabled_reason IN ('BY_HAND', 'FAILING', 'GONE')),
    CONSTRAINT webhook_endpoints_previous_secret CHECK ((previous_secret_sealed IS NULL) = (previous_secret_until IS NULL))
);

CREATE INDEX webhook_endpoints_created_idx ON webhook_endpoints (organization_id, created_at, id);

-- The log of deliveries, which is the outbox too. There is no foreign key to the endpoint: its log may be long,
-- and is removed in batches after the endpoint itself. Whoever inserts holds the endpoint's row FOR KEY SHARE.
CREATE TABLE webhook_deliveries (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    event text NOT NULL,
    event_id text NOT NULL,
    subject_id text NOT NULL,
    payload jsonb NOT NULL,
    state text NOT NULL,
    attempts integer NOT NULL,
    last_status_code integer,
    last_failure text,
    -- While an attempt is under way: when its lease ends. A worker marks only what still has the lease it claimed.
    next_attempt_at timestamptz,
    delivered_at timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT webhook_deliveries_state_known CHECK (state IN ('PENDING', 'DELIVERED', 'FAILED')),
    CONSTRAINT webhook_deliveries_pending CHECK ((state = 'PENDING') = (next_attempt_at IS NOT NULL)),
    CONSTRAINT webhook_deliveries_delivered CHECK ((state = 'DELIVERED') = (delivered_at IS NOT NULL))
);

-- The queue of each endpoint.
CREATE INDEX webhook_deliveries_queue_idx ON webhook_deliveries (organization_id, endpoint_id, next_attempt_at, id) WHERE state = 'PENDING';
CREATE INDEX webhook_deliveries_created_idx ON webhook_deliveries (organization_id, created_at, id);
CREATE INDEX webhook_deliveries_endpoint_idx ON webhook_deliveries (organization_id, endpoint_id, created_at, id);
-- Those that failed, few among many.
CREATE INDEX webhook_deliveries_state_idx ON webhook_deliveries (organization_id, state, created_at, id);

-- +goose Down
DROP TABLE webhook_deliveries;
DROP TABLE webhook_endpoints;
