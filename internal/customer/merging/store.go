package merging

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/customer"
)

// lockMergeSQL locks the customers of a merge, and all whose rows point to them, in the order of [customer.LockOrder].
const lockMergeSQL = `
	SELECT c.id FROM customers c
	WHERE c.organization_id = $1 AND (c.id = ANY($2) OR c.parent_id = ANY($3) OR c.merged_into_id = ANY($3))` + customer.LockOrder

// lock locks the survivor, the named duplicates, their children and those who were merged into them, and returns the
// first two by id; customers that do not exist are missing from the answer.
func (m *merging) lock(ctx context.Context, named []uuid.UUID) (map[uuid.UUID]*customer.Customer, error) {
	// Parents change, and identifiers get another customer: a concurrent call that creates customers would link them to a
	// duplicate, or close a circle of parents that neither transaction sees.
	if err := customer.LockArrivals(ctx, m.tx, m.v.Scope(), customer.ExclusiveArrivalLock); err != nil {
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

// lockHeldSQL locks the accounts that a merge changes, in the order in which all transactions lock accounts.
const lockHeldSQL = `
	SELECT c.id FROM accounts c
	WHERE c.organization_id = $1 AND c.id IN (
		SELECT h.account_id FROM account_holders h WHERE h.organization_id = $1 AND h.customer_id = ANY($2)
		UNION
		SELECT k.account_id FROM cards k WHERE k.organization_id = $1 AND k.customer_id = ANY($2)
		UNION
		SELECT a.id FROM accounts a WHERE a.organization_id = $1 AND a.primary_customer_id = ANY($2))
	ORDER BY c.source, c.source_account_id FOR NO KEY UPDATE OF c`

// childrenSQL makes the survivor, $3, the parent of the children of the duplicates, $2.
const childrenSQL = `UPDATE customers c SET parent_id = $3, version = c.version + 1, updated_at = $4, updated_by = $5
	WHERE c.organization_id = $1 AND c.parent_id = ANY($2) AND c.id <> $3 AND c.id <> ALL($2)
	RETURNING c.organization_id, c.id, c.reference_id, c.version, c.deleted_at`

// The statements that give the survivor, $3, what the duplicates, $2 in their order, have.
const (
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

	// blocksSQL keeps a number from being called that was found wrong under one of the names: it looks at all of
	// them, and comes after phonesSQL, since a number may be there twice by then.
	blocksSQL = `UPDATE customer_phones p SET blocked_at = d.blocked_at, blocked_reason = d.blocked_reason, updated_at = $4
		FROM (SELECT DISTINCT ON (number) number, blocked_at, blocked_reason FROM customer_phones
			WHERE organization_id = $1 AND customer_id = ANY(array_append(CAST($2 AS uuid[]), CAST($3 AS uuid))) AND blocked_at IS NOT NULL
			ORDER BY number, blocked_at) d
		WHERE p.organization_id = $1 AND p.customer_id = $3 AND p.number = d.number AND p.blocked_at IS NULL`
)

var (
	// A number that must not be called goes first: the survivor may be sent it again.
	phonesSQL    = labelledSQL("customer_phones", "number", "blocked_at IS NULL, ")
	addressesSQL = labelledSQL("customer_addresses", "line1, line2, city, county, state, postal_code, country", "")
)

// labelledSQL moves the rows of a table for whose labels the survivor has none; the label OTHER takes one of the rest,
// the first by the order of urgent. What the survivor has already, by the columns of same, is left with the duplicates,
// but for its lack of a primary one: that comes from a duplicate even when the survivor knows it under another label.
func labelledSQL(table, same, urgent string) string {
	of := func(alias string) string { return alias + strings.ReplaceAll(same, ", ", ", "+alias) }
	return `
		WITH mine AS (
			SELECT label, ` + same + ` FROM ` + table + ` WHERE organization_id = $1 AND customer_id = $3
		), theirs AS (
			SELECT d.*, array_position($2, d.customer_id) AS turn,
				EXISTS (SELECT FROM mine k WHERE k.label = d.label) AS taken,
				EXISTS (SELECT FROM mine k WHERE (` + of("k.") + `) IS NOT DISTINCT FROM (` + of("d.") + `)) AS known
			FROM ` + table + ` d WHERE d.organization_id = $1 AND d.customer_id = ANY($2)
		), candidates AS (
			SELECT DISTINCT ON (` + same + `) * FROM theirs
			WHERE NOT known OR label = 'PRIMARY' AND NOT taken
			ORDER BY ` + same + `, taken, label = 'PRIMARY' DESC, turn, id
		), own AS (
			SELECT DISTINCT ON (label) id, label FROM candidates WHERE NOT taken ORDER BY label, turn, id
		), other AS (
			SELECT id, 'OTHER' AS label FROM candidates
			WHERE NOT known AND id NOT IN (SELECT id FROM own)
				AND NOT EXISTS (SELECT FROM own WHERE label = 'OTHER') AND NOT EXISTS (SELECT FROM mine WHERE label = 'OTHER')
			ORDER BY ` + urgent + `turn, label = 'PRIMARY' DESC, id LIMIT 1
		)
		UPDATE ` + table + ` p SET customer_id = $3, label = m.label, updated_at = $4
		FROM (SELECT id, label FROM own UNION ALL SELECT id, label FROM other) m
		WHERE p.organization_id = $1 AND p.id = m.id`
}

// keptSQL counts what stays with the duplicates: the survivor has the same, or has no label left for it.
const keptSQL = `
	SELECT (SELECT count(*) FROM customer_phones p WHERE p.organization_id = $1 AND p.customer_id = ANY($2)) AS phones,
		(SELECT count(*) FROM customer_addresses a WHERE a.organization_id = $1 AND a.customer_id = ANY($2)) AS addresses`

// move gives what points to the duplicates, or belongs to them, to the survivor.
func (m *merging) move(ctx context.Context) error {
	sc, from, into, now, actor := m.v.OrganizationID, ids(m.from), m.into, m.tx.Now, m.v.ActorText()
	var held []uuid.UUID
	if err := m.tx.Select(ctx, &held, lockHeldSQL, sc, from); err != nil {
		return fmt.Errorf("lock accounts: %w", err)
	}
	if err := m.tx.Select(ctx, &m.children, childrenSQL, sc, from, into, now, actor); err != nil {
		return fmt.Errorf("move children: %w", err)
	}
	m.moves.Moved.Add("children", int64(len(m.children)))
	for _, step := range []struct {
		name, sql string
		args      []any
	}{
		{"merged", mergedSQL, []any{sc, from, into}},
		{"identifiers", identifiersSQL, []any{sc, from, into}},
		{"account_holders", holdersSQL, []any{sc, from, into, now}},
		{"cards", cardsSQL, []any{sc, from, into, now}},
		{"accounts", accountsSQL, []any{sc, from, into, now, actor}},
		{"phones", phonesSQL, []any{sc, from, into, now}},
		{"blocked_phones", blocksSQL, []any{sc, from, into, now}},
		{"addresses", addressesSQL, []any{sc, from, into, now}},
		{"loans", loansSQL, []any{sc, from, into}},
	} {
		n, err := m.tx.Exec(ctx, step.sql, step.args...)
		if err != nil {
			return fmt.Errorf("move %s: %w", step.name, err)
		}
		m.moves.Moved.Add(step.name, n)
	}
	if err := m.s.customers.MoveBelongings(ctx, m.tx, m.v, m.from, m.into, &m.moves); err != nil {
		return err
	}
	// The survivor has these loans too, by the number that the lending system gave them, and all that was about them.
	n, err := m.tx.Exec(ctx, "DELETE FROM loans WHERE organization_id = $1 AND customer_id = ANY($2)", sc, from)
	if err != nil {
		return fmt.Errorf("remove loans of duplicates: %w", err)
	}
	m.moves.Removed.Add("loans", n)
	var kept struct{ Phones, Addresses int64 }
	if err := m.tx.Get(ctx, &kept, keptSQL, sc, from); err != nil {
		return fmt.Errorf("count what stays: %w", err)
	}
	m.moves.Kept.Add("phones", kept.Phones)
	m.moves.Kept.Add("addresses", kept.Addresses)
	return nil
}
