// Package lending asks an organization's own lending system about a borrower and the borrower's loans.
//
// The HTTP contract is ours and is written down in docs/lending-system.md; an organization puts it in
// front of its system. Everything that arrives is treated as hostile: the address is checked at the
// moment of dialing, sizes, depth, types and counts are bounded, and no error repeats what was received.
package lending

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"caseload/internal/civil"
	"caseload/internal/pii"
)

// Target is one organization's lending system.
type Target struct {
	// OrganizationID keeps the circuit breakers of organizations apart, also when they share a host.
	OrganizationID uuid.UUID
	// BaseURL has passed [ValidateBaseURL]; it is checked again at every fetch.
	BaseURL string
	// Key is the bearer key; it has passed [ValidateKey].
	Key pii.Secret
	// AllowPrivate admits http and private addresses: for development, and for systems inside the
	// operator's own network.
	AllowPrivate bool
	// Timeout bounds one try; zero means the client's default. A fetch as a whole is bounded by
	// [Options.Timeout].
	Timeout time.Duration
}

// Request says what to fetch.
type Request struct {
	// ReferenceID is the borrower's id in the lending system: the customer's referenceId.
	ReferenceID string
	// LoanIDs limits the loans: nil means all of them, an empty list none. Ids that the borrower does
	// not have are not an error; compare with the loans returned.
	LoanIDs *[]int64
	// LoanID, when not empty, names a loan of the borrower whose details fill what the borrower and the
	// listed loans lack. It adds no loan to the list.
	LoanID string
}

// Borrower is what the lending system knows about a person. A nil field is unknown; blank text counts
// as unknown. Text is trimmed, valid UTF-8, at most 255 code points and free of control characters;
// whether it is a good e-mail address, phone number or time zone is for the customer's rules to say.
type Borrower struct {
	ReferenceID string
	FirstName   *string
	LastName    *string
	Email       *string
	Birthday    *civil.Date
	// SSNLastFour is four digits.
	SSNLastFour    *string
	PhoneNumber    *string
	TimeZone       *string
	Language       *string
	StreetAddress1 *string
	StreetAddress2 *string
	City           *string
	State          *string
	ZipCode        *string
	// DoNotCall is true when the lending system knows of an opt-out.
	DoNotCall *bool
	// ExternalMetadata is a JSON object that PostgreSQL's jsonb accepts; nil when there is none.
	ExternalMetadata json.RawMessage
}

// Format writes the reference id alone, whatever the verb: the rest is personal data.
func (b Borrower) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "borrower %s", b.ReferenceID) }

// LogValue returns the reference id alone.
func (b Borrower) LogValue() slog.Value { return slog.StringValue("borrower " + b.ReferenceID) }

// Loan is one loan of a borrower. A nil field is unknown.
type Loan struct {
	// ID is the lending system's id as text; the number 7 and the text "7" are the same loan.
	ID                string
	Status            string
	Product           *string
	OriginalPrincipal *decimal.Decimal
	PrincipalBalance  *decimal.Decimal
	AmountDue         *decimal.Decimal
	DaysPastDue       *int32
	// Currency is an ISO 4217 code; USD when the lending system names none.
	Currency  string
	OpenedOn  *civil.Date
	NextDueOn *civil.Date
}

// Limits of the contract, as docs/lending-system.md states them.
const (
	MaxResponseBytes = 1 << 20
	MaxMetadataBytes = 64 << 10
	MaxDepth         = 16
	MaxPages         = 20
	MaxLoans         = 1000
	MaxTextLength    = 255

	// idsPerRequest keeps the request line far below the 8 KiB that servers commonly admit.
	idsPerRequest = 100
)
