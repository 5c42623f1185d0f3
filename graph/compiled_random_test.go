package graph_test

import (
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/graph"
	"caseload/internal/db"
	"caseload/internal/graphtest"
	"caseload/internal/observe"
	"caseload/internal/relay"
	"caseload/internal/toolcheck"
	"caseload/internal/viewer"
)

// The environment of the differential test: how many cases, and the seed to run again.
const (
	casesVariable = "CASELOAD_COMPILED_CASES"
	seedVariable  = "CASELOAD_COMPILED_SEED"
)

// oddTexts hold what JSON, SQL and GraphQL have to escape.
var oddTexts = []string{`O'Brien`, `"quoted" \ back`, "tab\tnew\nline\rend", "\u0001\u001f\u007f", "Zoë Ñandú 日本語 😀", "<script>&amp;\u2028\u2029", "%_like", "  spaced  ", "{}", "NULL"}

// unsettle gives the rows odd texts, NULLs, all kinds of numbers, and times to the microsecond.
func unsettle(t testing.TB, p *pair, r *rand.Rand, people []*graphtest.Person) {
	t.Helper()
	odd := func() any {
		if r.IntN(4) == 0 {
			return nil
		}
		return oddTexts[r.IntN(len(oddTexts))]
	}
	exec := func(sql string, args ...any) {
		_, err := p.Pool.Exec(t.Context(), sql, args...)
		require.NoError(t, err, sql)
	}
	for i, person := range people {
		exec(`UPDATE customers SET first_name = $2, middle_name = $3, last_name = $4, language = $5, birthday = $6, created_at = created_at + $7 * interval '1 microsecond', external_metadata = $8 WHERE id = $1`,
			person.Customer.UUID, odd(), odd(), odd(), []any{nil, "es-MX"}[i%2], []any{nil, "1985-06-15", "2000-02-29"}[i%3], r.IntN(5_000_000),
			[]any{nil, `{"b": [1, 2.50, null], "a": "é \" <&>"}`, `[]`, `"x"`, `{}`}[i%5])
		exec(`UPDATE loans SET product = $2, status = $3, original_principal = $4, principal_balance = $5, amount_due = $6, days_past_due = $7, next_due_on = $8 WHERE customer_id = $1`,
			person.Customer.UUID, odd(), oddTexts[i%len(oddTexts)], []any{nil, "0", "100.00", "1250.7500"}[i%4], []any{"0.00", "0.10", nil}[i%3], []any{"-12.50", "99999999.99", nil}[i%3], []any{nil, 0, 45}[i%3], []any{nil, "2026-12-31"}[i%2])
		exec(`UPDATE call_tasks SET note = $2, skip_reason = NULL WHERE customer_id = $1`, person.Customer.UUID, odd())
		exec(`UPDATE inconvenient_times SET note = $2, days = $3 WHERE customer_id = $1`, person.Customer.UUID, odd(), 1+r.IntN(127))
	}
}

// gather collects ids, words and cursors.
func gather(t testing.TB, p *pair, people []*graphtest.Person) *material {
	t.Helper()
	m := newMaterial()
	m.words = append(m.words, oddTexts...)
	m.words = append(m.words, "Rivera", "collections", "welcome", "LMS", "", "zz")
	for _, person := range people {
		m.words = append(m.words, person.ReferenceID)
		for _, id := range nodesOf(person) {
			m.ids = append(m.ids, id)
		}
	}
	for range 3 {
		for _, id := range withPlain(t, p.generated, p.Harbor.Key, map[string]string{}) {
			m.ids = append(m.ids, id)
		}
	}
	slices.Sort(m.ids) // A map has no order, and a seed is to mean one query.
	m.ids = append(m.ids, relay.ID{Prefix: "cust", UUID: db.NewID()}.String(), relay.ID{Prefix: "nope", UUID: db.NewID()}.String(), "cust_", p.Harbor.System.OrganizationID.String())
	key := p.Harbor.Key
	for _, id := range []string{`taskTypes { nodes { id } }`, `apiKeys { nodes { id } }`, `auditEntries(first: 2) { nodes { id } }`, `viewer { organization { id } }`} {
		body := p.generated.OK(t, key, "{ "+id+" }", nil).Body
		for _, found := range regexp.MustCompile(`"id":"([^"]+)"`).FindAllStringSubmatch(body, -1) {
			m.ids = append(m.ids, found[1])
		}
	}
	cursors := func(coordinate, arguments, document string) {
		body := p.generated.OK(t, key, document, nil).Body
		for _, found := range regexp.MustCompile(`"cursor":"([^"]+)"`).FindAllStringSubmatch(body, -1) {
			m.cursors[coordinate] = append(m.cursors[coordinate], cursor{arguments, found[1]})
		}
		require.NotEmpty(t, m.cursors[coordinate], document)
	}
	for _, f := range schema.Query.Fields {
		if strings.HasSuffix(f.Type.Name(), "Connection") {
			cursors("Query."+f.Name, "", `{ `+f.Name+`(first: 6) { edges { cursor } } }`)
		}
	}
	for _, order := range []string{`orderBy: [{field: LAST_NAME, direction: DESC}]`, `orderBy: [{field: LAST_NAME, nulls: FIRST}]`, `orderBy: [{field: REFERENCE_ID}, {field: CREATED_AT, direction: DESC}]`} {
		cursors("Query.customers", order, `{ customers(first: 10, `+order+`) { edges { cursor } } }`)
	}
	for _, edge := range []string{"identifiers", "phones", "addresses", "loans", "schedules", "callTasks", "callAttempts", "inconvenientTimes", "accountHolders", "cards"} {
		cursors("Customer."+edge, "", `{ customers(first: 4) { nodes { `+edge+`(first: 2) { edges { cursor } } } } }`)
	}
	cursors("Schedule.tasks", "", `{ schedules(last: 4) { nodes { tasks(first: 4) { edges { cursor } } } } }`)
	return m
}

// principals are the keys of every kind of caller; "" is nobody.
func (p *pair) principals(t testing.TB) []string {
	h := p.Harbor
	return []string{
		"", "cl_nonsense", p.Summit.Key,
		h.KeyWith(t, viewer.TasksDial), h.KeyWith(t, viewer.CustomersRead), h.KeyWith(t, viewer.SchedulesRead),
		h.KeyWith(t, viewer.CustomersRead, viewer.SchedulesRead), h.KeyWithout(t, viewer.PIIRead), h.KeyWithout(t, viewer.AuditRead, viewer.LendingRead),
	}
}

func number(t testing.TB, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, variable)
	return n
}

func defaultCases() uint64 {
	switch {
	case toolcheck.RaceEnabled:
		return 150
	case testing.Short():
		return 300
	}
	return 5_000
}

func TestCompiledReadsEqualTheExecutorOnRandomQueries(t *testing.T) {
	t.Parallel()
	metrics := observe.NewMetrics()
	p := newPair(t, graphtest.Configure(func(o *graph.Options) {
		if o.Compiled {
			o.Metrics = metrics
		}
	}))
	seed, cases := number(t, seedVariable, uint64(time.Now().UnixNano())), number(t, casesVariable, defaultCases())
	people := p.Harbor.People(t, 12)
	p.Summit.People(t, 2)
	unsettle(t, p, rand.New(rand.NewPCG(seed, 0)), people)
	m, keys := gather(t, p, people), p.principals(t)

	var next, clean, errors, fewer, more atomic.Uint64
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for !t.Failed() {
				i := next.Add(1)
				if i > cases {
					return
				}
				g := newGenerator(m, rand.New(rand.NewPCG(seed, i)))
				key := p.Harbor.Key
				if g.chance(40) {
					key = pick(g, keys)
				}
				document, variables := g.query()
				compiled, generated := p.compiled.Do(t, key, document, variables), p.generated.Do(t, key, document, variables)
				if want, got := canonical(t, generated), canonical(t, compiled); want != got {
					t.Errorf("case %d of %s=%d differs\nkey %q\n%s\nvariables %v\ngenerated %s\ncompiled  %s", i, seedVariable, seed, key, document, variables, want, got)
					return
				}
				if len(generated.Errors) > 0 {
					errors.Add(1)
					continue
				}
				clean.Add(1)
				if compiled.Statements > generated.Statements || g.chance(5) {
					// A plan that fails where the executor does not would never be seen but for its slowness.
					for _, f := range p.reasons(t, key, document, variables) {
						if strings.HasPrefix(f, graph.ReasonFailed) {
							t.Errorf("case %d of %s=%d: the plan failed\n%s\nvariables %v", i, seedVariable, seed, document, variables)
						}
					}
				}
				switch {
				case compiled.Statements < generated.Statements:
					fewer.Add(1)
				case compiled.Statements > generated.Statements:
					more.Add(1)
					t.Logf("%d statements instead of %d: %s %v", compiled.Statements, generated.Statements, document, variables)
				}
			}
		}()
	}
	wg.Wait()
	shares := pathShares(metrics)
	t.Logf("seed %d: %d answers without errors, %d with; root fields %v; %d with fewer statements, %d with more", seed, clean.Load(), errors.Load(), shares, fewer.Load(), more.Load())
	require.Greater(t, clean.Load(), cases/4, "most queries should mean something")
	require.Greater(t, shares["compiled"], float64(cases)/4, "most root fields should be compiled")
}

// pathShares reads the metric of the paths.
func pathShares(m *observe.Metrics) map[string]float64 {
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	out := map[string]float64{}
	for _, found := range regexp.MustCompile(`caseload_root_fields_total\{path="(\w+)"\} (\S+)`).FindAllStringSubmatch(rec.Body.String(), -1) {
		n, _ := strconv.ParseFloat(found[2], 64)
		out[found[1]] = n
	}
	return out
}
