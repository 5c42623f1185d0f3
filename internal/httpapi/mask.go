package httpapi

import (
	"regexp"
	"strings"
)

var (
	// quoted matches a quoted piece of a message; the lexers escape quotes inside with a backslash.
	quoted = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"?|`[^`]*`?|'[^']*'?")
	name   = regexp.MustCompile(`^[$@]?[_A-Za-z][_0-9A-Za-z.]{0,63}$`)
	typing = regexp.MustCompile(`^\[*[_A-Za-z][_0-9A-Za-z]{0,63}[\]!]*$`)
	digits = regexp.MustCompile(`\d[\d \-]{2,}\d`)
	emails = regexp.MustCompile(`[^\s"'<>@]+@[^\s"'<>@]+`)
)

const masked = "…"

// plainName reports whether a text that a client chose can be repeated to it and to the log: it looks like
// a name of the schema and holds no number that could identify a person.
func plainName(s string) bool { return name.MatchString(s) && !digits.MatchString(s) }

// mask makes a message of a library fit for the log and for clients: those messages quote what they
// choke on, which may be a social security number. Names and types of the schema stay.
func mask(s string) string {
	s = quoted.ReplaceAllStringFunc(s, func(q string) string {
		inner := strings.Trim(q, "\"'`")
		if plainName(inner) || (typing.MatchString(inner) && !digits.MatchString(inner)) {
			return q
		}
		return masked
	})
	return digits.ReplaceAllString(emails.ReplaceAllString(s, masked), masked)
}

// maskSyntax masks a message of the parser, which names the token it found by kind and value: of the
// value only names stay, as numbers and strings are always a client's.
func maskSyntax(s string) string {
	// Lexer messages end with what they could not read; everything after these words goes.
	for _, cut := range []string{"Cannot parse the unexpected character", "Invalid number", "Invalid character", "Bad character escape sequence", "Unterminated string"} {
		if i := strings.Index(s, cut); i >= 0 {
			return s[:i+len(cut)]
		}
	}
	for _, kind := range []string{"String ", "BlockString ", "Int ", "Float ", "Comment "} {
		if i := strings.Index(s, kind+`"`); i >= 0 {
			return s[:i+len(kind)-1]
		}
	}
	return mask(s)
}

// maskValue masks a message of validation. Everything in it comes from the schema or is a GraphQL name,
// except literal values, which follow these words.
func maskValue(s string) string {
	if i := strings.Index(s, " cannot represent "); i >= 0 {
		if j := strings.Index(s[i:], ": "); j >= 0 {
			return mask(s[:i+j]) + "."
		}
	}
	if i := strings.Index(s, ", found "); i >= 0 {
		return mask(s[:i]) + "."
	}
	if i := strings.Index(s, " does not exist in "); i >= 0 && strings.HasPrefix(s, `Value "`) {
		return "The value" + mask(s[i:])
	}
	return mask(s)
}

// shorten cuts a message at a number of bytes, on a boundary of characters.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:max(limit-len(masked), 0)], "") + masked
}
