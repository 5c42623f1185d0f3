package intake

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/db"
	"caseload/internal/pii"
)

// lockAccountsSQL locks the accounts of a call, and those that wait for the customers it may bring, since [account.LockAwaiting]
// will lock them too: all at once, in the order in which all transactions lock accounts. It returns those of the call only, in
// the version that is locked. The lock comes after those of customers.
var lockAccountsSQL = `
	WITH locked AS (
		SELECT c.*, (c.source, c.source_account_id) IN (SELECT k.source, k.source_account_id FROM unnest(CAST($2 AS text[]), CAST($3 AS text[])) AS k(source, source_account_id)) AS is_mentioned
		FROM accounts c
		WHERE c.organization_id = $1 AND c.id IN (
			SELECT a.id FROM unnest(CAST($2 AS text[]), CAST($3 AS text[])) AS k(source, source_account_id)
				JOIN accounts a ON a.organization_id = $1 AND a.source = k.source AND a.source_account_id = k.source_account_id
			UNION
			SELECT h.account_id FROM unnest(CAST($4 AS text[]), CAST($5 AS text[])) AS k(source, source_id)
				JOIN account_holders h ON h.organization_id = $1 AND h.source = k.source AND h.source_customer_id = k.source_id AND h.customer_id IS NULL
			UNION
			SELECT w.account_id FROM unnest(CAST($4 AS text[]), CAST($5 AS text[])) AS k(source, source_id)
				JOIN cards w ON w.organization_id = $1 AND w.source = k.source AND w.source_customer_id = k.source_id AND w.customer_id IS NULL)
		ORDER BY c.source, c.source_account_id FOR NO KEY UPDATE OF c
	)
	SELECT ` + account.Accounts.Select() + " FROM locked c WHERE c.is_mentioned"

// accountColumnsOf turns keys into one array per column: source and account id.
func accountColumnsOf(keys []account.Key) (source, sourceAccountID any) {
	sources, ids := make(pq.StringArray, len(keys)), make(pq.StringArray, len(keys))
	for i, k := range keys {
		sources[i], ids[i] = k.Source, k.SourceAccountID
	}
	return sources, ids
}

// lockAccounts locks and reads accounts by their ids in the source system, with holders and cards, in three
// statements whatever their number, one when none is known. Accounts that nobody has are missing from the answer.
// arriving are the ids of customers that may come with the call: accounts that wait for them are locked, too.
func lockAccounts(ctx context.Context, tx *db.Tx, s db.Scope, sealer *pii.Sealer, keys []account.Key, arriving []customer.SourceKey) (map[account.Key]*pendingAccount, error) {
	sources, ids := accountColumnsOf(keys)
	waiting := customer.KeyColumns(arriving)
	var rows []*account.Account
	if err := tx.Select(ctx, &rows, lockAccountsSQL, s.OrganizationID, sources, ids, waiting[0], waiting[1]); err != nil {
		return nil, fmt.Errorf("lock accounts: %w", err)
	}
	accounts, byID, uuids := make(map[account.Key]*pendingAccount, len(rows)), make(map[uuid.UUID]*pendingAccount, len(rows)), make([]uuid.UUID, len(rows))
	for i, row := range rows {
		stored := *row
		a := &pendingAccount{row: *row, base: stored, stored: &stored, holders: map[string]*account.Holder{}, cards: map[cardKey]*pendingCard{}, named: map[string]bool{}}
		var err error
		if a.number, err = row.Number(sealer); err != nil {
			return nil, err
		}
		accounts[account.Key{Source: row.Source, SourceAccountID: row.SourceAccountID}], byID[row.UUID], uuids[i] = a, a, row.UUID
	}
	if len(rows) == 0 {
		return accounts, nil
	}
	// Read after the lock: what the locking statement saw of other tables may be older than the lock.
	holders, err := account.Holders.ByKeys(ctx, tx, s, "account_id", uuids)
	if err != nil {
		return nil, fmt.Errorf("read holders: %w", err)
	}
	for _, h := range holders {
		byID[h.AccountID].holders[h.SourceCustomerID] = h
	}
	cards, err := account.Cards.ByKeys(ctx, tx, s, "account_id", uuids)
	if err != nil {
		return nil, fmt.Errorf("read cards: %w", err)
	}
	for _, card := range cards {
		stored := *card
		byID[card.AccountID].cards[cardKeyOf(card)] = &pendingCard{row: *card, base: stored, stored: &stored}
	}
	return accounts, nil
}

// accountWrites is what there is to write of accounts, by statement.
type accountWrites struct {
	created, updated []*account.Account
	holders          []*account.Holder
	unheld           []uuid.UUID
	cards            []*account.Card
}

// accountColumns are the columns that a change of an account writes, in one order for one prepared statement.
var accountColumns = []string{"status", "type", "source_portfolio_id", "opened_at", "closed_at", "primary_source_customer_id",
	"primary_customer_id", "number_sealed", "number_index", "updated_at", "updated_by"}

// write stores accounts, holders and cards in at most five statements, whatever their number. When another writer
// created one of the new accounts first, it returns [db.ErrRetry].
func (w *accountWrites) write(ctx context.Context, tx *db.Tx, s db.Scope) error {
	// In the order of their keys: transactions with the same accounts wait for each other instead of deadlocking.
	slices.SortFunc(w.created, func(a, b *account.Account) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.SourceAccountID, b.SourceAccountID))
	})
	n, err := account.Accounts.InsertAll(ctx, tx, s, w.created, true)
	if err != nil {
		return fmt.Errorf("create accounts: %w", err)
	}
	if n < int64(len(w.created)) {
		return db.ErrRetry
	}
	if _, err := account.Accounts.UpdateAll(ctx, tx, s, w.updated, accountColumns); err != nil {
		return fmt.Errorf("update accounts: %w", err)
	}
	if _, err := account.Holders.DeleteAll(ctx, tx, s, w.unheld); err != nil {
		return fmt.Errorf("remove holders: %w", err)
	}
	if _, err := account.Holders.Upsert(ctx, tx, s, w.holders, []string{"organization_id", "account_id", "source_customer_id"},
		[]string{"customer_id", "is_primary", "updated_at"}); err != nil {
		return fmt.Errorf("write holders: %w", err)
	}
	if _, err := account.Cards.Upsert(ctx, tx, s, w.cards, []string{"organization_id", "account_id", "source_customer_id", "iin", "last_four", "opened_at"},
		[]string{"customer_id", "card_type", "status", "network_identifier", "closed_at", "updated_at"}); err != nil {
		return fmt.Errorf("write cards: %w", err)
	}
	return nil
}
