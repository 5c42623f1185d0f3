package merging

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"caseload/internal/customer"
	"caseload/internal/fault"
)

// parent finds whose parent the survivor gets: that of the customer that it returns. Nil means that it keeps its own. The
// children of duplicates become the survivor's, so no customer below it may stand above it.
func (m *merging) parent(ctx context.Context) (*customer.Customer, error) {
	paths, err := m.pathsUp(ctx)
	if err != nil {
		return nil, err
	}
	var highest *customer.Customer
	for _, c := range paths[m.into] {
		if slices.Contains(m.from, c.UUID) {
			highest = c
		}
	}
	if highest != nil {
		// The survivor stands below a duplicate, and takes the place of the highest one.
		if up := highest.ParentID; up != nil && (*up == m.into || slices.Contains(m.from, *up)) {
			// A circle that should not be there ends here.
			return &customer.Customer{}, nil
		}
		return highest, nil
	}
	if own := paths[m.into][0]; own.ParentID != nil || own.ParentSourceID != nil {
		return nil, nil
	}
	for _, id := range m.from {
		path := paths[id]
		if path[0].ParentID == nil && path[0].ParentSourceID == nil {
			continue
		}
		if !slices.ContainsFunc(path[1:], func(c *customer.Customer) bool { return c.UUID == m.into || slices.Contains(m.from, c.UUID) }) {
			return path[0], nil
		}
	}
	return nil, nil
}

// pathsUp are the survivor and each duplicate with all that stand above it, from below.
func (m *merging) pathsUp(ctx context.Context) (map[uuid.UUID][]*customer.Customer, error) {
	all := append([]uuid.UUID{m.into}, m.from...)
	above, err := customer.Ancestors(ctx, m.tx, m.v.Scope(), all, customer.MaxGenerations+1)
	if err != nil {
		return nil, err
	}
	paths := map[uuid.UUID][]*customer.Customer{}
	for _, id := range all {
		// A circle that should not be there: once around it is enough.
		for c := above[id]; c != nil && !slices.Contains(paths[id], c); {
			if len(paths[id]) == customer.MaxGenerations && c.ParentID != nil {
				// What is further up is not known, so a circle might close.
				field := "duplicateIds"
				if id == m.into {
					field = "survivorId"
				}
				return nil, fault.UserErrors{{Code: fault.LimitExceeded, Path: []string{"input", field},
					Message: fmt.Sprintf("More than %d customers stand above it: its parent, the parent's parent, and so on. Take a parent away first.", customer.MaxGenerations)}}
			}
			if paths[id] = append(paths[id], c); c.ParentID == nil {
				break
			}
			c = above[*c.ParentID]
		}
	}
	return paths, nil
}
