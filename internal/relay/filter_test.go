package relay_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/relay"
)

type m = map[string]any

func at(n int) *time.Time { return pointer(noon.Add(time.Duration(n) * time.Microsecond)) }

func moment(n int) string { return at(n).Format(time.RFC3339Nano) }

func TestFilterOperators(t *testing.T) {
	t.Parallel()
	w, s := open(t), scope()
	ann, bob := db.NewID(), db.NewID()
	w.insert(t, s,
		&thing{Name: pointer("a"), EndsAt: at(1), Owner: &ann, State: "X", Yes: true},
		&thing{Name: pointer("b"), EndsAt: at(2), Owner: &bob, State: "Y"},
		&thing{Name: pointer("b%_\\"), EndsAt: at(3), Owner: &ann, State: "Z", Yes: true},
		&thing{State: "X"},
	)
	w.insert(t, scope(), &thing{Name: pointer("foreign")})
	id := func(u uuid.UUID) string { return relay.ID{Prefix: "user", UUID: u}.String() }
	for _, c := range []struct {
		filter m
		want   []string
	}{
		{m{}, []string{"a", "b", `b%_\`, "-"}},
		{m{"name": m{}}, []string{"a", "b", `b%_\`, "-"}},
		{m{"name": m{"eq": "b"}}, []string{"b"}},
		{m{"name": m{"eq": "B"}}, nil},
		{m{"name": m{"neq": "b"}}, []string{"a", `b%_\`, "-"}},
		{m{"name": m{"in": []any{"a", "b", "x"}}}, []string{"a", "b"}},
		{m{"name": m{"in": []any{`b%_\`, `"`, "NULL"}}}, []string{`b%_\`}},
		{m{"name": m{"in": []any{}}}, nil},
		{m{"name": m{"startsWith": "b"}}, []string{"b", `b%_\`}},
		{m{"name": m{"startsWith": "b%"}}, []string{`b%_\`}},
		{m{"name": m{"startsWith": "_"}}, nil},
		{m{"name": m{"startsWith": `b%_\`}}, []string{`b%_\`}},
		{m{"name": m{"startsWith": ""}}, []string{"a", "b", `b%_\`}},
		{m{"name": m{"null": true}}, []string{"-"}},
		{m{"name": m{"null": false}}, []string{"a", "b", `b%_\`}},
		{m{"name": m{"startsWith": "b", "neq": "b"}}, []string{`b%_\`}},
		{m{"yes": m{"eq": true}}, []string{"a", `b%_\`}},
		{m{"yes": m{"eq": false}}, []string{"b", "-"}},
		{m{"state": m{"eq": "X"}}, []string{"a", "-"}},
		{m{"state": m{"neq": "X"}}, []string{"b", `b%_\`}},
		{m{"state": m{"in": []any{"Y", "Z"}}}, []string{"b", `b%_\`}},
		{m{"endsAt": m{"eq": moment(2)}}, []string{"b"}},
		{m{"endsAt": m{"gt": moment(2)}}, []string{`b%_\`}},
		{m{"endsAt": m{"gte": moment(2)}}, []string{"b", `b%_\`}},
		{m{"endsAt": m{"lt": moment(2)}}, []string{"a"}},
		{m{"endsAt": m{"lte": moment(2)}}, []string{"a", "b"}},
		{m{"endsAt": m{"null": true}}, []string{"-"}},
		{m{"endsAt": m{"null": false}}, []string{"a", "b", `b%_\`}},
		{m{"endsAt": m{"gt": moment(1), "lt": moment(3)}}, []string{"b"}},
		{m{"owner": m{"eq": id(ann)}}, []string{"a", `b%_\`}},
		{m{"owner": m{"in": []any{id(bob), id(uuid.Nil)}}}, []string{"b"}},
		{m{"owner": m{"in": []any{}}}, nil},
		{m{"special": "a"}, nil},
		{m{"and": []any{m{"yes": m{"eq": true}}, m{"state": m{"eq": "X"}}}}, []string{"a"}},
		{m{"and": []any{}}, []string{"a", "b", `b%_\`, "-"}},
		{m{"or": []any{m{"name": m{"eq": "a"}}, m{"state": m{"eq": "Y"}}}}, []string{"a", "b"}},
		{m{"or": []any{m{"name": m{"eq": "a"}}, m{}}}, []string{"a", "b", `b%_\`, "-"}},
		{m{"or": []any{}}, nil},
		{m{"not": m{"name": m{"eq": "a"}}}, []string{"b", `b%_\`, "-"}},
		{m{"not": m{"name": m{"neq": "a"}}}, []string{"a"}},
		{m{"not": m{}}, nil},
		{m{"yes": m{"eq": true}, "or": []any{m{"state": m{"eq": "Y"}}, m{"state": m{"eq": "Z"}}}}, []string{`b%_\`}},
		{m{"not": m{"or": []any{m{"yes": m{"eq": true}}, m{"name": m{"null": true}}}}}, []string{"b"}},
	} {
		t.Run(fmt.Sprint(c.filter), func(t *testing.T) {
			got := w.names(t, s, m{"filter": c.filter})
			require.ElementsMatch(t, c.want, got)
		})
	}
}

func TestFilterRefusals(t *testing.T) {
	t.Parallel()
	w, s := open(t), scope()
	nested := func(depth int) m {
		f := m{"yes": m{"eq": true}}
		for range depth - 1 {
			f = m{"not": f}
		}
		return f
	}
	many := func(n int, el m) []any { return slices.Repeat([]any{el}, n) }
	one := m{"yes": m{"eq": true}}
	values := func(n int) []any { return slices.Repeat([]any{"x"}, n) }
	foreign := relay.ID{Prefix: "cust", UUID: db.NewID()}.String()
	own := relay.ID{Prefix: "user", UUID: db.NewID()}.String()
	for _, c := range []struct {
		name   string
		filter m
		code   fault.Code
	}{
		{"null operator", m{"name": m{"eq": nil}}, fault.BadUserInput},
		{"null neq", m{"name": m{"neq": nil}}, fault.BadUserInput},
		{"null in", m{"name": m{"in": nil}}, fault.BadUserInput},
		{"null startsWith", m{"name": m{"startsWith": nil}}, fault.BadUserInput},
		{"null null", m{"name": m{"null": nil}}, fault.BadUserInput},
		{"null id", m{"owner": m{"eq": nil}}, fault.BadUserInput},
		{"null ids", m{"owner": m{"in": nil}}, fault.BadUserInput},
		{"null moment", m{"endsAt": m{"lte": nil}}, fault.BadUserInput},
		{"null moment", m{"endsAt": m{"gt": nil}}, fault.BadUserInput},
		{"null truth", m{"yes": m{"eq": nil}}, fault.BadUserInput},
		{"null enum", m{"state": m{"in": nil}}, fault.BadUserInput},
		{"null comparator", m{"name": nil}, fault.BadUserInput},
		{"null of its own kind", m{"special": nil}, fault.BadUserInput},
		{"null group", m{"or": nil}, fault.BadUserInput},
		{"null far below", m{"not": m{"or": []any{m{"name": m{"eq": nil}}}}}, fault.BadUserInput},
		{"null in a list", m{"or": []any{m{}, nil}}, fault.BadUserInput},
		{"null below a single object", m{"and": m{"name": nil}}, fault.BadUserInput},
		{"null below a single object of a variable", m{"and": []m{{"name": nil}}}, fault.BadUserInput},
		{"null in a single object of a variable, or", m{"or": []m{{"name": m{"eq": nil}}}}, fault.BadUserInput},
		{"null in a single object of a variable, far below", m{"not": m{"and": []m{{"special": nil}}}}, fault.BadUserInput},
		{"id of another type", m{"owner": m{"eq": foreign}}, fault.BadUserInput},
		{"one id of another type", m{"owner": m{"in": []any{own, foreign}}}, fault.BadUserInput},
		{"as deep as may be", nested(5), ""},
		{"deeper", nested(6), fault.QueryTooLarge},
		{"as many as may be", m{"or": many(50, one)}, ""},
		{"more", m{"or": many(50, one), "name": m{"eq": "x"}}, fault.QueryTooLarge},
		{"more, in groups", m{"or": many(10, m{"and": many(6, one)})}, fault.QueryTooLarge},
		{"more of its own kind", m{"and": many(26, m{"special": "x", "yes": m{"eq": true}})}, fault.QueryTooLarge},
		{"too many empty groups", m{"or": many(51, m{})}, fault.QueryTooLarge},
		{"as many values as may be", m{"name": m{"in": values(500)}}, ""},
		{"more values", m{"name": m{"in": values(501)}}, fault.TooManyItems},
		{"more enums", m{"state": m{"in": values(501)}}, fault.TooManyItems},
		{"more ids", m{"owner": m{"in": slices.Repeat([]any{own}, 501)}}, fault.TooManyItems},
		{"zero character", m{"name": m{"eq": "\x00"}}, fault.BadUserInput},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.page(t.Context(), s, m{"filter": c.filter})
			if c.code == "" {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			code := fault.CodeOf(err)
			if f := db.Fault(err); f != nil {
				code = f.Code
			}
			require.Equal(t, c.code, code, err)
		})
	}
}

// Whatever a filter says: what it finds and what its not finds are the whole list, and share nothing. The
// trap is a comparison with NULL, which is neither true nor false.
func TestNotIsTheComplement(t *testing.T) {
	t.Parallel()
	w := open(t)
	leaf := rapid.Custom(func(t *rapid.T) m {
		name := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "value")
		return rapid.SampledFrom([]m{
			{}, {"name": m{"eq": name}}, {"name": m{"neq": name}}, {"name": m{"in": []any{name, "b"}}}, {"name": m{"startsWith": name}},
			{"name": m{"null": true}}, {"name": m{"null": false}}, {"endsAt": m{"gt": moment(1)}}, {"endsAt": m{"lte": moment(1)}},
			{"state": m{"neq": "X"}}, {"special": name}, {"or": []any{}}, {"name": m{"eq": "a"}, "endsAt": m{"null": false}},
		}).Draw(t, "leaf")
	})
	var tree func(depth int) *rapid.Generator[m]
	tree = func(depth int) *rapid.Generator[m] {
		if depth == 0 {
			return leaf
		}
		list := rapid.Custom(func(t *rapid.T) []any {
			var out []any
			for _, f := range rapid.SliceOfN(tree(depth-1), 0, 3).Draw(t, "list") {
				out = append(out, f)
			}
			return append([]any{}, out...)
		})
		return rapid.OneOf(leaf,
			rapid.Map(tree(depth-1), func(f m) m { return m{"not": f} }),
			rapid.Map(list, func(l []any) m { return m{"and": l} }),
			rapid.Map(list, func(l []any) m { return m{"or": l} }),
		)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := scope()
		var rows []*thing
		var all []string
		for _, name := range []*string{nil, pointer("a"), pointer("b"), pointer("ab")} {
			for _, end := range []*time.Time{nil, at(1), at(2)} {
				state := state(rapid.SampledFrom([]string{"X", "Y"}).Draw(t, "state"))
				rows = append(rows, &thing{Name: name, EndsAt: end, State: state})
			}
		}
		w.insert(t, s, rows...)
		find := func(f m) []string {
			c, err := w.page(context.Background(), s, m{"filter": f, "first": 100})
			require.NoError(t, err)
			var out []string
			for _, r := range c.Nodes() {
				out = append(out, r.UUID.String())
			}
			return out
		}
		for _, r := range rows {
			all = append(all, r.UUID.String())
		}
		f := tree(2).Draw(t, "filter")
		yes, no := find(f), find(m{"not": f})
		require.ElementsMatch(t, all, append(slices.Clone(yes), no...), "%v", f)
		require.ElementsMatch(t, yes, find(m{"not": m{"not": f}}))
	})
}

func TestUses(t *testing.T) {
	t.Parallel()
	inner := map[string]any{"ssn": "1", "name": map[string]any{"ssn": "no member of a filter"}}
	raw := map[string]any{"ssn": nil, "and": []any{inner, map[string]any{"not": inner}}, "or": []map[string]any{{"mbi": 1}}, "not": map[string]any{"and": inner}}
	require.ElementsMatch(t, [][]string{{"ssn"}, {"and", "0", "ssn"}, {"and", "1", "not", "ssn"}, {"or", "0", "mbi"}, {"not", "and", "ssn"}}, relay.Uses(raw, "ssn", "mbi"))
	require.Empty(t, relay.Uses(raw, "email"))
	require.Empty(t, relay.Uses(nil, "ssn"))
}
