package graph

import (
	"context"

	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/customer"
	"caseload/internal/fault"
	"caseload/internal/identity"
	"caseload/internal/loader"
	"caseload/internal/relay"
	"caseload/internal/schedule"
	"caseload/internal/viewer"
)

// nodeType is how node finds one type: the scopes that reading it needs, and its loader.
type nodeType struct {
	requires []viewer.Scope
	load     func(ctx context.Context, id uuid.UUID) (relay.Node, error)
}

// nodeTypes is every type that node finds, by the prefix of its ids. The scopes are those of the fields
// that lead to the type elsewhere; a test compares them.
func (r *Resolver) nodeTypes() map[string]nodeType {
	n := r.edges.Nodes
	return map[string]nodeType{
		identity.Organizations.Prefix():  {nil, find(n.Organization)},
		identity.APIKeys.Prefix():        {[]viewer.Scope{viewer.APIKeysWrite}, find(n.APIKey)},
		audit.Table.Prefix():             {[]viewer.Scope{viewer.AuditRead}, find(n.AuditEntry)},
		customer.Table.Prefix():          {[]viewer.Scope{viewer.CustomersRead}, find(n.Customer)},
		customer.Identifiers.Prefix():    {[]viewer.Scope{viewer.CustomersRead}, find(n.CustomerIdentifier)},
		customer.Phones.Prefix():         {[]viewer.Scope{viewer.CustomersRead}, find(n.CustomerPhone)},
		customer.Addresses.Prefix():      {[]viewer.Scope{viewer.CustomersRead}, find(n.CustomerAddress)},
		customer.Loans.Prefix():          {[]viewer.Scope{viewer.CustomersRead}, find(n.Loan)},
		customer.LendingSystems.Prefix(): {[]viewer.Scope{viewer.LendingRead}, find(n.LendingSystem)},
		schedule.TaskTypes.Prefix():      {[]viewer.Scope{viewer.SchedulesRead}, find(n.TaskType)},
		schedule.Schedules.Prefix():      {[]viewer.Scope{viewer.SchedulesRead}, find(n.Schedule)},
		schedule.CallTasks.Prefix():      {[]viewer.Scope{viewer.SchedulesRead}, find(n.CallTask)},
		schedule.CallAttempts.Prefix():   {[]viewer.Scope{viewer.SchedulesRead}, find(n.CallAttempt)},
		schedule.Inconveniences.Prefix(): {[]viewer.Scope{viewer.SchedulesRead}, find(n.InconvenientTime)},
	}
}

// find adapts a loader to the interface: a nil pointer must become a nil interface.
func find[T any, P interface {
	*T
	relay.Node
}](n *loader.Node[T]) func(ctx context.Context, id uuid.UUID) (relay.Node, error) {
	return func(ctx context.Context, id uuid.UUID) (relay.Node, error) {
		row, err := n.Load(ctx, id)
		if err != nil || row == nil {
			return nil, err
		}
		return P(row), nil
	}
}

// node finds anything by its id; null when it does not exist, is foreign, or may not be read.
func (r *Resolver) node(ctx context.Context, id relay.ID) (relay.Node, error) {
	t, ok := r.nodeTypes()[id.Prefix]
	if !ok {
		return nil, fault.New(fault.BadUserInput, "No type of this server has ids that begin so.")
	}
	if viewer.From(ctx).Require(t.requires...) != nil {
		return nil, nil
	}
	return t.load(ctx, id.UUID)
}

// nodes finds many things, one statement for each type, in the order of the ids.
func (r *Resolver) nodes(ctx context.Context, ids []*relay.ID) ([]relay.Node, error) {
	out := make([]relay.Node, len(ids))
	errs := make(chan error, len(ids))
	for i, id := range ids {
		go func() {
			var err error
			out[i], err = r.node(ctx, *id)
			errs <- err
		}()
	}
	var first error
	for range ids {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return out, first
}
