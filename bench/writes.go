package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/identity"
	"caseload/internal/notify"
	"caseload/internal/viewer"
)

//go:embed sql/upsert.sql
var upsertSQL string

//go:embed sql/digest.sql
var digestSQL string

// W1 brings the same customers in three phases, as an integrator does who sends all that it has each night.
type phase struct {
	name string
	// state is which state of the customers is sent.
	state int
	// created, changed and same count what must come of so many customers.
	created, changed, same func(n int) int
}

var (
	all    = func(n int) int { return n }
	odd    = func(n int) int { return n / 2 }
	even   = func(n int) int { return n - n/2 }
	none   = func(int) int { return 0 }
	phases = []phase{
		{"first insert", 0, all, none, none},
		{"half changed", 1, none, odd, even},
		{"nothing changed", 1, none, none, all},
	}
)

// The ways in which they come.
const (
	viaMutation  = "W1 server, bulkUpsertCustomers"
	viaTwo       = "W1 server, bulkUpsertCustomers, 2 clients"
	viaOperation = "W1 server, bulk operation from a file"
	viaSQL       = "W1 psql, COPY and merge"
)

// writes measures bulk writes of customers.
type writes struct {
	b      *bench
	psql   string
	people *people
	ways   []*way
}

// way is one way to bring customers, with its samples of each phase.
type way struct {
	name    string
	bring   func(ctx context.Context, t *tenant, p phase) (*writeSample, error)
	samples [][]*writeSample
}

// writeSample is one measurement of one phase.
type writeSample struct {
	perSecond float64
	// cpu is the server's processor time for 1,000 rows, and sql is PostgreSQL's.
	cpu, sql time.Duration
	// before is the server's resident memory when it began, and peak the most that it came to, in bytes.
	before, peak int64
	// wait is how long a bulk operation waited for its turn, which is in no other figure.
	wait time.Duration
}

// tenant is an organization of its own, so that every measurement begins without customers.
type tenant struct {
	id     uuid.UUID
	server *server
}

func newWrites(b *bench, rows int, dir string) (*writes, error) {
	w := &writes{b: b}
	var err error
	if w.psql, err = findPsql(); err != nil {
		return nil, err
	}
	if w.people, err = makePeople(rows, dir, b.db.sealer); err != nil {
		return nil, err
	}
	calls := func(clients int) func(context.Context, *tenant, phase) (*writeSample, error) {
		return func(ctx context.Context, t *tenant, p phase) (*writeSample, error) { return w.call(ctx, t, p, clients) }
	}
	w.ways = []*way{{name: viaSQL, bring: w.merge}, {name: viaMutation, bring: calls(1)}, {name: viaOperation, bring: w.operate}, {name: viaTwo, bring: calls(2)}}
	for _, v := range w.ways {
		v.samples = make([][]*writeSample, len(phases))
	}
	return w, nil
}

// psql stands beside pgbench.
func findPsql() (string, error) {
	if program, err := exec.LookPath("psql"); err == nil {
		return program, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/psql")
	if len(found) == 0 {
		return "", errors.New("psql is missing: it comes with PostgreSQL's client programs (Debian: `apt-get install postgresql-client`; macOS: `brew install postgresql@17`)")
	}
	return found[len(found)-1], nil
}

// round measures every way once. All must leave the same rows.
func (w *writes) round(ctx context.Context, round int, progress io.Writer) error {
	digests := map[string]string{}
	// Later ones find more rows of others in the tables: each round begins with another.
	for i := range w.ways {
		way := w.ways[(i+round)%len(w.ways)]
		t, err := w.tenant(ctx)
		if err != nil {
			return err
		}
		for n, p := range phases {
			if err := w.settle(ctx); err != nil {
				return err
			}
			before, err := w.b.db.cpu(ctx)
			if err != nil {
				return err
			}
			s, err := way.bring(ctx, t, p)
			if err != nil {
				return fmt.Errorf("measure %s, %s: %w", way.name, p.name, err)
			}
			after, err := w.b.db.cpu(ctx)
			if err != nil {
				return err
			}
			s.sql = (after - before) * 1000 / time.Duration(w.people.count)
			way.samples[n] = append(way.samples[n], s)
			say(progress, "round %d  %-42s %-16s %9.0f rows/s  CPU for 1000: server %v ms, PostgreSQL %v ms", round+1, way.name, p.name, s.perSecond, brief(s.cpu), brief(s.sql))
		}
		var digest string
		if err := w.b.db.pool.Get(ctx, &digest, digestSQL, t.id); err != nil {
			return fmt.Errorf("compare rows: %w", err)
		}
		digests[digest] = way.name
	}
	if len(digests) != 1 {
		return fmt.Errorf("compare rows: those of %v differ, so their speeds say nothing", digests)
	}
	return nil
}

// settle does for all ways alike what PostgreSQL does by itself in time, so that no measurement pays for the one before.
func (w *writes) settle(ctx context.Context) error {
	for _, text := range []string{"VACUUM (ANALYZE) customers, customer_identifiers, customer_phones, customer_addresses", "CHECKPOINT"} {
		if _, err := w.b.db.pool.SQL().ExecContext(ctx, text); err != nil {
			return fmt.Errorf("settle data: %w", err)
		}
	}
	return nil
}

func (w *writes) tenant(ctx context.Context) (*tenant, error) {
	pool := w.b.db.pool
	t := &tenant{id: db.NewID()}
	if _, err := identity.CreateOrganization(ctx, pool, t.id, "Bulk Lending", "America/New_York", time.Now()); err != nil {
		return nil, err
	}
	bus := notify.New(pool, w.b.db.url, slog.New(slog.DiscardHandler))
	_, key, err := identity.NewKeys(pool, bus, time.Now).Create(ctx, system(t.id), identity.CreateAPIKeyInput{Name: "Measurements", Scopes: viewer.AllScopes()})
	if err != nil {
		return nil, err
	}
	s := *w.b.server
	s.key, t.server = key, &s
	return t, nil
}

// took makes a sample of what the server has done since begun.
func (w *writes) took(since time.Duration, cpu time.Duration, before int64) *writeSample {
	return &writeSample{
		perSecond: float64(w.people.count) / since.Seconds(),
		cpu:       (w.b.server.cpu() - cpu) * 1000 / time.Duration(w.people.count),
		before:    before, peak: w.b.server.peak(),
	}
}

const upsertQuery = `mutation Upsert($input: BulkUpsertCustomersInput!) { bulkUpsertCustomers(input: $input) { created updated unchanged failed messages results { index action key success userErrors { code message path } } userErrors { code message path } } }`

// counts are what became of rows.
type counts struct{ Created, Updated, Unchanged, Failed int }

// check reports whether all customers came to what the phase makes of them.
func (c counts) check(p phase, n int) error {
	if want := (counts{p.created(n), p.changed(n), p.same(n), 0}); c != want {
		return fmt.Errorf("the server counted %+v instead of %+v", c, want)
	}
	return nil
}

// call sends the customers through the mutation, [bulkRows] a call, on so many connections.
func (w *writes) call(ctx context.Context, t *tenant, p phase, clients int) (*writeSample, error) {
	lines := w.people.lines[p.state]
	w.b.server.resetPeak()
	before, cpu, begun := w.b.server.peak(), w.b.server.cpu(), time.Now()
	var next atomic.Int64
	var mu sync.Mutex
	var sum counts
	var errs []error
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			got, err := t.upsert(ctx, lines, &next)
			mu.Lock()
			defer mu.Unlock()
			sum.Created, sum.Updated, sum.Unchanged, sum.Failed = sum.Created+got.Created, sum.Updated+got.Updated, sum.Unchanged+got.Unchanged, sum.Failed+got.Failed
			errs = append(errs, err)
		})
	}
	wg.Wait()
	s := w.took(time.Since(begun), cpu, before)
	return s, errors.Join(append(errs, sum.check(p, len(lines)))...)
}

// upsert sends calls on one connection until there is no next one.
func (t *tenant) upsert(ctx context.Context, lines [][]byte, next *atomic.Int64) (sum counts, err error) {
	c, err := t.server.connect(ctx)
	if err != nil {
		return sum, err
	}
	defer c.conn.Close() //nolint:errcheck // all answers have been read
	var body []byte
	for {
		to := int(next.Add(bulkRows))
		from := to - bulkRows
		if from >= len(lines) {
			return sum, nil
		}
		body = append(append(body[:0], `{"query":"`...), upsertQuery...)
		body = append(body, `","variables":{"input":{"source":"bench","customers":[`...)
		for i, line := range lines[from:min(to, len(lines))] {
			if i > 0 {
				body = append(body, ',')
			}
			body = append(body, line...)
		}
		answer, err := c.do(append(body, "]}}}"...))
		if err != nil {
			return sum, err
		}
		// The counts stand first: the results behind them are not decoded, as the processors are shared.
		head, _, _ := bytes.Cut(answer, []byte(`,"messages"`))
		_, head, ok := bytes.Cut(head, []byte(`"bulkUpsertCustomers":`))
		var got counts
		if !ok || json.Unmarshal(append(bytes.Clone(head), '}'), &got) != nil || got == (counts{}) {
			return sum, fmt.Errorf("the server answered: %.500s", answer)
		}
		sum.Created, sum.Updated, sum.Unchanged, sum.Failed = sum.Created+got.Created, sum.Updated+got.Updated, sum.Unchanged+got.Unchanged, sum.Failed+got.Failed
	}
}

// operate sends the customers as a file and waits until its operation is complete. The time until a worker takes it is apart:
// workers look for work once a second, which says nothing of the rows.
func (w *writes) operate(ctx context.Context, t *tenant, p phase) (*writeSample, error) {
	w.b.server.resetPeak()
	before, cpu, begun := w.b.server.peak(), w.b.server.cpu(), time.Now()
	id, err := t.upload(ctx, w.people.jsonl[p.state])
	if err != nil {
		return nil, err
	}
	sent := time.Since(begun)
	query := post(`query Operation($id: ID!) { bulkOperation(id: $id) { state created: createdCount updated: updatedCount unchanged: unchangedCount failed: failedCount createdAt startedAt finishedAt messages } }`, map[string]any{"id": id})
	c, err := t.server.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.conn.Close() //nolint:errcheck // all answers have been read
	for {
		var data struct {
			BulkOperation struct {
				counts
				State                 string
				CreatedAt             time.Time
				StartedAt, FinishedAt *time.Time
				Messages              []string
			}
		}
		if err := c.ask(query, &data); err != nil {
			return nil, err
		}
		switch o := data.BulkOperation; o.State {
		case "PENDING", "CHECKING", "RUNNING":
		case "COMPLETED":
			s := w.took(sent+o.FinishedAt.Sub(*o.StartedAt), cpu, before)
			s.wait = o.StartedAt.Sub(o.CreatedAt)
			return s, o.check(p, w.people.count)
		default:
			return nil, fmt.Errorf("the operation is %s: %v", o.State, o.Messages)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// upload creates a bulk operation of a file and returns its id.
func (t *tenant) upload(ctx context.Context, path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("open customers: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	const operations = `{"query":"mutation Import($input: CreateBulkOperationInput!) { createBulkOperation(input: $input) { bulkOperation { id } userErrors { code message path } } }","variables":{"input":{"kind":"UPSERT_CUSTOMERS","format":"JSONL","upsertCustomers":{"source":"bench"},"file":null}}}`
	body, to := io.Pipe()
	form := multipart.NewWriter(to)
	go func() {
		err := errors.Join(form.WriteField("operations", operations), form.WriteField("map", `{"0":["variables.input.file"]}`))
		part, create := form.CreateFormFile("0", filepath.Base(path))
		if err = errors.Join(err, create); err == nil {
			_, err = io.Copy(part, file)
		}
		_ = to.CloseWithError(errors.Join(err, form.Close()))
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+t.server.address+"/graphql", body)
	if err != nil {
		return "", fmt.Errorf("send customers: %w", err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("GraphQL-Require-Preflight", "1")
	req.Header.Set("X-API-Key", t.server.key)
	res, err := t.server.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("send customers: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return "", fmt.Errorf("read answer: %w", err)
	}
	var data struct {
		Data struct {
			CreateBulkOperation struct{ BulkOperation struct{ ID string } }
		}
	}
	if err := json.Unmarshal(answer, &data); err != nil || data.Data.CreateBulkOperation.BulkOperation.ID == "" {
		return "", fmt.Errorf("the server answered with status %s: %.500s", strconv.Itoa(res.StatusCode), answer)
	}
	return data.Data.CreateBulkOperation.BulkOperation.ID, nil
}

// merge brings the customers by psql.
func (w *writes) merge(ctx context.Context, t *tenant, p phase) (*writeSample, error) {
	script := filepath.Join(w.b.pgbench.dir, "upsert.sql")
	if err := os.WriteFile(script, []byte(upsertSQL), 0o600); err != nil {
		return nil, fmt.Errorf("write script: %w", err)
	}
	file, err := os.Open(w.people.csv[p.state])
	if err != nil {
		return nil, fmt.Errorf("open customers: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	cmd := exec.CommandContext(ctx, w.psql, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--set=org="+t.id.String(), "--file="+script)
	cmd.Env, cmd.Stdin = w.b.pgbench.env, file
	begun := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("run psql: %w\n%s", err, out)
	}
	return &writeSample{perSecond: float64(w.people.count) / time.Since(begun).Seconds()}, nil
}
