package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/go-chi/chi/v5"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"caseload/internal/fault"
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
	limits := DefaultLimits()
	if o.Limits != nil {
		limits = *o.Limits
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p := NewPresenter(o, &limits)
	e := &Endpoint{
		GraphExecutor: newExecutor(o, &limits, p), Limits: &limits, Presenter: p, Log: orDefault(o.Log),
		identify: o.Identify, origins: o.Origins,
		transports: append(slices.Clone(o.Transports), &plainHTTP{uploads: newUploads(o, &limits)}),
	}
	return chi.Chain(
		Identify,
		ClientAddress(o.Proxies...),
		AccessLog(o.Log),
		SecurityHeaders,
		Recoverer(p),
		CrossOrigin(o.Origins...),
		e.authenticate,
	).Handler(e)
}

// NewPresenter returns the presenter that a [Handler] with these options uses, for routes beside it.
func NewPresenter(o Options, limits *Limits) *Presenter {
	return &Presenter{
		Classify:    o.Classify,
		Log:         o.Log,
		Schema:      o.Schema.Schema(),
		Suggestions: o.Introspection == IntrospectionOpen,
		MaxMessage:  limits.MaxErrorMessage,
	}
}

func newExecutor(o Options, limits *Limits, p *Presenter) *guarded {
	exec := executor.New(o.Schema)
	suggest := o.Introspection == IntrospectionOpen
	rulesOf := func() *rules.Rules { return validationRules(suggest) }
	known := newDocuments(limits, o.Schema.Schema(), rulesOf)
	exec.SetQueryCache(known)
	exec.SetParserTokenLimit(limits.MaxTokens)
	exec.SetErrorPresenter(p.Present)
	exec.SetRecoverFunc(p.Recover)
	exec.SetDisableSuggestion(!suggest)
	exec.SetDefaultRulesFn(rulesOf)
	for _, e := range o.Outer {
		exec.Use(e)
	}
	exec.Use(&admission{limits: limits, schema: o.Schema.Schema(), budgets: newBudgets(limits, o.Now), introspection: o.Introspection})
	exec.Use(idempotencyKeys{})
	exec.Use(known)
	exec.Use(&operationLimits{limits: limits, schema: o.Schema.Schema(), places: NewPlaces("operations of this caller are running", limits.ProcessInFlight, limits.PrincipalInFlight), presenter: p, statements: o.Statements})
	for _, e := range o.Inner {
		exec.Use(e)
	}
	return &guarded{Executor: exec, limits: limits, presenter: p}
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
	limits    *Limits
	presenter *Presenter
}

// CreateOperationContext parses, validates and admits one operation.
func (g *guarded) CreateOperationContext(ctx context.Context, params *graphql.RawParams) (op *graphql.OperationContext, errs gqlerror.List) {
	defer func() {
		if cause := recover(); cause != nil {
			op = &graphql.OperationContext{Headers: params.Headers, RecoverFunc: g.presenter.Recover}
			errs = gqlerror.List{gqlerror.Wrap(g.presenter.Recover(ctx, cause))}
		}
	}()
	first := &firstSeen{}
	op, errs = g.Executor.CreateOperationContext(context.WithValue(ctx, firstSeenKey{}, first), params)
	if len(first.errs) > 0 {
		errs = first.errs
	}
	return op, g.limits.capErrors(errs, refusalBytes)
}

// Server returns an HTTP server with the timeouts of the API. ReadTimeout and WriteTimeout are not set, as
// they would cut long answers and subscriptions; the transport limits each body and each response itself.
func Server(address string, h http.Handler) *http.Server {
	return &http.Server{
		Addr: address, Handler: h,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    64 << 10,
	}
}
