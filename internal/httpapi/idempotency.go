package httpapi

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

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

// idempotencyKeys reads the idempotency key of a mutation. On other operations a key is ignored.
type idempotencyKeys struct{}

var _ graphql.OperationContextMutator = idempotencyKeys{}

const idempotencyName = "Idempotency"

// keyed is a mutation with a key, stored in the operation's statistics.
type keyed struct {
	key      string
	replayed atomic.Bool
}

// ExtensionName names the extension.
func (idempotencyKeys) ExtensionName() string { return idempotencyName }

// Validate accepts every schema.
func (idempotencyKeys) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext checks the key before anything runs.
func (idempotencyKeys) MutateOperationContext(_ context.Context, op *graphql.OperationContext) *gqlerror.Error {
	if op.Operation.Operation != ast.Mutation {
		return nil
	}
	key, given, err := keyOf(op.Headers, op.Extensions)
	if err == nil && given {
		err = idempotency.CheckKey(key)
	}
	if err != nil {
		return gqlerror.Wrap(err)
	}
	if given {
		op.Stats.SetExtension(idempotencyName, &keyed{key: key})
	}
	return nil
}

// keyOf returns the key of an operation, and whether there is one.
func keyOf(h http.Header, extensions map[string]any) (key string, given bool, err error) {
	var headers []string
	if h.Get("Upgrade") == "" {
		// The headers of a WebSocket are those of the connection, not of one operation on it.
		headers = h.Values(idempotencyHeader)
	}
	value, extended := extensions[keyExtension]
	text, isText := value.(string)
	switch {
	case len(headers) > 1:
		return "", false, fault.New(fault.BadRequest, "The header %s occurs twice.", idempotencyHeader)
	case extended && !isText:
		return "", false, fault.New(fault.BadRequest, "extensions.%s must be a string.", keyExtension)
	case extended && len(headers) == 1 && headers[0] != text:
		return "", false, fault.New(fault.BadRequest, "The header %s and extensions.%s name two different keys.", idempotencyHeader, keyExtension)
	case extended:
		return text, true, nil
	case len(headers) == 1:
		return headers[0], true, nil
	}
	return "", false, nil
}

func keyedOf(ctx context.Context) *keyed {
	if !graphql.HasOperationContext(ctx) {
		return nil
	}
	k, _ := graphql.GetOperationContext(ctx).Stats.GetExtension(idempotencyName).(*keyed)
	return k
}

// IdempotencyKey returns the key that the mutation in ctx was sent with, or "". It is well formed.
func IdempotencyKey(ctx context.Context) string {
	if k := keyedOf(ctx); k != nil {
		return k.key
	}
	return ""
}

// Replayed notes that a root field of the mutation in ctx was answered by a replay of its stored outcome; the HTTP
// response then has the header Idempotency-Replayed: true. Safe to call several times and by several goroutines.
func Replayed(ctx context.Context) {
	if k := keyedOf(ctx); k != nil {
		k.replayed.Store(true)
	}
}

// setReplayed writes the header of a replayed response.
func setReplayed(ctx context.Context, h http.Header) {
	if k := keyedOf(ctx); k != nil && k.replayed.Load() {
		h.Set(replayedHeader, "true")
	}
}
