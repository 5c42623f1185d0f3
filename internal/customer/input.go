package customer

import (
	"bytes"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/nyaruka/phonenumbers"

	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/pii"
	"caseload/internal/relay"
)

// Fields are what an integrator says of a customer. Absent keeps what is stored, null clears it.
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

// Lengths count Unicode code points.
const (
	maxText      = 255
	maxReference = 255
	maxLanguage  = 35 // BCP 47, RFC 5646 §4.4.1
)

// CheckReference records what is wrong with a reference id.
func CheckReference(c *fault.Check, ref string) {
	switch n := utf8.RuneCountInString(ref); {
	case strings.TrimSpace(ref) == "":
		c.Add(fault.Blank, "Give your own reference for the customer, 1 to %d characters.", maxReference)
	case n > maxReference:
		c.Add(fault.TooLong, "A reference has at most %d characters.", maxReference)
	case strings.ContainsRune(ref, 0) || !utf8.ValidString(ref):
		c.Add(fault.Invalid, "A reference must be valid UTF-8 without the character NUL.")
	default:
		checkNoCard(c, ref)
	}
}

// text reads an optional text: absent keeps, null clears, blank is an error.
func text(c *fault.Check, field string, in graphql.Omittable[*string], limit int, to **string) bool {
	if !in.IsSet() {
		return false
	}
	if in.Value() == nil {
		*to = nil
		return true
	}
	s := strings.TrimSpace(*in.Value())
	switch {
	case s == "":
		c.At(field).Add(fault.Blank, "Give a text that is not blank, or null to clear it.")
		return false
	case utf8.RuneCountInString(s) > limit:
		c.At(field).Add(fault.TooLong, "At most %d characters.", limit)
		return false
	case strings.ContainsRune(s, 0) || !utf8.ValidString(s):
		c.At(field).Add(fault.Invalid, "The text must be valid UTF-8 without the character NUL.")
		return false
	}
	*to = &s
	return true
}

var (
	zipForm      = regexp.MustCompile(`^\d{5}(-\d{4})?$`)
	languageForm = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
)

// usStates are the codes of the Postal Service: states, the district, territories and military mail.
var usStates = strings.Fields(`AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY AS GU MP PR VI AA AE AP`)

// IsState reports whether a text is the two-letter code of a state, the district or a territory.
func IsState(code string) bool { return slices.Contains(usStates, code) }

// ParsePhone reads a number in E.164 form, or as dialed in the United States, and returns its E.164 form
// and the kind of line as far as the numbering plan tells it.
func ParsePhone(s string) (number string, line LineType, ok bool) {
	n, ok := northAmerican(s)
	if !ok {
		var err error
		if n, err = phonenumbers.Parse(s, "US"); err != nil {
			return "", "", false
		}
	}
	// A number is valid when it is of a known type; asking for both would search the numbering plan twice.
	kind := phonenumbers.GetNumberType(n)
	if kind == phonenumbers.UNKNOWN {
		return "", "", false
	}
	return phonenumbers.Format(n, phonenumbers.E164), lineTypes[kind], true
}

// northAmerican reads a number that is in the E.164 form of the North American plan already, as nearly all of a source
// system's are: reading what people type takes longer than all else that is done with a row of a bulk upsert. Whether
// there is such a number remains to be looked up.
func northAmerican(s string) (*phonenumbers.PhoneNumber, bool) {
	// No area begins with 0 or 1: behind +1 they are the long way to dial another number.
	if len(s) != len("+14155550123") || s[:2] != "+1" || s[2] < '2' {
		return nil, false
	}
	var national uint64
	for _, digit := range []byte(s[2:]) {
		if digit < '0' || digit > '9' {
			return nil, false
		}
		national = national*10 + uint64(digit-'0')
	}
	country := int32(1)
	return &phonenumbers.PhoneNumber{CountryCode: &country, NationalNumber: &national}, true
}

var lineTypes = map[phonenumbers.PhoneNumberType]LineType{
	phonenumbers.FIXED_LINE: "LANDLINE", phonenumbers.MOBILE: "MOBILE", phonenumbers.FIXED_LINE_OR_MOBILE: "UNKNOWN",
	phonenumbers.TOLL_FREE: "TOLL_FREE", phonenumbers.PREMIUM_RATE: "PREMIUM", phonenumbers.SHARED_COST: "SHARED_COST",
	phonenumbers.VOIP: "NON_FIXED_VOIP", phonenumbers.PERSONAL_NUMBER: "PERSONAL", phonenumbers.PAGER: "PAGER",
	phonenumbers.UAN: "UAN", phonenumbers.VOICEMAIL: "VOICEMAIL",
}

// earliestBirthday is older than anybody alive; earlier dates are typing mistakes.
var earliestBirthday = civil.MustDate(1900, time.January, 1)

// Merge applies the fields to the record: stored ⊕ sent. Errors go to c; a field with an error keeps
// its stored value. today is the day at the place of the server's clock, for birthdays.
func (r *Record) Merge(in *Fields, c *fault.Check, s *pii.Sealer, today civil.Date) error {
	cu := &r.Customer
	text(c, "firstName", in.FirstName, maxText, &cu.FirstName)
	text(c, "middleName", in.MiddleName, maxText, &cu.MiddleName)
	text(c, "lastName", in.LastName, maxText, &cu.LastName)
	r.mergeContact(in, c)
	r.mergeAddress(in, c)
	r.mergeFlags(in, c)
	if m := in.ExternalMetadata; m.IsSet() {
		if value := db.JSON(bytes.TrimSpace(m.Value())); len(value) == 0 || string(value) == "null" {
			cu.ExternalMetadata = nil
		} else if code, wrong := checkMetadata(value); wrong != "" {
			c.At("externalMetadata").Add(code, "%s", wrong)
		} else {
			cu.ExternalMetadata = value
		}
	}
	return r.mergePersonal(in, c, s, today)
}

func (r *Record) mergeContact(in *Fields, c *fault.Check) {
	cu := &r.Customer
	r.mergeEmail(c, "email", in.Email)
	r.mergeLanguage(c, "language", in.Language)
	r.mergePhone(c, "phoneNumber", in.PhoneNumber)
	zone := cu.TimeZone
	if text(c, "timezone", in.Timezone, maxText, &zone) {
		if zone == nil {
			cu.TimeZone = nil
		} else if z, err := civil.ParseZone(*zone); err != nil {
			c.At("timezone").Add(fault.Invalid, "Give an IANA time zone of a place, such as America/New_York.")
		} else {
			name := z.Name()
			cu.TimeZone = &name
		}
	}
}

func (r *Record) mergeEmail(c *fault.Check, field string, in graphql.Omittable[*string]) {
	email := r.Customer.Email
	if text(c, field, in, maxText, &email) {
		if email != nil && !same(email, r.Customer.Email) && !isEmail(*email) {
			c.At(field).Add(fault.Invalid, "Give one e-mail address, such as ann@example.com.")
		} else {
			r.Customer.Email = email
		}
	}
}

func (r *Record) mergeLanguage(c *fault.Check, field string, in graphql.Omittable[*string]) {
	language := r.Customer.Language
	if text(c, field, in, maxLanguage, &language) {
		if language != nil && !languageForm.MatchString(*language) {
			c.At(field).Add(fault.Invalid, "Give a BCP 47 language tag, such as en or es-MX.")
		} else {
			r.Customer.Language = language
		}
	}
}

func (r *Record) mergePhone(c *fault.Check, field string, in graphql.Omittable[*string]) {
	var number *string
	if !text(c, field, in, maxText, &number) || r.Phone != nil && same(number, &r.Phone.Number) {
		return
	}
	if number == nil {
		r.phoneRemoved = r.phoneRemoved || r.Phone != nil
		r.Phone = nil
	} else if e164, line, ok := ParsePhone(*number); !ok {
		c.At(field).Add(fault.Invalid, "Give a valid phone number in E.164 form, such as +14155550123, or as dialed in the United States.")
	} else if r.Phone == nil || r.Phone.Number != e164 {
		r.Phone = r.primaryPhone(e164, line)
	}
}

// primaryPhone makes the primary phone of a number that is not that of the record's.
func (r *Record) primaryPhone(number string, line LineType) *Phone {
	if r.stored != nil && r.stored.phone != nil && r.stored.phone.Number == number {
		// An earlier row of the same batch took the stored number away: it comes back as it was.
		known := *r.stored.phone
		return &known
	}
	p := &Phone{Label: Primary, Number: number, LineType: line}
	for _, other := range r.otherPhones {
		// A block belongs to the number, under whatever label it was found wrong: a new number has none.
		if other.Number == number && other.BlockedAt != nil {
			p.BlockedAt, p.BlockedReason = other.BlockedAt, other.BlockedReason
		}
	}
	return p
}

func (r *Record) mergeAddress(in *Fields, c *fault.Check) {
	a := Address{Label: Primary, Country: "US"}
	if r.Address != nil {
		a = *r.Address
	}
	set := text(c, "streetAddress1", in.StreetAddress1, maxText, &a.Line1)
	set = text(c, "streetAddress2", in.StreetAddress2, maxText, &a.Line2) || set
	set = text(c, "city", in.City, maxText, &a.City) || set
	state := a.State
	if text(c, "state", in.State, maxText, &state) {
		if state != nil {
			upper := strings.ToUpper(*state)
			state = &upper
		}
		if state != nil && !IsState(*state) {
			c.At("state").Add(fault.Invalid, "Give the two-letter code of a state or territory, such as CA.")
		} else {
			a.State, set = state, true
		}
	}
	zip := a.PostalCode
	if text(c, "zipCode", in.ZipCode, maxText, &zip) {
		if zip != nil && !zipForm.MatchString(*zip) {
			c.At("zipCode").Add(fault.Invalid, "Give a ZIP code of 5 or 5+4 digits, such as 94102 or 94102-1234.")
		} else {
			a.PostalCode, set = zip, true
		}
	}
	if set {
		r.Address = &a
	}
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
	r.mergeBirthday(c, "birthday", in.Birthday, today)
	agree, err := r.mergeSSN(c, "ssn", in.SSN, in.SSNLastFour, s)
	if err != nil {
		return err
	}
	var last *string
	if agree && text(c, "ssnLastFour", in.SSNLastFour, maxText, &last) {
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
	return r.reindex(s)
}

func (r *Record) mergeBirthday(c *fault.Check, field string, in graphql.Omittable[*string], today civil.Date) {
	var day *string
	if !text(c, field, in, maxText, &day) {
		return
	}
	if day == nil {
		r.Customer.Birthday = nil
	} else if d, err := civil.ParseDate(*day); err != nil {
		c.At(field).Add(fault.Invalid, "Give a date of the calendar as YYYY-MM-DD, such as 1985-06-15.")
	} else if d.After(today) || d.Before(earliestBirthday) {
		c.At(field).Add(fault.OutOfRange, "A birthday lies between %s and today.", earliestBirthday)
	} else {
		r.Customer.Birthday = &d
	}
}

// mergeSSN applies a full number. It returns false when the last four digits that were sent with it are not its end.
// The caller makes the index of last four digits and birthday anew.
func (r *Record) mergeSSN(c *fault.Check, field string, in, lastFour graphql.Omittable[*string], s *pii.Sealer) (agree bool, err error) {
	var full *string
	if !text(c, field, in, maxText, &full) {
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
	if l := lastFour.Value(); l != nil && strings.TrimSpace(*l) != ssn.LastFour() {
		// Which of the two is wrong cannot be known, so neither is taken.
		c.At("ssnLastFour").Add(fault.DuplicateInputItem, "ssnLastFour must be the end of ssn.")
		return false, nil
	}
	return true, r.putSSN(s, ssn)
}

// putSSN stores a full number unless it is stored already: sealing again would look like a change.
func (r *Record) putSSN(s *pii.Sealer, ssn pii.SSN) error {
	stored, err := r.Customer.ssn(s)
	if err != nil || stored == ssn.Reveal() {
		return err
	}
	return r.Customer.setSSN(s, ssn)
}

func (r *Record) putLastFour(s *pii.Sealer, digits string) error {
	stored, err := r.Customer.LastFour(s)
	if err != nil || stored != nil && *stored == digits {
		return err
	}
	// Other last digits than those of the full number make the full number wrong.
	r.Customer.SSNSealed, r.Customer.SSNIndex = nil, nil
	return r.Customer.setLastFour(s, digits)
}

// reindex makes the blind index of last four digits and birthday what it must be.
func (r *Record) reindex(s *pii.Sealer) error {
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

func isEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s {
		return false
	}
	_, domain, _ := strings.Cut(s, "@")
	return strings.Contains(domain, ".") && !strings.HasSuffix(domain, ".") && !strings.Contains(domain, "[")
}

// PIIField is a number that is stored sealed and shown in full only by revealPii.
type PIIField string

// The fields.
const (
	FieldSSN            PIIField = "SSN"
	FieldMBI            PIIField = "MBI"
	FieldMedicaidNumber PIIField = "MEDICAID_NUMBER"
	FieldVANumber       PIIField = "VA_NUMBER"
	FieldAccountNumber  PIIField = "ACCOUNT_NUMBER"
)

// RevealInput is what revealPii needs.
type RevealInput struct {
	CustomerID relay.ID
	Field      PIIField
	AccountID  graphql.Omittable[*relay.ID]
	Reason     string
}

// Validate checks that the reason is one.
func (in *RevealInput) Validate(c *fault.Check) {
	switch n := utf8.RuneCountInString(strings.TrimSpace(in.Reason)); {
	case n < 10:
		c.At("reason").Add(fault.TooShort, "Say in 10 to 500 characters why the number is needed.")
	case n > 500:
		c.At("reason").Add(fault.TooLong, "A reason has at most 500 characters.")
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
