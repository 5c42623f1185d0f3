package intake

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/pii"
)

// foldedAccount is an account with all that a call says of it. Customers of one call that mention the same account
// must agree, so that it does not matter in which order they come: holders and cards are united, and a value that
// differs from what was said before is wrong.
type foldedAccount struct {
	row    account.Account
	stored *account.Account
	// number is the stored account number, opened.
	number  string
	holders map[string]*account.Holder
	cards   map[cardKey]*foldedCard
	// said is what the call said so far; nil before the first mention. past tells that it was said by earlier calls,
	// where the rows are a sequence of calls: what they made of the account is then what counts as stored.
	said *accountRow
	past bool
	// named are all holders that the call names. They take the place of those that are stored.
	named map[string]bool
	// changed is known when the account is settled.
	changed []string
}

// foldedCard is a card with all that a call says of it.
type foldedCard struct {
	row     account.Card
	stored  *account.Card
	said    *cardRow
	past    bool
	changed bool
}

func newFoldedAccount(organizationID uuid.UUID, key account.Key) *foldedAccount {
	return &foldedAccount{
		row:     account.Account{Row: db.Row{OrganizationID: organizationID, UUID: db.NewID()}, Source: key.Source, SourceAccountID: key.SourceAccountID},
		holders: map[string]*account.Holder{}, cards: map[cardKey]*foldedCard{}, named: map[string]bool{},
	}
}

// disagree records that a value differs from what an earlier customer of the call said.
func disagree(c *fault.Check, field string) {
	c.At(field).Add(fault.DuplicateInputItem, "The same thing stands in this call before, with another %s. Send the same wherever it is named.", field)
}

// agree compares a value that may be absent with what was said before.
func agree[T any](c *fault.Check, field string, before, now graphql.Omittable[*T], same func(a, b *T) bool) {
	if before.IsSet() && now.IsSet() && !same(before.Value(), now.Value()) {
		disagree(c, field)
	}
}

// merged is what both said.
func merged[T any](before, now graphql.Omittable[*T]) graphql.Omittable[*T] {
	if now.IsSet() {
		return now
	}
	return before
}

func sameNumber(a, b *pii.AccountNumber) bool {
	return a == b || a != nil && b != nil && a.Reveal() == b.Reveal()
}

// checkClosing judges a status with the dates that hold: what was sent, and what is stored where nothing was.
func checkClosing(c *fault.Check, field, thing string, status account.Status, opened, closed *time.Time) {
	switch {
	case status == account.Closed && closed == nil && !c.Has(field):
		c.At(field).Add(fault.Required, "%s that is CLOSED has a date on which it was closed.", thing)
	case status == account.Open && closed != nil:
		c.At(field).Add(fault.Invalid, "%s that is OPEN has no date on which it was closed: send null.", thing)
	case opened != nil && closed != nil && closed.Before(*opened):
		c.At(field).Add(fault.OutOfRange, "%s is not closed before it is opened.", thing)
	}
}

// check judges a mention against what is stored, the earlier mentions of the call and those of the same customer
// (twins), and changes nothing. The dates are judged by each mention and what is stored, so that the order of the
// mentions does not matter; only dates that contradict each other across mentions are found at the later one.
func (a *foldedAccount) check(m *accountRow, twins []*accountRow) {
	if !m.ok {
		return
	}
	c, before := m.at, len(m.at.Errors())
	var stored account.Account
	switch {
	case a.past:
		stored = a.row
	case a.stored != nil:
		stored = *a.stored
	}
	checkClosing(c, "accountCloseDate", "An account", m.status, or(m.opened, stored.OpenedAt), or(m.closed, stored.ClosedAt))
	earlier := twins
	if a.said != nil && !a.past {
		earlier = append([]*accountRow{a.said}, twins...)
	}
	opened, closed := a.row.OpenedAt, a.row.ClosedAt
	for _, s := range earlier {
		if !s.ok {
			continue
		}
		if opened, closed = or(s.opened, opened), or(s.closed, closed); len(c.Errors()) == before {
			m.compare(s)
		}
	}
	if len(c.Errors()) == before {
		// Each of them may fit what is stored, and all together not.
		checkClosing(c, "accountCloseDate", "An account", m.status, or(m.opened, opened), or(m.closed, closed))
	}
	m.ok = len(c.Errors()) == before
	var own []*cardRow
	for _, s := range twins {
		own = append(own, s.cards...)
	}
	for _, k := range m.cards {
		if k.ok {
			k.check(a.cards[k.key], own)
		}
		own = append(own, k)
	}
}

// compare records what an earlier mention says otherwise.
func (m *accountRow) compare(s *accountRow) {
	c := m.at
	if s.status != m.status {
		disagree(c, "status")
	}
	if s.kind != m.kind {
		disagree(c, "type")
	}
	if s.primary != m.primary {
		disagree(c, "primarySourceCustomerId")
	}
	agree(c, "sourcePortfolioId", s.portfolio, m.portfolio, customer.Same)
	agree(c, "accountNumber", s.number, m.number, sameNumber)
	agree(c, "accountOpenDate", s.opened, m.opened, customer.SameTime)
	agree(c, "accountCloseDate", s.closed, m.closed, customer.SameTime)
}

// check judges a card against what is stored, the earlier mentions of the call, and those of the same customer.
func (k *cardRow) check(card *foldedCard, own []*cardRow) {
	c, before := k.at, len(k.at.Errors())
	var stored account.Card
	switch {
	case card == nil:
	case card.past:
		stored = card.row
	case card.stored != nil:
		stored = *card.stored
	}
	checkClosing(c, "closeDate", "A card", k.status, &k.openedAt, or(k.closed, stored.ClosedAt))
	if card != nil && card.said != nil && !card.past {
		k.compare(card.said)
	}
	for _, s := range own {
		if s.ok && s.key == k.key && len(c.Errors()) == before {
			k.compare(s)
		}
	}
	k.ok = len(c.Errors()) == before
}

// compare records what an earlier mention says otherwise.
func (k *cardRow) compare(s *cardRow) {
	c := k.at
	if s.status != k.status {
		disagree(c, "status")
	}
	if s.kind != k.kind {
		disagree(c, "cardType")
	}
	agree(c, "networkIdentifier", s.network, k.network, customer.Same)
	agree(c, "closeDate", s.closed, k.closed, customer.SameTime)
}

// startRow starts the next of rows that are calls of their own: earlier rows can no longer conflict with this account.
func (a *foldedAccount) startRow() {
	a.past = true
	for _, card := range a.cards {
		card.past = true
	}
}

// apply adds a mention that was found right to what the call says, and reports whether it says anything new. It leaves wrong
// cards out.
func (a *foldedAccount) apply(m *accountRow, s *pii.Sealer) (changed bool, err error) {
	before, holders := a.row, a.holderIDs()
	changed = a.stored == nil && a.said == nil
	said := *m
	if a.past {
		a.past, a.named = false, map[string]bool{}
	} else if a.said != nil {
		said.portfolio, said.number = merged(a.said.portfolio, m.portfolio), merged(a.said.number, m.number)
		said.opened, said.closed = merged(a.said.opened, m.opened), merged(a.said.closed, m.closed)
	}
	a.said = &said
	row := &a.row
	row.Status, row.Type, row.PrimarySourceCustomerID = m.status, m.kind, m.primary
	row.SourcePortfolioID = or(m.portfolio, row.SourcePortfolioID)
	row.OpenedAt, row.ClosedAt = or(m.opened, row.OpenedAt), or(m.closed, row.ClosedAt)
	if m.number.IsSet() {
		if err := a.setNumber(m.number.Value(), s); err != nil {
			return false, err
		}
	}
	for _, id := range m.holders {
		a.named[id] = true
	}
	changed = changed || len(changesOf(row, &before)) > 0 || !slices.Equal(holders, a.holderIDs())
	for _, k := range m.cards {
		if k.ok {
			changed = a.applyCard(k) || changed
		}
	}
	return changed, nil
}

// holderIDs are the holders of the account as far as it is folded, in order.
func (a *foldedAccount) holderIDs() []string {
	if a.said == nil {
		return slices.Sorted(maps.Keys(a.holders))
	}
	return slices.Sorted(maps.Keys(a.named))
}

// setNumber stores a number unless it is stored already: sealing again would look like a change.
func (a *foldedAccount) setNumber(number *pii.AccountNumber, s *pii.Sealer) error {
	row := &a.row
	if number != nil && row.NumberSealed != nil && a.number == number.Reveal() {
		return nil
	}
	if a.number = ""; number != nil {
		a.number = number.Reveal()
	}
	return row.SetNumber(s, number)
}

// applyCard does for a card what [foldedAccount.apply] does for its account.
func (a *foldedAccount) applyCard(k *cardRow) (changed bool) {
	card := a.cards[k.key]
	if changed = card == nil; changed {
		card = &foldedCard{row: account.Card{
			Row: db.Row{OrganizationID: a.row.OrganizationID, UUID: db.NewID()}, AccountID: a.row.UUID, Source: a.row.Source,
			SourceCustomerID: k.key.sourceCustomerID, IIN: k.key.iin, LastFour: k.key.lastFour, OpenedAt: k.openedAt,
		}}
		a.cards[k.key] = card
	}
	said := *k
	if card.said != nil && !card.past {
		said.network, said.closed = merged(card.said.network, k.network), merged(card.said.closed, k.closed)
	}
	card.said, card.past = &said, false
	row, before := &card.row, card.row
	row.CardType, row.Status = k.kind, k.status
	row.NetworkIdentifier, row.ClosedAt = or(k.network, row.NetworkIdentifier), or(k.closed, row.ClosedAt)
	return changed || !sameCard(row, &before)
}

// linkArrived repeats on the account, as it was read, what [account.Awaiting] did in the database for the customers of this call.
func (a *foldedAccount) linkArrived(came map[customer.SourceKey]uuid.UUID) {
	for _, h := range a.holders {
		id, ok := came[customer.SourceKey{Source: h.Source, SourceID: h.SourceCustomerID}]
		if !ok || h.CustomerID != nil {
			continue
		}
		if h.CustomerID = &id; h.IsPrimary {
			a.stored.PrimaryCustomerID, a.row.PrimaryCustomerID = &id, &id
			a.stored.Version, a.row.Version = a.stored.Version+1, a.row.Version+1
		}
	}
	for _, card := range a.cards {
		if id, ok := came[customer.SourceKey{Source: card.row.Source, SourceID: card.row.SourceCustomerID}]; ok && card.stored != nil && card.stored.CustomerID == nil {
			card.stored.CustomerID, card.row.CustomerID = &id, &id
		}
	}
}

// settle links holders and cards to the customers that are known, and finds what has to be written. known returns a
// customer's id by its id in the account's source, nil while it is not known.
func (a *foldedAccount) settle(known func(customer.SourceKey) *uuid.UUID, actor string, now time.Time, w *accountWrites) {
	row := &a.row
	by := func(id string) *uuid.UUID { return known(customer.SourceKey{Source: row.Source, SourceID: id}) }
	if id := by(row.PrimarySourceCustomerID); id != nil || a.stored == nil || a.stored.PrimarySourceCustomerID != row.PrimarySourceCustomerID {
		row.PrimaryCustomerID = id
	}
	if a.stored == nil {
		row.Version, row.CreatedAt, row.CreatedBy = 1, now, actor
		a.changed = []string{"created"}
	} else {
		a.changed = changesOf(&a.row, a.stored)
	}
	if holders := a.settleHolders(by, now, w); holders && a.stored != nil {
		a.changed = append(a.changed, "holders")
	}
	for _, key := range a.cardKeys() {
		card := a.cards[key]
		if card.said == nil {
			continue
		}
		if id := by(key.sourceCustomerID); id != nil {
			card.row.CustomerID = id
		}
		card.row.UpdatedAt = now
		if card.stored == nil {
			card.row.CreatedAt = now
		}
		if card.changed = card.stored == nil || !sameCard(&card.row, card.stored); card.changed {
			w.cards = append(w.cards, &card.row)
		}
	}
	switch {
	case len(a.changed) == 0:
		return
	case a.stored == nil:
		w.created = append(w.created, row)
	default:
		row.Version++
		w.updated = append(w.updated, row)
	}
	row.UpdatedAt, row.UpdatedBy = now, actor
}

// settleHolders makes the stored holders those that the call names, and reports whether that is a change.
func (a *foldedAccount) settleHolders(by func(string) *uuid.UUID, now time.Time, w *accountWrites) (changed bool) {
	for _, id := range slices.Sorted(maps.Keys(a.named)) {
		h := account.Holder{
			Row: db.Row{OrganizationID: a.row.OrganizationID}, AccountID: a.row.UUID, Source: a.row.Source, SourceCustomerID: id,
			CustomerID: by(id), IsPrimary: id == a.row.PrimarySourceCustomerID, UpdatedAt: now,
		}
		if stored := a.holders[id]; stored == nil {
			h.UUID, h.CreatedAt = db.NewID(), now
		} else if h.UUID, h.CreatedAt = stored.UUID, stored.CreatedAt; stored.IsPrimary == h.IsPrimary && (h.CustomerID == nil || customer.Same(stored.CustomerID, h.CustomerID)) {
			continue
		} else if h.CustomerID == nil {
			h.CustomerID = stored.CustomerID
		}
		changed = true
		w.holders = append(w.holders, &h)
	}
	for _, id := range slices.Sorted(maps.Keys(a.holders)) {
		if !a.named[id] {
			changed = true
			w.unheld = append(w.unheld, a.holders[id].UUID)
		}
	}
	return changed
}

// changesOf names what differs between two states of an account: names of columns, without values, for the audit log.
func changesOf(x, y *account.Account) (out []string) {
	for _, f := range []struct {
		name string
		same bool
	}{
		{"status", x.Status == y.Status}, {"type", x.Type == y.Type}, {"source_portfolio_id", customer.Same(x.SourcePortfolioID, y.SourcePortfolioID)},
		{"opened_at", customer.SameTime(x.OpenedAt, y.OpenedAt)}, {"closed_at", customer.SameTime(x.ClosedAt, y.ClosedAt)},
		{"primary_customer", x.PrimarySourceCustomerID == y.PrimarySourceCustomerID && customer.Same(x.PrimaryCustomerID, y.PrimaryCustomerID)},
		{"number", string(x.NumberSealed) == string(y.NumberSealed)},
	} {
		if !f.same {
			out = append(out, f.name)
		}
	}
	return out
}

// changesCards reports whether a card of the account was written.
func (a *foldedAccount) changesCards() bool {
	for _, card := range a.cards {
		if card.changed {
			return true
		}
	}
	return false
}

func (a *foldedAccount) cardKeys() []cardKey {
	return slices.SortedFunc(maps.Keys(a.cards), func(x, y cardKey) int {
		return cmp.Or(strings.Compare(x.sourceCustomerID, y.sourceCustomerID), strings.Compare(x.iin, y.iin),
			strings.Compare(x.lastFour, y.lastFour), cmp.Compare(x.opened, y.opened))
	})
}

func sameCard(a, b *account.Card) bool {
	return a.CardType == b.CardType && a.Status == b.Status && customer.Same(a.NetworkIdentifier, b.NetworkIdentifier) &&
		customer.SameTime(a.ClosedAt, b.ClosedAt) && customer.Same(a.CustomerID, b.CustomerID)
}
