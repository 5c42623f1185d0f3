package graph_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/graph"
	"caseload/internal/graphtest"
	"caseload/internal/viewer"
)

// pair is one world behind two APIs: one answers by compiled reads, the other by the generated executor.
type pair struct {
	*graphtest.World
	compiled, generated *graphtest.Server
}

// newPair starts both with the same options; the world's own server is the one that compiles nothing.
func newPair(t testing.TB, options ...graphtest.Option) *pair {
	t.Helper()
	w := graphtest.New(t, options...)
	compiled := graphtest.Configure(func(o *graph.Options) { o.Compiled = true })
	return &pair{World: w, compiled: w.Start(t, append([]graphtest.Option{compiled}, options...)...), generated: w.Server}
}

// What differs from request to request: its id, what is left of the caller's budget, and which of several
// excesses a refusal names.
var passing = regexp.MustCompile(`"requestId":"[^"]*"|"remaining":\d+|selected \d+ times`)

// canonical is an answer without what differs from request to request. Root fields run beside each other, so
// their errors come in any order.
var capped = regexp.MustCompile(`… and (\d+) more errors, which are not shown`)

func canonical(t testing.TB, r *graphtest.Reply) string {
	t.Helper()
	var answer struct {
		Data, Extensions json.RawMessage
		Errors           []json.RawMessage
	}
	require.NoError(t, json.Unmarshal([]byte(r.Body), &answer), r.Body)
	parts := make([]string, len(answer.Errors))
	for i, e := range answer.Errors {
		parts[i] = string(e)
	}
	slices.Sort(parts)
	if more := capped.FindStringSubmatch(strings.Join(parts, "\n")); more != nil {
		// Fifty errors are shown, of those that parallel fields met first: which ones they are is chance, how many is not.
		rest, err := strconv.Atoi(more[1])
		require.NoError(t, err)
		parts = []string{fmt.Sprintf("%d errors", len(parts)-1+rest)}
	}
	return passing.ReplaceAllString(fmt.Sprintf("%d\nerrors %s\ndata %s\nextensions %s", r.Status, strings.Join(parts, "\n"), answer.Data, answer.Extensions), "")
}

func (p *pair) same(t testing.TB, key, document string, variables graphtest.Vars) (compiled, generated *graphtest.Reply) {
	t.Helper()
	compiled = p.compiled.Do(t, key, document, variables)
	generated = p.generated.Do(t, key, document, variables)
	require.Equal(t, canonical(t, generated), canonical(t, compiled), "%s\n%v", document, variables)
	return compiled, generated
}

// An empty text is not NULL, also where it is the only cell of a row.
func TestCompiledReadsTellEmptyFromMissing(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	person := p.Harbor.People(t, 1)[0]
	_, err := p.Pool.Exec(t.Context(), "UPDATE loans SET product = '' WHERE organization_id = $1 AND id = $2", person.Loan.OrganizationID, person.Loan.UUID)
	require.NoError(t, err)
	for _, document := range []string{
		`{ node(id: "` + person.Loan.ID().String() + `") { ... on Loan { product } } }`,
		`{ node(id: "` + person.Identifier.ID().String() + `") { ... on CustomerIdentifier { language } } }`,
	} {
		compiled, _ := p.same(t, p.Harbor.Key, document, nil)
		require.Contains(t, compiled.Body, `:""`)
		require.Equal(t, 1, compiled.Statements, "the plan must not fail: %s", document)
	}
}

func TestCompiledReadsAnswerAlike(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	people := p.Harbor.People(t, 5)
	for _, document := range []string{
		`{ customers { nodes { id __typename firstName } } }`,
		`query Q($n: Int = 3) { c: customers(first: $n, orderBy: [{field: LAST_NAME, direction: DESC}]) {
			totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
			edges { cursor node { id birthday ssnLastFour ssnProvided createdAt
				primaryPhone { number lineType } loans { totalCount nodes { principalBalance amountDue originalPrincipal openedOn } }
				schedules(last: 1) { nodes { status taskType { days preferredTimes windowFrom } tasks { edges { cursor node { id dueAt dueLocal state customer { id } } } } } }
				inconvenientTimes { nodes { days startsAt } } callAttempts { nodes { outcome task { id } } } } } } }`,
		`{ customer(referenceId: "` + people[0].ReferenceID + `") { id version externalMetadata activeSchedule { id } } }`,
		`{ customer(referenceId: "nobody") { id } }`,
		`{ node(id: "` + people[0].Customer.ID().String() + `") { id ... on Customer { firstName phones { nodes { id } } } } }`,
		`{ nodes(ids: ["` + people[0].Customer.ID().String() + `", "` + people[1].Schedule.ID().String() + `", "` + people[0].Customer.ID().String() + `"]) { __typename id ... on Schedule { planNumber } } }`,
		`{ apiKeys { nodes { id name scopes } } auditEntries(first: 3) { nodes { id changes actorKind customer { id } } } }`,
		`{ taskTypes { nodes { id name } } lendingSystem { id } viewer { name } }`,
		// What one field selects of an edge must not decide for another.
		`{ customers { nodes { phones { totalCount } } edges { node { phones { totalCount nodes { number } } } } } }`,
		`{ customers { a: nodes { phones { totalCount } } b: nodes { phones { edges { node { number } } } } } }`,
		`{ a: customer(referenceId: "` + people[0].ReferenceID + `") { phones { totalCount } } b: customer(referenceId: "` + people[0].ReferenceID + `") { phones { nodes { number } } } }`,
	} {
		compiled, generated := p.same(t, p.Harbor.Key, document, nil)
		require.Empty(t, compiled.Errors, compiled.Body)
		require.LessOrEqual(t, compiled.Statements, generated.Statements, document)
	}
}

// planned asks for `extensions.plan`.
func (p *pair) planned(t testing.TB, key, document string) (*graphtest.Reply, []planned) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": document, "extensions": map[string]any{"plan": true}})
	require.NoError(t, err)
	r := p.compiled.Post(t, key, body)
	var answer struct {
		Extensions struct{ Plan []planned }
	}
	require.NoError(t, json.Unmarshal([]byte(r.Body), &answer))
	return r, answer.Extensions.Plan
}

// reasons are why root fields were not compiled, as far as the key may see it.
func (p *pair) reasons(t testing.TB, key, document string, variables graphtest.Vars) []string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables, "extensions": map[string]any{"plan": true}})
	require.NoError(t, err)
	var answer struct {
		Extensions struct{ Plan []planned }
	}
	require.NoError(t, json.Unmarshal([]byte(p.compiled.Post(t, key, body).Body), &answer))
	var out []string
	for _, f := range answer.Extensions.Plan {
		out = append(out, f.Reason)
	}
	return out
}

// planned is how a root field was answered.
type planned struct {
	Field            string
	Compiled         bool
	Reason           string
	Statements, Rows *int
	Milliseconds     float64
}

// idOf is the beginning of the ids by which a root field finds one row.
var idOf = func() map[string]string {
	out := map[string]string{}
	for _, f := range schema.Query.Fields {
		for prefix, name := range prefixes {
			if f.Type.NamedType == name {
				out[f.Name] = prefix
			}
		}
	}
	return out
}()

// requiredArguments are what a root field needs to be asked at all.
func requiredArguments(f *ast.FieldDefinition) string {
	const nobody = "_01h455vb4pex5vsknk084sn02q"
	prefix, ok := idOf[f.Name]
	if !ok {
		prefix = "cust"
	}
	for _, a := range f.Arguments {
		switch {
		case a.Type.Name() == "ID" && a.Type.Elem == nil && (a.Type.NonNull || ok):
			return "(" + a.Name + `: "` + prefix + nobody + `")`
		case a.Type.NonNull && a.Type.Name() == "ID":
			return "(" + a.Name + `: ["` + prefix + nobody + `"])`
		case a.Type.NonNull:
			return "(" + a.Name + `: {customerId: "cust` + nobody + `", taskType: "none"})`
		}
	}
	return ""
}

func TestEveryRootFieldIsCompiledOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	p, listed := newPair(t), graph.NotCompiled()
	for _, f := range schema.Query.Fields {
		if strings.HasPrefix(f.Name, "__") {
			continue
		}
		_, got := p.planned(t, p.Harbor.Key, "{ "+f.Name+requiredArguments(f)+" { __typename } }")
		require.Len(t, got, 1, f.Name)
		reason := listed["Query."+f.Name]
		require.Equal(t, reason == "", got[0].Compiled, "%s: %s", f.Name, got[0].Reason)
		require.Contains(t, got[0].Reason, reason)
		if got[0].Compiled {
			require.NotNil(t, got[0].Statements)
		}
	}
	for coordinate := range listed {
		typeName, name, _ := strings.Cut(coordinate, ".")
		require.NotNil(t, schema.Types[typeName].Fields.ForName(name), "%s is listed and does not exist", coordinate)
	}
}

func TestEveryFieldOfAnEntityIsCompiledOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	p, listed := newPair(t), graph.NotCompiled()
	fields := 0
	names := graph.PlanNodes()
	require.Len(t, names, len(graph.NodeScopes()), "every type of node has a plan")
	for prefix, name := range names {
		for _, f := range schema.Types[name].Fields {
			if strings.HasPrefix(f.Name, "__") || listed[name+"."+f.Name] != "" {
				continue
			}
			for _, sub := range selections(f.Type.Name()) {
				_, got := p.planned(t, p.Harbor.Key, `{ node(id: "`+prefix+`_01h455vb4pex5vsknk084sn02q") { ... on `+name+` { `+f.Name+sub+` } } }`)
				require.Len(t, got, 1)
				require.True(t, got[0].Compiled, "%s.%s%s: %s", name, f.Name, sub, got[0].Reason)
				fields++
			}
		}
	}
	require.Greater(t, fields, 250)
}

// selections are what to select below a field of a type so that no field of it is left out: what is no node of its own
// can be asked for in no other place.
func selections(typeName string) []string {
	def := schema.Types[typeName]
	switch {
	case !def.IsCompositeType():
		return []string{""}
	case slices.Contains(def.Interfaces, "Node"):
		return []string{" { __typename }"}
	}
	var out []string
	for _, f := range def.Fields {
		if strings.HasPrefix(f.Name, "__") || graph.NotCompiled()[typeName+"."+f.Name] != "" {
			continue
		}
		for _, sub := range selections(f.Type.Name()) {
			out = append(out, " { "+f.Name+sub+" }")
		}
	}
	return out
}

func TestPlanIsShownToWhomAsksForItAndMay(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.Harbor.People(t, 2)
	document := `{ a: customers { nodes { id phones { nodes { id } } } } viewer { name } }`
	r, got := p.planned(t, p.Harbor.Key, document)
	require.Empty(t, r.Errors)
	require.Len(t, got, 2)
	slices.SortFunc(got, func(a, b planned) int { return strings.Compare(a.Field, b.Field) })
	require.Equal(t, "a", got[0].Field)
	require.True(t, got[0].Compiled)
	require.Equal(t, 2, *got[0].Statements)
	require.Equal(t, 2+2*2, *got[0].Rows)
	require.Equal(t, "viewer", got[1].Field)
	require.False(t, got[1].Compiled)
	require.NotEmpty(t, got[1].Reason)

	_, got = p.planned(t, p.Harbor.KeyWithout(t, viewer.Diagnostics), document)
	require.Nil(t, got, "it is not for everybody")
	require.NotContains(t, p.compiled.Do(t, p.Harbor.Key, document, nil).Body, `"plan"`, "nor unasked")
	_, got = p.planned(t, p.Harbor.KeyWith(t, viewer.SchedulesRead, viewer.Diagnostics), document)
	for _, f := range got {
		require.False(t, f.Compiled)
	}
}

func TestCompiledReadsCostOneStatementPerEdge(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.Harbor.People(t, 10)
	for _, c := range []struct {
		document   string
		statements int
	}{
		{nestedPage, 9},
		{`{ customers { totalCount nodes { loans { totalCount nodes { id } } } } }`, 4},
		{`{ customers { nodes { loans { totalCount } } } }`, 2},
		{`{ schedules { edges { cursor node { customer { primaryPhone { id } } tasks(first: 3) { pageInfo { hasNextPage } } } } } }`, 4},
		{`{ a: customers { nodes { phones { nodes { id } } ...P } } } fragment P on Customer { phones { totalCount } again: phones { nodes { number } } }`, 3},
	} {
		require.Equal(t, c.statements, p.compiled.OK(t, p.Harbor.Key, c.document, nil).Statements, c.document)
		var wg sync.WaitGroup
		for range crowd {
			wg.Go(func() {
				for range 3 {
					if r := p.compiled.Do(t, p.Harbor.Key, c.document, nil); r.Statements != c.statements || len(r.Errors) > 0 {
						t.Errorf("%d statements instead of %d, errors %v: %s", r.Statements, c.statements, r.Errors, c.document)
					}
				}
			})
		}
		wg.Wait()
	}
}
