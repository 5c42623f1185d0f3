package input

import (
	"unicode/utf8"

	"caseload/internal/fault"
)

// Version records at expectedVersion that a row, called noun in the message, was changed since its version want was read.
// Nil expects nothing.
func Version(c *fault.Check, want *int32, stored int32, noun string) {
	if want != nil && *want != stored {
		c.At("expectedVersion").Add(fault.StaleVersion, "The %s was changed since it was read; read it again.", noun)
	}
}

// NoSuch returns a MISSING user error at path in place of a NOT_FOUND fault, and every other error as it is.
func NoSuch(err error, noun string, path ...string) error {
	if err != nil && fault.CodeOf(err) == fault.NotFound {
		return fault.UserErrors{{Code: fault.Missing, Message: "There is no such " + noun + " in this organization.", Path: path}}
	}
	return err
}

// Reason returns the reason of a change, of least to most code points; nil is none where least is 0, and one that says nothing
// is as good as none. It returns "" when there is none, or a wrong one.
func Reason(c *fault.Check, text *string, least, most int) string {
	switch {
	case text == nil && least == 0:
		return ""
	case text == nil:
		c.Add(fault.Required, "Give the reason in %d to %d characters.", least, most)
		return ""
	}
	reason := Note(c, *text, most)
	if reason != "" && utf8.RuneCountInString(reason) < least {
		c.Add(fault.TooShort, "Give the reason in %d to %d characters.", least, most)
		return ""
	}
	return reason
}
