package input

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"golang.org/x/text/unicode/norm"

	"caseload/internal/fault"
)

// Text returns a required one-line text of at most limit code points in its form, or "" when it is wrong.
func Text(c *fault.Check, text string, limit int) string { return judge(c, text, limit, false) }

// Note returns a required text that may have several lines and tabs, or "" when it is wrong. Its lines end with \n.
func Note(c *fault.Check, text string, limit int) string { return judge(c, text, limit, true) }

// Set overwrites a required one-line text when one was sent; null is an error. A wrong text leaves what is there.
// It reports whether it wrote.
func Set(c *fault.Check, in graphql.Omittable[*string], limit int, to *string) bool {
	return Required(c, in, to, func(text string) (string, bool) { return Given(Text(c, text, limit)) })
}

// Clear overwrites an optional one-line text when one was sent; null clears it. A wrong text leaves what is there.
// It reports whether it wrote.
func Clear(c *fault.Check, in graphql.Omittable[*string], limit int, to **string) bool {
	return Optional(in, to, func(text string) (string, bool) { return Given(Text(c, text, limit)) })
}

// ClearAt is [Clear] at a field of c; most texts are right, and nothing is made for them.
func ClearAt(c *fault.Check, field string, in graphql.Omittable[*string], limit int, to **string) bool {
	if text := in.Value(); text != nil && isPlain(*text) {
		if trimmed := strings.Trim(*text, " "); trimmed != "" && len(trimmed) <= limit {
			*to = &trimmed
			return true
		}
	}
	return in.IsSet() && Clear(c.At(field), in, limit, to)
}

// ClearNote is [Clear] for a text that may have several lines and tabs.
func ClearNote(c *fault.Check, in graphql.Omittable[*string], limit int, to **string) bool {
	return Optional(in, to, func(text string) (string, bool) { return Given(Note(c, text, limit)) })
}

// Required overwrites a value with what read makes of the one that was sent, if any; null is an error at c. It reports
// whether it wrote; what read refuses is not written.
func Required[S, T any](c *fault.Check, in graphql.Omittable[*S], to *T, read func(S) (T, bool)) bool {
	if !in.IsSet() {
		return false
	}
	if in.Value() == nil {
		c.Add(fault.Required, "This cannot be null; give a value, or leave it out.")
		return false
	}
	value, ok := read(*in.Value())
	if ok {
		*to = value
	}
	return ok
}

// Optional is [Required] for a value that null clears.
func Optional[S, T any](in graphql.Omittable[*S], to **T, read func(S) (T, bool)) bool {
	if !in.IsSet() {
		return false
	}
	if in.Value() == nil {
		*to = nil
		return true
	}
	value, ok := read(*in.Value())
	if ok {
		*to = &value
	}
	return ok
}

// Or returns an optional value, or another where it is absent or null.
func Or[T any](in graphql.Omittable[*T], other T) T {
	if v := in.Value(); v != nil {
		return *v
	}
	return other
}

// Given returns what a function that judges made of a text, and reports whether it was right, as [Required] and [Optional] ask.
func Given(text string) (string, bool) { return text, text != "" }

// judge brings a text into its form and records the first thing that is wrong with it.
func judge(c *fault.Check, text string, limit int, lines bool) string {
	text, wrong := form(text, lines)
	switch {
	case wrong == notUTF8:
		c.Add(fault.Invalid, "The text must be valid UTF-8.")
	case wrong == fine && text == "":
		c.Add(fault.Blank, "Give a text of 1 to %d characters that can be seen.", limit)
	case wrong != fine && !lines && isBreak(wrong):
		c.Add(fault.Invalid, "The text must be one line without tabs: take out the character %U.", wrong)
	case wrong != fine:
		c.Add(fault.Invalid, "Take out the character %U, which cannot be seen.", wrong)
	case len(text) > limit && utf8.RuneCountInString(text) > limit:
		c.Add(fault.TooLong, "At most %d characters.", limit)
	default:
		return text
	}
	return ""
}

// Form returns a one-line text in its form without judging it, for lookups and comparisons. Invalid UTF-8 comes back as it is.
func Form(text string) string {
	text, _ = form(text, false)
	return text
}

// Prefix returns the beginning of a text in a form, for comparisons with beginnings: white space at its end stays.
func Prefix(text string, form func(string) string) string {
	const end = "|"
	return strings.TrimSuffix(form(text+end), end)
}

// Words returns the words of a text in small letters, for a search.
func Words(text string) []string { return strings.Fields(strings.ToLower(Form(text))) }

// Length returns the number of code points of a text.
func Length(text string) int { return utf8.RuneCountInString(text) }

// What [form] returns in the place of a character: nothing is wrong, and what is wrong is not a character.
const (
	fine    rune = -1
	notUTF8 rune = -2
)

// form returns a text in NFC, without white space and invisible characters at its ends, and the first character that must not
// be in it, or [fine] or [notUTF8]. In several lines every line break becomes \n.
func form(text string, lines bool) (string, rune) {
	if isPlain(text) {
		return strings.Trim(text, " "), fine
	}
	if !utf8.ValidString(text) {
		return text, notUTF8
	}
	if lines {
		text = breaks.Replace(text)
	}
	return trim(norm.NFC.String(text), lines)
}

var breaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n")

// isPlain reports whether a text is printable ASCII, as nearly every text is: nothing can be wrong with its characters.
func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// trim takes white space and invisible characters off the ends of a text in NFC, and finds the first character that must
// not be within it. The ends of a text in NFC can be cut without leaving the form.
func trim(text string, lines bool) (string, rune) {
	start, end := -1, 0
	var before, hidden rune // the last rune, and the first of the current run of hidden ones that is wrong within a text
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if n := joined(before, text[i:]); n > 0 {
			// It belongs to what is before it; of a sequence the last rune is never looked at again.
			size = n
		} else if isSpace(r) || isInvisible(r) {
			if hidden == 0 && start >= 0 && !mayStandWithin(r, lines) {
				hidden = r
			}
			// Nothing belongs to it.
			before, i = 0, i+size
			continue
		}
		switch {
		case unicode.IsControl(r):
			return text, r
		case hidden != 0:
			return text, hidden
		case start < 0:
			start = i
		}
		before, i = r, i+size
		end = i
	}
	if start < 0 {
		return "", fine
	}
	return text[start:end], fine
}

// isSpace reports whether a rune is white space: as Unicode knows it, and the empty pattern of Braille, which looks so.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\u2800' }

// isBreak reports whether a rune begins a new line or a column.
func isBreak(r rune) bool {
	return '\t' <= r && r <= '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

// mayStandWithin reports whether a rune that is trimmed at the ends may stand within a text. The marks of direction are among
// those for several lines: they override nothing, and text in two scripts needs them.
func mayStandWithin(r rune, lines bool) bool {
	switch r {
	case '\n', '\t', '\u200E', '\u200F', '\u061C':
		return lines
	}
	return isSpace(r) && !isBreak(r)
}

// isInvisible reports whether nothing is drawn for a rune: format characters, among them all that change the direction of text,
// fillers, variation selectors and tags (the property Default_Ignorable_Code_Point, and the anchors of annotations).
func isInvisible(r rune) bool {
	if r < '\u0300' {
		return r == '\u00AD' // the soft hyphen is all there is among Latin letters
	}
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

const (
	zwnj, zwj   = '\u200C', '\u200D'
	blackFlag   = '\U0001F3F4'
	firstTag    = '\U000E0020'
	cancelTag   = '\U000E007F'
	maxFlagTags = 32
)

// joined returns the length of the invisible characters at the start of text that belong to the visible rune before them:
// a joiner between letters or emoji, a variation selector, the tags of a flag; 0 where there are none.
func joined(before rune, text string) int {
	r, size := utf8.DecodeRuneInString(text)
	switch {
	case before == 0 || r < zwnj:
	case r == zwj || r == zwnj:
		if next, n := utf8.DecodeRuneInString(text[size:]); isVirama(before) || n > 0 && canJoin(next) && mayPrecede(r, before) {
			return size
		}
	case unicode.Is(unicode.Variation_Selector, r):
		if hasVariants(before) {
			return size
		}
	case before == blackFlag && firstTag <= r && r < cancelTag:
		for n, i := 0, 0; n < maxFlagTags; n++ {
			r, size = utf8.DecodeRuneInString(text[i:])
			if i += size; r == cancelTag {
				return i
			}
			if r < firstTag || r > cancelTag {
				break
			}
		}
	}
	return 0
}

// canJoin reports whether a joiner may stand beside a rune.
func canJoin(r rune) bool {
	return (unicode.In(r, unicode.L, unicode.S) || unicode.IsMark(r)) && !isInvisible(r) && !isSpace(r)
}

// mayPrecede reports whether a joiner may follow a rune: one that it can stand beside, a variation selector that belongs to one, and
// before the non-joiner a digit or a closing quote, to which Persian adds endings.
func mayPrecede(joiner, r rune) bool {
	return canJoin(r) || unicode.Is(unicode.Variation_Selector, r) || joiner == zwnj && unicode.In(r, unicode.Nd, unicode.Pe, unicode.Pf)
}

// isVirama reports whether a rune suppresses the vowel of the letter before it; a joiner behind it chooses the form of
// that letter, also at the end of a word.
func isVirama(r rune) bool {
	const classOfViramas = 9 // Canonical_Combining_Class
	return unicode.Is(unicode.Mn, r) && norm.NFC.PropertiesString(string(r)).CCC() == classOfViramas
}

// hasVariants reports whether a variation selector behind a rune changes how it is drawn: emoji, ideographs, Mongolian. Behind
// a letter of an alphabet it would only make two texts of one.
func hasVariants(r rune) bool {
	return unicode.In(r, unicode.S, unicode.Nd, unicode.P, unicode.Lo) && !isInvisible(r) && !isSpace(r) || r == 'ℹ'
}
