package httpapi

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

const stateName = "Admission"

// state is what is known about one admitted operation; it lives in the operation's statistics, as a
// mutator cannot hand on a context.
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

// course is the extension that runs around an admitted operation: its deadline, its place among those
// that run at the same time, and what is said about it in the response and in the access log.
type course struct {
	limits    *Limits
	schema    *ast.Schema
	flights   *flights
	presenter *Presenter
	// statements may be nil.
	statements func(context.Context) int
}

var (
	_ graphql.OperationInterceptor = (*course)(nil)
	_ graphql.ResponseInterceptor  = (*course)(nil)
)

// ExtensionName names the extension.
func (*course) ExtensionName() string { return "Course" }

// Validate accepts every schema.
func (*course) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptOperation gives queries and mutations their deadline and their place in flight. Subscriptions
// last as long as somebody listens; their number is limited per connection.
func (c *course) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	if op.Operation.Operation == ast.Subscription {
		return next(ctx)
	}
	cancel := func() {}
	if limit := c.limits.timeout(c.schema, op.Operation); limit > 0 {
		// Set here, not around the answer, so that loaders made by inner interceptors inherit it. Should
		// the answer never be asked for, the timer frees it.
		ctx, cancel = context.WithTimeout(ctx, limit)
	}
	respond := next(ctx)
	asked := false
	return func(ctx context.Context) *graphql.Response {
		if asked {
			return nil // queries and mutations answer once
		}
		asked = true
		defer cancel()
		release, refusal := c.flights.enter(principal(viewer.From(ctx)))
		if refusal != nil {
			return &graphql.Response{Errors: gqlerror.List{c.presenter.Present(ctx, refusal)}}
		}
		defer release()
		if response := respond(ctx); response != nil {
			return response
		}
		// The executor answers nothing at all once the context has ended.
		if f := explainContext(ctx, nil); f != nil {
			return &graphql.Response{Errors: gqlerror.List{c.presenter.Present(ctx, f)}}
		}
		return nil
	}
}

// InterceptResponse bounds the errors, adds the cost, and notes the outcome for the access log.
func (c *course) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	response := next(ctx)
	if response == nil {
		return nil
	}
	response.Errors = capErrors(response.Errors, c.limits.MaxErrors)
	s := stateOf(ctx)
	if s != nil && s.limit > 0 {
		if response.Extensions == nil {
			response.Extensions = make(map[string]any, 1)
		}
		response.Extensions["cost"] = map[string]any{
			"requested": s.price.points, "limit": s.limit, "remaining": s.remaining,
		}
	}
	note(ctx, c.statements, response.Errors)
	return response
}

// note writes what the access log says about an operation.
func note(ctx context.Context, statements func(context.Context) int, errs gqlerror.List) {
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

// blame notes an error code that no operation has noted.
func blame(ctx context.Context, code fault.Code) {
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
