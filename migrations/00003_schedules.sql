-- +goose Up
CREATE TABLE task_types (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    -- What integrators send as taskType.
    name text NOT NULL,
    description text,
    purpose text NOT NULL,
    max_attempts integer NOT NULL,
    max_attempts_per_day integer NOT NULL,
    min_interval_minutes integer NOT NULL,
    horizon_days integer NOT NULL,
    days smallint NOT NULL,
    window_from time NOT NULL,
    window_to time NOT NULL,
    preferred_times time[] NOT NULL DEFAULT '{}',
    skip_holidays boolean NOT NULL,
    jitter_minutes integer NOT NULL,
    end_guard_minutes integer NOT NULL,
    reg_f_mode text NOT NULL,
    per_phone_24h_limit integer NOT NULL,
    on_exhausted text NOT NULL,
    quiet_behavior text NOT NULL,
    priority integer NOT NULL,
    archived_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT task_types_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT task_types_name_key UNIQUE (organization_id, name),
    CONSTRAINT task_types_name_form CHECK (name ~ '^[a-z][a-z0-9_-]{0,63}$'),
    CONSTRAINT task_types_purpose_known CHECK (purpose IN ('COLLECTION', 'SOLICITATION', 'SERVICING')),
    CONSTRAINT task_types_reg_f_mode_known CHECK (reg_f_mode IN ('ENFORCE', 'WARN', 'OFF'))
);

CREATE INDEX task_types_created_idx ON task_types (organization_id, created_at, id);

CREATE TABLE schedules (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    customer_id uuid NOT NULL,
    task_type_id uuid NOT NULL,
    loan_id uuid,
    status text NOT NULL,
    -- Counts the plans made for this schedule. A task of an older plan never returns to the queue.
    plan_number integer NOT NULL,
    -- Calls made since the last sync: planning anew after a call goes on from here.
    attempts_made integer NOT NULL,
    time_zone text NOT NULL,
    planned_at timestamptz NOT NULL,
    planned_until timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT schedules_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT schedules_customer_task_type_key UNIQUE (organization_id, customer_id, task_type_id),
    CONSTRAINT schedules_customer_fkey FOREIGN KEY (organization_id, customer_id)
        REFERENCES customers (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT schedules_task_type_fkey FOREIGN KEY (organization_id, task_type_id)
        REFERENCES task_types (organization_id, id),
    CONSTRAINT schedules_status_known CHECK (status IN ('ACTIVE', 'SUPERSEDED', 'EXHAUSTED', 'STOPPED'))
);

CREATE UNIQUE INDEX schedules_one_active_key ON schedules (organization_id, customer_id) WHERE status = 'ACTIVE';
CREATE INDEX schedules_customer_idx ON schedules (organization_id, customer_id, created_at, id);
CREATE INDEX schedules_task_type_idx ON schedules (organization_id, task_type_id, created_at, id);
CREATE INDEX schedules_loan_idx ON schedules (organization_id, loan_id, created_at, id) WHERE loan_id IS NOT NULL;
CREATE INDEX schedules_created_idx ON schedules (organization_id, created_at, id);

CREATE TABLE call_tasks (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    customer_id uuid NOT NULL,
    schedule_id uuid NOT NULL,
    task_type_id uuid NOT NULL,
    loan_id uuid,
    plan_number integer NOT NULL,
    attempt_number integer NOT NULL,
    state text NOT NULL,
    priority integer NOT NULL,
    due_at timestamptz NOT NULL,
    -- The intent: the wall clock at the customer's place, from which due_at was derived.
    due_local timestamp NOT NULL,
    time_zone text NOT NULL,
    window_ends_at timestamptz NOT NULL,
    claimed_by text,
    claimed_at timestamptz,
    lease_expires_at timestamptz,
    finished_at timestamptz,
    outcome text,
    note text,
    skip_reason text,
    override_reason text,
    -- The number that the dialer was given: a sync may change the customer's phone while the call is under way.
    dialed_number text,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT call_tasks_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT call_tasks_customer_fkey FOREIGN KEY (organization_id, customer_id)
        REFERENCES customers (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT call_tasks_schedule_fkey FOREIGN KEY (organization_id, schedule_id)
        REFERENCES schedules (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT call_tasks_state_known CHECK (state IN ('PENDING', 'CLAIMED', 'IN_PROGRESS', 'COMPLETED', 'FAILED', 'CANCELLED', 'EXPIRED', 'SKIPPED')),
    CONSTRAINT call_tasks_lease CHECK ((state IN ('CLAIMED', 'IN_PROGRESS')) = (lease_expires_at IS NOT NULL)),
    CONSTRAINT call_tasks_finished CHECK ((state IN ('COMPLETED', 'FAILED', 'CANCELLED', 'EXPIRED', 'SKIPPED')) = (finished_at IS NOT NULL))
);

-- The dialer's queue: due tasks by priority, oldest first.
CREATE INDEX call_tasks_queue_idx ON call_tasks (organization_id, priority, due_at, id) WHERE state = 'PENDING';
CREATE INDEX call_tasks_lease_idx ON call_tasks (organization_id, lease_expires_at) WHERE lease_expires_at IS NOT NULL;
CREATE INDEX call_tasks_pending_idx ON call_tasks (organization_id, customer_id) WHERE state = 'PENDING';
CREATE INDEX call_tasks_customer_idx ON call_tasks (organization_id, customer_id, due_at, id);
CREATE INDEX call_tasks_schedule_idx ON call_tasks (organization_id, schedule_id, due_at, id);
CREATE INDEX call_tasks_due_idx ON call_tasks (organization_id, due_at, id);

-- What was really tried. It outlives plans: the seven-day rules count from here.
CREATE TABLE call_attempts (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    customer_id uuid NOT NULL,
    task_id uuid,
    direction text NOT NULL,
    phone_number text NOT NULL,
    place text NOT NULL,
    -- Empty means unknown: such an attempt counts toward every debt.
    loan_ids uuid[] NOT NULL DEFAULT '{}',
    -- NULL when the dialer vanished after the call had begun: the call may have reached the consumer.
    outcome text,
    occurred_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    CONSTRAINT call_attempts_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT call_attempts_customer_fkey FOREIGN KEY (organization_id, customer_id)
        REFERENCES customers (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT call_attempts_direction_known CHECK (direction IN ('OUTBOUND', 'INBOUND'))
);

CREATE INDEX call_attempts_customer_idx ON call_attempts (organization_id, customer_id, occurred_at, id);

-- Times a consumer has called inconvenient (12 CFR 1006.6(b)(1)).
CREATE TABLE inconvenient_times (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    customer_id uuid NOT NULL,
    days smallint NOT NULL,
    starts_at time NOT NULL,
    ends_at time NOT NULL,
    note text,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    CONSTRAINT inconvenient_times_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT inconvenient_times_customer_fkey FOREIGN KEY (organization_id, customer_id)
        REFERENCES customers (organization_id, id) ON DELETE CASCADE
);

CREATE INDEX inconvenient_times_customer_idx ON inconvenient_times (organization_id, customer_id, created_at, id);

-- The law as data, the same for every tenant: reference tables without organization_id.
CREATE TABLE state_windows (
    state text NOT NULL,
    days smallint NOT NULL,
    on_holidays boolean NOT NULL,
    is_closed boolean NOT NULL,
    opens_at time,
    closes_at time,
    purposes text[] NOT NULL,
    source text NOT NULL,
    as_of date NOT NULL,
    CONSTRAINT state_windows_pkey PRIMARY KEY (state, days, on_holidays, is_closed),
    CONSTRAINT state_windows_open_or_closed CHECK (is_closed = (opens_at IS NULL) AND is_closed = (closes_at IS NULL))
);

CREATE TABLE state_holidays (
    state text NOT NULL,
    on_date date NOT NULL,
    name text NOT NULL,
    closes_calls boolean NOT NULL,
    source text NOT NULL,
    as_of date NOT NULL,
    CONSTRAINT state_holidays_pkey PRIMARY KEY (state, on_date)
);

-- What an organization adds to the law. It can only take time away: windows are intersected, days are added.
CREATE TABLE organization_windows (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    state text NOT NULL,
    days smallint NOT NULL,
    on_holidays boolean NOT NULL,
    is_closed boolean NOT NULL,
    opens_at time,
    closes_at time,
    purposes text[] NOT NULL,
    source text NOT NULL,
    as_of date NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    CONSTRAINT organization_windows_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT organization_windows_key UNIQUE (organization_id, state, days, on_holidays),
    CONSTRAINT organization_windows_open_or_closed CHECK (is_closed = (opens_at IS NULL) AND is_closed = (closes_at IS NULL))
);

CREATE TABLE organization_holidays (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    state text NOT NULL,
    on_date date NOT NULL,
    name text NOT NULL,
    closes_calls boolean NOT NULL,
    source text NOT NULL,
    as_of date NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    CONSTRAINT organization_holidays_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT organization_holidays_key UNIQUE (organization_id, state, on_date)
);

-- +goose Down
DROP TABLE organization_holidays;
DROP TABLE organization_windows;
DROP TABLE state_holidays;
DROP TABLE state_windows;
DROP TABLE inconvenient_times;
DROP TABLE call_attempts;
DROP TABLE call_tasks;
DROP TABLE schedules;
DROP TABLE task_types;
