package graph

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/lib/pq"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"caseload/internal/batch"
	"caseload/internal/bulk"
	"caseload/internal/calling"
	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/intake"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/loader"
	"caseload/internal/observe"
	"caseload/internal/pii"
	"caseload/internal/plan"
	"caseload/internal/relay"
	"caseload/internal/schedule"
	"caseload/internal/viewer"
	"caseload/internal/webhook"
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

// computedFields is every field of an entity that is served by a method or a resolver of its row rather than by a
// column, as compiled reads make it of the same columns.
func computedFields(sealer *pii.Sealer) map[string]plan.Computed {
	days := plan.Computed{Columns: []string{"days"}, Append: appendDays}
	return map[string]plan.Computed{
		"ApiKey.scopes":          texts("scopes"),
		"CallTask.dueLocal":      {Columns: []string{"due_local"}, Append: appendWallTime},
		"Account.numberProvided": provided("number_sealed"),
		"Account.numberMasked": sealed("number_sealed", func(row db.Row, cell []byte) (*string, error) {
			return (&account.Account{Row: row, NumberSealed: cell}).NumberMasked(sealer)
		}),
		"BulkOperation.cancelRequested": provided("cancel_requested_at"),
		"BulkOperation.messages":        texts("messages"),
		"BulkOperation.options": {Columns: []string{"options"}, Append: func(dst []byte, cells [][]byte) ([]byte, error) {
			return append(dst, (&bulk.Operation{OptionJSON: cells[0]}).Options()...), nil
		}},
		"BulkOperation.errorPolicy": {Columns: []string{"options"}, Append: func(dst []byte, cells [][]byte) ([]byte, error) {
			if policy := (&bulk.Operation{OptionJSON: cells[0]}).ErrorPolicy(); policy != nil {
				return plan.AppendString(dst, *policy), nil
			}
			return append(dst, "null"...), nil
		}},
		"WebhookEndpoint.events": texts("events"),
		"Customer.ssnProvided":   provided("ssn_sealed"),
		"Customer.ssnLastFour": sealed("ssn_last_four_sealed", func(row db.Row, cell []byte) (*string, error) {
			return (&customer.Customer{Row: row, SSNLastFourSealed: cell}).LastFour(sealer)
		}),
		"CustomerAlertProgram.alertOptIns":        texts("alert_opt_ins"),
		"CustomerMedicare.mbiProvided":            provided("mbi_sealed"),
		"CustomerMedicare.medicaidNumberProvided": provided("medicaid_number_sealed"),
		"CustomerMedicare.vaNumberProvided":       provided("va_number_sealed"),
		"CustomerMedicare.mbiLastFour": sealed("mbi_sealed", func(row db.Row, cell []byte) (*string, error) {
			return (&customer.Medicare{Row: row, MBISealed: cell}).MBILastFour(sealer)
		}),
		"ImportRow.success": {Columns: []string{"action"}, Append: func(dst []byte, cells [][]byte) ([]byte, error) {
			return fmt.Append(dst, batch.Action(cells[0]).Wrote()), nil
		}},
		"InconvenientTime.days": days,
		"TaskType.days":         days,
		"TaskType.preferredTimes": {Columns: []string{"preferred_times"}, Append: func(dst []byte, cells [][]byte) ([]byte, error) {
			var times schedule.LocalTimes
			if err := times.Scan(cells[0]); err != nil {
				return dst, err
			}
			return appendTexts(dst, times), nil
		}},
	}
}

func appendTexts[T any](dst []byte, values []T) []byte {
	dst = append(dst, '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = plan.AppendString(dst, fmt.Sprint(v))
	}
	return append(dst, ']')
}

func appendDays(dst []byte, cells [][]byte) ([]byte, error) {
	var bits int64
	if _, err := fmt.Sscan(string(cells[0]), &bits); err != nil {
		return dst, err
	}
	var set calling.Weekdays
	if err := set.Scan(bits); err != nil {
		return dst, err
	}
	return appendTexts(dst, set.List()), nil
}

// appendWallTime writes a timestamp without zone as [schedule.WallTime] does, without its seconds.
func appendWallTime(dst []byte, cells [][]byte) ([]byte, error) {
	raw := cells[0]
	if len(raw) < 19 || raw[4] != '-' || raw[10] != ' ' || raw[13] != ':' {
		return dst, fmt.Errorf("write wall time: unexpected form")
	}
	dst = append(append(dst, '"'), raw[:10]...)
	dst = append(append(dst, 'T'), raw[11:16]...)
	return append(dst, ":00\""...), nil
}

// texts writes a column that is a list of texts.
func texts(column string) plan.Computed {
	return plan.Computed{Columns: []string{column}, Append: func(dst []byte, cells [][]byte) ([]byte, error) {
		var list pq.StringArray
		if err := list.Scan(cells[0]); err != nil {
			return dst, err
		}
		return appendTexts(dst, list), nil
	}}
}

// provided reports whether a column has a value, without showing it.
func provided(column string) plan.Computed {
	return plan.Computed{Columns: []string{column}, Append: func(dst []byte, cells [][]byte) ([]byte, error) {
		return fmt.Append(dst, cells[0] != nil), nil
	}}
}

// sealed shows what may be shown of a sealed column; open is given the row to which the value was sealed.
func sealed(column string, open func(row db.Row, cell []byte) (*string, error)) plan.Computed {
	return plan.Computed{Columns: []string{"organization_id", "id", column}, Append: func(dst []byte, cells [][]byte) ([]byte, error) {
		if cells[2] == nil {
			return append(dst, "null"...), nil
		}
		organization, err := uuid.ParseBytes(cells[0])
		if err != nil {
			return dst, err
		}
		id, err := uuid.ParseBytes(cells[1])
		if err != nil {
			return dst, err
		}
		shown, err := open(db.Row{OrganizationID: organization, UUID: id}, cells[2])
		if err != nil {
			return dst, err
		}
		return plan.AppendString(dst, *shown), nil
	}}
}

// singles are the root fields that find one row.
func singles() map[string]plan.Single {
	return map[string]plan.Single{
		"Query.customer": {Source: customer.Customers, Where: func(ctx context.Context, raw map[string]any) (db.Where, error) {
			id, err := rawKey(raw["id"], customer.Customers.Prefix())
			if err != nil {
				return db.Where{}, err
			}
			reference, err := rawText(raw["referenceId"])
			if err != nil {
				return db.Where{}, err
			}
			var identifier *customer.IdentifierInput
			if v := raw["identifier"]; v != nil {
				identifier = new(customer.IdentifierInput)
				if err := graphql.UnmarshalInputFromContext(ctx, v, identifier); err != nil {
					return db.Where{}, err
				}
			}
			return customer.ByKey(id, reference, identifier)
		}},
		"Query.account": {Source: account.Accounts, Where: func(ctx context.Context, raw map[string]any) (db.Where, error) {
			id, err := rawKey(raw["id"], account.Accounts.Prefix())
			if err != nil {
				return db.Where{}, err
			}
			var key *account.Key
			if v := raw["sourceAccount"]; v != nil {
				key = new(account.Key)
				if err := graphql.UnmarshalInputFromContext(ctx, v, key); err != nil {
					return db.Where{}, err
				}
			}
			return account.ByKey(id, key)
		}},
		"Query.importRequest":   byID(intake.ImportRequests, "requestId"),
		"Query.bulkOperation":   byID(bulk.Operations, "id"),
		"Query.webhookEndpoint": byID(webhook.Endpoints.Table, "id"),
		"Query.lendingSystem": {Source: customer.LendingSystems, Where: func(context.Context, map[string]any) (db.Where, error) {
			return db.Where{}, nil
		}},
		"Query.taskType": {Source: schedule.TaskTypes, Where: func(_ context.Context, raw map[string]any) (db.Where, error) {
			id, err := rawKey(raw["id"], schedule.TaskTypes.Prefix())
			if err != nil {
				return db.Where{}, err
			}
			name, err := rawText(raw["name"])
			if err != nil {
				return db.Where{}, err
			}
			return schedule.TaskTypeByKey(id, name)
		}},
	}
}

// byID finds a row by an argument that is its id. Without an id no condition is left, which every row fits.
func byID[T any](table *db.Table[T], argument string) plan.Single {
	return plan.Single{Source: table, Where: func(_ context.Context, raw map[string]any) (db.Where, error) {
		id, err := rawKey(raw[argument], table.Prefix())
		if err == nil && id == nil {
			err = fault.New(fault.BadUserInput, "%s must not be null.", argument)
		}
		if err != nil {
			return db.Where{}, err
		}
		return db.Where{}.And("c.id = ?", *id), nil
	}}
}

// rawKey reads an optional id of the type with this prefix.
func rawKey(raw any, prefix string) (*uuid.UUID, error) {
	if raw == nil {
		return nil, nil
	}
	var id relay.ID
	if err := id.UnmarshalGQL(raw); err != nil {
		return nil, err
	}
	return keyOf(&id, prefix)
}

func rawText(raw any) (*string, error) {
	if raw == nil {
		return nil, nil
	}
	text, err := graphql.UnmarshalString(raw)
	return &text, err
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

// newCompiler gathers what plans are made of.
func newCompiler(schema *ast.Schema, edges *Edges, sealer *pii.Sealer, maxAnswer int) *plan.Compiler {
	d := plan.Declarations{
		Schema: schema, Nodes: planNodes(edges), Singles: singles(), Computed: computedFields(sealer), Generated: notCompiled, MaxAnswer: maxAnswer,
	}
	for _, e := range gathered[interface{ Declaration() loader.Declaration }](edges) {
		d.Edges = append(d.Edges, e.Declaration())
	}
	return plan.NewCompiler(d)
}

func newCompiled(compiler *plan.Compiler, metrics *observe.Metrics, maxAnswer int) *compiled {
	return &compiled{plans: plan.NewCache(compiler), metrics: metrics, maxAnswer: maxAnswer}
}

// planNodes are the types of node and nodes, with the scopes that those ask for.
func planNodes(edges *Edges) []plan.NodeType {
	requires := (&Resolver{edges: edges}).nodeTypes()
	var out []plan.NodeType
	for _, t := range gathered[interface {
		Name() string
		Source() loader.Source
	}](&edges.Nodes) {
		out = append(out, plan.NodeType{Name: t.Name(), Source: t.Source(), Requires: requires[t.Source().Prefix()].requires})
	}
	return out
}

// reasonFailed is shown for a field whose plan met an error.
const reasonFailed = "an error, which the executor reports"

// reasonRefused is shown for a field whose arguments were refused before anything was read.
const reasonRefused = "arguments that are refused, which the executor reports"

// ExtensionName names the extension.
func (*compiled) ExtensionName() string { return "CompiledReads" }

// Validate accepts every schema.
func (*compiled) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptRootField runs the plan of a root field. Whatever goes wrong, the generated executor answers
// instead: it meets the same error, and reports it at its path. Only an answer over the limit is not made again.
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
			sightOf(ctx).add(sighted{Field: field.Field.Alias, Compiled: true, Statements: &answer.Statements, Rows: &answer.Rows, Milliseconds: since(began)})
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
	sightOf(ctx).add(sighted{Field: field.Field.Alias, Reason: reason, Milliseconds: since(began)})
	return out
}

// sighted is one root field in `extensions.plan`.
type sighted struct {
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

// sight gathers how the root fields of one response were answered.
type sight struct {
	mu     sync.Mutex
	fields []sighted
}

type sightKey struct{}

func sightOf(ctx context.Context) *sight {
	s, _ := ctx.Value(sightKey{}).(*sight)
	return s
}

func (s *sight) add(f sighted) {
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
	var s *sight
	if oc.Extensions["plan"] == true && viewer.From(ctx).Has(viewer.Diagnostics) {
		s = &sight{}
		ctx = context.WithValue(ctx, sightKey{}, s)
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
