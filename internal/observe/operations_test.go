package observe_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	_ "github.com/lib/pq"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"caseload/internal/fault"
	"caseload/internal/observe"
	"caseload/internal/viewer"
)

var parsedSchema = gqlparser.MustLoadSchema(&ast.Source{Input: `
	type Query { ok(secret: String): String partly: String broken: String down: String }
	type Subscription { three: String }
`})

type statements struct{ n int }

type statementsKey struct{}

// newExecutor runs operations by the name of their first field: each result takes two statements.
func newExecutor(o *observe.Operations) *executor.Executor {
	respond := func(data string, code any) *graphql.Response {
		r := &graphql.Response{Data: []byte(data)}
		if code != nil {
			r.Errors = gqlerror.List{{Message: "078-05-1120", Extensions: map[string]any{"code": code}}}
		}
		return r
	}
	exec := executor.New(&graphql.ExecutableSchemaMock{
		SchemaFunc: func() *ast.Schema { return parsedSchema },
		ExecFunc: func(ctx context.Context) graphql.ResponseHandler {
			count := ctx.Value(statementsKey{}).(*statements)
			left := 1
			var response *graphql.Response
			switch graphql.GetOperationContext(ctx).Operation.SelectionSet[0].(*ast.Field).Name {
			case "ok":
				response = respond(`{"ok":"1"}`, nil)
			case "partly":
				response = respond(`{"partly":null}`, fault.Forbidden)
			case "broken":
				response = respond(`null`, "INTERNAL")
			case "down":
				response = respond(`{"down":null}`, "078-05-1120")
			case "three":
				left, response = 3, respond(`{"three":"1"}`, nil)
			}
			return func(context.Context) *graphql.Response {
				if left == 0 {
					return nil
				}
				left--
				count.n += 2
				copied := *response
				return &copied
			}
		},
	})
	o.Statements = func(ctx context.Context) int { return ctx.Value(statementsKey{}).(*statements).n }
	o.Cost = func(context.Context) (int, bool) { return 7, true }
	if err := o.Validate(nil); err != nil {
		panic(err)
	}
	exec.Use(o)
	exec.AroundOperations(func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
		return next(context.WithValue(ctx, statementsKey{}, &statements{}))
	})
	return exec
}

// run runs a document to its end, as transports do.
func run(ctx context.Context, exec *executor.Executor, document string, headers http.Header) {
	ctx, cancel := context.WithCancel(graphql.StartOperationTrace(ctx))
	defer cancel()
	op, errs := exec.CreateOperationContext(ctx, &graphql.RawParams{Query: document, Headers: headers})
	ctx = graphql.WithOperationContext(ctx, op)
	if errs != nil {
		exec.DispatchError(ctx, errs)
		return
	}
	responses, ctx := exec.DispatchOperation(ctx, op)
	for responses(ctx) != nil && op.Operation.Operation == ast.Subscription {
	}
}

func scrape(t *testing.T, m *observe.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code)
	return w.Body.String()
}

func known(ctx context.Context) context.Context {
	return viewer.With(ctx, &viewer.Viewer{Kind: viewer.APIKey})
}

func TestOperationMetrics(t *testing.T) {
	t.Parallel()
	m := observe.NewMetrics()
	exec := newExecutor(&observe.Operations{Metrics: m})
	ctx := known(t.Context())
	run(ctx, exec, `query Good { ok(secret: "078-05-1120") }`, nil)
	run(ctx, exec, `query Good { ok }`, nil)
	run(ctx, exec, `query Partly { partly }`, nil)
	run(ctx, exec, `{ broken }`, nil)
	run(ctx, exec, `query Down { down }`, nil)
	run(ctx, exec, `subscription Three { three }`, nil)
	run(ctx, exec, `{ nothing }`, nil)
	m.LoaderBatch("customer.loans", 30)
	m.Job("lending_import", "failed", time.Second)
	m.LendingCall("timeout", time.Second)
	require.NoError(t, m.WatchConnections("websocket", func() int { return 4 }))
	pool, err := sql.Open("postgres", "postgres://localhost/none")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	pool.SetMaxOpenConns(9)
	require.NoError(t, m.WatchPool("main", pool))

	text := scrape(t, m)
	for _, line := range []string{
		`caseload_graphql_operation_duration_seconds_count{operation="Good",outcome="success",type="query"} 2`,
		`caseload_graphql_operation_duration_seconds_count{operation="Partly",outcome="partial",type="query"} 1`,
		`caseload_graphql_operation_duration_seconds_count{operation="anonymous",outcome="error",type="query"} 1`,
		`caseload_graphql_operation_duration_seconds_count{operation="Three",outcome="success",type="subscription"} 1`,
		`caseload_graphql_subscription_events_total{operation="Three"} 3`,
		`caseload_graphql_errors_total{code="FORBIDDEN"} 1`,
		`caseload_graphql_errors_total{code="INTERNAL"} 1`,
		`caseload_graphql_errors_total{code="OTHER"} 1`,
		`caseload_graphql_errors_total{code="GRAPHQL_VALIDATION_FAILED"} 1`,
		`caseload_graphql_operation_cost_points_sum 42`,
		`caseload_graphql_operation_cost_points_count 6`,
		// Five queries and three events, two statements each.
		`caseload_graphql_operation_statements_sum 16`,
		`caseload_graphql_operation_statements_count 8`,
		`caseload_graphql_operations_in_flight{type="query"} 0`,
		`caseload_graphql_operations_in_flight{type="subscription"} 0`,
		`caseload_loader_batch_size_sum{loader="customer.loans"} 30`,
		`caseload_jobs_total{kind="lending_import",outcome="failed"} 1`,
		`caseload_job_duration_seconds_sum{kind="lending_import"} 1`,
		`caseload_lending_calls_total{outcome="timeout"} 1`,
		`caseload_lending_call_duration_seconds_count 1`,
		`caseload_live_connections{kind="websocket"} 4`,
		`go_sql_max_open_connections{db_name="main"} 9`,
	} {
		require.Contains(t, text, line+"\n")
	}
	require.Contains(t, text, "\ngo_goroutines ")
	require.Contains(t, text, "\nprocess_cpu_seconds_total ")
	require.NotContains(t, text, "078-05-1120")
}

func TestAbandonedOperationIsRecorded(t *testing.T) {
	t.Parallel()
	m := observe.NewMetrics()
	exec := newExecutor(&observe.Operations{Metrics: m})
	ctx, cancel := context.WithCancel(known(t.Context()))
	ctx = graphql.StartOperationTrace(ctx)
	op, errs := exec.CreateOperationContext(ctx, &graphql.RawParams{Query: `subscription Three { three }`})
	require.Empty(t, errs)
	responses, opCtx := exec.DispatchOperation(ctx, op)
	require.NotNil(t, responses(opCtx))
	require.Contains(t, scrape(t, m), `caseload_graphql_operations_in_flight{type="subscription"} 1`)
	// The client goes away, and nobody asks for results any more.
	cancel()
	require.Eventually(t, func() bool {
		return strings.Contains(scrape(t, m), `caseload_graphql_operations_in_flight{type="subscription"} 0`)
	}, 10*time.Second, time.Millisecond)
	require.Contains(t, scrape(t, m), `_count{operation="Three",outcome="success",type="subscription"} 1`)
	require.Nil(t, responses(opCtx))
}

func TestOperationNamesAreBounded(t *testing.T) {
	t.Parallel()
	m := observe.NewMetrics()
	exec := newExecutor(&observe.Operations{Metrics: m})
	// Strangers do not use up places, and neither do long names.
	run(t.Context(), exec, `query Stranger { ok }`, nil)
	run(known(t.Context()), exec, `query `+strings.Repeat("L", 65)+` { ok }`, nil)
	for i := range 250 {
		run(known(t.Context()), exec, fmt.Sprintf(`query Name%d { ok }`, i), nil)
	}
	// A stranger may use a name that is known.
	run(t.Context(), exec, `query Name0 { ok }`, nil)
	text := scrape(t, m)
	require.Equal(t, 201, strings.Count(text, "caseload_graphql_operation_duration_seconds_count{"))
	require.Contains(t, text, `_count{operation="Name0",outcome="success",type="query"} 2`)
	require.Contains(t, text, `_count{operation="Name199",outcome="success",type="query"} 1`)
	require.Contains(t, text, `_count{operation="other",outcome="success",type="query"} 52`)
}

func attributes(span sdktrace.ReadOnlySpan) map[attribute.Key]string {
	out := map[attribute.Key]string{}
	for _, a := range span.Attributes() {
		out[a.Key] = a.Value.String()
	}
	return out
}

func TestOperationSpans(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	o := &observe.Operations{Tracer: provider.Tracer("test")}
	exec := newExecutor(o)
	run(t.Context(), exec, `query Good { ok(secret: "078-05-1120") }`,
		http.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}})
	run(t.Context(), exec, `{ broken }`, nil)
	run(t.Context(), exec, `{ partly }`, nil)
	run(t.Context(), exec, `subscription Three { three }`, nil)

	spans := recorder.Ended()
	require.Len(t, spans, 4)
	require.Equal(t, "query", spans[0].Name())
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", spans[0].SpanContext().TraceID().String())
	require.Equal(t, map[attribute.Key]string{
		"graphql.operation.type": "query", "graphql.operation.name": "Good",
		"caseload.outcome": "success", "caseload.statements": "2", "caseload.cost": "7",
	}, attributes(spans[0]))
	require.Equal(t, codes.Error, spans[1].Status().Code)
	require.Equal(t, "INTERNAL", spans[1].Status().Description)
	require.Equal(t, "error", attributes(spans[1])["caseload.outcome"])
	// What the client may not do is not a failure of the server.
	require.Equal(t, codes.Unset, spans[2].Status().Code)
	require.JSONEq(t, `["FORBIDDEN"]`, attributes(spans[2])["caseload.error.codes"])
	require.Equal(t, "subscription", spans[3].Name())
	for _, span := range spans {
		require.NotContains(t, fmt.Sprint(span.Attributes(), span.Events(), span.Status()), "078")
	}
}

func TestRootFieldSpan(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	o := &observe.Operations{Tracer: provider.Tracer("test")}
	ctx, parent := provider.Tracer("test").Start(t.Context(), "query")
	ctx = graphql.WithRootFieldContext(ctx, &graphql.RootFieldContext{
		Object: "Query", Field: graphql.CollectedField{Field: &ast.Field{Name: "customers", Alias: "078"}},
	})
	o.InterceptRootField(ctx, func(context.Context) graphql.Marshaler { return graphql.Null })
	require.Len(t, recorder.Ended(), 1)
	span := recorder.Ended()[0]
	require.Equal(t, "Query.customers", span.Name())
	require.Equal(t, parent.SpanContext().SpanID(), span.Parent().SpanID())
	require.Empty(t, span.Attributes())
}

func TestNilMetricsRecordNothing(t *testing.T) {
	t.Parallel()
	var m *observe.Metrics
	require.NotPanics(t, func() {
		m.Job("kind", "ok", time.Second)
		m.LendingCall("ok", time.Second)
		m.LoaderBatch("loader", 1)
	})
	require.NoError(t, m.WatchPool("main", nil))
	require.NoError(t, m.WatchConnections("sse", nil))
}
