package input

import (
	"net/mail"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"

	"caseload/internal/fault"
)

// Email returns an e-mail address of at most limit code points, its domain in small letters, or "" when it is wrong.
func Email(c *fault.Check, text string, limit int) string {
	address := Text(c, text, limit)
	if address == "" {
		return ""
	}
	if !isEmail(address) {
		c.Add(fault.Invalid, "Give one e-mail address, such as ann@example.com.")
		return ""
	}
	return EmailForm(address)
}

// EmailForm returns an e-mail address in its form without judging it: domains are compared without regard to case, local parts
// belong to whoever runs the domain.
func EmailForm(text string) string {
	text = Form(text)
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		text = text[:at] + strings.ToLower(text[at:])
	}
	return text
}

func isEmail(s string) bool {
	if strings.ContainsFunc(s, func(r rune) bool { return isInvisible(r) || isSpace(r) }) {
		return false
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s {
		return false
	}
	_, domain, _ := strings.Cut(s, "@")
	return strings.Contains(domain, ".") && !strings.HasSuffix(domain, ".") && !strings.Contains(domain, "[")
}

// Line is the kind of line of a phone number, as far as its numbering plan tells it.
type Line = phonenumbers.PhoneNumberType

// Phone returns one phone number, in E.164 form or as dialed in the United States, in E.164 form with its kind of line, or ""
// when it is wrong. An extension or a second number is refused, not dropped.
func Phone(c *fault.Check, text string) (string, Line) {
	text, wrong := phoneForm(text)
	if wrong != fine || text == "" || utf8.RuneCountInString(text) > maxPhone {
		Text(c, text, maxPhone)
		return "", phonenumbers.UNKNOWN
	}
	number, line, ok := parsePhone(text)
	switch {
	case ok:
	case isSeveral(text):
		c.Add(fault.Invalid, "Give one phone number without an extension, such as +14155550123.")
	default:
		c.Add(fault.Invalid, "Give a valid phone number in E.164 form, such as +14155550123, or as dialed in the United States.")
	}
	return number, line
}

// ParsePhone is [Phone] for a number that is not judged, such as one of a filter; ok reports whether the text is a number.
func ParsePhone(text string) (number string, line Line, ok bool) {
	if text, wrong := phoneForm(text); wrong == fine && text != "" && utf8.RuneCountInString(text) <= maxPhone {
		return parsePhone(text)
	}
	return "", phonenumbers.UNKNOWN, false
}

// maxPhone bounds what is read as a number, in code points: no notation of one is as long.
const maxPhone = 255

// phoneForm returns the text of a number in its form. Programs that keep contacts wrap numbers in marks of direction, and put
// them between the digits too.
func phoneForm(text string) (string, rune) {
	if isPlain(text) {
		return strings.Trim(text, " "), fine
	}
	if !utf8.ValidString(text) {
		return text, notUTF8
	}
	return form(strings.Map(func(r rune) rune {
		if isInvisible(r) {
			return -1
		}
		return r
	}, text), false)
}

func parsePhone(text string) (number string, line Line, ok bool) {
	n, ok := northAmerican(text)
	if !ok {
		if !numberStart.MatchString(text) || isSeveral(text) {
			return "", phonenumbers.UNKNOWN, false
		}
		var err error
		if n, err = phonenumbers.Parse(text, "US"); err != nil || n.GetExtension() != "" {
			return "", phonenumbers.UNKNOWN, false
		}
	}
	// A number is valid when it is of a known type; asking for both would search the numbering plan twice.
	line = phonenumbers.GetNumberType(n)
	if line == phonenumbers.UNKNOWN {
		return "", line, false
	}
	return phonenumbers.Format(n, phonenumbers.E164), line, true
}

// numberStart is how a number begins: the library would drop a name before it without a word.
var numberStart = regexp.MustCompile(`^(?i:tel:)?[^\pL\p{Nd}+＋]*[\p{Nd}+＋]`)

// extensionForm is how an extension begins: with a word or with one of the letters that stand for it.
var extensionForm = regexp.MustCompile(`(?i)[0-9)][\s.,-]*(x|e?xt?n?|extension|int|anexo|poste)[\s.:]*[0-9]*$`)

// isSeveral reports whether a text is a number with an extension, or more than one number: the library would read the first
// and drop the rest.
func isSeveral(text string) bool {
	letters := 0
	for _, r := range text {
		if unicode.IsLetter(r) {
			letters++
		}
	}
	// Numbers in letters, such as 1-800-FLOWERS, have at least three.
	if strings.ContainsAny(text, "\\;,#&~|*") || 0 < letters && letters < 3 || extensionForm.MatchString(text) {
		return true
	}
	before, after, slash := strings.Cut(text, "/")
	return slash && (strings.Contains(after, "/") || isShort(after) || isNumber(before) || isNumber(after))
}

// isShort reports whether what follows a slash is too short for more than other last digits of the number before it. With more, it is
// how Germans set off the area: +49 30/1234567.
func isShort(text string) bool {
	digits := 0
	for _, r := range text {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	return digits < 3
}

// isNumber reports whether a part of a text is a number by itself.
func isNumber(text string) bool {
	n, err := phonenumbers.Parse(text, "US")
	return err == nil && phonenumbers.IsValidNumber(n)
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
