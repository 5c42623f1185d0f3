package httpapi

import (
	"context"
	"math"
	"slices"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

const stateName = "Admission"

// state holds the price of one admitted operation. It is stored in the operation's statistics, as a
// mutator cannot return a context.
type state struct {
	price     price
	limit     int
	remaining int
	logged    atomic.Int32
}

// stateOf returns the state of the operation in ctx, or nil.
func stateOf(ctx context.Context) *state {
	if !graphql.HasOperationContext(ctx) {
		return nil
	}
	s, _ := graphql.GetOperationContext(ctx).Stats.GetExtension(stateName).(*state)
	return s
}

func (s *state) mayLog() bool { return s == nil || s.logged.Add(1) <= loggedInternals }

// Cost returns the points that the operation in ctx was charged, and false before it was priced.
func Cost(ctx context.Context) (int, bool) {
	s := stateOf(ctx)
	if s == nil {
		return 0, false
	}
	return s.price.points, true
}

// operationLimits is the extension around an admitted operation: it enforces the deadline and the number of operations
// that run at the same time, and reports the cost in the response and the outcome in the access log.
type operationLimits struct {
	limits    *Limits
	schema    *ast.Schema
	places    *Places
	presenter *Presenter
	// statements may be nil.
	statements func(context.Context) int
}

var (
	_ graphql.OperationInterceptor = (*operationLimits)(nil)
	_ graphql.ResponseInterceptor  = (*operationLimits)(nil)
)

// ExtensionName names the extension.
func (*operationLimits) ExtensionName() string { return "OperationLimits" }

// Validate accepts every schema.
func (*operationLimits) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptOperation gives queries and mutations their deadline and a place among those that run. Subscriptions
// last until their client ends them; their number is limited per connection.
func (l *operationLimits) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	if op.Operation.Operation == ast.Subscription {
		return next(ctx)
	}
	cancel := func() {}
	if limit := l.limits.timeout(l.schema, op.Operation); limit > 0 {
		// Set here, not around the response, so that loaders made by inner interceptors inherit it. When no
		// response is requested, the timer frees it.
		ctx, cancel = context.WithTimeout(ctx, limit)
	}
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
func (l *operationLimits) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
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
			"requested": s.price.points, "limit": s.limit, "remaining": s.remaining,
		}
	}
	logOperation(ctx, l.statements, response.Errors)
	return response
}

// logOperation notes an operation for the access log.
func logOperation(ctx context.Context, statements func(context.Context) int, errs gqlerror.List) {
	e := entryOf(ctx)
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.operations++
	if op := graphql.GetOperationContext(ctx); op.Operation != nil {
		e.kind = string(op.Operation.Operation)
		e.name = "-"
		if plainName(op.Operation.Name) {
			e.name = op.Operation.Name
		}
	}
	if s := stateOf(ctx); s != nil {
		e.cost += s.price.points
	}
	if statements != nil {
		e.statements = statements(ctx)
	}
	for _, err := range errs {
		e.add(codeOf(err))
	}
}

// logCode notes an error code for the access log that no operation has noted.
func logCode(ctx context.Context, code fault.Code) {
	if e := entryOf(ctx); e != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.add(code)
	}
}

func (e *entry) add(code fault.Code) {
	if len(e.codes) < 10 && !slices.Contains(e.codes, code) {
		e.codes = append(e.codes, code)
	}
}
