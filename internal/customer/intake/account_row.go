package intake

import (
	"regexp"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/check"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/pii"
)

// maxParts bounds the accounts of a customer, and the holders and cards of an account (docs/limits.md).
const maxParts = 50

// accountRow is an account as one customer of a call names it, read and checked by itself. A joint account is
// mentioned by several.
type accountRow struct {
	at *fault.Check
	// ok tells that nothing was wrong with the account's own fields; its cards are judged apart.
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

// readAccount reads an account of the customer with this key; a key that is wrong is empty, and nothing is
// compared with it.
func readAccount(c *fault.Check, in *AccountInput, owner customer.SourceKey) *accountRow {
	m := &accountRow{at: c, key: account.Key{Source: owner.Source}}
	before := len(c.Errors())
	m.key.SourceAccountID = check.SourceID(c.At("sourceAccountId"), in.SourceAccountID)
	m.readHolders(in, owner)
	m.status, _ = checkStatus(c.At("status"), in.Status)
	m.kind = check.Word(c.At("type"), in.Type, "DDA")
	m.portfolio = m.readPortfolio(in.SourcePortfolioID)
	if in.AccountNumber.IsSet() {
		m.number = graphql.OmittableOf[*pii.AccountNumber](nil)
		if text := in.AccountNumber.Value(); text != nil {
			if known := input.Text(c.At("accountNumber"), *text, check.MaxText); known == "" {
				m.number = graphql.Omittable[*pii.AccountNumber]{}
			} else if number, err := pii.ParseAccountNumber(known); err != nil {
				c.At("accountNumber").Add(fault.Invalid, "An account number %v.", err)
			} else {
				m.number = graphql.OmittableOf(&number)
			}
		}
	}
	m.opened = check.Instant(c, "accountOpenDate", in.AccountOpenDate)
	m.closed = check.Instant(c, "accountCloseDate", in.AccountCloseDate)
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
			m.holders = append(m.holders, check.SourceID(c.Index(i), id))
		}
		if len(c.Errors()) == before && owner.SourceID != "" && !slices.Contains(m.holders, owner.SourceID) {
			c.Add(fault.Invalid, "The customer in which the account stands must be one of its holders.")
		}
		slices.Sort(m.holders)
		m.holders = slices.Compact(m.holders)
	}
	at := m.at.At("primarySourceCustomerId")
	m.primary = check.SourceID(at, in.PrimarySourceCustomerID)
	if m.primary != "" && len(m.holders) > 0 && !slices.Contains(m.holders, m.primary) {
		at.Add(fault.Invalid, "The primary holder must be one of sourceCustomerIds.")
	}
}

func (m *accountRow) readPortfolio(in graphql.Omittable[*string]) graphql.Omittable[*string] {
	var portfolio *string
	if !input.ClearKeyAt(m.at, "sourcePortfolioId", in, check.MaxText, &portfolio) {
		return graphql.Omittable[*string]{}
	}
	return graphql.OmittableOf(portfolio)
}

// readCard reads a card of the account.
func (m *accountRow) readCard(c *fault.Check, in *CardInput) *cardRow {
	k := &cardRow{at: c}
	before := len(c.Errors())
	if id := in.SourceAccountID.Value(); id != nil {
		if id := check.SourceID(c.At("sourceAccountId"), *id); id != "" && m.key.SourceAccountID != "" && id != m.key.SourceAccountID {
			c.At("sourceAccountId").Add(fault.Invalid, "The id must be that of the account in which the card stands, or be left out.")
		}
	}
	at := c.At("sourceCustomerId")
	k.key.sourceCustomerID = check.SourceID(at, in.SourceCustomerID)
	if k.key.sourceCustomerID != "" && len(m.holders) > 0 && !slices.Contains(m.holders, k.key.sourceCustomerID) {
		at.Add(fault.Invalid, "The owner of a card must be one of the account's sourceCustomerIds.")
	}
	k.key.lastFour = readDigits(c.At("last4"), in.Last4, lastFourForm.MatchString, "Give the last four digits of the number.")
	k.key.iin = readDigits(c.At("iin"), in.IIN, iinForm.MatchString, "Give the issuer identification number: the first six or eight digits.")
	k.kind = check.Word(c.At("cardType"), in.CardType, "CREDIT")
	k.status, _ = checkStatus(c.At("status"), in.Status)
	k.readNetwork(in.NetworkIdentifier)
	if opened, ok := input.Moment(c.At("openDate"), in.OpenDate); ok {
		k.openedAt, k.key.opened = opened, opened.UnixMilli()
	}
	k.closed = check.Instant(c, "closeDate", in.CloseDate)
	k.ok = len(c.Errors()) == before
	return k
}

// readNetwork reads the code of the card network, which is opaque.
func (k *cardRow) readNetwork(in graphql.Omittable[*string]) {
	var network *string
	if input.ClearKeyAt(k.at, "networkIdentifier", in, check.MaxShort, &network) {
		k.network = graphql.OmittableOf(network)
	}
}

// readDigits reads a part of a card's number; "" is wrong. Too many digits are never repeated.
func readDigits(c *fault.Check, text string, fits func(string) bool, hint string) string {
	text = input.Text(c, text, check.MaxText)
	switch {
	case text == "":
	case pii.HoldsCardNumber(text):
		c.Add(fault.Invalid, "The value %v.", pii.ErrCardNumber)
	case !fits(text):
		c.Add(fault.Invalid, "%s", hint)
	default:
		return text
	}
	return ""
}

var (
	organizationForm = regexp.MustCompile(`^[0-9]+$`)
	iinForm          = regexp.MustCompile(`^[0-9]{6}([0-9]{2})?$`)
	lastFourForm     = regexp.MustCompile(`^[0-9]{4}$`)
)

// checkStatus reads whether an account or a card is open.
func checkStatus(c *fault.Check, text string) (account.Status, bool) {
	switch status := account.Status(input.Text(c, text, check.MaxShort)); status {
	case account.Open, account.Closed:
		return status, true
	case "":
	default:
		c.Add(fault.Invalid, "Use OPEN or CLOSED.")
	}
	return "", false
}

// or is the value that was sent, and what is stored where none was.
func or[T any](sent graphql.Omittable[*T], stored *T) *T {
	if sent.IsSet() {
		return sent.Value()
	}
	return stored
}
