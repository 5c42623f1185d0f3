package observe

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// The outcomes of an operation.
const (
	outcomeSuccess = "success"
	// outcomePartial is data with errors beside it.
	outcomePartial = "partial"
	outcomeError   = "error"
	// outcomeCancelled is an operation that ended without a result: its client went away.
	outcomeCancelled = "cancelled"
)

// Operations is a gqlgen extension that records each operation in metrics and traces. A query or
// mutation is one span with one child for each root field; the span of a subscription covers its
// beginning, as it may stay open for days. Spans hold neither documents, nor variables, nor messages
// of errors. Use it before all other extensions, so that it sees what those refuse.
type Operations struct {
	// Metrics may be nil.
	Metrics *Metrics
	// Tracer may be nil.
	Tracer trace.Tracer
	// Statements returns how many SQL statements the operation has run so far; nil records none. It is
	// asked after each result, with a context that holds what operation interceptors have put there.
	Statements func(ctx context.Context) int
	// Cost returns the points of the operation, and false when they are not known; nil records none.
	Cost func(ctx context.Context) (int, bool)
}

var (
	_ graphql.HandlerExtension     = (*Operations)(nil)
	_ graphql.OperationInterceptor = (*Operations)(nil)
	_ graphql.ResponseInterceptor  = (*Operations)(nil)
	_ graphql.RootFieldInterceptor = (*Operations)(nil)
)

// ExtensionName names the extension for gqlgen.
func (*Operations) ExtensionName() string { return "Operations" }

// Validate fills in what is not set; gqlgen calls it once, before the first request.
func (o *Operations) Validate(graphql.ExecutableSchema) error {
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	return nil
}

// record is what is known about a running operation.
type record struct {
	extension *Operations
	name      string
	kind      ast.Operation
	started   time.Time
	span      trace.Span

	finish sync.Once
	mu     sync.Mutex
	// outcome is the worst so far.
	outcome string
	// counted is the last response whose errors were counted.
	counted *graphql.Response
	// statements is the count after the last response, and costed reports whether the cost was recorded.
	statements int
	costed     bool
}

type recordKey struct{}

// InterceptOperation records an operation from its start to its last result.
func (o *Operations) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	r := &record{extension: o, kind: op.Operation.Operation, started: time.Now(), outcome: outcomeCancelled}
	trusted := viewer.From(ctx).Kind != viewer.Anonymous
	r.name = op.Operation.Name
	if o.Metrics != nil {
		r.name = o.Metrics.names.label(op.Operation.Name, trusted)
		o.Metrics.operationsInFlight.WithLabelValues(string(r.kind)).Inc()
	}
	if !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(op.Headers))
	}
	ctx, r.span = o.Tracer.Start(ctx, string(r.kind), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("graphql.operation.type", string(r.kind)),
		attribute.String("graphql.operation.name", r.name),
	))
	ctx = context.WithValue(ctx, recordKey{}, r)
	// When a client goes away no further result is requested, so the end of the context ends the record.
	stop := context.AfterFunc(ctx, r.end)
	responses := next(ctx)
	if r.kind == ast.Subscription {
		r.span.End()
	}
	return func(ctx context.Context) *graphql.Response {
		response := responses(ctx)
		if response != nil {
			r.saw(response)
		}
		if response == nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			r.worsen(outcomeError)
		}
		if response == nil || (r.kind != ast.Subscription && (response.HasNext == nil || !*response.HasNext)) {
			stop()
			r.end()
		}
		return response
	}
}

// saw records one result.
func (r *record) saw(response *graphql.Response) {
	outcome := outcomeSuccess
	if len(response.Errors) > 0 {
		outcome = outcomePartial
		if len(response.Data) == 0 || string(response.Data) == "null" {
			outcome = outcomeError
		}
	}
	r.worsen(outcome)
	// Interceptors may answer without the response middleware.
	r.countErrors(response)
	if r.kind == ast.Subscription {
		if m := r.extension.Metrics; m != nil {
			m.subscriptionEvents.WithLabelValues(r.name).Inc()
		}
		return
	}
	r.span.SetAttributes(attribute.String("caseload.outcome", outcome))
	if seen := codesOf(response.Errors); len(seen) > 0 {
		labels := make([]string, len(seen))
		for i, code := range seen {
			labels[i] = string(code)
			// What the client did wrong is not an error of the server.
			if code.Info().Status >= 500 {
				r.span.SetStatus(codes.Error, string(code))
			}
		}
		r.span.SetAttributes(attribute.StringSlice("caseload.error.codes", labels))
	}
}

// worsen keeps the worst outcome: one bad event marks a subscription.
func (r *record) worsen(outcome string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.outcome == outcomeCancelled || r.outcome == outcomeSuccess || outcome == outcomeError {
		r.outcome = outcome
	}
}

// countErrors counts the errors of a response once.
func (r *record) countErrors(response *graphql.Response) {
	r.mu.Lock()
	first := r.counted != response
	r.counted = response
	r.mu.Unlock()
	if first {
		r.extension.countErrors(response.Errors)
	}
}

// spent returns how many statements were run since the last result.
func (r *record) spent(total int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	delta := max(total-r.statements, 0)
	r.statements = total
	return delta
}

// firstCost reports whether the cost is still to be recorded: it is that of the operation, not of each event.
func (r *record) firstCost() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := !r.costed
	r.costed = true
	return first
}

// end closes the record once.
func (r *record) end() {
	r.finish.Do(func() {
		r.span.End()
		m := r.extension.Metrics
		if m == nil {
			return
		}
		r.mu.Lock()
		outcome := r.outcome
		r.mu.Unlock()
		m.operationsInFlight.WithLabelValues(string(r.kind)).Dec()
		m.operationDuration.WithLabelValues(r.name, string(r.kind), outcome).Observe(time.Since(r.started).Seconds())
	})
}

// InterceptResponse records what one result took, and the errors of requests that never became an operation.
func (o *Operations) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	response := next(ctx)
	if response == nil {
		return nil
	}
	r, running := ctx.Value(recordKey{}).(*record)
	if !running {
		o.countErrors(response.Errors)
		return response
	}
	r.countErrors(response)
	if o.Cost != nil {
		if points, known := o.Cost(ctx); known && r.firstCost() {
			r.span.SetAttributes(attribute.Int("caseload.cost", points))
			if o.Metrics != nil {
				o.Metrics.operationCost.Observe(float64(points))
			}
		}
	}
	if o.Statements != nil {
		count := r.spent(o.Statements(ctx))
		r.span.SetAttributes(attribute.Int("caseload.statements", count))
		if o.Metrics != nil {
			o.Metrics.operationStatements.Observe(float64(count))
		}
	}
	return response
}

// InterceptRootField makes the span of a root field.
func (o *Operations) InterceptRootField(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	field := graphql.GetRootFieldContext(ctx)
	if field == nil {
		return next(ctx)
	}
	ctx, span := o.Tracer.Start(ctx, field.Object+"."+field.Field.Name)
	defer span.End()
	return next(ctx)
}

func (o *Operations) countErrors(errs gqlerror.List) {
	if o.Metrics == nil {
		return
	}
	for _, err := range errs {
		o.Metrics.operationErrors.WithLabelValues(o.Metrics.codeLabel(codeOf(err))).Inc()
	}
}

// codesOf returns the codes of the closed list among the errors, each once.
func codesOf(errs gqlerror.List) []fault.Code {
	var out []fault.Code
	for _, info := range fault.Codes {
		for _, err := range errs {
			if codeOf(err) == info.Code {
				out = append(out, info.Code)
				break
			}
		}
	}
	return out
}

// codeOf reads the code that the presenter gave to an error.
func codeOf(err *gqlerror.Error) fault.Code {
	switch code := err.Extensions["code"].(type) {
	case string:
		return fault.Code(code)
	case fault.Code:
		return code
	default:
		return ""
	}
}
