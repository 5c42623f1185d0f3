-- +goose Up
CREATE TABLE customers (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    reference_id text,
    first_name text,
    middle_name text,
    last_name text,
    email text,
    birthday date,
    -- Sealed with the row's own location as associated data; the indexes are keyed hashes for equality only.
    ssn_sealed bytea,
    ssn_index bytea,
    ssn_last_four_sealed bytea,
    ssn_last_four_birthday_index bytea,
    time_zone text,
    language text,
    do_not_call boolean NOT NULL DEFAULT false,
    do_not_sms boolean NOT NULL DEFAULT false,
    do_not_email boolean NOT NULL DEFAULT false,
    do_not_mail boolean NOT NULL DEFAULT false,
    do_not_call_at timestamptz,
    is_test boolean NOT NULL DEFAULT false,
    external_metadata jsonb,
    -- Names, e-mail, phones and identifiers in lower case, kept by the same statement that changes them.
    search_text text NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT customers_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT customers_reference_id_key UNIQUE (organization_id, reference_id),
    CONSTRAINT customers_reference_id_length CHECK (char_length(reference_id) BETWEEN 1 AND 255)
);

CREATE INDEX customers_created_idx ON customers (organization_id, created_at, id);
CREATE INDEX customers_updated_idx ON customers (organization_id, updated_at, id);
CREATE INDEX customers_last_name_idx ON customers (organization_id, last_name, id);
CREATE INDEX customers_email_idx ON customers (organization_id, lower(email)) WHERE email IS NOT NULL;
CREATE INDEX customers_ssn_idx ON customers (organization_id, ssn_index) WHERE ssn_index IS NOT NULL;
CREATE INDEX customers_ssn_last_four_idx ON customers (organization_id, ssn_last_four_birthday_index) WHERE ssn_last_four_birthday_index IS NOT NULL;
CREATE INDEX customers_search_idx ON customers USING gin (organization_id, search_text gin_trgm_ops);

CREATE TABLE customer_identifiers (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    customer_id uuid NOT NULL,
    source text NOT NULL,
    source_id text NOT NULL,
    language text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    CONSTRAINT customer_identifiers_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT customer_identifiers_key UNIQUE (organization_id, source, source_id, language),
    CONSTRAINT customer_identifiers_customer_fkey FOREIGN KEY (organization_id, customer_id)
        REFERENCES customers (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT customer_identifiers_source_length CHECK (char_length(source) BETWEEN 1 AND 64),
    CONSTRAINT customer_identifiers_source_id_length CHECK (char_length(source_id) BETWEEN 1 AND 255)
);

CREATE INDEX customer_identifiers_customer_idx ON customer_identifiers (organization_id, customer_id, created_at, id);

CREATE TABLE customer_phones (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    customer_id uuid NOT NULL,
    label text NOT NULL,
    number text NOT NULL,
    line_type text NOT NULL DEFAULT 'UNKNOWN',
    blocked_at timestamptz,
    blocked_reason text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT customer_phones_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT customer_phones_label_key UNIQUE (organization_id, customer_id, label),
    CONSTRAINT customer_phones_customer_fkey FOREIGN KEY (organization_id, customer_id)
        REFERENCES customers (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT customer_phones_label_known CHECK (label IN ('PRIMARY', 'HOME', 'CELL', 'WORK', 'OTHER')),
    CONSTRAINT customer_phones_number_e164 CHECK (number ~ '^\+[1-9][0-9]{1,14}$')
);

CREATE INDEX customer_phones_customer_idx ON customer_phones (organization_id, customer_id, created_at, id);
CREATE INDEX customer_phones_number_idx ON customer_phones (organization_id, number);

CREATE TABLE customer_addresses (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    customer_id uuid NOT NULL,
    label text NOT NULL,
    line1 text,
    line2 text,
    city text,
    state text,
    postal_code text,
    country text NOT NULL DEFAULT 'US',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT customer_addresses_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT customer_addresses_label_key UNIQUE (organization_id, customer_id, label),
    CONSTRAINT customer_addresses_customer_fkey FOREIGN KEY (organization_id, customer_id)
        REFERENCES customers (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT customer_addresses_label_known CHECK (label IN ('PRIMARY', 'MAILING', 'WORK', 'OTHER'))
);

CREATE INDEX customer_addresses_customer_idx ON customer_addresses (organization_id, customer_id, created_at, id);

CREATE TABLE loans (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    customer_id uuid NOT NULL,
    -- The lending system's own number for the loan.
    external_id text NOT NULL,
    status text NOT NULL,
    product text,
    currency text NOT NULL DEFAULT 'USD',
    original_principal numeric(18, 2),
    principal_balance numeric(18, 2),
    amount_due numeric(18, 2),
    days_past_due integer,
    opened_on date,
    next_due_on date,
    fetched_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT loans_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT loans_external_id_key UNIQUE (organization_id, customer_id, external_id),
    CONSTRAINT loans_customer_fkey FOREIGN KEY (organization_id, customer_id)
        REFERENCES customers (organization_id, id) ON DELETE CASCADE
);

CREATE INDEX loans_customer_idx ON loans (organization_id, customer_id, created_at, id);

-- One lending system per organization: the key is the tenant itself.
CREATE TABLE lending_systems (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    base_url text NOT NULL,
    key_sealed bytea NOT NULL,
    is_enabled boolean NOT NULL DEFAULT true,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT lending_systems_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT lending_systems_one_per_organization UNIQUE (organization_id)
);

-- +goose Down
DROP TABLE lending_systems;
DROP TABLE loans;
DROP TABLE customer_addresses;
DROP TABLE customer_phones;
DROP TABLE customer_identifiers;
DROP TABLE customers;
