package graph_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/graphtest"
)

// nestedPage is the page that portals ask for: customers with their loans, schedules and tasks.
const nestedPage = `{ customers(first: 50) { nodes {
	id referenceId firstName lastName email timeZone language doNotCall createdAt
	primaryPhone { id number lineType blockedAt }
	primaryAddress { id line1 line2 city state postalCode }
	loans(first: 10) { nodes { id externalId status principalBalance amountDue daysPastDue nextDueOn } }
	schedules(first: 10) { nodes { id status planNumber timeZone plannedAt plannedUntil
		taskType { id name purpose }
		tasks(first: 10) { nodes { id state attemptNumber dueAt dueLocal timeZone windowEndsAt taskType { id name } } } } }
	callAttempts(first: 10) { nodes { id occurredAt direction phoneNumber outcome } }
} } }`

// BenchmarkNestedPage compares the two paths on one page of 50 customers, without the network.
func BenchmarkNestedPage(b *testing.B) {
	p := newPair(b)
	p.Harbor.People(b, 50)
	body, err := json.Marshal(map[string]any{"query": nestedPage})
	require.NoError(b, err)
	p.same(b, p.Harbor.Key, nestedPage, nil)
	for _, path := range []struct {
		name string
		s    *graphtest.Server
	}{{"compiled", p.compiled}, {"generated", p.generated}} {
		b.Run(path.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("X-API-Key", p.Harbor.Key)
				rec := httptest.NewRecorder()
				path.s.ServeHTTP(rec, r)
				if rec.Code != http.StatusOK {
					b.Fatal(rec.Body)
				}
			}
		})
	}
}
