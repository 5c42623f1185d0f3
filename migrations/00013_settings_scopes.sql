-- SETTINGS_READ and SETTINGS_WRITE take the place of TASK_TYPES_WRITE, and of SCHEDULES_READ for task types, calling windows
-- and holidays. Scopes are sorted by their bytes, as the program wants them.

-- +goose Up
UPDATE api_keys SET scopes = ARRAY(
    SELECT DISTINCT s COLLATE "C" FROM unnest(array_replace(scopes, 'TASK_TYPES_WRITE', 'SETTINGS_WRITE')
        || CASE WHEN 'SCHEDULES_READ' = ANY (scopes) THEN ARRAY['SETTINGS_READ'] ELSE '{}' END) AS s ORDER BY 1)
WHERE scopes && ARRAY['TASK_TYPES_WRITE', 'SCHEDULES_READ'];
UPDATE bulk_operations SET actor_scopes = ARRAY(
    SELECT DISTINCT s COLLATE "C" FROM unnest(array_replace(actor_scopes, 'TASK_TYPES_WRITE', 'SETTINGS_WRITE')
        || CASE WHEN 'SCHEDULES_READ' = ANY (actor_scopes) THEN ARRAY['SETTINGS_READ'] ELSE '{}' END) AS s ORDER BY 1)
WHERE actor_scopes && ARRAY['TASK_TYPES_WRITE', 'SCHEDULES_READ'];

-- +goose Down
UPDATE bulk_operations SET actor_scopes = ARRAY(
    SELECT DISTINCT s COLLATE "C" FROM unnest(array_replace(array_remove(actor_scopes, 'SETTINGS_READ'), 'SETTINGS_WRITE', 'TASK_TYPES_WRITE')) AS s ORDER BY 1)
WHERE actor_scopes && ARRAY['SETTINGS_READ', 'SETTINGS_WRITE'];
UPDATE api_keys SET scopes = ARRAY(
    SELECT DISTINCT s COLLATE "C" FROM unnest(array_replace(array_remove(scopes, 'SETTINGS_READ'), 'SETTINGS_WRITE', 'TASK_TYPES_WRITE')) AS s ORDER BY 1)
WHERE scopes && ARRAY['SETTINGS_READ', 'SETTINGS_WRITE'];
