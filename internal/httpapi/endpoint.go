package httpapi

import (
	"context"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// KeyHeader is the header that holds an API key.
const KeyHeader = "X-API-Key"

// Transport answers the requests of one protocol. It is safe for use by several goroutines.
type Transport interface {
	// Supports reports whether the request is one of the protocol, as far as its headers say.
	Supports(r *http.Request) bool
	// Serve answers the request, and returns when nothing of it runs any more.
	Serve(w http.ResponseWriter, r *http.Request, e *Endpoint)
}

// Endpoint is what all transports share: how a request is read, whose it is, how it is refused, how its operation
// runs, and how large its response may be. It is made by [Handler], hands each request to the first transport that
// supports it, and is safe for use by several goroutines.
type Endpoint struct {
	*Base
	// GraphExecutor parses, validates, admits and runs operations.
	graphql.GraphExecutor

	identify   func(*http.Request) (*viewer.Viewer, error)
	budgets    *budgets
	transports []Transport
}

// ServeHTTP answers a request by the first transport that supports it.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = r.WithContext(graphql.StartOperationTrace(r.Context()))
	for _, t := range e.transports {
		if t.Supports(r) {
			t.Serve(w, r, e)
			return
		}
	}
	e.Refuse(w, r, fault.New(fault.BadRequest, "The server does not speak the protocol that the Upgrade header names."))
}

// Identify returns the viewer whose credential stands in the headers of the request, anonymous when there is none,
// with the id and the address of the request. The error is that of [Options.Identify], or RATE_LIMITED where too many
// wrong keys have come from the network.
func (e *Endpoint) Identify(r *http.Request) (*viewer.Viewer, error) {
	v, address := viewer.Nobody, middleware.GetClientIP(r.Context())
	if e.identify != nil {
		found, err := e.budgets.identify(r, address, e.identify)
		if err != nil {
			return nil, err
		}
		if found != nil {
			v = found
		}
	}
	// A copy: viewers may be shared by a cache of credentials.
	own := *v
	own.RequestID, own.IP = RequestID(r.Context()), address
	return &own, nil
}

// authenticate puts the viewer into the context. A wrong credential ends the request and is never treated like none,
// or a client with an expired key would get answers that look empty.
func (e *Endpoint) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := e.Identify(r)
		if err != nil {
			e.Refuse(w, r, err)
			return
		}
		note(r.Context(), func(e *entry) { e.viewer = v })
		next.ServeHTTP(w, r.WithContext(viewer.With(r.Context(), v)))
	})
}

// CheckMethod returns METHOD_NOT_ALLOWED, and says in the header Allow what is, when a GET asks for something else than
// a query or a subscription: a link or an image must not change anything.
func (e *Endpoint) CheckMethod(w http.ResponseWriter, r *http.Request, kind ast.Operation) error {
	if r.Method != http.MethodGet || kind != ast.Mutation {
		return nil
	}
	w.Header().Set("Allow", http.MethodPost)
	return fault.New(fault.MethodNotAllowed, "GET does not run mutations. Send them with POST.")
}

// Bound returns the response and true when its data is within the size limit; else RESPONSE_TOO_LARGE in its place, and
// false.
func (e *Endpoint) Bound(ctx context.Context, response *graphql.Response) (_ *graphql.Response, within bool) {
	if len(response.Data) <= e.Limits.MaxResponse {
		return response, true
	}
	advice := "Select less, or ask for smaller pages."
	if op := graphql.GetOperationContext(ctx); op.Operation != nil && op.Operation.Operation == ast.Mutation {
		advice = "The mutation has been carried out; select less of what it answers."
	}
	explained := e.Explain(ctx, fault.New(fault.ResponseTooLarge, "The answer has %d bytes; the limit is %d. %s", len(response.Data), e.Limits.MaxResponse, advice))
	explained.Extensions = response.Extensions
	return explained, false
}
