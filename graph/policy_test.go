package graph_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/graph"
	"caseload/internal/audit"
	"caseload/internal/bulk"
	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/intake"
	"caseload/internal/graphtest"
	"caseload/internal/identity"
	"caseload/internal/schedule"
	"caseload/internal/viewer"
	"caseload/internal/webhook"
)

func TestEveryRootFieldSaysWhoMaySelectIt(t *testing.T) {
	t.Parallel()
	for _, coordinate := range rootFields() {
		_, ok := requires(field(coordinate))
		assert.True(t, ok, "%s has no @auth", coordinate)
	}
}

// personal matches names of fields whose values identify a person beyond doubt.
var personal = regexp.MustCompile(`(?i)^(birthday|ssn|ssnLastFour|mbi|mbiLastFour|medicaidNumber|vaNumber|accountNumber|number(Masked)?|value|.*kba.*)$`)

// harmless are fields of such names that hold something else: a phone's number is no secret of who may read customers.
var harmless = []string{"CustomerPhone.number"}

func TestPersonalDataNeedsItsScope(t *testing.T) {
	t.Parallel()
	found := 0
	for _, def := range types(ast.Object) {
		for _, f := range def.Fields {
			if !personal.MatchString(f.Name) || slices.Contains(harmless, def.Name+"."+f.Name) {
				continue
			}
			found++
			scopes, _ := requires(f)
			if def.Name == "RevealPiiPayload" {
				// The mutation that answers it is the one way to the full number.
				scopes, _ = requires(field("Mutation.revealPii"))
				assert.Contains(t, scopes, viewer.PIIReveal)
				continue
			}
			assert.Contains(t, scopes, viewer.PIIRead, "%s.%s", def.Name, f.Name)
		}
	}
	assert.GreaterOrEqual(t, found, 5, "the walk finds birthday, ssnLastFour, mbiLastFour, numberMasked and the value that is revealed")
}

// A payload that holds the full number must not be reachable in another way.
func TestOnlyRevealPiiReachesTheFullNumber(t *testing.T) {
	t.Parallel()
	var ways []string
	for _, def := range types(ast.Object) {
		for _, f := range def.Fields {
			if f.Type.Name() == "RevealPiiPayload" {
				ways = append(ways, def.Name+"."+f.Name)
			}
		}
	}
	assert.Equal(t, []string{"Mutation.revealPii"}, ways)
}

func TestRootFieldsAreClosedByDefault(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	for _, coordinate := range rootFields() {
		document := call(t, coordinate)
		r := answer(t, w.Server, "", document, nil)
		assert.Equal(t, "UNAUTHENTICATED", r.Code(), "%s: %s", document, r.Body)
		scopes, _ := requires(field(coordinate))
		for _, s := range scopes {
			r := answer(t, w.Server, w.Harbor.KeyWithout(t, s), document, nil)
			if assert.Equal(t, "FORBIDDEN", r.Code(), "%s: %s", document, r.Body) {
				assert.Equal(t, []any{string(s)}, r.Errors[0].Extensions.Details["requiredScopes"])
			}
			assert.LessOrEqual(t, r.Statements, 0, "%s runs a statement before it refuses", coordinate)
		}
	}
}

// Fields with @auth below the roots are refused too, whatever leads to them.
func TestFieldsBelowAreClosedWithoutTheirScope(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	ids := nodesOf(p)
	checked := 0
	for _, def := range types(ast.Object) {
		for _, f := range def.Fields {
			scopes, ok := requires(f)
			if !ok || ids[def.Name] == "" {
				continue
			}
			document := "query ($id: ID!) { node(id: $id) { ... on " + def.Name + " { " + f.Name + selection(f.Type) + " } } }"
			w.OK(t, w.Harbor.Key, document, vars{"id": ids[def.Name]})
			for _, s := range scopes {
				r := w.Do(t, w.Harbor.KeyWithout(t, s), document, vars{"id": ids[def.Name]})
				assert.Equal(t, "FORBIDDEN", r.Code(), "%s.%s without %s: %s", def.Name, f.Name, s, r.Body)
				assert.Nil(t, r.At("node."+f.Name))
				checked++
			}
		}
	}
	assert.GreaterOrEqual(t, checked, 10)
}

// prefixes is the type behind each prefix of ids.
var prefixes = map[string]string{
	identity.Organizations.Prefix(): "Organization", identity.APIKeys.Prefix(): "ApiKey", audit.Entries.Prefix(): "AuditEntry",
	customer.Customers.Prefix(): "Customer", customer.Identifiers.Prefix(): "CustomerIdentifier", customer.Phones.Prefix(): "CustomerPhone",
	customer.Addresses.Prefix(): "CustomerAddress", customer.Loans.Prefix(): "Loan", customer.LendingSystems.Prefix(): "LendingSystem",
	schedule.TaskTypes.Prefix(): "TaskType", schedule.Schedules.Prefix(): "Schedule", schedule.CallTasks.Prefix(): "CallTask",
	account.Accounts.Prefix(): "Account", account.Holders.Prefix(): "AccountHolder", account.Cards.Prefix(): "Card",
	intake.ImportRequests.Prefix(): "ImportRequest", intake.ImportRows.Prefix(): "ImportRow",
	schedule.CallAttempts.Prefix(): "CallAttempt", schedule.InconvenientTimes.Prefix(): "InconvenientTime",
	bulk.Operations.Prefix(): "BulkOperation", webhook.Endpoints.Prefix(): "WebhookEndpoint", webhook.Deliveries.Prefix(): "WebhookDelivery",
}

// node must ask for no less than every other way to a type: the root fields that lead to it, or the edges
// with the scopes of the type that they start from.
func TestNodeAsksForTheScopesOfTheOtherWays(t *testing.T) {
	t.Parallel()
	scopes := graph.NodeScopes()
	var named []string
	for prefix := range scopes {
		require.Contains(t, prefixes, prefix)
		named = append(named, prefixes[prefix])
	}
	var nodes []string
	for _, def := range types(ast.Object) {
		if slices.Contains(def.Interfaces, "Node") {
			nodes = append(nodes, def.Name)
		}
	}
	assert.ElementsMatch(t, nodes, named, "node finds every type that implements Node")

	byType := map[string][]viewer.Scope{}
	for prefix, s := range scopes {
		byType[prefixes[prefix]] = s
	}
	for _, name := range nodes {
		ways := 0
		check := func(way string, need []viewer.Scope) {
			ways++
			slices.Sort(need)
			got := slices.Clone(byType[name])
			slices.Sort(got)
			assert.Equal(t, slices.Compact(need), got, "node asks for other scopes for %s than %s", name, way)
		}
		for _, f := range schema.Query.Fields {
			if f.Type.Name() == name || f.Type.Name() == name+"Connection" {
				need, _ := requires(f)
				check("Query."+f.Name, need)
			}
		}
		if ways > 0 {
			continue
		}
		// No root field leads there: the edges from other nodes do.
		for _, from := range nodes {
			for _, f := range schema.Types[from].Fields {
				if f.Type.Name() != name && f.Type.Name() != name+"Connection" {
					continue
				}
				if need, ok := requires(f); ok {
					check(from+"."+f.Name, need)
				} else if from != name {
					check(from+"."+f.Name, slices.Clone(byType[from]))
				}
			}
		}
		if name == "Organization" {
			need, _ := requires(field("Query.viewer"))
			check("Query.viewer", need)
		}
		assert.Positive(t, ways, "nothing leads to %s", name)
	}
}

// An edge without @auth must not lead to a type that needs more than its parent.
func TestEdgesDoNotLeadPastScopes(t *testing.T) {
	t.Parallel()
	need := map[string][]viewer.Scope{}
	for prefix, s := range graph.NodeScopes() {
		need[prefixes[prefix]] = s
	}
	for from, have := range need {
		for _, f := range schema.Types[from].Fields {
			to := strings.TrimSuffix(f.Type.Name(), "Connection")
			wanted, isNode := need[to]
			if !isNode {
				continue
			}
			own, _ := requires(f)
			for _, s := range wanted {
				assert.True(t, slices.Contains(have, s) || slices.Contains(own, s), "%s.%s leads to %s without the scope %s", from, f.Name, to, s)
			}
		}
	}
}

// types returns the schema's own definitions of a kind, by name.
func types(kinds ...ast.DefinitionKind) []*ast.Definition {
	var out []*ast.Definition
	for _, name := range sortedKeys(schema.Types) {
		def := schema.Types[name]
		if !def.BuiltIn && !strings.HasPrefix(name, "__") && slices.Contains(kinds, def.Kind) {
			out = append(out, def)
		}
	}
	return out
}

// nodesOf returns the id of one row of each type around a person.
func nodesOf(p *graphtest.Person) map[string]string {
	return map[string]string{
		"Customer": graphtest.ID(p.Customer), "CustomerIdentifier": graphtest.ID(p.Identifier), "CustomerPhone": graphtest.ID(p.Phone),
		"CustomerAddress": graphtest.ID(p.Address), "Loan": graphtest.ID(p.Loan), "Schedule": graphtest.ID(p.Schedule), "CallTask": graphtest.ID(p.Tasks[0]),
		"CallAttempt": graphtest.ID(p.Attempt), "InconvenientTime": graphtest.ID(p.Inconvenience),
		"Account": graphtest.ID(p.Account), "AccountHolder": graphtest.ID(p.Holder), "Card": graphtest.ID(p.Card),
		"ImportRequest": graphtest.ID(p.ImportRequest), "ImportRow": graphtest.ID(p.ImportRow),
		"BulkOperation": graphtest.ID(p.Operation), "WebhookEndpoint": graphtest.ID(p.Endpoint), "WebhookDelivery": graphtest.ID(p.Delivery),
	}
}

// Whoever writes may read back what was written, but no more.
func TestPayloadsDoNotLeadPastScopes(t *testing.T) {
	t.Parallel()
	reads := map[viewer.Scope][]viewer.Scope{
		viewer.CustomersRead: {viewer.CustomersWrite, viewer.PIIReveal},
		viewer.SchedulesRead: {viewer.SchedulesWrite, viewer.TasksDial},
		viewer.SettingsRead:  {viewer.SettingsWrite},
		viewer.LendingRead:   {viewer.LendingWrite},
		viewer.BulkRead:      {viewer.BulkWrite},
		viewer.WebhooksRead:  {viewer.WebhooksWrite},
	}
	need := map[string][]viewer.Scope{}
	for prefix, s := range graph.NodeScopes() {
		need[prefixes[prefix]] = s
	}
	for _, mutation := range schema.Mutation.Fields {
		have, _ := requires(mutation)
		var walk func(def *ast.Definition, seen map[string]bool)
		walk = func(def *ast.Definition, seen map[string]bool) {
			if seen[def.Name] {
				return
			}
			seen[def.Name] = true
			for _, f := range def.Fields {
				to := schema.Types[f.Type.Name()]
				own, _ := requires(f)
				if wanted, isNode := need[to.Name]; isNode {
					for _, s := range wanted {
						may := append([]viewer.Scope{s}, reads[s]...)
						assert.True(t, slices.Contains(own, s) || slices.ContainsFunc(may, func(m viewer.Scope) bool { return slices.Contains(have, m) }),
							"%s.%s shows a %s to whoever may call %s", def.Name, f.Name, to.Name, mutation.Name)
					}
				} else if to.Kind == ast.Object {
					walk(to, seen)
				}
			}
		}
		walk(schema.Types[mutation.Type.Name()], map[string]bool{})
	}
}
