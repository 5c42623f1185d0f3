-- What a company has after some months: customers with one phone, one address, two loans, an active schedule
-- with seven pending calls, and three calls of the past. Ids are made of numbers in the order of creation, as
-- those of version 7 are, so that the scripts can name any row without looking it up. The temporary table
-- `sealed` brings what only the program can make.
CREATE SEQUENCE IF NOT EXISTS bench_ids START 1000000000;

CREATE OR REPLACE FUNCTION bench_id(kind integer, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CAST(concat('01980000-', lpad(to_hex(kind), 4, '0'), '-7000-8000-', lpad(to_hex(n), 12, '0')) AS uuid)
$$;

CREATE TEMPORARY TABLE places (place integer, zone text, state text, city text, area text, postal_code text);

INSERT INTO places VALUES
    (0, 'America/New_York', 'NY', 'Albany', '518', '12207'), (1, 'America/Chicago', 'IL', 'Peoria', '309', '61602'),
    (2, 'America/Denver', 'CO', 'Boulder', '303', '80302'), (3, 'America/Los_Angeles', 'CA', 'Fresno', '559', '93721'),
    (4, 'America/Chicago', 'TX', 'Waco', '254', '76701'), (5, 'America/Los_Angeles', 'WA', 'Tacoma', '253', '98402');

CREATE TEMPORARY TABLE people AS
SELECT n, bench_id(1, n) AS id, p.zone, p.state, p.city, p.postal_code, concat('+1', p.area, 2000000 + n % 7000000) AS phone,
    (ARRAY['Ann', 'Ben', 'Carla', 'David', 'Elena', 'Frank', 'Grace', 'Hugo', 'Ines', 'Jamal', 'Kate'])[1 + n % 11] AS first_name,
    (ARRAY['Rivera', 'Smith', 'Nguyen', 'Garcia', 'Johnson', 'Okafor', 'Kowalski', 'Brown', 'Patel', 'Lee', 'Martin', 'Cohen', 'Diaz'])[1 + n % 13] AS last_name,
    concat('person', n, '@example.com') AS email,
    now() - interval '200 days' + n * interval '100 milliseconds' AS created_at
FROM generate_series(:from, :to) n JOIN places p ON place = n % 6;

INSERT INTO customers (organization_id, id, reference_id, first_name, last_name, email, birthday, ssn_last_four_sealed, ssn_last_four_birthday_index, time_zone, language, external_metadata, search_text, created_at, updated_at, created_by, updated_by)
SELECT :org, id, concat('CUST-', n), first_name, last_name, email, s.birthday, s.sealed, s.index, zone, 'en', '{"segment": "prime"}',
    lower(concat_ws(' ', first_name, last_name, email, concat('CUST-', n), trim(LEADING '+' FROM phone))), created_at, created_at, 'system', 'system'
FROM people JOIN sealed s USING (n) ORDER BY n;

INSERT INTO customer_phones (organization_id, id, customer_id, label, number, line_type, created_at, updated_at)
SELECT :org, bench_id(2, n), id, 'PRIMARY', phone, 'MOBILE', created_at, created_at FROM people ORDER BY n;

INSERT INTO customer_addresses (organization_id, id, customer_id, label, line1, line2, city, state, postal_code, created_at, updated_at)
SELECT :org, bench_id(3, n), id, 'PRIMARY', concat(100 + n % 900, ' Main Street'), 'Apt 4B', city, state, postal_code, created_at, created_at FROM people ORDER BY n;

INSERT INTO loans (organization_id, id, customer_id, external_id, status, product, original_principal, principal_balance, amount_due, days_past_due, opened_on, next_due_on, fetched_at, created_at, updated_at)
SELECT :org, bench_id(4, n * 2 + k), id, concat('L', n * 2 + k), 'ACTIVE', 'INSTALLMENT', 5000, 1000 + n % 4000, 100 + n % 50, n % 90,
    CAST(created_at AS date), CAST(now() AS date) + 10, created_at, created_at + k * interval '1 millisecond', created_at
FROM people, generate_series(0, 1) k ORDER BY n, k;

INSERT INTO schedules (organization_id, id, customer_id, task_type_id, status, plan_number, attempts_made, time_zone, planned_at, planned_until, created_at, updated_at, created_by, updated_by)
SELECT :org, bench_id(5, n), id, :type, 'ACTIVE', 1, 0, zone, now(), now() + interval '8 days', created_at, now(), 'system', 'system' FROM people ORDER BY n;

INSERT INTO call_tasks (organization_id, id, customer_id, schedule_id, task_type_id, plan_number, attempt_number, state, priority, due_at, due_local, time_zone, window_ends_at, created_at, updated_at)
SELECT :org, bench_id(6, n * 7 + k), id, bench_id(5, n), :type, 1, k + 1, 'PENDING', 5, due AT TIME ZONE zone, due, zone,
    (date_trunc('day', due) + interval '21 hours') AT TIME ZONE zone, now(), now()
FROM people, generate_series(0, 6) k,
    LATERAL (SELECT CAST(current_date AS timestamp) + (k + 1) * interval '1 day' + interval '8 hours' + n % 43000 * interval '1 second' AS due) d
ORDER BY n, k;

INSERT INTO call_attempts (organization_id, id, customer_id, direction, phone_number, place, outcome, occurred_at, created_at, created_by)
SELECT :org, bench_id(7, n * 3 + k), id, 'OUTBOUND', phone, 'RESIDENCE_OR_CELL', 'NO_ANSWER', at, at, 'system'
FROM people, generate_series(0, 2) k, LATERAL (SELECT now() - (80 - k * 30) * interval '1 day' + n % 36000 * interval '1 second' AS at) d
ORDER BY n, k;

DROP TABLE people;

DROP TABLE sealed;

DROP TABLE places;
