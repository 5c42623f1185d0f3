// Package pii protects personal data: it seals values for storage, finds them by a blind index, and wraps them in types that do not
// print.
//
// A sealed value can be opened only in the place it was sealed for ([Location]): with access to the database but without a key, one
// customer's number cannot be copied into another's row.
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

// Reveal returns the clear text.
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

// hidden is embedded by what holds keys, which then prints as "[redacted]".
type hidden struct{}

// String returns "[redacted]".
func (hidden) String() string { return redacted }

// Format writes "[redacted]" for every verb.
func (hidden) Format(f fmt.State, _ rune) { writeRedacted(f) }

// LogValue returns "[redacted]".
func (hidden) LogValue() slog.Value { return slog.StringValue(redacted) }

// writeRedacted cannot report an error; fmt.State does not fail.
func writeRedacted(f fmt.State) { _, _ = io.WriteString(f, redacted) }
