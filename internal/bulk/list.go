package bulk

import (
	"context"
	"fmt"
	"time"

	"caseload/internal/db"
	"caseload/internal/relay"
)

// Filter narrows a list of operations.
type Filter struct {
	State     *relay.EnumFilter[State]    `filter:"state"`
	Kind      *relay.EnumFilter[KindName] `filter:"kind"`
	CreatedAt *relay.DateTimeFilter       `filter:"created_at"`
	And       []*Filter
	Or        []*Filter
	Not       *Filter
}

// The filters of enums, named for GraphQL.
type (
	StateFilter = relay.EnumFilter[State]
	KindFilter  = relay.EnumFilter[KindName]
)

// List declares the list of operations, newest first.
var List = &relay.Spec[Operation]{
	Table:   Operations,
	Default: db.Order{{Column: "created_at", Desc: true}, {Column: "id", Desc: true}},
	Filter:  relay.FilterBy[Filter](nil),
}

// openStates are those of operations that are not over.
var openStates = []State{Pending, Checking, Running}

// backlogSQL counts open operations by state; since is since when the first of them has been runnable and not leased.
const backlogSQL = `
	SELECT state, count(*) AS n, min(CASE WHEN lease_until IS NULL OR lease_until < $1 THEN greatest(runnable_at, coalesce(lease_until, runnable_at)) END) AS since
	FROM bulk_operations WHERE finished_at IS NULL GROUP BY state`

// Backlog counts the open operations of all organizations by state, and returns the longest time for which one has been runnable and
// not leased, 0 when there is none.
func (s *Service) Backlog(ctx context.Context) (open map[string]int, waiting time.Duration, err error) {
	var rows []struct {
		State State
		N     int
		Since *time.Time
	}
	now := s.now()
	if err := s.pool.Select(ctx, &rows, backlogSQL, now); err != nil {
		return nil, 0, fmt.Errorf("count open bulk operations: %w", err)
	}
	open = make(map[string]int, len(openStates))
	for _, state := range openStates {
		open[string(state)] = 0
	}
	for _, r := range rows {
		open[string(r.State)] = r.N
		if r.Since != nil {
			// One that waits after a failure is not due yet.
			waiting = max(waiting, now.Sub(*r.Since))
		}
	}
	return open, waiting, nil
}
