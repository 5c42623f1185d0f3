package graph

import (
	"context"

	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/bulk"
	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/intake"
	"caseload/internal/fault"
	"caseload/internal/identity"
	"caseload/internal/loader"
	"caseload/internal/relay"
	"caseload/internal/schedule"
	"caseload/internal/viewer"
	"caseload/internal/webhook"
)

// nodeType is how node finds one type: the scopes that reading it needs, and its loader, which returns one
// row per id, in the order of the ids.
type nodeType struct {
	requires []viewer.Scope
	load     func(ctx context.Context, ids []uuid.UUID) ([]relay.Node, error)
}

// nodeTypes is every type that node finds, by the prefix of its ids. The scopes are those of the fields
// that lead to the type elsewhere; a test compares them.
func (r *Resolver) nodeTypes() map[string]nodeType {
	n := r.edges.Nodes
	return map[string]nodeType{
		identity.Organizations.Prefix():     {nil, find(n.Organization)},
		identity.APIKeys.Prefix():           {[]viewer.Scope{viewer.APIKeysWrite}, find(n.APIKey)},
		audit.Entries.Prefix():              {[]viewer.Scope{viewer.AuditRead}, find(n.AuditEntry)},
		customer.Customers.Prefix():         {[]viewer.Scope{viewer.CustomersRead}, find(n.Customer)},
		customer.Identifiers.Prefix():       {[]viewer.Scope{viewer.CustomersRead}, find(n.CustomerIdentifier)},
		customer.Phones.Prefix():            {[]viewer.Scope{viewer.CustomersRead}, find(n.CustomerPhone)},
		customer.Addresses.Prefix():         {[]viewer.Scope{viewer.CustomersRead}, find(n.CustomerAddress)},
		customer.Loans.Prefix():             {[]viewer.Scope{viewer.CustomersRead}, find(n.Loan)},
		customer.LendingSystems.Prefix():    {[]viewer.Scope{viewer.LendingRead}, find(n.LendingSystem)},
		account.Accounts.Prefix():           {[]viewer.Scope{viewer.CustomersRead}, find(n.Account)},
		account.Holders.Prefix():            {[]viewer.Scope{viewer.CustomersRead}, find(n.AccountHolder)},
		account.Cards.Prefix():              {[]viewer.Scope{viewer.CustomersRead}, find(n.Card)},
		intake.ImportRequests.Prefix():      {[]viewer.Scope{viewer.CustomersRead}, find(n.ImportRequest)},
		intake.ImportRows.Prefix():          {[]viewer.Scope{viewer.CustomersRead}, find(n.ImportRow)},
		bulk.Operations.Prefix():            {[]viewer.Scope{viewer.BulkRead}, find(n.BulkOperation)},
		webhook.Endpoints.Prefix():          {[]viewer.Scope{viewer.WebhooksRead}, find(n.WebhookEndpoint)},
		webhook.Deliveries.Prefix():         {[]viewer.Scope{viewer.WebhooksRead}, find(n.WebhookDelivery)},
		schedule.TaskTypes.Prefix():         {[]viewer.Scope{viewer.SettingsRead}, find(n.TaskType)},
		schedule.Schedules.Prefix():         {[]viewer.Scope{viewer.SchedulesRead}, find(n.Schedule)},
		schedule.CallTasks.Prefix():         {[]viewer.Scope{viewer.SchedulesRead}, find(n.CallTask)},
		schedule.CallAttempts.Prefix():      {[]viewer.Scope{viewer.SchedulesRead}, find(n.CallAttempt)},
		schedule.InconvenientTimes.Prefix(): {[]viewer.Scope{viewer.SchedulesRead}, find(n.InconvenientTime)},
	}
}

// find adapts a loader to the interface: a nil pointer must become a nil interface.
func find[T any, P interface {
	*T
	relay.Node
}](n *loader.Node[T]) func(ctx context.Context, ids []uuid.UUID) ([]relay.Node, error) {
	return func(ctx context.Context, ids []uuid.UUID) ([]relay.Node, error) {
		rows, err := n.LoadAll(ctx, ids)
		if err != nil {
			return nil, err
		}
		out := make([]relay.Node, len(rows))
		for i, row := range rows {
			if row != nil {
				out[i] = P(row)
			}
		}
		return out, nil
	}
}

// node finds anything by its id; null when it does not exist, is foreign, or may not be read.
func (r *Resolver) node(ctx context.Context, id relay.ID) (relay.Node, error) {
	found, err := r.nodes(ctx, []*relay.ID{&id})
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// nodes finds many things, in one statement for each type, in the order of the ids.
func (r *Resolver) nodes(ctx context.Context, ids []*relay.ID) ([]relay.Node, error) {
	known, v := r.nodeTypes(), viewer.From(ctx)
	keys, places := map[string][]uuid.UUID{}, map[string][]int{}
	for i, id := range ids {
		if _, ok := known[id.Prefix]; !ok {
			return nil, fault.New(fault.BadUserInput, "No type of this server has ids that begin so.")
		}
		keys[id.Prefix], places[id.Prefix] = append(keys[id.Prefix], id.UUID), append(places[id.Prefix], i)
	}
	out := make([]relay.Node, len(ids))
	for prefix, at := range places {
		t := known[prefix]
		if v.Require(t.requires...) != nil {
			continue
		}
		rows, err := t.load(ctx, keys[prefix])
		if err != nil {
			return nil, err
		}
		for i, row := range rows {
			out[at[i]] = row
		}
	}
	return out, nil
}
