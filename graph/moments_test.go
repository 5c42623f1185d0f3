package graph_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/graphtest"
)

// A moment that was read can be compared with, filtered by and sent back: it is stored as it is shown.
func TestMomentsAreStoredAsTheyAreShown(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	w.Clock.Advance(123456*time.Microsecond + 789)
	key := w.Harbor.Key
	p := w.Harbor.Person(t)
	id := graphtest.ID(p.Customer)

	t.Run("filters", func(t *testing.T) {
		read := w.OK(t, key, `query ($id: ID!) { customer(id: $id) { createdAt updatedAt } }`, vars{"id": id})
		for field, path := range map[string]string{"createdAt": "customer.createdAt", "updatedAt": "customer.updatedAt"} {
			at := read.Text(path)
			for op, want := range map[string]int{"eq": 1, "lte": 1, "gte": 1, "gt": 0, "lt": 0} {
				found := w.OK(t, key, fmt.Sprintf(`query ($at: DateTime!) { customers(filter: {%s: {%s: $at}}) { nodes { id } } }`, field, op), vars{"at": at})
				require.Equal(t, want, found.Len("customers.nodes"), "%s %s", field, op)
			}
		}
	})

	t.Run("sourceUpdatedAt", func(t *testing.T) {
		const upsert = `mutation ($at: String!, $name: String!) { bulkUpsertCustomers(input: {source: "crm", customers: [{sourceId: "M-1", sourceUpdatedAt: $at, firstName: $name}]}) {
			results { action customer { identifiers { nodes { sourceUpdatedAt } } } userErrors { code } } } }`
		made := w.OK(t, key, upsert, vars{"at": "2026-03-09T14:00:00.123456789Z", "name": "Ann"})
		require.Equal(t, "CREATE", made.Text("bulkUpsertCustomers.results.0.action"), made.Body)
		shown := made.Text("bulkUpsertCustomers.results.0.customer.identifiers.nodes.0.sourceUpdatedAt")
		require.Equal(t, "2026-03-09T14:00:00.123Z", shown)
		again := w.OK(t, key, upsert, vars{"at": shown, "name": "Anna"})
		require.Equal(t, "UPDATE", again.Text("bulkUpsertCustomers.results.0.action"), again.Body)
	})

	t.Run("startedAt", func(t *testing.T) {
		w.Harbor.MakeDue(t, p.Tasks[0])
		claim := w.OK(t, key, `mutation { claimCallTasks(input: {limit: 10}) { claims { task { id claimedAt } } userErrors { code } } }`, nil)
		require.NotZero(t, claim.Len("claimCallTasks.claims"), claim.Body)
		done := w.OK(t, key, `mutation ($id: ID!, $at: DateTime!) { completeCallTask(input: {id: $id, outcome: NO_ANSWER, startedAt: $at}) { callTask { id } userErrors { code path } } }`,
			vars{"id": claim.Text("claimCallTasks.claims.0.task.id"), "at": claim.Text("claimCallTasks.claims.0.task.claimedAt")})
		require.Zero(t, done.Len("completeCallTask.userErrors"), done.Body)
	})

	t.Run("openDate", func(t *testing.T) {
		const create = `mutation ($opened: String!) { createCustomers(input: {customers: [{sourceOrganizationId: "50004", sourceCustomerId: "M-2", accounts: [{
			sourceAccountId: "A", sourceCustomerIds: ["M-2"], primarySourceCustomerId: "M-2", status: "OPEN", type: "DDA",
			cards: [{sourceCustomerId: "M-2", last4: "4242", iin: "424242", cardType: "CREDIT", status: "OPEN", openDate: $opened}]}]}]}) {
			results { userErrors { code path } customer { accountHolders { nodes { account { cards { nodes { openedAt } } } } } } } } }`
		first := w.OK(t, key, create, vars{"opened": "2024-05-06T07:08:09.123456Z"})
		const cards = "createCustomers.results.0.customer.accountHolders.nodes.0.account.cards.nodes"
		require.Equal(t, 1, first.Len(cards), first.Body)
		second := w.OK(t, key, create, vars{"opened": first.Text(cards + ".0.openedAt")})
		require.Equal(t, 1, second.Len(cards), second.Body)
	})
}
