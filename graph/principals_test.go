package graph_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"caseload/internal/calling"
	"caseload/internal/graphtest"
	"caseload/internal/schedule"
)

// scene is what a row of the table plays in: a world, and a person of Harbor's who is the row's own.
type scene struct {
	*graphtest.World
	*graphtest.Person
	t testing.TB
}

// row is one operation of the table. The owner is Harbor's key with every scope. The other organization
// sends the same document with the same ids, all of them foreign to it.
type row struct {
	document string
	// vars are made once for all principals.
	vars func(s *scene) vars
	// owner checks the owner's answer, which has no errors. It runs last: nobody before may have changed anything.
	owner func(s *scene, r *graphtest.Reply)
	// other checks the other organization's answer. Nil expects what a missing thing gets: no data.
	other func(s *scene, r *graphtest.Reply)
}

// null expects no error and nothing at a path.
func null(path string) func(s *scene, r *graphtest.Reply) {
	return func(s *scene, r *graphtest.Reply) {
		require.Empty(s.t, r.Errors, r.Body)
		require.Nil(s.t, r.At(path), r.Body)
	}
}

// missing expects a payload that says that the thing does not exist, exactly as for an id that nobody has.
func missing(mutation, path string) func(s *scene, r *graphtest.Reply) {
	return func(s *scene, r *graphtest.Reply) {
		require.Empty(s.t, r.Errors, r.Body)
		require.Equal(s.t, "NOT_FOUND", r.At(mutation+".userErrors.0.code"), r.Body)
		require.Equal(s.t, path, join(r.At(mutation+".userErrors.0.path")), r.Body)
	}
}

// refused expects a query's BAD_USER_INPUT that says that the thing does not exist.
func refused(code string) func(s *scene, r *graphtest.Reply) {
	return func(s *scene, r *graphtest.Reply) {
		require.Equal(s.t, "BAD_USER_INPUT", r.Code(), r.Body)
		require.Contains(s.t, r.Body, `"code":"`+code+`"`)
	}
}

// without expects an answer in which nothing of the owner's stands.
func without(path string) func(s *scene, r *graphtest.Reply) {
	return func(s *scene, r *graphtest.Reply) {
		require.Empty(s.t, r.Errors, r.Body)
		require.NotNil(s.t, r.At(path), r.Body)
		for _, id := range nodesOf(s.Person) {
			require.NotContains(s.t, r.Body, id)
		}
		require.NotContains(s.t, r.Body, s.ReferenceID)
	}
}

func join(path any) string {
	list, _ := path.([]any)
	var parts []string
	for _, p := range list {
		parts = append(parts, p.(string))
	}
	return strings.Join(parts, ".")
}

// wrote expects a payload without user errors and a value in it.
func wrote(mutation, path string, want any) func(s *scene, r *graphtest.Reply) {
	return func(s *scene, r *graphtest.Reply) {
		require.Empty(s.t, r.At(mutation+".userErrors"), r.Body)
		require.Equal(s.t, want, r.At(mutation+"."+path), r.Body)
	}
}

// has expects a value at a path.
func has(path string, want func(s *scene) any) func(s *scene, r *graphtest.Reply) {
	return func(s *scene, r *graphtest.Reply) { require.Equal(s.t, want(s), r.At(path), r.Body) }
}

func customerID(s *scene) vars { return vars{"id": graphtest.ID(s.Customer)} }
func taskID(s *scene) vars     { return vars{"id": graphtest.ID(s.Tasks[0])} }
func sourceID(s *scene) vars   { return vars{"source": s.Identifier.SourceID} }
func reference(s *scene) vars  { return vars{"ref": s.ReferenceID} }
func ownID(s *scene) any       { return graphtest.ID(s.Customer) }
func none(*scene) vars         { return nil }

// claimed gives the first task of the row's person to the owner.
func claimed(s *scene) vars {
	r := s.OK(s.t, s.Harbor.Key, `mutation ($id: ID!) { claimCallTask(input: {id: $id}) { claim { task { state } } denials { rule } userErrors { code } } }`, taskID(s))
	require.Equal(s.t, "CLAIMED", r.At("claimCallTask.claim.task.state"), r.Body)
	return taskID(s)
}

const errs = " userErrors { code path } "

// principals is every operation of the schema.
var principals = map[string]row{
	"Query.node":  {`query ($id: ID!) { node(id: $id) { id } }`, customerID, has("node.id", ownID), null("node")},
	"Query.nodes": {`query ($id: ID!) { nodes(ids: [$id]) { id } }`, customerID, has("nodes.0.id", ownID), null("nodes.0")},
	"Query.viewer": {`{ viewer { kind name organization { name } } }`, none,
		has("viewer.organization.name", func(*scene) any { return "Harbor Lending" }),
		has("viewer.organization.name", func(*scene) any { return "Summit Recovery" })},
	"Query.apiKeys": {`{ apiKeys(first: 100) { nodes { id name createdBy } totalCount } }`, none,
		func(s *scene, r *graphtest.Reply) { require.Positive(s.t, r.Len("apiKeys.nodes")) },
		func(s *scene, r *graphtest.Reply) {
			mine := s.OK(s.t, s.Harbor.Key, `{ apiKeys(first: 100) { nodes { id } } }`, nil)
			for i := range mine.Len("apiKeys.nodes") {
				require.NotContains(s.t, r.Body, mine.At("apiKeys.nodes").([]any)[i].(map[string]any)["id"])
			}
		}},
	"Query.auditEntries": {`query ($id: ID!) { auditEntries(filter: {customer: {eq: $id}}) { nodes { action targetId customer { id } } totalCount } }`, customerID,
		has("auditEntries.nodes.0.customer.id", ownID), has("auditEntries.nodes", func(*scene) any { return []any{} })},
	"Query.customer": {`query ($ref: String!) { customer(referenceId: $ref) { id birthday ssnLastFour } }`, reference, has("customer.id", ownID), null("customer")},
	"Query.customers": {`query ($ref: String!) { customers(filter: {referenceId: {eq: $ref}}) { nodes { id } totalCount } }`, reference,
		has("customers.nodes.0.id", ownID), has("customers", func(*scene) any { return map[string]any{"nodes": []any{}, "totalCount": 0.0} })},
	"Query.account": {`query ($id: ID!) { account(id: $id) { id numberMasked holders { nodes { customer { id } } } } }`, func(s *scene) vars { return vars{"id": graphtest.ID(s.Account)} },
		has("account.holders.nodes.0.customer.id", ownID), null("account")},
	"Query.accounts": {`query ($source: String!) { accounts(filter: {sourceAccountId: {eq: $source}}) { nodes { id primaryCustomer { id } } totalCount } }`,
		func(s *scene) vars { return vars{"source": s.Account.SourceAccountID} },
		has("accounts.nodes.0.primaryCustomer.id", ownID), has("accounts.totalCount", func(*scene) any { return 0.0 })},
	"Query.importRequest": {`query ($id: ID!) { importRequest(requestId: $id) { rows { nodes { customer { id } } } } }`, func(s *scene) vars { return vars{"id": graphtest.ID(s.ImportRequest)} },
		has("importRequest.rows.nodes.0.customer.id", ownID), null("importRequest")},
	"Query.lendingSystem": {`{ lendingSystem { id baseUrl } }`, func(s *scene) vars {
		s.OK(s.t, s.Harbor.Key, `mutation { configureLendingSystem(input: {baseUrl: "https://lending.example.com", key: "a-secret-key-of-theirs"}) { userErrors { code } } }`, nil)
		return nil
	}, has("lendingSystem.baseUrl", func(*scene) any { return "https://lending.example.com" }),
		func(s *scene, r *graphtest.Reply) {
			require.Empty(s.t, r.Errors, r.Body)
			require.NotContains(s.t, r.Body, "lending.example.com")
		}},
	"Query.taskType": {`query ($id: ID!) { taskType(id: $id) { name } }`, taskTypeID, has("taskType.name", func(s *scene) any { return s.Harbor.TaskType }), null("taskType")},
	"Query.taskTypes": {`{ taskTypes(first: 100, includeArchived: true) { nodes { id name } } }`, none,
		func(s *scene, r *graphtest.Reply) { require.Contains(s.t, r.Body, taskTypeID(s)["id"]) },
		func(s *scene, r *graphtest.Reply) { require.NotContains(s.t, r.Body, taskTypeID(s)["id"]) }},
	"Query.schedules": {`query ($id: ID!) { schedules(filter: {customer: {eq: $id}}) { nodes { customer { id } } totalCount } }`, customerID,
		has("schedules.nodes.0.customer.id", ownID), has("schedules.totalCount", func(*scene) any { return 0.0 })},
	"Query.callTasks": {`query ($id: ID!) { callTasks(filter: {customer: {eq: $id}}) { nodes { customer { id } } totalCount } }`, customerID,
		has("callTasks.nodes.0.customer.id", ownID), has("callTasks.totalCount", func(*scene) any { return 0.0 })},
	"Query.schedulePreview": {`query ($id: ID!) { schedulePreview(input: {customerId: $id, taskType: "collections"}) { customer { id } slots { at } days { date } } }`, customerID,
		has("schedulePreview.customer.id", ownID), refused("NOT_FOUND")},
	"Query.callEligibility": {`query ($ref: String!) { callEligibility(input: {referenceId: $ref, taskType: "collections"}) { allowed denials { rule } } }`, reference,
		has("callEligibility.allowed", func(*scene) any { return true }), refused("NOT_FOUND")},
	"Query.callingWindows": {`{ callingWindows(state: "NV") { state note: source isOwn opensAt } }`, func(s *scene) vars {
		s.OK(s.t, s.Harbor.Key, `mutation { tightenCallingWindow(input: {state: "NV", days: [MONDAY], opensAt: "10:00", closesAt: "17:00"}) { userErrors { code } } }`, nil)
		return nil
	}, has("callingWindows.0.isOwn", func(*scene) any { return true }), has("callingWindows", func(*scene) any { return []any{} })},
	"Query.callingHolidays": {`{ callingHolidays(state: "NV", from: "2026-05-01", to: "2026-05-02") { name isOwn } }`, func(s *scene) vars {
		s.OK(s.t, s.Harbor.Key, `mutation { addCallingHoliday(input: {state: "NV", date: "2026-05-01", name: "Our day"}) { userErrors { code } } }`, nil)
		return nil
	}, has("callingHolidays.0.name", func(*scene) any { return "Our day" }), has("callingHolidays", func(*scene) any { return []any{} })},
	"Query.bulkOperation": {`query ($id: ID!) { bulkOperation(id: $id) { id state processedCount resultsUrl } }`, operationID,
		has("bulkOperation.id", func(s *scene) any { return graphtest.ID(s.Operation) }), null("bulkOperation")},
	"Query.bulkOperations": {`{ bulkOperations(first: 100, filter: {state: {eq: COMPLETED}}) { nodes { id } totalCount } }`, none,
		func(s *scene, r *graphtest.Reply) { require.Contains(s.t, r.Body, graphtest.ID(s.Operation)) }, without("bulkOperations.nodes")},
	"Query.webhookEndpoint": {`query ($id: ID!) { webhookEndpoint(id: $id) { id url deliveries { nodes { id } } } }`, endpointID,
		has("webhookEndpoint.deliveries.nodes.0.id", func(s *scene) any { return graphtest.ID(s.Delivery) }), null("webhookEndpoint")},
	"Query.webhookEndpoints": {`{ webhookEndpoints(last: 100) { nodes { id url } totalCount } }`, none,
		func(s *scene, r *graphtest.Reply) { require.Contains(s.t, r.Body, graphtest.ID(s.Endpoint)) }, without("webhookEndpoints.nodes")},
	"Query.webhookDeliveries": {`query ($id: ID!) { webhookDeliveries(filter: {endpoint: {eq: $id}}) { nodes { id endpoint { id } } totalCount } }`, endpointID,
		has("webhookDeliveries.nodes.0.id", func(s *scene) any { return graphtest.ID(s.Delivery) }),
		has("webhookDeliveries", func(*scene) any { return map[string]any{"nodes": []any{}, "totalCount": 0.0} })},

	"Mutation.createApiKey": {`mutation { createApiKey(input: {name: "portal", scopes: [CUSTOMERS_READ]}) { apiKey { id name scopes } key` + errs + `} }`, none,
		func(s *scene, r *graphtest.Reply) {
			key := r.Text("createApiKey.key")
			require.True(s.t, strings.HasPrefix(key, "cl_"), r.Body)
			require.Equal(s.t, "Harbor Lending", s.OK(s.t, key, `{ viewer { organization { name } } }`, nil).At("viewer.organization.name"))
		},
		func(s *scene, r *graphtest.Reply) {
			require.Equal(s.t, "Summit Recovery", s.OK(s.t, r.Text("createApiKey.key"), `{ viewer { organization { name } } }`, nil).At("viewer.organization.name"))
		}},
	"Mutation.revokeApiKey": {`mutation ($id: ID!) { revokeApiKey(input: {id: $id}) { apiKey { revokedAt }` + errs + `} }`, func(s *scene) vars {
		r := s.OK(s.t, s.Harbor.Key, `mutation { createApiKey(input: {name: "to be revoked", scopes: [CUSTOMERS_READ]}) { apiKey { id } } }`, nil)
		return vars{"id": r.At("createApiKey.apiKey.id")}
	}, func(s *scene, r *graphtest.Reply) { require.NotNil(s.t, r.At("revokeApiKey.apiKey.revokedAt"), r.Body) }, missing("revokeApiKey", "input.id")},
	"Mutation.revealPii": {`mutation ($id: ID!) { revealPii(input: {id: $id, field: SSN, reason: "The customer is on the phone."}) { value` + errs + `} }`, customerID,
		func(s *scene, r *graphtest.Reply) { require.Regexp(s.t, `^21909\d{4}$`, r.At("revealPii.value")) }, missing("revealPii", "input.id")},
	"Mutation.bulkUpsertCustomers": {`mutation ($source: SourceId!) { bulkUpsertCustomers(input: {source: "LMS", customers: [{sourceId: $source, title: "Dr."}]}) {
			results { action key customer { id title } userErrors { code path } }` + errs + `} }`, sourceID,
		func(s *scene, r *graphtest.Reply) {
			require.Equal(s.t, ownID(s), r.At("bulkUpsertCustomers.results.0.customer.id"), r.Body)
			require.Equal(s.t, "UPDATE", r.At("bulkUpsertCustomers.results.0.action"), r.Body)
		}, another("bulkUpsertCustomers")},
	"Mutation.createCustomers": {`mutation ($ref: String!) { createCustomers(input: {customers: [{referenceId: $ref, middleName: "Lee"}]}) {
			requestId results { action key lookupKey customer { id middleName } userErrors { code path } }` + errs + `} }`, reference,
		func(s *scene, r *graphtest.Reply) {
			require.Equal(s.t, ownID(s), r.At("createCustomers.results.0.customer.id"), r.Body)
			require.Equal(s.t, "UPDATE", r.At("createCustomers.results.0.action"), r.Body)
		}, another("createCustomers")},
	"Mutation.updateCustomer": {`mutation ($id: ID!) { updateCustomer(input: {id: $id, firstName: "Anna", household: {annualIncome: 60000}}) { customer { firstName household { annualIncome } }` + errs + `} }`, customerID,
		wrote("updateCustomer", "customer.household.annualIncome", 60000.0), missing("updateCustomer", "input.id")},
	"Mutation.deleteCustomer": {`mutation ($id: ID!) { deleteCustomer(input: {id: $id, reason: "asked for it"}) { deletedId` + errs + `} }`, customerID,
		has("deleteCustomer.deletedId", ownID), missing("deleteCustomer", "input.id")},
	"Mutation.restoreCustomer": {`mutation ($id: ID!) { restoreCustomer(input: {id: $id}) { customer { id deletedAt }` + errs + `} }`, func(s *scene) vars {
		s.OK(s.t, s.Harbor.Key, `mutation ($id: ID!) { deleteCustomer(input: {id: $id}) { deletedId } }`, customerID(s))
		return customerID(s)
	}, wrote("restoreCustomer", "customer.deletedAt", nil), missing("restoreCustomer", "input.id")},
	"Mutation.mergeCustomers": {`mutation ($id: ID!, $twin: ID!) { mergeCustomers(input: {survivorId: $id, duplicateIds: [$twin]}) { customer { id } merged { id mergedInto { id } }` + errs + `} }`, func(s *scene) vars {
		return vars{"id": graphtest.ID(s.Customer), "twin": graphtest.ID(s.Harbor.Person(s.t).Customer)}
	}, has("mergeCustomers.merged.0.mergedInto.id", ownID), missing("mergeCustomers", "input.survivorId")},
	"Mutation.configureLendingSystem": {`mutation { configureLendingSystem(input: {baseUrl: "https://other.example.com", key: "a-secret-key-of-ours"}) { lendingSystem { baseUrl }` + errs + `} }`, none,
		wrote("configureLendingSystem", "lendingSystem.baseUrl", "https://other.example.com"),
		func(s *scene, r *graphtest.Reply) {
			require.Equal(s.t, "https://other.example.com", r.At("configureLendingSystem.lendingSystem.baseUrl"), r.Body)
			require.NotEqual(s.t, "https://other.example.com", s.OK(s.t, s.Harbor.Key, `{ lendingSystem { baseUrl } }`, nil).At("lendingSystem.baseUrl"), "it is its own that it set")
		}},
	"Mutation.syncCustomerSchedule": {`mutation ($ref: String!) { syncCustomerSchedule(input: {referenceId: $ref, taskType: "collections"}) { customer { id } scheduleCreated` + errs + `} }`, reference,
		func(s *scene, r *graphtest.Reply) {
			require.Equal(s.t, ownID(s), r.At("syncCustomerSchedule.customer.id"), r.Body)
			require.Equal(s.t, true, r.At("syncCustomerSchedule.scheduleCreated"), r.Body)
		},
		// The reference means nobody there: a new customer, who lacks everything that a new customer needs.
		func(s *scene, r *graphtest.Reply) {
			require.Empty(s.t, r.Errors, r.Body)
			require.Equal(s.t, "REQUIRED", r.At("syncCustomerSchedule.userErrors.0.code"), r.Body)
			require.Nil(s.t, r.At("syncCustomerSchedule.customer"))
		}},
	"Mutation.bulkSyncCustomerSchedules": {`mutation ($ref: String!) { bulkSyncCustomerSchedules(input: {customers: [{referenceId: $ref, taskType: "collections"}]}) { succeeded results { customer { id } userErrors { code } }` + errs + `} }`, reference,
		has("bulkSyncCustomerSchedules.results.0.customer.id", ownID),
		func(s *scene, r *graphtest.Reply) {
			require.Empty(s.t, r.Errors, r.Body)
			require.Equal(s.t, "REQUIRED", r.At("bulkSyncCustomerSchedules.results.0.userErrors.0.code"), r.Body)
		}},
	// The other organization made the same name first: names are each organization's own.
	"Mutation.createTaskType": {`mutation { createTaskType(input: {name: "reminders", purpose: SERVICING}) { taskType { name }` + errs + `} }`, none,
		wrote("createTaskType", "taskType.name", "reminders"), wrote("createTaskType", "taskType.name", "reminders")},
	"Mutation.updateTaskType": {`mutation ($id: ID!) { updateTaskType(input: {id: $id, priority: 2}) { taskType { priority }` + errs + `} }`, ownTaskType("to-update"),
		wrote("updateTaskType", "taskType.priority", 2.0), missing("updateTaskType", "input.id")},
	"Mutation.archiveTaskType": {`mutation ($id: ID!) { archiveTaskType(input: {id: $id}) { taskType { name archivedAt }` + errs + `} }`, ownTaskType("to-archive"),
		wrote("archiveTaskType", "taskType.name", "to-archive"), missing("archiveTaskType", "input.id")},
	"Mutation.tightenCallingWindow": {`mutation { tightenCallingWindow(input: {state: "UT", days: [MONDAY], opensAt: "10:00", closesAt: "17:00"}) { callingWindow { isOwn opensAt }` + errs + `} }`, none,
		wrote("tightenCallingWindow", "callingWindow.opensAt", "10:00"),
		func(s *scene, r *graphtest.Reply) {
			require.Empty(s.t, s.OK(s.t, s.Harbor.Key, `{ callingWindows(state: "UT") { isOwn } }`, nil).At("callingWindows"), "it is its own that it tightened")
		}},
	"Mutation.addCallingHoliday": {`mutation { addCallingHoliday(input: {state: "UT", date: "2026-06-01", name: "A day"}) { callingHoliday { name }` + errs + `} }`, none,
		wrote("addCallingHoliday", "callingHoliday.name", "A day"),
		func(s *scene, r *graphtest.Reply) {
			require.Empty(s.t, s.OK(s.t, s.Harbor.Key, `{ callingHolidays(state: "UT", from: "2026-06-01", to: "2026-06-01") { name } }`, nil).At("callingHolidays"))
		}},
	"Mutation.claimCallTasks": {`mutation { claimCallTasks(input: {limit: 100}) { claims { task { id customer { id } } phoneNumber }` + errs + `} }`, func(s *scene) vars {
		s.Harbor.MakeDue(s.t, s.Tasks[0])
		return nil
	}, func(s *scene, r *graphtest.Reply) { require.Contains(s.t, r.Body, ownID(s)) }, without("claimCallTasks.claims")},
	"Mutation.claimCallTask": {`mutation ($id: ID!) { claimCallTask(input: {id: $id}) { claim { task { state } }` + errs + `} }`, taskID,
		wrote("claimCallTask", "claim.task.state", "CLAIMED"), missing("claimCallTask", "input.id")},
	"Mutation.renewCallTask": {`mutation ($id: ID!) { renewCallTask(input: {id: $id, callStarted: true}) { callTask { state }` + errs + `} }`, claimed,
		wrote("renewCallTask", "callTask.state", "IN_PROGRESS"), missing("renewCallTask", "input.id")},
	"Mutation.completeCallTask": {`mutation ($id: ID!) { completeCallTask(input: {id: $id, outcome: BUSY}) { callTask { state } customer { id }` + errs + `} }`, claimed,
		wrote("completeCallTask", "callTask.state", "COMPLETED"), missing("completeCallTask", "input.id")},
	"Mutation.cancelCallTask": {`mutation ($id: ID!) { cancelCallTask(input: {id: $id, reason: "The account is settled."}) { callTask { state }` + errs + `} }`, taskID,
		wrote("cancelCallTask", "callTask.state", "CANCELLED"), missing("cancelCallTask", "input.id")},
	"Mutation.recordCall": {`mutation ($id: ID!) { recordCall(input: {customerId: $id, direction: INBOUND, outcome: NO_ANSWER}) { customer { id }` + errs + `} }`, customerID,
		has("recordCall.customer.id", ownID), missing("recordCall", "input.customerId")},
	"Mutation.addInconvenientTime": {`mutation ($ref: String!) { addInconvenientTime(input: {referenceId: $ref, days: [MONDAY], startsAt: "08:00", endsAt: "09:00"}) { inconvenientTime { customer { id } }` + errs + `} }`, reference,
		has("addInconvenientTime.inconvenientTime.customer.id", ownID), missing("addInconvenientTime", "input.referenceId")},
	"Mutation.removeInconvenientTime": {`mutation ($id: ID!) { removeInconvenientTime(input: {id: $id}) { deletedId` + errs + `} }`,
		func(s *scene) vars { return vars{"id": graphtest.ID(s.Inconvenience)} },
		has("removeInconvenientTime.deletedId", func(s *scene) any { return graphtest.ID(s.Inconvenience) }), missing("removeInconvenientTime", "input.id")},
	"Mutation.createBulkOperation": {`mutation ($file: Upload!) { createBulkOperation(input: {kind: UPSERT_CUSTOMERS, format: JSONL, upsertCustomers: {source: "LMS"}, file: $file}) { bulkOperation { id kind state fileName }` + errs + `} }`, none,
		func(s *scene, r *graphtest.Reply) {
			require.Equal(s.t, "customers.jsonl", r.At("createBulkOperation.bulkOperation.fileName"), r.Body)
			s.sees("bulkOperation", r.Text("createBulkOperation.bulkOperation.id"))
		}, itsOwn("createBulkOperation.bulkOperation.id", "bulkOperation")},
	"Mutation.createExport": {`mutation { createExport(input: {kind: EXPORT_CUSTOMERS, exportCustomers: {filter: {doNotCall: {eq: false}}}}) { bulkOperation { id kind state }` + errs + `} }`, none,
		func(s *scene, r *graphtest.Reply) {
			require.Equal(s.t, "EXPORT_CUSTOMERS", r.At("createExport.bulkOperation.kind"), r.Body)
			s.sees("bulkOperation", r.Text("createExport.bulkOperation.id"))
		}, itsOwn("createExport.bulkOperation.id", "bulkOperation")},
	"Mutation.cancelBulkOperation": {`mutation ($id: ID!) { cancelBulkOperation(input: {id: $id}) { bulkOperation { state cancelRequested }` + errs + `} }`, func(s *scene) vars {
		r := s.OK(s.t, s.Harbor.Key, `mutation { createExport(input: {kind: EXPORT_ACCOUNTS}) { bulkOperation { id } } }`, nil)
		return vars{"id": r.At("createExport.bulkOperation.id")}
	}, wrote("cancelBulkOperation", "bulkOperation.state", "CANCELLED"), missing("cancelBulkOperation", "input.id")},
	"Mutation.createWebhookEndpoint": {`mutation { createWebhookEndpoint(input: {url: "https://hooks.example.com/new", events: [CUSTOMER_CREATED], isEnabled: false}) { webhookEndpoint { id url isEnabled } secret` + errs + `} }`, func(s *scene) vars {
		// An organization has twenty at most, and everybody in this test brought one.
		_, err := s.Pool.Exec(s.t.Context(), "DELETE FROM webhook_endpoints WHERE organization_id = $1", s.Harbor.ID())
		require.NoError(s.t, err)
		return nil
	}, func(s *scene, r *graphtest.Reply) {
		require.Regexp(s.t, "^whsec_", r.At("createWebhookEndpoint.secret"), r.Body)
		s.sees("webhookEndpoint", r.Text("createWebhookEndpoint.webhookEndpoint.id"))
	}, itsOwn("createWebhookEndpoint.webhookEndpoint.id", "webhookEndpoint")},
	"Mutation.updateWebhookEndpoint": {`mutation ($id: ID!) { updateWebhookEndpoint(input: {id: $id, description: "for the dialer"}) { webhookEndpoint { description }` + errs + `} }`, endpointID,
		wrote("updateWebhookEndpoint", "webhookEndpoint.description", "for the dialer"), missing("updateWebhookEndpoint", "input.id")},
	"Mutation.deleteWebhookEndpoint": {`mutation ($id: ID!) { deleteWebhookEndpoint(input: {id: $id}) { deletedId` + errs + `} }`, endpointID,
		has("deleteWebhookEndpoint.deletedId", func(s *scene) any { return graphtest.ID(s.Endpoint) }), missing("deleteWebhookEndpoint", "input.id")},
	"Mutation.rotateWebhookSecret": {`mutation ($id: ID!) { rotateWebhookSecret(input: {id: $id}) { webhookEndpoint { previousSecretUntil } secret` + errs + `} }`, endpointID,
		func(s *scene, r *graphtest.Reply) {
			require.Regexp(s.t, "^whsec_", r.At("rotateWebhookSecret.secret"), r.Body)
		}, missing("rotateWebhookSecret", "input.id")},
	"Mutation.pingWebhookEndpoint": {`mutation ($id: ID!) { pingWebhookEndpoint(input: {id: $id}) { webhookDelivery { event endpoint { id } }` + errs + `} }`, enabledEndpointID,
		has("pingWebhookEndpoint.webhookDelivery.endpoint.id", func(s *scene) any { return graphtest.ID(s.Endpoint) }), missing("pingWebhookEndpoint", "input.id")},
	"Mutation.redeliverWebhook": {`mutation ($id: ID!) { redeliverWebhook(input: {id: $id}) { webhookDelivery { eventId state }` + errs + `} }`, func(s *scene) vars {
		enabledEndpointID(s)
		return vars{"id": graphtest.ID(s.Delivery)}
	}, has("redeliverWebhook.webhookDelivery.eventId", func(s *scene) any { return s.Delivery.EventID }), missing("redeliverWebhook", "input.id")},
}

func operationID(s *scene) vars { return vars{"id": graphtest.ID(s.Operation)} }
func endpointID(s *scene) vars  { return vars{"id": graphtest.ID(s.Endpoint)} }

func enabledEndpointID(s *scene) vars {
	s.OK(s.t, s.Harbor.Key, `mutation ($id: ID!) { updateWebhookEndpoint(input: {id: $id, isEnabled: true}) { webhookEndpoint { id } } }`, endpointID(s))
	return endpointID(s)
}

// sees expects that the owner finds by a root field what it made, and that the other organization does not.
func (s *scene) sees(root, id string) {
	s.t.Helper()
	document := `query ($id: ID!) { found: ` + root + `(id: $id) { id } }`
	require.Equal(s.t, id, s.OK(s.t, s.Harbor.Key, document, vars{"id": id}).At("found.id"))
	require.Nil(s.t, s.OK(s.t, s.Summit.Key, document, vars{"id": id}).At("found"))
}

// itsOwn expects that the other organization made something that the owner does not find.
func itsOwn(path, root string) func(s *scene, r *graphtest.Reply) {
	return func(s *scene, r *graphtest.Reply) {
		require.Empty(s.t, r.Errors, r.Body)
		require.NotEmpty(s.t, r.Text(path), r.Body)
		require.Nil(s.t, s.OK(s.t, s.Harbor.Key, `query ($id: ID!) { found: `+root+`(id: $id) { id } }`, vars{"id": r.Text(path)}).At("found"))
	}
}

// another expects that the key, which means nobody there, made a customer of its own.
func another(mutation string) func(s *scene, r *graphtest.Reply) {
	return func(s *scene, r *graphtest.Reply) {
		require.Empty(s.t, r.Errors, r.Body)
		require.Equal(s.t, "CREATE", r.At(mutation+".results.0.action"), r.Body)
		require.NotEqual(s.t, ownID(s), r.At(mutation+".results.0.customer.id"), r.Body)
	}
}

// subscribed have tests of their own: a subscription that may not see anything stays silent.
var subscribed = []string{"Subscription.scheduleChanged", "Subscription.bulkOperationChanged"}

func taskTypeID(s *scene) vars {
	row, err := schedule.FindTaskType(s.t.Context(), s.Pool, s.Harbor.System.Scope(), s.Harbor.TaskType)
	require.NoError(s.t, err)
	return vars{"id": graphtest.ID(row)}
}

func ownTaskType(name string) func(s *scene) vars {
	return func(s *scene) vars {
		row, err := s.Schedules.CreateTaskType(s.t.Context(), s.Harbor.System, schedule.CreateTaskTypeInput{Name: name, Purpose: calling.Servicing})
		require.NoError(s.t, err)
		return vars{"id": graphtest.ID(row)}
	}
}

func TestPrincipalsTableIsComplete(t *testing.T) {
	t.Parallel()
	rows := append(sortedKeys(principals), subscribed...)
	assert.ElementsMatch(t, rootFields(), rows, "every root field has a row in the table of principals")
}

// One table for all operations: what the owner, another organization, a credential without the scope and a
// caller without any credential get.
func TestPrincipals(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	// Summit is a going concern: what it must not see must not be absent just because it has nothing.
	w.Summit.Person(t)
	for _, coordinate := range sortedKeys(principals) {
		t.Run(coordinate, func(t *testing.T) {
			row := principals[coordinate]
			s := &scene{w, w.Harbor.Person(t), t}
			v := row.vars(s)
			assert.Equal(t, "UNAUTHENTICATED", answer(t, w.Server, "", row.document, v).Code())
			scopes, _ := requires(field(coordinate))
			for _, missing := range scopes {
				r := answer(t, w.Server, w.Harbor.KeyWithout(t, missing), row.document, v)
				assert.Equal(t, "FORBIDDEN", r.Code(), "without %s: %s", missing, r.Body)
			}
			s.t = t
			row.other(s, answer(t, w.Server, w.Summit.Key, row.document, v))
			own := answer(t, w.Server, w.Harbor.Key, row.document, v)
			require.Empty(t, own.Errors, own.Body)
			row.owner(s, own)
		})
	}
}

// A foreign id is answered like one that nobody has, letter for letter.
func TestForeignIDsAreAnsweredLikeMissingOnes(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	own := withPlain(t, w.Server, w.Harbor.Key, nodesOf(p))
	for typ, id := range own {
		prefix, _, _ := strings.Cut(id, "_")
		nobody := prefix + "_7zzzzzzzzzzzzzzzzzzzzzzzzz"
		document := `query ($id: ID!) { node(id: $id) { id __typename } nodes(ids: [$id]) { id } }`
		foreign, absent := w.Do(t, w.Summit.Key, document, vars{"id": id}), w.Do(t, w.Summit.Key, document, vars{"id": nobody})
		assert.Equal(t, absent.Data, foreign.Data, typ)
		assert.Empty(t, foreign.Errors, foreign.Body)
		mine := w.OK(t, w.Harbor.Key, document, vars{"id": id})
		assert.Equal(t, typ, mine.At("node.__typename"))
		assert.Equal(t, id, mine.At("nodes.0.id"))
		// Without the scopes of the type it is the same again.
		bare := w.OK(t, w.Harbor.KeyWith(t, "DIAGNOSTICS"), document, vars{"id": id})
		assert.Equal(t, absent.Data, bare.Data, typ)
	}
	for _, kind := range []string{"organization", "apiKeys(first: 1) { nodes { id } }"} {
		var id string
		if kind == "organization" {
			id = w.OK(t, w.Harbor.Key, `{ viewer { organization { id } } }`, nil).Text("viewer.organization.id")
		} else {
			id = w.OK(t, w.Harbor.Key, `{ `+kind+` }`, nil).Text("apiKeys.nodes.0.id")
		}
		require.NotEmpty(t, id)
		assert.NotNil(t, w.OK(t, w.Harbor.Key, `query ($id: ID!) { node(id: $id) { id } }`, vars{"id": id}).At("node.id"))
		assert.Nil(t, w.OK(t, w.Summit.Key, `query ($id: ID!) { node(id: $id) { id } }`, vars{"id": id}).At("node"))
	}
	// Ids inside inputs: a loan of another customer, of another organization.
	stranger := w.Summit.Person(t)
	r := w.OK(t, w.Harbor.Key, `mutation ($c: ID!, $l: ID!) { recordCall(input: {customerId: $c, direction: INBOUND, outcome: BUSY, loanIds: [$l]}) { attempt { id } userErrors { code path } } }`,
		vars{"c": own["Customer"], "l": graphtest.ID(stranger.Loan)})
	assert.Equal(t, "NOT_FOUND", r.At("recordCall.userErrors.0.code"))
	assert.Nil(t, r.At("recordCall.attempt"))
}

// The lists below an owner's things hold nothing of another organization, whatever the filter says.
func TestFiltersDoNotReachOtherOrganizations(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	w.Summit.Person(t)
	for _, filter := range []string{
		`{or: [{referenceId: {eq: $ref}}, {not: {referenceId: {null: true}}}]}`, `{not: {referenceId: {eq: "x"}}}`, `{not: {and: []}}`, `{or: [{and: []}]}`, `{}`,
		`{email: "` + *p.Customer.Email + `"}`, `{ssn: "219-09-0001"}`, `{ssnLastFour: {lastFour: "0001", birthday: "1985-06-15"}}`, `{phoneNumber: "+12125550100"}`,
	} {
		used := ""
		if strings.Contains(filter, "$ref") {
			used = "($ref: String!)"
		}
		document := `query ` + used + ` { customers(first: 100, filter: ` + filter + `) { nodes { id } } }`
		r := w.OK(t, w.Summit.Key, document, vars{"ref": p.ReferenceID})
		assert.NotContains(t, r.Body, graphtest.ID(p.Customer), filter)
	}
	r := w.OK(t, w.Summit.Key, `query ($q: String!) { customers(search: $q) { nodes { id } } }`, vars{"q": "rivera"})
	assert.Equal(t, 1, r.Len("customers.nodes"))
	assert.NotContains(t, r.Body, graphtest.ID(p.Customer))
}
