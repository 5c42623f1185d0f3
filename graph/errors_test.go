package graph_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"caseload/graph"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/graphtest"
)

// canary is a value that must never be seen again.
const canary = "219-09-9999"

// discreet asserts that neither replies nor the log hold SQL, the database's password or what clients sent, and
// that replies do not name its host; the log does, for whoever has to find out which database is down.
func discreet(t *testing.T, s *graphtest.Server, address string, replies ...*graphtest.Reply) {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	password, _ := u.User.Password()
	texts := []string{s.Log.String()}
	for _, r := range replies {
		texts = append(texts, r.Body)
		for _, e := range r.Errors {
			code := fault.Code(e.Extensions.Code)
			assert.Equal(t, code, code.Info().Code, "the code %s is documented", code)
			assert.NotEmpty(t, e.Extensions.RequestID)
		}
	}
	for i, text := range texts {
		if i > 0 {
			assert.NotContains(t, text, u.Host)
		}
		for _, secret := range []string{"SELECT ", "INSERT ", "UPDATE ", "organization_id", password, strings.TrimPrefix(u.Path, "/"), canary, "219099999", "goroutine "} {
			if secret != "" && strings.Contains(text, secret) {
				assert.Fail(t, "something was told that must not be", "%q in %.400s", secret, text)
			}
		}
	}
}

func TestErrorsHaveTheirCodes(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	w.Harbor.People(t, 3)
	id, loan := graphtest.ID(p.Customer), graphtest.ID(p.Loan)
	cursorOf := func(list string) string {
		return w.OK(t, w.Harbor.Key, `{ `+list+` { pageInfo { endCursor } } }`, nil).Text(strings.SplitN(list, "(", 2)[0] + ".pageInfo.endCursor")
	}
	customers, tasks := cursorOf("customers(first: 2)"), cursorOf("callTasks(first: 2)")
	filtered := cursorOf(`customers(first: 1, filter: {doNotCall: {eq: false}})`)
	ordered := cursorOf("customers(first: 2, orderBy: [{field: LAST_NAME}])")
	for _, c := range []struct {
		name, document string
		vars           vars
		code           string
	}{
		{"a cursor that is none", `query ($c: String) { customers(after: $c) { nodes { id } } }`, vars{"c": "nonsense " + canary}, "INVALID_CURSOR"},
		{"an empty cursor", `{ customers(after: "") { nodes { id } } }`, nil, "INVALID_CURSOR"},
		{"a cursor of another list", `query ($c: String) { customers(after: $c) { nodes { id } } }`, vars{"c": tasks}, "INVALID_CURSOR"},
		{"a cursor of another order", `query ($c: String) { customers(after: $c) { nodes { id } } }`, vars{"c": ordered}, "INVALID_CURSOR"},
		{"a cursor of another filter", `query ($c: String) { customers(after: $c) { nodes { id } } }`, vars{"c": filtered}, "INVALID_CURSOR"},
		{"a cursor of the same list in another direction", `query ($c: String) { customers(before: $c, orderBy: [{field: CREATED_AT, direction: DESC}]) { nodes { id } } }`, vars{"c": customers}, "INVALID_CURSOR"},
		{"a changed cursor", `query ($c: String) { customers(after: $c) { nodes { id } } }`, vars{"c": customers[:len(customers)-2] + "AA"}, "INVALID_CURSOR"},
		{"a cursor below", `query ($c: String) { customers { nodes { phones(after: $c) { nodes { id } } } } }`, vars{"c": customers}, "INVALID_CURSOR"},
		{"no rows", `{ customers(first: 0) { nodes { id } } }`, nil, "BAD_USER_INPUT"},
		{"fewer than no rows", `{ customers(first: -1) { nodes { id } } }`, nil, "BAD_USER_INPUT"},
		{"fewer than no rows from the end", `{ customers(last: -5) { nodes { id } } }`, nil, "BAD_USER_INPUT"},
		{"too many rows", `{ customers(first: 101) { nodes { id } } }`, nil, "TOO_MANY_ITEMS"},
		{"too many rows from the end", `{ customers(last: 101) { nodes { id } } }`, nil, "TOO_MANY_ITEMS"},
		{"too many rows below", `{ customers { nodes { phones(first: 101) { nodes { id } } } } }`, nil, "TOO_MANY_ITEMS"},
		{"both ends", `{ customers(first: 1, last: 1) { nodes { id } } }`, nil, "BAD_USER_INPUT"},
		{"more than 32 bits", `{ customers(first: 4294967297) { nodes { id } } }`, nil, "COMPLEXITY_LIMIT_EXCEEDED"},
		{"a search of two letters", `{ customers(search: "ab") { nodes { id } } }`, nil, "BAD_USER_INPUT"},
		{"an order that names a field twice", `{ customers(orderBy: [{field: LAST_NAME}, {field: LAST_NAME}]) { nodes { id } } }`, nil, "BAD_USER_INPUT"},
		{"too many orders", `{ customers(orderBy: [{field: LAST_NAME}, {field: CREATED_AT}, {field: UPDATED_AT}, {field: REFERENCE_ID}]) { nodes { id } } }`, nil, "TOO_MANY_ITEMS"},
		{"a null operator", `{ customers(filter: {firstName: {eq: null}}) { nodes { id } } }`, nil, "BAD_USER_INPUT"},
		{"a filter too deep", `{ customers(filter: {not: {not: {not: {not: {not: {not: {isTest: {eq: true}}}}}}}}) { nodes { id } } }`, nil, "QUERY_TOO_LARGE"},
		{"a number that is none in a filter", `query ($s: String) { customers(filter: {ssn: $s}) { nodes { id } } }`, vars{"s": "nonsense"}, "BAD_USER_INPUT"},

		{"the id of another type", `query ($id: ID) { customer(id: $id) { id } }`, vars{"id": loan}, "BAD_USER_INPUT"},
		{"the id of another type in a mutation", `mutation ($id: ID!) { cancelCallTask(input: {id: $id, reason: "x"}) { userErrors { code } } }`, vars{"id": id}, "BAD_USER_INPUT"},
		{"the id of another type in a filter", `query ($id: ID) { callTasks(filter: {customer: {eq: $id}}) { nodes { id } } }`, vars{"id": loan}, "BAD_USER_INPUT"},
		{"an id that is none", `query ($id: ID) { customer(id: $id) { id } }`, vars{"id": canary}, "BAD_USER_INPUT"},
		{"an id of no type", `{ node(id: "nothing_01h455vb4pex5vsknk084sn02q") { id } }`, nil, "BAD_USER_INPUT"},
		{"an id with a digit too high", `{ node(id: "cust_8zzzzzzzzzzzzzzzzzzzzzzzzz") { id } }`, nil, "BAD_USER_INPUT"},
		{"too many ids", `query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`, vars{"ids": slices.Repeat([]string{id}, 101)}, "TOO_MANY_ITEMS"},

		{"no way to a customer", `{ customer { id } }`, nil, "BAD_USER_INPUT"},
		{"two ways to a customer", `query ($id: ID) { customer(id: $id, referenceId: "x") { id } }`, vars{"id": id}, "BAD_USER_INPUT"},
		{"three ways to a customer", `query ($id: ID) { customer(id: $id, referenceId: "x", identifier: {source: "LMS", sourceId: "1"}) { id } }`, vars{"id": id}, "BAD_USER_INPUT"},
		{"a null way to a customer", `{ customer(id: null) { id } }`, nil, "BAD_USER_INPUT"},
		{"no way to a task type", `{ taskType { id } }`, nil, "BAD_USER_INPUT"},
		{"two ways to a task type", `{ taskType(id: "tt_01h455vb4pex5vsknk084sn02q", name: "x") { id } }`, nil, "BAD_USER_INPUT"},
		{"holidays of too many years", `{ callingHolidays(from: "2020-01-01", to: "2030-01-01") { name } }`, nil, "BAD_USER_INPUT"},
		{"holidays backwards", `{ callingHolidays(from: "2026-02-01", to: "2026-01-01") { name } }`, nil, "BAD_USER_INPUT"},

		{"an unknown field", `{ customers { nodes { creditCard } } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"an unknown argument", `{ customers(limit: 1) { nodes { id } } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"an unknown input field", `mutation { syncCustomerSchedule(input: {referenceId: "x", taskType: "y", creditCard: "4111111111111111"}) { userErrors { code } } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"an unknown input field in a variable", `mutation ($in: SyncCustomerScheduleInput!) { syncCustomerSchedule(input: $in) { userErrors { code } } }`,
			vars{"in": map[string]any{"referenceId": "x", "taskType": "y", "socialSecurity": canary}}, "BAD_USER_INPUT"},
		{"a missing variable", `mutation ($in: SyncCustomerScheduleInput!) { syncCustomerSchedule(input: $in) { userErrors { code } } }`, nil, "BAD_USER_INPUT"},
		{"an unknown enum value", `{ customers(orderBy: [{field: SSN}]) { nodes { id } } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"an unknown enum value in a variable", `query ($o: [CustomerOrder!]) { customers(orderBy: $o) { nodes { id } } }`, vars{"o": []any{map[string]any{"field": "SSN"}}}, "BAD_USER_INPUT"},
		{"a moment without a zone", `{ callTasks(filter: {dueAt: {gt: "2026-03-09T15:00:00"}}) { nodes { id } } }`, nil, "BAD_USER_INPUT"},
		{"a day that is none", `{ callingHolidays(from: "2026-02-30") { name } }`, nil, "BAD_USER_INPUT"},
		{"the zero character", `query ($s: String) { customers(filter: {firstName: {eq: $s}}) { nodes { id } } }`, vars{"s": "a\x00b"}, "BAD_USER_INPUT"},
		{"the zero character in a reference", `query ($s: String) { customer(referenceId: $s) { id } }`, vars{"s": "a\x00b"}, "BAD_USER_INPUT"},
		{"the zero character in a search", `query ($s: String) { customers(search: $s) { nodes { id } } }`, vars{"s": "abc\x00"}, "BAD_USER_INPUT"},
		{"no GraphQL", `{ customers { nodes { id }`, nil, "GRAPHQL_PARSE_FAILED"},
		{"two operations and no name", `query A { viewer { name } } query B { viewer { name } }`, nil, "OPERATION_RESOLUTION_FAILURE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := w.Do(t, w.Harbor.Key, c.document, c.vars)
			require.Equal(t, c.code, r.Code(), r.Body)
			discreet(t, w.Server, w.URL, r)
		})
	}
	for _, body := range []string{`{`, `[]`, `"x"`, `{"query": 1}`, `{"query": "{ viewer { name } }", "variables": []}`, ``, `{"query": "{ viewer { name } }"} trailing`, `{"query": "` + strings.Repeat("\\u0000", 3) + `"}`} {
		r := w.Post(t, w.Harbor.Key, []byte(body))
		assert.Contains(t, []string{"BAD_REQUEST", "GRAPHQL_PARSE_FAILED"}, r.Code(), "%s: %s", body, r.Body)
		discreet(t, w.Server, w.URL, r)
	}
	discreet(t, w.Server, w.URL, w.Do(t, "cl_"+canary, `{ viewer { name } }`, nil))
}

// The other direction: ways of asking that look odd and are right.
func TestOddButRightRequests(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	id := graphtest.ID(p.Customer)
	for document, path := range map[string]string{
		`query { customer(identifier: {source: "LMS", sourceId: "S-` + p.ReferenceID + `"}) { id } }`:                 "customer.id",
		`query { customer(identifier: {source: "LMS", sourceId: "S-` + p.ReferenceID + `", language: null}) { id } }`: "customer.id",
		`query { customer(id: null, referenceId: "` + p.ReferenceID + `") { id } }`:                                   "customer.id",
		`query { customers(first: null, last: null, after: null, filter: null, orderBy: []) { nodes { id } } }`:       "customers.nodes.0.id",
		`query { customers(orderBy: {field: LAST_NAME, nulls: FIRST}) { nodes { id } } }`:                             "customers.nodes.0.id",
		`query { customers(filter: {ssn: "` + "219-09-0001" + `"}) { nodes { id } } }`:                                "customers.nodes.0.id",
		`query { customers(search: "(212) 555-0100") { nodes { id } } }`:                                              "customers.nodes.0.id",
		`query { customers(search: "rivera riverra") { nodes { id } } }`:                                              "customers.nodes.0.id",
	} {
		assert.Equal(t, id, w.OK(t, w.Harbor.Key, document, nil).At(path), document)
	}
	r := w.Do(t, w.Harbor.KeyWithout(t, "PII_READ"), `{ customers(filter: {ssn: "219-09-0001"}) { nodes { id } } }`, nil)
	assert.Equal(t, "FORBIDDEN", r.Code(), "a filter tells what it finds by")
	r = w.Do(t, w.Harbor.KeyWithout(t, "PII_READ"), `{ customers(filter: {or: [{not: {ssnLastFour: {lastFour: "0001", birthday: "1985-06-15"}}}]}) { nodes { id } } }`, nil)
	assert.Equal(t, "FORBIDDEN", r.Code(), "also deep inside")
}

// Writers that race each other for what must be unique get user errors, one of them wins, and nobody is
// told of a defect.
func TestRacesForUniqueValues(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	const writers = 8
	for _, c := range []struct {
		name, document string
		// winners is how many succeed.
		winners int
		loser   string
	}{
		{"createTaskType", `mutation { createTaskType(input: {name: "race", purpose: SERVICING}) { userErrors { code path } } }`, 1, "TAKEN"},
		{"configureLendingSystem", `mutation { configureLendingSystem(input: {baseUrl: "https://lending.example.com", key: "a-secret-key-of-theirs"}) { userErrors { code path } } }`, writers, ""},
		{"addCallingHoliday", `mutation { addCallingHoliday(input: {state: "NV", date: "2026-05-01", name: "Our day"}) { userErrors { code path } } }`, writers, ""},
		{"tightenCallingWindow", `mutation { tightenCallingWindow(input: {state: "NV", days: [MONDAY], opensAt: "10:00", closesAt: "17:00"}) { userErrors { code path } } }`, writers, ""},
		{"syncCustomerSchedule", `mutation { syncCustomerSchedule(input: {referenceId: "race", taskType: "collections", firstName: "A", lastName: "B", email: "a@example.com", birthday: "1985-06-15",
			ssnLastFour: "1234", streetAddress1: "1 Main St", city: "New York", state: "NY", zipCode: "10025", phoneNumber: "+12125550100", timezone: "America/New_York"}) { userErrors { code path } } }`, writers, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			replies := make([]*graphtest.Reply, writers)
			var wg sync.WaitGroup
			for i := range replies {
				wg.Go(func() { replies[i] = w.Do(t, w.Harbor.Key, c.document, nil) })
			}
			wg.Wait()
			won := 0
			for _, r := range replies {
				require.Empty(t, r.Errors, r.Body)
				if r.Len(c.name+".userErrors") == 0 {
					won++
				} else {
					assert.Equal(t, c.loser, r.At(c.name+".userErrors.0.code"), r.Body)
				}
			}
			assert.Equal(t, c.winners, won)
			discreet(t, w.Server, w.URL, replies...)
		})
	}
	assert.Equal(t, 1.0, w.OK(t, w.Harbor.Key, `{ customers(filter: {referenceId: {eq: "race"}}) { totalCount } }`, nil).At("customers.totalCount"))
	assert.Equal(t, 1.0, w.OK(t, w.Harbor.Key, `{ schedules { totalCount } }`, nil).At("schedules.totalCount"))
}

// blocked locks the customers against everybody until release is called.
func blocked(t *testing.T, w *graphtest.World) (release func()) {
	t.Helper()
	tx, err := w.Pool.SQL().BeginTx(context.Background(), nil)
	require.NoError(t, err)
	_, err = tx.Exec("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	var once sync.Once
	release = func() { once.Do(func() { _ = tx.Rollback() }) }
	t.Cleanup(release)
	return release
}

const readCustomers = `{ customers(first: 1) { nodes { id } } }`

func TestStatementTimeoutIsTimeout(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	impatient := w.Start(t, graphtest.Timeout(100*time.Millisecond))
	release := blocked(t, w)
	for _, document := range []string{readCustomers, `mutation { syncCustomerSchedule(input: {referenceId: "x", taskType: "collections"}) { userErrors { code } } }`} {
		r := impatient.Do(t, w.Harbor.Key, document, nil)
		assert.Equal(t, "TIMEOUT", r.Code(), r.Body)
		assert.True(t, r.Errors[0].Extensions.Retryable)
		discreet(t, impatient, w.URL, r)
	}
	release()
	impatient.OK(t, w.Harbor.Key, readCustomers, nil)
}

func TestKilledConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	victim := w.Start(t, graphtest.Configure(func(o *graph.Options) {
		pool, err := db.Open(w.URL, db.Settings{MaxOpen: 4, ApplicationName: "victim"})
		require.NoError(t, err)
		t.Cleanup(func() { _ = pool.Close() })
		o.Pool = pool
	}))
	// Known before, so that the lock is met by the operation and not by the check of the key.
	victim.OK(t, w.Harbor.Key, `{ viewer { name } }`, nil)
	release := blocked(t, w)
	for _, document := range []string{readCustomers, `mutation { syncCustomerSchedule(input: {referenceId: "x", taskType: "collections"}) { userErrors { code } } }`} {
		answered := make(chan *graphtest.Reply, 1)
		go func() { answered <- victim.Do(t, w.Harbor.Key, document, nil) }()
		r := kill(t, w, answered)
		assert.Equal(t, "UNAVAILABLE", r.Code(), r.Body)
		assert.True(t, r.Errors[0].Extensions.Retryable)
		discreet(t, victim, w.URL, r)
	}
	release()
	r := victim.Do(t, w.Harbor.Key, readCustomers, nil)
	assert.Empty(t, r.Errors, "a dead connection is not given out again: %s", r.Body)
}

// kill ends the victim's connections that wait for a lock until the operation is answered: it may try again on
// another connection.
func kill(t *testing.T, w *graphtest.World, answered <-chan *graphtest.Reply) *graphtest.Reply {
	t.Helper()
	killed := 0
	for deadline := time.Now().Add(dbtest.Patience); ; {
		select {
		case r := <-answered:
			require.Positive(t, killed, "the operation did not wait for the lock: %s", r.Body)
			return r
		default:
		}
		require.True(t, time.Now().Before(deadline), "the operation does not end")
		var n int
		// The database waits a little between two looks, so this does not spin.
		require.NoError(t, w.Pool.Get(t.Context(), &n, `
			SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity, pg_sleep(0.02)
				WHERE application_name = 'victim' AND wait_event_type = 'Lock' AND datname = current_database()) killed`))
		killed += n
	}
}

func TestUnreachableDatabaseIsUnavailable(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	// A server whose pool is closed under it, as when the database is gone: the key can no longer be checked.
	gone := w.Start(t, graphtest.Configure(func(o *graph.Options) {
		pool, err := db.Open("postgres://somebody:the-password@127.0.0.1:1/no_such_database?connect_timeout=2", db.Settings{MaxOpen: 2})
		require.NoError(t, err)
		t.Cleanup(func() { _ = pool.Close() })
		o.Pool = pool
	}))
	r := gone.Do(t, w.Harbor.Key, readCustomers, nil)
	assert.Equal(t, "UNAVAILABLE", r.Code(), r.Body)
	discreet(t, gone, "postgres://somebody:the-password@127.0.0.1:1/no_such_database", r)
}

// A deadline that passes while an operation runs is a timeout too, and not a defect.
func TestOperationTimeoutIsTimeout(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	hasty := w.Start(t, graphtest.Configure(func(o *graph.Options) {
		o.Limits.QueryTimeout, o.Limits.MutationTimeout = 100*time.Millisecond, 100*time.Millisecond
	}))
	hasty.OK(t, w.Harbor.Key, `{ viewer { name } }`, nil)
	blocked(t, w)
	for _, document := range []string{readCustomers, `mutation { syncCustomerSchedule(input: {referenceId: "x", taskType: "collections"}) { userErrors { code } } }`} {
		r := hasty.Do(t, w.Harbor.Key, document, nil)
		assert.Equal(t, "TIMEOUT", r.Code(), r.Body)
		discreet(t, hasty, w.URL, r)
	}
}

// Wrong values come back as user errors, all at once, with their paths and without the values.
func TestUserErrorsNameEveryMistakeAndNoValue(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	r := w.Do(t, w.Harbor.Key, `mutation ($in: SyncCustomerScheduleInput!) { syncCustomerSchedule(input: $in) { customer { id } userErrors { code message path } } }`,
		vars{"in": map[string]any{"referenceId": "new", "taskType": "collections", "email": "no-address-" + canary, "birthday": canary, "ssn": "000-00-0000", "phoneNumber": canary,
			"timezone": "Mars/" + canary, "state": "ZZ", "zipCode": canary, "firstName": " ", "language": "!" + canary}})
	require.Empty(t, r.Errors, r.Body)
	assert.Nil(t, r.At("syncCustomerSchedule.customer"))
	var paths []string
	for i := range r.Len("syncCustomerSchedule.userErrors") {
		paths = append(paths, join(r.At(fmt.Sprintf("syncCustomerSchedule.userErrors.%d.path", i))))
	}
	for _, field := range []string{"email", "birthday", "ssn", "phoneNumber", "timezone", "state", "zipCode", "firstName", "language", "lastName", "city"} {
		assert.Contains(t, paths, "input."+field)
	}
	discreet(t, w.Server, w.URL, r)
	assert.Equal(t, 0.0, w.OK(t, w.Harbor.Key, `{ customers { totalCount } }`, nil).At("customers.totalCount"), "nothing was written")
}
