package customer

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/db"
	"caseload/internal/fault"
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
	moves Moves
	// children were those of duplicates, and are the survivor's now.
	children []*Customer
	// mustNotCall tells that the survivor could be called before, and cannot be any more.
	mustNotCall bool
}

// Merge gives what duplicates have to one customer, in one transaction, and marks them as deleted. The survivor
// keeps its own values and gets those that it lacks; a mark that one of them must not be contacted is the
// survivor's too. What it has no place for stays with the deleted duplicate. What the duplicates had planned is
// cancelled. Merging again changes nothing. Wrong input comes back as fault.UserErrors, all of it at once, with
// nothing written.
func (s *Service) Merge(ctx context.Context, v *viewer.Viewer, in MergeInput) (*MergeResult, error) {
	into, err := in.SurvivorID.As(Table.Prefix())
	if err != nil {
		return nil, err
	}
	c := fault.NewCheck("input")
	reason := checkReason(c, in.Reason)
	named := make([]uuid.UUID, len(in.DuplicateIDs))
	for i, id := range in.DuplicateIDs {
		if named[i], err = id.As(Table.Prefix()); err != nil {
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
	var result *MergeResult
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
		result = &MergeResult{Customer: stored[into], Merged: make([]*Customer, len(named))}
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
func mergeable(stored map[uuid.UUID]*Customer, into uuid.UUID, named []uuid.UUID) ([]uuid.UUID, error) {
	c := fault.NewCheck("input")
	const unknown = "There is no such customer in this organization."
	if survivor := stored[into]; survivor == nil {
		c.At("survivorId").Add(fault.Missing, unknown)
	} else {
		CheckLive(c.At("survivorId"), survivor)
	}
	var from []uuid.UUID
	for i, id := range named {
		at, duplicate := c.At("duplicateIds").Index(i), stored[id]
		switch {
		case duplicate == nil:
			at.Add(fault.Missing, unknown)
		case duplicate.MergedIntoID != nil && *duplicate.MergedIntoID == into:
			// Merged before: a repetition.
		case CheckLive(at, duplicate):
			from = append(from, id)
		}
	}
	return from, c.Err()
}

func customersByID(ctx context.Context, q db.Querier, sc db.Scope, ids []uuid.UUID) (map[uuid.UUID]*Customer, error) {
	rows, err := Table.ByKeys(ctx, q, sc, "id", ids)
	if err != nil {
		return nil, fmt.Errorf("read customers: %w", err)
	}
	out := make(map[uuid.UUID]*Customer, len(rows))
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
	if err := m.s.retireAll(ctx, m.tx, m.v, m.from, "the customer was merged into another"); err != nil {
		return err
	}
	if err := m.move(ctx); err != nil {
		return err
	}
	sections, err := m.mergeSections(ctx)
	if err != nil {
		return err
	}
	// Read now: the search text of all of them follows what was moved.
	records, err := ReadAll(ctx, m.tx, m.v.Scope(), append([]uuid.UUID{m.into}, m.from...))
	if err != nil {
		return err
	}
	survivor := records[m.into]
	couldBeCalled := !survivor.Customer.DoNotCall
	for _, id := range m.from {
		if err := survivor.inherit(records[id], m.s.sealer); err != nil {
			return err
		}
	}
	if err := survivor.reindex(m.s.sealer); err != nil {
		return err
	}
	survivor.Customer.inheritParent(parent)
	survivor.also = append(append(survivor.also, sections...), slices.Sorted(maps.Keys(m.moves.Moved))...)
	if len(survivor.also) == 0 {
		// The version rises with a merge even where the duplicates had nothing: somebody became part of the survivor.
		survivor.also = []string{"merged"}
	}
	fields := survivor.Settle(m.v, m.tx.Now)
	duplicates, err := m.bury(ctx, records)
	if err != nil {
		return err
	}
	// After the duplicates: the survivor may have taken a reference that is unique.
	if err := WriteAll(ctx, m.tx, m.v, []*Record{survivor}); err != nil {
		return fmt.Errorf("write survivor: %w", err)
	}
	if m.mustNotCall = couldBeCalled && survivor.Customer.DoNotCall; m.mustNotCall {
		if err := m.s.retireAll(ctx, m.tx, m.v, []uuid.UUID{m.into}, "the customer asked not to be called"); err != nil {
			return err
		}
	}
	return m.tell(ctx, survivor, duplicates, fields, reason)
}

// bury marks the duplicates as merged.
func (m *merging) bury(ctx context.Context, records map[uuid.UUID]*Record) ([]*Record, error) {
	survivor, actor := records[m.into], m.v.ActorText()
	duplicates := make([]*Record, len(m.from))
	for i, id := range m.from {
		d := records[id]
		duplicates[i] = d
		cu := &d.Customer
		cu.DeletedAt, cu.DeletedBy, cu.MergedIntoID = &m.tx.Now, &actor, &m.into
		cu.ParentID, cu.ParentSource, cu.ParentSourceID, cu.ParentLanguage = nil, nil, nil, nil
		if r := survivor.Customer.ReferenceID; r != nil && cu.ReferenceID != nil && *r == *cu.ReferenceID {
			// The survivor has it now. A reference that it did not need stays and leads integrators to the survivor.
			cu.ReferenceID = nil
		}
		d.Settle(m.v, m.tx.Now)
	}
	if err := WriteAll(ctx, m.tx, m.v, duplicates); err != nil {
		return nil, fmt.Errorf("write duplicates: %w", err)
	}
	return duplicates, nil
}

// tell writes the audit entries and emits the events.
func (m *merging) tell(ctx context.Context, survivor *Record, duplicates []*Record, fields []string, reason string) error {
	row := &survivor.Customer
	ids := make([]string, len(duplicates))
	entries := make([]audit.Change, 0, len(duplicates)+len(m.children)+2)
	events := make([]Event, 0, len(duplicates)+len(m.children)+1)
	for i, d := range duplicates {
		ids[i] = d.Customer.ID().String()
		entries = append(entries, audit.Change{Action: "customer.merged_into", Target: d.Customer.ID(), CustomerID: d.Customer.UUID,
			Fields: map[string]any{"into": row.ID().String()}, Reason: reason})
		events = append(events, Event{Kind: EventMerged, Customer: &d.Customer, Into: row, Changed: d.changed, At: m.tx.Now})
	}
	done := map[string]any{"duplicates": ids, "fields": fields}
	for name, rows := range map[string]Tally{"moved": m.moves.Moved, "kept": m.moves.Kept, "removed": m.moves.Removed} {
		if len(rows) > 0 {
			done[name] = rows
		}
	}
	entries = append(entries, audit.Change{Action: "customer.merged", Target: row.ID(), CustomerID: row.UUID, Fields: done, Reason: reason})
	if m.mustNotCall {
		entries = append(entries, audit.Change{Action: "customer.do_not_call_set", Target: row.ID(), CustomerID: row.UUID, Reason: reason})
	}
	events = append(events, Event{Kind: EventUpdated, Customer: row, Changed: fields, At: m.tx.Now})
	moved := []string{"parent_id"}
	for _, child := range m.children {
		entries = append(entries, audit.Change{Action: "customer.parent_changed", Target: child.ID(), CustomerID: child.UUID,
			Fields: map[string]any{"fields": moved, "parent": row.ID().String()}, Reason: reason})
		if !child.IsDeleted() {
			events = append(events, Event{Kind: EventUpdated, Customer: child, Changed: moved, At: m.tx.Now})
		}
	}
	if err := audit.Write(ctx, m.tx, m.v, entries...); err != nil {
		return err
	}
	return m.s.Emit(ctx, m.tx, m.v, events...)
}
