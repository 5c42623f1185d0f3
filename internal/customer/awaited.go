package customer

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/lib/pq"

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

// lockArrivals parts those who bring new identifiers, many at once, from those who leave the name of somebody who
// is not known, one at a time and without the others; who does both counts as the latter. Look up who is known,
// call it where there is something new or not known, and look up again: what was seen before may be old. It is
// held until the transaction ends, so it is taken before any row is locked.
func lockArrivals(ctx context.Context, tx *db.Tx, s db.Scope, leavesNames bool) error {
	query := arriveSQL
	if leavesNames {
		query = awaitSQL
	}
	if _, err := tx.Exec(ctx, query, s.OrganizationID); err != nil {
		return fmt.Errorf("wait for arriving customers: %w", err)
	}
	return nil
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
	WHERE a.organization_id = $1 AND a.id = held.account_id AND held.is_primary`

// resolveCardsSQL leads cards to the customers that came.
const resolveCardsSQL = `
	UPDATE cards k SET customer_id = came.customer_id, updated_at = $5
	FROM unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS uuid[])) AS came(source, source_id, customer_id)
	WHERE k.organization_id = $1 AND k.account_id = ANY($6) AND k.customer_id IS NULL
		AND k.source = came.source AND k.source_customer_id = came.source_id`

// ResolveAwaited leads the accounts and cards that named these identifiers before they came to their customers. Every
// intake calls it with the identifiers that it has just written, after [lockArrivals]; those of a language are
// left out, since accounts name customers without one. One statement when nobody waits, three otherwise,
// whatever the number. Safe to repeat.
func ResolveAwaited(ctx context.Context, tx *db.Tx, v *viewer.Viewer, arrived []*Identifier) error {
	var sources, sourceIDs []string
	var customers []uuid.UUID
	for _, i := range arrived {
		if i.Language == "" {
			sources, sourceIDs, customers = append(sources, i.Source), append(sourceIDs, i.SourceID), append(customers, i.CustomerID)
		}
	}
	if len(sources) == 0 {
		return nil
	}
	var accounts []uuid.UUID
	if err := tx.Select(ctx, &accounts, lockAwaitingSQL, v.OrganizationID, pq.Array(sources), pq.Array(sourceIDs)); err != nil {
		return fmt.Errorf("lock accounts that wait for customers: %w", err)
	}
	if len(accounts) == 0 {
		return nil
	}
	args := []any{v.OrganizationID, pq.Array(sources), pq.Array(sourceIDs), pq.Array(customers), tx.Now, pq.Array(accounts)}
	if _, err := tx.Exec(ctx, resolveCardsSQL, args...); err != nil {
		return fmt.Errorf("lead cards to customers: %w", err)
	}
	if _, err := tx.Exec(ctx, resolveHoldersSQL, append(args, v.ActorText())...); err != nil {
		return fmt.Errorf("lead holders to customers: %w", err)
	}
	return nil
}
