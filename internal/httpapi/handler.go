package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"caseload/internal/fault"
	"caseload/internal/httpapi/document"
	"caseload/internal/viewer"
)

// Options are what a [Handler] is made of. Schema is required; everything else has a default.
type Options struct {
	// Schema is the generated executable schema.
	Schema graphql.ExecutableSchema
	// Limits are checked as they are; nil is [DefaultLimits].
	Limits *Limits
	// Identify finds the viewer of a request by its headers; nil makes every caller anonymous. An error ends the request. It
	// is asked once more when files have come in, and for the key that a WebSocket sends in connection_init.
	Identify func(*http.Request) (*viewer.Viewer, error)
	// Classify maps errors of the data layer to errors for clients; see [Presenter].
	Classify func(error) *fault.Error
	// Introspection is [IntrospectionScoped] by default.
	Introspection Introspection
	// Spool takes the files of multipart requests; nil refuses such requests.
	Spool Spool
	// Origins are the sites whose pages may read responses.
	Origins []string
	// Proxies are the networks, in CIDR notation, of the proxies whose X-Forwarded-For is trusted.
	Proxies []string
	// Transports are asked before plain HTTP: WebSocket and server-sent events.
	Transports []Transport
	// Outer are extensions that see also what the limits refuse: metrics and traces.
	Outer []graphql.HandlerExtension
	// Inner are extensions that run within the limits and the deadline of an operation: loaders, transactions.
	Inner []graphql.HandlerExtension
	// Statements returns how many SQL statements the operation of ctx has run, for the access log; nil logs none.
	Statements func(ctx context.Context) int
	// Log is [slog.Default] by default.
	Log *slog.Logger
	// Now is time.Now by default; budgets refill by it.
	Now func() time.Time
}

// Handler returns the GraphQL endpoint: middleware, transports and executor with all limits on. It can be
// mounted under any path. It panics when there is no schema or a proxy network is malformed.
func Handler(o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	b := NewBase(o)
	budgets := newBudgets(b.Limits, o.Now)
	e := &Endpoint{
		Base: b, GraphExecutor: newExecutor(o, b, budgets), identify: o.Identify, budgets: budgets,
		transports: append(slices.Clone(o.Transports), &plainHTTP{uploads: newUploads(o, b)}),
	}
	return append(b.Middleware(), e.authenticate).Handler(e)
}

func newExecutor(o Options, b *Base, budgets *budgets) *guarded {
	exec, schema := executor.New(o.Schema), o.Schema.Schema()
	documents := document.NewCache(&b.Limits.Limits, schema, func() *rules.Rules { return validationRules(b.Presenter.Suggestions) })
	exec.SetQueryCache(documents)
	exec.SetErrorPresenter(b.Presenter.Present)
	exec.SetRecoverFunc(b.Presenter.Recover)
	for _, e := range o.Outer {
		exec.Use(e)
	}
	exec.Use(&limiter{
		limits: b.Limits, schema: schema, documents: documents, budgets: budgets, introspection: o.Introspection,
		places: NewPlaces("operations of this caller are running", b.Limits.ProcessInFlight, b.Limits.PrincipalInFlight), presenter: b.Presenter, statements: o.Statements,
	})
	for _, e := range o.Inner {
		exec.Use(e)
	}
	return &guarded{exec, b}
}

// validationRules returns the rules of the specification. Suggestions reveal names of the schema, and take
// a while to compute for a thousand unknown names.
func validationRules(suggest bool) *rules.Rules {
	all := rules.NewDefaultRules()
	if suggest {
		return all
	}
	all.ReplaceRule(rules.FieldsOnCorrectTypeRule.Name, rules.FieldsOnCorrectTypeRuleWithoutSuggestions.RuleFunc)
	all.ReplaceRule(rules.ScalarLeafsRule.Name, rules.ScalarLeafsRuleWithoutSuggestions.RuleFunc)
	all.ReplaceRule(rules.KnownArgumentNamesRule.Name, rules.KnownArgumentNamesRuleWithoutSuggestions.RuleFunc)
	all.ReplaceRule(rules.KnownTypeNamesRule.Name, rules.KnownTypeNamesRuleWithoutSuggestions.RuleFunc)
	all.ReplaceRule(rules.ValuesOfCorrectTypeRule.Name, rules.ValuesOfCorrectTypeRuleWithoutSuggestions.RuleFunc)
	return all
}

// refusalBytes bounds the errors of a refused document: a small one with a thousand mistakes must not get a large
// answer.
const refusalBytes = 3 << 10

// guarded is the executor as the transports use it: of a thousand validation errors only those that are shown are
// presented, and a panic in validation is an error.
type guarded struct {
	*executor.Executor
	base *Base
}

// CreateOperationContext parses, validates and admits one operation.
func (g *guarded) CreateOperationContext(ctx context.Context, params *graphql.RawParams) (op *graphql.OperationContext, errs gqlerror.List) {
	defer func() {
		if cause := recover(); cause != nil {
			op = &graphql.OperationContext{Headers: params.Headers, RecoverFunc: g.base.Presenter.Recover}
			errs = gqlerror.List{gqlerror.Wrap(g.base.Presenter.Recover(ctx, cause))}
		}
	}()
	ctx, reading := document.WithReading(ctx)
	op, errs = g.Executor.CreateOperationContext(ctx, params)
	if len(reading.Errors) > 0 {
		errs = reading.Errors
	}
	return op, g.base.Limits.capErrors(errs, refusalBytes)
}

// Server returns an HTTP server with the timeouts of the API. ReadTimeout is for bodies that no handler reads, which the
// server does; a handler that reads one sets a deadline of its own, and none outlives the body. WriteTimeout is not set,
// as it would cut long answers and subscriptions; the transport limits each response itself.
func Server(address string, h http.Handler) *http.Server {
	return &http.Server{
		Addr: address, Handler: h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       20 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    64 << 10,
	}
}
