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

// unrepeatable lists the mutations that refuse an idempotency key, with the reason. All others run by [change]; a
// test looks for what does neither.
var unrepeatable = map[string]string{
	"revealPii":             "its answer is a number such as that of social security, which may not be stored a second time; and each look at it is an entry of the audit log",
	"createWebhookEndpoint": "its answer is the new secret, which is shown this once",
	"rotateWebhookSecret":   "its answer is the new secret, which is shown this once",
	"createApiKey":          "its answer is the new key, which is shown this once and stored as a hash only",
}

// change runs a root mutation field: once per idempotency key, as the viewer of the request, and with what the domain
// refused apart from what failed.
func change[I, R any](ctx context.Context, r *Resolver, f func(context.Context, *viewer.Viewer, I) (R, error), in I) (R, []*fault.UserError, error) {
	result, err := once(ctx, r, func(ctx context.Context) (R, error) { return f(ctx, viewer.From(ctx), in) })
	errs, err := refused(err)
	return result, errs, err
}

// once runs the change of a root mutation field, or answers it by what it answered before when the request was
// sent with a key that the same caller has used for it. The domain function registers its result with [db.Tx.Keep]:
// R as it is then written is what is stored. Errors and refusals are not: they wrote nothing, and a repetition is judged afresh.
func once[R any](ctx context.Context, r *Resolver, f func(context.Context) (R, error)) (R, error) {
	key := httpapi.IdempotencyKey(ctx)
	if key == "" {
		return f(ctx)
	}
	var result R
	content, err := contentOf(graphql.GetOperationContext(ctx))
	if err != nil {
		return result, err
	}
	request, field := r.outcomes.Request(viewer.From(ctx), key, content), graphql.GetFieldContext(ctx).Field.Alias
	// Looked for before anything is validated or fetched, so that a repetition depends on nothing that may have
	// changed meanwhile.
	replay, err := request.Find(ctx, field)
	if err != nil {
		return result, err
	}
	if replay == nil {
		made, err := f(db.WithGuard(ctx, request.Guard(field)))
		if replay = idempotency.ReplayOf(err); replay == nil {
			return made, err
		}
	}
	if err := json.Unmarshal(replay.Outcome, &result); err != nil {
		// The library's text may quote what is stored.
		return result, fmt.Errorf("read stored outcome of %s as %T", field, result)
	}
	httpapi.Replayed(ctx)
	return result, nil
}

// contentOf is what makes a request the same as another: its root fields with their names in the answer and
// their arguments, variables resolved. What is selected below them is not part of it.
func contentOf(op *graphql.OperationContext) ([]byte, error) {
	type rootField struct {
		Name, As  string
		Arguments map[string]any
	}
	var fields []rootField
	for _, f := range graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Mutation"}) {
		fields = append(fields, rootField{f.Name, f.Alias, f.ArgumentMap(op.Variables)})
	}
	// Keys of maps are written in order, so the order in which a client names input fields does not matter.
	content, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("write the arguments of %d root fields", len(fields))
	}
	return content, nil
}

// longestName bounds the bytes of a root field's name in the answer, by which its outcome is found: longer ones do not fit
// into an index.
const longestName = 255

// repeatable refuses a request with a key, before anything of it runs, when a mutation in it is [unrepeatable], or has
// too long a name in the answer.
type repeatable struct{}

var _ graphql.OperationContextMutator = repeatable{}

// ExtensionName names the extension.
func (repeatable) ExtensionName() string { return "Repeatable" }

// Validate accepts every schema.
func (repeatable) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext looks at the root fields.
func (repeatable) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	if op.Operation.Operation != ast.Mutation || httpapi.IdempotencyKey(graphql.WithOperationContext(ctx, op)) == "" {
		return nil
	}
	for _, f := range graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Mutation"}) {
		if _, ok := unrepeatable[f.Name]; ok {
			return gqlerror.Wrap(fault.New(fault.IdempotencyRefused, "%s answers with a secret, which is not stored for a repetition. Send it without an Idempotency-Key.", f.Name))
		}
		if len(f.Alias) > longestName {
			return gqlerror.Wrap(fault.New(fault.BadRequest, "With an Idempotency-Key, the alias of a root field has at most %d characters.", longestName))
		}
	}
	return nil
}
