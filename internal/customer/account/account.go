package account

import (
	"time"

	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/entity"
	"caseload/internal/input"
	"caseload/internal/pii"
	"caseload/internal/relay"
)

// Status reports whether an account or a card is open.
type Status string

// The states of accounts and cards.
const (
	Open   Status = "OPEN"
	Closed Status = "CLOSED"
)

// Account is an account of one or more customers, as a source system sent it.
type Account struct {
	entity.Row
	// Source is the organization in the source system; with SourceAccountID it names the account.
	Source            string     `db:"source"`
	SourceAccountID   string     `db:"source_account_id"`
	Status            Status     `db:"status"`
	Type              string     `db:"type"`
	SourcePortfolioID *string    `db:"source_portfolio_id"`
	OpenedAt          *time.Time `db:"opened_at"`
	ClosedAt          *time.Time `db:"closed_at"`
	// PrimarySourceCustomerID names the primary holder, PrimaryCustomerID is that customer when known.
	PrimarySourceCustomerID string     `db:"primary_source_customer_id"`
	PrimaryCustomerID       *uuid.UUID `db:"primary_customer_id"`
	NumberSealed            []byte     `db:"number_sealed"`
	NumberIndex             []byte     `db:"number_index"`
}

// Accounts declares the accounts.
var Accounts = db.NewTable[Account]("accounts", "acct")

// ID returns the typed id.
func (a *Account) ID() relay.ID { return relay.ID{Prefix: Accounts.Prefix(), UUID: a.UUID} }

// NumberProvided reports whether the account number is stored.
func (a *Account) NumberProvided() bool { return a.NumberSealed != nil }

// NumberMasked shows the last four characters of the account number, as in ••••1234; nil when none is stored.
// The caller has checked the permission.
func (a *Account) NumberMasked(s *pii.Sealer) (*string, error) {
	number, err := a.Number(s)
	if err != nil || number == "" {
		return nil, err
	}
	masked := pii.MaskAccountNumber(number)
	return &masked, nil
}

// Computed declares the fields that are not columns, for compiled reads.
func (*Account) Computed(s *pii.Sealer) map[string]db.Computed {
	return map[string]db.Computed{
		"numberProvided": db.Provided("number_sealed"),
		"numberMasked": db.Shown("number_sealed", func(row db.Row, sealed []byte) (*string, error) {
			return (&Account{Row: entity.Row{Row: row}, NumberSealed: sealed}).NumberMasked(s)
		}),
	}
}

// Number opens the account number; "" when none is stored. The caller has checked the permission.
func (a *Account) Number(s *pii.Sealer) (string, error) {
	if a.NumberSealed == nil {
		return "", nil
	}
	return s.Open(accountNumberAt(a.OrganizationID, a.UUID), a.NumberSealed)
}

// SetNumber seals an account number and makes its blind index; nil clears both.
func (a *Account) SetNumber(s *pii.Sealer, number *pii.AccountNumber) (err error) {
	if number == nil {
		a.NumberSealed, a.NumberIndex = nil, nil
		return nil
	}
	a.NumberIndex = accountNumberIndex(s, a.OrganizationID, number.Reveal())
	a.NumberSealed, err = s.Seal(accountNumberAt(a.OrganizationID, a.UUID), number.Reveal())
	return err
}

// ByKey is the condition of the account with an id in a source system.
func ByKey(key Key) (db.Where, error) {
	return db.Where{}.And("c.source = ?", input.KeyForm(key.Source)).And("c.source_account_id = ?", input.KeyForm(key.SourceAccountID)), nil
}

// Holder is a customer in the role of an account's holder.
type Holder struct {
	db.Row
	AccountID        uuid.UUID `db:"account_id"`
	Source           string    `db:"source"`
	SourceCustomerID string    `db:"source_customer_id"`
	// CustomerID is nil until the customer comes.
	CustomerID *uuid.UUID `db:"customer_id"`
	IsPrimary  bool       `db:"is_primary"`
	CreatedAt  time.Time  `db:"created_at"`
	UpdatedAt  time.Time  `db:"updated_at"`
}

// Holders declares the holders.
var Holders = db.NewTable[Holder]("account_holders", "holder")

// ID returns the typed id.
func (h *Holder) ID() relay.ID {
	return relay.ID{Prefix: Holders.Prefix(), UUID: h.UUID}
}

// Card is a payment card of an account. The full number is never stored.
type Card struct {
	db.Row
	AccountID         uuid.UUID  `db:"account_id"`
	Source            string     `db:"source"`
	SourceCustomerID  string     `db:"source_customer_id"`
	CustomerID        *uuid.UUID `db:"customer_id"`
	IIN               string     `db:"iin"`
	LastFour          string     `db:"last_four"`
	CardType          string     `db:"card_type"`
	Status            Status     `db:"status"`
	NetworkIdentifier *string    `db:"network_identifier"`
	OpenedAt          time.Time  `db:"opened_at"`
	ClosedAt          *time.Time `db:"closed_at"`
	CreatedAt         time.Time  `db:"created_at"`
	UpdatedAt         time.Time  `db:"updated_at"`
}

// Cards declares the cards.
var Cards = db.NewTable[Card]("cards", "card")

// ID returns the typed id.
func (c *Card) ID() relay.ID { return relay.ID{Prefix: Cards.Prefix(), UUID: c.UUID} }

// indexAccountNumber names the blind index; changing it makes stored indexes useless.
const indexAccountNumber = "accounts.number"

func accountNumberIndex(s *pii.Sealer, organizationID uuid.UUID, number string) []byte {
	return s.Index(organizationID, indexAccountNumber, pii.NormalizeAccountNumber(number))
}

func accountNumberAt(organizationID, id uuid.UUID) pii.Location {
	return pii.Location{OrganizationID: organizationID, Table: "accounts", Column: "number_sealed", Row: id}
}
