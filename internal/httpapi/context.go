package httpapi

import (
	"context"
	"net/http"
	"regexp"
	"sync"

	"github.com/google/uuid"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// entry collects what the access log writes about one request. Operations of one connection may end at the
// same time, so mu guards everything below it.
type entry struct {
	requestID string
	// claimed is set by the access log that will write the line.
	claimed bool

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
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.NewString()
	}
	return id.String()
}

func contextWithEntry(ctx context.Context, e *entry) context.Context {
	return context.WithValue(ctx, entryKey{}, e)
}
