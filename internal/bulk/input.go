package bulk

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/batch"
	"caseload/internal/fault"
	"caseload/internal/relay"
)

// File is an uploaded file that lies in the object store.
type File struct {
	// Key is its place there, in the creator's organization. The operation takes it over when it is created.
	Key string
	// Name is the client's name for it, fit to be shown.
	Name string
	// Size is in bytes, SHA256 the digest of the content.
	Size   int64
	SHA256 []byte
}

// CreateInput is what an import needs beside its file.
type CreateInput struct {
	Kind   KindName
	Format Format
	// Source and Language are for rows without their own.
	Source   graphql.Omittable[*string]
	Language graphql.Omittable[*string]
	// ErrorPolicy is REJECT_FAILED_ROWS when absent.
	ErrorPolicy graphql.Omittable[*batch.ErrorPolicy]
}

// CreateExportInput is what an export needs.
type CreateExportInput struct {
	// Filter narrows the rows; its form is the exporter's own. Nil means all rows.
	Filter json.RawMessage
}

// CancelInput names the operation to cancel.
type CancelInput struct {
	ID relay.ID
}

// The longest texts of the options, in code points.
const (
	maxSource   = 64
	maxLanguage = 35
)

// options checks what does not depend on the kind.
func (in *CreateInput) options(c *fault.Check) Options {
	o := Options{ErrorPolicy: batch.RejectFailedRows, Format: in.Format}
	o.Source = text(c.At("source"), in.Source.Value(), maxSource)
	o.Language = text(c.At("language"), in.Language.Value(), maxLanguage)
	if p := in.ErrorPolicy.Value(); p != nil {
		o.ErrorPolicy = *p
	}
	switch o.ErrorPolicy {
	case batch.RejectFailedRows, batch.IgnoreFailed:
	case batch.RejectEverything:
		c.At("errorPolicy").Add(fault.NotAllowed, "A file is not one transaction: use REJECT_FAILED_ROWS or IGNORE_FAILED.")
	default:
		c.At("errorPolicy").Add(fault.Invalid, "Use REJECT_FAILED_ROWS or IGNORE_FAILED.")
	}
	if in.Format != JSONL && in.Format != CSV {
		c.At("format").Add(fault.Invalid, "Use JSONL or CSV.")
	}
	return o
}

func text(c *fault.Check, value *string, most int) *string {
	if value == nil {
		return nil
	}
	trimmed := strings.TrimSpace(*value)
	switch n := utf8.RuneCountInString(trimmed); {
	case n == 0:
		c.Add(fault.Blank, "Give a text, or leave it out.")
	case n > most:
		c.Add(fault.TooLong, "Give at most %d characters.", most)
	}
	return &trimmed
}
