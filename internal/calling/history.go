package calling

import (
	"time"

	"github.com/google/uuid"
)

// CallDirection is who began a contact.
type CallDirection string

// The directions of a contact.
const (
	Outbound CallDirection = "OUTBOUND"
	Inbound  CallDirection = "INBOUND"
)

// Channel is how a contact was made by phone.
type Channel string

// The channels of a phone.
const (
	Call    Channel = "CALL"
	Message Channel = "MESSAGE"
)

// Place is the kind of place that a phone rings at.
type Place string

// The places of a phone. Massachusetts limits them apart.
const (
	ResidenceOrCell Place = "RESIDENCE_OR_CELL"
	Elsewhere       Place = "ELSEWHERE"
)

// orDefault takes a phone about which nothing is known for the consumer's own.
func (p Place) orDefault() Place {
	if p == "" {
		return ResidenceOrCell
	}
	return p
}

// Party is who was at the other end of a contact.
type Party string

// The parties of a contact. Calls to others than the consumer do not count for the frequencies of
// Regulation F (12 CFR 1006.14(b)(3)(iii)).
const (
	Consumer         Party = "CONSUMER"
	Attorney         Party = "ATTORNEY"
	ReportingAgency  Party = "REPORTING_AGENCY"
	CreditorOfTheirs Party = "CREDITOR"
)

// Attempt is one contact by phone, made or received by anyone in the company, planned or by hand. The
// zero value of each field is the strict reading: an outbound call to the consumer that counts.
type Attempt struct {
	At        time.Time
	Direction CallDirection
	Channel   Channel
	// Phone is the other end's number as E.164.
	Phone string
	Place Place
	Party Party
	// CallOutcome is empty while the call is under way.
	Outcome CallOutcome
	// NotConnected: the carrier reported that the call never reached the dialed number.
	NotConnected bool
	// Debts that were called or talked about; none counts for every debt of the person.
	Debts []uuid.UUID
}

// Consent is the consumer's permission, given directly to the caller and in advance, to be called more
// often: for at most seven days, of which the day it was given is the first (12 CFR 1006.14(b)(3)(i)).
type Consent struct {
	GivenAt time.Time
	// Days that it holds, cut to the legal maximum; zero or less is none.
	Days int
	// WithdrawnAt ends it early.
	WithdrawnAt *time.Time
	// Debts that it is about; none is all debts of the person.
	Debts []uuid.UUID
}

// History is what happened so far, in any order. Contacts older than [HistorySpan] change nothing and
// need not be loaded.
type History struct {
	Attempts []Attempt
	Consents []Consent
}

// HistorySpan is how far back the rules look: the longest frequency limit, and a day for dates.
const HistorySpan = 31 * 24 * time.Hour
