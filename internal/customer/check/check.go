package check

import (
	"regexp"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/pii"
)

// The bounds of texts, in Unicode code points (docs/limits.md).
const (
	MaxText       = 255
	MaxShort      = 50
	MaxPostalCode = 20
	MaxSource     = 64
	maxReason     = 500
)

// wordForm is a value of an enumeration that the source system may extend.
var wordForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,49}$`)

// SourceID returns an id of a source system, or "" when it is wrong.
func SourceID(c *fault.Check, id string) string { return input.Key(c, id, MaxText) }

// Source returns the name of a source system, or "" when it is wrong.
func Source(c *fault.Check, source string) string { return input.Key(c, source, MaxSource) }

// Word returns a value of an enumeration that the source system may extend, or "" when it is wrong.
func Word(c *fault.Check, word, example string) string {
	word = input.Text(c, word, MaxShort)
	switch {
	case word == "":
	case pii.HoldsCardNumber(word):
		c.Add(fault.Invalid, "The value %v.", pii.ErrCardNumber)
	case !wordForm.MatchString(word):
		c.Add(fault.Invalid, "Use capital letters, digits and _, beginning with a letter, such as %s.", example)
	default:
		return word
	}
	return ""
}

// OptionalWord reads an optional value of such an enumeration: absent keeps, null clears.
func OptionalWord(c *fault.Check, field string, in graphql.Omittable[*string], example string, to **string) {
	input.Optional(in, to, func(text string) (string, bool) {
		word := Word(c.At(field), text, example)
		return word, word != ""
	})
}

// Instant reads an optional time: absent and wrong are not set, null is set to nothing.
func Instant(c *fault.Check, field string, in graphql.Omittable[*string]) graphql.Omittable[*time.Time] {
	if !in.IsSet() {
		return graphql.Omittable[*time.Time]{}
	}
	if in.Value() == nil {
		return graphql.OmittableOf[*time.Time](nil)
	}
	if t, ok := input.Moment(c.At(field), *in.Value()); ok {
		return graphql.OmittableOf(&t)
	}
	return graphql.Omittable[*time.Time]{}
}

// Language returns the language of a record in its source system, "" where it has none; ok reports whether nothing is wrong
// with it.
func Language(c *fault.Check, language *string) (tag string, ok bool) {
	if language == nil {
		return "", true
	}
	tag = input.Language(c, *language)
	return tag, tag != ""
}

// Reason returns the reason of a change, "" when none was given.
func Reason(c *fault.Check, in graphql.Omittable[*string]) string {
	return input.Reason(c.At("reason"), in.Value(), 0, maxReason)
}
