package graph_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
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

// deepPage is a page of one list after a cursor, as dialers and exports walk it.
const deepPage = `query($after: String) { callTasks(first: 50, after: $after) { nodes { id state attemptNumber dueAt dueLocal timeZone windowEndsAt note version createdAt } pageInfo { hasNextPage endCursor } } }`

// BenchmarkNestedPage compares the two paths on one page of 50 customers, without the network.
func BenchmarkNestedPage(b *testing.B) {
	p := newPair(b)
	p.Harbor.People(b, 50)
	p.compare(b, nestedPage, nil)
}

// BenchmarkNestedCustomer compares the two paths on one customer with all edges.
func BenchmarkNestedCustomer(b *testing.B) {
	p := newPair(b)
	reference := p.Harbor.People(b, 1)[0].ReferenceID
	document := strings.Replace(nestedPage, "{ customers(first: 50) { nodes {", "query($r: String) { customer(referenceId: $r) {", 1)
	p.compare(b, strings.TrimSuffix(document, "} }")+"}", graphtest.Vars{"r": reference})
}

// BenchmarkDeepPage compares the two paths on one page without edges.
func BenchmarkDeepPage(b *testing.B) {
	p := newPair(b)
	p.Harbor.People(b, 60)
	after := p.compiled.OK(b, p.Harbor.Key, deepPage, nil).Text("callTasks.pageInfo.endCursor")
	p.compare(b, deepPage, graphtest.Vars{"after": after})
}

func (p *pair) compare(b *testing.B, document string, variables graphtest.Vars) {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	require.NoError(b, err)
	p.same(b, p.Harbor.Key, document, variables)
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
