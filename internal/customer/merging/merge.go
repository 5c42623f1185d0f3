package merging

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/viewer"
)

// maxDuplicates is how many customers one call merges.
const maxDuplicates = 10

// merging is one run of [Service.Merge].
type merging struct {
	s    *Service
	tx   *db.Tx
	v    *viewer.Viewer
	into uuid.UUID
	// from are the duplicates in the order given: what the first has goes before what the second has.
	from  []uuid.UUID
	moves customer.Moves
	// children were those of duplicates, and are the survivor's now.
	children []*customer.Customer
}

// Merge gives what duplicates have to one customer, in one transaction, and marks them as deleted. The survivor
// keeps its own values and gets those that it lacks; a mark that one of them must not be contacted is the
// survivor's too. What it has no place for stays with the deleted duplicate. What the duplicates had planned is
// cancelled. Merging again changes nothing. Wrong input comes back as fault.UserErrors, all of it at once, with
// nothing written.
func (s *Service) Merge(ctx context.Context, v *viewer.Viewer, in Input) (*Result, error) {
	into, err := in.SurvivorID.As(customer.Customers.Prefix())
	if err != nil {
		return nil, err
	}
	c := fault.NewCheck("input")
	reason := input.Reason(c.At("reason"), in.Reason.Value(), 0, customer.MaxReason)
	named := make([]uuid.UUID, len(in.DuplicateIDs))
	for i, id := range in.DuplicateIDs {
		if named[i], err = id.As(customer.Customers.Prefix()); err != nil {
			return nil, err
		}
		switch at := c.At("duplicateIds").Index(i); {
		case named[i] == into:
			at.Add(fault.Invalid, "A customer is not its own duplicate: name the others only.")
		case slices.Contains(named[:i], named[i]):
			at.Add(fault.DuplicateInputItem, "Name each duplicate once.")
		}
	}
	if n := len(named); n == 0 {
		c.At("duplicateIds").Add(fault.Required, "Name at least one duplicate.")
	} else if n > maxDuplicates {
		c.At("duplicateIds").Add(fault.LimitExceeded, "Name at most %d duplicates.", maxDuplicates)
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	var result *Result
	err = s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		tx.Keep(&result)
		m := &merging{s: s, tx: tx, v: v, into: into}
		stored, err := m.lock(ctx, named)
		if err != nil {
			return err
		}
		if m.from, err = mergeable(stored, into, named); err != nil {
			return err
		}
		if len(m.from) > 0 {
			if err := m.run(ctx, reason); err != nil {
				return err
			}
			if stored, err = customersByID(ctx, tx, v.Scope(), append([]uuid.UUID{into}, named...)); err != nil {
				return err
			}
		}
		result = &Result{Customer: stored[into], Merged: make([]*customer.Customer, len(named))}
		for i, id := range named {
			result.Merged[i] = stored[id]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// mergeable returns which of the named customers are still to be merged, or all that speaks against it.
func mergeable(stored map[uuid.UUID]*customer.Customer, into uuid.UUID, named []uuid.UUID) ([]uuid.UUID, error) {
	c := fault.NewCheck("input")
	const unknown = "There is no such customer in this organization."
	if survivor := stored[into]; survivor == nil {
		c.At("survivorId").Add(fault.Missing, unknown)
	} else {
		customer.CheckLive(c.At("survivorId"), survivor)
	}
	var from []uuid.UUID
	for i, id := range named {
		at, duplicate := c.At("duplicateIds").Index(i), stored[id]
		switch {
		case duplicate == nil:
			at.Add(fault.Missing, unknown)
		case duplicate.MergedIntoID != nil && *duplicate.MergedIntoID == into:
			// Merged before: a repetition.
		case customer.CheckLive(at, duplicate):
			from = append(from, id)
		}
	}
	return from, c.Err()
}

func customersByID(ctx context.Context, q db.Querier, sc db.Scope, ids []uuid.UUID) (map[uuid.UUID]*customer.Customer, error) {
	rows, err := customer.Customers.ByKeys(ctx, q, sc, "id", ids)
	if err != nil {
		return nil, fmt.Errorf("read customers: %w", err)
	}
	out := make(map[uuid.UUID]*customer.Customer, len(rows))
	for _, r := range rows {
		out[r.UUID] = r
	}
	return out, nil
}

// run merges customers that are locked and can be merged, in a number of statements that depends neither on theirs
// nor on that of what they have.
func (m *merging) run(ctx context.Context, reason string) error {
	parent, err := m.parent(ctx)
	if err != nil {
		return err
	}
	// What is planned ends before it moves: a survivor has one plan, its own.
	if err := m.s.customers.Retire(ctx, m.tx, m.v, m.from, "the customer was merged into another"); err != nil {
		return err
	}
	if err := m.move(ctx); err != nil {
		return err
	}
	// Read now: the search text of all of them follows what was moved.
	sc, sealer := m.v.Scope(), m.s.customers.Sealer()
	records, err := customer.ReadAll(ctx, m.tx, sc, append([]uuid.UUID{m.into}, m.from...))
	if err != nil {
		return err
	}
	survivor := records[m.into]
	duplicates := make([]*customer.Record, len(m.from))
	for i, id := range m.from {
		duplicates[i] = records[id]
	}
	sectionsChanged, err := customer.InheritSections(ctx, m.tx, sc, sealer, survivor, duplicates, &m.moves.Kept)
	if err != nil {
		return err
	}
	if err := survivor.Inherit(duplicates, sealer); err != nil {
		return err
	}
	if parent != nil {
		survivor.Customer.CopyParent(parent)
	}
	moved := slices.Sorted(maps.Keys(m.moves.Moved))
	if !sectionsChanged && len(moved) == 0 {
		// The version rises with a merge even where the duplicates had nothing.
		moved = []string{"merged"}
	}
	survivor.NoteChange(moved...)
	m.markMerged(survivor, duplicates)
	return m.s.customers.Save(ctx, m.tx, m.v, customer.Batch{
		Records: append(duplicates, survivor), Reason: reason,
		Entry: func(r *customer.Record, changed []string) audit.Change {
			if r != survivor {
				return audit.Change{Action: "customer.merged_into", Fields: map[string]any{"into": survivor.Customer.ID().String()}}
			}
			return audit.Change{Action: "customer.merged", Fields: m.fields(duplicates, changed)}
		},
		Beside: func() ([]audit.Change, []customer.Event, error) {
			entries, events := m.childrenMoved(&survivor.Customer, reason)
			return entries, events, nil
		},
	})
}

// markMerged marks the duplicates as merged into the survivor.
func (m *merging) markMerged(survivor *customer.Record, duplicates []*customer.Record) {
	actor := m.v.ActorText()
	for _, d := range duplicates {
		cu := &d.Customer
		cu.DeletedAt, cu.DeletedBy, cu.MergedIntoID = &m.tx.Now, &actor, &m.into
		cu.CopyParent(&customer.Customer{})
		if sameKey(survivor.Customer.ReferenceID, cu.ReferenceID) {
			// The survivor has it now, maybe in the form of before keys had one. A reference that it did not need stays, so that a call with it is refused and names the survivor.
			cu.ReferenceID = nil
		}
	}
}

// sameKey reports whether two keys are the same in their form.
func sameKey(a, b *string) bool {
	return a != nil && b != nil && input.KeyForm(*a) == input.KeyForm(*b)
}

// fields are what the audit entry of the survivor says of the merge.
func (m *merging) fields(duplicates []*customer.Record, changed []string) map[string]any {
	ids := make([]string, len(duplicates))
	for i, d := range duplicates {
		ids[i] = d.Customer.ID().String()
	}
	fields := map[string]any{"duplicates": ids, "fields": changed}
	for name, rows := range map[string]customer.Tally{"moved": m.moves.Moved, "kept": m.moves.Kept, "removed": m.moves.Removed} {
		if len(rows) > 0 {
			fields[name] = rows
		}
	}
	return fields
}

// childrenMoved are the audit entries and events of the children, which got the survivor as their parent.
func (m *merging) childrenMoved(survivor *customer.Customer, reason string) (entries []audit.Change, events []customer.Event) {
	moved := []string{"parent_id"}
	for _, child := range m.children {
		entries = append(entries, audit.Change{Action: "customer.parent_changed", Target: child.ID(), CustomerID: child.UUID,
			Fields: map[string]any{"fields": moved, "parent": survivor.ID().String()}, Reason: reason})
		events = append(events, customer.Event{Kind: customer.EventUpdated, Customer: child, Changed: moved, At: m.tx.Now})
	}
	return entries, events
}
