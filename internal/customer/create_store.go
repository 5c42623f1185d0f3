package customer

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

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

// relatedSQL is who is known by the names of a call, with the parents they have.
const relatedSQL = `
	SELECT i.source, i.source_id, i.language, c.parent_source, c.parent_source_id, c.parent_language, c.parent_id
	FROM unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS text[])) AS k(source, source_id, language)
		JOIN customer_identifiers i ON i.organization_id = $1 AND i.source = k.source AND i.source_id = k.source_id AND i.language = k.language
		JOIN customers c ON c.organization_id = $1 AND c.id = i.customer_id`

// announcement is how much of [lockArrivals] a call needs.
type announcement int

const (
	silent announcement = iota
	arrives
	leavesNames
)

// announce tells what a call does when these are known, by the customers that they lead to.
func (b *createBatch) announce(known map[SourceKey]*Customer, own map[SourceKey]bool, holders []SourceKey) announcement {
	need := silent
	for key := range own {
		if known[key] == nil {
			need = arrives
		}
	}
	for _, key := range holders {
		if known[key] == nil {
			return leavesNames
		}
	}
	for _, row := range b.rows {
		if row.parent == nil {
			continue
		}
		// Who has this parent already changes no link.
		c := known[row.key]
		if c == nil || c.ParentID == nil || !same(c.ParentSource, &row.parent.Source) || !same(c.ParentSourceID, &row.parent.SourceID) || c.ParentLanguage != nil {
			return leavesNames
		}
	}
	return need
}

// related looks up who is known by these names; of the customers it reads the parents only. It locks nothing.
func (b *createBatch) related(ctx context.Context, keys []SourceKey) (map[SourceKey]*Customer, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	var found []*struct {
		Identifier
		ParentSource   *string    `db:"parent_source"`
		ParentSourceID *string    `db:"parent_source_id"`
		ParentLanguage *string    `db:"parent_language"`
		ParentID       *uuid.UUID `db:"parent_id"`
	}
	source, sourceID, language := columnsOf(keys)
	if err := b.tx.Select(ctx, &found, relatedSQL, b.v.OrganizationID, source, sourceID, language); err != nil {
		return nil, fmt.Errorf("look up customers: %w", err)
	}
	known := make(map[SourceKey]*Customer, len(found))
	for _, f := range found {
		known[f.SourceKey()] = &Customer{ParentSource: f.ParentSource, ParentSourceID: f.ParentSourceID, ParentLanguage: f.ParentLanguage, ParentID: f.ParentID}
	}
	return known, nil
}

// read locks and reads all that the rows name, in a fixed number of statements, in the one order of locks: arrivals,
// customers, accounts.
func (b *createBatch) read(ctx context.Context) error {
	sc := b.v.Scope()
	own, holders, parents, references := b.names()
	keys := append(sortedSources(own), holders...)
	held := leavesNames
	if b.tx.Try == 0 {
		known, err := b.related(ctx, keys)
		if err != nil {
			return err
		}
		held = b.announce(known, own, holders)
	}
	// Calls that bring the same customers or accounts beat each other again and again, each winning a part of them:
	// those that were beaten once go alone.
	if held > silent {
		if err := lockArrivals(ctx, b.tx, sc, held == leavesNames); err != nil {
			return err
		}
	}
	var err error
	if b.records, err = LockKnown(ctx, b.tx, sc, keys, references); err != nil {
		return err
	}
	locked := make(map[SourceKey]*Customer, len(keys))
	for _, r := range b.records {
		c := &created{record: r}
		for _, i := range r.Identifiers {
			locked[i.SourceKey()], b.byKey[i.SourceKey()] = &r.Customer, c
		}
		if r.Customer.ReferenceID != nil {
			b.byReference[*r.Customer.ReferenceID] = c
		}
	}
	if b.announce(locked, own, holders) > held {
		// What was seen at first has changed before the locks were there.
		return db.ErrRetry
	}
	if b.family, err = newFamily(ctx, b.tx, sc, b.records, parents); err != nil {
		return err
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

// isBlank tells whether nothing is left of a program.
func (p *AlertProgram) isBlank() bool {
	return p.EnrollmentStartsAt == nil && p.EnrollmentEndsAt == nil && p.OptInStatus == nil && len(p.AlertOptIns) == 0 && p.TargetingIndicator == nil
}

// changed tells whether the program has to be written.
func (p *program) changed() bool {
	if p.stored == nil {
		return !p.row.isBlank()
	}
	x, y := &p.row, p.stored
	return !(sameTime(x.EnrollmentStartsAt, y.EnrollmentStartsAt) && sameTime(x.EnrollmentEndsAt, y.EnrollmentEndsAt) && same(x.OptInStatus, y.OptInStatus) &&
		slices.Equal(x.AlertOptIns, y.AlertOptIns) && same(x.TargetingIndicator, y.TargetingIndicator))
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
