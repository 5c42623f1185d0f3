package lending

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/shopspring/decimal"

	"caseload/internal/civil"
)

var (
	integerForm  = regexp.MustCompile(`^(0|[1-9][0-9]{0,18})$`)
	moneyForm    = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,6})?$`)
	lastFourForm = regexp.MustCompile(`^[0-9]{4}$`)
	currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)
	// hugeExponent finds numbers that jsonb refuses, or stores as thousands of digits.
	hugeExponent = regexp.MustCompile(`[eE][+-]?[0-9]{3,}$`)
)

// violation is a breach of the contract. Its text names known fields only, never values, nor names that
// the other side chose.
type violation string

func (v violation) Error() string { return string(v) }

// scan checks a document as a whole before anything is read from it: one JSON value of valid UTF-8 without
// repeated names, not too deep, and free of what PostgreSQL cannot store (U+0000, absurd numbers).
func scan(body []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(body))
	for started := false; ; started = true {
		if started && dec.StackDepth() == 0 {
			if _, err := dec.ReadToken(); err != io.EOF {
				return violation("the body must be one JSON value")
			}
			return nil
		}
		token, err := dec.ReadToken()
		if err != nil {
			return violation(fmt.Sprintf("the body must be JSON in UTF-8 without repeated names; it fails at byte %d", dec.InputOffset()))
		}
		switch {
		case dec.StackDepth() > MaxDepth:
			return violation(fmt.Sprintf("the JSON must be nested at most %d deep", MaxDepth))
		case token.Kind() == '"' && strings.Contains(token.String(), "\x00"):
			return violation("texts must not hold the character U+0000")
		case token.Kind() == '0' && (len(token.String()) > 64 || hugeExponent.MatchString(token.String())):
			return violation("numbers must have at most 64 characters and an exponent of at most two digits")
		}
	}
}

// object reads the members of a JSON object and collects what is wrong with them, all at once.
type object struct {
	path    string
	members map[string]jsontext.Value
	wrong   *[]string
}

const maxReported = 10

func (o object) fail(name, want string) {
	if len(*o.wrong) < maxReported {
		*o.wrong = append(*o.wrong, o.path+name+" must be "+want)
	}
}

// get returns a member that is there and not null.
func (o object) get(name string) (jsontext.Value, bool) {
	v, ok := o.members[name]
	return v, ok && v.Kind() != 'n'
}

func (o object) nested(name string, v jsontext.Value) (object, bool) {
	if v.Kind() != '{' {
		o.fail(name, "an object")
		return object{}, false
	}
	inner := object{path: o.path + name + ".", wrong: o.wrong}
	if err := jsonv2.Unmarshal(v, &inner.members); err != nil {
		o.fail(name, "an object")
		return object{}, false
	}
	return inner, true
}

func (o object) str(name, want string) (string, bool) {
	v, ok := o.get(name)
	if !ok {
		return "", false
	}
	var s string
	if v.Kind() != '"' || jsonv2.Unmarshal(v, &s) != nil {
		o.fail(name, want)
		return "", false
	}
	s = strings.TrimSpace(s)
	return s, s != ""
}

func (o object) text(name string) *string {
	want := fmt.Sprintf("text of at most %d characters without control characters, or null", MaxTextLength)
	s, ok := o.str(name, want)
	if !ok {
		return nil
	}
	if utf8.RuneCountInString(s) > MaxTextLength || strings.ContainsFunc(s, unicode.IsControl) {
		o.fail(name, want)
		return nil
	}
	return &s
}

func (o object) form(name string, form *regexp.Regexp, want string) *string {
	s, ok := o.str(name, want)
	if !ok {
		return nil
	}
	if !form.MatchString(s) {
		o.fail(name, want)
		return nil
	}
	return &s
}

func (o object) date(name string) *civil.Date {
	const want = "a calendar date YYYY-MM-DD as text, from the year 1800, or null"
	s, ok := o.str(name, want)
	if !ok {
		return nil
	}
	// Systems that know no date send the beginning of their calendar: 0001-01-01, 1601-01-01.
	d, err := civil.ParseDate(s)
	if err != nil || d.Year() < 1800 {
		o.fail(name, want)
		return nil
	}
	return &d
}

func (o object) flag(name string) *bool {
	v, ok := o.get(name)
	if !ok {
		return nil
	}
	b := v.Kind() == 't'
	if !b && v.Kind() != 'f' {
		o.fail(name, "true, false or null")
		return nil
	}
	return &b
}

// id reads an identifier that may be text or a non-negative integer: both become text.
func (o object) id(name string) string {
	const want = "text, or a whole number without sign, point or exponent"
	v, ok := o.get(name)
	switch {
	case ok && v.Kind() == '0' && integerForm.Match(v):
		return string(v)
	case ok && v.Kind() == '"':
		if s := o.text(name); s != nil {
			return *s
		}
	}
	o.fail(name, want)
	return ""
}

// money reads a decimal from text or from the literal of a number, never through a float: 0.1 stays 0.1.
// Exponents are refused because 1e999999999 would take gigabytes once it is printed.
func (o object) money(name string) *decimal.Decimal {
	const want = "a decimal number, as number or text, of at most 15 digits before and 6 after the point, or null"
	v, ok := o.get(name)
	if !ok {
		return nil
	}
	literal := string(v)
	if v.Kind() == '"' {
		if literal, ok = o.str(name, want); !ok {
			return nil
		}
	}
	if !moneyForm.MatchString(literal) {
		o.fail(name, want)
		return nil
	}
	d, err := decimal.NewFromString(literal)
	if err != nil {
		o.fail(name, want)
		return nil
	}
	return &d
}

func (o object) days(name string) *int32 {
	v, ok := o.get(name)
	if !ok {
		return nil
	}
	n, err := strconv.ParseInt(string(v), 10, 32)
	if err != nil || n < 0 || n > 36500 || !integerForm.Match(v) {
		o.fail(name, "a whole number from 0 to 36500, or null")
		return nil
	}
	days := int32(n)
	return &days
}

func (o object) borrower() Borrower {
	b := Borrower{
		FirstName: o.text("firstName"), LastName: o.text("lastName"), Email: o.text("email"),
		Birthday:    o.date("birthday"),
		SSNLastFour: o.form("ssnLastFour", lastFourForm, "four digits as text, or null"),
		PhoneNumber: o.text("phoneNumber"), TimeZone: o.text("timezone"), Language: o.text("language"),
		StreetAddress1: o.text("streetAddress1"), StreetAddress2: o.text("streetAddress2"),
		City: o.text("city"), State: o.text("state"), ZipCode: o.text("zipCode"),
		DoNotCall: o.flag("doNotCall"),
	}
	if v, ok := o.get("externalMetadata"); ok {
		if v.Kind() != '{' || len(v) > MaxMetadataBytes {
			o.fail("externalMetadata", fmt.Sprintf("an object of at most %d bytes, or null", MaxMetadataBytes))
		} else {
			b.ExternalMetadata = json.RawMessage(bytes.Clone(v))
		}
	}
	return b
}

func (o object) loan() Loan {
	l := Loan{
		ID: o.id("id"), Product: o.text("product"),
		OriginalPrincipal: o.money("originalPrincipal"), PrincipalBalance: o.money("principalBalance"),
		AmountDue: o.money("amountDue"), DaysPastDue: o.days("daysPastDue"), Currency: "USD",
		OpenedOn: o.date("openedOn"), NextDueOn: o.date("nextDueOn"),
	}
	if s := o.text("status"); s != nil {
		l.Status = *s
	} else {
		o.fail("status", "text, and is required")
	}
	if c := o.form("currency", currencyForm, "an ISO 4217 code of three capital letters, or null"); c != nil {
		l.Currency = *c
	}
	return l
}

// decode scans a body, reads it with the given function, and reports all violations as one.
func decode(body []byte, read func(object)) error {
	if err := scan(body); err != nil {
		return err
	}
	var wrong []string
	root := object{wrong: &wrong}
	if jsontext.Value(body).Kind() != '{' || jsonv2.Unmarshal(body, &root.members) != nil {
		return violation("the body must be a JSON object")
	}
	read(root)
	if len(wrong) > 0 {
		return violation(strings.Join(wrong, "; "))
	}
	return nil
}

// decodeBorrower reads the answer of /v1/borrowers/{referenceId}.
func decodeBorrower(body []byte) (Borrower, error) {
	var b Borrower
	err := decode(body, func(o object) {
		b = o.borrower()
		b.ReferenceID = o.id("referenceId")
	})
	return b, err
}

// decodeLoans reads one page of /v1/borrowers/{referenceId}/loans and the token of the next page, which is
// empty on the last one.
func decodeLoans(body []byte) (loans []Loan, next string, err error) {
	err = decode(body, func(o object) {
		if token := o.text("nextPage"); token != nil {
			next = *token
		}
		v, ok := o.get("loans")
		var items []jsontext.Value
		if !ok || v.Kind() != '[' || jsonv2.Unmarshal(v, &items) != nil {
			o.fail("loans", "a list, and is required")
			return
		}
		if len(items) > MaxLoans {
			o.fail("loans", fmt.Sprintf("a list of at most %d", MaxLoans))
			return
		}
		seen := make(map[string]Loan, len(items))
		for i, item := range items {
			inner, ok := o.nested(fmt.Sprintf("loans[%d]", i), item)
			if !ok {
				continue
			}
			l := inner.loan()
			// A page that states one loan twice, differently, leaves no way to tell which is true.
			if first, twice := seen[l.ID]; twice && l.ID != "" {
				if !reflect.DeepEqual(first, l) {
					inner.fail("id", "unique within the page")
				}
				continue
			}
			seen[l.ID] = l
			loans = append(loans, l)
		}
	})
	if err != nil {
		return nil, "", err
	}
	return loans, next, nil
}

// loanFile is the answer of /v1/loans/{loanId}.
type loanFile struct {
	loan     Loan
	owner    string
	borrower Borrower
}

func decodeLoanFile(body []byte) (loanFile, error) {
	var f loanFile
	err := decode(body, func(o object) {
		f.loan, f.owner = o.loan(), o.id("borrowerReferenceId")
		if v, ok := o.get("borrower"); ok {
			if inner, ok := o.nested("borrower", v); ok {
				f.borrower = inner.borrower()
			}
		}
	})
	return f, err
}
