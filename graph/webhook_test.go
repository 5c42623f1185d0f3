package graph_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/graphtest"
	"caseload/internal/relay"
	"caseload/internal/webhook"
)

const createEndpoint = `mutation ($url: String!) { createWebhookEndpoint(input: {url: $url, events: [CUSTOMER_CREATED, CUSTOMER_UPDATED, CUSTOMER_DELETED, CUSTOMER_MERGED, SCHEDULE_SYNCED]}) {
	webhookEndpoint { id } secret userErrors { code message path } } }`

// hooked is a world whose changes are told to a receiver.
type hooked struct {
	*graphtest.World
	*graphtest.Workers
	receiver   *graphtest.Receiver
	id, secret string
	told       int
}

func newHooked(t *testing.T) *hooked {
	t.Helper()
	w := graphtest.New(t)
	h := &hooked{World: w, Workers: w.NewWorkers(t, w.Server, nil), receiver: graphtest.NewReceiver(t)}
	r := w.OK(t, w.Harbor.Key, createEndpoint, vars{"url": h.receiver.URL})
	h.id, h.secret = r.Text("createWebhookEndpoint.webhookEndpoint.id"), r.Text("createWebhookEndpoint.secret")
	require.NotEmpty(t, h.secret, r.Body)
	return h
}

// tells runs a change and expects the deliveries that it makes: their events, each signed, to the receiver.
func (h *hooked) tells(t *testing.T, what string, events []string, change func()) []*graphtest.Delivery {
	t.Helper()
	change()
	id, err := relay.ParseID(h.id)
	require.NoError(t, err)
	require.NoError(t, h.Deliverer.Drain(t.Context(), h.Harbor.ID(), id.UUID))
	all := h.receiver.All()
	fresh := all[h.told:]
	h.told = len(all)
	var got []string
	for _, d := range fresh {
		d.Check(t, h.secret, h.Clock.Now())
		require.Equal(t, d.At("type"), d.Header.Get(webhook.HeaderEvent))
		require.Error(t, webhook.Verify(h.secret+"x", d.Header.Get(webhook.HeaderSignature), d.Body, h.Clock.Now(), 1e12))
		// Longer than what random ids hold by chance.
		for _, personal := range []string{"Rivera", "example.com", "1985-06-15", "+1212555", `"2191"`} {
			require.NotContains(t, string(d.Body), personal)
		}
		got = append(got, d.At("type").(string))
	}
	slices.Sort(got)
	require.Equal(t, events, got, what)
	r := h.OK(t, h.Harbor.Key, `{ webhookDeliveries(filter: {state: {eq: PENDING}}) { totalCount } }`, nil)
	require.Equal(t, 0.0, r.At("webhookDeliveries.totalCount"), "everything has arrived")
	return fresh
}

// mutate runs a mutation that must have no user errors.
func (h *hooked) mutate(t *testing.T, field, document string, v vars) *graphtest.Reply {
	t.Helper()
	r := h.OK(t, h.Harbor.Key, document, v)
	require.Empty(t, r.At(field+".userErrors"), r.Body)
	return r
}

// Each way in which a customer changes is told by the right event, signed; what writes nothing is not told.
func TestWebhooksTellOfEveryChange(t *testing.T) {
	t.Parallel()
	h := newHooked(t)
	const upsert = `mutation ($rows: [UpsertCustomerInput!]!, $policy: BulkErrorPolicy! = REJECT_FAILED_ROWS, $dry: Boolean! = false) {
		bulkUpsertCustomers(input: {source: "LMS", customers: $rows, errorPolicy: $policy, dryRun: $dry}) { results { action customer { id } userErrors { code } } userErrors { code } } }`
	row := func(id, name string) map[string]any {
		return map[string]any{"sourceId": id, "firstName": name, "lastName": "Rivera"}
	}
	var a, b string
	created := h.tells(t, "two rows", []string{"customer.created", "customer.created"}, func() {
		r := h.mutate(t, "bulkUpsertCustomers", upsert, vars{"rows": []any{row("1", "Ann"), row("2", "Bob")}})
		a, b = r.Text("bulkUpsertCustomers.results.0.customer.id"), r.Text("bulkUpsertCustomers.results.1.customer.id")
	})
	require.ElementsMatch(t, []any{a, b}, []any{created[0].At("data.customer.id"), created[1].At("data.customer.id")})
	require.Equal(t, "LMS", created[0].At("data.customer.identifiers.0.source"))
	changed := h.tells(t, "one row that changes", []string{"customer.updated"}, func() {
		h.mutate(t, "bulkUpsertCustomers", upsert, vars{"rows": []any{row("1", "Ann"), row("2", "Berta")}})
	})[0]
	require.Equal(t, []any{b, "firstName"}, []any{changed.At("data.customer.id"), changed.At("data.changed.0")}, string(changed.Body))

	h.tells(t, "rows that are stored already", nil, func() { h.mutate(t, "bulkUpsertCustomers", upsert, vars{"rows": []any{row("1", "Ann")}}) })
	h.tells(t, "a dry run", nil, func() { h.mutate(t, "bulkUpsertCustomers", upsert, vars{"rows": []any{row("3", "Cid")}, "dry": true}) })
	h.tells(t, "a batch that is rolled back", nil, func() {
		bad := row("4", "Dan")
		bad["email"] = "nobody"
		r := h.OK(t, h.Harbor.Key, upsert, vars{"rows": []any{row("3", "Cid"), bad, row("1", "Anna")}, "policy": "REJECT_EVERYTHING"})
		require.Equal(t, "INVALID", r.At("bulkUpsertCustomers.results.1.userErrors.0.code"), r.Body)
	})
	h.tells(t, "a version that moved on", nil, func() {
		r := h.OK(t, h.Harbor.Key, `mutation ($id: ID!) { updateCustomer(input: {id: $id, firstName: "Zed", expectedVersion: 99}) { userErrors { code } } }`, vars{"id": a})
		require.Equal(t, "STALE_VERSION", r.At("updateCustomer.userErrors.0.code"), r.Body)
	})
	h.tells(t, "an update", []string{"customer.updated"}, func() {
		h.mutate(t, "updateCustomer", `mutation ($id: ID!) { updateCustomer(input: {id: $id, medicare: {mbi: "1EG4-TE5-MK73"}}) { userErrors { code } } }`, vars{"id": a})
	})
	h.tells(t, "an update of nothing", nil, func() {
		h.mutate(t, "updateCustomer", `mutation ($id: ID!) { updateCustomer(input: {id: $id}) { userErrors { code } } }`, vars{"id": a})
	})
	h.tells(t, "a nested create", []string{"customer.created"}, func() {
		r := h.mutate(t, "createCustomers", `mutation { createCustomers(input: {customers: [{referenceId: "REF-1", firstName: "Eve", lastName: "Rivera"}]}) { results { action userErrors { code } } userErrors { code } } }`, nil)
		require.Equal(t, "CREATE", r.At("createCustomers.results.0.action"), r.Body)
	})
	merged := h.tells(t, "a merge, by which the survivor gets what it lacked", []string{"customer.merged", "customer.updated"}, func() {
		h.mutate(t, "mergeCustomers", `mutation ($a: ID!, $b: ID!) { mergeCustomers(input: {survivorId: $a, duplicateIds: [$b]}) { userErrors { code } } }`, vars{"a": a, "b": b})
	})
	i := slices.IndexFunc(merged, func(d *graphtest.Delivery) bool { return d.At("type") == "customer.merged" })
	require.Equal(t, []any{a, b}, []any{merged[i].At("data.customer.id"), merged[i].At("data.merged.0")}, string(merged[i].Body))
	names, _ := merged[1-i].At("data.changed").([]any)
	require.NotEmpty(t, names)
	for _, name := range names {
		require.NotNil(t, schema.Types["Customer"].Fields.ForName(name.(string)), "%s is no field of a customer", name)
	}
	h.tells(t, "a deletion", []string{"customer.deleted"}, func() {
		h.mutate(t, "deleteCustomer", `mutation ($id: ID!) { deleteCustomer(input: {id: $id}) { userErrors { code } } }`, vars{"id": a})
	})
	h.tells(t, "a deletion once more", nil, func() {
		h.mutate(t, "deleteCustomer", `mutation ($id: ID!) { deleteCustomer(input: {id: $id}) { userErrors { code } } }`, vars{"id": a})
	})
	synced := h.tells(t, "a sync of somebody new", []string{"customer.created", "schedule.synced"}, func() {
		h.mutate(t, "syncCustomerSchedule", `mutation { syncCustomerSchedule(input: {referenceId: "REF-9", taskType: "collections", firstName: "Fay", lastName: "Rivera", email: "f@example.com", birthday: "1985-06-15",
			ssnLastFour: "2191", phoneNumber: "+12125550123", timezone: "America/New_York", streetAddress1: "1 Main St", city: "Troy", state: "NY", zipCode: "12180"}) { scheduleCreated userErrors { code path } } }`, nil)
	})
	i = slices.IndexFunc(synced, func(d *graphtest.Delivery) bool { return d.At("type") == "schedule.synced" })
	require.Regexp(t, "^sched_", synced[i].At("data.schedule.id"), string(synced[i].Body))
	record := func(outcome string) func() {
		return func() {
			h.mutate(t, "recordCall", `mutation ($o: CallOutcome!) { recordCall(input: {referenceId: "REF-9", direction: OUTBOUND, outcome: $o}) { customer { doNotCall } userErrors { code path } } }`, vars{"o": outcome})
		}
	}
	h.tells(t, "a call that nobody answered", nil, record("NO_ANSWER"))
	planned := h.tells(t, "a conversation, after which the calls are planned anew", []string{"schedule.synced"}, record("CONVERSATION"))[0]
	require.Regexp(t, "^sched_", planned.At("data.schedule.id"), string(planned.Body))
	wrong := h.tells(t, "a wrong number, by which the plan ends", []string{"customer.updated", "schedule.synced"}, record("WRONG_NUMBER"))
	i = slices.IndexFunc(wrong, func(d *graphtest.Delivery) bool { return d.At("type") == "customer.updated" })
	require.Equal(t, []any{"phones"}, wrong[i].At("data.changed"), string(wrong[i].Body))
	require.Nil(t, wrong[1-i].At("data.schedule"), string(wrong[1-i].Body))
	h.tells(t, "the same wrong number", nil, record("WRONG_NUMBER"))
	stopped := h.tells(t, "a wish not to be called", []string{"customer.updated"}, record("DNC_REQUESTED"))[0]
	require.Equal(t, []any{"doNotCall"}, stopped.At("data.changed"), string(stopped.Body))
	h.tells(t, "another organization's change", nil, func() { h.Summit.Person(t) })
}

// An endpoint can be tested, gets a new secret without losing a delivery, and gets once more what it asks for.
func TestWebhookSecretsAndRedelivery(t *testing.T) {
	t.Parallel()
	h := newHooked(t)
	v := vars{"id": h.id}
	ping := func() {
		h.mutate(t, "pingWebhookEndpoint", `mutation ($id: ID!) { pingWebhookEndpoint(input: {id: $id}) { webhookDelivery { id state } userErrors { code } } }`, v)
	}
	first := h.tells(t, "a ping", []string{"ping"}, ping)[0]
	rotate := func(hours int) string {
		r := h.mutate(t, "rotateWebhookSecret", `mutation ($id: ID!, $hours: Int) { rotateWebhookSecret(input: {id: $id, overlapHours: $hours}) { secret userErrors { code } } }`, vars{"id": h.id, "hours": hours})
		return r.Text("rotateWebhookSecret.secret")
	}
	// While both sign, a receiver may hold either; after the overlap the old one is worth nothing.
	old := h.secret
	h.secret = rotate(2)
	require.NotEqual(t, old, h.secret)
	h.tells(t, "both sign", []string{"ping"}, ping)[0].Check(t, old, h.Clock.Now())
	h.Clock.Advance(3 * 3600e9)
	late := h.tells(t, "the overlap is over", []string{"ping"}, ping)[0]
	require.ErrorIs(t, webhook.Verify(old, late.Header.Get(webhook.HeaderSignature), late.Body, h.Clock.Now(), 1e12), webhook.ErrForged)
	old, h.secret = h.secret, rotate(0)
	late = h.tells(t, "no overlap", []string{"ping"}, ping)[0]
	require.ErrorIs(t, webhook.Verify(old, late.Header.Get(webhook.HeaderSignature), late.Body, h.Clock.Now(), 1e12), webhook.ErrForged)

	again := h.tells(t, "a redelivery", []string{"ping"}, func() {
		h.mutate(t, "redeliverWebhook", `mutation ($id: ID!) { redeliverWebhook(input: {id: $id}) { webhookDelivery { id state } userErrors { code } } }`, vars{"id": first.Header.Get(webhook.HeaderDelivery)})
	})[0]
	require.JSONEq(t, string(first.Body), string(again.Body), "the same event with the same id")
	require.NotEqual(t, first.Header.Get(webhook.HeaderDelivery), again.Header.Get(webhook.HeaderDelivery))

	h.mutate(t, "updateWebhookEndpoint", `mutation ($id: ID!) { updateWebhookEndpoint(input: {id: $id, isEnabled: false}) { webhookEndpoint { isEnabled } userErrors { code } } }`, v)
	h.tells(t, "a disabled endpoint", nil, func() { h.Harbor.Person(t) })
	h.mutate(t, "deleteWebhookEndpoint", `mutation ($id: ID!) { deleteWebhookEndpoint(input: {id: $id}) { userErrors { code } } }`, v)
	require.Nil(t, h.OK(t, h.Harbor.Key, `query ($id: ID!) { webhookEndpoint(id: $id) { id } }`, v).At("webhookEndpoint"))
}

// The jobs of the program deliver.
func TestWebhooksAreDeliveredByJobs(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	w.StartWorkers(t, w.Server, nil)
	receiver := graphtest.NewReceiver(t)
	r := w.OK(t, w.Harbor.Key, createEndpoint, vars{"url": receiver.URL})
	w.Harbor.Person(t)
	// They are delivered side by side, so they come in any order.
	for missing := []any{"customer.created", "schedule.synced"}; len(missing) > 0; {
		d := receiver.Next(t)
		d.Check(t, r.Text("createWebhookEndpoint.secret"), w.Clock.Now())
		missing = slices.DeleteFunc(missing, func(typ any) bool { return typ == d.At("type") })
	}
}
