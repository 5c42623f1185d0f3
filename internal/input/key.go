package input

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/fault"
	"caseload/internal/pii"
)

// Key returns a required key of another system, of at most limit code points, in its form, or "" when it is wrong. A key has no
// invisible character within, is not what a spreadsheet or an export leaves of one, and is not the number of a payment card,
// which must not be stored anywhere (PCI DSS, requirement 3).
func Key(c *fault.Check, text string, limit int) string {
	key, wrong := keyForm(text)
	switch {
	case wrong == notUTF8:
		c.Add(fault.Invalid, "A key must be valid UTF-8.")
	case wrong == fine && key == "":
		c.Add(fault.Blank, "Give a key of 1 to %d characters that can be seen.", limit)
	case wrong == unicode.ReplacementChar:
		c.Add(fault.Invalid, "The key holds U+FFFD, which stands for a character that was lost on the way here: send the key of the source, in UTF-8.")
	case wrong != fine:
		c.Add(fault.Invalid, "Take the character %U out of the key: a key has only characters that can be seen, and spaces.", wrong)
	case len(key) > limit && utf8.RuneCountInString(key) > limit:
		c.Add(fault.TooLong, "A key has at most %d characters.", limit)
	case pii.HoldsCardNumber(key):
		c.Add(fault.Invalid, "The value %v.", pii.ErrCardNumber)
	default:
		if hint := artefact(key); hint != "" {
			c.Add(fault.Invalid, "%s", hint)
			return ""
		}
		return key
	}
	return ""
}

// Reference returns the organization's own reference of a customer, a [Key] of at most 255 code points.
func Reference(c *fault.Check, text string) string {
	const maxReference = 255
	return Key(c, text, maxReference)
}

// ClearKey overwrites an optional key when one was sent; null clears it. A wrong key leaves what is there. It reports
// whether it wrote.
func ClearKey(c *fault.Check, in graphql.Omittable[*string], limit int, to **string) bool {
	return Optional(in, to, func(text string) (string, bool) { return Given(Key(c, text, limit)) })
}

// ClearKeyAt is [ClearKey] at a field of c.
func ClearKeyAt(c *fault.Check, field string, in graphql.Omittable[*string], limit int, to **string) bool {
	return in.IsSet() && ClearKey(c.At(field), in, limit, to)
}

// WholeNumber returns the digits of a number of JSON, for systems that number their records; ok reports whether it is a whole
// number without an exponent. Zero has no sign.
func WholeNumber(number string) (digits string, ok bool) {
	if number == "-0" {
		return "0", true
	}
	return number, !strings.ContainsAny(number, ".eE")
}

// KeyForm returns a key in its form without judging it, for lookups and filters.
func KeyForm(text string) string {
	key, _ := keyForm(text)
	return key
}

// keyForm is [form] for a key: spaces within it are those of ASCII, and of invisible characters there is none.
func keyForm(text string) (string, rune) {
	if isPlain(text) {
		return strings.Trim(text, " "), fine
	}
	text, wrong := form(text, false)
	if wrong != fine {
		return text, wrong
	}
	for _, r := range text {
		if isInvisible(r) || r == unicode.ReplacementChar {
			return text, r
		}
	}
	return strings.Map(func(r rune) rune {
		if isSpace(r) {
			return ' '
		}
		return r
	}, text), fine
}

var (
	// formulaForm and errorForm are what spreadsheets write in the place of a key.
	formulaForm = regexp.MustCompile(`^=\s*["'(A-Za-z]`)
	errorForm   = regexp.MustCompile(`(?i)^#(N/A|REF!|VALUE!|NAME\?|DIV/0!|NULL!|NUM!|SPILL!|CALC!|FIELD!|BLOCKED!|CONNECT!|BUSY!|UNKNOWN!|GETTING_DATA|ERROR!|#+)$`)
	// decimalForm is a whole number that went through a floating-point column, shortForm one whose end a spreadsheet rounded away.
	decimalForm = regexp.MustCompile(`^[0-9]+[.,]0+$`)
	shortForm   = regexp.MustCompile(`^[0-9][.,]?[0-9]*E\+[0-9]+$`)
	// nothingForm is how exports of databases and programs write that there is no value.
	nothingForm = regexp.MustCompile(`^(\\N|(?i:null|\(null\)|\[null\]|<null>|-?nan)|<NA>|NaT|None|undefined|N/A|n/a)$`)
)

// artefact returns what is to be sent in place of what a spreadsheet or an export left of a key, or "" for a key.
func artefact(key string) string {
	switch first := key[0]; {
	case '0' <= first && first <= '9':
		// Most keys that begin so are digits alone.
		if !strings.ContainsAny(key, ".,E") {
			return ""
		}
	case !strings.ContainsRune(`=#\([<-nNuU`, rune(first)):
		return ""
	}
	switch {
	case formulaForm.MatchString(key):
		return `The key is a formula of a spreadsheet: send the value that it shows, such as 00123 for ="00123".`
	case errorForm.MatchString(key):
		return "The key is an error value of a spreadsheet: send the key of the source, or leave it out."
	case decimalForm.MatchString(key):
		return "The key is a whole number that was written as a decimal: send it without the point and the zeros, such as 123 for 123.0."
	case shortForm.MatchString(key):
		return "The key is a number that a spreadsheet shortened, and its last digits are lost: send all digits of the source, such as 123456789012345 for 1.23457E+14."
	case nothingForm.MatchString(key):
		return "The key is the word of an export for no value: send the key of the source, or leave it out."
	}
	return ""
}
