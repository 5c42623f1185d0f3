package customer

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/db"
)

// MaxGenerations is how many customers may stand above one that is given a parent. It bounds what a link costs: to find
// out that no circle closes means to walk all the way up. Chains to whose top a parent comes may get longer than that.
const MaxGenerations = 100

// ancestorsSQL reads customers, $2, with their parents, the parents of those and so on: $3 generations in all.
const ancestorsSQL = `
	WITH RECURSIVE up AS (
		SELECT c.id, c.parent_id, c.parent_source, c.parent_source_id, c.parent_language, 1 AS generation
		FROM customers c WHERE c.organization_id = $1 AND c.id = ANY($2)
		UNION
		SELECT c.id, c.parent_id, c.parent_source, c.parent_source_id, c.parent_language, up.generation + 1
		FROM up JOIN customers c ON c.organization_id = $1 AND c.id = up.parent_id
		WHERE up.generation < $3
	)
	SELECT DISTINCT id, parent_id, parent_source, parent_source_id, parent_language FROM up`

// Ancestors returns customers and all that stand above them, by id, as far as a number of generations goes: their ids and whose
// children they are, and nothing else. It locks nothing.
func Ancestors(ctx context.Context, q db.Querier, s db.Scope, ids []uuid.UUID, generations int) (map[uuid.UUID]*Customer, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []*Customer
	if err := q.Select(ctx, &rows, ancestorsSQL, s.OrganizationID, pq.Array(ids), generations); err != nil {
		return nil, fmt.Errorf("read ancestors: %w", err)
	}
	found := make(map[uuid.UUID]*Customer, len(rows))
	for _, c := range rows {
		found[c.UUID] = c
	}
	return found, nil
}

// CopyParent makes the parent of another customer, known or only named, this one's; that of a zero Customer removes it.
func (c *Customer) CopyParent(from *Customer) {
	c.ParentID, c.ParentSource, c.ParentSourceID, c.ParentLanguage = from.ParentID, from.ParentSource, from.ParentSourceID, from.ParentLanguage
}

// AwaitedParent returns the name of a parent who is not known.
func (c *Customer) AwaitedParent() (SourceKey, bool) {
	if c.ParentID != nil {
		return SourceKey{}, false
	}
	return c.ParentName()
}

// ParentName returns the name by which the customer's parent was named.
func (c *Customer) ParentName() (SourceKey, bool) {
	if c.ParentSource == nil || c.ParentSourceID == nil {
		return SourceKey{}, false
	}
	key := SourceKey{Source: *c.ParentSource, SourceID: *c.ParentSourceID}
	if c.ParentLanguage != nil {
		key.Language = *c.ParentLanguage
	}
	return key, true
}
