-- Rules for every migration here: one command per statement, no triggers, every key of a tenant's
-- table begins with organization_id (the schema distributes by it), every constraint has a name.

-- +goose Up
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- Lets one GIN index hold organization_id beside the trigrams, so that a search never reads another tenant's rows.
CREATE EXTENSION IF NOT EXISTS btree_gin;

CREATE TABLE organizations (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    time_zone text NOT NULL DEFAULT 'America/New_York',
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT organizations_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT organizations_is_its_own_tenant CHECK (id = organization_id),
    CONSTRAINT organizations_name_length CHECK (char_length(name) BETWEEN 1 AND 255)
);

CREATE TABLE api_keys (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    -- SHA-256 of the whole key. The secret has 160 random bits, so a slow hash would only slow us down.
    hash bytea NOT NULL,
    scopes text[] NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT api_keys_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT api_keys_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT api_keys_hash_length CHECK (octet_length(hash) = 32)
);

CREATE INDEX api_keys_created_idx ON api_keys (organization_id, created_at, id);

CREATE TABLE audit_entries (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    actor_name text NOT NULL,
    action text NOT NULL,
    target_id text NOT NULL,
    customer_id uuid,
    -- Names of what changed and, for values that are not personal, before and after. Never personal values.
    changes jsonb NOT NULL DEFAULT '{}',
    reason text,
    request_id text NOT NULL,
    ip text NOT NULL,
    CONSTRAINT audit_entries_pkey PRIMARY KEY (organization_id, id)
);

CREATE INDEX audit_entries_occurred_idx ON audit_entries (organization_id, occurred_at, id);
CREATE INDEX audit_entries_customer_idx ON audit_entries (organization_id, customer_id, occurred_at, id) WHERE customer_id IS NOT NULL;

-- +goose Down
DROP TABLE audit_entries;
DROP TABLE api_keys;
DROP TABLE organizations;
DROP EXTENSION btree_gin;
DROP EXTENSION pg_trgm;
