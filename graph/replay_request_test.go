package graph_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/graphtest"
	"caseload/internal/idempotency"
)

const recordCall = `mutation ($id: ID!, $outcome: CallOutcome!) {
	recordCall(input: {customerId: $id, direction: INBOUND, outcome: $outcome}) { attempt { id occurredAt } userErrors { code path } } }`

// attempts is how many calls to a person are written down, besides the one that every person comes with.
func attempts(t testing.TB, w *graphtest.World, p *graphtest.Person) int {
	t.Helper()
	var n int
	require.NoError(t, w.Pool.Get(t.Context(), &n, "SELECT count(*) - 1 FROM call_attempts WHERE customer_id = $1", p.Customer.UUID))
	return n
}

// keys is how many outcomes are stored.
func keys(t testing.TB, w *graphtest.World) int {
	t.Helper()
	var n int
	require.NoError(t, w.Pool.Get(t.Context(), &n, "SELECT count(*) FROM idempotency_keys"))
	return n
}

func callOf(p *graphtest.Person) vars {
	return vars{"id": graphtest.ID(p.Customer), "outcome": "NO_ANSWER"}
}

func TestTwentyAtOnceHaveOneEffect(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	replies := w.RepeatableCrowd(t, 20, w.Harbor.Key, "one-call", recordCall, callOf(p))
	require.Equal(t, 1, attempts(t, w, p))
	outcome, made := data(t, w.Repeatable(t, w.Harbor.Key, "one-call", recordCall, callOf(p))), 0
	for _, r := range replies {
		if r.Code() == "" {
			require.Equal(t, outcome, data(t, r))
			if r.Header.Get(replayed) == "" {
				made++
			}
			continue
		}
		require.Equal(t, "IDEMPOTENCY_IN_PROGRESS", r.Code(), r.Body)
		require.Equal(t, "1", r.Header.Get("Retry-After"))
		require.True(t, r.Errors[0].Extensions.Retryable)
	}
	require.Equal(t, 1, made, "all but one say that they repeat")
	require.Equal(t, 1, attempts(t, w, p))
}

func TestAKeyBelongsToItsCredential(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p, stranger := w.Harbor.Person(t), w.Summit.Person(t)
	first := w.Repeatable(t, w.Harbor.Key, "k", recordCall, callOf(p))
	other := w.Repeatable(t, w.Harbor.KeyWithout(t, "PII_REVEAL"), "k", recordCall, callOf(p))
	foreign := w.Repeatable(t, w.Summit.Key, "k", recordCall, callOf(stranger))
	for _, r := range []*graphtest.Reply{first, other, foreign} {
		require.Empty(t, r.Errors, r.Body)
		require.NotEmpty(t, r.Text("recordCall.attempt.id"))
		require.Empty(t, r.Header.Get(replayed))
	}
	require.Equal(t, 2, attempts(t, w, p))
	require.Equal(t, 1, attempts(t, w, stranger))
	// Without the scope the outcome is not shown.
	require.Equal(t, "FORBIDDEN", w.Repeatable(t, w.Harbor.KeyWithout(t, "TASKS_DIAL"), "k", recordCall, callOf(p)).Code())
	require.Equal(t, "UNAUTHENTICATED", w.Repeatable(t, "", "k", recordCall, callOf(p)).Code())
}

func TestAKeyIsForOneRequest(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p, q := w.Harbor.Person(t), w.Harbor.Person(t)
	first := w.Repeatable(t, w.Harbor.Key, "k", recordCall, callOf(p))
	require.Empty(t, first.Errors, first.Body)

	literal := strings.NewReplacer("$id: ID!, $outcome: CallOutcome!", "$id: ID!", "$outcome", "NO_ANSWER").Replace(recordCall)
	turned := strings.Replace(literal, `customerId: $id, direction: INBOUND`, `direction: INBOUND, customerId: $id`, 1)
	spread := `mutation ($id: ID!) { ...It } fragment It on Mutation { recordCall(input: {customerId: $id, direction: INBOUND, outcome: NO_ANSWER}) { attempt { customer { id } } } }`
	for name, document := range map[string]string{"literal": literal, "another order": turned, "a fragment and another selection": spread} {
		r := w.Repeatable(t, w.Harbor.Key, "k", document, vars{"id": graphtest.ID(p.Customer)})
		require.Empty(t, r.Errors, "%s: %s", name, r.Body)
		require.Equal(t, "true", r.Header.Get(replayed), name)
	}
	require.Equal(t, graphtest.ID(p.Customer), w.Repeatable(t, w.Harbor.Key, "k", spread, vars{"id": graphtest.ID(p.Customer)}).At("recordCall.attempt.customer.id"))

	two := `mutation ($id: ID!) { a: recordCall(input: {customerId: $id, direction: INBOUND, outcome: NO_ANSWER}) { attempt { id } }
		b: recordCall(input: {customerId: $id, direction: INBOUND, outcome: NO_ANSWER}) { attempt { id } } }`
	for name, other := range map[string]struct {
		document  string
		variables vars
	}{
		"another customer":      {recordCall, callOf(q)},
		"another outcome":       {recordCall, vars{"id": graphtest.ID(p.Customer), "outcome": "BUSY"}},
		"another name":          {strings.Replace(recordCall, "recordCall(", "again: recordCall(", 1), callOf(p)},
		"another mutation":      {principals["Mutation.createTaskType"].document, nil},
		"one more field":        {strings.Replace(recordCall, "recordCall(", `createTaskType(input: {name: "x", purpose: SERVICING}) { userErrors { code } } recordCall(`, 1), callOf(p)},
		"two of another name":   {two, vars{"id": graphtest.ID(p.Customer)}},
		"an empty list besides": {strings.Replace(recordCall, "outcome: $outcome", "outcome: $outcome, loanIds: []", 1), callOf(p)},
	} {
		before := dump(t, w)
		r := w.Repeatable(t, w.Harbor.Key, "k", other.document, other.variables)
		require.Equal(t, "IDEMPOTENCY_KEY_REUSED", r.Code(), "%s: %s", name, r.Body)
		require.Equal(t, 200, r.Status, "of an answer with data, even though it is null: docs/errors.md")
		require.False(t, r.Errors[0].Extensions.Retryable)
		require.Equal(t, before, dump(t, w), name)
	}
	require.Equal(t, 1, attempts(t, w, p))
}

func TestAKeyIsForgottenAfterADay(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	send := func() *graphtest.Reply { return w.Repeatable(t, w.Harbor.Key, "k", recordCall, callOf(p)) }
	first := send()
	w.Clock.Advance(idempotency.Kept - time.Millisecond)
	require.Equal(t, data(t, first), data(t, send()))
	w.Clock.Advance(time.Millisecond)
	again := send()
	require.Empty(t, again.Errors, again.Body)
	require.Empty(t, again.Header.Get(replayed))
	require.NotEqual(t, data(t, first), data(t, again))
	require.Equal(t, 2, attempts(t, w, p))
	require.Equal(t, 1, keys(t, w), "the new outcome has the place of the old")
	require.Equal(t, data(t, again), data(t, send()))
}

func TestRefusalsAreNotKept(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	rejected := `mutation ($a: String!, $b: String!) { bulkSyncCustomerSchedules(input: {errorPolicy: REJECT_EVERYTHING, customers: [
		{referenceId: $a, taskType: "collections"}, {referenceId: $b, taskType: "collections"}]}) { succeeded failed results { action } } }`
	allWrong := strings.Replace(rejected, "REJECT_EVERYTHING", "REJECT_FAILED_ROWS", 1)
	for name, r := range map[string]*graphtest.Reply{
		"user errors":       w.Repeatable(t, w.Harbor.Key, "k", `mutation { createTaskType(input: {name: "Wrong Name", purpose: SERVICING}) { userErrors { code } } }`, nil),
		"an error":          w.Repeatable(t, w.Harbor.Key, "k", recordCall, vars{"id": graphtest.ID(p.Loan), "outcome": "BUSY"}),
		"everything":        w.Repeatable(t, w.Harbor.Key, "k", rejected, vars{"a": p.ReferenceID, "b": "nobody"}),
		"no row was right":  w.Repeatable(t, w.Harbor.Key, "k", allWrong, vars{"a": "nobody", "b": "nobody else"}),
		"nothing but edges": w.Repeatable(t, w.Harbor.Key, "k", `query { viewer { name } }`, nil),
	} {
		require.Zero(t, keys(t, w), "%s: %s", name, r.Body)
	}
	// So the key is free, for another request even.
	require.NotEmpty(t, w.Repeatable(t, w.Harbor.Key, "k", recordCall, callOf(p)).Text("recordCall.attempt.id"))
	require.Equal(t, 1, keys(t, w))

	// What was written in part is kept, with the rows that were not.
	some := w.Repeatable(t, w.Harbor.Key, "some", allWrong, vars{"a": p.ReferenceID, "b": "nobody"})
	require.Equal(t, 1.0, some.At("bulkSyncCustomerSchedules.failed"), some.Body)
	require.Equal(t, data(t, some), data(t, w.Repeatable(t, w.Harbor.Key, "some", allWrong, vars{"a": p.ReferenceID, "b": "nobody"})))
	require.Equal(t, 2, keys(t, w))
}

// A denial of a call changes nothing: the same request may be allowed a moment later. A task that is skipped
// when its call begins is changed, and the answer with its user error is repeated.
func TestDenialsOfCalls(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	claim := `mutation ($id: ID!) { claimCallTask(input: {id: $id}) { claim { task { id state } } denials { rule } userErrors { code } } }`
	stop := func(on bool) {
		_, err := w.Pool.Exec(t.Context(), "UPDATE customers SET do_not_call = $2 WHERE id = $1", p.Customer.UUID, on)
		require.NoError(t, err)
	}
	task := vars{"id": graphtest.ID(p.Tasks[0])}
	stop(true)
	require.Equal(t, "DO_NOT_CALL", w.Repeatable(t, w.Harbor.Key, "k", claim, task).At("claimCallTask.denials.0.rule"))
	require.Zero(t, keys(t, w))
	stop(false)
	claimed := w.Repeatable(t, w.Harbor.Key, "k", claim, task)
	require.Equal(t, "CLAIMED", claimed.At("claimCallTask.claim.task.state"), claimed.Body)
	stop(true)
	require.Equal(t, data(t, claimed), data(t, w.Repeatable(t, w.Harbor.Key, "k", claim, task)))

	renew := `mutation ($id: ID!) { renewCallTask(input: {id: $id, callStarted: true}) { callTask { id state skipReason } userErrors { code path message } } }`
	skipped := w.Repeatable(t, w.Harbor.Key, "renew", renew, task)
	require.Equal(t, "SKIPPED", skipped.At("renewCallTask.callTask.state"), skipped.Body)
	require.Equal(t, "CALL_NOT_ALLOWED", skipped.At("renewCallTask.userErrors.0.code"))
	again := w.Repeatable(t, w.Harbor.Key, "renew", renew, task)
	require.Equal(t, "true", again.Header.Get(replayed))
	require.Equal(t, data(t, skipped), data(t, again))
}

// Each root field is a change of its own: a repetition does the rest of what the first request did in part.
func TestRootFieldsAreReplayedOneByOne(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	document := `mutation ($id: ID!) {
		a: recordCall(input: {customerId: $id, direction: INBOUND, outcome: BUSY}) { attempt { id } userErrors { code } }
		b: createTaskType(input: {name: "letters", purpose: SERVICING}) { taskType { id } userErrors { code } }
		c: recordCall(input: {customerId: $id, direction: INBOUND, outcome: BUSY}) { attempt { id } userErrors { code } } }`
	_, err := w.Pool.Exec(t.Context(), "UPDATE task_types SET name = 'letters' WHERE organization_id = $1 AND name = 'welcome'", w.Harbor.ID())
	require.NoError(t, err)
	first := w.Repeatable(t, w.Harbor.Key, "k", document, callOf(p))
	require.Equal(t, "TAKEN", first.At("b.userErrors.0.code"), first.Body)
	require.NotEqual(t, first.Text("a.attempt.id"), first.Text("c.attempt.id"))
	require.Equal(t, 2, attempts(t, w, p))
	require.Equal(t, 2, keys(t, w))

	_, err = w.Pool.Exec(t.Context(), "UPDATE task_types SET name = 'welcome' WHERE organization_id = $1 AND name = 'letters'", w.Harbor.ID())
	require.NoError(t, err)
	second := w.Repeatable(t, w.Harbor.Key, "k", document, callOf(p))
	require.NotEmpty(t, second.Text("b.taskType.id"), second.Body)
	require.Equal(t, first.At("a"), second.At("a"))
	require.Equal(t, first.At("c"), second.At("c"))
	require.Equal(t, "true", second.Header.Get(replayed))
	require.Equal(t, 2, attempts(t, w, p))
	require.Equal(t, data(t, second), data(t, w.Repeatable(t, w.Harbor.Key, "k", document, callOf(p))))
}

// The name that a field has in the answer is a part of what an outcome is found by.
func TestLongNamesAreRefusedBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	for length, code := range map[int]string{255: "", 256: "BAD_REQUEST", 3000: "BAD_REQUEST"} {
		// Letters that do not repeat themselves: an index compresses those that do.
		name := strings.ToLower(rand.Text())
		for len(name) < length {
			name += strings.ToLower(rand.Text())
		}
		name = "n" + name[:length-1]
		r := w.Repeatable(t, w.Harbor.Key, name[:30], strings.Replace(recordCall, "recordCall(", name+": recordCall(", 1), callOf(p))
		require.Equal(t, code, r.Code(), "%d: %s", length, r.Body)
	}
	require.Equal(t, 1, attempts(t, w, p))
}

// A repetition answers from what is stored: it does not ask the lending system, nor what is valid today.
func TestAReplayDependsOnNothingElse(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	var asked atomic.Int32
	lender := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		rw.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(lender.Close)
	w.OK(t, w.Harbor.Key, `mutation ($url: String!) { configureLendingSystem(input: {baseUrl: $url, key: "a-secret-key-of-theirs"}) { userErrors { code } } }`, vars{"url": lender.URL})
	sync := `mutation ($ref: String!, $sync: Boolean!) { syncCustomerSchedule(input: {referenceId: $ref, taskType: "collections", sync: $sync, firstName: "Ann"}) {
		customer { id firstName version activeSchedule { taskType { name } } } taskType { name } userErrors { code } } }`
	p := w.Harbor.Person(t)
	refused := w.Repeatable(t, w.Harbor.Key, "fetched", sync, vars{"ref": p.ReferenceID, "sync": true})
	require.NotEmpty(t, refused.At("syncCustomerSchedule.userErrors"), refused.Body)
	require.Positive(t, asked.Load())

	first := w.Repeatable(t, w.Harbor.Key, "k", sync, vars{"ref": p.ReferenceID, "sync": false})
	require.Equal(t, "Ann", first.At("syncCustomerSchedule.customer.firstName"), first.Body)
	// The customer moves on and the task type goes.
	w.OK(t, w.Harbor.Key, `mutation ($ref: String!) { syncCustomerSchedule(input: {referenceId: $ref, taskType: "welcome", firstName: "Anna"}) { userErrors { code } } }`, vars{"ref": p.ReferenceID})
	_, err := w.Pool.Exec(t.Context(), "UPDATE task_types SET archived_at = now() WHERE organization_id = $1 AND name = 'collections'", w.Harbor.ID())
	require.NoError(t, err)
	before := asked.Load()
	again := w.Repeatable(t, w.Harbor.Key, "k", sync, vars{"ref": p.ReferenceID, "sync": false})
	require.Equal(t, "true", again.Header.Get(replayed), again.Body)
	require.Equal(t, "Ann", again.At("syncCustomerSchedule.customer.firstName"), "the payload's own thing is as it was")
	require.Equal(t, first.At("syncCustomerSchedule.customer.version"), again.At("syncCustomerSchedule.customer.version"))
	require.Equal(t, "welcome", again.At("syncCustomerSchedule.customer.activeSchedule.taskType.name"), "edges are read anew")
	require.Equal(t, before, asked.Load())
}

// What a key costs, in statements.
func TestStatementsOfAKey(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	document := strings.Replace(recordCall, "occurredAt", "customer { id }", 1)
	plain := w.OK(t, w.Harbor.Key, document, callOf(p)).Statements
	require.Equal(t, plain+4, w.Repeatable(t, w.Harbor.Key, "k", document, callOf(p)).Statements, "look, lock, look again, store")
	require.Equal(t, 1+1, w.Repeatable(t, w.Harbor.Key, "k", document, callOf(p)).Statements, "look, and the edge")
}

// Neither the inputs nor the answers that a key is stored with can be read in the table.
func TestNoPersonalDataIsInTheTableOfKeys(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	canaries := []string{"219099876", "219-09-9876", "canary.9c41@example.com", "+12125559876", "Canarina", "secret-of-a-lender"}
	r := w.Repeatable(t, w.Harbor.Key, "219-09-9876", `mutation { syncCustomerSchedule(input: {referenceId: "C-1", taskType: "collections", firstName: "Canarina", lastName: "Rivera",
		email: "canary.9c41@example.com", birthday: "1985-06-15", ssn: "219-09-9876", phoneNumber: "+12125559876", timezone: "America/New_York",
		streetAddress1: "123 Main St", city: "New York", state: "NY", zipCode: "10025"}) { customer { ssnLastFour } userErrors { code path } } }`, nil)
	require.Equal(t, "9876", r.At("syncCustomerSchedule.customer.ssnLastFour"), r.Body)
	w.Repeatable(t, w.Harbor.Key, "219-09-9876b", `mutation { configureLendingSystem(input: {baseUrl: "https://lending.example.com", key: "secret-of-a-lender"}) { userErrors { code } } }`, nil)
	require.Equal(t, 2, keys(t, w))
	var table string
	require.NoError(t, w.Pool.Get(t.Context(), &table, "SELECT string_agg(row_to_json(k)::text || encode(outcome_sealed, 'escape') || encode(fingerprint, 'escape'), '') FROM idempotency_keys k"))
	log := w.Log.String()
	for _, canary := range canaries {
		require.NotContains(t, table, canary)
		require.NotContains(t, table, fmt.Sprintf("%x", canary))
		require.NotContains(t, log, canary)
	}
}

// The operation on a WebSocket has no headers; its key stands in its extensions.
func TestAKeyInTheExtensions(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	s := dial(t, w.Server, w.Harbor.Key)
	payload := func(key any) string {
		body, err := json.Marshal(map[string]any{"query": recordCall, "variables": callOf(p), "extensions": map[string]any{"idempotencyKey": key}})
		require.NoError(t, err)
		return string(body)
	}
	say := func(id string, key any) string {
		s.say(`{"type":"subscribe","id":"` + id + `","payload":` + payload(key) + `}`)
		answer := s.hear()
		if strings.Contains(answer, `"next"`) {
			require.Contains(t, s.hear(), `"complete"`)
		}
		return answer
	}
	attempt := func(answer string) any {
		var message struct{ Payload struct{ Data any } }
		require.NoError(t, json.Unmarshal([]byte(answer), &message), answer)
		id := graphtest.At(message.Payload.Data, "recordCall.attempt.id")
		require.NotNil(t, id, answer)
		return id
	}
	first := attempt(say("1", "k"))
	require.Equal(t, first, attempt(say("2", "k")))
	require.NotEqual(t, first, attempt(say("3", "k2")))
	require.Equal(t, 2, attempts(t, w, p))
	require.Contains(t, say("4", 5), "BAD_REQUEST")
	require.Contains(t, say("5", "with space"), "BAD_REQUEST")
	// The same over HTTP.
	require.Equal(t, first, w.Post(t, w.Harbor.Key, []byte(payload("k"))).At("recordCall.attempt.id"))
	require.Equal(t, 2, attempts(t, w, p))
}
