package intake

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"caseload/internal/customer"
	"caseload/internal/db"
)

// seen are customers by the names that they are known by, with their ids and their parents.
type seen map[customer.SourceKey]*customer.Customer

// lookUpSQL is who is known by names, with the parents they have.
const lookUpSQL = `
	SELECT i.source, i.source_id, i.language, c.id, c.parent_source, c.parent_source_id, c.parent_language, c.parent_id
	FROM unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS text[])) AS k(source, source_id, language)
		JOIN customer_identifiers i ON i.organization_id = $1 AND i.source = k.source AND i.source_id = k.source_id AND i.language = k.language
		JOIN customers c ON c.organization_id = $1 AND c.id = i.customer_id`

// lookUp finds who is known by names. It locks nothing.
func lookUp(ctx context.Context, q db.Querier, s db.Scope, names []customer.SourceKey) (seen, error) {
	if len(names) == 0 {
		return nil, nil
	}
	rows, err := q.Query(ctx, lookUpSQL, append([]any{s.OrganizationID}, customer.KeyColumns(names)...)...)
	if err != nil {
		return nil, fmt.Errorf("look up customers: %w", err)
	}
	defer func() { _ = rows.Close() }()
	found := make(seen, len(names))
	for rows.Next() {
		var key customer.SourceKey
		c := &customer.Customer{}
		if err := rows.Scan(&key.Source, &key.SourceID, &key.Language, &c.UUID, &c.ParentSource, &c.ParentSourceID, &c.ParentLanguage, &c.ParentID); err != nil {
			return nil, fmt.Errorf("look up customers: %w", err)
		}
		found[key] = c
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look up customers: %w", err)
	}
	return found, nil
}

// seen are the customers that the family knows, with the parents of its members.
func (f *family) seen() seen {
	known := make(seen, len(f.known))
	for key, id := range f.known {
		if r := f.members[id]; r != nil {
			known[key] = &r.Customer
		} else {
			known[key] = &customer.Customer{Row: db.Row{UUID: id}}
		}
	}
	return known
}

// missing are the names that nobody has.
func (k seen) missing(names []customer.SourceKey) []customer.SourceKey {
	return slices.DeleteFunc(slices.Clone(names), func(name customer.SourceKey) bool { return k[name] != nil })
}

// links reports whether the child gets another parent, or another name of one, when it is given the parent of this name.
func (k seen) links(child, parent customer.SourceKey) bool {
	var id *uuid.UUID
	if p := k[parent]; p != nil {
		id = &p.UUID
	}
	c := k[child]
	return c == nil || !isChildOf(c, parent, id)
}
