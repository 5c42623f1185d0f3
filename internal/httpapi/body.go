package httpapi

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// Read reads the GraphQL request of a POST with application/json, or of a GET: within the limits of size, time and
// shape, and only when no page of another site can have sent it without asking. The error repeats nothing of the
// request; where it is about the method, the header Allow says what is allowed.
func (e *Endpoint) Read(w http.ResponseWriter, r *http.Request) (params *graphql.RawParams, err error) {
	start := graphql.Now()
	switch r.Method {
	case http.MethodGet:
		params, err = e.readGet(r)
	case http.MethodPost:
		params, err = e.readPost(w, r)
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

// hasPreflightHeader reports whether the request carries one of the headers that exist only to make a browser ask
// first before a page of another origin may send it.
func hasPreflightHeader(r *http.Request) bool {
	return r.Header.Get("GraphQL-Require-Preflight") != "" || r.Header.Get("Apollo-Require-Preflight") != ""
}

// preflighted reports whether the request carries a header that a browser does not let a page of another
// origin send without asking first, so that its user's browser was not tricked into it. Basic credentials do
// not count: browsers add them of their own accord.
func preflighted(r *http.Request) bool {
	if hasPreflightHeader(r) || r.Header.Get(KeyHeader) != "" {
		return true
	}
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return ok && strings.EqualFold(scheme, "Bearer") && token != ""
}

func (e *Endpoint) readGet(r *http.Request) (*graphql.RawParams, error) {
	if !preflighted(r) {
		return nil, fault.New(fault.CSRFRefused, "A GET needs the header GraphQL-Require-Preflight: 1, or a credential in X-API-Key or Authorization.")
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault.New(fault.BadRequest, "The query string is malformed.")
	}
	// Written as the JSON of a POST and read by the same function, so that the same limits hold.
	body := getBuffer()
	defer putBuffer(body)
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
	return e.Limits.ParseParams(body.Bytes())
}

func (e *Endpoint) readPost(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, error) {
	if err := checkUncompressed(r); err != nil {
		return nil, err
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := params["charset"]; err != nil || media != typeJSON || (charset != "" && !isUTF8(charset)) {
		return nil, fault.New(fault.UnsupportedMedia, "The Content-Type must be application/json, in UTF-8.")
	}
	limit := e.Limits.BodyFor(viewer.From(r.Context()))
	if r.ContentLength > limit {
		return nil, bodyTooLarge(limit)
	}
	body := getBuffer()
	defer putBuffer(body)
	if r.ContentLength > 0 {
		body.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	in := newBodyReader(w, r)
	in.within(e.Limits.BodyTimeout, e.Limits.BodyTimeout)
	in.allow(limit + 1)
	if _, err := body.ReadFrom(io.LimitReader(in, limit+1)); err != nil {
		return nil, err
	}
	if int64(body.Len()) > limit {
		return nil, bodyTooLarge(limit)
	}
	return e.Limits.ParseParams(body.Bytes())
}

func bodyTooLarge(limit int64) *fault.Error {
	return fault.New(fault.PayloadTooLarge, "The request body is over the limit of %d bytes. Split the request.", limit)
}

// checkUncompressed refuses compressed bodies, which could unfold to any size.
func checkUncompressed(r *http.Request) error {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return fault.New(fault.UnsupportedMedia, "Compressed request bodies are not supported. Send the body as it is.")
	}
	return nil
}
