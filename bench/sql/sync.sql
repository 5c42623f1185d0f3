-- What the server runs for a customer who exists and whose e-mail address and street have changed, statement
-- by statement; see internal/schedule/sync.go. What only the server can make (sealed digits) stays as it is.
\set n random(1, :customers)
\set change random(1, 1000000000)
SELECT c.* FROM task_types c WHERE c.organization_id = CAST(:org AS uuid) AND c.archived_at IS NULL ORDER BY c.name, c.id;
BEGIN;
SELECT c.* FROM customers c WHERE c.organization_id = CAST(:org AS uuid) AND c.reference_id = ANY(ARRAY[concat('CUST-', CAST(:n AS text))])
ORDER BY c.id FOR NO KEY UPDATE OF c;
SELECT c.* FROM customer_phones c WHERE c.organization_id = CAST(:org AS uuid) AND c.customer_id = ANY(ARRAY[bench_id(1, :n)]);
SELECT c.* FROM customer_addresses c WHERE c.organization_id = CAST(:org AS uuid) AND c.customer_id = ANY(ARRAY[bench_id(1, :n)]);
SELECT c.* FROM customer_identifiers c WHERE c.organization_id = CAST(:org AS uuid) AND c.customer_id = ANY(ARRAY[bench_id(1, :n)]);
SELECT c.* FROM call_attempts c WHERE c.organization_id = CAST(:org AS uuid) AND c.customer_id = ANY(ARRAY[bench_id(1, :n)])
    AND c.occurred_at > now() - interval '31 days';
SELECT customer_id, claimed_at, loan_id, dialed_number FROM call_tasks
WHERE organization_id = CAST(:org AS uuid) AND customer_id = ANY(ARRAY[bench_id(1, :n)]) AND state IN ('CLAIMED', 'IN_PROGRESS');
SELECT c.* FROM inconvenient_times c WHERE c.organization_id = CAST(:org AS uuid) AND c.customer_id = ANY(ARRAY[bench_id(1, :n)]);
UPDATE customers t SET first_name = t.first_name, middle_name = t.middle_name, last_name = t.last_name, email = r.email, birthday = t.birthday,
    ssn_sealed = t.ssn_sealed, ssn_index = t.ssn_index, ssn_last_four_sealed = t.ssn_last_four_sealed,
    ssn_last_four_birthday_index = t.ssn_last_four_birthday_index, time_zone = t.time_zone, language = t.language, do_not_call = t.do_not_call,
    do_not_sms = t.do_not_sms, do_not_email = t.do_not_email, do_not_mail = t.do_not_mail, do_not_call_at = t.do_not_call_at, is_test = t.is_test,
    external_metadata = t.external_metadata, search_text = lower(concat_ws(' ', t.first_name, t.last_name, r.email, t.reference_id)),
    reference_id = t.reference_id, debtor_id = t.debtor_id, abbreviation = t.abbreviation, title = t.title, gender = t.gender,
    parent_id = t.parent_id, parent_source = t.parent_source, parent_source_id = t.parent_source_id, parent_language = t.parent_language,
    deleted_at = t.deleted_at, deleted_by = t.deleted_by, merged_into_id = t.merged_into_id,
    updated_at = now(), updated_by = 'system', version = t.version + 1
FROM unnest(ARRAY[bench_id(1, :n)], ARRAY[concat('person', CAST(:n AS text), '.', CAST(:change AS text), '@example.com')]) AS r(id, email)
WHERE t.organization_id = CAST(:org AS uuid) AND t.id = r.id;
INSERT INTO customer_addresses AS t (organization_id, id, customer_id, label, line1, line2, city, state, postal_code, country, created_at, updated_at)
SELECT CAST(:org AS uuid), bench_id(3, :n), r.customer_id, 'PRIMARY', r.line1, 'Apt 4B', 'Peoria', 'IL', '61602', 'US', now(), now()
FROM unnest(ARRAY[bench_id(1, :n)], ARRAY[concat(CAST(:change AS text), ' Oak Avenue')]) AS r(customer_id, line1)
ON CONFLICT (organization_id, customer_id, label) DO UPDATE SET line1 = excluded.line1, line2 = excluded.line2, city = excluded.city,
    county = excluded.county, state = excluded.state, postal_code = excluded.postal_code, country = excluded.country, updated_at = excluded.updated_at
WHERE (t.line1, t.line2, t.city, t.county, t.state, t.postal_code, t.country)
    IS DISTINCT FROM (excluded.line1, excluded.line2, excluded.city, excluded.county, excluded.state, excluded.postal_code, excluded.country);
WITH gone AS (
    DELETE FROM call_tasks WHERE organization_id = CAST(:org AS uuid) AND customer_id = ANY(ARRAY[bench_id(1, :n)]) AND state = 'PENDING' RETURNING customer_id
)
SELECT customer_id, count(*) AS n FROM gone GROUP BY customer_id;
SELECT c.* FROM schedules c WHERE c.organization_id = CAST(:org AS uuid) AND c.customer_id = ANY(ARRAY[bench_id(1, :n)]);
UPDATE schedules t SET status = 'ACTIVE', plan_number = t.plan_number + 1, attempts_made = 0, loan_id = NULL, time_zone = t.time_zone,
    planned_at = now(), planned_until = now() + interval '7 days', updated_at = now(), updated_by = 'system', version = t.version + 1
FROM unnest(ARRAY[bench_id(5, :n)]) AS r(id) WHERE t.organization_id = CAST(:org AS uuid) AND t.id = r.id;
INSERT INTO call_tasks AS t (organization_id, id, customer_id, schedule_id, task_type_id, plan_number, attempt_number, state, priority, due_at, due_local,
    time_zone, window_ends_at, version, created_at, updated_at)
SELECT CAST(:org AS uuid), bench_id(8, nextval('bench_ids')), r.customer_id, r.schedule_id, CAST(:type AS uuid), 2, k, 'PENDING', 5,
    current_date + k * interval '1 day' + interval '14 hours', current_date + k * interval '1 day' + interval '8 hours', 'America/Chicago',
    current_date + k * interval '1 day' + interval '27 hours', 1, now(), now()
FROM unnest(ARRAY[bench_id(1, :n)], ARRAY[bench_id(5, :n)]) AS r(customer_id, schedule_id), generate_series(1, 7) k;
INSERT INTO audit_entries (organization_id, id, occurred_at, actor_kind, actor_id, actor_name, action, target_id, customer_id, changes, request_id, ip)
SELECT CAST(:org AS uuid), bench_id(9, nextval('bench_ids')), now(), 'API_KEY', 'key_01m7y7e5egffm846102ve8pzdk', 'Measurements', 'customer.synced',
    'cust_01m7y7e5deey38zeksfes3se7h', r.customer_id, '{"fields": ["email", "address"], "tasks": 7, "taskType": "collections"}', '01a1fc77-3048-758c-a991-a69d0656790e', '127.0.0.1'
FROM unnest(ARRAY[bench_id(1, :n)]) AS r(customer_id);
COMMIT;
