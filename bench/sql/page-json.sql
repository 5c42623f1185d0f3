-- The page of customers in one statement that builds the answer inside PostgreSQL.
SELECT json_agg(json_build_object(
    'id', c.id, 'referenceId', c.reference_id, 'firstName', c.first_name, 'lastName', c.last_name, 'email', c.email,
    'timeZone', c.time_zone, 'language', c.language, 'doNotCall', c.do_not_call, 'createdAt', c.created_at,
    'primaryPhone', (SELECT json_build_object('id', p.id, 'number', p.number, 'lineType', p.line_type, 'blockedAt', p.blocked_at)
        FROM customer_phones p WHERE p.organization_id = c.organization_id AND p.customer_id = c.id AND p.label = 'PRIMARY'),
    'primaryAddress', (SELECT json_build_object('id', a.id, 'line1', a.line1, 'line2', a.line2, 'city', a.city, 'state', a.state, 'postalCode', a.postal_code)
        FROM customer_addresses a WHERE a.organization_id = c.organization_id AND a.customer_id = c.id AND a.label = 'PRIMARY'),
    'loans', (SELECT json_agg(json_build_object('id', l.id, 'externalId', l.external_id, 'status', l.status, 'principalBalance', l.principal_balance,
            'amountDue', l.amount_due, 'daysPastDue', l.days_past_due, 'nextDueOn', l.next_due_on))
        FROM (SELECT * FROM loans l WHERE l.organization_id = c.organization_id AND l.customer_id = c.id ORDER BY l.created_at, l.id LIMIT 10) l),
    'schedules', (SELECT json_agg(json_build_object('id', s.id, 'status', s.status, 'planNumber', s.plan_number, 'timeZone', s.time_zone,
            'plannedAt', s.planned_at, 'plannedUntil', s.planned_until,
            'taskType', (SELECT json_build_object('id', t.id, 'name', t.name, 'purpose', t.purpose)
                FROM task_types t WHERE t.organization_id = s.organization_id AND t.id = s.task_type_id),
            'tasks', (SELECT json_agg(json_build_object('id', k.id, 'state', k.state, 'attemptNumber', k.attempt_number, 'dueAt', k.due_at,
                    'dueLocal', k.due_local, 'timeZone', k.time_zone, 'windowEndsAt', k.window_ends_at,
                    'taskType', (SELECT json_build_object('id', t.id, 'name', t.name)
                        FROM task_types t WHERE t.organization_id = k.organization_id AND t.id = k.task_type_id)))
                FROM (SELECT * FROM call_tasks k WHERE k.organization_id = s.organization_id AND k.schedule_id = s.id ORDER BY k.due_at, k.id LIMIT 10) k)))
        FROM (SELECT * FROM schedules s WHERE s.organization_id = c.organization_id AND s.customer_id = c.id ORDER BY s.created_at, s.id LIMIT 10) s),
    'callAttempts', (SELECT json_agg(json_build_object('id', a.id, 'occurredAt', a.occurred_at, 'direction', a.direction,
            'phoneNumber', a.phone_number, 'outcome', a.outcome))
        FROM (SELECT * FROM call_attempts a WHERE a.organization_id = c.organization_id AND a.customer_id = c.id ORDER BY a.occurred_at, a.id LIMIT 10) a)
    ) ORDER BY c.created_at, c.id)
FROM (SELECT * FROM customers c WHERE :root ORDER BY c.created_at, c.id LIMIT 50) c;
