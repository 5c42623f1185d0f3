package bulk

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/batch"
	"caseload/internal/fault"
	"caseload/internal/input"
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
	// ErrorPolicy is REJECT_FAILED_ROWS when absent.
	ErrorPolicy graphql.Omittable[*batch.ErrorPolicy]
	// Options are what was sent for the kind, under [OptionsName], in a form of its own; others are refused.
	Options map[string]any
}

// ExportInput is what an export needs.
type ExportInput struct {
	Kind KindName
	// Format is how the file is written; JSON Lines when empty.
	Format Format
	// Filters narrow the rows. Each is that of the kind for whose options its name stands; nil means all rows.
	Filters map[string]json.RawMessage
}

// CancelInput names the operation to cancel.
type CancelInput struct {
	ID relay.ID
}

// check checks what does not depend on the kind, and returns the policy.
func (in *CreateInput) check(c *fault.Check) batch.ErrorPolicy {
	policy := input.Or(in.ErrorPolicy, batch.RejectFailedRows)
	switch policy {
	case batch.RejectFailedRows, batch.IgnoreFailed:
	case batch.RejectEverything:
		c.At("errorPolicy").Add(fault.NotAllowed, "A file is not one transaction: use REJECT_FAILED_ROWS or IGNORE_FAILED.")
	default:
		c.At("errorPolicy").Add(fault.Invalid, "Use REJECT_FAILED_ROWS or IGNORE_FAILED.")
	}
	checkFormat(c, in.Format)
	return policy
}

func checkFormat(c *fault.Check, f Format) {
	if f != JSONL && f != CSV {
		c.At("format").Add(fault.Invalid, "Use JSONL or CSV.")
	}
}

// checkOptions refuses options of another kind than the operation's.
func checkOptions[T any](c *fault.Check, kind KindName, sent map[string]T) {
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		if name != OptionsName(kind) {
			c.At(name).Add(fault.NotAllowed, "Leave it out: these options are not those of %s.", kind)
		}
	}
}

// OptionsName is the member of an input in which the options of a kind stand: upsertCustomers for UPSERT_CUSTOMERS.
func OptionsName(kind KindName) string {
	words := strings.Split(strings.ToLower(string(kind)), "_")
	for i := 1; i < len(words); i++ {
		words[i] = strings.ToUpper(words[i][:1]) + words[i][1:]
	}
	return strings.Join(words, "")
}
