package graph_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/graph"
	"caseload/internal/fault"
	"caseload/internal/graphtest"
	"caseload/internal/viewer"
)

// A row that is written many times must not become an answer of a gigabyte before somebody counts.
func TestCompiledReadsStopAtTheLimitOfAnAnswer(t *testing.T) {
	t.Parallel()
	const limit, long = 70_000, 2000
	p := newPair(t, graphtest.Configure(func(o *graph.Options) { o.Limits.MaxResponse = limit }))
	people := p.Harbor.People(t, 5)
	_, err := p.Pool.Exec(t.Context(), `UPDATE customers SET external_metadata = jsonb_build_object('text', repeat('x', $2)) WHERE organization_id = $1`, people[0].Customer.OrganizationID, long)
	require.NoError(t, err)
	const page = `nodes { externalMetadata phones { nodes { customer { externalMetadata } } } }`
	answer := len(p.compiled.OK(t, p.Harbor.Key, `{ customers { `+page+` } }`, nil).Body)
	require.Greater(t, answer, 5*2*long)
	var fields []string
	for i := range limit/answer + 1 {
		fields = append(fields, fmt.Sprintf("f%d: customers { %s }", i, page))
	}
	for _, document := range []string{
		"{ customers { " + strings.ReplaceAll(strings.Repeat("X ", 20), "X", "%s") + " } }",
		"{ " + strings.Join(fields, " ") + " }",
	} {
		for i := range strings.Count(document, "%s") {
			document = strings.Replace(document, "%s", fmt.Sprintf("f%d: %s", i, page), 1)
		}
		compiled, generated := p.compiled.Do(t, p.Harbor.Key, document, nil), p.generated.Do(t, p.Harbor.Key, document, nil)
		require.Equal(t, string(fault.ResponseTooLarge), generated.Code())
		require.Equal(t, string(fault.ResponseTooLarge), compiled.Code(), compiled.Body[:min(500, len(compiled.Body))])
		require.Len(t, compiled.Errors, 1)
		require.Nil(t, compiled.Data)
		require.Equal(t, generated.Status, compiled.Status)
		require.LessOrEqual(t, compiled.Statements, generated.Statements, "the executor must not do it again")
	}
	p.same(t, p.Harbor.Key, "{ "+fields[0]+" }", nil)
}

// What is refused reads nothing first, or the executor reads it a second time.
func TestCompiledReadsCheckArgumentsFirst(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	person := p.Harbor.People(t, 3)[0].Customer.ID().String()
	for _, document := range []string{
		`{ customers { nodes { id schedules { nodes { id tasks(after: "x") { nodes { id } } } } } } }`,
		`{ node(id: "` + person + `") { ... on Customer { schedules { nodes { tasks(first: 101) { nodes { id } } } } } } }`,
		`{ customer(id: "` + person + `") { schedules { nodes { tasks(first: 0) { nodes { id } } } } } }`,
	} {
		compiled, generated := p.same(t, p.Harbor.Key, document, nil)
		require.NotEmpty(t, compiled.Errors)
		require.Equal(t, generated.Statements, compiled.Statements, document)
		require.Equal(t, []string{graph.ReasonRefused}, p.reasons(t, p.Harbor.Key, document, nil))
	}
	// Without a row the executor never looks at the arguments.
	compiled, _ := p.same(t, p.Harbor.Key, `{ customers(filter: {referenceId: {eq: "nobody"}}) { nodes { phones(after: "x") { nodes { id } } } } }`, nil)
	require.Empty(t, compiled.Errors)
}

// Every root field has a plan of its own; together they must not weigh as if each held the document.
func TestPlansOfOneDocumentShareItsWeight(t *testing.T) {
	t.Parallel()
	plans, v := graph.NewPlans(), &viewer.Viewer{Kind: viewer.APIKey, Scopes: viewer.AllScopes()}
	const documents, fields = 20, 20
	for d := range documents {
		var b strings.Builder
		b.WriteString("{")
		for i := range fields {
			fmt.Fprintf(&b, " f%d: customers(first: %d) { nodes { id firstName lastName phones { nodes { id number } } } }", i, d+1)
		}
		b.WriteString(" }" + strings.Repeat(" #", 7_000))
		doc, errs := gqlparser.LoadQueryWithRules(schema, b.String(), nil)
		require.Empty(t, errs)
		oc := &graphql.OperationContext{RawQuery: b.String(), Doc: doc, Operation: doc.Operations[0], Variables: map[string]any{}}
		for _, s := range doc.Operations[0].SelectionSet {
			f := s.(*ast.Field)
			require.Empty(t, plans.Plan(oc, v, graphql.CollectedField{Field: f, Selections: f.SelectionSet}).Reason())
		}
	}
	count, bytes := plans.Size()
	require.Equal(t, documents*fields, count, "%d bytes", bytes)
}
