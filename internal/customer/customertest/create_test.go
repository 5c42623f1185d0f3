package customertest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/customer/customertest"
	"caseload/internal/graphtest"
)

const createDocument = `
	mutation Create($input: CreateCustomersInput!) {
		createCustomers(input: $input) {
			requestId
			importRequest { total created updated unchanged failed skipped }
			results { index action key lookupKey success userErrors { code path }
				customer { version accountHolders { nodes { isPrimary account { sourceAccountId status type version numberProvided numberMasked primaryCustomer { version }
					holders { nodes { sourceCustomerId isPrimary customer { version } } } cards { nodes { iin lastFour cardType status networkIdentifier customer { version } } } } } }
					alertProgram { enrollmentStartsAt enrollmentEndsAt optInStatus alertOptIns targetingIndicator }
					primaryAddress { postalCode country } } }
			userErrors { code path }
		}
	}`

const importDocument = `
	query Import($id: ID!) {
		importRequest(requestId: $id) { id total created failed
			rows { totalCount nodes { index action success key lookupKey customer { version } userErrors { code message path } } } }
	}`

// The seed's example goes through the graph as it stands, but for the name of the organization.
func TestCreateCustomersThroughTheGraph(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	var seed map[string]any
	require.NoError(t, json.Unmarshal([]byte(strings.Replace(customertest.SeedCustomer, `"organizationId"`, `"sourceOrganizationId"`, 1)), &seed))
	seed["accounts"].([]any)[0].(map[string]any)["accountNumber"] = "ACC-0001"
	send := func(customers ...any) *graphtest.Reply {
		return w.OK(t, w.Harbor.Key, createDocument, graphtest.Vars{"input": map[string]any{"customers": append([]any{}, customers...)}})
	}
	wrong := map[string]any{"sourceOrganizationId": "50004", "sourceCustomerId": 17, "country": "nowhere", "accounts": []any{}}
	r := send(seed, wrong)
	require.Empty(t, r.At("createCustomers.userErrors"))
	require.Equal(t, map[string]any{"total": 2.0, "created": 1.0, "updated": 0.0, "unchanged": 0.0, "failed": 1.0, "skipped": 0.0}, r.At("createCustomers.importRequest"))
	require.Equal(t, "CREATE", r.Text("createCustomers.results.0.action"))
	require.Equal(t, map[string]any{"index": 1.0, "action": "FAILED", "key": "17", "lookupKey": "sourceCustomerId", "success": false, "customer": nil,
		"userErrors": []any{map[string]any{"code": "INVALID", "path": []any{"input", "customers", "1", "country"}}}}, r.At("createCustomers.results.1"))
	require.Equal(t, map[string]any{
		"version":        1.0,
		"primaryAddress": map[string]any{"postalCode": "78753", "country": "US"},
		"alertProgram": map[string]any{"enrollmentStartsAt": "2023-01-01T08:00:00.000Z", "enrollmentEndsAt": "2023-01-01T08:00:00.000Z",
			"optInStatus": "ACTIVE", "alertOptIns": []any{"ALL"}, "targetingIndicator": "TARGET"},
		"accountHolders": map[string]any{"nodes": []any{map[string]any{"isPrimary": true, "account": map[string]any{
			"sourceAccountId": "42c57311-25f9-4501-b9db-e78afa73c0e3", "status": "OPEN", "type": "DDA", "version": 1.0, "numberProvided": true, "numberMasked": "••••0001",
			"primaryCustomer": map[string]any{"version": 1.0},
			"holders": map[string]any{"nodes": []any{
				map[string]any{"sourceCustomerId": "2e052a88-6ae1-4b78-8d96-f3a037402567", "isPrimary": false, "customer": nil},
				map[string]any{"sourceCustomerId": customertest.SeedID, "isPrimary": true, "customer": map[string]any{"version": 1.0}},
			}},
			"cards": map[string]any{"nodes": []any{map[string]any{"iin": "123456", "lastFour": "2345", "cardType": "CREDIT", "status": "OPEN", "networkIdentifier": "3",
				"customer": map[string]any{"version": 1.0}}}},
		}}}},
	}, r.At("createCustomers.results.0.customer"))

	id := r.Text("createCustomers.requestId")
	kept := w.OK(t, w.Harbor.Key, importDocument, graphtest.Vars{"id": id})
	require.Equal(t, id, kept.Text("importRequest.id"))
	require.Equal(t, 2.0, kept.At("importRequest.rows.totalCount"))
	require.Equal(t, "CREATE", kept.Text("importRequest.rows.nodes.0.action"))
	require.Equal(t, 1.0, kept.At("importRequest.rows.nodes.0.customer.version"))
	require.Equal(t, "INVALID", kept.Text("importRequest.rows.nodes.1.userErrors.0.code"))
	require.Equal(t, []any{"input", "customers", "1", "country"}, kept.At("importRequest.rows.nodes.1.userErrors.0.path"))
	require.Nil(t, w.OK(t, w.Summit.Key, importDocument, graphtest.Vars{"id": id}).At("importRequest"), "nobody else's")

	// Null is not absent: only the first of these changes anything.
	same := map[string]any{"sourceOrganizationId": "50004", "sourceCustomerId": customertest.SeedID}
	cleared := map[string]any{"sourceOrganizationId": "50004", "sourceCustomerId": customertest.SeedID, "targetingIndicator": nil}
	require.Equal(t, "UPDATE", send(cleared).Text("createCustomers.results.0.action"))
	require.Equal(t, "UNCHANGED", send(same).Text("createCustomers.results.0.action"))
	require.Equal(t, "REQUIRED", send().Text("createCustomers.userErrors.0.code"))
}
