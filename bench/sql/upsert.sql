-- What bulkUpsertCustomers stores of a list of customers, as PostgreSQL does it best: COPY, and one merge a table.
-- What only the program can make comes with the rows: ids, sealed numbers and their indexes. Not here is what
-- else the server does with them: it checks every field, answers for every row and writes the audit log.
BEGIN;

CREATE TEMPORARY TABLE sent (
    id uuid, source_id text, debtor_id text, first_name text, last_name text, email text, birthday date, gender text, language text,
    ssn_sealed bytea, ssn_index bytea, ssn_last_four_sealed bytea, ssn_last_four_birthday_index bytea,
    phone text, line_type text, line1 text, city text, state text, postal_code text
) ON COMMIT DROP;

\copy sent FROM pstdin WITH (FORMAT csv)

ANALYZE sent;

CREATE TEMPORARY TABLE matched ON COMMIT DROP AS
SELECT s.*, coalesce(i.customer_id, s.id) AS customer_id, i.customer_id IS NULL AS is_new
FROM sent s LEFT JOIN customer_identifiers i
    ON i.organization_id = :'org' AND i.source = 'bench' AND i.source_id = s.source_id AND i.language = s.language;

ANALYZE matched;

INSERT INTO customers AS t (organization_id, id, debtor_id, first_name, last_name, email, birthday, gender, language,
    ssn_sealed, ssn_index, ssn_last_four_sealed, ssn_last_four_birthday_index, search_text, created_at, updated_at, created_by, updated_by)
SELECT :'org', customer_id, debtor_id, first_name, last_name, email, birthday, gender, language,
    ssn_sealed, ssn_index, ssn_last_four_sealed, ssn_last_four_birthday_index,
    lower(concat_ws(' ', first_name, last_name, email, ltrim(phone, '+'), source_id)), now(), now(), 'bench', 'bench'
FROM matched
ON CONFLICT (organization_id, id) DO UPDATE SET debtor_id = excluded.debtor_id, first_name = excluded.first_name,
    last_name = excluded.last_name, email = excluded.email, birthday = excluded.birthday, gender = excluded.gender, language = excluded.language,
    ssn_sealed = excluded.ssn_sealed, ssn_index = excluded.ssn_index, ssn_last_four_sealed = excluded.ssn_last_four_sealed,
    ssn_last_four_birthday_index = excluded.ssn_last_four_birthday_index, search_text = excluded.search_text,
    version = t.version + 1, updated_at = excluded.updated_at, updated_by = excluded.updated_by
WHERE (t.debtor_id, t.first_name, t.last_name, t.email, t.birthday, t.gender, t.language, t.ssn_index) IS DISTINCT FROM
    (excluded.debtor_id, excluded.first_name, excluded.last_name, excluded.email, excluded.birthday, excluded.gender, excluded.language, excluded.ssn_index);

INSERT INTO customer_identifiers (organization_id, id, customer_id, source, source_id, language, created_at)
SELECT :'org', id, customer_id, 'bench', source_id, language, now() FROM matched WHERE is_new;

INSERT INTO customer_phones AS t (organization_id, id, customer_id, label, number, line_type, created_at, updated_at)
SELECT :'org', id, customer_id, 'PRIMARY', phone, line_type, now(), now() FROM matched
ON CONFLICT (organization_id, customer_id, label) DO UPDATE SET number = excluded.number, line_type = excluded.line_type, updated_at = excluded.updated_at
WHERE (t.number, t.line_type) IS DISTINCT FROM (excluded.number, excluded.line_type);

INSERT INTO customer_addresses AS t (organization_id, id, customer_id, label, line1, city, state, postal_code, created_at, updated_at)
SELECT :'org', id, customer_id, 'PRIMARY', line1, city, state, postal_code, now(), now() FROM matched
ON CONFLICT (organization_id, customer_id, label) DO UPDATE SET line1 = excluded.line1, city = excluded.city, state = excluded.state,
    postal_code = excluded.postal_code, updated_at = excluded.updated_at
WHERE (t.line1, t.city, t.state, t.postal_code) IS DISTINCT FROM (excluded.line1, excluded.city, excluded.state, excluded.postal_code);

COMMIT;
