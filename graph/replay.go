package graph

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/httpapi"
	"caseload/internal/idempotency"
	"caseload/internal/viewer"
)

// notReplayable lists the mutations that refuse an idempotency key, with the reason. All others run by [change] or [replayed],
// as a test checks.
var notReplayable = map[string]string{
	"revealPii":             "its answer is a number such as that of social security, which may not be stored a second time; and each look at it is an entry of the audit log",
	"createWebhookEndpoint": "its answer is the new secret, which is shown this once",
	"rotateWebhookSecret":   "its answer is the new secret, which is shown this once",
	"createApiKey":          "its answer is the new key, which is shown this once and stored as a hash only",
}

// change runs a root mutation field by [replayed], for the viewer of the request, and returns user errors apart from other errors.
func change[I, R any](ctx context.Context, r *Resolver, f func(context.Context, *viewer.Viewer, I) (R, error), in I) (R, []*fault.UserError, error) {
	result, err := replayed(ctx, r, func(ctx context.Context) (R, error) { return f(ctx, viewer.From(ctx), in) })
	errs, err := refused(err)
	return result, errs, err
}

// replayed runs a root mutation field, or returns its stored outcome when the caller has sent the request with the same
// idempotency key before. The outcome is R as the domain function registers it with [db.Tx.Keep]. Errors are not stored: they
// wrote nothing, so a replay runs again.
func replayed[R any](ctx context.Context, r *Resolver, f func(context.Context) (R, error)) (R, error) {
	key := httpapi.IdempotencyKey(ctx)
	if key == "" {
		return f(ctx)
	}
	var result R
	content, err := requestContent(graphql.GetOperationContext(ctx))
	if err != nil {
		return result, err
	}
	request, field := r.outcomes.Request(viewer.From(ctx), key, content), graphql.GetFieldContext(ctx).Field.Alias
	// First of all, so that a replay depends on nothing that may have changed since.
	replay, err := request.Find(ctx, field)
	if err != nil {
		return result, err
	}
	if replay == nil {
		result, err := f(db.WithGuard(ctx, request.Guard(field)))
		if replay = idempotency.ReplayOf(err); replay == nil {
			return result, err
		}
	}
	if err := json.Unmarshal(replay.Outcome, &result); err != nil {
		// The text of err may quote what is stored.
		return result, fmt.Errorf("read stored outcome of %s as %T", field, result)
	}
	httpapi.Replayed(ctx)
	return result, nil
}

// requestContent is equal for requests that may share an idempotency key: it has the root fields with their aliases and
// arguments, variables resolved, and not what is selected below them.
func requestContent(op *graphql.OperationContext) ([]byte, error) {
	type rootField struct {
		Name, As  string
		Arguments map[string]any
	}
	var fields []rootField
	for _, f := range graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Mutation"}) {
		fields = append(fields, rootField{f.Name, f.Alias, f.ArgumentMap(op.Variables)})
	}
	// Marshal sorts the keys of maps, so the order of input fields does not matter.
	content, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("write the arguments of %d root fields", len(fields))
	}
	return content, nil
}

// maxAlias bounds the alias of a root field in bytes: its outcome is found by it, through an index.
const maxAlias = 255

// replayCheck refuses a request with an idempotency key, before any field runs, when a mutation in it is [notReplayable] or
// has too long an alias.
type replayCheck struct{}

var _ graphql.OperationContextMutator = replayCheck{}

// ExtensionName names the extension.
func (replayCheck) ExtensionName() string { return "ReplayCheck" }

// Validate accepts every schema.
func (replayCheck) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext looks at the root fields.
func (replayCheck) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	if op.Operation.Operation != ast.Mutation || httpapi.IdempotencyKey(graphql.WithOperationContext(ctx, op)) == "" {
		return nil
	}
	for _, f := range graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Mutation"}) {
		if _, ok := notReplayable[f.Name]; ok {
			return gqlerror.Wrap(fault.New(fault.IdempotencyRefused, "%s answers with a secret, which is not stored for a repetition. Send it without an Idempotency-Key.", f.Name))
		}
		if len(f.Alias) > maxAlias {
			return gqlerror.Wrap(fault.New(fault.BadRequest, "With an Idempotency-Key, the alias of a root field has at most %d characters.", maxAlias))
		}
	}
	return nil
}
