package calling

import (
	"io"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Direction is who began a contact.
type Direction string

// The directions of a contact.
const (
	Outbound Direction = "OUTBOUND"
	Inbound  Direction = "INBOUND"
)

// Directions lists the directions.
var Directions = []Direction{Outbound, Inbound}

// IsValid reports whether d is a direction.
func (d Direction) IsValid() bool { return slices.Contains(Directions, d) }

// MarshalGQL writes the enum ContactDirection.
func (d Direction) MarshalGQL(w io.Writer) { marshalEnum(w, d) }

// UnmarshalGQL reads the enum ContactDirection.
func (d *Direction) UnmarshalGQL(v any) error { return unmarshalEnum(d, v, Directions) }

// Channel is how a contact was made by phone.
type Channel string

// The channels of a phone.
const (
	Call    Channel = "CALL"
	Message Channel = "MESSAGE"
)

// Channels lists the channels.
var Channels = []Channel{Call, Message}

// IsValid reports whether c is a channel.
func (c Channel) IsValid() bool { return slices.Contains(Channels, c) }

// MarshalGQL writes the enum ContactChannel.
func (c Channel) MarshalGQL(w io.Writer) { marshalEnum(w, c) }

// UnmarshalGQL reads the enum ContactChannel.
func (c *Channel) UnmarshalGQL(v any) error { return unmarshalEnum(c, v, Channels) }

// Place is the kind of place that a phone rings at.
type Place string

// The places of a phone. Massachusetts limits them apart.
const (
	ResidenceOrCell Place = "RESIDENCE_OR_CELL"
	Elsewhere       Place = "ELSEWHERE"
)

// Places lists the places.
var Places = []Place{ResidenceOrCell, Elsewhere}

// IsValid reports whether p is a place.
func (p Place) IsValid() bool { return slices.Contains(Places, p) }

// MarshalGQL writes the enum PhonePlace.
func (p Place) MarshalGQL(w io.Writer) { marshalEnum(w, p) }

// UnmarshalGQL reads the enum PhonePlace.
func (p *Place) UnmarshalGQL(v any) error { return unmarshalEnum(p, v, Places) }

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

// Parties lists the parties.
var Parties = []Party{Consumer, Attorney, ReportingAgency, CreditorOfTheirs}

// IsValid reports whether p is a party.
func (p Party) IsValid() bool { return slices.Contains(Parties, p) }

// MarshalGQL writes the enum ContactParty.
func (p Party) MarshalGQL(w io.Writer) { marshalEnum(w, p) }

// UnmarshalGQL reads the enum ContactParty.
func (p *Party) UnmarshalGQL(v any) error { return unmarshalEnum(p, v, Parties) }

// Attempt is one contact by phone, made or received by anyone in the company, planned or by hand. The
// zero value of each field is the strict reading: an outbound call to the consumer that counts.
type Attempt struct {
	At        time.Time
	Direction Direction
	Channel   Channel
	// Phone is the other end's number as E.164.
	Phone string
	Place Place
	Party Party
	// Outcome is empty while the call is under way.
	Outcome Outcome
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
