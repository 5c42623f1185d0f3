package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// entry collects what the access log writes about one request. Operations of one connection may end at the
// same time, so mu guards everything below it.
type entry struct {
	requestID string

	mu         sync.Mutex
	operations int
	name, kind string
	cost       int
	statements int
	codes      []fault.Code
	viewer     *viewer.Viewer
}

type entryKey struct{}

func entryOf(ctx context.Context) *entry {
	e, _ := ctx.Value(entryKey{}).(*entry)
	return e
}

// RequestID returns the id of the request in ctx, which errors and the log quote; "" outside of one.
func RequestID(ctx context.Context) string {
	if e := entryOf(ctx); e != nil {
		return e.requestID
	}
	return viewer.From(ctx).RequestID
}

// validRequestID matches what other systems use as request ids. A letter is required, so that a social security or
// card number that is sent as one does not reach the log.
var (
	validRequestID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{7,63}$`)
	hasLetter      = regexp.MustCompile(`[A-Za-z]`)
)

func requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); validRequestID.MatchString(id) && hasLetter.MatchString(id) {
		return id
	}
	return uuid.Must(uuid.NewV7()).String()
}

// accessLog gives each request an id, that of X-Request-Id when it is well formed, else a new UUID, and repeats it in the
// response. It writes one line per request when it ends: the operation by name, the outcome and the cost; never a query text,
// a variable, a query string or a message. It must be the outermost of the middlewares, as the others quote the id.
func accessLog(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e := &entry{requestID: requestID(r)}
			w.Header().Set("X-Request-Id", e.requestID)
			r = r.WithContext(context.WithValue(r.Context(), entryKey{}, e))
			start := time.Now()
			wrapped := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			defer func() { e.log(log, r, wrapped, time.Since(start)) }()
			next.ServeHTTP(wrapped, r)
		})
	}
}

func (e *entry) log(log *slog.Logger, r *http.Request, w middleware.WrapResponseWriter, took time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	attrs := []slog.Attr{
		slog.String("method", shorten(mask(r.Method), 16)),
		slog.String("path", route(r)),
		slog.Int("status", w.Status()),
		slog.Float64("ms", float64(took.Microseconds())/1000),
		slog.Int("bytes", w.BytesWritten()),
		slog.String("request_id", e.requestID),
	}
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
	log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
}

// route returns the pattern that the router matched: paths hold tokens of signed links, and those that
// match nothing hold any text of the client.
func route(r *http.Request) string {
	if c := chi.RouteContext(r.Context()); c != nil {
		if pattern := c.RoutePattern(); pattern != "" && !strings.HasSuffix(pattern, "*") {
			return pattern
		}
		return "other"
	}
	return shorten(mask(r.URL.Path), 128)
}

// note adds to the entry of the request in ctx, if there is one.
func note(ctx context.Context, add func(e *entry)) {
	if e := entryOf(ctx); e != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		add(e)
	}
}

func logOperation(ctx context.Context, statements func(context.Context) int, errs gqlerror.List) {
	note(ctx, func(e *entry) {
		e.operations++
		if op := graphql.GetOperationContext(ctx); op.Operation != nil {
			e.kind = string(op.Operation.Operation)
			e.name = "-"
			if plainName(op.Operation.Name) {
				e.name = op.Operation.Name
			}
		}
		if s := stateOf(ctx); s != nil {
			e.cost += s.price.Points
		}
		if statements != nil {
			e.statements = statements(ctx)
		}
		for _, err := range errs {
			e.addCode(codeOf(err))
		}
	})
}

func (e *entry) addCode(code fault.Code) {
	if len(e.codes) < 10 && !slices.Contains(e.codes, code) {
		e.codes = append(e.codes, code)
	}
}
