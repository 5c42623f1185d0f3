package graph_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"go.uber.org/goleak"

	"caseload/graph"
	"caseload/internal/db"
	"caseload/internal/graphtest"
	"caseload/internal/toolcheck"
	"caseload/internal/viewer"
)

func answerOf(ctx context.Context, s *graphtest.Server, key, document string) string {
	body, _ := json.Marshal(map[string]any{"query": document})
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-API-Key", key)
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	return passing.ReplaceAllString(rec.Body.String(), `"passing":0`)
}

// Not parallel: it counts the goroutines of the whole program.
func TestCompiledReadsEndWithTheirRequest(t *testing.T) {
	p := newPair(t)
	tries, people := 150, 20
	if toolcheck.RaceEnabled {
		tries, people = 40, 8
	}
	p.Harbor.People(t, people)
	seed := number(t, seedVariable, uint64(time.Now().UnixNano()))
	r := rand.New(rand.NewPCG(seed, 0))
	whole := answerOf(t.Context(), p.compiled, p.Harbor.Key, nestedPage)
	before := goleak.IgnoreCurrent()
	started := time.Now()
	answerOf(t.Context(), p.compiled, p.Harbor.Key, nestedPage)
	took := time.Since(started)
	finished := 0
	for range tries {
		ctx, cancel := context.WithCancel(t.Context())
		// From before it begins until after it has ended.
		timer := time.AfterFunc(time.Duration(r.Int64N(int64(took)*3/2)), cancel)
		if answerOf(ctx, p.compiled, p.Harbor.Key, nestedPage) == whole {
			finished++
		}
		timer.Stop()
		cancel()
	}
	t.Logf("%d of %d were finished before they were cancelled (seed %d)", finished, tries, seed)
	require.Less(t, finished, tries, "some must have been cancelled")
	require.Equal(t, whole, answerOf(t.Context(), p.compiled, p.Harbor.Key, nestedPage), "what comes after is whole")
	require.Zero(t, p.compiled.Pool.SQL().Stats().InUse, "every connection was given back")
	// Connections that were cut have been opened anew; the pool's own goroutines are not of a request.
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("database/sql.(*DB).connectionOpener"), goleak.IgnoreAnyFunction("github.com/lib/pq.(*conn).watchCancel.func1"))
}

func TestCompiledReadsSurviveADatabaseThatDies(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.Harbor.People(t, 10)
	victim := p.Start(t, func(o *graph.Options, s *db.Settings) { o.Compiled, s.ApplicationName = true, "victim" })
	whole := answerOf(t.Context(), p.compiled, p.Harbor.Key, nestedPage)
	done := make(chan struct{})
	var killers sync.WaitGroup
	killers.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				_, _ = p.Pool.Exec(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'victim'`)
			}
		}
	})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 8 {
				got := answerOf(t.Context(), victim, p.Harbor.Key, nestedPage)
				if got == whole {
					continue
				}
				var answer struct {
					Data   json.RawMessage
					Errors []graphtest.Error
				}
				if err := json.Unmarshal([]byte(got), &answer); err != nil || len(answer.Errors) == 0 {
					t.Errorf("neither whole nor an error: %s", got)
				}
			}
		})
	}
	wg.Wait()
	close(done)
	killers.Wait()
	require.Equal(t, whole, answerOf(t.Context(), victim, p.Harbor.Key, nestedPage))
}

func TestPlansOfManyDocumentsAreBounded(t *testing.T) {
	t.Parallel()
	documents, longer := 100_000, 1000
	if toolcheck.RaceEnabled || testing.Short() {
		documents, longer = 1_500, 700
	}
	plans, v := graph.NewPlans(), &viewer.Viewer{Kind: viewer.APIKey, Scopes: viewer.AllScopes()}
	add := func(document string) {
		doc, errs := gqlparser.LoadQueryWithRules(schema, document, nil)
		require.Empty(t, errs)
		oc := &graphql.OperationContext{RawQuery: document, Doc: doc, Operation: doc.Operations[0], Variables: map[string]any{}}
		f := doc.Operations[0].SelectionSet[0].(*ast.Field)
		require.NotNil(t, plans.Plan(oc, v, graphql.CollectedField{Field: f, Selections: f.SelectionSet}))
	}
	for i := range documents {
		n := strconv.Itoa(i)
		add(`{ customers { a` + n + `: nodes { id x` + n + `: firstName } } }`)
	}
	count, bytes := plans.Size()
	require.LessOrEqual(t, count, 1000)
	require.Less(t, bytes, 32<<20)
	// Long documents are bounded by what they weigh, before they are a thousand.
	long := " #" + strings.Repeat("x", 32_000) + "\n"
	for i := range longer {
		add(`{ customers { nodes { a` + strconv.Itoa(i) + `: id }` + long + ` } }`)
	}
	count, bytes = plans.Size()
	require.Less(t, count, 600)
	require.Less(t, bytes, 32<<20)
}
