-- The outcomes of mutations that were sent with an Idempotency-Key, written in the transaction of the change.

-- +goose Up
CREATE TABLE idempotency_keys (
    organization_id uuid NOT NULL,
    -- A keyed hash of the credential and its key: what a client uses as a key is nobody's business.
    id uuid NOT NULL,
    -- The name that the root field has in the answer: each is a change of its own.
    field text NOT NULL,
    -- A keyed hash of the request. Inputs hold personal data, so a plain one could be guessed.
    fingerprint bytea NOT NULL,
    -- The result, sealed with the row's own location as associated data.
    outcome_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (organization_id, id, field)
);

CREATE INDEX idempotency_keys_expiry_idx ON idempotency_keys (organization_id, expires_at);

-- +goose Down
DROP TABLE idempotency_keys;
