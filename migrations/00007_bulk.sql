-- Work on files of any size. The files themselves are in the object store.

-- +goose Up
CREATE TABLE bulk_operations (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    format text NOT NULL,
    state text NOT NULL,
    file_name text,
    -- The uploaded file in the object store, until the operation has finished; an export has none.
    file_key text,
    file_sha256 bytea,
    byte_size bigint NOT NULL,
    options jsonb NOT NULL DEFAULT '{}',
    -- Known when the file has been checked.
    line_count integer,
    created_count integer NOT NULL DEFAULT 0,
    updated_count integer NOT NULL DEFAULT 0,
    unchanged_count integer NOT NULL DEFAULT 0,
    failed_count integer NOT NULL DEFAULT 0,
    skipped_count integer NOT NULL DEFAULT 0,
    processed_count integer NOT NULL DEFAULT 0,
    messages text[] NOT NULL DEFAULT '{}',
    -- The report of a refused file in the object store.
    report_key text,
    -- Who works on it, and until when that is believed without another word.
    lease_token uuid,
    lease_until timestamptz,
    -- Not before: the turn of others, or the wait after a failure.
    runnable_at timestamptz NOT NULL,
    -- When a job was last made for it: another is made only after a while, or when a worker has died.
    enqueued_at timestamptz,
    -- How often work on it failed since it last came further.
    failure_count integer NOT NULL DEFAULT 0,
    cancel_requested_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    expires_at timestamptz,
    files_removed_at timestamptz,
    -- On whose behalf rows are written: the credential as it was when it asked.
    actor_kind text NOT NULL,
    actor_id uuid NOT NULL,
    actor_name text NOT NULL,
    actor_scopes text[] NOT NULL,
    request_id text NOT NULL,
    ip text NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT bulk_operations_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT bulk_operations_format_known CHECK (format IN ('JSONL', 'CSV')),
    CONSTRAINT bulk_operations_state_known CHECK (state IN ('PENDING', 'CHECKING', 'RUNNING', 'COMPLETED', 'REFUSED', 'CANCELLED', 'FAILED')),
    CONSTRAINT bulk_operations_finished CHECK ((state IN ('PENDING', 'CHECKING', 'RUNNING')) = (finished_at IS NULL)),
    CONSTRAINT bulk_operations_lease CHECK ((lease_token IS NULL) = (lease_until IS NULL) AND (lease_token IS NULL OR finished_at IS NULL)),
    CONSTRAINT bulk_operations_counts CHECK (processed_count >= created_count + updated_count + unchanged_count + failed_count + skipped_count)
);

CREATE INDEX bulk_operations_created_idx ON bulk_operations (organization_id, created_at, id);
-- What is left to do is little, whatever has been done: the sweep of all organizations reads it whole.
CREATE INDEX bulk_operations_open_idx ON bulk_operations (organization_id, runnable_at, id) WHERE finished_at IS NULL;
CREATE INDEX bulk_operations_files_idx ON bulk_operations (organization_id, expires_at, id) WHERE finished_at IS NOT NULL AND files_removed_at IS NULL;

-- A chunk's row is written in the transaction of the chunk's effects: that is how lines are neither lost nor
-- repeated when a server dies.
CREATE TABLE bulk_chunks (
    organization_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    first_line integer NOT NULL,
    line_count integer NOT NULL,
    -- Where the chunk stands in the file.
    byte_from bigint NOT NULL,
    byte_to bigint NOT NULL,
    created_count integer NOT NULL,
    updated_count integer NOT NULL,
    unchanged_count integer NOT NULL,
    failed_count integer NOT NULL,
    skipped_count integer NOT NULL,
    -- The chunk's results in the object store.
    results_key text NOT NULL,
    -- Where an export goes on; NULL at its end, and in an import.
    next_cursor text,
    committed_at timestamptz NOT NULL,
    CONSTRAINT bulk_chunks_pkey PRIMARY KEY (organization_id, operation_id, first_line),
    CONSTRAINT bulk_chunks_operation_fkey FOREIGN KEY (organization_id, operation_id)
        REFERENCES bulk_operations (organization_id, id) ON DELETE CASCADE
);

-- +goose Down
DROP TABLE bulk_chunks;
DROP TABLE bulk_operations;
