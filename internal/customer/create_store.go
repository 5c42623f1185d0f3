package customer

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/batch"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// names are what the rows of a call name: their own keys, those of holders, and the references.
func (b *createBatch) names() (own map[SourceKey]bool, others []SourceKey, parents []SourceKey, references []string) {
	own = map[SourceKey]bool{}
	holders, named, known := map[SourceKey]bool{}, map[SourceKey]bool{}, map[string]bool{}
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
				if key := (SourceKey{Source: m.key.Source, SourceID: id}); m.ok && !own[key] {
					holders[key] = true
				}
			}
		}
	}
	return own, sortedSources(holders), sortedSources(named), slices.Sorted(maps.Keys(known))
}

func sortedSources(keys map[SourceKey]bool) []SourceKey {
	return slices.SortedFunc(maps.Keys(keys), SourceKey.compare)
}

// announce tells what a call does when these are known, by the names and the references that they are known by.
func (b *createBatch) announce(known seen, references map[string]bool, waiting map[SourceKey][]*Record) announcement {
	need := silent
	for _, row := range b.rows {
		if !row.usable || row.key.SourceID == "" {
			continue
		}
		isNew := known[row.key] == nil
		isAdded := isNew && references[row.reference]
		links := row.parent != nil && known.links(row.key, *row.parent)
		switch {
		case isAdded, links && (!isNew || known[*row.parent] == nil || len(waiting[row.key]) > 0):
			return leavesNames
		case isNew:
			need = arrives
		}
	}
	return need
}

// leftName is the name of a customer who is not known, as it stands at an account: as that of a holder, of the primary
// holder, or of the owner of a card.
type leftName struct {
	account   AccountKey
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
func (b *createBatch) leaves(ctx context.Context, known seen, own map[SourceKey]bool) (bool, error) {
	var names []leftName
	accounts := map[AccountKey]bool{}
	for _, row := range b.rows {
		for _, m := range row.mentions {
			for _, id := range m.holders {
				if key := (SourceKey{Source: m.key.Source, SourceID: id}); m.ok && known[key] == nil && !own[key] {
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
			n.card.sourceCustomerID, n.card.opened = n.holder, opened.UnixMicro()
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
func (m *accountMention) names(holder string) []leftName {
	names := []leftName{{account: m.key, holder: holder, isPrimary: m.primary == holder}}
	for _, k := range m.cards {
		if k.ok && k.key.sourceCustomerID == holder {
			names = append(names, leftName{account: m.key, holder: holder, card: k.key})
		}
	}
	return names
}

// leavesName reports whether the account, as it is folded, leaves a name that it did not leave before.
func (a *foldedAccount) leavesName(known func(SourceKey) *uuid.UUID) bool {
	isNew := func(id string) bool { return known(SourceKey{Source: a.row.Source, SourceID: id}) == nil }
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
func (b *createBatch) look(ctx context.Context, own map[SourceKey]bool, names []SourceKey) (seen, announcement, error) {
	known, err := lookUp(ctx, b.tx, b.v.Scope(), names)
	if err != nil {
		return nil, silent, err
	}
	references, err := b.referenced(ctx, known)
	if err != nil {
		return nil, silent, err
	}
	leaves, err := b.leaves(ctx, known, own)
	if err != nil {
		return nil, silent, err
	}
	if leaves {
		return known, leavesNames, nil
	}
	return known, b.announce(known, references, nil), nil
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
		b.held = leavesNames
		if err := lockArrivals(ctx, b.tx, sc, b.held); err != nil {
			return err
		}
	}
	known, need, err := b.look(ctx, own, distinct(slices.Concat(keys, parents)))
	if err != nil {
		return err
	}
	if b.tx.Try == 0 {
		b.held = need
		if err := lockArrivals(ctx, b.tx, sc, b.held); err != nil {
			return err
		}
	}
	if b.records, b.crowded, err = LockKnown(ctx, b.tx, sc, keys, known.missing(ids), references); err != nil {
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
	if b.announce(b.family.seen(), referenced, b.family.waiting) > b.held {
		// What was seen at first has changed before the locks were there.
		return db.ErrRetry
	}
	if err := b.readPrograms(ctx); err != nil {
		return err
	}
	return b.readAccounts(ctx, own)
}

func (b *createBatch) readAccounts(ctx context.Context, own map[SourceKey]bool) (err error) {
	mentioned := map[AccountKey]bool{}
	for _, row := range b.rows {
		for _, m := range row.mentions {
			if m.ok {
				mentioned[m.key] = true
			}
		}
	}
	b.accounts = map[AccountKey]*foldedAccount{}
	if len(mentioned) == 0 {
		return nil
	}
	var arriving []SourceKey
	for key := range own {
		if b.byKey[key] == nil {
			arriving = append(arriving, key)
		}
	}
	b.accounts, err = lockAccounts(ctx, b.tx, b.v.Scope(), b.s.sealer, slices.Collect(maps.Keys(mentioned)), arriving)
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
	rows, err := AlertPrograms.ByKeys(ctx, b.tx, b.v.Scope(), "id", slices.Collect(maps.Keys(b.records)))
	if err != nil {
		return fmt.Errorf("read alert programs: %w", err)
	}
	byID := make(map[uuid.UUID]*AlertProgram, len(rows))
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
func (b *createBatch) touched() []*Record {
	all := maps.Clone(b.records)
	for _, c := range b.order {
		if c.program.changed() {
			c.record.also = []string{"alert_program"}
		}
		all[c.record.Customer.UUID] = c.record
	}
	return slices.SortedFunc(maps.Values(all), func(x, y *Record) int { return slices.Compare(x.Customer.UUID[:], y.Customer.UUID[:]) })
}

// known leads from names to customers, stored before or with this call; came are the latter.
func (b *createBatch) known() (known func(SourceKey) *uuid.UUID, came map[SourceKey]uuid.UUID) {
	came = map[SourceKey]uuid.UUID{}
	for _, c := range b.order {
		for _, i := range c.record.newIdentifiers() {
			came[i.SourceKey()] = c.record.Customer.UUID
		}
	}
	return func(key SourceKey) *uuid.UUID {
		if c := b.byKey[key]; c != nil {
			id := c.record.Customer.UUID
			return &id
		}
		return nil
	}, came
}

// isBlank reports whether nothing is left of a program.
func (p *AlertProgram) isBlank() bool {
	return p.EnrollmentStartsAt == nil && p.EnrollmentEndsAt == nil && p.OptInStatus == nil && len(p.AlertOptIns) == 0 && p.TargetingIndicator == nil
}

// changed reports whether the program has to be written.
func (p *program) changed() bool {
	if p.stored == nil {
		return !p.row.isBlank()
	}
	return !sameProgram(&p.row, p.stored)
}

func sameProgram(x, y *AlertProgram) bool {
	return sameTime(x.EnrollmentStartsAt, y.EnrollmentStartsAt) && sameTime(x.EnrollmentEndsAt, y.EnrollmentEndsAt) && same(x.OptInStatus, y.OptInStatus) &&
		slices.Equal(x.AlertOptIns, y.AlertOptIns) && same(x.TargetingIndicator, y.TargetingIndicator)
}

// writePrograms stores the alert programs in at most two statements: a program of which nothing is left goes.
func (b *createBatch) writePrograms(ctx context.Context) error {
	var rows []*AlertProgram
	var gone []uuid.UUID
	for _, c := range b.order {
		if !c.program.changed() {
			continue
		}
		p := &c.program.row
		if p.isBlank() {
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
	if _, err := AlertPrograms.Upsert(ctx, b.tx, b.v.Scope(), rows, []string{"organization_id", "id"},
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

// keptError is a user error as an import row keeps it.
type keptError struct {
	Code    fault.UserCode `json:"code"`
	Message string         `json:"message"`
	Path    []string       `json:"path"`
}

// writeImport keeps what became of the customers of a call, in two statements.
func writeImport(ctx context.Context, tx *db.Tx, v *viewer.Viewer, results []*UpsertResult) (*ImportRequest, error) {
	request := &ImportRequest{Row: db.Row{OrganizationID: v.OrganizationID, UUID: db.NewID()}, Total: int32(len(results)), CreatedAt: tx.Now, CreatedBy: v.ActorText()}
	var counts batch.Counts
	rows := make([]*ImportRow, len(results))
	for i, r := range results {
		counts.Add(r.Action)
		errs := make([]keptError, len(r.UserErrors))
		for n, e := range r.UserErrors {
			errs[n] = keptError(*e)
		}
		text, err := json.Marshal(errs)
		if err != nil {
			return nil, fmt.Errorf("write import row: %w", err)
		}
		rows[i] = &ImportRow{
			Row: db.Row{OrganizationID: v.OrganizationID, UUID: db.NewID()}, RequestID: request.UUID, Index: r.Index, Action: r.Action,
			Key: r.Key, LookupKey: r.LookupKey, UserErrors: text, CreatedAt: tx.Now,
		}
		if r.Customer != nil {
			rows[i].CustomerID = &r.Customer.UUID
		}
	}
	request.Created, request.Updated, request.Unchanged = int32(counts.Created), int32(counts.Updated), int32(counts.Unchanged)
	request.Failed, request.Skipped = int32(counts.Failed), int32(counts.Skipped)
	if err := ImportRequests.Insert(ctx, tx, v.Scope(), request); err != nil {
		return nil, fmt.Errorf("write import request: %w", err)
	}
	if _, err := ImportRows.InsertAll(ctx, tx, v.Scope(), rows, false); err != nil {
		return nil, fmt.Errorf("write import rows: %w", err)
	}
	return request, nil
}
