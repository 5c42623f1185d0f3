package httpapi

import (
	"context"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"caseload/internal/fault"
)

// plainHTTP is the transport for queries and mutations over plain HTTP: POST with application/json, or with
// multipart/form-data where there are files, and GET for queries. It follows the GraphQL-over-HTTP
// specification as its audits (graphql-http) test it, and never repeats anything of a request it cannot
// read. It is the last transport, as it answers all that the others do not.
type plainHTTP struct {
	// uploads takes requests with files; nil takes none.
	uploads *Uploads
}

var _ Transport = (*plainHTTP)(nil)

// Supports reports whether the request does not ask for another protocol.
func (t *plainHTTP) Supports(r *http.Request) bool { return r.Header.Get("Upgrade") == "" }

// Serve answers one request.
func (t *plainHTTP) Serve(w http.ResponseWriter, r *http.Request, e *Endpoint) {
	if _, ok := negotiate(r); !ok {
		e.Refuse(w, r, fault.New(fault.NotAcceptable, "The response can be %s or %s; the Accept header admits neither.", typeGraphQL, typeJSON))
		return
	}
	if t.uploads.supports(r) {
		t.uploads.serve(w, r, e)
		return
	}
	params, err := e.Read(w, r)
	if err != nil {
		e.Refuse(w, r, err)
		return
	}
	op, errs := e.CreateOperationContext(r.Context(), params)
	ctx := graphql.WithOperationContext(r.Context(), op)
	if len(errs) > 0 {
		e.reject(ctx, w, r, errs, true)
		return
	}
	if op.Operation.Operation == ast.Subscription {
		w.Header().Set("Allow", http.MethodPost)
		e.Refuse(w, r, fault.New(fault.MethodNotAllowed, "Subscriptions need WebSocket (graphql-transport-ws) or server-sent events (Accept: text/event-stream)."))
		return
	}
	if err := e.CheckMethod(w, r, op.Operation.Operation); err != nil {
		e.Refuse(w, r, err)
		return
	}
	e.run(ctx, w, r, op)
}

// reject answers an operation that may not run; ofOperation reports whether the fault is in the operation itself, not
// in the HTTP request around it.
func (e *Endpoint) reject(ctx context.Context, w http.ResponseWriter, r *http.Request, errs gqlerror.List, ofOperation bool) {
	response := e.DispatchError(ctx, errs)
	response.Data = nil
	e.send(w, r, response, ofOperation)
}

// run runs an operation and sends its answer.
func (e *Endpoint) run(ctx context.Context, w http.ResponseWriter, r *http.Request, op *graphql.OperationContext) {
	respond, ctx := e.DispatchOperation(ctx, op)
	response := respond(ctx)
	if response == nil {
		return // the client is gone
	}
	if s := stateOf(ctx); s != nil && s.replayed.Load() {
		w.Header().Set(replayedHeader, "true")
	}
	response, _ = e.Bound(ctx, response)
	e.send(w, r, response, true)
}
