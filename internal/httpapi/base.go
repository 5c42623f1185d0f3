package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Base is what all handlers of the API share: limits, the one form of errors, the log, and the middleware around them. Safe
// for use by several goroutines.
type Base struct {
	Limits    *Limits
	Presenter *Presenter
	// Log receives defects.
	Log     *slog.Logger
	origins []string
	proxies []string
}

// NewBase returns the base of a handler with these options. It needs no schema.
func NewBase(o Options) *Base {
	b := &Base{Limits: o.Limits, Log: o.Log, origins: o.Origins, proxies: o.Proxies}
	if b.Limits == nil {
		limits := DefaultLimits()
		b.Limits = &limits
	}
	if b.Log == nil {
		b.Log = slog.Default()
	}
	b.Presenter = &Presenter{Classify: o.Classify, Log: b.Log, Suggestions: o.Introspection == IntrospectionOpen, MaxMessage: b.Limits.MaxErrorMessage}
	if o.Schema != nil {
		b.Presenter.Schema = o.Schema.Schema()
	}
	return b
}

// Middleware is around every handler: request id and access log, the client's address, security headers, recovery and CORS.
// It panics when a proxy network is malformed.
func (b *Base) Middleware() chi.Middlewares {
	return chi.Middlewares{accessLog(b.Log), clientAddress(b.proxies...), securityHeaders, b.recoverer, b.crossOrigin}
}

// Refuse ends a request with one error, in the shape and the media type of a GraphQL response and with the status of its
// code. Nothing may have been written before.
func (b *Base) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	b.send(w, r, b.Explain(r.Context(), err), false)
}

// Explain returns the response that holds an error and nothing else, and notes its code for the access log.
func (b *Base) Explain(ctx context.Context, err error) *graphql.Response {
	presented := b.Presenter.Present(ctx, err)
	note(ctx, func(e *entry) { e.addCode(codeOf(presented)) })
	return &graphql.Response{Errors: gqlerror.List{presented}}
}

// clientAddress finds the address of the client for the audit log and for anonymous budgets; read it with
// chi's middleware.GetClientIP. X-Forwarded-For counts only as far as the given networks of proxies, in
// CIDR notation, have written it; without any it is ignored. It panics when a network is malformed.
func clientAddress(proxies ...string) func(http.Handler) http.Handler {
	if len(proxies) == 0 {
		return middleware.ClientIPFromRemoteAddr
	}
	return middleware.ClientIPFromXFF(proxies...)
}

// securityHeaders forbids browsers to sniff types, and to frame, cache or execute a response.
func securityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		next.ServeHTTP(w, r)
	})
}

const (
	allowedMethods = "GET, POST"
	allowedHeaders = "Content-Type, Accept, Authorization, " + KeyHeader + ", X-Request-Id, X-Client-Name, X-Client-Version, " +
		idempotencyHeader + ", GraphQL-Require-Preflight, Apollo-Require-Preflight"
	exposedHeaders = "X-Request-Id, Retry-After, " + replayedHeader
)

// AllowsOrigin reports whether pages of the origin, as in "https://portal.example.com", may use the API from a browser: those
// of [Options.Origins]. Scheme and host have no letter case, and there are no wildcards.
func (b *Base) AllowsOrigin(origin string) bool {
	return slices.ContainsFunc(b.origins, func(allowed string) bool { return strings.EqualFold(allowed, origin) })
}

// crossOrigin lets pages of the allowed origins read responses. Credentials of the browser (cookies, Basic) are never allowed
// along. Preflights end here; others get no CORS headers, so that the browser keeps the response from the page.
func (b *Base) crossOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		allowed := origin != "" && b.AllowsOrigin(origin)
		if allowed {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", exposedHeaders)
		}
		if r.Method == http.MethodOptions {
			h.Set("Allow", allowedMethods)
			if allowed && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", allowedMethods)
				h.Set("Access-Control-Allow-Headers", allowedHeaders)
				h.Set("Access-Control-Max-Age", "600")
			}
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// recoverer turns a panic of a handler into INTERNAL and logs it with its stack. After the first byte of a response, it breaks off the
// connection: an error behind half a file would be part of the file. http.ErrAbortHandler, by which a handler breaks off a connection
// on purpose, passes. It must be within the access log, whose writer knows whether something was sent.
func (b *Base) recoverer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler {
				panic(cause)
			}
			err := b.Presenter.Recover(r.Context(), cause)
			if w.(middleware.WrapResponseWriter).Status() != 0 {
				panic(http.ErrAbortHandler)
			}
			b.Refuse(w, r, err)
		}()
		next.ServeHTTP(w, r)
	})
}
