package customer

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/db"
)

// family is who is whose parent among the customers that a transaction touches. A parent is named by its id in a source
// system: the name is kept while nobody has it, and led to the customer who gets it. It must not be
// the customer itself, and no circle may close, also not by way of customers that the transaction only looks at.
// Who changes parents holds the exclusive lock of [lockArrivals]: two links made at once could close a circle
// that neither sees.
type family struct {
	// members are the records that the transaction holds, by id.
	members map[uuid.UUID]*Record
	// known leads from ids of source systems to customers.
	known map[SourceKey]uuid.UUID
	// above are the parents of stored customers that are not members.
	above map[uuid.UUID]uuid.UUID
	// waiting are members whose parent was not known, by its name. Some may wait no longer.
	waiting map[SourceKey][]*Record
}

const knownSQL = `
	SELECT i.customer_id, i.source, i.source_id, i.language
	FROM unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS text[])) AS k(source, source_id, language)
		JOIN customer_identifiers i ON i.organization_id = $1 AND i.source = k.source AND i.source_id = k.source_id AND i.language = k.language`

// UNION drops what was seen before, so that it ends.
const aboveSQL = `
	WITH RECURSIVE up AS (
		SELECT c.id, c.parent_id FROM customers c WHERE c.organization_id = $1 AND c.id = ANY($2) AND c.parent_id IS NOT NULL
		UNION
		SELECT c.id, c.parent_id FROM up JOIN customers c ON c.organization_id = $1 AND c.id = up.parent_id
		WHERE c.parent_id IS NOT NULL
	)
	SELECT id, parent_id FROM up`

// newFamily gathers the records of a transaction, and reads who the named parents are and who is above them: two
// statements, whatever their number, and none when no parent is named.
func newFamily(ctx context.Context, q db.Querier, s db.Scope, records map[uuid.UUID]*Record, named []SourceKey) (*family, error) {
	f := &family{members: records, known: make(map[SourceKey]uuid.UUID, len(records)), above: map[uuid.UUID]uuid.UUID{}, waiting: map[SourceKey][]*Record{}}
	var ids []uuid.UUID
	for id, r := range records {
		for _, i := range r.Identifiers {
			f.known[i.SourceKey()] = id
		}
		if key, ok := r.awaits(); ok {
			f.waiting[key] = append(f.waiting[key], r)
		}
		if r.Customer.ParentID != nil {
			ids = append(ids, *r.Customer.ParentID)
		}
	}
	if len(named) == 0 {
		return f, nil
	}
	var found []Identifier
	source, sourceID, language := columnsOf(named)
	if err := q.Select(ctx, &found, knownSQL, s.OrganizationID, source, sourceID, language); err != nil {
		return nil, fmt.Errorf("look up parents: %w", err)
	}
	for _, i := range found {
		f.known[i.SourceKey()] = i.CustomerID
		ids = append(ids, i.CustomerID)
	}
	var links []struct {
		ID       uuid.UUID `db:"id"`
		ParentID uuid.UUID `db:"parent_id"`
	}
	if err := q.Select(ctx, &links, aboveSQL, s.OrganizationID, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("look up ancestors: %w", err)
	}
	for _, l := range links {
		f.above[l.ID] = l.ParentID
	}
	return f, nil
}

// awaits returns the name of a parent who is not known.
func (r *Record) awaits() (SourceKey, bool) {
	c := &r.Customer
	if c.ParentID != nil || c.ParentSource == nil || c.ParentSourceID == nil {
		return SourceKey{}, false
	}
	key := SourceKey{Source: *c.ParentSource, SourceID: *c.ParentSourceID}
	if c.ParentLanguage != nil {
		key.Language = *c.ParentLanguage
	}
	return key, true
}

// adopt makes the customer of a name, who may not be known yet, the parent of r, which will be known by own. It returns
// false, and changes nothing, when r would become its own ancestor.
func (f *family) adopt(r *Record, own, parent SourceKey) bool {
	if parent == own {
		return false
	}
	id, known := f.known[parent]
	if known && f.descends(id, r.Customer.UUID, own) {
		return false
	}
	c := &r.Customer
	c.ParentSource, c.ParentSourceID, c.ParentLanguage = &parent.Source, &parent.SourceID, nil
	if parent.Language != "" {
		c.ParentLanguage = &parent.Language
	}
	if c.ParentID = nil; known {
		c.ParentID = &id
	} else {
		f.waiting[parent] = append(f.waiting[parent], r)
	}
	return true
}

// orphan takes the parent of r away.
func (f *family) orphan(r *Record) {
	c := &r.Customer
	c.ParentID, c.ParentSource, c.ParentSourceID, c.ParentLanguage = nil, nil, nil, nil
}

// arrive tells that r is known by key from now on, and leads those who wait for that name to it. Who is an ancestor of r
// goes on waiting, since a circle would close.
func (f *family) arrive(r *Record, key SourceKey) {
	f.members[r.Customer.UUID], f.known[key] = r, r.Customer.UUID
	for _, child := range f.waiting[key] {
		if name, waits := child.awaits(); waits && name == key && !f.descends(r.Customer.UUID, child.Customer.UUID, SourceKey{}) {
			id := r.Customer.UUID
			child.Customer.ParentID = &id
		}
	}
	delete(f.waiting, key)
}

// descends tells whether id is ancestor or has it above itself, by its id or by a name under which it is awaited.
func (f *family) descends(id, ancestor uuid.UUID, name SourceKey) bool {
	// As many steps as there are links: a circle that is stored already must not hold us.
	for range len(f.members) + len(f.above) + 2 {
		if id == ancestor {
			return true
		}
		if r := f.members[id]; r != nil {
			if awaited, waits := r.awaits(); waits {
				return name != SourceKey{} && awaited == name
			}
			if r.Customer.ParentID == nil {
				return false
			}
			id = *r.Customer.ParentID
		} else if parent, ok := f.above[id]; ok {
			id = parent
		} else {
			return false
		}
	}
	return false
}
