package httpapi

import (
	"context"
	"math"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"caseload/internal/httpapi/document"
	"caseload/internal/viewer"
)

// limiter is the extension that holds operations within the limits, the cheapest first: how many a caller sends a second,
// the document, who may introspect, inputs and cost, the points of the caller, the idempotency key, how many run at the same
// time, and for how long. It reports the cost in the response and the outcome in the access log.
type limiter struct {
	limits        *Limits
	schema        *ast.Schema
	documents     *document.Cache
	budgets       *budgets
	introspection Introspection
	places        *Places
	presenter     *Presenter
	// statements may be nil.
	statements func(context.Context) int
}

var (
	_ graphql.OperationParameterMutator = (*limiter)(nil)
	_ graphql.OperationContextMutator   = (*limiter)(nil)
	_ graphql.OperationInterceptor      = (*limiter)(nil)
	_ graphql.ResponseInterceptor       = (*limiter)(nil)
)

const extensionName = "Limits"

// state is what is known of one operation once it was priced. It is stored in the operation's statistics, as a mutator cannot
// return a context.
type state struct {
	price            document.Price
	limit, remaining int
	logged           atomic.Int32
	// key is the idempotency key of a mutation, or "".
	key      string
	replayed atomic.Bool
}

// stateOf returns the state of the operation in ctx, or nil.
func stateOf(ctx context.Context) *state {
	if !graphql.HasOperationContext(ctx) {
		return nil
	}
	s, _ := graphql.GetOperationContext(ctx).Stats.GetExtension(extensionName).(*state)
	return s
}

func (s *state) mayLog() bool { return s == nil || s.logged.Add(1) <= loggedInternals }

// Cost returns the points that the operation in ctx was charged, and false before it was priced.
func Cost(ctx context.Context) (int, bool) {
	s := stateOf(ctx)
	if s == nil {
		return 0, false
	}
	return s.price.Points, true
}

// ExtensionName names the extension.
func (*limiter) ExtensionName() string { return extensionName }

// Validate accepts every schema.
func (*limiter) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters charges one operation and reads its document.
func (l *limiter) MutateOperationParameters(ctx context.Context, params *graphql.RawParams) *gqlerror.Error {
	if f := l.budgets.start(viewer.From(ctx)); f != nil {
		return gqlerror.Wrap(f)
	}
	return l.documents.Read(ctx, params)
}

// MutateOperationContext checks and prices the operation, and charges its points.
func (l *limiter) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	if err := l.admit(viewer.From(ctx), op); err != nil {
		return gqlerror.Wrap(err)
	}
	return nil
}

func (l *limiter) admit(who *viewer.Viewer, op *graphql.OperationContext) error {
	price, wrong := document.Examine(l.schema, &l.limits.Limits, op)
	s := &state{price: price, limit: l.limits.MaxCost}
	op.Stats.SetExtension(extensionName, s)
	if price.Introspects {
		if f := l.introspection.check(who); f != nil {
			return f
		}
	}
	op.DisableIntrospection = !price.Introspects
	if wrong != nil {
		return wrong
	}
	if s.remaining, wrong = l.budgets.spend(who, price.Points); wrong != nil {
		return wrong
	}
	var err error
	if op.Operation.Operation == ast.Mutation {
		// On other operations a key is ignored.
		s.key, err = keyOf(op.Headers, op.Extensions)
	}
	return err
}

// InterceptOperation gives queries and mutations their deadline and a place among those that run. Subscriptions
// last until their client ends them; their number is limited per connection.
func (l *limiter) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	limit := l.limits.timeout(l.schema, graphql.GetOperationContext(ctx).Operation)
	if limit == 0 {
		return next(ctx)
	}
	// Set here, not around the response, so that loaders made by inner interceptors inherit it. When no
	// response is requested, the timer frees it.
	ctx, cancel := context.WithTimeout(ctx, limit)
	respond := next(ctx)
	answered := false
	return func(ctx context.Context) *graphql.Response {
		if answered {
			return nil // queries and mutations answer once
		}
		answered = true
		defer cancel()
		leave, err := l.places.Take(Principal(viewer.From(ctx)))
		if err != nil {
			return &graphql.Response{Errors: gqlerror.List{l.presenter.Present(ctx, err)}}
		}
		defer leave()
		if response := respond(ctx); response != nil {
			return response
		}
		// The executor answers nothing at all once the context has ended.
		if f := explainContext(ctx, nil); f != nil {
			return &graphql.Response{Errors: gqlerror.List{l.presenter.Present(ctx, f)}}
		}
		return nil
	}
}

// InterceptResponse bounds the errors, adds the cost, and notes the outcome for the access log.
func (l *limiter) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	response := next(ctx)
	if response == nil {
		return nil
	}
	response.Errors = l.limits.capErrors(response.Errors, math.MaxInt)
	s := stateOf(ctx)
	if s != nil && s.limit > 0 {
		if response.Extensions == nil {
			response.Extensions = make(map[string]any, 1)
		}
		response.Extensions["cost"] = map[string]any{
			"requested": s.price.Points, "limit": s.limit, "remaining": s.remaining,
		}
	}
	logOperation(ctx, l.statements, response.Errors)
	return response
}
