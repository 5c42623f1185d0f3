// Caseload is a GraphQL API server for companies that look after consumers' accounts. This file is the
// program: its commands, how they are wired, and how it starts, drains and stops.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"caseload/graph"
	"caseload/internal/blob"
	"caseload/internal/bulk"
	"caseload/internal/civil"
	"caseload/internal/config"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/demo"
	"caseload/internal/devdb"
	"caseload/internal/httpapi"
	"caseload/internal/httpapi/download"
	"caseload/internal/identity"
	"caseload/internal/lending"
	"caseload/internal/memory"
	"caseload/internal/notify"
	"caseload/internal/observe"
	"caseload/internal/pii"
	"caseload/internal/playground"
	"caseload/internal/relay"
	"caseload/internal/schedule"
	"caseload/internal/viewer"
	"caseload/internal/webhook"
	"caseload/migrations"
	"caseload/schema"
)

// version is set by the linker.
var version = "development"

// commands is the command line; `caseload --help` explains each.
type commands struct {
	Serve        serveCommand        `cmd:"" help:"Run the server. Without DATABASE_URL it starts a PostgreSQL of its own, keeps its data in .caseload and fills it with demonstration data."`
	Migrate      migrateCommand      `cmd:"" help:"Change the database's schema, or show how far it is."`
	Seed         seedCommand         `cmd:"" help:"Fill the database with demonstration data: two organizations, task types, customers with schedules. Safe to repeat."`
	APIKey       apiKeyCommand       `cmd:"" name:"apikey" help:"Create, list and revoke API keys."`
	Organization organizationCommand `cmd:"" help:"Create and list organizations."`
	Keys         keysCommand         `cmd:"" help:"Make and rotate the keys for personal data."`
	Schema       schemaCommand       `cmd:"" help:"Print the whole GraphQL schema, as clients see it."`
	Version      versionCommand      `cmd:"" help:"Print the version."`
}

type serveCommand struct {
	Role string `enum:"all,api,worker" default:"all" help:"What this process does: answer requests (api), run jobs (worker), or both (all)."`
}

type migrateCommand struct {
	Up   struct{} `cmd:"" help:"Bring the schema up to this version. Safe to run from many processes at once."`
	Down struct {
		To int64 `arg:"" help:"The version to go back to; 0 removes everything."`
	} `cmd:"" help:"Take migrations back, with the data in what they made."`
	Status struct{} `cmd:"" help:"List the migrations and when each was applied."`
	Keys   struct{} `cmd:"" help:"Bring stored keys of other systems into the form in which they are compared, and list those that other rows have already or that can no longer be sent. Safe to repeat, and beside servers."`
}

type seedCommand struct{}

type apiKeyCommand struct {
	Create struct {
		Organization string        `required:"" help:"The organization's id, such as org_…"`
		Name         string        `required:"" help:"What the key is for."`
		Scope        []string      `required:"" help:"What it may do; repeat for several, or ALL."`
		Expires      time.Duration `help:"After how long it stops working, such as 2160h; never when absent."`
	} `cmd:"" help:"Create a key and print it, this once."`
	List struct {
		Organization string `required:"" help:"The organization's id, such as org_…"`
	} `cmd:"" help:"List an organization's keys, without the keys themselves."`
	Revoke struct {
		Organization string `required:"" help:"The organization's id, such as org_…"`
		ID           string `arg:"" help:"The key's id, such as key_…"`
	} `cmd:"" help:"Revoke a key at once."`
}

type organizationCommand struct {
	Create struct {
		Name     string `required:"" help:"The company's name."`
		TimeZone string `default:"America/New_York" help:"The company's own time zone, an IANA name."`
	} `cmd:"" help:"Create an organization and print its id."`
	List struct{} `cmd:"" help:"List all organizations."`
}

type keysCommand struct {
	Generate struct{} `cmd:"" help:"Print new keys for CASELOAD_PII_KEYS. Keep them as you keep the data: without them it cannot be read."`
	Rotate   struct{} `cmd:"" help:"Print the configured keys with a new one in front. Give them to every process, then run reseal."`
	Reseal   struct{} `cmd:"" help:"Seal again what older keys sealed. May be stopped and run again."`
}

type schemaCommand struct{}

type versionCommand struct{}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "caseload:", err)
		os.Exit(1)
	}
}

// run is the whole program; it returns when its command is done or, for serve, when ctx has ended and
// everything has drained.
func run(ctx context.Context, args, environ []string, stdout, stderr *os.File) error {
	var cli commands
	parser, err := kong.New(&cli, kong.Name("caseload"), kong.Description("A GraphQL API server for companies that look after consumers' accounts. Its settings are environment variables: see docs/configuration.md."),
		kong.Writers(stdout, stderr), kong.UsageOnError())
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		parser.FatalIfErrorf(err)
	}
	if parsed.Command() == "version" {
		_, err := fmt.Fprintln(stdout, version)
		return err
	}
	if parsed.Command() == "schema" {
		return printSchema(stdout)
	}
	if parsed.Command() == "keys generate" {
		return printKeys(stdout, pii.GenerateKeys)
	}
	cfg, err := config.Load(environ)
	if err != nil {
		return err
	}
	if parsed.Command() == "keys rotate" {
		return printKeys(stdout, func() (pii.Keys, error) {
			keys, err := cfg.Keys()
			if err != nil {
				return pii.Keys{}, err
			}
			return keys.Rotate()
		})
	}
	p := &program{cfg: cfg, log: observe.NewLogger(stderr, cfg.LogLevel), out: stdout, metrics: observe.NewMetrics(), now: time.Now}
	if err := p.open(ctx); err != nil {
		return errors.Join(err, p.close())
	}
	switch parsed.Command() {
	case "serve":
		err = p.serve(ctx, cli.Serve.Role)
	case "migrate up":
		err = p.migrate(ctx, migrations.Up)
	case "migrate down <to>":
		err = p.migrate(ctx, func(ctx context.Context, db *sql.DB) error { return migrations.Down(ctx, db, cli.Migrate.Down.To) })
	case "migrate status":
		err = p.status(ctx)
	case "migrate keys":
		err = p.migrate(ctx, p.normalizeKeys)
	case "seed":
		err = p.seed(ctx)
	case "apikey create":
		err = p.createKey(ctx, cli.APIKey)
	case "apikey list":
		err = p.listKeys(ctx, cli.APIKey)
	case "apikey revoke <id>":
		err = p.revokeKey(ctx, cli.APIKey)
	case "organization create":
		err = p.createOrganization(ctx, cli.Organization)
	case "organization list":
		err = p.listOrganizations(ctx)
	case "keys reseal":
		err = p.reseal(ctx)
	}
	return errors.Join(err, p.close())
}

// program is what every command shares.
type program struct {
	cfg     config.Config
	log     *slog.Logger
	out     *os.File
	metrics *observe.Metrics
	own     *devdb.Server
	url     string
	pool    *db.Pool
	bus     *notify.Bus
	sealer  *pii.Sealer
	lending *lending.Client
	files   *blob.Store
	links   *download.Links
	api     *graph.API
	now     func() time.Time
}

// open connects, and wires what every command needs.
func (p *program) open(ctx context.Context) error {
	p.url = p.cfg.Database.URL.Reveal()
	if p.url == "" {
		own, err := devdb.Start(ctx, devdb.Options{Dir: p.cfg.Database.DataDir, Port: p.cfg.Database.DevPort, Repository: string(p.cfg.Database.DevRepository), Log: p.log})
		if err != nil {
			return err
		}
		p.own, p.url = own, own.URL()
	}
	var err error
	p.pool, err = db.Open(p.url, db.Settings{
		MaxOpen: p.cfg.Database.MaxConnections, StatementTimeout: p.cfg.Database.StatementTimeout, LockTimeout: p.cfg.Database.LockTimeout,
		IdleTimeout: p.cfg.Database.IdleTimeout, ApplicationName: "caseload",
	})
	if err != nil {
		return err
	}
	keys, err := p.cfg.Keys()
	if err != nil {
		return err
	}
	if p.sealer, err = pii.NewSealer(keys); err != nil {
		return err
	}
	p.lending = lending.New(lending.Options{TryTimeout: p.cfg.Lending.TryTimeout, Timeout: p.cfg.Lending.Timeout, Tries: p.cfg.Lending.Tries, Observe: p.metrics.LendingCall})
	p.bus = notify.New(p.pool, p.url, p.log)
	return nil
}

// migrate runs f on connections of its own: a migration may write whole tables anew, which takes longer than the longest statement of a
// server, and waits longer for their locks.
func (p *program) migrate(ctx context.Context, f func(context.Context, *sql.DB) error) error {
	const connections = 3 // as migrations.Up needs
	pool, err := db.Open(p.url, db.Settings{MaxOpen: connections, StatementTimeout: -1, LockTimeout: time.Minute, ApplicationName: "caseload migrate"})
	if err != nil {
		return err
	}
	return errors.Join(f(ctx, pool.SQL()), pool.Close())
}

// close stops what open started. It may be called after a failed open.
func (p *program) close() error {
	var errs []error
	if p.lending != nil {
		p.lending.Close()
	}
	if p.files != nil {
		errs = append(errs, p.files.Close())
	}
	if p.pool != nil {
		errs = append(errs, p.pool.Close())
	}
	if p.own != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		errs = append(errs, p.own.Stop(ctx))
	}
	return errors.Join(errs...)
}

// wire makes the API. The bus must not run yet.
func (p *program) wire(ctx context.Context) (shutdown func(context.Context) error, err error) {
	tracing, shutdown, err := observe.Tracing(ctx, string(p.cfg.Telemetry.Endpoint), version)
	if err != nil {
		return nil, err
	}
	address, err := p.cfg.BlobURL()
	if err != nil {
		return nil, err
	}
	if p.files, err = blob.Open(ctx, address, p.sealer); err != nil {
		return nil, err
	}
	p.links, err = download.NewLinks(download.LinksOptions{Secret: p.cfg.CursorKey(p.sealer), Lifetime: p.cfg.HTTP.LinkLifetime, PublicURL: string(p.cfg.HTTP.PublicURL)})
	if err != nil {
		return nil, err
	}
	p.api, err = graph.New(graph.Options{
		Compiled: p.cfg.CompiledReads,
		Store:    p.files, Links: p.links, BulkLimits: p.bulkLimits(),
		Pool: p.pool, Bus: p.bus, Sealer: p.sealer, CursorKey: p.cfg.CursorKey(p.sealer), Lending: p.lending, AllowPrivate: p.cfg.Lending.AllowPrivate,
		Limits: &p.cfg.Limits, Introspection: p.cfg.HTTP.Introspection, Origins: p.cfg.HTTP.CORSOrigins,
		Proxies: p.cfg.HTTP.TrustedProxies.Strings(), Metrics: p.metrics, Tracer: tracing.Tracer("caseload"), Log: p.log,
	})
	return shutdown, err
}

// bulkLimits are the limits of bulk operations, where nothing is set those of the package.
func (p *program) bulkLimits() bulk.Limits {
	l, f := bulk.DefaultLimits, p.cfg.Files
	l.FileBytes, l.OrganizationBytes = int64(p.cfg.Limits.MaxUpload), int64(f.Bytes)
	l.Open, l.PerOrganization, l.PerProcess, l.Chunks, l.Keep = f.Open, f.PerOrganization, f.Operations, f.Connections, f.Keep
	return l
}

// backlog returns the open bulk operations, for the metrics.
func (p *program) backlog(ctx context.Context) (observe.Backlog, error) {
	open, waiting, err := p.api.Bulk.Backlog(ctx)
	return observe.Backlog{Open: open, Waiting: waiting}, err
}

// serve runs the server until ctx ends, then drains: no new work is taken, what runs may finish.
func (p *program) serve(ctx context.Context, role string) error {
	memory.Choose(memory.Wish{
		Limit: int64(p.cfg.MemoryLimit), GoLimit: os.Getenv("GOMEMLIMIT") != "", GoPercent: os.Getenv("GOGC") != "",
	}, memory.Read(os.DirFS("/"))).Apply()
	// First, so that an address in use is reported before minutes of other work.
	api, ops, err := p.listen(ctx, role)
	if err != nil {
		return err
	}
	for _, l := range []net.Listener{api, ops} {
		if l != nil {
			defer l.Close() //nolint:errcheck // a server that ran has closed it
		}
	}
	if p.own != nil || !p.cfg.Production() {
		if err := p.migrate(ctx, migrations.Up); err != nil {
			return fmt.Errorf("bring the schema up to date: %w", err)
		}
	} else if err := migrations.Check(ctx, p.pool.SQL()); err != nil {
		return fmt.Errorf("the schema is not up to date, run `caseload migrate up`: %w", err)
	}
	if err := schedule.LoadLaw(ctx, p.pool, time.Now()); err != nil {
		return err
	}
	flush, err := p.wire(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(p.metrics.WatchPool("main", p.pool.SQL()), p.metrics.WatchBacklog(p.backlog)); err != nil {
		return err
	}

	// Not ctx: after SIGTERM requests and jobs in progress are finished.
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var running sync.WaitGroup
	failed := make(chan error, 4)
	background := func(f func() error) {
		running.Add(1)
		go func() {
			defer running.Done()
			if err := f(); err != nil {
				failed <- err
			}
		}()
	}
	background(func() error { return p.bus.Run(work) })
	background(func() error { p.api.Keys.Run(work); return nil })

	var tenants []demo.Tenant
	if p.own != nil && role != "worker" {
		if tenants, err = p.loader().Load(ctx); err != nil {
			return errors.Join(err, p.stop(stopWork, &running, flush))
		}
	}
	var jobWorkers *workers
	if role != "api" {
		if jobWorkers, err = p.startWorkers(work); err != nil {
			return errors.Join(err, p.stop(stopWork, &running, flush))
		}
	}
	health := observe.NewHealth(p.log, 2*time.Second,
		observe.Check{Name: "database", Run: p.pool.SQL().PingContext},
		observe.Check{Name: "schema", Run: func(ctx context.Context) error { return migrations.Check(ctx, p.pool.SQL()) }},
		observe.Check{Name: "files", Run: p.files.Reached},
	)
	var servers []*http.Server
	if api != nil {
		server := httpapi.Server(string(p.cfg.HTTP.Listen), p.routes(health))
		server.ReadHeaderTimeout, server.IdleTimeout = p.cfg.HTTP.HeaderTimeout, p.cfg.HTTP.IdleTimeout
		server.ReadTimeout = p.cfg.HTTP.HeaderTimeout + p.cfg.Limits.BodyTimeout
		servers = append(servers, server)
		background(func() error { return served(server.Serve(api)) })
		p.greet(api.Addr().String(), tenants)
	}
	if ops != nil {
		server := httpapi.Server(string(p.cfg.HTTP.OpsListen), p.opsRoutes(health))
		servers = append(servers, server)
		background(func() error { return served(server.Serve(ops)) })
	}

	var cause error
	select {
	case <-ctx.Done():
	case cause = <-failed:
	case <-p.embeddedStopped():
		cause = errors.New("the server's own PostgreSQL has stopped")
	}
	p.log.Info("draining")
	health.Drain()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.HTTP.DrainTimeout)
	defer cancel()
	// Jobs stop while the servers do, so that both have the whole timeout.
	workersStopped := make(chan error, 1)
	go func() { workersStopped <- jobWorkers.stop(drain) }()
	errs := []error{cause, p.api.Shutdown(drain)}
	for _, s := range servers {
		if err := s.Shutdown(drain); err != nil {
			// Closing the connections cancels what still runs: it rolls back, and the pool can be closed.
			errs = append(errs, fmt.Errorf("finish requests in progress (CASELOAD_DRAIN_TIMEOUT): %w", err), s.Close())
		}
	}
	errs = append(errs, <-workersStopped, p.api.Keys.Flush(drain), p.stop(stopWork, &running, flush))
	p.log.Info("stopped")
	return errors.Join(errs...)
}

// listen takes the addresses of the API and of the operators; nil for what this process does not serve.
func (p *program) listen(ctx context.Context, role string) (api, ops net.Listener, err error) {
	var sockets net.ListenConfig
	if role != "worker" {
		if api, err = sockets.Listen(ctx, "tcp", string(p.cfg.HTTP.Listen)); err != nil {
			return nil, nil, fmt.Errorf("take address CASELOAD_LISTEN: %w", err)
		}
	}
	if p.cfg.HTTP.OpsListen != "" {
		if ops, err = sockets.Listen(ctx, "tcp", string(p.cfg.HTTP.OpsListen)); err != nil {
			if api != nil {
				_ = api.Close()
			}
			return nil, nil, fmt.Errorf("take address CASELOAD_OPS_LISTEN: %w", err)
		}
	}
	return api, ops, nil
}

// stop ends the background work and sends what traces are left.
func (p *program) stop(stopWork func(), running *sync.WaitGroup, flush func(context.Context) error) error {
	stopWork()
	running.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return flush(ctx)
}

func served(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// embeddedStopped returns a channel that is closed when the server's own PostgreSQL has stopped; without one it returns nil.
func (p *program) embeddedStopped() <-chan struct{} {
	if p.own == nil {
		return nil
	}
	return p.own.Done()
}

// routes are the API, the playground, and what operators look at.
func (p *program) routes(health *observe.Health) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/graphql", p.api.Handler)
	mux.Handle(download.Path, download.Handler(download.Options{Links: p.links, Openers: p.api.Openers(), API: p.api.HTTP}))
	mux.Handle("/healthz", health.Alive())
	mux.Handle("/readyz", health.Ready())
	if p.cfg.HTTP.OpsListen == "" && !p.cfg.Production() {
		mux.Handle("/metrics", p.metrics.Handler())
	}
	if p.cfg.HTTP.Playground {
		mux.Handle("/", playground.Handler(playground.Options{Endpoint: "/graphql", Examples: graph.Examples()}))
	}
	return mux
}

func (p *program) opsRoutes(health *observe.Health) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", p.metrics.Handler())
	mux.Handle("/healthz", health.Alive())
	mux.Handle("/readyz", health.Ready())
	return mux
}

// greet prints the addresses and the demonstration keys.
func (p *program) greet(address string, tenants []demo.Tenant) {
	p.log.Info("listening", "address", address, "version", version)
	if p.cfg.HTTP.Playground {
		_, _ = fmt.Fprintf(p.out, "\nPlayground:  http://%s/\n", address)
	}
	_, _ = fmt.Fprintf(p.out, "API:         http://%s/graphql\n", address)
	for _, t := range tenants {
		_, _ = fmt.Fprintf(p.out, "API key of %-16s %s\n", t.Name+":", t.Key)
	}
	_, _ = fmt.Fprintln(p.out)
}

func (p *program) loader() *demo.Loader {
	return &demo.Loader{
		Pool: p.pool, Keys: p.api.Keys, Schedules: p.api.Schedules, Customers: p.cfg.Jobs.DemoCustomers, KeysDir: p.cfg.Database.DataDir, Now: time.Now,
		Progress: func(format string, args ...any) { _, _ = fmt.Fprintf(p.out, format+"\n", args...) },
	}
}

func (p *program) status(ctx context.Context) error {
	steps, err := migrations.Status(ctx, p.pool.SQL())
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.out, 0, 4, 2, ' ', 0)
	for _, s := range steps {
		applied := "pending"
		if s.Applied() {
			applied = s.AppliedAt.UTC().Format(time.RFC3339)
		}
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", s.Source, s.Version, s.Name, applied)
	}
	return w.Flush()
}

func (p *program) seed(ctx context.Context) error {
	if p.cfg.Production() {
		return errors.New("demonstration data has no place in production (CASELOAD_ENVIRONMENT)")
	}
	if err := p.migrate(ctx, migrations.Up); err != nil {
		return err
	}
	if err := schedule.LoadLaw(ctx, p.pool, time.Now()); err != nil {
		return err
	}
	if _, err := p.wire(ctx); err != nil {
		return err
	}
	tenants, err := p.loader().Load(ctx)
	for _, t := range tenants {
		_, _ = fmt.Fprintf(p.out, "API key of %-16s %s\n", t.Name+":", t.Key)
	}
	return err
}

// operator is the command line as the audit log sees it.
func operator(organization string) (*viewer.Viewer, error) {
	id, err := relay.ParseID(organization)
	if err != nil {
		return nil, err
	}
	u, err := id.As(identity.Organizations.Prefix())
	if err != nil {
		return nil, err
	}
	return &viewer.Viewer{Kind: viewer.System, OrganizationID: u, ActorName: "command line", Scopes: viewer.AllScopes()}, nil
}

func (p *program) keys(ctx context.Context, organization string) (*identity.Keys, *viewer.Viewer, error) {
	v, err := operator(organization)
	if err != nil {
		return nil, nil, err
	}
	if _, err := identity.Organizations.ByID(ctx, p.pool, v.Scope(), v.OrganizationID); err != nil {
		return nil, nil, fmt.Errorf("find organization %s: %w", organization, err)
	}
	return identity.NewKeys(p.pool, p.bus, time.Now), v, nil
}

func (p *program) createKey(ctx context.Context, c apiKeyCommand) error {
	keys, v, err := p.keys(ctx, c.Create.Organization)
	if err != nil {
		return err
	}
	scopes := viewer.AllScopes()
	if len(c.Create.Scope) != 1 || c.Create.Scope[0] != "ALL" {
		if scopes, err = viewer.ParseScopes(c.Create.Scope); err != nil {
			return err
		}
	}
	in := identity.CreateAPIKeyInput{Name: c.Create.Name, Scopes: scopes}
	if c.Create.Expires > 0 {
		in.ExpireAfter(time.Now(), c.Create.Expires)
	}
	key, text, err := keys.Create(ctx, v, in)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "%s\n%s\nThe key is shown this once.\n", key.ID(), text)
	return err
}

func (p *program) listKeys(ctx context.Context, c apiKeyCommand) error {
	keys, v, err := p.keys(ctx, c.List.Organization)
	if err != nil {
		return err
	}
	rows, err := keys.List(ctx, v.OrganizationID)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.out, 0, 4, 2, ' ', 0)
	for _, k := range rows {
		state := "active"
		switch {
		case k.RevokedAt != nil:
			state = "revoked"
		case k.ExpiresAt != nil && !k.ExpiresAt.After(time.Now()):
			state = "expired"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%v\n", k.ID(), state, k.Name, k.Scopes())
	}
	return w.Flush()
}

func (p *program) revokeKey(ctx context.Context, c apiKeyCommand) error {
	keys, v, err := p.keys(ctx, c.Revoke.Organization)
	if err != nil {
		return err
	}
	id, err := relay.ParseID(c.Revoke.ID)
	if err != nil {
		return err
	}
	key, err := keys.Revoke(ctx, v, identity.RevokeAPIKeyInput{ID: id})
	if err != nil {
		return err
	}
	// The bus does not run here, so the other processes are told directly.
	if err := p.bus.Flush(ctx); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "%s is revoked.\n", key.ID())
	return err
}

func printSchema(out *os.File) error {
	printed, err := schema.Print()
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(out, printed)
	return err
}

func printKeys(out *os.File, make func() (pii.Keys, error)) error {
	keys, err := make()
	if err != nil {
		return err
	}
	text, err := keys.Text()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, text)
	return err
}

func (p *program) createOrganization(ctx context.Context, c organizationCommand) error {
	zone, err := civil.ParseZone(c.Create.TimeZone)
	if err != nil {
		return err
	}
	o, err := identity.CreateOrganization(ctx, p.pool, db.NewID(), c.Create.Name, zone.Name(), time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.out, o.ID())
	return err
}

func (p *program) listOrganizations(ctx context.Context) error {
	rows, err := identity.ListOrganizations(ctx, p.pool)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.out, 0, 4, 2, ' ', 0)
	for _, o := range rows {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", o.ID(), o.Name, o.TimeZone)
	}
	return w.Flush()
}

// normalizeKeys lists the keys that only a person can bring into their form, without the keys themselves.
func (p *program) normalizeKeys(ctx context.Context, db *sql.DB) error {
	taken, hidden := 0, 0
	if err := migrations.NormalizeKeys(ctx, db, func(k migrations.StoredKey) {
		n, why := &hidden, "it can no longer be sent"
		if k.Taken {
			n, why = &taken, "another row has it in its form"
		}
		*n++
		_, _ = fmt.Fprintf(p.out, "organization %s: %s %s, %s: %s\n", k.OrganizationID, k.Table, k.Row, k.Column, why)
	}); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(p.out, "%d keys stay as they are, %d can no longer be sent\n", taken, hidden)
	return nil
}

func (p *program) reseal(ctx context.Context) error {
	rows, err := identity.ListOrganizations(ctx, p.pool)
	if err != nil {
		return err
	}
	for _, o := range rows {
		total := 0
		for _, reseal := range []func(context.Context, *db.Pool, *pii.Sealer, db.Scope, time.Time) (int, error){customer.Reseal, webhook.Reseal} {
			n, err := reseal(ctx, p.pool, p.sealer, db.Scope{OrganizationID: o.UUID}, time.Now())
			if err != nil {
				return err
			}
			total += n
		}
		_, _ = fmt.Fprintf(p.out, "%s: %d values sealed again\n", o.ID(), total)
	}
	return nil
}
