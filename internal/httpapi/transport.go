package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// HTTP is the transport for queries and mutations over plain HTTP: POST with application/json, or with
// multipart/form-data where there are files, and GET for queries. It follows the GraphQL-over-HTTP
// specification as its audits (graphql-http) test it, and never repeats anything of a request it cannot
// read. Add it after the transports of live results, as it answers whatever they leave. Safe for use at once.
type HTTP struct {
	Limits    *Limits
	Presenter *Presenter
	// Uploads takes requests with files; nil takes none.
	Uploads *Uploads
}

var _ graphql.Transport = (*HTTP)(nil)

// Supports takes every request that does not ask for another protocol.
func (t *HTTP) Supports(r *http.Request) bool { return r.Header.Get("Upgrade") == "" }

// Do answers one request.
func (t *HTTP) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	a := &answer{w: w, r: r, mediaType: typeJSON, limits: t.Limits}
	mediaType, ok := negotiate(r)
	if ok {
		a.mediaType = mediaType
	} else {
		t.refuse(a, fault.New(fault.NotAcceptable, "The response can be %s or %s; the Accept header admits neither.", typeGraphQL, typeJSON))
		return
	}
	if t.Uploads.supports(r) {
		t.upload(a, exec)
		return
	}
	params, err := t.read(w, r)
	if err != nil {
		t.refuse(a, err)
		return
	}
	t.run(a, params, exec)
}

func (t *HTTP) run(a *answer, params *graphql.RawParams, exec graphql.GraphExecutor) {
	ctx := a.r.Context()
	op, errs := exec.CreateOperationContext(ctx, params)
	ctx = graphql.WithOperationContext(ctx, op)
	if len(errs) > 0 {
		t.unfit(ctx, a, exec, errs, true)
		return
	}
	if kind := op.Operation.Operation; kind == ast.Subscription {
		a.w.Header().Set("Allow", "POST")
		t.refuse(a, fault.New(fault.MethodNotAllowed, "Subscriptions need WebSocket (graphql-transport-ws) or server-sent events (Accept: text/event-stream)."))
		return
	} else if kind != ast.Query && a.r.Method == http.MethodGet {
		a.w.Header().Set("Allow", "POST")
		t.refuse(a, fault.New(fault.MethodNotAllowed, "GET runs queries only. Send mutations with POST."))
		return
	}
	t.dispatch(ctx, a, op, exec)
}

// unfit answers an operation that may not run; ofOperation reports whether the fault is in the operation itself, not
// in the HTTP request around it.
func (t *HTTP) unfit(ctx context.Context, a *answer, exec graphql.GraphExecutor, errs gqlerror.List, ofOperation bool) {
	response := exec.DispatchError(ctx, errs)
	response.Data = nil
	a.send(statusOf(a.mediaType, response, ofOperation), response)
}

// dispatch runs an operation and sends its answer.
func (t *HTTP) dispatch(ctx context.Context, a *answer, op *graphql.OperationContext, exec graphql.GraphExecutor) {
	respond, ctx := exec.DispatchOperation(ctx, op)
	response := respond(ctx)
	if response == nil {
		return // the client is gone
	}
	tellReplay(ctx, a.w.Header())
	response = a.tooBig(ctx, t.Presenter, response)
	a.send(statusOf(a.mediaType, response, true), response)
}

// refuse ends a request that is not an operation, or not one for this transport.
func (t *HTTP) refuse(a *answer, err error) {
	e := t.Presenter.Present(a.r.Context(), err)
	blame(a.r.Context(), codeOf(e))
	response := &graphql.Response{Errors: gqlerror.List{e}}
	a.send(statusOf(a.mediaType, response, false), response)
}

func (t *HTTP) read(w http.ResponseWriter, r *http.Request) (params *graphql.RawParams, err error) {
	start := graphql.Now()
	switch r.Method {
	case http.MethodGet:
		params, err = t.readGet(r)
	case http.MethodPost:
		params, err = t.readPost(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		return nil, fault.New(fault.MethodNotAllowed, "Use POST, or GET for queries.")
	}
	if err != nil {
		return nil, err
	}
	params.Headers = r.Header
	params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
	return params, nil
}

// Preflighted reports whether the request carries a header that a browser does not let a page of another
// origin send without asking first, so that it was not made behind its user's back. Basic credentials do
// not count: browsers add them of their own accord.
func Preflighted(r *http.Request) bool {
	for _, name := range []string{"GraphQL-Require-Preflight", "Apollo-Require-Preflight", "X-API-Key"} {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return ok && strings.EqualFold(scheme, "Bearer") && token != ""
}

func (t *HTTP) readGet(r *http.Request) (*graphql.RawParams, error) {
	if !Preflighted(r) {
		return nil, fault.New(fault.CSRFRefused, "A GET needs the header GraphQL-Require-Preflight: 1, or a credential in X-API-Key or Authorization.")
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault.New(fault.BadRequest, "The query string is malformed.")
	}
	// Written as the JSON of a POST and read by the same function, so that the same limits hold.
	body := borrow()
	defer giveBack(body)
	body.WriteByte('{')
	for _, name := range []string{"query", "operationName", "variables", "extensions"} {
		values := q[name]
		switch {
		case len(values) > 1:
			return nil, fault.New(fault.BadRequest, "%s occurs twice in the query string.", name)
		case len(values) == 0 || values[0] == "":
			continue
		}
		if body.Len() > 1 {
			body.WriteByte(',')
		}
		body.WriteString(`"` + name + `":`)
		if err := appendMember(body, name, values[0]); err != nil {
			return nil, err
		}
	}
	body.WriteByte('}')
	return t.Limits.ParseParams(body.Bytes())
}

func (t *HTTP) readPost(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, error) {
	if err := uncompressed(r); err != nil {
		return nil, err
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := params["charset"]; err != nil || media != typeJSON || (charset != "" && !isUTF8(charset)) {
		return nil, fault.New(fault.UnsupportedMedia, "The Content-Type must be application/json, in UTF-8.")
	}
	limit := t.Limits.BodyFor(viewer.From(r.Context()))
	tooLarge := fault.New(fault.PayloadTooLarge, "The request body is over the limit of %d bytes. Split the request.", limit)
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	body := borrow()
	defer giveBack(body)
	if err := t.readBody(w, r, body, limit); err != nil {
		var over *http.MaxBytesError
		if errors.As(err, &over) {
			return nil, tooLarge
		}
		return nil, fault.New(fault.BadRequest, "The request body could not be read to its end.")
	}
	return t.Limits.ParseParams(body.Bytes())
}

func uncompressed(r *http.Request) error {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return fault.New(fault.UnsupportedMedia, "Compressed request bodies are not supported. Send the body as it is.")
	}
	return nil
}

// readBody reads within BodyTimeout. The deadline is lifted afterwards: while a handler runs, the server
// watches the connection by reading from it, and an expired deadline would cancel a long mutation.
func (t *HTTP) readBody(w http.ResponseWriter, r *http.Request, into *bytes.Buffer, limit int64) error {
	control := http.NewResponseController(w)
	if control.SetReadDeadline(time.Now().Add(t.Limits.BodyTimeout)) == nil {
		defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	}
	if r.ContentLength > 0 {
		into.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := into.ReadFrom(io.Reader(http.MaxBytesReader(w, r.Body, limit)))
	return err
}
