package graph_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"

	"caseload/graph"
	"caseload/internal/demo"
	"caseload/internal/graphtest"
	"caseload/internal/schedule"
)

// Every documented document fits the schema and works on the demonstration data as it is.
func TestExamplesRunOnDemonstrationData(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	require.NoError(t, schedule.LoadLaw(t.Context(), w.Pool, w.Clock.Now()))
	loader := demo.Loader{Pool: w.Pool, Keys: w.Keys, Schedules: w.Schedules, Customers: 40, KeysDir: t.TempDir(), Now: w.Clock.Now}
	tenants, err := loader.Load(t.Context())
	require.NoError(t, err)
	key := tenants[0].Key
	examples := graph.Examples()
	require.GreaterOrEqual(t, len(examples), 9)
	audiences := map[string]bool{}
	for _, e := range examples {
		audiences[e.Audience] = true
		t.Run(e.Title, func(t *testing.T) {
			_, problems := gqlparser.LoadQueryWithRules(schema, e.Document, nil)
			require.Empty(t, problems)
			require.NotEmpty(t, e.Note)
			var v vars
			if e.Variables != "" {
				require.NoError(t, json.Unmarshal([]byte(e.Variables), &v))
			}
			if strings.Contains(e.Document, "subscription ") {
				watched(t, w, key, e.Document, v)
				return
			}
			r := w.OK(t, key, e.Document, v)
			for field, value := range r.Data.(map[string]any) {
				require.NotNil(t, value, "%s: %s", field, r.Body)
			}
			if strings.Contains(e.Document, "completeCallTask") {
				// The id in the example stands for one that the reader puts there.
				assert.Equal(t, "NOT_FOUND", r.At("completeCallTask.userErrors.0.code"))
				return
			}
			for field := range r.Data.(map[string]any) {
				assert.Empty(t, r.At(field+".userErrors"), r.Body)
			}
		})
	}
	for _, who := range []string{"Portals", "Integrators", "Dialers", "Administrators"} {
		assert.True(t, audiences[who], "there is no example for %s", who)
	}
}

// watched opens a subscription and syncs until an event arrives, since nothing tells when it listens.
func watched(t *testing.T, w *graphtest.World, key, document string, v vars) {
	t.Helper()
	stream := w.Subscribe(t, key, document, v)
	r := untilEvent(t, stream, func() {
		w.OK(t, key, `mutation { syncCustomerSchedule(input: {referenceId: "CUST-000001", taskType: "collections"}) { userErrors { code } } }`, nil)
	})
	require.Empty(t, r.Errors, r.Body)
	require.Equal(t, "CUST-000001", r.At("scheduleChanged.customer.referenceId"), r.Body)
}

// The first of the examples must be what a reader hopes for, not merely free of errors.
func TestExamplesShowSomething(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	loader := demo.Loader{Pool: w.Pool, Keys: w.Keys, Schedules: w.Schedules, Customers: 200, KeysDir: t.TempDir(), Now: w.Clock.Now}
	tenants, err := loader.Load(t.Context())
	require.NoError(t, err)
	for _, e := range graph.Examples() {
		var v vars
		if e.Variables != "" {
			require.NoError(t, json.Unmarshal([]byte(e.Variables), &v))
		}
		switch e.Title {
		case "One customer with everything around it":
			r := w.OK(t, tenants[0].Key, e.Document, v)
			assert.NotEmpty(t, r.At("customer.activeSchedule.tasks.nodes"), r.Body)
			assert.NotNil(t, r.At("customer.primaryPhone.number"), r.Body)
		case "Find a customer by any fragment":
			r := w.OK(t, tenants[0].Key, e.Document, v)
			assert.NotEmpty(t, r.At("customers.edges"), r.Body)
		case "Sync one customer's call schedule":
			r := w.OK(t, tenants[0].Key, e.Document, v)
			assert.Equal(t, true, r.At("syncCustomerSchedule.scheduleCreated"), r.Body)
			assert.NotEmpty(t, r.At("syncCustomerSchedule.schedule.tasks.nodes"), r.Body)
		}
	}
}
