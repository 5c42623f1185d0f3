-- +goose Up
-- Moments are stored as they are shown, in milliseconds, so that a time that was read finds its row, compares as equal and can be
-- sent back. What is stored already is cut, as it was shown, where PostgreSQL would round. Each table is written anew once: on a
-- large database this takes as long as reading and writing its tables, and writers wait.

ALTER TABLE account_holders
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE accounts
    ALTER COLUMN opened_at TYPE timestamptz(3) USING date_trunc('milliseconds', opened_at),
    ALTER COLUMN closed_at TYPE timestamptz(3) USING date_trunc('milliseconds', closed_at),
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE api_keys
    ALTER COLUMN expires_at TYPE timestamptz(3) USING date_trunc('milliseconds', expires_at),
    ALTER COLUMN last_used_at TYPE timestamptz(3) USING date_trunc('milliseconds', last_used_at),
    ALTER COLUMN revoked_at TYPE timestamptz(3) USING date_trunc('milliseconds', revoked_at),
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE audit_entries ALTER COLUMN occurred_at TYPE timestamptz(3) USING date_trunc('milliseconds', occurred_at);

ALTER TABLE bulk_chunks ALTER COLUMN committed_at TYPE timestamptz(3) USING date_trunc('milliseconds', committed_at);

ALTER TABLE bulk_operations
    ALTER COLUMN lease_until TYPE timestamptz(3) USING date_trunc('milliseconds', lease_until),
    ALTER COLUMN runnable_at TYPE timestamptz(3) USING date_trunc('milliseconds', runnable_at),
    ALTER COLUMN enqueued_at TYPE timestamptz(3) USING date_trunc('milliseconds', enqueued_at),
    ALTER COLUMN cancel_requested_at TYPE timestamptz(3) USING date_trunc('milliseconds', cancel_requested_at),
    ALTER COLUMN started_at TYPE timestamptz(3) USING date_trunc('milliseconds', started_at),
    ALTER COLUMN finished_at TYPE timestamptz(3) USING date_trunc('milliseconds', finished_at),
    ALTER COLUMN expires_at TYPE timestamptz(3) USING date_trunc('milliseconds', expires_at),
    ALTER COLUMN files_removed_at TYPE timestamptz(3) USING date_trunc('milliseconds', files_removed_at),
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE call_attempts
    ALTER COLUMN occurred_at TYPE timestamptz(3) USING date_trunc('milliseconds', occurred_at),
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at);

ALTER TABLE call_tasks
    ALTER COLUMN due_at TYPE timestamptz(3) USING date_trunc('milliseconds', due_at),
    ALTER COLUMN window_ends_at TYPE timestamptz(3) USING date_trunc('milliseconds', window_ends_at),
    ALTER COLUMN claimed_at TYPE timestamptz(3) USING date_trunc('milliseconds', claimed_at),
    ALTER COLUMN lease_expires_at TYPE timestamptz(3) USING date_trunc('milliseconds', lease_expires_at),
    ALTER COLUMN finished_at TYPE timestamptz(3) USING date_trunc('milliseconds', finished_at),
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

-- A card is known by when it was opened, too: two that show the same time are one, which was sent again as it had been shown. The
-- one that was written last stays.
DELETE FROM cards c USING cards o
WHERE o.organization_id = c.organization_id AND o.account_id = c.account_id AND o.source_customer_id = c.source_customer_id
    AND o.iin = c.iin AND o.last_four = c.last_four AND date_trunc('milliseconds', o.opened_at) = date_trunc('milliseconds', c.opened_at)
    AND (o.updated_at, o.id) > (c.updated_at, c.id);

ALTER TABLE cards
    ALTER COLUMN opened_at TYPE timestamptz(3) USING date_trunc('milliseconds', opened_at),
    ALTER COLUMN closed_at TYPE timestamptz(3) USING date_trunc('milliseconds', closed_at),
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE customer_addresses
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE customer_agents
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE customer_alert_programs
    ALTER COLUMN enrollment_starts_at TYPE timestamptz(3) USING date_trunc('milliseconds', enrollment_starts_at),
    ALTER COLUMN enrollment_ends_at TYPE timestamptz(3) USING date_trunc('milliseconds', enrollment_ends_at),
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE customer_coverages
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE customer_enrollments
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE customer_households
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE customer_identifiers
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN source_created_at TYPE timestamptz(3) USING date_trunc('milliseconds', source_created_at),
    ALTER COLUMN source_updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', source_updated_at);

ALTER TABLE customer_medicare
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE customer_phones
    ALTER COLUMN blocked_at TYPE timestamptz(3) USING date_trunc('milliseconds', blocked_at),
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE customer_profiles
    ALTER COLUMN last_contacted_at TYPE timestamptz(3) USING date_trunc('milliseconds', last_contacted_at),
    ALTER COLUMN converted_at TYPE timestamptz(3) USING date_trunc('milliseconds', converted_at),
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE customers
    ALTER COLUMN do_not_call_at TYPE timestamptz(3) USING date_trunc('milliseconds', do_not_call_at),
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at),
    ALTER COLUMN deleted_at TYPE timestamptz(3) USING date_trunc('milliseconds', deleted_at);

ALTER TABLE idempotency_keys
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN expires_at TYPE timestamptz(3) USING date_trunc('milliseconds', expires_at);

ALTER TABLE import_requests ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at);

ALTER TABLE import_rows ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at);

ALTER TABLE inconvenient_times ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at);

ALTER TABLE lending_systems
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE loans
    ALTER COLUMN fetched_at TYPE timestamptz(3) USING date_trunc('milliseconds', fetched_at),
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE organization_holidays ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at);

ALTER TABLE organization_windows ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at);

ALTER TABLE organizations
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE schedules
    ALTER COLUMN planned_at TYPE timestamptz(3) USING date_trunc('milliseconds', planned_at),
    ALTER COLUMN planned_until TYPE timestamptz(3) USING date_trunc('milliseconds', planned_until),
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE task_types
    ALTER COLUMN archived_at TYPE timestamptz(3) USING date_trunc('milliseconds', archived_at),
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

ALTER TABLE webhook_deliveries
    ALTER COLUMN next_attempt_at TYPE timestamptz(3) USING date_trunc('milliseconds', next_attempt_at),
    ALTER COLUMN delivered_at TYPE timestamptz(3) USING date_trunc('milliseconds', delivered_at),
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at);

ALTER TABLE webhook_endpoints
    ALTER COLUMN disabled_at TYPE timestamptz(3) USING date_trunc('milliseconds', disabled_at),
    ALTER COLUMN previous_secret_until TYPE timestamptz(3) USING date_trunc('milliseconds', previous_secret_until),
    ALTER COLUMN failing_since TYPE timestamptz(3) USING date_trunc('milliseconds', failing_since),
    ALTER COLUMN hold_until TYPE timestamptz(3) USING date_trunc('milliseconds', hold_until),
    ALTER COLUMN wake_at TYPE timestamptz(3) USING date_trunc('milliseconds', wake_at),
    ALTER COLUMN created_at TYPE timestamptz(3) USING date_trunc('milliseconds', created_at),
    ALTER COLUMN updated_at TYPE timestamptz(3) USING date_trunc('milliseconds', updated_at);

-- +goose Down
ALTER TABLE account_holders
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE accounts
    ALTER COLUMN opened_at TYPE timestamptz,
    ALTER COLUMN closed_at TYPE timestamptz,
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE api_keys
    ALTER COLUMN expires_at TYPE timestamptz,
    ALTER COLUMN last_used_at TYPE timestamptz,
    ALTER COLUMN revoked_at TYPE timestamptz,
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE audit_entries ALTER COLUMN occurred_at TYPE timestamptz;

ALTER TABLE bulk_chunks ALTER COLUMN committed_at TYPE timestamptz;

ALTER TABLE bulk_operations
    ALTER COLUMN lease_until TYPE timestamptz,
    ALTER COLUMN runnable_at TYPE timestamptz,
    ALTER COLUMN enqueued_at TYPE timestamptz,
    ALTER COLUMN cancel_requested_at TYPE timestamptz,
    ALTER COLUMN started_at TYPE timestamptz,
    ALTER COLUMN finished_at TYPE timestamptz,
    ALTER COLUMN expires_at TYPE timestamptz,
    ALTER COLUMN files_removed_at TYPE timestamptz,
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE call_attempts
    ALTER COLUMN occurred_at TYPE timestamptz,
    ALTER COLUMN created_at TYPE timestamptz;

ALTER TABLE call_tasks
    ALTER COLUMN due_at TYPE timestamptz,
    ALTER COLUMN window_ends_at TYPE timestamptz,
    ALTER COLUMN claimed_at TYPE timestamptz,
    ALTER COLUMN lease_expires_at TYPE timestamptz,
    ALTER COLUMN finished_at TYPE timestamptz,
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE cards
    ALTER COLUMN opened_at TYPE timestamptz,
    ALTER COLUMN closed_at TYPE timestamptz,
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE customer_addresses
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE customer_agents
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE customer_alert_programs
    ALTER COLUMN enrollment_starts_at TYPE timestamptz,
    ALTER COLUMN enrollment_ends_at TYPE timestamptz,
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE customer_coverages
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE customer_enrollments
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE customer_households
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE customer_identifiers
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN source_created_at TYPE timestamptz,
    ALTER COLUMN source_updated_at TYPE timestamptz;

ALTER TABLE customer_medicare
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE customer_phones
    ALTER COLUMN blocked_at TYPE timestamptz,
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE customer_profiles
    ALTER COLUMN last_contacted_at TYPE timestamptz,
    ALTER COLUMN converted_at TYPE timestamptz,
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE customers
    ALTER COLUMN do_not_call_at TYPE timestamptz,
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz,
    ALTER COLUMN deleted_at TYPE timestamptz;

ALTER TABLE idempotency_keys
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN expires_at TYPE timestamptz;

ALTER TABLE import_requests ALTER COLUMN created_at TYPE timestamptz;

ALTER TABLE import_rows ALTER COLUMN created_at TYPE timestamptz;

ALTER TABLE inconvenient_times ALTER COLUMN created_at TYPE timestamptz;

ALTER TABLE lending_systems
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE loans
    ALTER COLUMN fetched_at TYPE timestamptz,
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE organization_holidays ALTER COLUMN created_at TYPE timestamptz;

ALTER TABLE organization_windows ALTER COLUMN created_at TYPE timestamptz;

ALTER TABLE organizations
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE schedules
    ALTER COLUMN planned_at TYPE timestamptz,
    ALTER COLUMN planned_until TYPE timestamptz,
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE task_types
    ALTER COLUMN archived_at TYPE timestamptz,
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE webhook_deliveries
    ALTER COLUMN next_attempt_at TYPE timestamptz,
    ALTER COLUMN delivered_at TYPE timestamptz,
    ALTER COLUMN created_at TYPE timestamptz;

ALTER TABLE webhook_endpoints
    ALTER COLUMN disabled_at TYPE timestamptz,
    ALTER COLUMN previous_secret_until TYPE timestamptz,
    ALTER COLUMN failing_since TYPE timestamptz,
    ALTER COLUMN hold_until TYPE timestamptz,
    ALTER COLUMN wake_at TYPE timestamptz,
    ALTER COLUMN created_at TYPE timestamptz,
    ALTER COLUMN updated_at TYPE timestamptz;
