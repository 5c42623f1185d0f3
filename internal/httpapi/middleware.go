package httpapi

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// Identify gives each request an id: that of X-Request-Id when it is a sane one, else a new UUID. The
// response repeats it. It must be the outermost of these middlewares, as the others quote the id.
func Identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if entryOf(r.Context()) != nil {
			next.ServeHTTP(w, r)
			return
		}
		e := &entry{requestID: requestID(r)}
		w.Header().Set("X-Request-Id", e.requestID)
		next.ServeHTTP(w, r.WithContext(contextWithEntry(r.Context(), e)))
	})
}

// ClientAddress finds the address of the client for the audit log and for anonymous budgets; read it with
// chi's middleware.GetClientIP. X-Forwarded-For counts only as far as the given networks of proxies, in
// CIDR notation, have written it; without any it is ignored. It panics when a network is malformed.
func ClientAddress(proxies ...string) func(http.Handler) http.Handler {
	if len(proxies) == 0 {
		return middleware.ClientIPFromRemoteAddr
	}
	return middleware.ClientIPFromXFF(proxies...)
}

// SecurityHeaders forbids browsers to sniff types, and to frame, cache or execute a response. Handlers of pages set their own Content-Security-Policy and Cache-Control.
func SecurityHeaders(next http.Handler) http.Handler {
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

// CrossOrigin lets pages of exactly these origins, as in "https://portal.example.com", read responses. There
// are no wildcards, and credentials of the browser (cookies, Basic) are never allowed along. Preflights end
// here; others get no CORS headers, so that the browser keeps the response from the page.
func CrossOrigin(origins ...string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Add("Vary", "Origin")
			origin := r.Header.Get("Origin")
			allowed := origin != "" && containsOrigin(origins, origin)
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
}

// AccessLog writes one line per request when it ends: the operation by name, the outcome and the
// cost; never a query text, a variable, a query string or a message. Used twice in a chain, the outer one
// logs. nil is [slog.Default].
func AccessLog(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if e := entryOf(r.Context()); e != nil {
				if e.claimed {
					next.ServeHTTP(w, r)
					return
				}
				e.claimed = true
			}
			start := time.Now()
			wrapped := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			defer func() { logRequest(orDefault(log), r, wrapped, time.Since(start)) }()
			next.ServeHTTP(wrapped, r)
		})
	}
}

func logRequest(log *slog.Logger, r *http.Request, w middleware.WrapResponseWriter, took time.Duration) {
	attrs := []slog.Attr{
		slog.String("method", shorten(mask(r.Method), 16)),
		slog.String("path", route(r)),
		slog.Int("status", w.Status()),
		slog.Float64("ms", float64(took.Microseconds())/1000),
		slog.Int("bytes", w.BytesWritten()),
	}
	if e := entryOf(r.Context()); e != nil {
		e.mu.Lock()
		attrs = append(attrs, slog.String("request_id", e.requestID))
		if e.operations > 0 {
			attrs = append(attrs, slog.Int("operations", e.operations), slog.String("operation", e.name),
				slog.String("operation_kind", e.kind), slog.Int("cost", e.cost), slog.Int("statements", e.statements))
		}
		if len(e.codes) > 0 {
			attrs = append(attrs, slog.Any("codes", e.codes))
		}
		if e.viewer != nil && e.viewer.Kind != viewer.Anonymous {
			attrs = append(attrs, slog.String("organization", e.viewer.OrganizationID.String()), slog.String("actor", e.viewer.ActorID.String()))
		}
		e.mu.Unlock()
	}
	log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
}

// route returns the pattern that the router matched: paths hold tokens of signed links, and those that
// match nothing hold whatever a client liked to send.
func route(r *http.Request) string {
	if c := chi.RouteContext(r.Context()); c != nil {
		if pattern := c.RoutePattern(); pattern != "" && !strings.HasSuffix(pattern, "*") {
			return pattern
		}
		return "other"
	}
	return shorten(mask(r.URL.Path), 128)
}

// Recoverer turns a panic of a handler into INTERNAL and logs it with its stack. http.ErrAbortHandler, by
// which a handler breaks off a connection on purpose, passes.
func Recoverer(p *Presenter) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				cause := recover()
				if cause == nil {
					return
				}
				if cause == http.ErrAbortHandler {
					panic(cause)
				}
				p.log().LogAttrs(r.Context(), slog.LevelError, "panic",
					slog.String("request_id", RequestID(r.Context())),
					slog.String("cause", panicText(cause)), slog.String("stack", string(debug.Stack())))
				if r.Header.Get("Upgrade") == "" {
					WriteError(w, r, p, fault.Wrap(fault.Internal, &panicked{}, wentWrong))
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
}

// WriteError ends a request with one error, in the shape and the media type of a GraphQL response and with
// the status of its code. Nothing may have been written before.
func WriteError(w http.ResponseWriter, r *http.Request, p *Presenter, err error) {
	limits := DefaultLimits()
	newAnswer(w, r, &limits).refuse(p, err)
}

func orDefault(log *slog.Logger) *slog.Logger {
	if log != nil {
		return log
	}
	return slog.Default()
}
