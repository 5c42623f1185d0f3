-- The language of a record in its source system is a part of what the record is known by, so tags that differ in case
-- only are one: they get the case that RFC 5646 recommends, as in en, es-MX and zh-Hant.

-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION pg_temp.language_key(tag text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(CASE
            WHEN n > 1 AND part ~ '^[A-Za-z]{2}$' THEN upper(part)
            WHEN n > 1 AND part ~ '^[A-Za-z]{4}$' THEN upper(left(part, 1)) || lower(substr(part, 2))
            ELSE lower(part) END, '-' ORDER BY n)
    FROM regexp_split_to_table(tag, '-') WITH ORDINALITY AS parts(part, n)
$$;
-- +goose StatementEnd

-- Where one record is known under two of them, the other stays what it is: its customer is a duplicate, to be merged.
UPDATE customer_identifiers i SET language = w.tag
FROM (
    SELECT organization_id, id, source, source_id, tag, row_number() OVER (PARTITION BY organization_id, source, source_id, tag ORDER BY id) AS place
    FROM (SELECT *, pg_temp.language_key(language) AS tag FROM customer_identifiers WHERE language <> '') k
    WHERE language <> tag
) w
WHERE i.organization_id = w.organization_id AND i.id = w.id AND w.place = 1
    AND NOT EXISTS (SELECT FROM customer_identifiers k
        WHERE k.organization_id = w.organization_id AND k.source = w.source AND k.source_id = w.source_id AND k.language = w.tag);
UPDATE customers SET parent_language = pg_temp.language_key(parent_language) WHERE parent_language <> pg_temp.language_key(parent_language);
DROP FUNCTION pg_temp.language_key;

-- Nobody can name a longer one, so whoever is known by it is not found again. Not valid: what is stored is not looked at.
ALTER TABLE customer_identifiers ADD CONSTRAINT customer_identifiers_language_length CHECK (char_length(language) <= 35) NOT VALID;

-- +goose Down
ALTER TABLE customer_identifiers DROP CONSTRAINT customer_identifiers_language_length;
