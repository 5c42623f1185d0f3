-- What customers bring from other systems: parents, a profile in sections, joint accounts and cards. Sections
-- are tables of their own, one row per customer with the customer's own id, since most customers have few of them.

-- +goose Up
ALTER TABLE customers
    ADD COLUMN debtor_id text,
    ADD COLUMN abbreviation text,
    ADD COLUMN title text,
    ADD COLUMN gender text,
    ADD COLUMN parent_id uuid,
    -- The parent as the source system names it: kept also when that customer is not known (yet).
    ADD COLUMN parent_source text,
    ADD COLUMN parent_source_id text,
    ADD COLUMN parent_language text,
    ADD COLUMN deleted_at timestamptz,
    ADD COLUMN deleted_by text,
    ADD COLUMN merged_into_id uuid,
    ADD CONSTRAINT customers_parent_fkey FOREIGN KEY (organization_id, parent_id) REFERENCES customers (organization_id, id),
    ADD CONSTRAINT customers_merged_into_fkey FOREIGN KEY (organization_id, merged_into_id) REFERENCES customers (organization_id, id),
    ADD CONSTRAINT customers_no_own_parent CHECK (parent_id <> id),
    ADD CONSTRAINT customers_merged_is_deleted CHECK (merged_into_id IS NULL OR deleted_at IS NOT NULL);

CREATE INDEX customers_parent_idx ON customers (organization_id, parent_id, created_at, id) WHERE parent_id IS NOT NULL;
CREATE INDEX customers_merged_into_idx ON customers (organization_id, merged_into_id, created_at, id) WHERE merged_into_id IS NOT NULL;
-- Finds those who wait for a parent that comes now.
CREATE INDEX customers_awaited_parent_idx ON customers (organization_id, parent_source, parent_source_id) WHERE parent_id IS NULL AND parent_source_id IS NOT NULL;
CREATE INDEX customers_debtor_idx ON customers (organization_id, debtor_id) WHERE debtor_id IS NOT NULL;

ALTER TABLE customer_identifiers
    -- When the record was made, and last changed, in the source system. What is older than the latter comes too late.
    ADD COLUMN source_created_at timestamptz,
    ADD COLUMN source_updated_at timestamptz;

ALTER TABLE customer_addresses ADD COLUMN county text;

CREATE TABLE customer_profiles (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    status text,
    qualification_status text,
    intent text,
    is_decision_maker boolean,
    disqualification_reason text,
    product_interest text,
    product_family text,
    salutation text,
    suffix text,
    preferred_name text,
    ethnicity text,
    marital_status text,
    client_customer_id text,
    current_source_id text,
    original_source_id text,
    last_contacted_at timestamptz,
    converted_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT customer_profiles_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT customer_profiles_customer_fkey FOREIGN KEY (organization_id, id) REFERENCES customers (organization_id, id) ON DELETE CASCADE
);

CREATE TABLE customer_coverages (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    existing_coverage text,
    plan_name text,
    carrier text,
    desired_start_on date,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT customer_coverages_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT customer_coverages_customer_fkey FOREIGN KEY (organization_id, id) REFERENCES customers (organization_id, id) ON DELETE CASCADE
);

CREATE TABLE customer_medicare (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    -- Sealed with the row's own location; the index is a keyed hash for equality only.
    mbi_sealed bytea,
    mbi_index bytea,
    has_card boolean,
    part_a_on date,
    part_b_on date,
    has_medicaid boolean,
    medicaid_number_sealed bytea,
    has_disability_benefits boolean,
    is_veteran boolean,
    va_number_sealed bytea,
    health_sherpa_customer_id text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT customer_medicare_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT customer_medicare_customer_fkey FOREIGN KEY (organization_id, id) REFERENCES customers (organization_id, id) ON DELETE CASCADE
);

CREATE INDEX customer_medicare_mbi_idx ON customer_medicare (organization_id, mbi_index) WHERE mbi_index IS NOT NULL;

CREATE TABLE customer_households (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    household_income integer,
    annual_income integer,
    filing_status text,
    dependent_count integer,
    subsidy_amount integer,
    is_subsidy_eligible boolean,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT customer_households_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT customer_households_customer_fkey FOREIGN KEY (organization_id, id) REFERENCES customers (organization_id, id) ON DELETE CASCADE
);

CREATE TABLE customer_enrollments (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    member_id text,
    carrier_name text,
    plan_name text,
    plan_code text,
    enrolled_on date,
    effective_on date,
    carrier_assigned_customer_id text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT customer_enrollments_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT customer_enrollments_customer_fkey FOREIGN KEY (organization_id, id) REFERENCES customers (organization_id, id) ON DELETE CASCADE
);

CREATE TABLE customer_agents (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text,
    npn integer,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT customer_agents_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT customer_agents_customer_fkey FOREIGN KEY (organization_id, id) REFERENCES customers (organization_id, id) ON DELETE CASCADE
);

-- The customer in the program of alerts about accounts and cards.
CREATE TABLE customer_alert_programs (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    enrollment_starts_at timestamptz,
    enrollment_ends_at timestamptz,
    opt_in_status text,
    alert_opt_ins text[] NOT NULL DEFAULT '{}',
    targeting_indicator text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT customer_alert_programs_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT customer_alert_programs_customer_fkey FOREIGN KEY (organization_id, id) REFERENCES customers (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT customer_alert_programs_dates CHECK (enrollment_ends_at >= enrollment_starts_at)
);

CREATE TABLE accounts (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    source text NOT NULL,
    source_account_id text NOT NULL,
    status text NOT NULL,
    type text NOT NULL,
    source_portfolio_id text,
    opened_at timestamptz,
    closed_at timestamptz,
    -- The primary holder as the source system names it, and the customer, when known.
    primary_source_customer_id text NOT NULL,
    primary_customer_id uuid,
    number_sealed bytea,
    number_index bytea,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT accounts_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT accounts_key UNIQUE (organization_id, source, source_account_id),
    CONSTRAINT accounts_primary_customer_fkey FOREIGN KEY (organization_id, primary_customer_id) REFERENCES customers (organization_id, id),
    CONSTRAINT accounts_source_length CHECK (char_length(source) BETWEEN 1 AND 64),
    CONSTRAINT accounts_source_account_id_length CHECK (char_length(source_account_id) BETWEEN 1 AND 255),
    CONSTRAINT accounts_status_known CHECK (status IN ('OPEN', 'CLOSED')),
    CONSTRAINT accounts_closed_has_date CHECK ((status = 'CLOSED') = (closed_at IS NOT NULL)),
    CONSTRAINT accounts_closed_after_opened CHECK (closed_at >= opened_at)
);

CREATE INDEX accounts_created_idx ON accounts (organization_id, created_at, id);
CREATE INDEX accounts_primary_customer_idx ON accounts (organization_id, primary_customer_id, created_at, id) WHERE primary_customer_id IS NOT NULL;
CREATE INDEX accounts_number_idx ON accounts (organization_id, number_index) WHERE number_index IS NOT NULL;

-- A joint account has many holders, and a holder may be named before that customer comes.
CREATE TABLE account_holders (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    source text NOT NULL,
    source_customer_id text NOT NULL,
    customer_id uuid,
    is_primary boolean NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT account_holders_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT account_holders_key UNIQUE (organization_id, account_id, source_customer_id),
    CONSTRAINT account_holders_account_fkey FOREIGN KEY (organization_id, account_id) REFERENCES accounts (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT account_holders_customer_fkey FOREIGN KEY (organization_id, customer_id) REFERENCES customers (organization_id, id)
);

CREATE INDEX account_holders_account_idx ON account_holders (organization_id, account_id, created_at, id);
CREATE INDEX account_holders_customer_idx ON account_holders (organization_id, customer_id, created_at, id) WHERE customer_id IS NOT NULL;
CREATE INDEX account_holders_awaited_idx ON account_holders (organization_id, source, source_customer_id) WHERE customer_id IS NULL;

CREATE TABLE cards (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    source text NOT NULL,
    source_customer_id text NOT NULL,
    customer_id uuid,
    iin text NOT NULL,
    last_four text NOT NULL,
    card_type text NOT NULL,
    status text NOT NULL,
    network_identifier text,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT cards_pkey PRIMARY KEY (organization_id, id),
    -- The source gives cards no id of their own.
    CONSTRAINT cards_key UNIQUE (organization_id, account_id, source_customer_id, iin, last_four, opened_at),
    CONSTRAINT cards_account_fkey FOREIGN KEY (organization_id, account_id) REFERENCES accounts (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT cards_customer_fkey FOREIGN KEY (organization_id, customer_id) REFERENCES customers (organization_id, id),
    CONSTRAINT cards_iin_form CHECK (iin ~ '^[0-9]{6}([0-9]{2})?$'),
    CONSTRAINT cards_last_four_form CHECK (last_four ~ '^[0-9]{4}$'),
    CONSTRAINT cards_status_known CHECK (status IN ('OPEN', 'CLOSED')),
    CONSTRAINT cards_closed_has_date CHECK ((status = 'CLOSED') = (closed_at IS NOT NULL)),
    CONSTRAINT cards_closed_after_opened CHECK (closed_at >= opened_at)
);

CREATE INDEX cards_account_idx ON cards (organization_id, account_id, created_at, id);
CREATE INDEX cards_customer_idx ON cards (organization_id, customer_id, created_at, id) WHERE customer_id IS NOT NULL;
CREATE INDEX cards_awaited_idx ON cards (organization_id, source, source_customer_id) WHERE customer_id IS NULL;

-- One call of createCustomers, so that its results can be asked for later.
CREATE TABLE import_requests (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    total integer NOT NULL,
    created integer NOT NULL,
    updated integer NOT NULL,
    unchanged integer NOT NULL,
    failed integer NOT NULL,
    skipped integer NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    CONSTRAINT import_requests_pkey PRIMARY KEY (organization_id, id)
);

CREATE INDEX import_requests_created_idx ON import_requests (organization_id, created_at, id);

CREATE TABLE import_rows (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    request_id uuid NOT NULL,
    index integer NOT NULL,
    action text NOT NULL,
    key text NOT NULL,
    lookup_key text NOT NULL,
    customer_id uuid,
    user_errors jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL,
    CONSTRAINT import_rows_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT import_rows_request_fkey FOREIGN KEY (organization_id, request_id) REFERENCES import_requests (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT import_rows_customer_fkey FOREIGN KEY (organization_id, customer_id) REFERENCES customers (organization_id, id)
);

CREATE INDEX import_rows_request_idx ON import_rows (organization_id, request_id, index, id);
CREATE INDEX import_rows_customer_idx ON import_rows (organization_id, customer_id) WHERE customer_id IS NOT NULL;

-- +goose Down
DROP TABLE import_rows;
DROP TABLE import_requests;
DROP TABLE cards;
DROP TABLE account_holders;
DROP TABLE accounts;
DROP TABLE customer_alert_programs;
DROP TABLE customer_agents;
DROP TABLE customer_enrollments;
DROP TABLE customer_households;
DROP TABLE customer_medicare;
DROP TABLE customer_coverages;
DROP TABLE customer_profiles;
ALTER TABLE customer_addresses DROP COLUMN county;
ALTER TABLE customer_identifiers DROP COLUMN source_created_at, DROP COLUMN source_updated_at;
DROP INDEX customers_debtor_idx;
ALTER TABLE customers
    DROP COLUMN debtor_id, DROP COLUMN abbreviation, DROP COLUMN title, DROP COLUMN gender, DROP COLUMN parent_source,
    DROP COLUMN parent_source_id, DROP COLUMN parent_language, DROP COLUMN parent_id, DROP COLUMN merged_into_id, DROP COLUMN deleted_at,
    DROP COLUMN deleted_by;
