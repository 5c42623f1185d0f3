-- One text for all that is stored of an organization's customers, but for ids, times and ciphertexts: equal where
-- the rows are.
SELECT coalesce(md5(string_agg(md5(concat_ws('|', i.source, i.source_id, i.language, c.debtor_id, c.first_name, c.last_name, c.email, c.birthday,
    c.gender, c.language, c.search_text, c.version, length(c.ssn_sealed), length(c.ssn_index), length(c.ssn_last_four_sealed),
    length(c.ssn_last_four_birthday_index), p.label, p.number, p.line_type, a.label, a.line1, a.city, a.state, a.postal_code, a.country)), ''
    ORDER BY i.source_id, p.label, a.label)), '')
FROM customers c
    LEFT JOIN customer_identifiers i ON i.organization_id = $1 AND i.customer_id = c.id
    LEFT JOIN customer_phones p ON p.organization_id = $1 AND p.customer_id = c.id
    LEFT JOIN customer_addresses a ON a.organization_id = $1 AND a.customer_id = c.id
WHERE c.organization_id = $1
