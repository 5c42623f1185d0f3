// Package pii keeps personal data out of sight: it seals values for storage, looks them up by a blind
// index, and wraps them in types that do not print.
//
// A sealed value can be opened in the place it was sealed for and nowhere else ([Location]): whoever can
// write to the database but has no key cannot copy one customer's number into another's row.
// What may be searched is found by equality alone, through [Sealer.Index].
package pii

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a piece of personal data in clear text. Printed, logged or marshalled it is "[redacted]".
//
// It redacts itself wherever Go can call its methods. Package fmt cannot do so for unexported struct
// fields, so a struct that may be printed holds its Secrets in exported fields or behind a pointer.
// Reading a Secret from JSON works as for any string.
type Secret string

// Reveal returns the clear text. Every call site is a place where personal data leaves its wrapping.
func (s Secret) Reveal() string { return string(s) }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// Format writes "[redacted]" for every verb: without it, %d or %v of a wrong verb would print the string.
func (Secret) Format(f fmt.State, _ rune) { writeRedacted(f) }

// LogValue returns "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]"; encoders of text, XML and logs use it.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns "[redacted]" as a JSON string.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Value refuses: a Secret given to a statement as it is would be stored in clear text.
func (Secret) Value() (driver.Value, error) {
	return nil, errors.New("store secret: it must be sealed first")
}

// writeRedacted has no one to report an error to; fmt.State does not fail.
func writeRedacted(f fmt.State) { _, _ = io.WriteString(f, redacted) }
