package customer

import (
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/fault"
	"caseload/internal/pii"
)

// The bounds of what source systems send (docs/limits.md).
const (
	maxSource = 64
	// earliestYear and latestYear bound what a system can mean by a time; others are typing mistakes.
	earliestYear = 1900
	latestYear   = 2200
)

var (
	// wordForm is a value of an enumeration that the source system may extend.
	wordForm         = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,49}$`)
	organizationForm = regexp.MustCompile(`^[0-9]+$`)
	iinForm          = regexp.MustCompile(`^[0-9]{6}([0-9]{2})?$`)
	lastFourForm     = regexp.MustCompile(`^[0-9]{4}$`)
)

// checkSourceID checks an id of a source system, which means nothing here and is kept as it is, unless it holds the number
// of a card.
func checkSourceID(c *fault.Check, id string) bool {
	switch {
	case strings.TrimSpace(id) == "":
		c.Add(fault.Blank, "Give the id in the source system, 1 to %d characters.", maxText)
	case utf8.RuneCountInString(id) > maxText:
		c.Add(fault.TooLong, "An id in a source system has at most %d characters.", maxText)
	case strings.ContainsRune(id, 0) || !utf8.ValidString(id):
		c.Add(fault.Invalid, "An id must be valid UTF-8 without the character NUL.")
	default:
		return checkNoCard(c, id)
	}
	return false
}

// checkNoCard refuses the full number of a card: it must not be stored anywhere (PCI DSS, requirement 3). Every id and code
// of another system goes through it; docs/limits.md lists them.
func checkNoCard(c *fault.Check, text string) bool {
	if pii.HoldsCardNumber(text) {
		c.Add(fault.Invalid, "The value %v.", pii.ErrCardNumber)
		return false
	}
	return true
}

// idText reads an optional id or code of another system, as [text] does.
func idText(c *fault.Check, field string, in graphql.Omittable[*string], limit int, to **string) bool {
	id := *to
	if !text(c, field, in, limit, &id) || in.Value() != nil && !checkNoCard(c.At(field), *id) {
		return false
	}
	*to = id
	return true
}

// checkWord checks a value of an enumeration that the source system may extend.
func checkWord(c *fault.Check, word, example string) bool {
	switch {
	case word == "":
		c.Add(fault.Blank, "Give the source system's word, such as %s.", example)
	case utf8.RuneCountInString(word) > maxShort:
		c.Add(fault.TooLong, "At most %d characters.", maxShort)
	case !checkNoCard(c, word):
	case !wordForm.MatchString(word):
		c.Add(fault.Invalid, "Use capital letters, digits and _, beginning with a letter, such as %s.", example)
	default:
		return true
	}
	return false
}

// word reads an optional value of such an enumeration: absent keeps, null clears.
func word(c *fault.Check, field string, in graphql.Omittable[*string], example string, to **string) {
	if in.IsSet() && (in.Value() == nil || checkWord(c.At(field), *in.Value(), example)) {
		*to = in.Value()
	}
}

// checkStatus reads whether an account or a card is open.
func checkStatus(c *fault.Check, text string) (AccountStatus, bool) {
	switch status := AccountStatus(text); status {
	case Open, Closed:
		return status, true
	case "":
		c.Add(fault.Blank, "Give OPEN or CLOSED.")
	default:
		c.Add(fault.Invalid, "Use OPEN or CLOSED.")
	}
	return "", false
}

// parseInstant reads a time of a source system.
func parseInstant(c *fault.Check, text string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(text))
	switch {
	case strings.TrimSpace(text) == "":
		c.Add(fault.Blank, "Give a time in RFC 3339 with a zone, such as 2023-01-01T08:00:00Z.")
	case err != nil:
		c.Add(fault.Invalid, "Give a time in RFC 3339 with a zone, such as 2023-01-01T08:00:00Z.")
	case t.UTC().Year() < earliestYear || t.UTC().Year() > latestYear:
		c.Add(fault.OutOfRange, "A time lies between the years %d and %d.", earliestYear, latestYear)
	default:
		// PostgreSQL keeps microseconds: what it gives back must compare as equal.
		return t.UTC().Truncate(time.Microsecond), true
	}
	return time.Time{}, false
}

// instant reads an optional time: absent and wrong are not set, null is set to nothing.
func instant(c *fault.Check, field string, in graphql.Omittable[*string]) graphql.Omittable[*time.Time] {
	if !in.IsSet() {
		return graphql.Omittable[*time.Time]{}
	}
	if in.Value() == nil {
		return graphql.OmittableOf[*time.Time](nil)
	}
	if t, ok := parseInstant(c.At(field), *in.Value()); ok {
		return graphql.OmittableOf(&t)
	}
	return graphql.Omittable[*time.Time]{}
}

// or is the value that was sent, and what is stored where none was.
func or[T any](sent graphql.Omittable[*T], stored *T) *T {
	if sent.IsSet() {
		return sent.Value()
	}
	return stored
}
