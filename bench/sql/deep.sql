-- One page of call tasks, after a cursor.
SELECT c.id, c.state, c.attempt_number, c.due_at, c.due_local, c.time_zone, c.window_ends_at
FROM call_tasks c
WHERE c.organization_id = CAST(:org AS uuid) AND (c.due_at, c.id) > (CAST(:due AS timestamptz), CAST(:id AS uuid))
ORDER BY c.due_at, c.id LIMIT 51;
