package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"caseload/graph"
	"caseload/internal/graphtest"
	"caseload/internal/viewer"
)

const (
	// wide is how many parents a budget is held at beside one, and crowd how many requests run at once.
	wide  = 20
	crowd = 4
)

// hall is a world with many people; its ids are those of one kind of row of all people.
type hall struct {
	*graphtest.World
	people []*graphtest.Person
	// ids are by type.
	ids map[string][]string
}

func newHall(t testing.TB, n int) *hall {
	t.Helper()
	w := graphtest.New(t)
	h := &hall{World: w, people: w.Harbor.People(t, n), ids: map[string][]string{}}
	for _, p := range h.people {
		for typ, id := range nodesOf(p) {
			h.ids[typ] = append(h.ids[typ], id)
		}
	}
	for _, p := range plainEntities {
		if slices.ContainsFunc(graph.Coordinates(), func(c string) bool { return strings.HasPrefix(c, p.typeName()+".") }) {
			for range n {
				h.ids[p.typeName()] = append(h.ids[p.typeName()], p.make(t, w.Server, w.Harbor.Key))
			}
		}
	}
	audits := w.OK(t, w.Harbor.Key, `{ auditEntries(first: 100, filter: {action: {eq: "customer.synced"}}) { nodes { id } } }`, nil)
	for i := range min(n, audits.Len("auditEntries.nodes")) {
		h.ids["AuditEntry"] = append(h.ids["AuditEntry"], audits.Text(fmt.Sprintf("auditEntries.nodes.%d.id", i)))
	}
	return h
}

// costsAlone asserts that an operation runs exactly so many statements.
func (h *hall) costsAlone(t *testing.T, statements int, key, document string, v vars) *graphtest.Reply {
	t.Helper()
	r := h.OK(t, key, document, v)
	assert.Equal(t, statements, r.Statements, "alone: %s", document)
	return r
}

// costs asserts that an operation runs exactly so many statements: alone, and each of a crowd at once.
func (h *hall) costs(t *testing.T, statements int, key, document string, v vars) {
	t.Helper()
	r := h.costsAlone(t, statements, key, document, v)
	// The answer without what it cost, which counts down.
	answer, _, _ := strings.Cut(r.Body, `,"extensions":`)
	for _, other := range h.Crowd(t, crowd, key, document, v) {
		if !assert.Equal(t, statements, other.Statements, "one of %d: %s", crowd, document) {
			return
		}
		require.True(t, strings.HasPrefix(other.Body, answer), "everyone gets the same answer: %s", document)
	}
}

// below writes what is selected of an edge so that its rows are fetched.
func below(coordinate string) string {
	to := schema.Types[field(coordinate).Type.Name()]
	switch {
	case strings.HasSuffix(to.Name, "Connection"):
		return " { nodes { id } }"
	case !slices.Contains(to.Interfaces, "Node"):
		// A section of a customer has no id of its own.
		return " { createdAt }"
	}
	return " { id }"
}

// What reads one world and changes nothing runs in one; who was merged is in no list, so that comes last.
func TestReadsCostOneStatementPerEdge(t *testing.T) {
	t.Parallel()
	h := newHall(t, wide)
	t.Run("nested selections", h.testNestedSelections)
	t.Run("forbidden edges", h.testForbiddenEdges)
	t.Run("without the preload", h.testWithoutPreload)
	t.Run("every edge", h.testEveryEdge)
	t.Run("the way to who survived", h.testTheWayToWhoSurvived)
}

// Every edge, from one parent and from twenty, costs one statement, and its total one more.
func (h *hall) testEveryEdge(t *testing.T) {
	// A task type has many schedules, but there are few of them: it is made with rows of its own.
	h.ids["TaskType"] = taskTypes(t, h, wide)
	coordinates := graph.Coordinates()
	slices.Sort(coordinates)
	for _, coordinate := range coordinates {
		if coordinate == "Customer.mergedInto" {
			continue // Somebody who was merged into another is in no list: see below.
		}
		t.Run(coordinate, func(t *testing.T) { h.costsOneStatement(t, coordinate) })
	}
}

func (h *hall) testTheWayToWhoSurvived(t *testing.T) {
	for i, p := range h.people {
		_, err := h.Pool.Exec(t.Context(), "UPDATE customers SET merged_into_id = $3, deleted_at = $4 WHERE organization_id = $1 AND id = $2",
			h.Harbor.ID(), p.Customer.UUID, h.people[(i+1)%wide].Customer.UUID, h.Clock.Now())
		require.NoError(t, err)
	}
	h.costsOneStatement(t, "Customer.mergedInto")
}

func (h *hall) costsOneStatement(t *testing.T, coordinate string) {
	t.Helper()
	typ, name, _ := strings.Cut(coordinate, ".")
	require.Len(t, h.ids[typ], wide, "the test has no %s to start from", typ)
	document := func(selected string) string {
		return "query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on " + typ + " { " + selected + " } } }"
	}
	edge := name + below(coordinate)
	isList := strings.HasSuffix(field(coordinate).Type.Name(), "Connection")
	whole, statements := edge, 2
	if isList {
		whole, statements = name+" { totalCount nodes { id } pageInfo { endCursor } }", 3
	}
	one, all := vars{"ids": h.ids[typ][:1]}, vars{"ids": h.ids[typ]}
	h.costsAlone(t, statements, h.Harbor.Key, document(whole), one)
	h.costs(t, statements, h.Harbor.Key, document(whole), all)
	if isList {
		for _, v := range []vars{one, all} {
			h.costsAlone(t, 2, h.Harbor.Key, document(edge), v)
			// The total alone does not read the page.
			h.costsAlone(t, 2, h.Harbor.Key, document(name+" { totalCount }"), v)
		}
	}
	// What was fetched is there: a budget is easily kept by answering nothing.
	r := h.OK(t, h.Harbor.Key, document(edge), all)
	if typ != "TaskType" {
		assert.NotContains(t, r.Body, `"`+name+`":null`)
		assert.NotContains(t, r.Body, `"nodes":[]`)
	}
}

func taskTypes(t *testing.T, h *hall, n int) []string {
	t.Helper()
	var fields []string
	ids := make([]string, 0, n)
	for i := range n {
		fields = append(fields, fmt.Sprintf(`f%d: createTaskType(input: {name: "kind-%d", purpose: SERVICING}) { taskType { id } }`, i, i))
		if len(fields) == 10 || i == n-1 {
			r := h.OK(t, h.Harbor.Key, "mutation { "+strings.Join(fields, " ")+" }", nil)
			for _, name := range sortedKeys(r.Data.(map[string]any)) {
				ids = append(ids, r.Text(name+".taskType.id"))
			}
			fields = nil
		}
	}
	return ids
}

// everything is all edges of a customer.
const everything = ` id primaryPhone { number } primaryAddress { city } activeSchedule { status } identifiers { nodes { source } }
	phones { nodes { number } } addresses { nodes { city } } loans { nodes { status } } schedules { nodes { status } }`

func (h *hall) testNestedSelections(t *testing.T) {
	key, task := h.Harbor.Key, graphtest.ID(h.people[0].Tasks[0])
	for _, c := range []struct {
		name       string
		statements int
		document   string
		vars       vars
	}{
		{"a page", 1, `{ customers(first: 50) { nodes { id } } }`, nil},
		{"a page and its total", 2, `{ customers(first: 50) { totalCount nodes { id } } }`, nil},
		{"a page with eight edges", 9, `{ customers(first: 50) { nodes {` + everything + `} } }`, nil},
		{"one with eight edges", 9, `query ($ref: String!) { customer(referenceId: $ref) {` + everything + `} }`, vars{"ref": h.people[0].ReferenceID}},
		{"node with eight edges", 9, `query ($id: ID!) { node(id: $id) { ... on Customer {` + everything + `} } }`, vars{"id": h.ids["Customer"][0]}},
		{"by edges and nodes at once", 3, `{ customers(first: 50) { edges { cursor node { phones { edges { node { number } } } } } nodes { addresses { nodes { city } } } } }`, nil},
		{"by edges and by nodes, which are two selections", 3, `{ customers(first: 50) { edges { node { phones { nodes { id } } } } nodes { phones { nodes { number } } } } }`, nil},
		{"three levels", 4, `{ customers(first: 50) { nodes { schedules { nodes { tasks(first: 3) { nodes { loan { status } } } } } } } }`, nil},
		{"there and back", 4, `{ customers(first: 50) { nodes { phones { nodes { customer { firstName addresses { nodes { city } } } } } } } }`, nil},
		{"up from the leaves", 5, `{ callTasks(first: 50) { nodes { schedule { taskType { name } customer { id } } taskType { id } } } }`, nil},
		{"aliases with equal arguments", 2, `{ customers(first: 50) { nodes { a: phones(first: 2) { nodes { id } } b: phones(first: 2) { nodes { number } } } } }`, nil},
		{"aliases with equal arguments in another order", 2, `query ($n: Int) { customers(first: 50) { nodes { a: callTasks(first: 2, filter: {state: {eq: PENDING}}) { nodes { id } } b: callTasks(filter: {state: {eq: PENDING}}, first: $n) { nodes { id } } } } }`, vars{"n": 2}},
		{"aliases with other arguments", 3, `{ customers(first: 50) { nodes { a: phones(first: 1) { nodes { id } } b: phones(last: 1) { nodes { id } } } } }`, nil},
		{"fragments", 4, `query { customers(first: 50) { nodes { ...C ... on Customer { addresses { nodes { id } } } ... on Node { ... on Customer { loans { nodes { id } } } } } } } fragment C on Customer { phones { nodes { id } } }`, nil},
		{"a fragment around the connection's parts", 2, `query { customers(first: 50) { ...P } } fragment P on CustomerConnection { nodes { phones { ...Q } } } fragment Q on CustomerPhoneConnection { nodes { id } }`, nil},
		{"skipped", 1, `query ($no: Boolean!) { customers(first: 50) { nodes { id phones @skip(if: true) { nodes { id } } addresses @include(if: $no) { nodes { id } } ... @include(if: false) { loans { nodes { id } } } } } }`, vars{"no": false}},
		{"included", 3, `query ($yes: Boolean!) { customers(first: 50) { nodes { id phones @skip(if: false) { nodes { id } } ... @include(if: $yes) { loans { nodes { id } } } } } }`, vars{"yes": true}},
		{"filters below", 2, `{ customers(first: 50) { nodes { callTasks(first: 2, filter: {state: {in: [PENDING]}}) { nodes { dueAt } } } } }`, nil},
		{"totals on all levels", 6, `{ customers(first: 50) { totalCount nodes { schedules { totalCount nodes { tasks(first: 2) { totalCount nodes { id } } } } } } }`, nil},
		{"an unset variable", 2, `query ($n: Int) { customers(first: 50) { nodes { phones(first: $n) { nodes { id } } } } }`, nil},
		{"two lists", 4, `{ customers(first: 50) { nodes { phones { nodes { id } } } } schedules(first: 50) { nodes { customer { id } } } }`, nil},
		{"nodes of several types", 5, `query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Customer { phones { nodes { id } } } ... on Loan { customer { id } } ... on Organization { name } } }`,
			vars{"ids": append(slices.Concat(h.ids["Customer"][:20], h.ids["Loan"][:20]), organizationID(t, h))}},
		{"a type without edges first", 3, `query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Customer { phones { nodes { id } } } } }`,
			vars{"ids": append([]string{organizationID(t, h)}, h.ids["Customer"][:20]...)}},
		{"the viewer's organization", 1, `{ viewer { organization { name } } }`, nil},
		{"children of children of one task", 4, `query ($id: ID!) { node(id: $id) { ... on CallTask { customer { activeSchedule { taskType { name } } } } } }`, vars{"id": task}},
	} {
		t.Run(c.name, func(t *testing.T) { h.costs(t, c.statements, key, c.document, c.vars) })
	}
}

func organizationID(t testing.TB, h *hall) string {
	t.Helper()
	return h.OK(t, h.Harbor.Key, `{ viewer { organization { id } } }`, nil).Text("viewer.organization.id")
}

// What a payload selects beyond the mutation itself costs one statement per edge too.
func TestPayloadsCostOneStatementPerEdge(t *testing.T) {
	t.Parallel()
	h := newHall(t, 12)
	run := func(selected string) int {
		rows := make([]map[string]any, len(h.people))
		for i, p := range h.people {
			rows[i] = map[string]any{"referenceId": p.ReferenceID, "taskType": h.Harbor.TaskType}
		}
		r := h.OK(t, h.Harbor.Key, `mutation ($in: BulkSyncCustomerSchedulesInput!) { bulkSyncCustomerSchedules(input: $in) { succeeded results { success `+selected+` } } }`,
			vars{"in": map[string]any{"customers": rows}})
		require.Equal(t, float64(len(rows)), r.At("bulkSyncCustomerSchedules.succeeded"), r.Body)
		return r.Statements
	}
	run("")
	base := run("")
	assert.Equal(t, base, run("customer { id firstName }"), "the customer is at hand")
	assert.Equal(t, base+1, run("customer { phones { nodes { id } } }"))
	assert.Equal(t, base+3, run("customer { activeSchedule { taskType { name } tasks(first: 5) { nodes { dueAt } } } }"))

	one := func(selected string) int {
		r := h.OK(t, h.Harbor.Key, `mutation ($ref: String!) { syncCustomerSchedule(input: {referenceId: $ref, taskType: "collections"}) { scheduleCreated `+selected+` } }`, vars{"ref": h.people[0].ReferenceID})
		require.Equal(t, true, r.At("syncCustomerSchedule.scheduleCreated"), r.Body)
		return r.Statements
	}
	base = one("")
	assert.Equal(t, base+4, one("schedule { tasks { nodes { id } } taskType { name } } customer { phones { nodes { id } } loans { nodes { id } } }"))

	claim := func(selected string) int {
		for _, p := range h.people[1:] {
			task := h.OK(t, h.Harbor.Key, `query ($id: ID!) { node(id: $id) { ... on Customer { activeSchedule { tasks(first: 1, filter: {state: {eq: PENDING}}) { nodes { id } } } } } }`, vars{"id": graphtest.ID(p.Customer)})
			require.NotEmpty(t, task.Text("node.activeSchedule.tasks.nodes.0.id"))
		}
		r := h.OK(t, h.Harbor.Key, `mutation { claimCallTasks(input: {limit: 2}) { claims { phoneNumber `+selected+` } } }`, nil)
		require.Equal(t, 2, r.Len("claimCallTasks.claims"), r.Body)
		return r.Statements
	}
	base = claim("")
	assert.Equal(t, base+3, claim("task { customer { phones { nodes { id } } } taskType { name } }"))
}

// An edge that the viewer may not select is refused before it costs anything.
func (h *hall) testForbiddenEdges(t *testing.T) {
	reader := h.Harbor.KeyWith(t, viewer.CustomersRead)
	r := h.Do(t, reader, `{ customers(first: 50) { nodes { id activeSchedule { tasks { nodes { id } } } callTasks { totalCount } } } }`, nil)
	assert.Equal(t, "FORBIDDEN", r.Code())
	assert.Equal(t, 1, r.Statements)
	assert.Equal(t, wide, r.Len("customers.nodes"), "what may be seen is answered")
	dialer := h.Harbor.KeyWith(t, viewer.SchedulesRead, viewer.SettingsRead)
	r = h.Do(t, dialer, `{ schedules(first: 50) { nodes { id customer { phones { nodes { id } } } taskType { name } } } }`, nil)
	assert.Equal(t, "FORBIDDEN", r.Code())
	assert.Equal(t, 2, r.Statements, "the page and the task types")
	// Wrong arguments below cost nothing either.
	r = h.Do(t, h.Harbor.Key, `{ customers(first: 50) { nodes { id phones(first: 0) { nodes { id } } } } }`, nil)
	assert.Equal(t, "BAD_USER_INPUT", r.Code())
	assert.Equal(t, 1, r.Statements)
}

// The preload is an optimisation: without it every answer is the same.
func (h *hall) testWithoutPreload(t *testing.T) {
	plain := h.Start(t, graphtest.Configure(graph.LoadersOnly))
	cursor := h.OK(t, h.Harbor.Key, `{ customers(first: 5) { pageInfo { endCursor } } }`, nil).Text("customers.pageInfo.endCursor")
	page := `edges { cursor node { id } } nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount`
	for _, document := range []string{
		`{ customers(first: 20) { nodes {` + everything + `} } }`,
		`{ customers(last: 7) { nodes { phones(last: 1) { ` + page + ` } a: phones(first: 1) { ` + page + ` } } } }`,
		`{ customers(first: 7, after: "` + cursor + `") { ` + page + ` nodes { schedules { ` + page + ` nodes { tasks(first: 2) { ` + page + ` } } } } } }`,
		`{ customers(first: 20, orderBy: [{field: LAST_NAME}, {field: REFERENCE_ID, direction: DESC}]) { nodes { referenceId callTasks(first: 3, filter: {or: [{state: {eq: PENDING}}, {state: {eq: CLAIMED}}]}) { ` + page + ` } } } }`,
		`{ callTasks(first: 50) { nodes { customer { firstName activeSchedule { taskType { name } } } schedule { loan { externalId customer { id } } } loan { schedules { nodes { id } } } } } }`,
		`{ customers(first: 20) { nodes { callAttempts { nodes { task { id dueAt } customer { id } } } inconvenientTimes { nodes { days customer { id } } } identifiers { nodes { customer { id } } } addresses { nodes { customer { id } } } } } }`,
		`{ auditEntries(first: 50) { nodes { action customer { id phones { totalCount } } } } }`,
		`{ taskTypes { nodes { name schedules(first: 4) { ` + page + ` } } } }`,
		`query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Customer { phones { nodes { id } } } ... on Loan { customer { id } } ... on CallTask { schedule { id } } } }`,
		// Errors too: what the preload stumbles over, the resolver answers.
		`{ customers(first: 3) { nodes { id phones(first: 101) { nodes { id } } addresses { nodes { id } } } } }`,
		`{ customers(first: 3) { nodes { id phones(after: "nonsense") { nodes { id } } } } }`,
		`{ customers(first: 3) { nodes { id a: phones(first: 1, last: 1) { nodes { id } } b: phones { nodes { id } } } } }`,
	} {
		var v vars
		if strings.Contains(document, "$ids") {
			v = vars{"ids": slices.Concat(h.ids["Customer"][:5], h.ids["CallTask"][:5], h.ids["Loan"][:5], []string{"cust_7zzzzzzzzzzzzzzzzzzzzzzzzz"})}
		}
		want, got := plain.Do(t, h.Harbor.Key, document, v), h.Do(t, h.Harbor.Key, document, v)
		assert.Equal(t, want.Data, got.Data, document)
		assert.Equal(t, messages(want), messages(got), document)
		require.NotNil(t, got.Data, got.Body)
	}
}

// messages are the errors in an order that does not depend on which resolver was first.
func messages(r *graphtest.Reply) []string {
	var out []string
	for _, e := range r.Errors {
		out = append(out, fmt.Sprint(e.Path, " ", e))
	}
	slices.Sort(out)
	return out
}
