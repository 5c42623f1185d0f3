// Package batch holds the words that all mutations of many rows share: what became of a row, and what a wrong
// row does to the others.
package batch

import "slices"

// Action is what became of one row.
type Action string

// The actions.
const (
	Create    Action = "CREATE"
	Update    Action = "UPDATE"
	Unchanged Action = "UNCHANGED"
	Failed    Action = "FAILED"
	Skipped   Action = "SKIPPED"
)

// Actions lists every action, in the order of the schema.
var Actions = []Action{Create, Update, Unchanged, Failed, Skipped}

// Wrote reports whether what the row says is stored now.
func (a Action) Wrote() bool { return a == Create || a == Update || a == Unchanged }

// ErrorPolicy says what happens to the other rows, and to the right fields of a row, when something is wrong
// (domain rules: cross-cutting semantics of batches).
type ErrorPolicy string

// The policies.
const (
	// RejectFailedRows writes the right rows and nothing of the wrong ones.
	RejectFailedRows ErrorPolicy = "REJECT_FAILED_ROWS"
	// RejectEverything writes nothing when one row is wrong.
	RejectEverything ErrorPolicy = "REJECT_EVERYTHING"
	// IgnoreFailed writes the right fields of a wrong row too.
	IgnoreFailed ErrorPolicy = "IGNORE_FAILED"
)

// MaxRows bounds the rows of one bulk mutation.
const MaxRows = 1000

// Counts sums up a batch.
type Counts struct {
	Created, Updated, Unchanged, Failed, Skipped int
}

// Add counts one row.
func (c *Counts) Add(a Action) {
	switch a {
	case Create:
		c.Created++
	case Update:
		c.Updated++
	case Unchanged:
		c.Unchanged++
	case Failed:
		c.Failed++
	case Skipped:
		c.Skipped++
	}
}

// Total is how many rows were counted.
func (c *Counts) Total() int { return c.Created + c.Updated + c.Unchanged + c.Failed + c.Skipped }

// Reject applies [RejectEverything]: where that is the policy and one row has failed, the rows that would have been written become
// [Skipped]. It reports whether nothing is to be written for that reason.
func Reject[R any](policy ErrorPolicy, rows []R, action func(R) *Action) bool {
	if policy != RejectEverything || !slices.ContainsFunc(rows, func(row R) bool { return *action(row) == Failed }) {
		return false
	}
	for _, row := range rows {
		if a := action(row); a.Wrote() {
			*a = Skipped
		}
	}
	return true
}
