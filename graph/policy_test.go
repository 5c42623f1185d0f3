package graph_test

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/graph"
	"caseload/internal/graphtest"
	"caseload/internal/relay"
	"caseload/internal/viewer"
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
	ids := withPlain(t, w.Server, w.Harbor.Key, nodesOf(p))
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
var prefixes = graph.PlanNodes()

// The golden file is where a review sees who may find what by its id.
func TestNodeScopesGolden(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, prefix := range sortedKeys(prefixes) {
		fmt.Fprintf(&b, "%-8s %-20s %v\n", prefix, prefixes[prefix], graph.NodeScopes()[prefix])
	}
	const file = "testdata/node_scopes.golden"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String(), "look at the difference, then run with -update")
}

// A type of which nobody said who may read it would be open to everybody; the server does not start with one.
func TestNodeScopesAreNotGuessed(t *testing.T) {
	t.Parallel()
	remove := func(s *ast.Schema, coordinates ...string) {
		for _, c := range coordinates {
			typeName, name, _ := strings.Cut(c, ".")
			def := s.Types[typeName]
			def.Fields = slices.DeleteFunc(slices.Clone(def.Fields), func(f *ast.FieldDefinition) bool { return f.Name == name })
		}
	}
	require.NoError(t, graph.NodeTypesOf(graph.Schema()))
	for want, change := range map[string]func(s *ast.Schema){
		"LendingSystem: the schema does not say who may read it": func(s *ast.Schema) { remove(s, "Query.lendingSystem") },
		// Only mutations lead there then, and who may write need not be one who may read.
		"ApiKey: the schema does not say who may read it": func(s *ast.Schema) { remove(s, "Query.apiKeys") },
		// An edge from the customer alone would lead in a circle.
		"Loan: the schema does not say who may read it": func(s *ast.Schema) { remove(s, "Customer.loans", "Schedule.loan", "CallTask.loan") },
		"Query.lendingSystem has no @auth":              func(s *ast.Schema) { s.Query.Fields.ForName("lendingSystem").Directives = nil },
		"Account: Query.account requires": func(s *ast.Schema) {
			s.Query.Fields.ForName("account").Directives = s.Query.Fields.ForName("auditEntries").Directives
		},
		"CallAttempt: CallTask.attempts requires": func(s *ast.Schema) {
			s.Types["CallTask"].Fields = append(slices.Clone(s.Types["CallTask"].Fields), &ast.FieldDefinition{Name: "attempts", Type: ast.NamedType("CallAttempt", nil), Directives: s.Query.Fields.ForName("auditEntries").Directives})
		},
		`Query.oldGoals is not declared: add loader.ListOf("oldGoals", …) to Goal in graph/loaders.go`: func(s *ast.Schema) { s.Query.Fields.ForName("goals").Name = "oldGoals" },
		`Query.apiKey is not declared: add loader.FindBy("apiKey", …) to ApiKey in graph/loaders.go`: func(s *ast.Schema) {
			s.Query.Fields = append(slices.Clone(s.Query.Fields), &ast.FieldDefinition{Name: "apiKey", Type: ast.NamedType("ApiKey", nil), Directives: s.Query.Fields.ForName("apiKeys").Directives})
		},
	} {
		s := copied(graph.Schema())
		change(s)
		require.ErrorContains(t, graph.NodeTypesOf(s), want)
	}
	// An edge that asks for nothing does not open what its type keeps closed.
	s := copied(graph.Schema())
	s.Types["Customer"].Fields.ForName("phones").Directives = s.Query.Fields.ForName("viewer").Directives
	require.NoError(t, graph.NodeTypesOf(s))
}

// copied returns a schema whose objects and fields may be changed.
func copied(s *ast.Schema) *ast.Schema {
	out := *s
	out.Types = maps.Clone(s.Types)
	for name, def := range s.Types {
		d := *def
		d.Fields = nil
		for _, f := range def.Fields {
			field := *f
			d.Fields = append(d.Fields, &field)
		}
		out.Types[name] = &d
	}
	out.Query, out.Mutation, out.Subscription = out.Types["Query"], out.Types["Mutation"], out.Types["Subscription"]
	return &out
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
	out, v := map[string]string{}, reflect.ValueOf(p).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		if f.Kind() == reflect.Slice {
			f = f.Index(0)
		}
		if row, ok := f.Interface().(relay.Node); ok {
			out[prefixes[row.ID().Prefix]] = row.ID().String()
		}
	}
	return out
}

// The scope to write permits to read back what was written, and no more.
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
