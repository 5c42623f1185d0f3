package graph

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/loader"
	"caseload/internal/observe"
	"caseload/internal/pii"
	"caseload/internal/plan"
	"caseload/internal/viewer"
)

// notCompiled is every field of an entity, and every root field, that compiled reads leave to the generated
// executor, with the reason. A test fails when another one falls back.
var notCompiled = map[string]string{
	"Query.viewer":          "the viewer is not a row",
	"Query.schedulePreview": "the planner answers, not a table",
	"Query.callEligibility": "the calling rules answer, not a table",
	"Query.callingWindows":  "the calendar merges the law with the organization's own rows",
	"Query.callingHolidays": "the calendar merges the law with the organization's own rows",
	"ImportRow.userErrors":  "the list is made of one JSON column",

	"BulkOperation.progress":   "reckoned from the state and the counts",
	"BulkOperation.resultsUrl": "a link that is signed for this answer",
}

// computedFields is every field of an entity that is served by a method or a resolver of its row rather than by a column, as it
// is declared beside the row.
func computedFields(schema *ast.Schema, edges *Edges, sealer *pii.Sealer) map[string]db.Computed {
	rows := map[string]*db.Relation{}
	for _, t := range edges.nodes {
		rows[t.Name()] = t.Source()
	}
	for _, d := range edges.declarations() {
		parent, name, _ := strings.Cut(d.Coordinate, ".")
		// What is no node, such as a section of a customer, is known by the edge that leads there.
		rows[strings.TrimSuffix(schema.Types[parent].Fields.ForName(name).Type.Name(), "Connection")] = d.Child
	}
	out := map[string]db.Computed{}
	for typeName, source := range rows {
		if row, ok := reflect.New(source.Type()).Interface().(interface {
			Computed(*pii.Sealer) map[string]db.Computed
		}); ok {
			for field, c := range row.Computed(sealer) {
				out[typeName+"."+field] = c
			}
		}
	}
	return out
}

// compiled answers root fields of queries by plans where it can.
type compiled struct {
	plans   *plan.Cache
	metrics *observe.Metrics
	// maxAnswer is how many bytes an answer may have; zero is no limit.
	maxAnswer int
}

var (
	_ graphql.ResponseInterceptor  = (*compiled)(nil)
	_ graphql.RootFieldInterceptor = (*compiled)(nil)
)

// newCompiler makes the compiler of the graph's declarations.
func newCompiler(schema *ast.Schema, edges *Edges, sealer *pii.Sealer, maxAnswer int) *plan.Compiler {
	d := plan.Declarations{
		Schema: schema, Edges: edges.declarations(), Singles: map[string]*loader.Single{}, Computed: computedFields(schema, edges, sealer), Generated: notCompiled, MaxAnswer: maxAnswer,
	}
	for _, t := range edges.nodes {
		d.Nodes = append(d.Nodes, plan.NodeType{Name: t.Name(), Source: t.Source(), Requires: t.requires})
		if s := t.Single(); s != nil {
			d.Singles[s.Coordinate] = s
		}
	}
	return plan.NewCompiler(d)
}

func newCompiled(compiler *plan.Compiler, metrics *observe.Metrics, maxAnswer int) *compiled {
	return &compiled{plans: plan.NewCache(compiler), metrics: metrics, maxAnswer: maxAnswer}
}

// reasonFailed is shown for a field whose plan returned an error.
const reasonFailed = "an error, which the executor reports"

// reasonRefused is shown for a field whose arguments were refused before anything was read.
const reasonRefused = "arguments that are refused, which the executor reports"

// ExtensionName names the extension.
func (*compiled) ExtensionName() string { return "CompiledReads" }

// Validate accepts every schema.
func (*compiled) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptRootField runs the plan of a root field. After an error the generated executor answers instead: it gets the same error, and
// reports it at its path. Only an answer over the limit is not made again.
func (c *compiled) InterceptRootField(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	oc, field := graphql.GetOperationContext(ctx), graphql.GetRootFieldContext(ctx)
	if oc.Operation.Operation != ast.Query || field == nil || strings.HasPrefix(field.Field.Name, "__") {
		return next(ctx)
	}
	began := time.Now()
	p := c.plans.Plan(oc, viewer.From(ctx), field.Field)
	reason := p.Reason()
	if reason == "" {
		answer, err := p.Run(ctx, oc.Variables)
		if err == nil {
			c.metrics.RootField("compiled")
			reportOf(ctx).add(fieldReport{Field: field.Field.Alias, Compiled: true, Statements: &answer.Statements, Rows: &answer.Rows, Milliseconds: since(began)})
			return answer
		}
		switch {
		case errors.Is(err, plan.ErrTooLarge):
			graphql.AddError(ctx, fault.New(fault.ResponseTooLarge, "The answer has more than the limit of %d bytes. Select less, or ask for smaller pages.", c.maxAnswer))
			return graphql.Null
		case errors.Is(err, plan.ErrArguments):
			reason = reasonRefused
		default:
			reason = reasonFailed
		}
	}
	out := next(ctx)
	c.metrics.RootField("generated")
	reportOf(ctx).add(fieldReport{Field: field.Field.Alias, Reason: reason, Milliseconds: since(began)})
	return out
}

// fieldReport is a root field in `extensions.plan`.
type fieldReport struct {
	Field        string  `json:"field"`
	Compiled     bool    `json:"compiled"`
	Reason       string  `json:"reason,omitempty"`
	Statements   *int    `json:"statements,omitempty"`
	Rows         *int    `json:"rows,omitempty"`
	Milliseconds float64 `json:"milliseconds"`
}

func since(t time.Time) float64 {
	return float64(time.Since(t).Microseconds()) / 1000
}

// planReport is `extensions.plan` of one response.
type planReport struct {
	mu     sync.Mutex
	fields []fieldReport
}

type reportKey struct{}

func reportOf(ctx context.Context) *planReport {
	s, _ := ctx.Value(reportKey{}).(*planReport)
	return s
}

func (s *planReport) add(f fieldReport) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fields = append(s.fields, f)
}

// InterceptResponse leaves nothing of an answer that is over its limit, as the transports do, and adds `extensions.plan`
// for viewers with the scope DIAGNOSTICS who ask for it by `"extensions": {"plan": true}` in the request.
func (c *compiled) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	oc := graphql.GetOperationContext(ctx)
	if oc.Operation == nil || oc.Operation.Operation != ast.Query {
		return next(ctx)
	}
	var s *planReport
	if oc.Extensions["plan"] == true && viewer.From(ctx).Has(viewer.Diagnostics) {
		s = &planReport{}
		ctx = context.WithValue(ctx, reportKey{}, s)
	}
	response := next(ctx)
	if response == nil {
		return nil
	}
	for _, e := range response.Errors {
		if fault.CodeOf(e) == fault.ResponseTooLarge {
			response.Data, response.Errors = nil, gqlerror.List{e}
			break
		}
	}
	if s != nil {
		if response.Extensions == nil {
			response.Extensions = make(map[string]any, 1)
		}
		response.Extensions["plan"] = s.fields
	}
	return response
}
