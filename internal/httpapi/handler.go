package httpapi

import (
	"context"
	"log/slog"
	"net/http"
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
	// Identify finds the viewer of a request; nil makes every caller anonymous. An error ends the request.
	Identify func(*http.Request) (*viewer.Viewer, error)
	// Classify puts errors of the data layer into words; see [Presenter].
	Classify func(error) *fault.Error
	// Introspection is [IntrospectionScoped] by default.
	Introspection Introspection
	// Spool takes the files of multipart requests; nil refuses such requests.
	Spool Spool
	// Origins are the sites whose pages may read responses.
	Origins []string
	// Proxies are the networks, in CIDR notation, of the proxies whose X-Forwarded-For is believed.
	Proxies []string
	// Transports are asked before plain HTTP: WebSocket and server-sent events.
	Transports []graphql.Transport
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
	endpoint := &endpoint{
		exec:       newExecutor(o, &limits, p),
		transports: append(append([]graphql.Transport{}, o.Transports...), &HTTP{Limits: &limits, Presenter: p, Uploads: newUploads(o, &limits)}),
		presenter:  p,
	}
	return chi.Chain(
		Identify,
		ClientAddress(o.Proxies...),
		AccessLog(o.Log),
		SecurityHeaders,
		Recoverer(p),
		CrossOrigin(o.Origins...),
		Authenticate(p, o.Identify),
	).Handler(endpoint)
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
	known := newDocuments(limits)
	exec.SetQueryCache(known)
	exec.SetParserTokenLimit(limits.MaxTokens)
	exec.SetErrorPresenter(p.Present)
	exec.SetRecoverFunc(p.Recover)
	suggest := o.Introspection == IntrospectionOpen
	exec.SetDisableSuggestion(!suggest)
	exec.SetDefaultRulesFn(func() *rules.Rules { return validationRules(suggest) })
	for _, e := range o.Outer {
		exec.Use(e)
	}
	exec.Use(&admission{limits: limits, schema: o.Schema.Schema(), budgets: newBudgets(limits, o.Now), introspection: o.Introspection})
	exec.Use(repetition{})
	exec.Use(known)
	exec.Use(&course{limits: limits, schema: o.Schema.Schema(), flights: newFlights(limits), presenter: p, statements: o.Statements})
	for _, e := range o.Inner {
		exec.Use(e)
	}
	return &guarded{Executor: exec, limits: limits, presenter: p}
}

// validationRules returns the rules of the specification. Suggestions reveal names of the schema, and take
// a while to compute for a thousand unknown names; the executor switches them off in two rules only.
func validationRules(suggest bool) *rules.Rules {
	all := rules.NewDefaultRules()
	if suggest {
		return all
	}
	all.ReplaceRule(rules.KnownArgumentNamesRule.Name, rules.KnownArgumentNamesRuleWithoutSuggestions.RuleFunc)
	all.ReplaceRule(rules.KnownTypeNamesRule.Name, rules.KnownTypeNamesRuleWithoutSuggestions.RuleFunc)
	all.ReplaceRule(rules.ValuesOfCorrectTypeRule.Name, rules.ValuesOfCorrectTypeRuleWithoutSuggestions.RuleFunc)
	return all
}

// guarded is the executor as the transports see it: validation may find a thousand mistakes in one
// document, of which only those that are shown are put into words, and a panic in validation is an error.
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
	op, errs = g.Executor.CreateOperationContext(ctx, params)
	return op, g.few(errs)
}

// A refusal must not be a lever: a small document with a thousand mistakes gets a small answer.
const (
	refusalBytes  = 3 << 10
	errorOverhead = 190
)

// few keeps the mistakes that fit into a small answer and says how many there were more.
func (g *guarded) few(errs gqlerror.List) gqlerror.List {
	size := 0
	for i, e := range errs {
		size += min(len(e.Message), g.limits.MaxErrorMessage) + errorOverhead
		if i > 0 && (size > refusalBytes || i == g.limits.MaxErrors-1) && i < len(errs)-1 {
			more := fault.New(fault.ValidationFailed, "… and %d more errors, which are not shown.", len(errs)-i)
			return append(errs[:i:i], asGraphQL(more))
		}
	}
	return errs
}

// endpoint hands a request to the first transport that takes it.
type endpoint struct {
	exec       graphql.GraphExecutor
	transports []graphql.Transport
	presenter  *Presenter
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = r.WithContext(graphql.StartOperationTrace(r.Context()))
	for _, t := range e.transports {
		if t.Supports(r) {
			t.Do(w, r, e.exec)
			return
		}
	}
	WriteError(w, r, e.presenter, fault.New(fault.BadRequest, "The server does not speak the protocol that the Upgrade header names."))
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
