package httpapi

import (
	"context"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// probe is an extension that notes what it sees.
type probe struct {
	deadline   time.Duration
	responses  []string
	cost       int
	explode    bool
	operations int
}

func (*probe) ExtensionName() string                   { return "Probe" }
func (*probe) Validate(graphql.ExecutableSchema) error { return nil }

func (p *probe) MutateOperationParameters(context.Context, *graphql.RawParams) *gqlerror.Error {
	if p.explode {
		panic(canary)
	}
	return nil
}

func (p *probe) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	p.operations++
	if at, ok := ctx.Deadline(); ok {
		p.deadline = time.Until(at).Round(time.Second)
	}
	return next(ctx)
}

func (p *probe) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	response := next(ctx)
	code := ""
	if len(response.Errors) > 0 {
		code = string(codeOf(response.Errors[0]))
	}
	p.responses = append(p.responses, code)
	p.cost, _ = Cost(ctx)
	return response
}

func TestOuterSeesRefusalsAndInnerTheDeadline(t *testing.T) {
	t.Parallel()
	outer, inner := &probe{}, &probe{}
	b := newBench(t, func(o *Options) {
		o.Outer, o.Inner = []graphql.HandlerExtension{outer}, []graphql.HandlerExtension{inner}
	})
	require.Equal(t, 400, b.do(t, query("{ nope }", nil)).Code)
	require.Equal(t, 200, b.do(t, query("{ customers(first: 3) { nodes { id } } }", nil)).Code)
	require.Equal(t, []string{"GRAPHQL_VALIDATION_FAILED", ""}, outer.responses)
	require.Equal(t, 4, outer.cost)
	require.Zero(t, outer.deadline)
	require.Equal(t, 1, inner.operations, "what is refused never gets there")
	require.Equal(t, 10*time.Second, inner.deadline)
}

func TestPanicBeforeExecution(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *Options) { o.Outer = []graphql.HandlerExtension{&probe{explode: true}} })
	got := b.do(t, query("{ __typename }", nil))
	require.Equal(t, 500, got.Code)
	require.Equal(t, "INTERNAL", got.code())
	require.NotContains(t, got.body+b.log.String(), canary)
	require.Contains(t, b.log.String(), `"panic"`)
}
