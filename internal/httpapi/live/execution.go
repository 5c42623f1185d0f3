package live

import (
	"context"
	"encoding/json"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/fault"
	"caseload/internal/httpapi"
)

// execution takes one operation through the executor, for any transport.
type execution struct {
	endpoint *httpapi.Endpoint
	params   *graphql.RawParams
	op       *graphql.OperationContext
}

// prepare parses, validates and checks the operation. The context it returns is for run; the response
// is nil, or holds the errors for which the operation is not run.
func (e *execution) prepare(ctx context.Context) (_ context.Context, refusal *graphql.Response) {
	// The trace of the request began when the connection was opened, which may be hours ago.
	ctx = graphql.StartOperationTrace(ctx)
	op, errs := e.endpoint.CreateOperationContext(ctx, e.params)
	e.op = op
	ctx = graphql.WithOperationContext(ctx, op)
	if len(errs) > 0 {
		return ctx, e.endpoint.DispatchError(ctx, errs)
	}
	return ctx, nil
}

// kind is "" before prepare, and when prepare refused.
func (e *execution) kind() ast.Operation {
	if e.op == nil || e.op.Operation == nil {
		return ""
	}
	return e.op.Operation.Operation
}

// guard runs what ends an operation, and reports whether it did not panic. What the executor runs is guarded already, so a panic
// is one of the presenter of errors itself. Its value may hold what the client sent; the stack does not.
func (e *execution) guard(ctx context.Context, f func()) (ok bool) {
	defer func() {
		if recover() != nil {
			e.endpoint.Log.ErrorContext(ctx, "panic in an operation of a connection", "stack", string(debug.Stack()))
			ok = false
		}
	}()
	f()
	return true
}

// run hands the JSON of each result to send until there are no more, send returns false or ctx ends. The response
// it returns is nil, or holds the errors for which the operation gave no result at all, or which ended it.
func (e *execution) run(ctx context.Context, send func(body []byte) bool) (failure *graphql.Response) {
	defer func() {
		// Nothing else recovers on a goroutine of a connection.
		if cause := recover(); cause != nil {
			failure = e.endpoint.Explain(ctx, e.endpoint.Presenter.Recover(ctx, cause))
		}
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	responses, ctx := e.endpoint.DispatchOperation(ctx, e.op)
	for first := true; ; first = false {
		response := next(ctx, responses)
		switch {
		case response == nil:
			return nil
		case first && len(response.Data) == 0 && len(response.Errors) > 0:
			// No data, not even null: the operation was refused before it ran.
			return response
		}
		response, within := e.endpoint.Bound(ctx, response)
		if !within {
			return response
		}
		body, err := json.Marshal(response)
		if err != nil {
			return e.endpoint.Explain(ctx, fault.Wrap(fault.Internal, err, "The result could not be written as JSON."))
		}
		if !send(body) {
			return nil
		}
	}
}

// next gets one result with a context of its own, which ends with it: what response middleware put
// there for one event, loaders above all, must not outlive it.
func next(ctx context.Context, responses graphql.ResponseHandler) *graphql.Response {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return responses(ctx)
}
