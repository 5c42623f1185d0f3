package graph_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
	"caseload/internal/graphtest"
	"caseload/internal/viewer"
)

// untilEvent causes an event again and again until one arrives: there is no telling when a server has begun
// to listen.
func untilEvent(t testing.TB, s *graphtest.Stream, cause func()) *graphtest.Reply {
	t.Helper()
	deadline := time.Now().Add(dbtest.Patience)
	for {
		cause()
		if r := s.Within(200 * time.Millisecond); r != nil {
			return r
		}
		require.True(t, time.Now().Before(deadline), "no event came")
	}
}

const watch = `subscription ($id: ID) { scheduleChanged(customerId: $id) { kind occurredAt customer { id firstName version } schedule { status planNumber tasks(first: 50) { totalCount nodes { id state } } } } }`

// syncAs changes a customer's first name by a sync through the given server.
func syncAs(t testing.TB, s *graphtest.Server, key, reference, name string) {
	t.Helper()
	r := s.OK(t, key, `mutation ($ref: String!, $name: String) { syncCustomerSchedule(input: {referenceId: $ref, taskType: "collections", firstName: $name}) { scheduleCreated userErrors { code path } } }`,
		vars{"ref": reference, "name": name})
	require.Equal(t, true, r.At("syncCustomerSchedule.scheduleCreated"), r.Body)
}

// A change made at one server process reaches subscribers of another, with what is true at that moment.
func TestScheduleChangesCrossServers(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	second := w.Start(t)
	p, other := w.Harbor.Person(t), w.Harbor.Person(t)
	stranger := w.Summit.Person(t)

	all := second.Subscribe(t, w.Harbor.Key, watch, nil)
	one := second.Subscribe(t, w.Harbor.Key, watch, vars{"id": graphtest.ID(p.Customer)})
	summit := second.Subscribe(t, w.Summit.Key, watch, nil)
	// With the id of a foreign customer, too.
	peeping := second.Subscribe(t, w.Summit.Key, watch, vars{"id": graphtest.ID(p.Customer)})

	for _, s := range []*graphtest.Stream{all, one} {
		r := untilEvent(t, s, func() { syncAs(t, w.Server, w.Harbor.Key, p.ReferenceID, "Begun") })
		require.Equal(t, graphtest.ID(p.Customer), r.At("scheduleChanged.customer.id"), r.Body)
	}
	untilEvent(t, summit, func() { syncAs(t, w.Server, w.Summit.Key, stranger.ReferenceID, "Begun") })

	// Each event reads anew: names and plans are those of its moment, never of an earlier event.
	for _, name := range []string{"Berta", "Carla", "Dora"} {
		syncAs(t, w.Server, w.Harbor.Key, p.ReferenceID, name)
		for _, s := range []*graphtest.Stream{all, one} {
			r := s.Until(func(r *graphtest.Reply) bool { return r.At("scheduleChanged.customer.firstName") == name })
			assert.Empty(t, r.Errors, r.Body)
			assert.Equal(t, "SYNCED", r.At("scheduleChanged.kind"))
			assert.Equal(t, "ACTIVE", r.At("scheduleChanged.schedule.status"))
			assert.Positive(t, r.At("scheduleChanged.schedule.tasks.totalCount"))
		}
	}
	// The other customer's change is for all, not for one.
	syncAs(t, w.Server, w.Harbor.Key, other.ReferenceID, "Else")
	all.Until(func(r *graphtest.Reply) bool {
		return r.At("scheduleChanged.customer.id") == graphtest.ID(other.Customer)
	})
	syncAs(t, w.Server, w.Harbor.Key, p.ReferenceID, "Last")
	for _, r := range one.Collect(func(r *graphtest.Reply) bool { return r.At("scheduleChanged.customer.firstName") == "Last" }) {
		assert.Equal(t, graphtest.ID(p.Customer), r.At("scheduleChanged.customer.id"), "the filter holds")
	}
	// The other organization saw its own change and nothing else, however much went on beside it.
	syncAs(t, w.Server, w.Summit.Key, stranger.ReferenceID, "Last")
	for _, r := range summit.Collect(func(r *graphtest.Reply) bool { return r.At("scheduleChanged.customer.firstName") == "Last" }) {
		assert.Equal(t, graphtest.ID(stranger.Customer), r.At("scheduleChanged.customer.id"))
	}
	assert.Nil(t, peeping.Within(0), "nobody listens at another organization's customer")
}

// Each kind of change is told by its name.
func TestScheduleChangesTellWhatHappened(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	s := w.Subscribe(t, w.Harbor.Key, watch, vars{"id": graphtest.ID(p.Customer)})
	untilEvent(t, s, func() { syncAs(t, w.Server, w.Harbor.Key, p.ReferenceID, "Begun") })
	task := w.OK(t, w.Harbor.Key, `query ($id: ID!) { node(id: $id) { ... on Customer { activeSchedule { tasks(first: 1, filter: {state: {eq: PENDING}}) { nodes { id } } } } } }`,
		vars{"id": graphtest.ID(p.Customer)}).Text("node.activeSchedule.tasks.nodes.0.id")
	kind := func(want string) {
		t.Helper()
		r := s.Until(func(r *graphtest.Reply) bool { return r.At("scheduleChanged.kind") == want })
		assert.Empty(t, r.Errors, r.Body)
	}
	w.OK(t, w.Harbor.Key, `mutation ($id: ID!) { claimCallTask(input: {id: $id}) { claim { task { id } } userErrors { code } } }`, vars{"id": task})
	kind("TASK_CLAIMED")
	w.OK(t, w.Harbor.Key, `mutation ($id: ID!) { completeCallTask(input: {id: $id, outcome: DNC_REQUESTED}) { userErrors { code } } }`, vars{"id": task})
	kind("TASK_FINISHED")
	r := s.Until(func(r *graphtest.Reply) bool { return r.At("scheduleChanged.kind") == "STOPPED" })
	assert.Nil(t, r.At("scheduleChanged.schedule"), "nothing is in force any more")
}

func TestSubscriptionPrincipals(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	v := vars{"id": graphtest.ID(p.Customer)}
	assert.Equal(t, "UNAUTHENTICATED", w.Subscribe(t, "", watch, v).Next().Code())
	assert.Equal(t, "FORBIDDEN", w.Subscribe(t, w.Harbor.KeyWithout(t, viewer.SchedulesRead), watch, v).Next().Code())
	assert.Equal(t, "BAD_USER_INPUT", w.Subscribe(t, w.Harbor.Key, watch, vars{"id": graphtest.ID(p.Loan)}).Next().Code())
	// A subscriber that may not read customers gets the change without the customer.
	s := w.Subscribe(t, w.Harbor.KeyWithout(t, viewer.CustomersRead), watch, v)
	r := untilEvent(t, s, func() { syncAs(t, w.Server, w.Harbor.Key, p.ReferenceID, "Begun") })
	assert.Equal(t, "FORBIDDEN", r.Code(), r.Body)
	assert.Nil(t, r.At("scheduleChanged.customer"))
	assert.Equal(t, "SYNCED", r.At("scheduleChanged.kind"))
}
