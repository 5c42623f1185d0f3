package relay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/relay"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

type state string

// thing is a row with every kind of column that is ordered or filtered by.
type thing struct {
	db.Row
	Number *int32      `db:"number"`
	Name   *string     `db:"name"`
	Day    *civil.Date `db:"day"`
	At     time.Time   `db:"at"`
	EndsAt *time.Time  `db:"ends_at"`
	Owner  *uuid.UUID  `db:"owner"`
	State  state       `db:"state"`
	Yes    bool        `db:"yes"`
	Text   string      `db:"search_text"`
}

const createThings = `CREATE TABLE things (
	organization_id uuid NOT NULL, id uuid NOT NULL, number integer, name text, day date, at timestamptz NOT NULL, ends_at timestamptz,
	owner uuid, state text NOT NULL, yes boolean NOT NULL, search_text text NOT NULL, PRIMARY KEY (organization_id, id))`

var things = db.NewTable[thing]("things", "thing")

type filter struct {
	Number  *relay.IDFilter          // an untagged field is the special function's
	Name    *relay.StringFilter      `filter:"name"`
	EndsAt  *relay.DateTimeFilter    `filter:"ends_at"`
	Owner   *relay.IDFilter          `filter:"owner,user"`
	State   *relay.EnumFilter[state] `filter:"state"`
	Yes     *relay.BooleanFilter     `filter:"yes"`
	Special graphql.Omittable[*string]
	And     []*filter
	Or      []*filter
	Not     *filter
}

func spec() *relay.Spec[thing] {
	return &relay.Spec[thing]{
		Table:   things,
		Default: db.By("at"),
		Orders: map[string]db.Term{
			"NUMBER": {Column: "number", Nullable: true}, "NAME": {Column: "name", Nullable: true},
			"DAY": {Column: "day", Nullable: true}, "AT": {Column: "at"}, "STATE": {Column: "state"},
		},
		Filter: relay.FilterBy(func(_ context.Context, f *filter) (db.Where, error) {
			if v := f.Special.Value(); v != nil {
				return db.Where{}.And("c.name = ? || '!'", *v), nil
			}
			return db.Where{}, nil
		}),
		Search: relay.Contains("search_text"),
	}
}

// withInputs stands for the executor, which reads inputs by the schema.
func withInputs(ctx context.Context) context.Context {
	return graphql.WithUnmarshalerMap(ctx, graphql.BuildUnmarshalerMap(func(_ context.Context, raw any) (filter, error) {
		text, err := json.Marshal(raw)
		if err != nil {
			return filter{}, err
		}
		var f filter
		return f, json.Unmarshal(text, &f)
	}))
}

type world struct {
	pool    *db.Pool
	cursors *relay.Cursors
}

func open(t testing.TB) *world {
	t.Helper()
	pool, err := db.Open(dbtest.New(t), db.Settings{MaxOpen: 4})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pool.Close() })
	_, err = pool.Exec(t.Context(), createThings)
	require.NoError(t, err)
	return &world{pool, relay.NewCursors([]byte("0123456789abcdef"))}
}

func scope() db.Scope { return db.Scope{OrganizationID: db.NewID()} }

// page reads one page as a resolver does.
func (w *world) page(ctx context.Context, s db.Scope, raw map[string]any) (*relay.Connection[*thing], error) {
	args, err := spec().Parse(withInputs(ctx), w.cursors, s, "Query.things", raw)
	if err != nil {
		return nil, err
	}
	rows, err := things.List(ctx, w.pool, s, args.Where, args.Page)
	if err != nil {
		return nil, err
	}
	return relay.NewConnection(args, rows, things.ValueOf, func(ctx context.Context) (int, error) {
		return things.Count(ctx, w.pool, s, args.Where)
	}), nil
}

func (w *world) insert(t require.TestingT, s db.Scope, rows ...*thing) {
	for _, r := range rows {
		r.OrganizationID = s.OrganizationID
		if r.UUID == uuid.Nil {
			r.UUID = db.NewID()
		}
		if r.At.IsZero() {
			r.At = noon
		}
	}
	_, err := things.InsertAll(context.Background(), w.pool, s, rows, false)
	require.NoError(t, err)
}

// names are the names of the rows that a filter finds, in order; - stands for none.
func (w *world) names(t require.TestingT, s db.Scope, raw map[string]any) []string {
	raw["orderBy"] = map[string]any{"field": "NAME"}
	raw["first"] = 100
	c, err := w.page(context.Background(), s, raw)
	require.NoError(t, err, fmt.Sprint(raw))
	out := []string{}
	for _, r := range c.Nodes() {
		if r.Name == nil {
			out = append(out, "-")
		} else {
			out = append(out, *r.Name)
		}
	}
	return out
}

func pointer[V any](v V) *V { return &v }

func with(raw map[string]any, key string, value any) map[string]any {
	out := map[string]any{key: value}
	for k, v := range raw {
		if k != key {
			out[k] = v
		}
	}
	return out
}
