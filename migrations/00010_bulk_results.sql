-- What the results of bulk operations take in the object store, so that an organization's files can be bounded.

-- +goose Up
ALTER TABLE bulk_operations ADD COLUMN results_bytes bigint NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE bulk_operations DROP COLUMN results_bytes;
