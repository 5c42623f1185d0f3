package main

import (
	"context"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"
)

//go:embed page.graphql
var pageFragment string

//go:embed sql/page-json.sql
var pageJSON string

//go:embed sql/page-edges.sql
var pageEdges string

//go:embed sql/deep.sql
var deepSQL string

//go:embed sql/sync.sql
var syncSQL string

//go:embed sql/sync-least.sql
var syncLeast string

// The names of what is measured. The first word is what -only takes.
const (
	pageHTTP  = "Q1 server"
	pageSlow  = "Q1 server, generated"
	pageOne   = "Q1 one json_agg statement"
	pageMany  = "Q1 one statement per edge"
	nestHTTP  = "Q2 server"
	nestSlow  = "Q2 server, generated"
	nestOne   = "Q2 one json_agg statement"
	nestMany  = "Q2 one statement per edge"
	deepHTTP  = "Q3 server, page 1000"
	deepSlow  = "Q3 server, page 1000, generated"
	firstHTTP = "Q3 server, page 1"
	deepOne   = "Q3 one statement, page 1000"
	syncHTTP  = "W2 server"
	syncOne   = "W2 the same statements"
	syncFew   = "W2 as few statements as it needs"
	bulkHTTP  = "bulk server, 1000 rows a call"
)

// edges are those that the queries select, and levels is how deep they stand.
const (
	edges      = 8
	levels     = 3
	deepPage   = 1000
	pageSize   = 50
	bulkRows   = 1000
	concurrent = 16
)

// bench is a filled database with the server on it.
type bench struct {
	db     *database
	server *server
	// generated is a second server, with compiled reads switched off.
	generated *server
	pgbench   *pgbench
	customers int
	// writes is nil where bulk writes are not measured.
	writes *writes
	// changes makes the values of syncs differ, so that each has something to write.
	changes atomic.Int64
}

// cells are what is measured, in the order of a round.
func (b *bench) cells(ctx context.Context) ([]*cell, error) {
	var typeID uuid.UUID
	if err := b.db.pool.Get(ctx, &typeID, "SELECT id FROM task_types WHERE organization_id = $1", big); err != nil {
		return nil, fmt.Errorf("find task type: %w", err)
	}
	variables := map[string]string{"org": big.String(), "type": typeID.String(), "customers": strconv.Itoa(b.customers)}
	var list []*cell
	add := func(name string, clients []int, measure func(ctx context.Context, clients int, d time.Duration) (*sample, error)) {
		for _, n := range clients {
			list = append(list, &cell{name: name, clients: n, measure: measure})
		}
	}
	both := []int{1, concurrent}
	from := func(s *server, next request, want string) func(context.Context, int, time.Duration) (*sample, error) {
		return func(ctx context.Context, clients int, d time.Duration) (*sample, error) {
			return s.load(ctx, clients, d, next, want)
		}
	}
	http := func(next request, want string) func(context.Context, int, time.Duration) (*sample, error) {
		return from(b.server, next, want)
	}
	sql := func(script string) func(context.Context, int, time.Duration) (*sample, error) {
		return func(ctx context.Context, clients int, d time.Duration) (*sample, error) {
			return b.pgbench.run(ctx, script, variables, clients, d)
		}
	}

	page := always(pageQuery())
	add(pageHTTP, both, http(page, `"dueLocal":`))
	add(pageSlow, both, from(b.generated, page, `"dueLocal":`))
	add(pageOne, both, sql(firstPage(pageJSON)))
	add(pageMany, both, sql(firstPage(pageEdges)))

	nest := b.nests(nestQuery)
	add(nestHTTP, both, http(nest, `"dueLocal":`))
	add(nestSlow, both, from(b.generated, nest, `"dueLocal":`))
	add(nestOne, both, sql(oneCustomer(pageJSON)))
	add(nestMany, both, sql(oneCustomer(pageEdges)))

	deep, first, err := b.deepPages(ctx, variables)
	if err != nil {
		return nil, err
	}
	add(deepHTTP, both, http(always(deep), `"dueLocal":`))
	add(deepSlow, both, from(b.generated, always(deep), `"dueLocal":`))
	add(firstHTTP, both, http(always(first), `"dueLocal":`))
	add(deepOne, both, sql(deepSQL))

	add(syncHTTP, both, http(b.sync, `"userErrors":[]`))
	add(syncOne, both, sql(syncSQL))
	add(syncFew, both, sql(syncLeast))
	add(bulkHTTP, []int{1}, func(ctx context.Context, clients int, d time.Duration) (*sample, error) {
		return b.server.load(ctx, clients, d, b.bulk, `"failed":0`)
	})
	return list, nil
}

// always is the same request each time.
func always(body []byte) request { return func(*rand.Rand) []byte { return body } }

func pageQuery() []byte {
	return post(`query Page { customers(first: 50) { nodes { ...Page } pageInfo { hasNextPage endCursor } } } `+pageFragment, nil)
}

func nestQuery(reference string) []byte {
	return post(`query Nest($ref: String!) { customer(referenceId: $ref) { ...Page } } `+pageFragment, map[string]any{"ref": reference})
}

// nests are requests for one of many customers each.
func (b *bench) nests(query func(reference string) []byte) request {
	all := make([][]byte, min(b.customers, 2000))
	for i := range all {
		all[i] = query(reference(1 + i*(b.customers/len(all))))
	}
	return func(r *rand.Rand) []byte { return all[r.IntN(len(all))] }
}

// statementsOf counts the statements of a script as the server counts its own: without BEGIN and COMMIT.
func statementsOf(script string) int {
	n := 0
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if strings.HasSuffix(line, ";") && line != "BEGIN;" && line != "COMMIT;" {
			n++
		}
	}
	return n
}

func reference(n int) string { return "CUST-" + strconv.Itoa(n) }

// firstPage makes a script of the first page of customers: their ids are known.
func firstPage(script string) string {
	var customers, schedules []uuid.UUID
	for n := 1; n <= pageSize; n++ {
		customers, schedules = append(customers, id(customerKind, n)), append(schedules, id(scheduleKind, n))
	}
	return fill(script, "c.organization_id = CAST(:org AS uuid)", literal(customers), literal(schedules))
}

// oneCustomer makes a script of one customer by reference.
func oneCustomer(script string) string {
	return "\\set n random(1, :customers)\n" + fill(script, "c.organization_id = CAST(:org AS uuid) AND c.reference_id = concat('CUST-', CAST(:n AS text))",
		"ARRAY[bench_id(1, :n)]", "ARRAY[bench_id(5, :n)]")
}

func fill(script, root, customers, schedules string) string {
	return strings.NewReplacer(":root", root, ":customers", customers, ":schedules", schedules, ":types", "ARRAY[CAST(:type AS uuid)]").Replace(script)
}

func literal(ids []uuid.UUID) string {
	// An array of uuids always has a value.
	text, _ := pq.Array(ids).Value()
	return fmt.Sprintf("CAST('%s' AS uuid[])", text)
}

// deepPages walks to the page that is measured, and notes where it begins for the SQL.
func (b *bench) deepPages(ctx context.Context, variables map[string]string) (deep, first []byte, err error) {
	const list = `{ nodes { id state attemptNumber dueAt dueLocal timeZone windowEndsAt } pageInfo { hasNextPage endCursor } } }`
	first = post(`query Deep { callTasks(first: 50) `+list, nil)
	pages := min(deepPage, b.customers*7/pageSize/2)
	c, err := b.server.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer c.conn.Close() //nolint:errcheck // all answers have been read
	var after *string
	for range pages - 1 {
		var data struct {
			CallTasks struct{ PageInfo struct{ EndCursor string } }
		}
		if err := c.ask(post(`query Walk($after: String) { callTasks(first: 50, after: $after) { pageInfo { endCursor } } }`, map[string]any{"after": after}), &data); err != nil {
			return nil, nil, err
		}
		after = &data.CallTasks.PageInfo.EndCursor
	}
	deep = post(`query Deep($after: String) { callTasks(first: 50, after: $after) `+list, map[string]any{"after": after})
	var at struct {
		Due string    `db:"due"`
		ID  uuid.UUID `db:"id"`
	}
	if err := b.db.pool.Get(ctx, &at, "SELECT CAST(due_at AS text) AS due, id FROM call_tasks WHERE organization_id = $1 ORDER BY due_at, id OFFSET $2 LIMIT 1", big, (pages-1)*pageSize-1); err != nil {
		return nil, nil, fmt.Errorf("find deep page: %w", err)
	}
	variables["due"], variables["id"] = at.Due, at.ID.String()
	return deep, first, nil
}

// sync is a request for a customer who exists and has another e-mail address and street now.
func (b *bench) sync(r *rand.Rand) []byte {
	const head = `{"query":"mutation Sync($input: SyncCustomerScheduleInput!) { syncCustomerSchedule(input: $input) { scheduleCreated tasksCreated existingTasksRemoved userErrors { code message path } } }","variables":{"input":`
	body := make([]byte, 0, 512)
	body = append(body, head...)
	body = b.row(body, 1+r.IntN(b.customers))
	return append(body, "}}"...)
}

// bulk is a request for a thousand customers in a row.
func (b *bench) bulk(r *rand.Rand) []byte {
	const head = `{"query":"mutation Bulk($input: BulkSyncCustomerSchedulesInput!) { bulkSyncCustomerSchedules(input: $input) { total succeeded failed userErrors { code message path } } }","variables":{"input":{"customers":[`
	rows := min(bulkRows, b.customers)
	from := 1 + r.IntN(b.customers-rows+1)
	body := append(make([]byte, 0, rows*160), head...)
	for n := from; n < from+rows; n++ {
		if n > from {
			body = append(body, ',')
		}
		body = b.row(body, n)
	}
	return append(body, "]}}}"...)
}

func (b *bench) row(to []byte, n int) []byte {
	change := b.changes.Add(1)
	return fmt.Appendf(to, `{"referenceId":"CUST-%d","taskType":"%s","email":"person%d.%d@example.com","streetAddress1":"%d Oak Avenue"}`, n, taskType, n, change, change)
}
