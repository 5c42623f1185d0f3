package intake

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
)

// parents are the parents of the customers that a transaction changes. A parent is named by its id in a source system: the name
// is stored while nobody has it, and linked to the customer who gets it. A customer must not be its own ancestor, also not by way
// of customers that the transaction only reads. Setting the parent of a customer that may have children takes the exclusive lock
// of [customer.LockArrivals]: two concurrent links could close a circle that neither sees. A new customer has no children, so
// linking others to it takes none; and removing a link closes no circle.
type parents struct {
	// members are the records that the transaction holds, by id.
	members map[uuid.UUID]*customer.Record
	known   customersByKey
	// above are stored customers that stand above members or are named; of those that are members, members has the newest state.
	above map[uuid.UUID]*customer.Customer
	// waiting are members whose parent was not known, by its name. Some may wait no longer.
	waiting map[customer.SourceKey][]*customer.Record
}

// readParents reads who the named parents of records are and who is above them: two statements, whatever their number, and none
// when no parent is named and nobody waits for one.
func readParents(ctx context.Context, q db.Querier, s db.Scope, records map[uuid.UUID]*customer.Record, named []customer.SourceKey) (*parents, error) {
	p := &parents{members: make(map[uuid.UUID]*customer.Record, len(records)), known: make(customersByKey, len(records)), waiting: map[customer.SourceKey][]*customer.Record{}}
	ids := map[uuid.UUID]bool{}
	for id, r := range records {
		p.members[id] = r
		for _, i := range r.Identifiers {
			p.known[i.SourceKey()] = &r.Customer
		}
		if key, ok := r.Customer.AwaitedParent(); ok {
			p.waiting[key] = append(p.waiting[key], r)
		}
		if r.Customer.ParentID != nil {
			ids[*r.Customer.ParentID] = true
		}
	}
	if len(named) == 0 && len(p.waiting) == 0 {
		return p, nil
	}
	found, err := lookUp(ctx, q, s, named)
	if err != nil {
		return nil, err
	}
	for key, c := range found {
		if r := p.members[c.UUID]; r != nil {
			c = &r.Customer
		}
		p.known[key], ids[c.UUID] = c, true
	}
	p.above, err = customer.Ancestors(ctx, q, s, slices.Collect(maps.Keys(ids)), customer.MaxGenerations)
	return p, err
}

// isChildOf reports whether a customer has the parent of a name already; a nil id is one who is not known.
func isChildOf(c *customer.Customer, name customer.SourceKey, id *uuid.UUID) bool {
	stored, named := c.ParentName()
	return named && stored == name && customer.Same(c.ParentID, id)
}

// set makes the customer of a name, who may not be known yet, the parent of r, which will be known by own. It records
// below c, and changes nothing, when r would become its own ancestor, or too many would stand above it. A customer that has this
// parent already keeps it.
func (p *parents) set(c *fault.Check, r *customer.Record, own, parent customer.SourceKey) {
	next := customer.Customer{ParentSource: &parent.Source, ParentSourceID: &parent.SourceID}
	if parent.Language != "" {
		next.ParentLanguage = &parent.Language
	}
	if known := p.known[parent]; known != nil {
		id := known.UUID
		next.ParentID = &id
	}
	if isChildOf(&r.Customer, parent, next.ParentID) {
		return
	}
	found := noCircle
	if parent == own {
		found = circle
	} else if next.ParentID != nil {
		found = p.walkUp(*next.ParentID, r.Customer.UUID, own)
	}
	switch found {
	case circle:
		c.Add(fault.Invalid, "A customer must not be its own parent, and not the parent of one of its own parents.")
		return
	case tooManyAbove:
		c.Add(fault.LimitExceeded, "More than %d customers would stand above this one: its parent, the parent's parent, and so on.", customer.MaxGenerations)
		return
	}
	if r.Customer.CopyParent(&next); next.ParentID == nil {
		p.waiting[parent] = append(p.waiting[parent], r)
	}
}

// add makes r known by key, and makes it the parent of those that wait for that name. An ancestor of r goes on waiting, since a
// circle would close, and so do all where too many stand above r.
func (p *parents) add(r *customer.Record, key customer.SourceKey) {
	p.members[r.Customer.UUID], p.known[key] = r, &r.Customer
	for _, child := range p.waiting[key] {
		if name, waits := child.Customer.AwaitedParent(); waits && name == key && p.walkUp(r.Customer.UUID, child.Customer.UUID, customer.SourceKey{}) == noCircle {
			id := r.Customer.UUID
			child.Customer.ParentID = &id
		}
	}
	delete(p.waiting, key)
}

// ancestry is what was found on the way up to a customer without a parent.
type ancestry int

const (
	noCircle ancestry = iota
	circle
	tooManyAbove
)

// walkUp goes up from id, as the parent of a new child: child must not be there, by its id or by a name under which it
// is awaited.
func (p *parents) walkUp(id, child uuid.UUID, name customer.SourceKey) ancestry {
	for range customer.MaxGenerations {
		if id == child {
			return circle
		}
		c := p.above[id]
		if r := p.members[id]; r != nil {
			c = &r.Customer
		}
		if c == nil {
			return noCircle
		}
		if awaited, ok := c.AwaitedParent(); ok && awaited == name {
			return circle
		}
		if c.ParentID == nil {
			return noCircle
		}
		id = *c.ParentID
	}
	return tooManyAbove
}
