-- Lists leave deleted customers out unless asked for them: few among many, which are found without reading the rest.

-- +goose Up
CREATE INDEX customers_deleted_idx ON customers (organization_id, created_at, id) WHERE deleted_at IS NOT NULL;

-- +goose Down
DROP INDEX customers_deleted_idx;
