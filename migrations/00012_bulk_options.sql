-- The options of a bulk operation that are its kind's own stand apart from those of all kinds.

-- +goose Up
UPDATE bulk_operations
SET options = (options - 'source' - 'language') || jsonb_build_object('kind', jsonb_strip_nulls(CASE kind
    WHEN 'CREATE_CUSTOMERS' THEN jsonb_build_object('sourceOrganizationId', options -> 'source')
    ELSE jsonb_build_object('source', options -> 'source', 'language', options -> 'language') END))
WHERE options -> 'source' IS NOT NULL OR options -> 'language' IS NOT NULL;

-- +goose Down
UPDATE bulk_operations
SET options = (options - 'kind') || jsonb_strip_nulls(jsonb_build_object(
    'source', coalesce(options #> '{kind,source}', options #> '{kind,sourceOrganizationId}'), 'language', options #> '{kind,language}'))
WHERE options -> 'kind' IS NOT NULL;
