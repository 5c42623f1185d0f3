package httpapi

import (
	"context"
	"net/http"

	"caseload/internal/fault"
	"caseload/internal/idempotency"
)

const (
	idempotencyHeader = "Idempotency-Key"
	replayedHeader    = "Idempotency-Replayed"
	// keyExtension is where the key stands in the extensions of an operation, for protocols in which an operation
	// has no headers of its own.
	keyExtension = "idempotencyKey"
)

// keyOf returns the idempotency key of an operation, well formed, or "" when there is none.
func keyOf(h http.Header, extensions map[string]any) (key string, err error) {
	var headers []string
	if h.Get("Upgrade") == "" {
		// The headers of a WebSocket are those of the connection, not of one operation on it.
		headers = h.Values(idempotencyHeader)
	}
	value, extended := extensions[keyExtension]
	key, isText := value.(string)
	switch {
	case len(headers) > 1:
		return "", fault.New(fault.BadRequest, "The header %s occurs twice.", idempotencyHeader)
	case extended && !isText:
		return "", fault.New(fault.BadRequest, "extensions.%s must be a string.", keyExtension)
	case extended && len(headers) == 1 && headers[0] != key:
		return "", fault.New(fault.BadRequest, "The header %s and extensions.%s name two different keys.", idempotencyHeader, keyExtension)
	case !extended && len(headers) == 0:
		return "", nil
	case !extended:
		key = headers[0]
	}
	if err := idempotency.CheckKey(key); err != nil {
		return "", err
	}
	return key, nil
}

// IdempotencyKey returns the key that the mutation in ctx was sent with, or "". It is well formed.
func IdempotencyKey(ctx context.Context) string {
	if s := stateOf(ctx); s != nil {
		return s.key
	}
	return ""
}

// Replayed notes that a root field of the mutation in ctx was answered by a replay of its stored outcome; the HTTP
// response then has the header Idempotency-Replayed: true. Safe to call several times and by several goroutines.
func Replayed(ctx context.Context) {
	if s := stateOf(ctx); s != nil {
		s.replayed.Store(true)
	}
}
