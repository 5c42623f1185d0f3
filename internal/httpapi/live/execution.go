package live

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"caseload/internal/fault"
)

const defaultMaxResponse = 10 << 20

// execution takes one operation through the executor, whatever carries its results.
type execution struct {
	exec    graphql.GraphExecutor
	params  *graphql.RawParams
	timeout func(*graphql.OperationContext) time.Duration
	log     *slog.Logger
	op      *graphql.OperationContext
}

// prepare parses, validates and checks the operation. The context it returns is for run; the response
// is nil, or holds the errors for which the operation is not run.
func (e *execution) prepare(ctx context.Context) (_ context.Context, refusal *graphql.Response) {
	// The trace of the request began when the connection was opened, which may be hours ago.
	ctx = graphql.StartOperationTrace(ctx)
	defer e.recovered(ctx, &refusal)
	op, errs := e.exec.CreateOperationContext(ctx, e.params)
	e.op = op
	ctx = graphql.WithOperationContext(ctx, op)
	if len(errs) > 0 {
		return ctx, e.exec.DispatchError(ctx, errs)
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

// run hands each result to send until there are no more, send returns false or ctx ends. The response
// it returns is nil, or holds the errors for which the operation gave no result at all.
func (e *execution) run(ctx context.Context, send func(*graphql.Response) bool) (failure *graphql.Response) {
	defer e.recovered(ctx, &failure)
	ctx, cancel := e.deadline(ctx)
	defer cancel()
	responses, ctx := e.exec.DispatchOperation(ctx, e.op)
	for sent := 0; ; sent++ {
		response := e.event(ctx, responses)
		switch {
		case response == nil:
			// The executor gives no response once the context has ended, not even an error.
			if sent == 0 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return e.explain(ctx, fault.New(fault.Timeout, "The operation took longer than its limit."))
			}
			return nil
		case sent == 0 && len(response.Data) == 0 && len(response.Errors) > 0:
			// No data, not even null: the operation was refused before it ran.
			return response
		case !send(response):
			return nil
		}
	}
}

// event gets one result with a context of its own, which ends with it: what response middleware put
// there for one event, loaders above all, must not outlive it.
func (e *execution) event(ctx context.Context, responses graphql.ResponseHandler) *graphql.Response {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return responses(ctx)
}

// deadline limits queries and mutations; a subscription lasts as long as somebody listens.
func (e *execution) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if e.timeout != nil && e.kind() != ast.Subscription {
		if limit := e.timeout(e.op); limit > 0 {
			return context.WithTimeout(ctx, limit)
		}
	}
	return context.WithCancel(ctx)
}

// recovered turns a panic into a response: on a goroutine of ours nobody else would catch it.
func (e *execution) recovered(ctx context.Context, into **graphql.Response) {
	cause := recover()
	if cause == nil {
		return
	}
	if e.op != nil && e.op.RecoverFunc != nil {
		*into = e.explain(ctx, e.op.RecoverFunc(ctx, cause))
		return
	}
	// The value of the panic may hold what the client sent; the stack does not.
	e.log.ErrorContext(ctx, "panic before an operation was prepared", "stack", string(debug.Stack()))
	*into = e.explain(ctx, fault.New(fault.Internal, "Something went wrong on our side."))
}

func (e *execution) explain(ctx context.Context, err error) *graphql.Response {
	op := e.op
	if op == nil {
		op = &graphql.OperationContext{}
	}
	return explain(graphql.WithOperationContext(ctx, op), e.exec, err)
}

// explain lets the executor's presenter put an error into words, so that it looks like all others.
func explain(ctx context.Context, exec graphql.GraphExecutor, err error) *graphql.Response {
	if !graphql.HasOperationContext(ctx) {
		ctx = graphql.WithOperationContext(ctx, &graphql.OperationContext{})
	}
	presented := &gqlerror.Error{Err: err, Message: err.Error()}
	var f *fault.Error
	if errors.As(err, &f) {
		presented.Message = f.Message
		presented.Extensions = map[string]any{"code": string(f.Code)}
	}
	return exec.DispatchError(ctx, gqlerror.List{presented})
}

// encode returns the JSON of a response, or an error that may be shown when it is too large or a
// scalar produced something that is not JSON.
func encode(response *graphql.Response, limit int) ([]byte, *fault.Error) {
	body, err := json.Marshal(response)
	if err != nil {
		return nil, fault.New(fault.Internal, "The result could not be written as JSON.")
	}
	if len(body) > limit {
		return nil, fault.New(fault.ResponseTooLarge, "The result is over %d bytes; select less, or page.", limit)
	}
	return body, nil
}

// refuse answers a request that does not become a connection.
func refuse(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor, f *fault.Error) {
	response := explain(r.Context(), exec, f)
	body, err := json.Marshal(struct {
		Errors gqlerror.List `json:"errors"`
	}{response.Errors})
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if f.Code == fault.MethodNotAllowed {
		h.Set("Allow", http.MethodPost)
	}
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
	}
	w.WriteHeader(f.Code.Info().Status)
	// The client may be gone; there is nobody left to tell.
	_, _ = w.Write(body)
}

// asFault returns the fault in err, or one with the given code and sentence that keeps err for the log.
func asFault(err error, code fault.Code, sentence string) *fault.Error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	return fault.Wrap(code, err, "%s", sentence)
}
