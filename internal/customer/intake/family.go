package intake

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
)

// family is who is whose parent among the customers that a transaction touches. A parent is named by its id in a source
// system: the name is kept while nobody has it, and led to the customer who gets it. It must not be
// the customer itself, and no circle may close, also not by way of customers that the transaction only looks at.
// Who gives a parent to a customer whom others may stand below holds the exclusive lock of [customer.LockArrivals]: two links
// made at once could close a circle that neither sees. Nobody stands below those who are new, so it takes none to lead
// others to them; and no link closes a circle by going.
type family struct {
	// members are the records that the transaction holds, by id.
	members map[uuid.UUID]*customer.Record
	// known leads from ids of source systems to customers.
	known map[customer.SourceKey]uuid.UUID
	// above are stored customers that stand above members or are named, and are no members.
	above map[uuid.UUID]link
	// waiting are members whose parent was not known, by its name. Some may wait no longer.
	waiting map[customer.SourceKey][]*customer.Record
}

// link is whose child a customer is: a customer's, or by the name of one who is not known, or nobody's.
type link struct {
	parent uuid.UUID
	awaits customer.SourceKey
}

const knownSQL = `
	SELECT i.customer_id, i.source, i.source_id, i.language
	FROM unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS text[])) AS k(source, source_id, language)
		JOIN customer_identifiers i ON i.organization_id = $1 AND i.source = k.source AND i.source_id = k.source_id AND i.language = k.language`

// aboveSQL goes up from customers, no further than a way that is allowed.
const aboveSQL = `
	WITH RECURSIVE up AS (
		SELECT c.id, c.parent_id, c.parent_source, c.parent_source_id, c.parent_language, 1 AS generation
		FROM customers c WHERE c.organization_id = $1 AND c.id = ANY($2)
		UNION
		SELECT c.id, c.parent_id, c.parent_source, c.parent_source_id, c.parent_language, up.generation + 1
		FROM up JOIN customers c ON c.organization_id = $1 AND c.id = up.parent_id
		WHERE up.generation < $3
	)
	SELECT DISTINCT id, parent_id, parent_source, parent_source_id, parent_language FROM up`

// newFamily gathers the records of a transaction, and reads who the named parents are and who is above them: two
// statements, whatever their number, and none when no parent is named and nobody waits for one.
func newFamily(ctx context.Context, q db.Querier, s db.Scope, records map[uuid.UUID]*customer.Record, named []customer.SourceKey) (*family, error) {
	f := &family{members: records, known: make(map[customer.SourceKey]uuid.UUID, len(records)), above: map[uuid.UUID]link{}, waiting: map[customer.SourceKey][]*customer.Record{}}
	parents := map[uuid.UUID]bool{}
	for id, r := range records {
		for _, i := range r.Identifiers {
			f.known[i.SourceKey()] = id
		}
		if key, ok := r.Customer.AwaitedParent(); ok {
			f.waiting[key] = append(f.waiting[key], r)
		}
		if r.Customer.ParentID != nil {
			parents[*r.Customer.ParentID] = true
		}
	}
	if len(named) == 0 && len(f.waiting) == 0 {
		return f, nil
	}
	if len(named) > 0 {
		var found []customer.Identifier
		if err := q.Select(ctx, &found, knownSQL, append([]any{s.OrganizationID}, customer.KeyColumns(named)...)...); err != nil {
			return nil, fmt.Errorf("look up parents: %w", err)
		}
		for _, i := range found {
			f.known[i.SourceKey()] = i.CustomerID
			parents[i.CustomerID] = true
		}
	}
	var links []customer.Customer
	if err := q.Select(ctx, &links, aboveSQL, s.OrganizationID, pq.Array(slices.Collect(maps.Keys(parents))), customer.MaxGenerations); err != nil {
		return nil, fmt.Errorf("look up ancestors: %w", err)
	}
	for i := range links {
		f.above[links[i].UUID] = linkOf(&links[i])
	}
	return f, nil
}

// isChildOf reports whether a customer has the parent of a name already; a nil id is one who is not known.
func isChildOf(c *customer.Customer, name customer.SourceKey, id *uuid.UUID) bool {
	stored, named := c.ParentName()
	return named && stored == name && customer.Same(c.ParentID, id)
}

func linkOf(c *customer.Customer) link {
	if c.ParentID != nil {
		return link{parent: *c.ParentID}
	}
	name, _ := c.AwaitedParent()
	return link{awaits: name}
}

// adopt makes the customer of a name, who may not be known yet, the parent of r, which will be known by own. It records
// below c, and changes nothing, when r would become its own ancestor, or too many would stand above it. Who has this
// parent already keeps it.
func (f *family) adopt(c *fault.Check, r *customer.Record, own, parent customer.SourceKey) {
	var id *uuid.UUID
	if known, ok := f.known[parent]; ok {
		id = &known
	}
	cu := &r.Customer
	if isChildOf(cu, parent, id) {
		return
	}
	found := apart
	if parent == own {
		found = inCircle
	} else if id != nil {
		found = f.wayUp(*id, cu.UUID, own)
	}
	switch found {
	case inCircle:
		c.Add(fault.Invalid, "A customer must not be its own parent, and not the parent of one of its own parents.")
		return
	case tooHigh:
		c.Add(fault.LimitExceeded, "More than %d customers would stand above this one: its parent, the parent's parent, and so on.", customer.MaxGenerations)
		return
	}
	cu.ParentID, cu.ParentSource, cu.ParentSourceID, cu.ParentLanguage = id, &parent.Source, &parent.SourceID, nil
	if parent.Language != "" {
		cu.ParentLanguage = &parent.Language
	}
	if id == nil {
		f.waiting[parent] = append(f.waiting[parent], r)
	}
}

// orphan takes the parent of r away.
func (f *family) orphan(r *customer.Record) {
	c := &r.Customer
	c.ParentID, c.ParentSource, c.ParentSourceID, c.ParentLanguage = nil, nil, nil, nil
}

// arrive tells that r is known by key from now on, and leads those who wait for that name to it. Who is an ancestor of r
// goes on waiting, since a circle would close, and so do all where too many stand above r.
func (f *family) arrive(r *customer.Record, key customer.SourceKey) {
	f.members[r.Customer.UUID], f.known[key] = r, r.Customer.UUID
	for _, child := range f.waiting[key] {
		if name, waits := child.Customer.AwaitedParent(); waits && name == key && f.wayUp(r.Customer.UUID, child.Customer.UUID, customer.SourceKey{}) == apart {
			id := r.Customer.UUID
			child.Customer.ParentID = &id
		}
	}
	delete(f.waiting, key)
}

// way is what was found on the way up to the one who has no parent.
type way int

const (
	apart way = iota
	inCircle
	tooHigh
)

// wayUp goes up from id, as the parent of a new child: child must not be there, by its id or by a name under which it
// is awaited.
func (f *family) wayUp(id, child uuid.UUID, name customer.SourceKey) way {
	for range customer.MaxGenerations {
		if id == child {
			return inCircle
		}
		next := f.above[id]
		if r := f.members[id]; r != nil {
			next = linkOf(&r.Customer)
		}
		switch {
		case next.awaits != customer.SourceKey{}:
			if next.awaits == name {
				return inCircle
			}
			return apart
		case next.parent == uuid.Nil:
			return apart
		}
		id = next.parent
	}
	return tooHigh
}
