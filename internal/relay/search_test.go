package relay_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/relay"
)

func TestSearch(t *testing.T) {
	t.Parallel()
	w, s := open(t), scope()
	w.insert(t, s,
		&thing{Name: pointer("jon"), Text: "jonathan x. appleseed jon@apple.example.test ref-100 14155550123 loan-7/a 12-345"},
		&thing{Name: pointer("zoë"), Text: "zoë o'hara zoe_o@example.test 50%off 442071838750"},
		&thing{Name: pointer("near"), Text: "joan peach 14155550124 ref-1000 12345"},
	)
	w.insert(t, scope(), &thing{Name: pointer("foreign"), Text: "jonathan appleseed 14155550123"})
	for _, c := range []struct {
		text string
		want []string
	}{
		{"jonathan", []string{"jon"}},
		{"JONATHAN", []string{"jon"}},
		{"  Appleseed   jonathan ", []string{"jon"}},
		{"nath", []string{"jon"}},
		{"jonathan peach", nil},
		{"jonatan", []string{"jon"}},
		{"apleseed", []string{"jon"}},
		{"jon@apple.example.test", []string{"jon"}},
		{"ref-1000", []string{"near"}},
		{"john o'harra", nil},
		{"o'harra", []string{"zoë"}},
		{"example.test", []string{"jon", "zoë"}},
		{"+14155550123", []string{"jon"}},
		{"14155550123", []string{"jon"}},
		{"4155550123", []string{"jon"}},
		{"(415) 555-0123", []string{"jon"}},
		{"+1 (415) 555-0123", []string{"jon"}},
		{"415.555.0123", []string{"jon"}},
		{"415-555-0123", []string{"jon"}},
		{"appleseed 415-555-0123", []string{"jon"}},
		{"peach 415-555-0123", nil},
		{"+44 20 7183 8750", []string{"zoë"}},
		{"415555012", []string{"jon", "near"}},
		{"4155550129", nil},
		{"loan-7/a", []string{"jon"}},
		{"12-345", []string{"jon", "near"}},
		{"12345", []string{"near"}},
		{"ZOË", []string{"zoë"}},
		{"o'hara", []string{"zoë"}},
		{"50%", []string{"zoë"}},
		{"%%%", nil},
		{"___", nil},
		{`\\\`, nil},
		{"zoe_o", []string{"zoë"}},
		{"???", nil},
	} {
		t.Run(c.text, func(t *testing.T) {
			require.ElementsMatch(t, c.want, w.names(t, s, m{"search": c.text}))
		})
	}
}

// plan is a node of a query plan, as EXPLAIN tells it.
type plan struct {
	Type     string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Index    string  `json:"Index Name"`
	Cond     string  `json:"Index Cond"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Rows     float64 `json:"Actual Rows"`
	Loops    float64 `json:"Actual Loops"`
	Plans    []plan  `json:"Plans"`
}

func (p plan) all() []plan {
	out := []plan{p}
	for _, child := range p.Plans {
		out = append(out, child.all()...)
	}
	return out
}

// explainer runs what a Table runs, with EXPLAIN before it.
type explainer struct {
	db.Querier
	t    *testing.T
	pool *db.Pool
	plan plan
}

func (e *explainer) Query(ctx context.Context, query string, args ...any) (*sqlx.Rows, error) {
	e.explain(ctx, query, args)
	return e.pool.Query(ctx, query, args...)
}

// explain looks at the plan that serves every argument: a prepared statement is planned for all of them in the end.
func (e *explainer) explain(ctx context.Context, query string, args []any) {
	conn, err := e.pool.SQL().Conn(ctx)
	require.NoError(e.t, err)
	defer conn.Close() //nolint:errcheck // the statements' errors were looked at
	run := func(text string, args ...any) {
		_, err := conn.ExecContext(ctx, text, args...)
		require.NoError(e.t, err, text)
	}
	run("SET plan_cache_mode = force_generic_plan")
	run("PREPARE q AS " + query)
	literals := make([]string, len(args))
	for i, a := range args {
		literals[i] = "NULL"
		if text := db.Text(a); text != nil {
			literals[i] = pq.QuoteLiteral(*text)
		}
	}
	var text []byte
	require.NoError(e.t, conn.QueryRowContext(ctx, "EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE q("+strings.Join(literals, ", ")+")").Scan(&text))
	run("DEALLOCATE q")
	run("RESET plan_cache_mode")
	var top []struct{ Plan plan }
	require.NoError(e.t, json.Unmarshal(text, &top))
	e.plan = top[0].Plan
}

func (e *explainer) indexes() (names []string, removed, read float64) {
	for _, p := range e.plan.all() {
		require.NotEqual(e.t, "Seq Scan", p.Type, "%+v", e.plan)
		if p.Index != "" {
			names = append(names, p.Index)
		}
		if p.Relation != "" {
			removed += p.Removed * p.Loops
			read += p.Rows * p.Loops
		}
	}
	slices.Sort(names)
	return slices.Compact(names), removed, read
}

// A large organization beside another: every page, however deep, is one range of the order's index, and a
// search goes by the trigrams. What is asserted is the plan, not the time.
func TestPlansAmongManyRows(t *testing.T) {
	t.Parallel()
	w, s := open(t), scope()
	ctx := t.Context()
	const many = 60_000
	_, err := w.pool.Exec(ctx, `
		INSERT INTO customers (organization_id, id, reference_id, last_name, search_text, created_at, updated_at, created_by, updated_by)
		SELECT CASE WHEN i % 6 = 0 THEN CAST($2 AS uuid) ELSE $1 END, gen_random_uuid(), 'ref-' || i, CASE WHEN i % 10 > 0 THEN md5(CAST(i % 9000 AS text)) END,
			md5(CAST(i AS text)) || ' ' || md5(CAST(i AS text)) || '@example.test 1415' || lpad(CAST(i AS text), 7, '0') || ' ref-' || i,
			CAST($3 AS timestamptz) + i * interval '1 second', CAST($3 AS timestamptz) + (i * 7919 % 60000) * interval '1 second', 'system', 'system'
		FROM generate_series(1, CAST($4 AS integer)) i`, s.OrganizationID, uuid.New(), noon, many)
	require.NoError(t, err)
	_, err = w.pool.SQL().ExecContext(ctx, "VACUUM ANALYZE customers")
	require.NoError(t, err)

	list := customer.NewLists(nil).Customers
	read := func(t *testing.T, raw m) (*relay.Connection[*customer.Customer], *explainer) {
		args, err := list.Parse(withInputs(ctx), w.cursors, s, "Query.customers", raw)
		require.NoError(t, err)
		e := &explainer{t: t, pool: w.pool}
		rows, err := customer.Customers.List(ctx, e, s, args.Where, args.Page)
		require.NoError(t, err)
		return relay.NewConnection(args, rows, customer.Customers.ValueOf, nil), e
	}
	// The cursor of a row in the middle of an order, made by the list itself.
	middle := func(t *testing.T, raw m, where string) string {
		var id uuid.UUID
		require.NoError(t, w.pool.Get(ctx, &id, "SELECT id FROM customers c WHERE organization_id = $1 AND "+where+" ORDER BY id OFFSET 100 LIMIT 1", s.OrganizationID))
		row, err := customer.Customers.ByID(ctx, w.pool, s, id)
		require.NoError(t, err)
		args, err := list.Parse(withInputs(ctx), w.cursors, s, "Query.customers", raw)
		require.NoError(t, err)
		return relay.NewConnection(args, []*customer.Customer{row}, customer.Customers.ValueOf, nil).Edges()[0].Cursor()
	}
	deep := noon.Add(many / 2 * time.Second).Format(time.RFC3339)
	for _, order := range []struct {
		field, index string
		places       []string
	}{
		{"CREATED_AT", "customers_created_idx", []string{"created_at > '" + deep + "'"}},
		{"UPDATED_AT", "customers_updated_idx", []string{"updated_at > '" + deep + "'"}},
		{"LAST_NAME", "customers_last_name_idx", []string{"last_name > '8'", "last_name IS NULL"}},
		{"REFERENCE_ID", "customers_reference_id_key", []string{"reference_id > 'ref-3'"}},
	} {
		for _, direction := range []string{"ASC", "DESC"} {
			for _, nulls := range []any{nil, "FIRST", "LAST"} {
				raw := m{"orderBy": []any{m{"field": order.field, "direction": direction, "nulls": nulls}}}
				name := strings.Join([]string{order.field, direction, map[any]string{nil: "", "FIRST": "nulls first", "LAST": "nulls last"}[nulls]}, " ")
				t.Run(name, func(t *testing.T) {
					pages := []m{with(raw, "first", 20), with(raw, "last", 20)}
					for _, place := range order.places {
						at := middle(t, raw, place)
						pages = append(pages, with(with(raw, "first", 20), "after", at), with(with(raw, "last", 20), "before", at))
					}
					for _, page := range pages {
						c, e := read(t, page)
						require.NotEmpty(t, c.Nodes())
						indexes, removed, rows := e.indexes()
						require.Equal(t, []string{order.index}, indexes, "%+v", e.plan)
						require.LessOrEqual(t, removed, 50.0, "rows were read to be thrown away: %+v", e.plan)
						require.LessOrEqual(t, rows, 60.0)
					}
				})
			}
		}
	}
	for _, text := range []string{"example.test 14150001234", "ref-4321", "(415) 000-1234", "3f4e"} {
		t.Run("search "+text, func(t *testing.T) {
			_, e := read(t, m{"search": text, "first": 20})
			indexes, _, _ := e.indexes()
			require.Contains(t, indexes, "customers_search_idx", "%+v", e.plan)
		})
	}
}
