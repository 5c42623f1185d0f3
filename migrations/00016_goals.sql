-- Goals of clients, which an organization sets.

-- +goose Up
CREATE TABLE goals (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    icon text,
    version integer NOT NULL,
    created_at timestamptz(3) NOT NULL,
    updated_at timestamptz(3) NOT NULL,
    created_by text NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT goals_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT goals_name_key UNIQUE (organization_id, name),
    CONSTRAINT goals_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT goals_icon_length CHECK (char_length(icon) BETWEEN 1 AND 255)
);
CREATE INDEX goals_created_idx ON goals (organization_id, created_at, id);
CREATE INDEX goals_search_idx ON goals USING gin (organization_id, lower(name) gin_trgm_ops);

-- +goose Down
DROP TABLE goals;
