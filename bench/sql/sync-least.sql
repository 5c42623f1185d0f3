-- The same change in as few statements as it needs: what is read is read at once, and what is written too.
\set n random(1, :customers)
\set change random(1, 1000000000)
BEGIN;
SELECT c.* FROM customers c WHERE c.organization_id = CAST(:org AS uuid) AND c.reference_id = concat('CUST-', CAST(:n AS text)) FOR NO KEY UPDATE;
SELECT (SELECT json_agg(p) FROM customer_phones p WHERE p.organization_id = CAST(:org AS uuid) AND p.customer_id = c.id),
    (SELECT json_agg(a) FROM customer_addresses a WHERE a.organization_id = CAST(:org AS uuid) AND a.customer_id = c.id),
    (SELECT string_agg(i.source_id, ' ') FROM customer_identifiers i WHERE i.organization_id = CAST(:org AS uuid) AND i.customer_id = c.id),
    (SELECT json_agg(a) FROM call_attempts a WHERE a.organization_id = CAST(:org AS uuid) AND a.customer_id = c.id AND a.occurred_at > now() - interval '31 days'),
    (SELECT json_agg(t) FROM call_tasks t WHERE t.organization_id = CAST(:org AS uuid) AND t.customer_id = c.id AND t.state IN ('CLAIMED', 'IN_PROGRESS')),
    (SELECT json_agg(i) FROM inconvenient_times i WHERE i.organization_id = CAST(:org AS uuid) AND i.customer_id = c.id),
    (SELECT json_agg(s) FROM schedules s WHERE s.organization_id = CAST(:org AS uuid) AND s.customer_id = c.id)
FROM (SELECT bench_id(1, :n) AS id OFFSET 0) c;
WITH one AS (
    SELECT bench_id(1, :n) AS customer_id, bench_id(5, :n) AS schedule_id, concat('person', CAST(:n AS text), '.', CAST(:change AS text), '@example.com') AS email,
        concat(CAST(:change AS text), ' Oak Avenue') AS line1
), customer AS (
    UPDATE customers t SET email = one.email, search_text = lower(concat_ws(' ', t.first_name, t.last_name, one.email, t.reference_id)), updated_at = now(), version = t.version + 1
    FROM one WHERE t.organization_id = CAST(:org AS uuid) AND t.id = one.customer_id
), address AS (
    UPDATE customer_addresses t SET line1 = one.line1, updated_at = now()
    FROM one WHERE t.organization_id = CAST(:org AS uuid) AND t.customer_id = one.customer_id AND t.label = 'PRIMARY'
), gone AS (
    DELETE FROM call_tasks t USING one WHERE t.organization_id = CAST(:org AS uuid) AND t.customer_id = one.customer_id AND t.state = 'PENDING' RETURNING t.id
), schedule AS (
    UPDATE schedules t SET status = 'ACTIVE', plan_number = t.plan_number + 1, planned_at = now(), planned_until = now() + interval '7 days', updated_at = now(), version = t.version + 1
    FROM one WHERE t.organization_id = CAST(:org AS uuid) AND t.id = one.schedule_id
), tasks AS (
    INSERT INTO call_tasks (organization_id, id, customer_id, schedule_id, task_type_id, plan_number, attempt_number, state, priority, due_at, due_local,
        time_zone, window_ends_at, created_at, updated_at)
    SELECT CAST(:org AS uuid), bench_id(8, nextval('bench_ids')), one.customer_id, one.schedule_id, CAST(:type AS uuid), 2, k, 'PENDING', 5,
        current_date + k * interval '1 day' + interval '14 hours', current_date + k * interval '1 day' + interval '8 hours', 'America/Chicago',
        current_date + k * interval '1 day' + interval '27 hours', now(), now()
    FROM one, generate_series(1, 7) k
), audit AS (
    INSERT INTO audit_entries (organization_id, id, occurred_at, actor_kind, actor_id, actor_name, action, target_id, customer_id, changes, request_id, ip)
    SELECT CAST(:org AS uuid), bench_id(9, nextval('bench_ids')), now(), 'API_KEY', 'key_01m7y7e5egffm846102ve8pzdk', 'Measurements', 'customer.synced',
        'cust_01m7y7e5deey38zeksfes3se7h', one.customer_id, '{"fields": ["email", "address"], "tasks": 7, "taskType": "collections"}', '01a1fc77-3048-758c-a991-a69d0656790e', '127.0.0.1'
    FROM one
)
SELECT count(*) FROM gone;
COMMIT;
