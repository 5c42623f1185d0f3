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
	"caseload/internal/entity"
	"caseload/internal/fault"
	"caseload/internal/pii"
)

// pendingAccount is an account with all that a call sends of it. Customers of one call that mention the same account
// must agree, so that the order in which they come does not matter: holders and cards are united, and a value that
// differs from an earlier one of the call is wrong.
type pendingAccount struct {
	row    account.Account
	stored *account.Account
	// base is the account before the call: as it is stored or, where the rows are a sequence of calls, as earlier rows left it.
	base account.Account
	// number is the account number, opened.
	number  string
	holders map[string]*account.Holder
	cards   map[cardKey]*pendingCard
	// mentions are those of the call that were applied.
	mentions []*accountRow
	// named are all holders that the call names. They take the place of those that are stored.
	named map[string]bool
	// changed is known when the account is settled.
	changed []string
}

// pendingCard is a card with all that a call sends of it.
type pendingCard struct {
	row, base account.Card
	stored    *account.Card
	mentions  []*cardRow
	// applied reports that the card was sent, changed that it differs from what is stored.
	applied, changed bool
}

func newPendingAccount(organizationID uuid.UUID, key account.Key) *pendingAccount {
	return &pendingAccount{
		row:     account.Account{Row: entity.Row{Row: db.Row{OrganizationID: organizationID, UUID: db.NewID()}}, Source: key.Source, SourceAccountID: key.SourceAccountID},
		holders: map[string]*account.Holder{}, cards: map[cardKey]*pendingCard{}, named: map[string]bool{},
	}
}

// conflict records that a value differs from that of an earlier mention in the call.
func conflict(c *fault.Check, field string) {
	c.At(field).Add(fault.DuplicateInputItem, "The same thing stands in this call before, with another %s. Send the same wherever it is named.", field)
}

// compareSent records a conflict when a value was sent twice and differs.
func compareSent[T any](c *fault.Check, field string, before, now graphql.Omittable[*T], same func(a, b *T) bool) {
	if before.IsSet() && now.IsSet() && !same(before.Value(), now.Value()) {
		conflict(c, field)
	}
}

func sameNumber(a, b *pii.AccountNumber) bool {
	return a == b || a != nil && b != nil && a.Reveal() == b.Reveal()
}

// checkClosing checks a status against the dates that it has: those sent, and those stored where none were.
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

// check checks a mention against what is stored, the earlier mentions of the call and those of the same customer
// (twins), and changes nothing but m. Its dates are checked with what is stored, so that the order of the mentions does not
// matter; only dates that contradict each other across mentions are found at the later one.
func (a *pendingAccount) check(m *accountRow, twins []*accountRow) {
	if !m.ok {
		return
	}
	c, before := m.at, len(m.at.Errors())
	checkClosing(c, "accountCloseDate", "An account", m.status, or(m.opened, a.base.OpenedAt), or(m.closed, a.base.ClosedAt))
	opened, closed := a.row.OpenedAt, a.row.ClosedAt
	for _, s := range slices.Concat(a.mentions, twins) {
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

// compare records in what m differs from an earlier mention.
func (m *accountRow) compare(s *accountRow) {
	c := m.at
	if s.status != m.status {
		conflict(c, "status")
	}
	if s.kind != m.kind {
		conflict(c, "type")
	}
	if s.primary != m.primary {
		conflict(c, "primarySourceCustomerId")
	}
	compareSent(c, "sourcePortfolioId", s.portfolio, m.portfolio, customer.Same)
	compareSent(c, "accountNumber", s.number, m.number, sameNumber)
	compareSent(c, "accountOpenDate", s.opened, m.opened, customer.SameTime)
	compareSent(c, "accountCloseDate", s.closed, m.closed, customer.SameTime)
}

// check checks a card against what is stored, the earlier mentions of the call, and those of the same customer.
func (k *cardRow) check(card *pendingCard, own []*cardRow) {
	c, before := k.at, len(k.at.Errors())
	if card == nil {
		card = &pendingCard{}
	}
	checkClosing(c, "closeDate", "A card", k.status, &k.openedAt, or(k.closed, card.base.ClosedAt))
	for _, s := range slices.Concat(card.mentions, own) {
		if s.ok && s.key == k.key && len(c.Errors()) == before {
			k.compare(s)
		}
	}
	k.ok = len(c.Errors()) == before
}

// compare records in what k differs from an earlier mention.
func (k *cardRow) compare(s *cardRow) {
	c := k.at
	if s.status != k.status {
		conflict(c, "status")
	}
	if s.kind != k.kind {
		conflict(c, "cardType")
	}
	compareSent(c, "networkIdentifier", s.network, k.network, customer.Same)
	compareSent(c, "closeDate", s.closed, k.closed, customer.SameTime)
}

// startRow starts the next of rows that are calls of their own: earlier rows can no longer conflict with this account.
func (a *pendingAccount) startRow() {
	a.base, a.mentions = a.row, nil
	for _, card := range a.cards {
		card.base, card.mentions = card.row, nil
	}
}

// isNamed reports whether a mention was applied.
func (a *pendingAccount) isNamed() bool { return len(a.named) > 0 }

// apply adds a mention with which nothing is wrong, without its wrong cards, and reports whether it changes anything.
func (a *pendingAccount) apply(m *accountRow, s *pii.Sealer) (changed bool, err error) {
	before, holders := a.row, a.holderIDs()
	changed = a.stored == nil && !a.isNamed()
	if len(a.mentions) == 0 {
		a.named = map[string]bool{}
	}
	a.mentions = append(a.mentions, m)
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

// holderIDs are the holders of the account with the mentions that were applied, sorted.
func (a *pendingAccount) holderIDs() []string {
	if a.isNamed() {
		return slices.Sorted(maps.Keys(a.named))
	}
	return slices.Sorted(maps.Keys(a.holders))
}

// setNumber stores a number unless it is stored already: sealing again would look like a change.
func (a *pendingAccount) setNumber(number *pii.AccountNumber, s *pii.Sealer) error {
	row := &a.row
	if number != nil && row.NumberSealed != nil && a.number == number.Reveal() {
		return nil
	}
	if a.number = ""; number != nil {
		a.number = number.Reveal()
	}
	return row.SetNumber(s, number)
}

// applyCard does for a card what [pendingAccount.apply] does for its account.
func (a *pendingAccount) applyCard(k *cardRow) (changed bool) {
	card := a.cards[k.key]
	if changed = card == nil; changed {
		card = &pendingCard{row: account.Card{
			Row: db.Row{OrganizationID: a.row.OrganizationID, UUID: db.NewID()}, AccountID: a.row.UUID, Source: a.row.Source,
			SourceCustomerID: k.key.sourceCustomerID, IIN: k.key.iin, LastFour: k.key.lastFour, OpenedAt: k.openedAt,
		}}
		a.cards[k.key] = card
	}
	card.mentions, card.applied = append(card.mentions, k), true
	row, before := &card.row, card.row
	row.CardType, row.Status = k.kind, k.status
	row.NetworkIdentifier, row.ClosedAt = or(k.network, row.NetworkIdentifier), or(k.closed, row.ClosedAt)
	return changed || !sameCard(row, &before)
}

// linkArrived repeats on the account, as it was read, what [account.Awaiting] did in the database for the new customers of this call.
func (a *pendingAccount) linkArrived(arrived map[customer.SourceKey]uuid.UUID) {
	for _, h := range a.holders {
		id, ok := arrived[customer.SourceKey{Source: h.Source, SourceID: h.SourceCustomerID}]
		if !ok || h.CustomerID != nil {
			continue
		}
		if h.CustomerID = &id; h.IsPrimary {
			a.stored.PrimaryCustomerID, a.row.PrimaryCustomerID = &id, &id
			a.stored.Version, a.row.Version = a.stored.Version+1, a.row.Version+1
		}
	}
	for _, card := range a.cards {
		if id, ok := arrived[customer.SourceKey{Source: card.row.Source, SourceID: card.row.SourceCustomerID}]; ok && card.stored != nil && card.stored.CustomerID == nil {
			card.stored.CustomerID, card.row.CustomerID = &id, &id
		}
	}
}

// settle links holders and cards to the customers that are known, and finds what has to be written. known returns a
// customer's id by its id in the account's source, nil while it is not known.
func (a *pendingAccount) settle(known func(customer.SourceKey) *uuid.UUID, actor string, now time.Time, w *accountWrites) {
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
		if !card.applied {
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
func (a *pendingAccount) settleHolders(by func(string) *uuid.UUID, now time.Time, w *accountWrites) (changed bool) {
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
func (a *pendingAccount) changesCards() bool {
	for _, card := range a.cards {
		if card.changed {
			return true
		}
	}
	return false
}

func (a *pendingAccount) cardKeys() []cardKey {
	return slices.SortedFunc(maps.Keys(a.cards), func(x, y cardKey) int {
		return cmp.Or(strings.Compare(x.sourceCustomerID, y.sourceCustomerID), strings.Compare(x.iin, y.iin),
			strings.Compare(x.lastFour, y.lastFour), cmp.Compare(x.opened, y.opened))
	})
}

func sameCard(a, b *account.Card) bool {
	return a.CardType == b.CardType && a.Status == b.Status && customer.Same(a.NetworkIdentifier, b.NetworkIdentifier) &&
		customer.SameTime(a.ClosedAt, b.ClosedAt) && customer.Same(a.CustomerID, b.CustomerID)
}
