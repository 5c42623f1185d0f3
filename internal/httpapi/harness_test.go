package httpapi

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// testSchema is also that of the tests of package document.
//
//go:embed document/testdata/schema.graphqls
var testSchema string

// bench is a handler over a small schema whose execution is counted.
type bench struct {
	http.Handler
	executed atomic.Int64
	log      *dbtest.Log
	now      *dbtest.Clock
	// running is told when a slow field starts, and it waits for its context or for resume.
	running, resume chan struct{}
}

var testOrganization = uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057")

// credentials are what the X-API-Key header may hold in tests.
func identify(r *http.Request) (*viewer.Viewer, error) {
	switch key := r.Header.Get("X-API-Key"); key {
	case "":
		return nil, nil
	case "reader", "other":
		return &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: testOrganization, ActorID: uuid.NewSHA1(uuid.Nil, []byte(key)), Scopes: []viewer.Scope{viewer.CustomersRead}}, nil
	case "admin":
		return &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: testOrganization, ActorID: uuid.NewSHA1(uuid.Nil, []byte(key)), Scopes: viewer.AllScopes()}, nil
	case "broken":
		panic("the store of " + canary)
	default:
		return nil, fault.New(fault.Unauthenticated, "The API key is unknown, expired or revoked.")
	}
}

func newBench(t testing.TB, change func(*Options)) *bench {
	t.Helper()
	b := &bench{
		log: &dbtest.Log{}, now: dbtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)),
		running: make(chan struct{}, 16), resume: make(chan struct{}),
	}
	schema := gqlparser.MustLoadSchema(&ast.Source{Name: "test.graphqls", Input: testSchema})
	o := Options{
		Schema: &graphql.ExecutableSchemaMock{
			SchemaFunc: func() *ast.Schema { return schema },
			ComplexityFunc: func(context.Context, string, string, int, map[string]any) (int, bool) {
				return 0, false
			},
			ExecFunc: b.exec,
		},
		Identify: identify, Log: slog.New(slog.NewJSONHandler(b.log, nil)), Now: b.now.Now,
	}
	if change != nil {
		change(&o)
	}
	b.Handler = Handler(o)
	return b
}

// exec answers each root field the way the generated code does, with errors through the presenter.
func (b *bench) exec(ctx context.Context) graphql.ResponseHandler {
	return func(ctx context.Context) *graphql.Response {
		b.executed.Add(1)
		op := graphql.GetOperationContext(ctx)
		var data bytes.Buffer
		data.WriteByte('{')
		for i, f := range graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Query", "Mutation"}) {
			if i > 0 {
				data.WriteByte(',')
			}
			key, _ := json.Marshal(f.Alias)
			data.Write(key)
			data.WriteByte(':')
			data.WriteString(b.resolve(ctx, f))
		}
		data.WriteByte('}')
		return &graphql.Response{Data: data.Bytes()}
	}
}

var failures = map[string]error{
	"fault":   fault.New(fault.NotFound, "The customer does not exist."),
	"user":    fault.UserErrors{{Code: fault.Taken, Message: "The address is taken.", Path: []string{"input", "email"}}},
	"raw":     errors.New(`pq: invalid input syntax for type uuid: "` + canary + `"`),
	"timeout": context.DeadlineExceeded,
	"cancel":  context.Canceled,
}

func (b *bench) resolve(ctx context.Context, f graphql.CollectedField) string {
	fc := &graphql.FieldContext{Object: "Query", Field: f, Args: map[string]any{}}
	ctx = graphql.WithFieldContext(ctx, fc)
	switch f.Name {
	case "__typename":
		return `"Query"`
	case "large", "enlarge":
		return `"` + strings.Repeat("x", 11<<20) + `"`
	case "slow":
		b.running <- struct{}{}
		select {
		case <-ctx.Done():
			graphql.AddError(ctx, ctx.Err())
		case <-b.resume:
		}
	case "manyErrors":
		for range 120 {
			graphql.AddError(ctx, errors.New("boom"))
		}
	case "fail":
		how, _ := f.ArgumentMap(graphql.GetOperationContext(ctx).Variables)["how"].(string)
		switch how {
		case "panic":
			graphql.AddError(ctx, graphql.GetOperationContext(ctx).Recover(ctx, "at "+canary))
		case "long":
			graphql.AddError(ctx, fault.New(fault.Conflict, "%s", strings.Repeat("é", 4000)))
		default:
			graphql.AddError(ctx, graphql.AddFieldLocationToError(ctx, failures[how]))
		}
	}
	return "null"
}

// reply is a response with its GraphQL parts decoded.
type reply struct {
	*httptest.ResponseRecorder
	body   string
	Data   json.RawMessage
	Errors []struct {
		Message    string
		Path       []any
		Extensions struct {
			Code, RequestID string
			Retryable       bool
			RetryAfterMs    int64
			Details         map[string]any
		}
	}
	Extensions map[string]any
}

func (r *reply) code() string {
	if len(r.Errors) == 0 {
		return ""
	}
	return r.Errors[0].Extensions.Code
}

func (b *bench) do(t testing.TB, r *http.Request) *reply {
	t.Helper()
	rec := httptest.NewRecorder()
	b.ServeHTTP(rec, r)
	out := &reply{ResponseRecorder: rec, body: rec.Body.String()}
	if rec.Body.Len() > 0 && rec.Header().Get("Content-Encoding") == "" {
		require.NoError(t, json.Unmarshal([]byte(out.body), out), out.body)
	}
	return out
}

// post makes a request with a raw body; the key is that of a reader unless header says otherwise.
func post(body string, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/graphql", io.NopCloser(strings.NewReader(body)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", typeGraphQL)
	r.Header.Set("X-API-Key", "reader")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Del(header[i])
		if header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	return r
}

func query(text string, variables any, header ...string) *http.Request {
	body, err := json.Marshal(map[string]any{"query": text, "variables": variables})
	if err != nil {
		panic(err)
	}
	return post(string(body), header...)
}

// roomy lifts the budgets of operations, for tests that send many.
func roomy(o *Options) {
	l := DefaultLimits()
	l.OperationsBurst, l.AnonymousBurst, l.PointsBurst = 1_000_000, 1_000_000, 100_000_000
	o.Limits = &l
}

// operationOf returns the only operation of a valid document.
func operationOf(t testing.TB, text string) *ast.OperationDefinition {
	t.Helper()
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: testSchema})
	doc, errs := gqlparser.LoadQueryWithRules(schema, text, nil)
	require.Empty(t, errs)
	return doc.Operations[0]
}
