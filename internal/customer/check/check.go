package check

import (
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/fault"
	"caseload/internal/pii"
)

// The bounds of texts, in Unicode code points (docs/limits.md).
const (
	MaxText       = 255
	MaxReference  = 255
	MaxShort      = 50
	MaxPostalCode = 20
	MaxLanguage   = 35 // BCP 47, RFC 5646 §4.4.1
	MaxSource     = 64
	maxReason     = 500
)

// earliestYear and latestYear bound what a system can mean by a time; others are typing mistakes.
const (
	earliestYear = 1900
	latestYear   = 2200
)

var (
	LanguageForm = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	// wordForm is a value of an enumeration that the source system may extend.
	wordForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,49}$`)
)

// Reference records what is wrong with a reference id.
func Reference(c *fault.Check, ref string) {
	switch n := utf8.RuneCountInString(ref); {
	case strings.TrimSpace(ref) == "":
		c.Add(fault.Blank, "Give your own reference for the customer, 1 to %d characters.", MaxReference)
	case n > MaxReference:
		c.Add(fault.TooLong, "A reference has at most %d characters.", MaxReference)
	case strings.ContainsRune(ref, 0) || !utf8.ValidString(ref):
		c.Add(fault.Invalid, "A reference must be valid UTF-8 without the character NUL.")
	default:
		NoCard(c, ref)
	}
}

// Text reads an optional text: absent keeps, null clears, blank is an error.
func Text(c *fault.Check, field string, in graphql.Omittable[*string], limit int, to **string) bool {
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

// SourceID checks an id of a source system, which means nothing here and is kept as it is, unless it holds the number
// of a card.
func SourceID(c *fault.Check, id string) bool {
	switch {
	case strings.TrimSpace(id) == "":
		c.Add(fault.Blank, "Give the id in the source system, 1 to %d characters.", MaxText)
	case utf8.RuneCountInString(id) > MaxText:
		c.Add(fault.TooLong, "An id in a source system has at most %d characters.", MaxText)
	case strings.ContainsRune(id, 0) || !utf8.ValidString(id):
		c.Add(fault.Invalid, "An id must be valid UTF-8 without the character NUL.")
	default:
		return NoCard(c, id)
	}
	return false
}

// NoCard refuses the full number of a card: it must not be stored anywhere (PCI DSS, requirement 3). Every id and code
// of another system goes through it; docs/limits.md lists them.
func NoCard(c *fault.Check, text string) bool {
	if pii.HoldsCardNumber(text) {
		c.Add(fault.Invalid, "The value %v.", pii.ErrCardNumber)
		return false
	}
	return true
}

// ID reads an optional id or code of another system, as [Text] does.
func ID(c *fault.Check, field string, in graphql.Omittable[*string], limit int, to **string) bool {
	id := *to
	if !Text(c, field, in, limit, &id) || in.Value() != nil && !NoCard(c.At(field), *id) {
		return false
	}
	*to = id
	return true
}

// Word checks a value of an enumeration that the source system may extend.
func Word(c *fault.Check, word, example string) bool {
	switch {
	case word == "":
		c.Add(fault.Blank, "Give the source system's word, such as %s.", example)
	case utf8.RuneCountInString(word) > MaxShort:
		c.Add(fault.TooLong, "At most %d characters.", MaxShort)
	case !NoCard(c, word):
	case !wordForm.MatchString(word):
		c.Add(fault.Invalid, "Use capital letters, digits and _, beginning with a letter, such as %s.", example)
	default:
		return true
	}
	return false
}

// OptionalWord reads an optional value of such an enumeration: absent keeps, null clears.
func OptionalWord(c *fault.Check, field string, in graphql.Omittable[*string], example string, to **string) {
	if in.IsSet() && (in.Value() == nil || Word(c.At(field), *in.Value(), example)) {
		*to = in.Value()
	}
}

// ParseInstant reads a time of a source system.
func ParseInstant(c *fault.Check, text string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(text))
	switch {
	case strings.TrimSpace(text) == "":
		c.Add(fault.Blank, "Give a time in RFC 3339 with a zone, such as 2023-01-01T08:00:00Z.")
	case err != nil:
		c.Add(fault.Invalid, "Give a time in RFC 3339 with a zone, such as 2023-01-01T08:00:00Z.")
	case t.UTC().Year() < earliestYear || t.UTC().Year() > latestYear:
		c.Add(fault.OutOfRange, "A time lies between the years %d and %d.", earliestYear, latestYear)
	default:
		// Rows keep milliseconds: what it gives back must compare as equal.
		return t.UTC().Truncate(time.Millisecond), true
	}
	return time.Time{}, false
}

// Instant reads an optional time: absent and wrong are not set, null is set to nothing.
func Instant(c *fault.Check, field string, in graphql.Omittable[*string]) graphql.Omittable[*time.Time] {
	if !in.IsSet() {
		return graphql.Omittable[*time.Time]{}
	}
	if in.Value() == nil {
		return graphql.OmittableOf[*time.Time](nil)
	}
	if t, ok := ParseInstant(c.At(field), *in.Value()); ok {
		return graphql.OmittableOf(&t)
	}
	return graphql.Omittable[*time.Time]{}
}

// Source checks the name of a source system.
func Source(c *fault.Check, source string) bool {
	switch {
	case strings.TrimSpace(source) == "":
		c.Add(fault.Blank, "Name the source system in 1 to %d characters.", MaxSource)
	case utf8.RuneCountInString(source) > MaxSource:
		c.Add(fault.TooLong, "The name of a source system has at most %d characters.", MaxSource)
	case strings.ContainsRune(source, 0) || !utf8.ValidString(source):
		c.Add(fault.Invalid, "The name must be valid UTF-8 without the character NUL.")
	default:
		return NoCard(c, source)
	}
	return false
}

// Language checks the language of a record in its source system; nil is none.
func Language(c *fault.Check, language *string) bool {
	if IsLanguage(language) {
		return true
	}
	c.Add(fault.Invalid, "Give a BCP 47 language tag, such as en or es-MX, or leave it out.")
	return false
}

// IsLanguage reports whether a record can be known by this language, or by none.
func IsLanguage(language *string) bool {
	return language == nil || len(*language) <= MaxLanguage && LanguageForm.MatchString(strings.TrimSpace(*language))
}

// LanguageKey is a language as records are known by it: tags that differ in case only are the same (RFC 5646 2.1.1),
// so they get the case that is recommended there.
func LanguageKey(language string) string {
	parts := strings.Split(strings.ToLower(strings.TrimSpace(language)), "-")
	for i, p := range parts[1:] {
		switch isWord := strings.Trim(p, "abcdefghijklmnopqrstuvwxyz") == ""; {
		case len(p) == 2 && isWord:
			parts[i+1] = strings.ToUpper(p)
		case len(p) == 4 && isWord:
			parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, "-")
}

// Reason returns the reason of a change, "" when none was given.
func Reason(c *fault.Check, in graphql.Omittable[*string]) string {
	if in.Value() == nil {
		return ""
	}
	reason := strings.TrimSpace(*in.Value())
	if utf8.RuneCountInString(reason) > maxReason {
		c.At("reason").Add(fault.TooLong, "A reason has at most %d characters.", maxReason)
	} else if strings.ContainsRune(reason, 0) || !utf8.ValidString(reason) {
		c.At("reason").Add(fault.Invalid, "A reason must be valid UTF-8 without the character NUL.")
	}
	return reason
}
