package account

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/audit"
	"caseload/internal/db"
	"caseload/internal/viewer"
)

// lockAwaitingSQL locks the accounts that wait for arriving customers in the order in which all transactions lock accounts.
const lockAwaitingSQL = `
	SELECT a.id FROM accounts a
	WHERE a.organization_id = $1 AND a.id IN (
		SELECT h.account_id FROM unnest(CAST($2 AS text[]), CAST($3 AS text[])) AS arrived(source, source_id)
			JOIN account_holders h ON h.organization_id = $1 AND h.source = arrived.source AND h.source_customer_id = arrived.source_id AND h.customer_id IS NULL
		UNION ALL
		SELECT k.account_id FROM unnest(CAST($2 AS text[]), CAST($3 AS text[])) AS arrived(source, source_id)
			JOIN cards k ON k.organization_id = $1 AND k.source = arrived.source AND k.source_customer_id = arrived.source_id AND k.customer_id IS NULL)
	ORDER BY a.source, a.source_account_id FOR NO KEY UPDATE`

// resolveHoldersSQL links holders, and accounts whose primary holder it is, to the customers that arrived.
const resolveHoldersSQL = `
	WITH arrived AS (
		SELECT * FROM unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS uuid[])) AS arrived(source, source_id, customer_id)
	), held AS (
		UPDATE account_holders h SET customer_id = arrived.customer_id, updated_at = $5
		FROM arrived
		WHERE h.organization_id = $1 AND h.account_id = ANY($6) AND h.customer_id IS NULL
			AND h.source = arrived.source AND h.source_customer_id = arrived.source_id
		RETURNING h.account_id, h.customer_id, h.is_primary
	)
	UPDATE accounts a SET primary_customer_id = held.customer_id, version = a.version + 1, updated_at = $5, updated_by = $7
	FROM held
	WHERE a.organization_id = $1 AND a.id = held.account_id AND held.is_primary
	RETURNING a.id, a.primary_customer_id`

// resolveCardsSQL links cards to the customers that arrived.
const resolveCardsSQL = `
	UPDATE cards k SET customer_id = arrived.customer_id, updated_at = $5
	FROM unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS uuid[])) AS arrived(source, source_id, customer_id)
	WHERE k.organization_id = $1 AND k.account_id = ANY($6) AND k.customer_id IS NULL
		AND k.source = arrived.source AND k.source_customer_id = arrived.source_id`

// Awaiting are accounts that wait for customers who arrive, locked.
type Awaiting struct {
	sources, sourceIDs []string
	customers          []uuid.UUID
	accounts           []uuid.UUID
}

// Arrival is an id in a source system that a customer gets, without a language: accounts name customers so.
type Arrival struct {
	Source, SourceID string
	CustomerID       uuid.UUID
}

// LockAwaiting locks the accounts that named these ids before they arrived. It comes after the locks of arrivals and of
// customers. At most one statement, which returns no more than ids.
func LockAwaiting(ctx context.Context, tx *db.Tx, v *viewer.Viewer, arriving []Arrival) (*Awaiting, error) {
	a := &Awaiting{}
	for _, i := range arriving {
		a.sources, a.sourceIDs, a.customers = append(a.sources, i.Source), append(a.sourceIDs, i.SourceID), append(a.customers, i.CustomerID)
	}
	if len(a.sources) == 0 {
		return a, nil
	}
	if err := tx.Select(ctx, &a.accounts, lockAwaitingSQL, v.OrganizationID, pq.Array(a.sources), pq.Array(a.sourceIDs)); err != nil {
		return nil, fmt.Errorf("lock accounts that wait for customers: %w", err)
	}
	return a, nil
}

// Resolve links the accounts and cards to the customers, whose identifiers were written meanwhile, and writes audit entries of
// the accounts. Three statements, whatever the number, and none when no account waits. Safe to repeat.
func (a *Awaiting) Resolve(ctx context.Context, tx *db.Tx, v *viewer.Viewer) error {
	if len(a.accounts) == 0 {
		return nil
	}
	args := []any{v.OrganizationID, pq.Array(a.sources), pq.Array(a.sourceIDs), pq.Array(a.customers), tx.Now, pq.Array(a.accounts)}
	if _, err := tx.Exec(ctx, resolveCardsSQL, args...); err != nil {
		return fmt.Errorf("link cards to customers: %w", err)
	}
	var linked []*Account
	if err := tx.Select(ctx, &linked, resolveHoldersSQL, append(args, v.ActorText())...); err != nil {
		return fmt.Errorf("link holders to customers: %w", err)
	}
	changes := make([]audit.Change, len(linked))
	for i, row := range linked {
		changes[i] = audit.Change{Action: "account.imported", Target: row.ID(), CustomerID: *row.PrimaryCustomerID, Fields: map[string]any{"fields": []string{"primary_customer"}}}
	}
	return audit.Write(ctx, tx, v, changes...)
}
