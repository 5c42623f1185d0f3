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

// entry is what the access log will say about one request. Operations of one connection may end at the
// same time, so everything behind mu is written under it.
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

// saneID is what other systems use as request ids. A letter is asked for, so that a social security or
// card number that somebody sends as one does not reach the log.
var (
	saneID    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{7,63}$`)
	hasLetter = regexp.MustCompile(`[A-Za-z]`)
)

func requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); saneID.MatchString(id) && hasLetter.MatchString(id) {
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
