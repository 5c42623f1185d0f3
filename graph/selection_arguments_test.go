package graph_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/graph"
	"caseload/internal/graphtest"
	"caseload/internal/loader"
)

// What a mutation writes is committed before its payload is resolved, so a mistake in the selection must be found before.
func TestWrongArgumentsOfASelectionAreFoundBeforeTheWrite(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	const record = `recordCall(input: {customerId: $id, direction: INBOUND, outcome: NO_ANSWER}) `
	for name, c := range map[string]struct{ document, code, path string }{
		"no rows":              {`mutation ($id: ID!) { ` + record + `{ customer { callTasks(first: 0) { totalCount } } } }`, "BAD_USER_INPUT", "recordCall.customer.callTasks"},
		"too many rows":        {`mutation ($id: ID!) { ` + record + `{ customer { callTasks(first: 101) { totalCount } } } }`, "TOO_MANY_ITEMS", "recordCall.customer.callTasks"},
		"both ends":            {`mutation ($id: ID!) { ` + record + `{ customer { phones(first: 1, last: 1) { totalCount } } } }`, "BAD_USER_INPUT", "recordCall.customer.phones"},
		"cursor":               {`mutation ($id: ID!) { ` + record + `{ customer { callTasks(after: "nonsense") { totalCount } } } }`, "INVALID_CURSOR", "recordCall.customer.callTasks"},
		"null in a filter":     {`mutation ($id: ID!) { ` + record + `{ customer { callTasks(filter: {state: {eq: null}}) { totalCount } } } }`, "BAD_USER_INPUT", "recordCall.customer.callTasks"},
		"moment in a filter":   {`mutation ($id: ID!) { ` + record + `{ customer { callTasks(filter: {dueAt: {gt: "yesterday"}}) { totalCount } } } }`, "BAD_USER_INPUT", "recordCall.customer.callTasks.filter.dueAt.gt"},
		"id in a filter":       {`mutation ($id: ID!) { ` + record + `{ customer { callTasks(filter: {taskType: {eq: "x"}}) { totalCount } } } }`, "BAD_USER_INPUT", "recordCall.customer.callTasks.filter.taskType.eq"},
		"variable":             {`mutation ($id: ID!, $n: Int = 0) { ` + record + `{ customer { callTasks(first: $n) { totalCount } } } }`, "BAD_USER_INPUT", "recordCall.customer.callTasks"},
		"below a list":         {`mutation ($id: ID!) { ` + record + `{ customer { callTasks { edges { node { schedule { tasks(first: 0) { totalCount } } } } } } } }`, "BAD_USER_INPUT", "recordCall.customer.callTasks.edges.node.schedule.tasks"},
		"aliases":              {`mutation ($id: ID!) { r: ` + record + `{ c: customer { ok: callTasks(first: 1) { totalCount } no: callTasks(first: 0) { totalCount } } } }`, "BAD_USER_INPUT", "r.c.no"},
		"fragment":             {`mutation ($id: ID!) { ...R } fragment R on Mutation { ` + record + `{ ...P } } fragment P on RecordCallPayload { customer { ...C } } fragment C on Customer { callTasks(first: 0) { totalCount } }`, "BAD_USER_INPUT", "recordCall.customer.callTasks"},
		"behind an interface":  {`mutation ($id: ID!) { ` + record + `{ customer { ... on Node { ... on Customer { callTasks(first: 0) { totalCount } } } } } }`, "BAD_USER_INPUT", "recordCall.customer.callTasks"},
		"included":             {`mutation ($id: ID!, $yes: Boolean = true) { ` + record + `{ customer { ... @include(if: $yes) { callTasks(first: 0) { totalCount } } } } }`, "BAD_USER_INPUT", "recordCall.customer.callTasks"},
		"in the second field":  {`mutation ($id: ID!) { a: ` + record + `{ attempt { id } } b: ` + record + `{ customer { callTasks(first: 0) { totalCount } } } }`, "BAD_USER_INPUT", "b.customer.callTasks"},
		"beside another field": {`mutation ($id: ID!) { ` + record + `{ attempt { id } } createTaskType(input: {name: "late", purpose: COLLECTION}) { taskType { schedules(first: 0) { totalCount } } } }`, "BAD_USER_INPUT", "createTaskType.taskType.schedules"},
	} {
		r := w.Do(t, w.Harbor.Key, c.document, vars{"id": graphtest.ID(p.Customer)})
		assert.Equal(t, c.code, r.Code(), "%s: %s", name, r.Body)
		if assert.NotEmpty(t, r.Errors, name) {
			var path []string
			for _, step := range r.Errors[0].Path {
				text, _ := step.(string)
				path = append(path, text)
			}
			assert.Equal(t, c.path, strings.Join(path, "."), "%s: %s", name, r.Body)
		}
		assert.Nil(t, r.Data, "%s: %s", name, r.Body)
		assert.Len(t, r.Errors, 1, "%s: %s", name, r.Body)
	}
	require.Zero(t, attempts(t, w, p), "nothing was written")
	require.NotContains(t, w.OK(t, w.Harbor.Key, `{ taskTypes(first: 100) { nodes { name } } }`, nil).Body, `"late"`)

	// A filter that is right is read as ever.
	fits := w.OK(t, w.Harbor.Key, `mutation ($id: ID!) { `+record+`{ customer { callTasks(first: 1, filter: {dueAt: {gt: "2020-01-01T00:00:00Z"}, state: {in: [PENDING]}}) { totalCount } } } }`,
		vars{"id": graphtest.ID(p.Customer)})
	require.NotNil(t, fits.At("recordCall.customer.callTasks.totalCount"), fits.Body)
	require.Equal(t, 1, attempts(t, w, p))

	// What is left out is not looked at, and what may not be selected is refused as ever.
	ok := w.OK(t, w.Harbor.Key, `mutation ($id: ID!) { `+record+`{ customer { id callTasks(first: 0) @skip(if: true) { totalCount } ... on Node @include(if: false) { ... on Customer { phones(first: 0) { totalCount } } } } } }`,
		vars{"id": graphtest.ID(p.Customer)})
	require.Equal(t, graphtest.ID(p.Customer), ok.At("recordCall.customer.id"))
	require.Equal(t, 2, attempts(t, w, p))
	refused := w.Do(t, w.Harbor.KeyWithout(t, "TASKS_DIAL"), `mutation ($id: ID!) { `+record+`{ customer { callTasks(first: 0) { totalCount } } } }`, vars{"id": graphtest.ID(p.Customer)})
	require.Equal(t, "FORBIDDEN", refused.Code(), refused.Body)
	require.Equal(t, 2, attempts(t, w, p))
}

// Each field with arguments below a mutation has a declaration that checks them.
func TestEveryListBelowAMutationIsDeclared(t *testing.T) {
	t.Parallel()
	declared := map[string]loader.Declaration{}
	for _, d := range graph.Declarations() {
		declared[d.Coordinate] = d
	}
	checked := 0
	for _, def := range types(ast.Object) {
		if def == schema.Query || def == schema.Mutation || def == schema.Subscription {
			continue
		}
		for _, f := range def.Fields {
			if len(f.Arguments) == 0 {
				continue
			}
			checked++
			assert.NotNil(t, declared[def.Name+"."+f.Name].Parse, "nothing checks the arguments of %s.%s before a mutation runs", def.Name, f.Name)
		}
	}
	assert.GreaterOrEqual(t, checked, 15)
}
