package viewer

import (
	"fmt"
	"slices"
)

// Scope is one permission; it is bound to the GraphQL enum Scope as it is.
type Scope string

// The scopes of an API key. Names are the wire names.
const (
	CustomersRead     Scope = "CUSTOMERS_READ"
	CustomersWrite    Scope = "CUSTOMERS_WRITE"
	PIIRead           Scope = "PII_READ"
	PIIReveal         Scope = "PII_REVEAL"
	SchedulesRead     Scope = "SCHEDULES_READ"
	SchedulesWrite    Scope = "SCHEDULES_WRITE"
	TasksDial         Scope = "TASKS_DIAL"
	DoNotCallRemove   Scope = "DO_NOT_CALL_REMOVE"
	CallRulesOverride Scope = "CALL_RULES_OVERRIDE"
	LendingRead       Scope = "LENDING_READ"
	LendingWrite      Scope = "LENDING_WRITE"
	SettingsRead      Scope = "SETTINGS_READ"
	SettingsWrite     Scope = "SETTINGS_WRITE"
	APIKeysWrite      Scope = "API_KEYS_WRITE"
	AuditRead         Scope = "AUDIT_READ"
	Diagnostics       Scope = "DIAGNOSTICS"
	BulkRead          Scope = "BULK_READ"
	BulkWrite         Scope = "BULK_WRITE"
	WebhooksRead      Scope = "WEBHOOKS_READ"
	WebhooksWrite     Scope = "WEBHOOKS_WRITE"
)

// Scopes lists every scope with what it allows, in the order of the documentation.
var Scopes = []struct {
	Scope   Scope
	Meaning string
}{
	{CustomersRead, "Read customers, their identifiers, phones, addresses and loans."},
	{CustomersWrite, "Create and change customers."},
	{PIIRead, "Read birthdays and the last characters of personal numbers, such as social security numbers, and search by them."},
	{PIIReveal, "Reveal one full personal number at a time, such as a social security number, with a reason that is audited."},
	{SchedulesRead, "Read schedules, call tasks and whether a call is allowed."},
	{SchedulesWrite, "Sync schedules and cancel call tasks."},
	{TasksDial, "Claim, renew and complete call tasks: the dialer's scope."},
	{DoNotCallRemove, "Remove a do-not-call mark."},
	{CallRulesOverride, "Override the presumptions of Regulation F for one call, with a reason that is audited."},
	{LendingRead, "Read the configuration of the lending system, without its key."},
	{LendingWrite, "Configure the lending system."},
	{SettingsRead, "Read the organization's settings, such as task types and calling windows."},
	{SettingsWrite, "Create, change and delete the organization's settings, such as task types and calling windows."},
	{APIKeysWrite, "List, create and revoke API keys."},
	{AuditRead, "Read the audit log."},
	{Diagnostics, "See query plans and introspect the schema where that is closed to others."},
	{BulkRead, "Read bulk operations and fetch their results."},
	{BulkWrite, "Create and cancel bulk operations, together with the scopes of what they change."},
	{WebhooksRead, "Read webhook endpoints, without their secrets, and deliveries."},
	{WebhooksWrite, "Create, change, test and delete webhook endpoints, and send deliveries once more."},
}

// AllScopes returns every scope, sorted as a [Viewer] wants them.
func AllScopes() []Scope {
	all := make([]Scope, len(Scopes))
	for i, s := range Scopes {
		all[i] = s.Scope
	}
	slices.Sort(all)
	return all
}

// ParseScopes checks names and returns them sorted and without repeats; the error names the unknown one
// and lists the valid ones.
func ParseScopes(names []string) ([]Scope, error) {
	all := AllScopes()
	out := make([]Scope, 0, len(names))
	for _, n := range names {
		if _, ok := slices.BinarySearch(all, Scope(n)); !ok {
			return nil, fmt.Errorf("unknown scope %q: valid scopes are %v", n, all)
		}
		out = append(out, Scope(n))
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
