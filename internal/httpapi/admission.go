package httpapi

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// admission checks an operation before anything runs: who may introspect, what the inputs hold, what it costs, and
// whether the budget of the caller covers that. Cheap checks come first.
type admission struct {
	limits        *Limits
	schema        *ast.Schema
	budgets       *budgets
	introspection Introspection
}

var (
	_ graphql.OperationParameterMutator = (*admission)(nil)
	_ graphql.OperationContextMutator   = (*admission)(nil)
)

// ExtensionName names the extension.
func (*admission) ExtensionName() string { return stateName }

// Validate accepts every schema.
func (*admission) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters charges one operation.
func (a *admission) MutateOperationParameters(ctx context.Context, _ *graphql.RawParams) *gqlerror.Error {
	if f := a.budgets.start(viewer.From(ctx)); f != nil {
		return asGraphQL(f)
	}
	return nil
}

// MutateOperationContext checks and prices the operation, and charges it.
func (a *admission) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	who := viewer.From(ctx)
	if f := coerceVariables(a.schema, op.Operation, op.Variables); f != nil {
		return asGraphQL(f)
	}
	omitAbsent(op)
	s := &state{price: priceOf(a.schema, a.limits, op.Operation, op.Variables), limit: a.limits.MaxCost}
	op.Stats.SetExtension(stateName, s)
	if s.price.introspects && !a.introspection.Allows(who) {
		return asGraphQL(a.introspection.refusal(who))
	}
	op.DisableIntrospection = !s.price.introspects
	if f := checkInputs(a.schema, a.limits, op.Operation, op.Variables); f != nil {
		return asGraphQL(f)
	}
	if f := a.limits.checkCost(s.price); f != nil {
		return asGraphQL(f)
	}
	var f *fault.Error
	if s.remaining, f = a.budgets.spend(who, s.price.points); f != nil {
		return asGraphQL(f)
	}
	return nil
}

// checkCost refuses an operation whose price is over the limits.
func (l *Limits) checkCost(p price) *fault.Error {
	var f *fault.Error
	switch {
	case p.points > l.MaxCost:
		f = fault.New(fault.ComplexityLimit, "The operation costs %s points; the limit is %d. Ask for smaller pages, fewer levels, or split it.", figure(p.points), l.MaxCost)
	case p.nodes > l.MaxNodes:
		f = fault.New(fault.ComplexityLimit, "The operation may return %s objects; the limit is %d. Ask for smaller pages, or split it.", figure(p.nodes), l.MaxNodes)
	default:
		return nil
	}
	f.Details = map[string]any{"cost": p.points, "costLimit": l.MaxCost, "nodes": p.nodes, "nodeLimit": l.MaxNodes}
	return f
}
