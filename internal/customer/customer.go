package customer

import (
	"time"

	"github.com/google/uuid"

	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/entity"
	"caseload/internal/relay"
)

// Customer is a consumer whose accounts the organization looks after.
type Customer struct {
	entity.Row
	ReferenceID              *string     `db:"reference_id"`
	FirstName                *string     `db:"first_name"`
	MiddleName               *string     `db:"middle_name"`
	LastName                 *string     `db:"last_name"`
	Email                    *string     `db:"email"`
	Birthday                 *civil.Date `db:"birthday"`
	DebtorID                 *string     `db:"debtor_id"`
	Abbreviation             *string     `db:"abbreviation"`
	Title                    *string     `db:"title"`
	Gender                   *Gender     `db:"gender"`
	SSNSealed                []byte      `db:"ssn_sealed"`
	SSNIndex                 []byte      `db:"ssn_index"`
	SSNLastFourSealed        []byte      `db:"ssn_last_four_sealed"`
	SSNLastFourBirthdayIndex []byte      `db:"ssn_last_four_birthday_index"`
	TimeZone                 *string     `db:"time_zone"`
	Language                 *string     `db:"language"`
	DoNotCall                bool        `db:"do_not_call"`
	DoNotSMS                 bool        `db:"do_not_sms"`
	DoNotEmail               bool        `db:"do_not_email"`
	DoNotMail                bool        `db:"do_not_mail"`
	DoNotCallAt              *time.Time  `db:"do_not_call_at"`
	IsTest                   bool        `db:"is_test"`
	ExternalMetadata         db.JSON     `db:"external_metadata"`
	SearchText               string      `db:"search_text"`
	ParentID                 *uuid.UUID  `db:"parent_id"`
	// ParentSource, ParentSourceID and ParentLanguage name the parent as the source system does, also while
	// that customer is not known.
	ParentSource   *string    `db:"parent_source"`
	ParentSourceID *string    `db:"parent_source_id"`
	ParentLanguage *string    `db:"parent_language"`
	DeletedAt      *time.Time `db:"deleted_at"`
	DeletedBy      *string    `db:"deleted_by"`
	MergedIntoID   *uuid.UUID `db:"merged_into_id"`
}

// Customers declares the customers.
var Customers = db.NewTable[Customer]("customers", "cust")

// ID returns the typed id.
func (c *Customer) ID() relay.ID { return relay.ID{Prefix: Customers.Prefix(), UUID: c.UUID} }

// IsDeleted reports whether the customer was deleted, or merged into another.
func (c *Customer) IsDeleted() bool { return c.DeletedAt != nil }

// SSNProvided reports whether the full number is stored.
func (c *Customer) SSNProvided() bool { return c.SSNSealed != nil }

// Identifier is the id of a customer in a source system.
type Identifier struct {
	db.Row
	CustomerID uuid.UUID `db:"customer_id"`
	Source     string    `db:"source"`
	SourceID   string    `db:"source_id"`
	Language   string    `db:"language"`
	// SourceCreatedAt and SourceUpdatedAt are the source system's own times of the record.
	SourceCreatedAt *time.Time `db:"source_created_at"`
	SourceUpdatedAt *time.Time `db:"source_updated_at"`
	CreatedAt       time.Time  `db:"created_at"`
}

// Identifiers declares the identifiers.
var Identifiers = db.NewTable[Identifier]("customer_identifiers", "cid")

// ID returns the typed id.
func (i *Identifier) ID() relay.ID { return relay.ID{Prefix: Identifiers.Prefix(), UUID: i.UUID} }

// PhoneLabel is what a phone is to a customer.
type PhoneLabel string

// AddressLabel is what an address is to a customer.
type AddressLabel string

// LineType is the kind of a phone line.
type LineType string

// Gender is how a customer calls their own gender.
type Gender string

// Primary is the label of the phone that calls go to, and of the address that a state's law is taken from.
const Primary = "PRIMARY"

// Phone is a phone of a customer.
type Phone struct {
	db.Row
	CustomerID    uuid.UUID  `db:"customer_id"`
	Label         PhoneLabel `db:"label"`
	Number        string     `db:"number"`
	LineType      LineType   `db:"line_type"`
	BlockedAt     *time.Time `db:"blocked_at"`
	BlockedReason *string    `db:"blocked_reason"`
	CreatedAt     time.Time  `db:"created_at"`
	UpdatedAt     time.Time  `db:"updated_at"`
}

// Phones declares the phones.
var Phones = db.NewTable[Phone]("customer_phones", "phone")

// ID returns the typed id.
func (p *Phone) ID() relay.ID { return relay.ID{Prefix: Phones.Prefix(), UUID: p.UUID} }

// Address is an address of a customer.
type Address struct {
	db.Row
	CustomerID uuid.UUID    `db:"customer_id"`
	Label      AddressLabel `db:"label"`
	Line1      *string      `db:"line1"`
	Line2      *string      `db:"line2"`
	City       *string      `db:"city"`
	County     *string      `db:"county"`
	State      *string      `db:"state"`
	PostalCode *string      `db:"postal_code"`
	Country    string       `db:"country"`
	CreatedAt  time.Time    `db:"created_at"`
	UpdatedAt  time.Time    `db:"updated_at"`
}

// Addresses declares the addresses.
var Addresses = db.NewTable[Address]("customer_addresses", "addr")

// ID returns the typed id.
func (a *Address) ID() relay.ID { return relay.ID{Prefix: Addresses.Prefix(), UUID: a.UUID} }
