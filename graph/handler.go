package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"go.opentelemetry.io/otel/trace"

	"caseload/graph/generated"
	"caseload/internal/blob"
	"caseload/internal/bulk"
	"caseload/internal/client"
	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/intake"
	"caseload/internal/customer/merging"
	"caseload/internal/db"
	"caseload/internal/httpapi"
	"caseload/internal/httpapi/download"
	"caseload/internal/httpapi/live"
	"caseload/internal/idempotency"
	"caseload/internal/identity"
	"caseload/internal/jobs"
	"caseload/internal/lending"
	"caseload/internal/loader"
	"caseload/internal/notify"
	"caseload/internal/observe"
	"caseload/internal/pii"
	"caseload/internal/relay"
	"caseload/internal/reveal"
	"caseload/internal/schedule"
	"caseload/internal/viewer"
	"caseload/internal/webhook"
)

// Options are the parts and settings of the API. Pool, Bus, Sealer and CursorKey are required.
type Options struct {
	Pool   *db.Pool
	Bus    *notify.Bus
	Sealer *pii.Sealer
	// CursorKey is shared by all server processes.
	CursorKey []byte
	// Store keeps the files of bulk operations, and Links signs the way to them. Without a store there are no
	// uploads.
	Store *blob.Store
	Links *download.Links
	// BulkLimits are those of bulk operations; the package's defaults when zero.
	BulkLimits bulk.Limits
	// Lending asks the organizations' lending systems; AllowPrivate admits private addresses, for webhooks too.
	Lending      *lending.Client
	AllowPrivate bool

	Limits        *httpapi.Limits
	Introspection httpapi.Introspection
	Origins       []string
	Proxies       []string

	// Compiled answers queries by compiled reads where they have a plan; see docs/compiled-reads.md.
	Compiled bool

	Metrics *observe.Metrics
	Tracer  trace.Tracer
	Log     *slog.Logger
	// Now is the clock; time.Now when nil.
	Now func() time.Time

	// loadersOnly leaves the preload out: tests compare the answers.
	loadersOnly bool
}

// API is the GraphQL endpoint with the services behind it.
type API struct {
	Handler   http.Handler
	Keys      *identity.Keys
	Customers *customer.Service
	Intake    *intake.Service
	Merging   *merging.Service
	Schedules *schedule.Service
	Outcomes  *idempotency.Outcomes
	Bulk      *bulk.Service
	Outbox    *webhook.Outbox
	// HTTP is how requests are answered, for handlers beside the endpoint.
	HTTP httpapi.Options

	pool      *db.Pool
	webSocket *live.WebSocket
	sse       *live.SSE
}

// New wires the API. Make it before the bus runs, since caches follow the bus.
func New(o Options) (*API, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	limits := httpapi.DefaultLimits()
	if o.Limits != nil {
		limits = *o.Limits
	}
	a := &API{pool: o.Pool, Keys: identity.NewKeys(o.Pool, o.Bus, o.Now)}
	a.Customers = customer.New(o.Pool, o.Sealer, o.Lending, o.AllowPrivate, o.Now)
	a.Intake = intake.New(o.Pool, a.Customers, o.Now)
	a.Merging = merging.New(o.Pool, a.Customers, o.Now)
	a.Outcomes = idempotency.New(o.Pool, o.Sealer, o.Now)
	a.Schedules = schedule.New(o.Pool, a.Customers, o.Bus, o.Now)
	var err error
	if a.Intake.Jobs, err = jobs.Inserter(o.Pool.SQL()); err != nil {
		return nil, err
	}
	if a.Outbox, err = webhook.NewOutbox(o.Pool, o.Bus, o.Now); err != nil {
		return nil, err
	}
	a.Customers.Events, a.Schedules.Events = webhook.CustomerEvents{Outbox: a.Outbox}, webhook.ScheduleEvents{Outbox: a.Outbox}
	config := generated.Config{Directives: generated.DirectiveRoot{Auth: auth}}
	schema := generated.NewExecutableSchema(config).Schema()
	edges, err := NewEdges(schema, o.Sealer)
	if err != nil {
		return nil, err
	}
	compiler := newCompiler(schema, edges, o.Sealer, limits.MaxResponse)
	exports, err := newExports(o.Pool, generated.NewExecutableSchema(config), compiler, edges)
	if err != nil {
		return nil, err
	}
	if o.BulkLimits == (bulk.Limits{}) {
		o.BulkLimits = bulk.DefaultLimits
	}
	a.Bulk, err = bulk.New(bulk.ServiceOptions{
		Pool: o.Pool, Bus: o.Bus, Store: o.Store, Log: o.Log, Now: o.Now, Limits: o.BulkLimits,
		Kinds:     []bulk.Kind{intake.NewUpsertKind(a.Intake), intake.NewCreateKind(a.Intake), schedule.NewSyncKind(a.Schedules)},
		Exporters: exports,
	})
	if err != nil {
		return nil, err
	}
	config.Resolvers = &Resolver{
		pool: o.Pool, keys: a.Keys, customers: a.Customers, intake: a.Intake, merging: a.Merging, schedules: a.Schedules, bulk: a.Bulk,
		reveal:   reveal.New(o.Pool, o.Now, slices.Concat(customer.Sealed(o.Sealer), account.Sealed(o.Sealer))...),
		webhooks: webhook.New(o.Pool, o.Sealer, a.Outbox, o.AllowPrivate, o.Now), clients: client.New(o.Pool, o.Now), edges: edges, outcomes: a.Outcomes, links: o.Links,
	}

	credentials := live.Credentials{Recheck: a.Keys.Recheck, Revoked: a.Keys.Revoked}
	a.webSocket = live.NewWebSocket(live.WebSocketOptions{Credentials: credentials})
	a.sse = live.NewSSE(live.SSEOptions{Credentials: credentials})
	if o.Metrics != nil {
		if err := errors.Join(o.Metrics.WatchConnections("websocket", a.webSocket.Open), o.Metrics.WatchConnections("sse", a.sse.Open)); err != nil {
			return nil, fmt.Errorf("watch connections: %w", err)
		}
	}
	inner := []graphql.HandlerExtension{replayCheck{}, &loading{pool: o.Pool, cursors: relay.NewCursors(o.CursorKey), graph: edges.Graph, metrics: o.Metrics, loadersOnly: o.loadersOnly}}
	if o.Compiled {
		// Last, so that it runs right around the resolvers, where the loaders are.
		inner = append(inner, newCompiled(compiler, o.Metrics, limits.MaxResponse))
	}
	var files httpapi.Spool
	if o.Store != nil {
		files = spool{o.Store}
	}
	a.HTTP = httpapi.Options{
		Spool:         files,
		Schema:        generated.NewExecutableSchema(config),
		Limits:        &limits,
		Identify:      a.identify,
		Classify:      db.Fault,
		Introspection: o.Introspection,
		Origins:       o.Origins,
		Proxies:       o.Proxies,
		Transports:    []httpapi.Transport{a.webSocket, a.sse},
		Outer: []graphql.HandlerExtension{
			counting{},
			&observe.Operations{Metrics: o.Metrics, Tracer: o.Tracer, Statements: db.Statements, Cost: httpapi.Cost},
		},
		Inner:      inner,
		Statements: db.Statements,
		Log:        o.Log,
		Now:        o.Now,
	}
	a.Handler = httpapi.Handler(a.HTTP)
	return a, nil
}

// Shutdown ends subscriptions and lets the operations on open sockets finish, until ctx ends.
func (a *API) Shutdown(ctx context.Context) error {
	return errors.Join(a.webSocket.Shutdown(ctx), a.sse.Shutdown(ctx))
}

// identify finds the viewer of the key in the headers; without one the caller is nobody.
func (a *API) identify(r *http.Request) (*viewer.Viewer, error) {
	key := r.Header.Get(httpapi.KeyHeader)
	if key == "" {
		return viewer.Nobody, nil
	}
	return a.Keys.Authenticate(r.Context(), key)
}

// auth is the directive @auth: the one place that decides who may select a field.
func auth(ctx context.Context, _ any, next graphql.Resolver, requires []viewer.Scope) (any, error) {
	if err := viewer.From(ctx).Require(requires...); err != nil {
		return nil, err
	}
	return next(ctx)
}

// counting counts the statements of each operation.
type counting struct{}

var _ graphql.OperationInterceptor = counting{}

// ExtensionName names the extension.
func (counting) ExtensionName() string { return "StatementCounter" }

// Validate accepts every schema.
func (counting) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptOperation gives the operation its counter.
func (counting) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	return next(db.WithCounter(ctx))
}

// loading gives every response its own loaders, and preloads what root fields select.
type loading struct {
	pool    *db.Pool
	cursors *relay.Cursors
	graph   *loader.Graph
	metrics *observe.Metrics

	loadersOnly bool
}

var (
	_ graphql.ResponseInterceptor  = (*loading)(nil)
	_ graphql.RootFieldInterceptor = (*loading)(nil)
	_ graphql.FieldInterceptor     = (*loading)(nil)
)

// ExtensionName names the extension.
func (*loading) ExtensionName() string { return "Loading" }

// Validate accepts every schema.
func (*loading) Validate(graphql.ExecutableSchema) error { return nil }

func (l *loading) fresh(ctx context.Context) context.Context {
	batch := func(n int) {
		if l.metrics != nil {
			l.metrics.LoaderBatch("edge", n)
		}
	}
	return loader.With(ctx, loader.New(l.pool, viewer.From(ctx).Scope(), l.cursors, batch))
}

// InterceptResponse makes loaders for one response: a query's, or one event's of a subscription, which must
// not see what an earlier event has loaded.
func (l *loading) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	return next(l.fresh(ctx))
}

// InterceptRootField makes loaders for one root field of a mutation: what comes after a change reads anew. The first root
// field checks the arguments below all of them; when one is wrong, none runs.
func (l *loading) InterceptRootField(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	op := graphql.GetOperationContext(ctx)
	if op.Operation.Operation != ast.Mutation {
		return next(ctx)
	}
	ctx = l.fresh(ctx)
	right, checked := op.Stats.GetExtension(argumentsRight).(bool)
	if !checked {
		right = l.graph.CheckArguments(ctx, loader.From(ctx))
		op.Stats.SetExtension(argumentsRight, right)
	}
	if !right {
		return graphql.Null
	}
	return next(ctx)
}

// argumentsRight is the extension of the operation's statistics that says whether the arguments below its root fields are right.
const argumentsRight = "ArgumentsRight"

// InterceptField preloads below the result of a root field.
func (l *loading) InterceptField(ctx context.Context, next graphql.Resolver) (any, error) {
	result, err := next(ctx)
	if err != nil || result == nil || l.loadersOnly {
		return result, err
	}
	if object := graphql.GetFieldContext(ctx).Object; object == "Query" || object == "Mutation" {
		l.graph.Preload(ctx, result)
	}
	return result, nil
}
