package customer

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/audit"
	"caseload/internal/db"
	"caseload/internal/viewer"
)

// A source system may name a customer before it sends it: as a parent, as the holder of an account or as the owner
// of a card. The name is kept, and led to the customer by whoever brings it. Two transactions that do not see
// each other would miss each other for good: the one finds nobody of that name, the other finds nobody who
// waits. So both announce themselves before they look.
const (
	arriveSQL = `SELECT pg_advisory_xact_lock_shared(hashtextextended('arrivals of ' || CAST($1 AS text), 0))`
	awaitSQL  = `SELECT pg_advisory_xact_lock(hashtextextended('arrivals of ' || CAST($1 AS text), 0))`
)

// announcement is how much of [lockArrivals] a transaction needs.
type announcement int

const (
	// silent is who brings no identifier and leaves no name: all that it names is known, or was left before. Whoever
	// arrives finds a name that is stored.
	silent announcement = iota
	arrives
	leavesNames
)

// lockArrivals parts those who bring new identifiers, many at once, from those who leave the name of somebody who
// is not known or change parents, one at a time and without the others; who does both counts as the latter. Look up
// who is known, call it where there is something new or not known, and look up again: what was seen before may be old.
// It is held until the transaction ends, so it is taken before any row is locked.
func lockArrivals(ctx context.Context, tx *db.Tx, s db.Scope, need announcement) error {
	query := arriveSQL
	switch need {
	case silent:
		return nil
	case leavesNames:
		query = awaitSQL
	}
	if _, err := tx.Exec(ctx, query, s.OrganizationID); err != nil {
		return fmt.Errorf("wait for arriving customers: %w", err)
	}
	return nil
}

// seen are customers by the names that they are known by, with their ids and their parents.
type seen map[SourceKey]*Customer

// lookUpSQL is who is known by names, with the parents they have.
const lookUpSQL = `
	SELECT i.source, i.source_id, i.language, c.id, c.parent_source, c.parent_source_id, c.parent_language, c.parent_id
	FROM unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS text[])) AS k(source, source_id, language)
		JOIN customer_identifiers i ON i.organization_id = $1 AND i.source = k.source AND i.source_id = k.source_id AND i.language = k.language
		JOIN customers c ON c.organization_id = $1 AND c.id = i.customer_id`

// lookUp finds who is known by names. It locks nothing.
func lookUp(ctx context.Context, q db.Querier, s db.Scope, names []SourceKey) (seen, error) {
	if len(names) == 0 {
		return nil, nil
	}
	rows, err := q.Query(ctx, lookUpSQL, append([]any{s.OrganizationID}, columnsOf(names)...)...)
	if err != nil {
		return nil, fmt.Errorf("look up customers: %w", err)
	}
	defer func() { _ = rows.Close() }()
	found := make(seen, len(names))
	for rows.Next() {
		var key SourceKey
		c := &Customer{}
		if err := rows.Scan(&key.Source, &key.SourceID, &key.Language, &c.UUID, &c.ParentSource, &c.ParentSourceID, &c.ParentLanguage, &c.ParentID); err != nil {
			return nil, fmt.Errorf("look up customers: %w", err)
		}
		found[key] = c
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look up customers: %w", err)
	}
	return found, nil
}

// seen are the customers that the family knows, with the parents of its members.
func (f *family) seen() seen {
	known := make(seen, len(f.known))
	for key, id := range f.known {
		if r := f.members[id]; r != nil {
			known[key] = &r.Customer
		} else {
			known[key] = &Customer{Row: db.Row{UUID: id}}
		}
	}
	return known
}

// missing are the names that nobody has.
func (k seen) missing(names []SourceKey) []SourceKey {
	return slices.DeleteFunc(slices.Clone(names), func(name SourceKey) bool { return k[name] != nil })
}

// links reports whether the child gets another parent, or another name of one, when it is given the parent of this name.
func (k seen) links(child, parent SourceKey) bool {
	var id *uuid.UUID
	if p := k[parent]; p != nil {
		id = &p.UUID
	}
	c := k[child]
	return c == nil || !c.isChildOf(parent, id)
}

// lockAwaitingSQL locks the accounts that wait for arriving customers in the order in which all lock accounts.
const lockAwaitingSQL = `
	SELECT a.id FROM accounts a
	WHERE a.organization_id = $1 AND a.id IN (
		SELECT h.account_id FROM unnest(CAST($2 AS text[]), CAST($3 AS text[])) AS came(source, source_id)
			JOIN account_holders h ON h.organization_id = $1 AND h.source = came.source AND h.source_customer_id = came.source_id AND h.customer_id IS NULL
		UNION ALL
		SELECT k.account_id FROM unnest(CAST($2 AS text[]), CAST($3 AS text[])) AS came(source, source_id)
			JOIN cards k ON k.organization_id = $1 AND k.source = came.source AND k.source_customer_id = came.source_id AND k.customer_id IS NULL)
	ORDER BY a.source, a.source_account_id FOR NO KEY UPDATE`

// resolveHoldersSQL leads holders, and accounts whose primary holder it is, to the customers that came.
const resolveHoldersSQL = `
	WITH came AS (
		SELECT * FROM unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS uuid[])) AS came(source, source_id, customer_id)
	), held AS (
		UPDATE account_holders h SET customer_id = came.customer_id, updated_at = $5
		FROM came
		WHERE h.organization_id = $1 AND h.account_id = ANY($6) AND h.customer_id IS NULL
			AND h.source = came.source AND h.source_customer_id = came.source_id
		RETURNING h.account_id, h.customer_id, h.is_primary
	)
	UPDATE accounts a SET primary_customer_id = held.customer_id, version = a.version + 1, updated_at = $5, updated_by = $7
	FROM held
	WHERE a.organization_id = $1 AND a.id = held.account_id AND held.is_primary
	RETURNING a.id, a.primary_customer_id`

// resolveCardsSQL leads cards to the customers that came.
const resolveCardsSQL = `
	UPDATE cards k SET customer_id = came.customer_id, updated_at = $5
	FROM unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS uuid[])) AS came(source, source_id, customer_id)
	WHERE k.organization_id = $1 AND k.account_id = ANY($6) AND k.customer_id IS NULL
		AND k.source = came.source AND k.source_customer_id = came.source_id`

// awaiting are accounts that wait for customers who arrive, locked.
type awaiting struct {
	sources, sourceIDs []string
	customers          []uuid.UUID
	accounts           []uuid.UUID
}

// lockAwaiting locks the accounts that named these identifiers before they came. Those of a language are left out,
// since accounts name customers without one. It comes after [lockArrivals] and the locks of customers. At most one
// statement, which returns no more than ids.
func lockAwaiting(ctx context.Context, tx *db.Tx, v *viewer.Viewer, arriving []*Identifier) (*awaiting, error) {
	a := &awaiting{}
	for _, i := range arriving {
		if i.Language == "" {
			a.sources, a.sourceIDs, a.customers = append(a.sources, i.Source), append(a.sourceIDs, i.SourceID), append(a.customers, i.CustomerID)
		}
	}
	if len(a.sources) == 0 {
		return a, nil
	}
	if err := tx.Select(ctx, &a.accounts, lockAwaitingSQL, v.OrganizationID, pq.Array(a.sources), pq.Array(a.sourceIDs)); err != nil {
		return nil, fmt.Errorf("lock accounts that wait for customers: %w", err)
	}
	return a, nil
}

// resolve leads the accounts and cards to the customers, whose identifiers were written meanwhile, and writes
// of the accounts in the audit log. Three statements, whatever the number, and none when nobody waits. Safe to repeat.
func (a *awaiting) resolve(ctx context.Context, tx *db.Tx, v *viewer.Viewer) error {
	if len(a.accounts) == 0 {
		return nil
	}
	args := []any{v.OrganizationID, pq.Array(a.sources), pq.Array(a.sourceIDs), pq.Array(a.customers), tx.Now, pq.Array(a.accounts)}
	if _, err := tx.Exec(ctx, resolveCardsSQL, args...); err != nil {
		return fmt.Errorf("lead cards to customers: %w", err)
	}
	var led []*Account
	if err := tx.Select(ctx, &led, resolveHoldersSQL, append(args, v.ActorText())...); err != nil {
		return fmt.Errorf("lead holders to customers: %w", err)
	}
	changes := make([]audit.Change, len(led))
	for i, row := range led {
		changes[i] = audit.Change{Action: "account.imported", Target: row.ID(), CustomerID: *row.PrimaryCustomerID, Fields: map[string]any{"fields": []string{"primary_customer"}}}
	}
	return audit.Write(ctx, tx, v, changes...)
}
