package input

import (
	"regexp"
	"strings"
	"time"

	"caseload/internal/civil"
	"caseload/internal/fault"
)

// The years that a system can mean by a moment; others are typing mistakes.
const (
	earliestYear = 1900
	latestYear   = 2200
)

// Milliseconds returns a moment as it is shown and stored: in UTC and in whole milliseconds. A moment that was read can be
// sent back, compared and filtered by, and is the same.
func Milliseconds(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// momentForm is RFC 3339, which time.Parse reads laxly: it takes a comma, one digit of an hour, and any offset.
var momentForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)

// ParseMoment reads RFC 3339 with a zone; ok reports whether the text is such a moment.
func ParseMoment(text string) (t time.Time, ok bool) {
	t, ok = parseMoment(Form(text))
	return t, ok && t.Year() >= 1 && t.Year() <= 9999
}

func parseMoment(text string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(text))
	return Milliseconds(t), err == nil && momentForm.MatchString(text)
}

// maxValue bounds the text of a value that has a form of its own, in code points.
const maxValue = 255

// Moment returns a moment of a source system; ok reports whether nothing is wrong with it.
func Moment(c *fault.Check, text string) (t time.Time, ok bool) {
	const hint = "Give a time in RFC 3339 with a zone, such as 2023-01-01T08:00:00Z."
	if text = value(c, text, hint); text == "" {
		return time.Time{}, false
	}
	switch t, ok = parseMoment(text); {
	case !ok:
		c.Add(fault.Invalid, hint)
		return time.Time{}, false
	case t.Year() < earliestYear || t.Year() > latestYear:
		c.Add(fault.OutOfRange, "A time lies between the years %d and %d.", earliestYear, latestYear)
		return time.Time{}, false
	}
	return t, true
}

// Date returns a day of the calendar; ok reports whether nothing is wrong with it.
func Date(c *fault.Check, text string) (day civil.Date, ok bool) {
	const hint = "Give a date of the calendar as YYYY-MM-DD, such as 1985-06-15."
	if text = value(c, text, hint); text == "" {
		return civil.Date{}, false
	}
	day, err := civil.ParseDate(text)
	if err != nil {
		c.Add(fault.Invalid, hint)
	}
	return day, err == nil
}

// value returns the text of a value that has a form of its own, or "" when it is no text; hint says what would be right.
func value(c *fault.Check, text, hint string) string {
	if text, wrong := form(text, false); text == "" && wrong == fine {
		c.Add(fault.Blank, "%s", hint)
		return ""
	}
	return Text(c, text, maxValue)
}

// languageForm is the form of a language tag as far as it can be judged without a registry.
var languageForm = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// maxLanguage bounds a language tag (BCP 47, RFC 5646 4.4.1).
const maxLanguage = 35

// Language returns a BCP 47 language tag in its form, or "" when it is wrong.
func Language(c *fault.Check, text string) string {
	tag := Text(c, text, maxLanguage)
	if tag == "" {
		return ""
	}
	if !languageForm.MatchString(tag) {
		c.Add(fault.Invalid, "Give a BCP 47 language tag, such as en or es-MX.")
		return ""
	}
	return LanguageForm(tag)
}

// LanguageForm returns a language tag in its form without judging it: tags that differ in case only are the same
// (RFC 5646 2.1.1), so they get the case that is recommended there.
func LanguageForm(text string) string {
	parts := strings.Split(strings.ToLower(Form(text)), "-")
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
