package customer

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/lib/pq"
)

// lockMergeSQL locks the customers of a merge, and all whose rows point to them, in the order of [lockOrder].
const lockMergeSQL = `
	SELECT c.id FROM customers c
	WHERE c.organization_id = $1 AND (c.id = ANY($2) OR c.parent_id = ANY($3) OR c.merged_into_id = ANY($3))` + lockOrder

// lock locks the survivor, the named duplicates, their children and those who were merged into them, and returns the
// first two by id; who does not exist is missing from the answer.
func (m *merging) lock(ctx context.Context, named []uuid.UUID) (map[uuid.UUID]*Customer, error) {
	// Parents change, and ids of source systems get another customer: who brings customers meanwhile would lead what
	// they bring to a duplicate, or close a circle of parents that neither sees.
	if err := lockArrivals(ctx, m.tx, m.v.Scope(), true); err != nil {
		return nil, err
	}
	all := append([]uuid.UUID{m.into}, named...)
	var locked []uuid.UUID
	if err := m.tx.Select(ctx, &locked, lockMergeSQL, m.v.OrganizationID, ids(all), ids(named)); err != nil {
		return nil, fmt.Errorf("lock customers: %w", err)
	}
	return customersByID(ctx, m.tx, m.v.Scope(), all)
}

// ids passes uuids as an array.
func ids(list []uuid.UUID) any { return pq.Array(list) }

// The statements that give the survivor, $3, what the duplicates, $2 in their order, have.
const (
	childrenSQL = `UPDATE customers SET parent_id = $3, version = version + 1, updated_at = $4, updated_by = $5
		WHERE organization_id = $1 AND parent_id = ANY($2) AND id <> $3 AND id <> ALL($2)`
	mergedSQL      = `UPDATE customers SET merged_into_id = $3 WHERE organization_id = $1 AND merged_into_id = ANY($2)`
	identifiersSQL = `UPDATE customer_identifiers SET customer_id = $3 WHERE organization_id = $1 AND customer_id = ANY($2)`
	holdersSQL     = `UPDATE account_holders SET customer_id = $3, updated_at = $4 WHERE organization_id = $1 AND customer_id = ANY($2)`
	cardsSQL       = `UPDATE cards SET customer_id = $3, updated_at = $4 WHERE organization_id = $1 AND customer_id = ANY($2)`
	accountsSQL    = `UPDATE accounts SET primary_customer_id = $3, version = version + 1, updated_at = $4, updated_by = $5
		WHERE organization_id = $1 AND primary_customer_id = ANY($2)`

	// loansSQL moves each loan that the survivor does not have, from the first duplicate that has it.
	loansSQL = `UPDATE loans SET customer_id = $3
		WHERE organization_id = $1 AND id IN (
			SELECT DISTINCT ON (l.external_id) l.id FROM loans l
			WHERE l.organization_id = $1 AND l.customer_id = ANY($2)
				AND NOT EXISTS (SELECT FROM loans k WHERE k.organization_id = $1 AND k.customer_id = $3 AND k.external_id = l.external_id)
			ORDER BY l.external_id, array_position($2, l.customer_id))`

	// blocksSQL keeps a number from being called that was found wrong under one of the names.
	blocksSQL = `UPDATE customer_phones p SET blocked_at = d.blocked_at, blocked_reason = d.blocked_reason, updated_at = $4
		FROM (SELECT DISTINCT ON (number) number, blocked_at, blocked_reason FROM customer_phones
			WHERE organization_id = $1 AND customer_id = ANY($2) AND blocked_at IS NOT NULL ORDER BY number, blocked_at) d
		WHERE p.organization_id = $1 AND p.customer_id = $3 AND p.number = d.number AND p.blocked_at IS NULL`

	// phonesSQL and addressesSQL move what the survivor has no such label for; the label OTHER takes one of the rest.
	phonesSQL = `
		WITH candidates AS (
			SELECT DISTINCT ON (d.number) d.id, d.label, d.customer_id FROM customer_phones d
			WHERE d.organization_id = $1 AND d.customer_id = ANY($2)
				AND NOT EXISTS (SELECT FROM customer_phones k WHERE k.organization_id = $1 AND k.customer_id = $3 AND k.number = d.number)
			ORDER BY d.number, d.blocked_at NULLS LAST, array_position($2, d.customer_id), d.label = 'PRIMARY' DESC, d.id
		), own AS (
			SELECT DISTINCT ON (label) id, label FROM candidates c
			WHERE NOT EXISTS (SELECT FROM customer_phones k WHERE k.organization_id = $1 AND k.customer_id = $3 AND k.label = c.label)
			ORDER BY label, array_position($2, customer_id), id
		), other AS (
			SELECT c.id, 'OTHER' AS label FROM candidates c
			WHERE NOT EXISTS (SELECT FROM own WHERE own.id = c.id OR own.label = 'OTHER')
				AND NOT EXISTS (SELECT FROM customer_phones k WHERE k.organization_id = $1 AND k.customer_id = $3 AND k.label = 'OTHER')
			ORDER BY array_position($2, c.customer_id), c.label = 'PRIMARY' DESC, c.id LIMIT 1
		)
		UPDATE customer_phones p SET customer_id = $3, label = m.label, updated_at = $4
		FROM (SELECT id, label FROM own UNION ALL SELECT id, label FROM other) m
		WHERE p.organization_id = $1 AND p.id = m.id`
	addressesSQL = `
		WITH candidates AS (
			SELECT DISTINCT ON (d.line1, d.line2, d.city, d.county, d.state, d.postal_code, d.country) d.id, d.label, d.customer_id FROM customer_addresses d
			WHERE d.organization_id = $1 AND d.customer_id = ANY($2)
				AND NOT EXISTS (SELECT FROM customer_addresses k WHERE k.organization_id = $1 AND k.customer_id = $3
					AND (k.line1, k.line2, k.city, k.county, k.state, k.postal_code, k.country)
						IS NOT DISTINCT FROM (d.line1, d.line2, d.city, d.county, d.state, d.postal_code, d.country))
			ORDER BY d.line1, d.line2, d.city, d.county, d.state, d.postal_code, d.country, array_position($2, d.customer_id), d.label = 'PRIMARY' DESC, d.id
		), own AS (
			SELECT DISTINCT ON (label) id, label FROM candidates c
			WHERE NOT EXISTS (SELECT FROM customer_addresses k WHERE k.organization_id = $1 AND k.customer_id = $3 AND k.label = c.label)
			ORDER BY label, array_position($2, customer_id), id
		), other AS (
			SELECT c.id, 'OTHER' AS label FROM candidates c
			WHERE NOT EXISTS (SELECT FROM own WHERE own.id = c.id OR own.label = 'OTHER')
				AND NOT EXISTS (SELECT FROM customer_addresses k WHERE k.organization_id = $1 AND k.customer_id = $3 AND k.label = 'OTHER')
			ORDER BY array_position($2, c.customer_id), c.label = 'PRIMARY' DESC, c.id LIMIT 1
		)
		UPDATE customer_addresses p SET customer_id = $3, label = m.label, updated_at = $4
		FROM (SELECT id, label FROM own UNION ALL SELECT id, label FROM other) m
		WHERE p.organization_id = $1 AND p.id = m.id`
)

// move gives what points to the duplicates, or belongs to them, to the survivor.
func (m *merging) move(ctx context.Context) error {
	sc, from, into, now, actor := m.v.OrganizationID, ids(m.from), m.into, m.tx.Now, m.v.ActorText()
	for _, step := range []struct {
		name, sql string
		args      []any
	}{
		{"children", childrenSQL, []any{sc, from, into, now, actor}},
		{"merged", mergedSQL, []any{sc, from, into}},
		{"identifiers", identifiersSQL, []any{sc, from, into}},
		{"account_holders", holdersSQL, []any{sc, from, into, now}},
		{"cards", cardsSQL, []any{sc, from, into, now}},
		{"accounts", accountsSQL, []any{sc, from, into, now, actor}},
		{"blocked_phones", blocksSQL, []any{sc, from, into, now}},
		{"phones", phonesSQL, []any{sc, from, into, now}},
		{"addresses", addressesSQL, []any{sc, from, into, now}},
		{"loans", loansSQL, []any{sc, from, into}},
	} {
		n, err := m.tx.Exec(ctx, step.sql, step.args...)
		if err != nil {
			return fmt.Errorf("move %s: %w", step.name, err)
		}
		if n > 0 {
			m.moved[step.name] = n
		}
	}
	for _, f := range m.s.merge {
		if err := f(ctx, m.tx, m.v, m.from, m.into); err != nil {
			return err
		}
	}
	// The survivor has these already, or has no label left for them.
	for _, table := range []string{"loans", "customer_phones", "customer_addresses"} {
		if _, err := m.tx.Exec(ctx, "DELETE FROM "+table+" WHERE organization_id = $1 AND customer_id = ANY($2)", m.v.OrganizationID, ids(m.from)); err != nil {
			return fmt.Errorf("remove %s of duplicates: %w", table, err)
		}
	}
	return nil
}
