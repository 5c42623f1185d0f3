package merging

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"caseload/internal/customer"
	"caseload/internal/fault"
)

// give puts the customer into the place.
func (p *place) give(c *customer.Customer) {
	c.ParentID, c.ParentSource, c.ParentSourceID, c.ParentLanguage = p.ParentID, p.ParentSource, p.ParentSourceID, p.ParentLanguage
}

// place is where a customer stands in the tree of parents.
type place struct {
	// Start is the customer from which the way up began, Depth how far up this one stands.
	Start          uuid.UUID  `db:"start"`
	Depth          int        `db:"depth"`
	ID             uuid.UUID  `db:"id"`
	ParentID       *uuid.UUID `db:"parent_id"`
	ParentSource   *string    `db:"parent_source"`
	ParentSourceID *string    `db:"parent_source_id"`
	ParentLanguage *string    `db:"parent_language"`
}

// upSQL walks from customers up to those who have no parent, no further than a way that is allowed.
const upSQL = `
	WITH RECURSIVE up AS (
		SELECT c.id AS start, 0 AS depth, c.id, c.parent_id, c.parent_source, c.parent_source_id, c.parent_language
		FROM customers c WHERE c.organization_id = $1 AND c.id = ANY($2)
		UNION ALL
		SELECT u.start, u.depth + 1, c.id, c.parent_id, c.parent_source, c.parent_source_id, c.parent_language
		FROM up u JOIN customers c ON c.organization_id = $1 AND c.id = u.parent_id
		WHERE u.depth < $3
	)
	SELECT * FROM up ORDER BY start, depth`

// parent finds whose child the survivor becomes; nil means that it stays where it is. The children of duplicates
// become its own, so no one below it may stand above it.
func (m *merging) parent(ctx context.Context) (*place, error) {
	ways, err := m.waysUp(ctx)
	if err != nil {
		return nil, err
	}
	var highest *place
	for _, p := range ways[m.into] {
		if slices.Contains(m.from, p.ID) {
			highest = p
		}
	}
	if highest != nil {
		// The survivor stands below a duplicate, and takes the place of the highest one.
		if up := highest.ParentID; up != nil && (*up == m.into || slices.Contains(m.from, *up)) {
			// A circle that should not be there ends here.
			return &place{}, nil
		}
		return highest, nil
	}
	if own := ways[m.into][0]; own.ParentID != nil || own.ParentSourceID != nil {
		return nil, nil
	}
	for _, id := range m.from {
		way := ways[id]
		if way[0].ParentID == nil && way[0].ParentSourceID == nil {
			continue
		}
		circle := slices.ContainsFunc(way[1:], func(p *place) bool { return p.ID == m.into || slices.Contains(m.from, p.ID) })
		if !circle {
			return way[0], nil
		}
	}
	return nil, nil
}

func (m *merging) waysUp(ctx context.Context) (map[uuid.UUID][]*place, error) {
	var rows []*place
	if err := m.tx.Select(ctx, &rows, upSQL, m.v.OrganizationID, ids(append([]uuid.UUID{m.into}, m.from...)), customer.MaxGenerations); err != nil {
		return nil, fmt.Errorf("read parents: %w", err)
	}
	ways := map[uuid.UUID][]*place{}
	for _, p := range rows {
		if slices.ContainsFunc(ways[p.Start], func(below *place) bool { return below.ID == p.ID }) {
			// A circle that should not be there: once around it is enough.
			continue
		}
		if p.Depth == customer.MaxGenerations && p.ParentID != nil {
			// Who is further up is not known, so a circle might close.
			field := "duplicateIds"
			if p.Start == m.into {
				field = "survivorId"
			}
			return nil, fault.UserErrors{{Code: fault.LimitExceeded, Path: []string{"input", field},
				Message: fmt.Sprintf("More than %d customers stand above it: its parent, the parent's parent, and so on. Take a parent away first.", customer.MaxGenerations)}}
		}
		ways[p.Start] = append(ways[p.Start], p)
	}
	return ways, nil
}
