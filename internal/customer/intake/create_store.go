package intake

import (
	"context"

	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/db"
)

// names are what the rows of a call name: their own keys, those of holders, and the references.
func (b *createBatch) names() (own map[customer.SourceKey]bool, others []customer.SourceKey, parents []customer.SourceKey, references []string) {
	own = map[customer.SourceKey]bool{}
	holders, named, known := map[customer.SourceKey]bool{}, map[customer.SourceKey]bool{}, map[string]bool{}
	for _, row := range b.rows {
		if row.usable && row.key.SourceID != "" {
			own[row.key] = true
		}
		if row.usable && row.reference != "" {
			known[row.reference] = true
		}
		if row.parent != nil {
			named[*row.parent] = true
		}
	}
	for _, row := range b.rows {
		for _, m := range row.mentions {
			for _, id := range m.holders {
				if key := (customer.SourceKey{Source: m.key.Source, SourceID: id}); m.ok && !own[key] {
					holders[key] = true
				}
			}
		}
	}
	return own, sortedSources(holders), sortedSources(named), slices.Sorted(maps.Keys(known))
}

func sortedSources(keys map[customer.SourceKey]bool) []customer.SourceKey {
	return slices.SortedFunc(maps.Keys(keys), customer.SourceKey.Compare)
}

// lockNeeded returns the mode of the arrival lock that a call needs when these customers are known, by the names and the
// references that they are known by.
func (b *createBatch) lockNeeded(known seen, references map[string]bool, waiting map[customer.SourceKey][]*customer.Record) customer.ArrivalLock {
	need := customer.NoArrivalLock
	for _, row := range b.rows {
		if !row.usable || row.key.SourceID == "" {
			continue
		}
		isNew := known[row.key] == nil
		isAdded := isNew && references[row.reference]
		links := row.parent != nil && known.links(row.key, *row.parent)
		switch {
		case isAdded, links && (!isNew || known[*row.parent] == nil || len(waiting[row.key]) > 0):
			return customer.ExclusiveArrivalLock
		case isNew:
			need = customer.SharedArrivalLock
		}
	}
	return need
}

// leftName is the name of a customer who is not known, as it stands at an account: as that of a holder, of the primary
// holder, or of the owner of a card.
type leftName struct {
	account   account.Key
	holder    string
	isPrimary bool
	card      cardKey
}

// leftSQL are the names that accounts have left, of customers who did not come yet.
const leftSQL = `
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

// leaves reports whether accounts would leave the name of somebody who is not known and whose name they have not left
// before. It locks nothing.
func (b *createBatch) leaves(ctx context.Context, known seen, own map[customer.SourceKey]bool) (bool, error) {
	var names []leftName
	accounts := map[account.Key]bool{}
	for _, row := range b.rows {
		for _, m := range row.mentions {
			for _, id := range m.holders {
				if key := (customer.SourceKey{Source: m.key.Source, SourceID: id}); m.ok && known[key] == nil && !own[key] {
					names, accounts[m.key] = append(names, m.names(id)...), true
				}
			}
		}
	}
	if len(names) == 0 {
		return false, nil
	}
	sources, ids := accountColumnsOf(slices.Collect(maps.Keys(accounts)))
	rows, err := b.tx.Query(ctx, leftSQL, b.v.OrganizationID, sources, ids)
	if err != nil {
		return false, fmt.Errorf("look up names of holders: %w", err)
	}
	defer func() { _ = rows.Close() }()
	left := map[leftName]bool{}
	for rows.Next() {
		var n leftName
		var opened *time.Time
		if err := rows.Scan(&n.account.Source, &n.account.SourceAccountID, &n.holder, &n.isPrimary, &n.card.iin, &n.card.lastFour, &opened); err != nil {
			return false, fmt.Errorf("look up names of holders: %w", err)
		}
		if opened != nil {
			n.card.sourceCustomerID, n.card.opened = n.holder, opened.UnixMilli()
		}
		left[n] = true
		if n.isPrimary {
			n.isPrimary = false
			left[n] = true
		}
	}
	if err := rows.Err(); err != nil {
		return false, fmt.Errorf("look up names of holders: %w", err)
	}
	return slices.ContainsFunc(names, func(n leftName) bool { return !left[n] }), nil
}

// names are those that the mention leaves when a holder is not known.
func (m *accountRow) names(holder string) []leftName {
	names := []leftName{{account: m.key, holder: holder, isPrimary: m.primary == holder}}
	for _, k := range m.cards {
		if k.ok && k.key.sourceCustomerID == holder {
			names = append(names, leftName{account: m.key, holder: holder, card: k.key})
		}
	}
	return names
}

// leavesName reports whether the account, as it is folded, leaves a name that it did not leave before.
func (a *foldedAccount) leavesName(known func(customer.SourceKey) *uuid.UUID) bool {
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

// referenced finds which references of rows are known that bring an id of a source system. It locks nothing.
func (b *createBatch) referenced(ctx context.Context, known seen) (map[string]bool, error) {
	var references []string
	for _, row := range b.rows {
		if row.usable && row.reference != "" && row.key.SourceID != "" && known[row.key] == nil {
			references = append(references, row.reference)
		}
	}
	if len(references) == 0 {
		return nil, nil
	}
	var found []string
	if err := b.tx.Select(ctx, &found, "SELECT reference_id FROM customers WHERE organization_id = $1 AND reference_id = ANY($2)",
		b.v.OrganizationID, pq.Array(references)); err != nil {
		return nil, fmt.Errorf("look up references: %w", err)
	}
	return setOf(found), nil
}

func setOf[T comparable](list []T) map[T]bool {
	set := make(map[T]bool, len(list))
	for _, x := range list {
		set[x] = true
	}
	return set
}

// look tells what the call will do, as far as that can be seen without a lock, and who is known.
func (b *createBatch) look(ctx context.Context, own map[customer.SourceKey]bool, names []customer.SourceKey) (seen, customer.ArrivalLock, error) {
	known, err := lookUp(ctx, b.tx, b.v.Scope(), names)
	if err != nil {
		return nil, customer.NoArrivalLock, err
	}
	references, err := b.referenced(ctx, known)
	if err != nil {
		return nil, customer.NoArrivalLock, err
	}
	leaves, err := b.leaves(ctx, known, own)
	if err != nil {
		return nil, customer.NoArrivalLock, err
	}
	if leaves {
		return known, customer.ExclusiveArrivalLock, nil
	}
	return known, b.lockNeeded(known, references, nil), nil
}

// read locks and reads all that the rows name, in a fixed number of statements, in the one order of locks: arrivals,
// customers, accounts.
func (b *createBatch) read(ctx context.Context) error {
	sc := b.v.Scope()
	own, holders, parents, references := b.names()
	ids := sortedSources(own)
	keys := slices.Concat(ids, holders)
	if b.tx.Try > 0 {
		// Calls that bring the same customers or accounts beat each other again and again, each winning a part of them:
		// those that were beaten once go alone.
		b.held = customer.ExclusiveArrivalLock
		if err := customer.LockArrivals(ctx, b.tx, sc, b.held); err != nil {
			return err
		}
	}
	known, need, err := b.look(ctx, own, distinct(slices.Concat(keys, parents)))
	if err != nil {
		return err
	}
	if b.tx.Try == 0 {
		b.held = need
		if err := customer.LockArrivals(ctx, b.tx, sc, b.held); err != nil {
			return err
		}
	}
	if b.records, b.truncated, err = customer.LockKnown(ctx, b.tx, sc, keys, known.missing(ids), references); err != nil {
		return err
	}
	referenced := make(map[string]bool, len(references))
	for _, r := range b.records {
		c := &created{record: r}
		for _, i := range r.Identifiers {
			b.byKey[i.SourceKey()] = c
		}
		if r.Customer.ReferenceID != nil {
			b.byReference[*r.Customer.ReferenceID], referenced[*r.Customer.ReferenceID] = c, true
		}
	}
	if b.family, err = newFamily(ctx, b.tx, sc, b.records, parents); err != nil {
		return err
	}
	if b.lockNeeded(b.family.seen(), referenced, b.family.waiting) > b.held {
		// What was seen at first has changed before the locks were there.
		return db.ErrRetry
	}
	if err := b.readPrograms(ctx); err != nil {
		return err
	}
	return b.readAccounts(ctx, own)
}

func (b *createBatch) readAccounts(ctx context.Context, own map[customer.SourceKey]bool) (err error) {
	mentioned := map[account.Key]bool{}
	for _, row := range b.rows {
		for _, m := range row.mentions {
			if m.ok {
				mentioned[m.key] = true
			}
		}
	}
	b.accounts = map[account.Key]*foldedAccount{}
	if len(mentioned) == 0 {
		return nil
	}
	var arriving []customer.SourceKey
	for key := range own {
		if b.byKey[key] == nil {
			arriving = append(arriving, key)
		}
	}
	b.accounts, err = lockAccounts(ctx, b.tx, b.v.Scope(), b.s.customers.Sealer(), slices.Collect(maps.Keys(mentioned)), arriving)
	return err
}

// readPrograms reads the alert programs of the customers, if a row has something to say of them.
func (b *createBatch) readPrograms(ctx context.Context) error {
	wanted := slices.ContainsFunc(b.rows, func(row *createRow) bool {
		in := row.in
		return in.EnrollmentStartDate.IsSet() || in.EnrollmentEndDate.IsSet() || in.EnrollmentOptInStatus.IsSet() || in.AlertOptInStatus.IsSet() || in.TargetingIndicator.IsSet()
	})
	if !wanted || len(b.records) == 0 {
		return nil
	}
	rows, err := customer.AlertPrograms.ByKeys(ctx, b.tx, b.v.Scope(), "id", slices.Collect(maps.Keys(b.records)))
	if err != nil {
		return fmt.Errorf("read alert programs: %w", err)
	}
	byID := make(map[uuid.UUID]*customer.AlertProgram, len(rows))
	for _, p := range rows {
		byID[p.UUID] = p
	}
	put := func(c *created) {
		if p := byID[c.record.Customer.UUID]; p != nil {
			c.program = program{row: *p, stored: p}
		}
	}
	for _, c := range b.byKey {
		put(c)
	}
	for _, c := range b.byReference {
		put(c)
	}
	return nil
}

// touched are the records that the rows may have changed: their own, and those who waited for one of them as their
// parent; in the order of their ids.
func (b *createBatch) touched() []*customer.Record {
	all := maps.Clone(b.records)
	for _, c := range b.order {
		if c.program.changed() {
			c.record.NoteChange("alert_program")
		}
		all[c.record.Customer.UUID] = c.record
	}
	return slices.SortedFunc(maps.Values(all), func(x, y *customer.Record) int { return slices.Compare(x.Customer.UUID[:], y.Customer.UUID[:]) })
}

// known leads from names to customers, stored before or with this call; came are the latter.
func (b *createBatch) known() (known func(customer.SourceKey) *uuid.UUID, came map[customer.SourceKey]uuid.UUID) {
	came = map[customer.SourceKey]uuid.UUID{}
	for _, c := range b.order {
		for _, i := range c.record.NewIdentifiers() {
			came[i.SourceKey()] = c.record.Customer.UUID
		}
	}
	return func(key customer.SourceKey) *uuid.UUID {
		if c := b.byKey[key]; c != nil {
			id := c.record.Customer.UUID
			return &id
		}
		return nil
	}, came
}

// isBlankProgram reports whether nothing is left of a program.
func isBlankProgram(p *customer.AlertProgram) bool {
	return p.EnrollmentStartsAt == nil && p.EnrollmentEndsAt == nil && p.OptInStatus == nil && len(p.AlertOptIns) == 0 && p.TargetingIndicator == nil
}

// changed reports whether the program has to be written.
func (p *program) changed() bool {
	if p.stored == nil {
		return !isBlankProgram(&p.row)
	}
	return !sameProgram(&p.row, p.stored)
}

func sameProgram(x, y *customer.AlertProgram) bool {
	return customer.SameTime(x.EnrollmentStartsAt, y.EnrollmentStartsAt) && customer.SameTime(x.EnrollmentEndsAt, y.EnrollmentEndsAt) && customer.Same(x.OptInStatus, y.OptInStatus) &&
		slices.Equal(x.AlertOptIns, y.AlertOptIns) && customer.Same(x.TargetingIndicator, y.TargetingIndicator)
}

// writePrograms stores the alert programs in at most two statements: a program of which nothing is left goes.
func (b *createBatch) writePrograms(ctx context.Context) error {
	var rows []*customer.AlertProgram
	var gone []uuid.UUID
	for _, c := range b.order {
		if !c.program.changed() {
			continue
		}
		p := &c.program.row
		if isBlankProgram(p) {
			gone = append(gone, c.record.Customer.UUID)
			continue
		}
		if c.program.stored == nil {
			p.Row, p.CreatedAt = db.Row{OrganizationID: b.v.OrganizationID, UUID: c.record.Customer.UUID}, b.tx.Now
		}
		if p.AlertOptIns == nil {
			p.AlertOptIns = pq.StringArray{}
		}
		p.UpdatedAt = b.tx.Now
		rows = append(rows, p)
	}
	if _, err := customer.AlertPrograms.Upsert(ctx, b.tx, b.v.Scope(), rows, []string{"organization_id", "id"},
		[]string{"enrollment_starts_at", "enrollment_ends_at", "opt_in_status", "alert_opt_ins", "targeting_indicator", "updated_at"}); err != nil {
		return fmt.Errorf("write alert programs: %w", err)
	}
	if len(gone) == 0 {
		return nil
	}
	if _, err := b.tx.Exec(ctx, "DELETE FROM customer_alert_programs WHERE organization_id = $1 AND id = ANY($2)", b.v.OrganizationID, pq.Array(gone)); err != nil {
		return fmt.Errorf("remove alert programs: %w", err)
	}
	return nil
}
