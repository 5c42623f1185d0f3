-- The page of customers, one statement per edge; what one statement tells the next stands in arrays.
SELECT c.id, c.reference_id, c.first_name, c.last_name, c.email, c.time_zone, c.language, c.do_not_call, c.created_at
FROM customers c WHERE :root ORDER BY c.created_at, c.id LIMIT 51;
SELECT p.customer_id, p.id, p.number, p.line_type, p.blocked_at
FROM customer_phones p WHERE p.organization_id = CAST(:org AS uuid) AND p.customer_id = ANY(:customers) AND p.label = 'PRIMARY';
SELECT a.customer_id, a.id, a.line1, a.line2, a.city, a.state, a.postal_code
FROM customer_addresses a WHERE a.organization_id = CAST(:org AS uuid) AND a.customer_id = ANY(:customers) AND a.label = 'PRIMARY';
SELECT p.position, l.* FROM unnest(:customers) WITH ORDINALITY p(key, position) CROSS JOIN LATERAL (
    SELECT l.id, l.external_id, l.status, l.principal_balance, l.amount_due, l.days_past_due, l.next_due_on, l.created_at
    FROM loans l WHERE l.organization_id = CAST(:org AS uuid) AND l.customer_id = p.key ORDER BY l.created_at, l.id LIMIT 11) l
ORDER BY p.position, l.created_at, l.id;
SELECT p.position, s.* FROM unnest(:customers) WITH ORDINALITY p(key, position) CROSS JOIN LATERAL (
    SELECT s.id, s.status, s.plan_number, s.time_zone, s.planned_at, s.planned_until, s.task_type_id, s.created_at
    FROM schedules s WHERE s.organization_id = CAST(:org AS uuid) AND s.customer_id = p.key ORDER BY s.created_at, s.id LIMIT 11) s
ORDER BY p.position, s.created_at, s.id;
SELECT p.position, a.* FROM unnest(:customers) WITH ORDINALITY p(key, position) CROSS JOIN LATERAL (
    SELECT a.id, a.occurred_at, a.direction, a.phone_number, a.outcome
    FROM call_attempts a WHERE a.organization_id = CAST(:org AS uuid) AND a.customer_id = p.key ORDER BY a.occurred_at, a.id LIMIT 11) a
ORDER BY p.position, a.occurred_at, a.id;
SELECT t.id, t.name, t.purpose FROM task_types t WHERE t.organization_id = CAST(:org AS uuid) AND t.id = ANY(:types);
SELECT p.position, k.* FROM unnest(:schedules) WITH ORDINALITY p(key, position) CROSS JOIN LATERAL (
    SELECT k.id, k.state, k.attempt_number, k.due_at, k.due_local, k.time_zone, k.window_ends_at, k.task_type_id
    FROM call_tasks k WHERE k.organization_id = CAST(:org AS uuid) AND k.schedule_id = p.key ORDER BY k.due_at, k.id LIMIT 11) k
ORDER BY p.position, k.due_at, k.id;
SELECT t.id, t.name FROM task_types t WHERE t.organization_id = CAST(:org AS uuid) AND t.id = ANY(:types);
