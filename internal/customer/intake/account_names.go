package intake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"caseload/internal/customer"
	"caseload/internal/customer/account"
)

// holders are the keys of the holders of the accounts that the rows mention, sorted.
func (b *createBatch) holders() []customer.SourceKey {
	var keys []customer.SourceKey
	for m := range b.mentions {
		for _, id := range m.holders {
			keys = append(keys, customer.SourceKey{Source: m.key.Source, SourceID: id})
		}
	}
	return distinct(keys)
}

// mentions yields the accounts of all rows with which nothing is wrong.
func (b *createBatch) mentions(yield func(*accountRow) bool) {
	for _, row := range b.rows {
		for _, m := range row.mentions {
			if m.ok && !yield(m) {
				return
			}
		}
	}
}

// lockAccounts locks and reads the accounts of the rows.
func (b *createBatch) lockAccounts(ctx context.Context) (map[account.Key]*pendingAccount, error) {
	keys := map[account.Key]bool{}
	for m := range b.mentions {
		keys[m.key] = true
	}
	if len(keys) == 0 {
		return map[account.Key]*pendingAccount{}, nil
	}
	var arriving []customer.SourceKey
	for _, row := range b.rows {
		if row.usable && row.key.SourceID != "" && b.byKey[row.key] == nil {
			arriving = append(arriving, row.key)
		}
	}
	return lockAccounts(ctx, b.tx, b.v.Scope(), b.s.customers.Sealer(), slices.Collect(maps.Keys(keys)), distinct(arriving))
}

// storedName is the name of a customer who is not known, as an account stores it: as that of a holder, of the primary holder, or
// of the owner of a card.
type storedName struct {
	account   account.Key
	holder    string
	isPrimary bool
	card      cardKey
}

// storedNamesSQL reads the names of customers who are not known that accounts store.
const storedNamesSQL = `
	WITH a AS (
		SELECT a.id, a.source, a.source_account_id, a.primary_source_customer_id
		FROM unnest(CAST($2 AS text[]), CAST($3 AS text[])) AS k(source, source_account_id)
			JOIN accounts a ON a.organization_id = $1 AND a.source = k.source AND a.source_account_id = k.source_account_id
	)
	SELECT a.source, a.source_account_id, h.source_customer_id, h.source_customer_id = a.primary_source_customer_id, '', '', CAST(NULL AS timestamptz)
	FROM a JOIN account_holders h ON h.organization_id = $1 AND h.account_id = a.id AND h.customer_id IS NULL
	UNION ALL
	SELECT a.source, a.source_account_id, k.source_customer_id, false, k.iin, k.last_four, k.opened_at
	FROM a JOIN cards k ON k.organization_id = $1 AND k.account_id = a.id AND k.customer_id IS NULL`

// storesNames returns what reports whether the accounts of the rows store a name of a customer who is not known that they do not
// store yet. It locks nothing.
func (b *createBatch) storesNames(ctx context.Context) func(known customersByKey) (bool, error) {
	return func(known customersByKey) (bool, error) {
		arriving := map[customer.SourceKey]bool{}
		for _, row := range b.rows {
			arriving[row.key] = arriving[row.key] || row.usable
		}
		var names []storedName
		accounts := map[account.Key]bool{}
		for m := range b.mentions {
			for _, id := range m.holders {
				if key := (customer.SourceKey{Source: m.key.Source, SourceID: id}); known[key] == nil && !arriving[key] {
					names, accounts[m.key] = append(names, m.names(id)...), true
				}
			}
		}
		stored, err := b.storedNames(ctx, slices.Collect(maps.Keys(accounts)))
		return slices.ContainsFunc(names, func(n storedName) bool { return !stored[n] }), err
	}
}

// storedNames reads the names of customers who are not known that accounts store.
func (b *createBatch) storedNames(ctx context.Context, accounts []account.Key) (map[storedName]bool, error) {
	stored := map[storedName]bool{}
	if len(accounts) == 0 {
		return stored, nil
	}
	sources, ids := accountColumnsOf(accounts)
	rows, err := b.tx.Query(ctx, storedNamesSQL, b.v.OrganizationID, sources, ids)
	if err != nil {
		return nil, fmt.Errorf("look up names of holders: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var n storedName
		var opened *time.Time
		if err := rows.Scan(&n.account.Source, &n.account.SourceAccountID, &n.holder, &n.isPrimary, &n.card.iin, &n.card.lastFour, &opened); err != nil {
			return nil, fmt.Errorf("look up names of holders: %w", err)
		}
		if opened != nil {
			n.card.sourceCustomerID, n.card.opened = n.holder, opened.UnixMilli()
		}
		stored[n] = true
		if n.isPrimary {
			n.isPrimary = false
			stored[n] = true
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look up names of holders: %w", err)
	}
	return stored, nil
}

// names are those that the account stores of a holder who is not known.
func (m *accountRow) names(holder string) []storedName {
	names := []storedName{{account: m.key, holder: holder, isPrimary: m.primary == holder}}
	for _, k := range m.cards {
		if k.ok && k.key.sourceCustomerID == holder {
			names = append(names, storedName{account: m.key, holder: holder, card: k.key})
		}
	}
	return names
}

// storesName reports whether the account stores the name of a customer who is not known that it did not store before.
func (a *pendingAccount) storesName(known func(customer.SourceKey) *uuid.UUID) bool {
	isNew := func(id string) bool { return known(customer.SourceKey{Source: a.row.Source, SourceID: id}) == nil }
	if id := a.row.PrimarySourceCustomerID; (a.stored == nil || a.stored.PrimarySourceCustomerID != id) && isNew(id) {
		return true
	}
	for id := range a.named {
		if a.holders[id] == nil && isNew(id) {
			return true
		}
	}
	for key, card := range a.cards {
		if card.stored == nil && isNew(key.sourceCustomerID) {
			return true
		}
	}
	return false
}
