package customer

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/pii"
)

// The bounds of texts, in Unicode code points (docs/limits.md).
const (
	MaxText       = 255
	MaxShort      = 50
	MaxReason     = 500
	maxPostalCode = 20
)

// Fields are what an integrator sends of a customer. Absent keeps what is stored, null clears it.
type Fields struct {
	ReferenceID      string
	FirstName        graphql.Omittable[*string]
	MiddleName       graphql.Omittable[*string]
	LastName         graphql.Omittable[*string]
	Email            graphql.Omittable[*string]
	Birthday         graphql.Omittable[*string]
	SSNLastFour      graphql.Omittable[*string]
	SSN              graphql.Omittable[*string]
	PhoneNumber      graphql.Omittable[*string]
	Timezone         graphql.Omittable[*string]
	Language         graphql.Omittable[*string]
	StreetAddress1   graphql.Omittable[*string]
	StreetAddress2   graphql.Omittable[*string]
	City             graphql.Omittable[*string]
	State            graphql.Omittable[*string]
	ZipCode          graphql.Omittable[*string]
	DoNotCall        graphql.Omittable[*bool]
	DoNotSMS         graphql.Omittable[*bool]
	DoNotEmail       graphql.Omittable[*bool]
	DoNotMail        graphql.Omittable[*bool]
	IsTest           graphql.Omittable[*bool]
	Test             graphql.Omittable[*bool]
	ExternalMetadata graphql.Omittable[db.JSON]
}

var zipForm = regexp.MustCompile(`^\d{5}(-\d{4})?$`)

// usStates are the codes of the Postal Service: states, the district, territories and military mail.
var usStates = strings.Fields(`AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY AS GU MP PR VI AA AE AP`)

// IsState reports whether a text is the two-letter code of a state, the district or a territory.
func IsState(code string) bool { return slices.Contains(usStates, code) }

// earliestBirthday is older than anybody alive; earlier dates are typing mistakes.
var earliestBirthday = civil.MustDate(1900, time.January, 1)

// addressOfFields are the names of an address among the fields.
var addressOfFields = AddressNames{Line1: "streetAddress1", Line2: "streetAddress2", City: "city", State: "state", PostalCode: "zipCode"}

// Merge overwrites stored values with those sent. Errors go to c; a field with an error keeps its stored value. today is the
// day at the place of the server's clock, for birthdays.
func (r *Record) Merge(in *Fields, c *fault.Check, s *pii.Sealer, today civil.Date) error {
	cu := &r.Customer
	input.ClearAt(c, "firstName", in.FirstName, MaxText, &cu.FirstName)
	input.ClearAt(c, "middleName", in.MiddleName, MaxText, &cu.MiddleName)
	input.ClearAt(c, "lastName", in.LastName, MaxText, &cu.LastName)
	r.mergeContact(in, c)
	r.MergePrimaryAddress(c, &AddressInput{Line1: in.StreetAddress1, Line2: in.StreetAddress2, City: in.City, State: in.State,
		PostalCode: in.ZipCode}, addressOfFields)
	r.mergeFlags(in, c)
	r.mergeMetadata(c, in.ExternalMetadata, checkMetadata)
	return r.mergePersonal(in, c, s, today)
}

// mergeMetadata applies external metadata with which check finds nothing wrong; null clears it.
func (r *Record) mergeMetadata(c *fault.Check, in graphql.Omittable[db.JSON], check func(db.JSON) (fault.UserCode, string)) {
	if !in.IsSet() {
		return
	}
	value := db.JSON(bytes.TrimSpace(in.Value()))
	if len(value) == 0 || string(value) == "null" {
		r.Customer.ExternalMetadata = nil
	} else if code, wrong := check(value); wrong != "" {
		c.At("externalMetadata").Add(code, "%s", wrong)
	} else {
		r.Customer.ExternalMetadata = value
	}
}

func (r *Record) mergeContact(in *Fields, c *fault.Check) {
	r.MergeEmail(c, "email", in.Email)
	r.MergeLanguage(c, "language", in.Language)
	r.MergePhone(c, "phoneNumber", in.PhoneNumber)
	input.Optional(in.Timezone, &r.Customer.TimeZone, func(text string) (string, bool) {
		if text = input.Text(c.At("timezone"), text, MaxText); text == "" {
			return "", false
		}
		zone, err := civil.ParseZone(text)
		if err != nil {
			c.At("timezone").Add(fault.Invalid, "Give an IANA time zone of a place, such as America/New_York.")
			return "", false
		}
		return zone.Name(), true
	})
}

// MergeEmail applies an e-mail address: absent keeps, null clears. What is wrong is recorded at the field, and the stored
// value stays.
func (r *Record) MergeEmail(c *fault.Check, field string, in graphql.Omittable[*string]) {
	input.Optional(in, &r.Customer.Email, func(text string) (string, bool) {
		if stored := r.Customer.Email; stored != nil && *stored == text {
			return text, true
		}
		return input.Given(input.Email(c.At(field), text, MaxText))
	})
}

// MergeLanguage applies a BCP 47 tag as [Record.MergeEmail] applies an address.
func (r *Record) MergeLanguage(c *fault.Check, field string, in graphql.Omittable[*string]) {
	input.Optional(in, &r.Customer.Language, func(text string) (string, bool) { return input.Given(input.Language(c.At(field), text)) })
}

func (r *Record) mergeFlags(in *Fields, c *fault.Check) {
	flag := func(v graphql.Omittable[*bool], to *bool) {
		if p := v.Value(); p != nil {
			*to = *p
		}
	}
	cu := &r.Customer
	flag(in.DoNotSMS, &cu.DoNotSMS)
	flag(in.DoNotEmail, &cu.DoNotEmail)
	flag(in.DoNotMail, &cu.DoNotMail)
	if a, b := in.IsTest.Value(), in.Test.Value(); a != nil && b != nil && *a != *b {
		c.At("test").Add(fault.DuplicateInputItem, "test and isTest are the same thing; send one of them, or both alike.")
		return
	}
	flag(in.Test, &cu.IsTest)
	flag(in.IsTest, &cu.IsTest)
}

func (r *Record) mergePersonal(in *Fields, c *fault.Check, s *pii.Sealer, today civil.Date) error {
	cu := &r.Customer
	r.MergeBirthday(c, "birthday", in.Birthday, today)
	agree, err := r.MergeSSN(c, "ssn", in.SSN, in.SSNLastFour, s)
	if err != nil {
		return err
	}
	var last *string
	if agree && input.ClearAt(c, "ssnLastFour", in.SSNLastFour, MaxText, &last) {
		if last == nil {
			if cu.SSNSealed == nil {
				cu.SSNLastFourSealed = nil
			}
		} else if digits, err := pii.ParseLastFour(*last); err != nil {
			c.At("ssnLastFour").Add(fault.Invalid, "The last four digits of a social security number %v.", err)
		} else if err := r.putLastFour(s, digits); err != nil {
			return err
		}
	}
	return r.Reindex(s)
}

// MergeBirthday applies a date of birth, which lies between 1900 and today, as [Record.MergeEmail] applies an address. The
// caller calls [Record.Reindex] afterwards.
func (r *Record) MergeBirthday(c *fault.Check, field string, in graphql.Omittable[*string], today civil.Date) {
	input.Optional(in, &r.Customer.Birthday, func(text string) (civil.Date, bool) {
		day, ok := input.Date(c.At(field), text)
		if ok && (day.After(today) || day.Before(earliestBirthday)) {
			c.At(field).Add(fault.OutOfRange, "A birthday lies between %s and today.", earliestBirthday)
			ok = false
		}
		return day, ok
	})
}

// MergeSSN applies a full social security number, sealed: absent keeps, null clears. It returns false when the last four
// digits that were sent with it are not its end. The caller calls [Record.Reindex] afterwards.
func (r *Record) MergeSSN(c *fault.Check, field string, in, lastFour graphql.Omittable[*string], s *pii.Sealer) (agree bool, err error) {
	var full *string
	if !input.ClearAt(c, field, in, MaxText, &full) {
		return true, nil
	}
	if full == nil {
		r.Customer.SSNSealed, r.Customer.SSNIndex = nil, nil
		return true, nil
	}
	ssn, err := pii.ParseSSN(*full)
	if err != nil {
		c.At(field).Add(fault.Invalid, "A social security number %v.", err)
		return true, nil
	}
	if l := lastFour.Value(); l != nil && input.Form(*l) != ssn.LastFour() {
		// Which of the two is wrong cannot be known, so neither is taken.
		c.At("ssnLastFour").Add(fault.DuplicateInputItem, "ssnLastFour must be the end of ssn.")
		return false, nil
	}
	return true, r.putSSN(s, ssn)
}

// putSSN stores a full number unless it is stored already: sealing again would look like a change.
func (r *Record) putSSN(s *pii.Sealer, ssn pii.SSN) error {
	c := &r.Customer
	stored, err := c.ssn(s)
	if err != nil || stored == ssn.Reveal() {
		return err
	}
	if c.SSNSealed, err = s.Seal(at(c.OrganizationID, c.UUID, "ssn_sealed"), ssn.Reveal()); err != nil {
		return err
	}
	c.SSNIndex = s.Index(c.OrganizationID, indexSSN, ssn.Reveal())
	c.SSNLastFourSealed, err = s.Seal(at(c.OrganizationID, c.UUID, "ssn_last_four_sealed"), ssn.LastFour())
	return err
}

func (r *Record) putLastFour(s *pii.Sealer, digits string) error {
	c := &r.Customer
	stored, err := c.LastFour(s)
	if err != nil || stored != nil && *stored == digits {
		return err
	}
	// Other last digits than those of the full number make the full number wrong.
	c.SSNSealed, c.SSNIndex = nil, nil
	c.SSNLastFourSealed, err = s.Seal(at(c.OrganizationID, c.UUID, "ssn_last_four_sealed"), digits)
	return err
}

// Reindex computes the blind index of last four digits and birthday. It is called after either has changed.
func (r *Record) Reindex(s *pii.Sealer) error {
	cu := &r.Customer
	cu.SSNLastFourBirthdayIndex = nil
	if cu.Birthday == nil || cu.SSNLastFourSealed == nil {
		return nil
	}
	digits, err := cu.LastFour(s)
	if err != nil {
		return err
	}
	cu.SSNLastFourBirthdayIndex = lastFourIndex(s, cu.OrganizationID, *digits, *cu.Birthday)
	return nil
}

// Require records every field that the source document demands and the merged customer lacks. Phone and
// time zone are not among them: without them the customer is written and not scheduled.
func (r *Record) Require(c *fault.Check) {
	for _, f := range r.required() {
		if !f.has && !c.Has(f.name) {
			c.At(f.name).Add(fault.Required, "%s is required: it was neither sent nor stored before.", f.name)
		}
	}
}

// IsComplete reports whether the record has every field that [Record.Require] asks for.
func (r *Record) IsComplete() bool {
	return !slices.ContainsFunc(r.required(), func(f requiredField) bool { return !f.has })
}

// requiredField is a field without which no customer is written.
type requiredField struct {
	name string
	has  bool
}

func (r *Record) required() []requiredField {
	cu := &r.Customer
	a := r.Address
	if a == nil {
		a = &Address{}
	}
	return []requiredField{
		{"firstName", cu.FirstName != nil}, {"lastName", cu.LastName != nil}, {"email", cu.Email != nil},
		{"birthday", cu.Birthday != nil}, {"ssnLastFour", cu.SSNLastFourSealed != nil},
		{"streetAddress1", a.Line1 != nil}, {"city", a.City != nil}, {"state", a.State != nil}, {"zipCode", a.PostalCode != nil},
	}
}

// ConfigureLendingSystemInput is what configureLendingSystem needs.
type ConfigureLendingSystemInput struct {
	BaseURL   string
	Key       graphql.Omittable[*string]
	IsEnabled graphql.Omittable[*bool]
}

// IdentifierInput is the id of a customer in a source system.
type IdentifierInput struct {
	Source   string
	SourceID string
	Language graphql.Omittable[*string]
}
