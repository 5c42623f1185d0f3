package intake

import (
	"regexp"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/pii"
)

// maxParts bounds the accounts of a customer, and the holders and cards of an account (docs/limits.md).
const maxParts = 50

// accountRow is an account as one customer of a call mentions it, read and checked by itself. A joint account is
// mentioned by several.
type accountRow struct {
	at *fault.Check
	// ok reports that nothing was wrong with the account's own fields; its cards are checked separately.
	ok        bool
	key       account.Key
	holders   []string
	primary   string
	status    account.Status
	kind      string
	portfolio graphql.Omittable[*string]
	number    graphql.Omittable[*pii.AccountNumber]
	opened    graphql.Omittable[*time.Time]
	closed    graphql.Omittable[*time.Time]
	cards     []*cardRow
}

// cardKey is what a card is known by within its account: the source gives cards no id of their own.
type cardKey struct {
	sourceCustomerID, iin, lastFour string
	// opened is in milliseconds since 1970, so that equal times are equal keys.
	opened int64
}

func cardKeyOf(c *account.Card) cardKey {
	return cardKey{c.SourceCustomerID, c.IIN, c.LastFour, c.OpenedAt.UnixMilli()}
}

// cardRow is a card as one customer of a call names it.
type cardRow struct {
	at       *fault.Check
	ok       bool
	key      cardKey
	openedAt time.Time
	kind     string
	status   account.Status
	network  graphql.Omittable[*string]
	closed   graphql.Omittable[*time.Time]
}

// copy is the mention of one try, whose errors are recorded at c.
func (m *accountRow) copy(c *fault.Check) *accountRow {
	own := *m
	own.at, own.cards = c, make([]*cardRow, len(m.cards))
	for i, k := range m.cards {
		card := *k
		card.at = c.At("cards").Index(i)
		own.cards[i] = &card
	}
	return &own
}

// readAccount reads an account of the customer with this key; a key that is wrong is empty, and nothing is
// compared with it.
func readAccount(c *fault.Check, in *AccountInput, owner customer.SourceKey) *accountRow {
	m := &accountRow{at: c, key: account.Key{Source: owner.Source}}
	before := len(c.Errors())
	m.key.SourceAccountID = readSourceID(c.At("sourceAccountId"), in.SourceAccountID)
	m.readHolders(in, owner)
	m.status = readStatus(c.At("status"), in.Status)
	m.kind = readWord(c.At("type"), in.Type, "DDA")
	m.portfolio = readKey(c, "sourcePortfolioId", in.SourcePortfolioID, customer.MaxText)
	m.number = readNumber(c.At("accountNumber"), in.AccountNumber)
	m.opened = readMoment(c, "accountOpenDate", in.AccountOpenDate)
	m.closed = readMoment(c, "accountCloseDate", in.AccountCloseDate)
	m.ok = len(c.Errors()) == before
	cards := in.Cards.Value()
	if len(cards) > maxParts {
		c.At("cards").Add(fault.LimitExceeded, "An account has at most %d cards in one call.", maxParts)
		m.ok = false
		return m
	}
	for i, card := range cards {
		m.cards = append(m.cards, m.readCard(c.At("cards").Index(i), card))
	}
	return m
}

func (m *accountRow) readHolders(in *AccountInput, owner customer.SourceKey) {
	c := m.at.At("sourceCustomerIds")
	switch n := len(in.SourceCustomerIDs); {
	case n == 0:
		c.Add(fault.Required, "Give the ids of all holders, at least that of the customer.")
	case n > maxParts:
		c.Add(fault.LimitExceeded, "An account has at most %d holders.", maxParts)
	default:
		before := len(c.Errors())
		for i, id := range in.SourceCustomerIDs {
			m.holders = append(m.holders, readSourceID(c.Index(i), id))
		}
		if len(c.Errors()) == before && owner.SourceID != "" && !slices.Contains(m.holders, owner.SourceID) {
			c.Add(fault.Invalid, "The customer in which the account stands must be one of its holders.")
		}
		slices.Sort(m.holders)
		m.holders = slices.Compact(m.holders)
	}
	at := m.at.At("primarySourceCustomerId")
	m.primary = readSourceID(at, in.PrimarySourceCustomerID)
	if m.primary != "" && len(m.holders) > 0 && !slices.Contains(m.holders, m.primary) {
		at.Add(fault.Invalid, "The primary holder must be one of sourceCustomerIds.")
	}
}

// readKey reads an optional key: absent and wrong are not set, null is set to nothing.
func readKey(c *fault.Check, field string, in graphql.Omittable[*string], limit int) (out graphql.Omittable[*string]) {
	var key *string
	if input.ClearKeyAt(c, field, in, limit, &key) {
		out = graphql.OmittableOf(key)
	}
	return out
}

// readNumber reads an optional account number, as [readKey] reads a key.
func readNumber(c *fault.Check, in graphql.Omittable[*string]) (out graphql.Omittable[*pii.AccountNumber]) {
	var number *pii.AccountNumber
	if input.Optional(in, &number, func(text string) (number pii.AccountNumber, ok bool) {
		if text = input.Text(c, text, customer.MaxText); text == "" {
			return number, false
		}
		number, err := pii.ParseAccountNumber(text)
		if err != nil {
			c.Add(fault.Invalid, "An account number %v.", err)
		}
		return number, err == nil
	}) {
		out = graphql.OmittableOf(number)
	}
	return out
}

// readCard reads a card of the account.
func (m *accountRow) readCard(c *fault.Check, in *CardInput) *cardRow {
	k := &cardRow{at: c}
	before := len(c.Errors())
	if id := in.SourceAccountID.Value(); id != nil {
		if id := readSourceID(c.At("sourceAccountId"), *id); id != "" && m.key.SourceAccountID != "" && id != m.key.SourceAccountID {
			c.At("sourceAccountId").Add(fault.Invalid, "The id must be that of the account in which the card stands, or be left out.")
		}
	}
	at := c.At("sourceCustomerId")
	k.key.sourceCustomerID = readSourceID(at, in.SourceCustomerID)
	if k.key.sourceCustomerID != "" && len(m.holders) > 0 && !slices.Contains(m.holders, k.key.sourceCustomerID) {
		at.Add(fault.Invalid, "The owner of a card must be one of the account's sourceCustomerIds.")
	}
	k.key.lastFour = readForm(c.At("last4"), in.Last4, customer.MaxText, lastFourForm, "Give the last four digits of the number.")
	k.key.iin = readForm(c.At("iin"), in.IIN, customer.MaxText, iinForm, "Give the issuer identification number: the first six or eight digits.")
	k.kind = readWord(c.At("cardType"), in.CardType, "CREDIT")
	k.status = readStatus(c.At("status"), in.Status)
	k.network = readKey(c, "networkIdentifier", in.NetworkIdentifier, customer.MaxShort)
	if opened, ok := input.Moment(c.At("openDate"), in.OpenDate); ok {
		k.openedAt, k.key.opened = opened, opened.UnixMilli()
	}
	k.closed = readMoment(c, "closeDate", in.CloseDate)
	k.ok = len(c.Errors()) == before
	return k
}

var (
	iinForm      = regexp.MustCompile(`^[0-9]{6}([0-9]{2})?$`)
	lastFourForm = regexp.MustCompile(`^[0-9]{4}$`)
)

// readStatus reads whether an account or a card is open; "" is wrong.
func readStatus(c *fault.Check, text string) account.Status {
	switch status := account.Status(input.Text(c, text, customer.MaxShort)); status {
	case account.Open, account.Closed, "":
		return status
	}
	c.Add(fault.Invalid, "Use OPEN or CLOSED.")
	return ""
}
