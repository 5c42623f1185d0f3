package relay_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/relay"
)

func (w *world) end(t testing.TB, s db.Scope, raw map[string]any) string {
	t.Helper()
	c, err := w.page(t.Context(), s, raw)
	require.NoError(t, err)
	require.NotNil(t, c.PageInfo().EndCursor)
	return *c.PageInfo().EndCursor
}

func TestCursorBelongsToItsList(t *testing.T) {
	t.Parallel()
	w, s := open(t), scope()
	w.insert(t, s, &thing{Name: pointer("a"), Text: "some text"}, &thing{Name: pointer("b"), Text: "some text"})
	raw := map[string]any{
		"first": 1, "orderBy": []any{map[string]any{"field": "NAME"}},
		"filter": map[string]any{"yes": map[string]any{"eq": false}}, "search": "some",
	}
	cursor := w.end(t, s, raw)
	good := with(raw, "after", cursor)
	c, err := w.page(t.Context(), s, good)
	require.NoError(t, err)
	require.Len(t, c.Nodes(), 1)
	// The page may change from one to the next.
	for _, same := range []map[string]any{with(good, "first", int64(7)), with(with(good, "first", nil), "last", 3), with(good, "before", nil)} {
		_, err := w.page(t.Context(), s, same)
		require.NoError(t, err)
	}
	for name, other := range map[string]map[string]any{
		"direction": with(good, "orderBy", []any{map[string]any{"field": "NAME", "direction": "DESC"}}),
		"nulls":     with(good, "orderBy", []any{map[string]any{"field": "NAME", "nulls": "FIRST"}}),
		"order":     with(good, "orderBy", []any{map[string]any{"field": "NUMBER"}}),
		"no order":  with(good, "orderBy", nil),
		"filter":    with(good, "filter", map[string]any{"yes": map[string]any{"eq": true}}),
		"no filter": with(good, "filter", nil),
		"search":    with(good, "search", "text"),
		"argument":  with(good, "includeArchived", true),
	} {
		_, err := w.page(t.Context(), s, other)
		require.Equal(t, fault.InvalidCursor, fault.CodeOf(err), name)
	}
	_, err = w.page(t.Context(), scope(), good)
	require.Equal(t, fault.InvalidCursor, fault.CodeOf(err), "another organization")
	_, err = spec().Parse(withInputs(t.Context()), w.cursors, s, "Query.others", good)
	require.Equal(t, fault.InvalidCursor, fault.CodeOf(err), "another field")
	_, err = spec().Parse(withInputs(t.Context()), relay.NewCursors([]byte("another secret 1")), s, "Query.things", good)
	require.Equal(t, fault.InvalidCursor, fault.CodeOf(err), "another secret")
	_, err = spec().Parse(withInputs(t.Context()), relay.NewCursors([]byte("0123456789abcdef")), s, "Query.things", good)
	require.NoError(t, err, "another process with the same secret")
	later := spec()
	later.Orders["NAME"] = db.Term{Column: "state"}
	_, err = later.Parse(withInputs(t.Context()), w.cursors, s, "Query.things", good)
	require.Equal(t, fault.InvalidCursor, fault.CodeOf(err), "the order has another meaning in this release")
}

func TestCursorOfTheDefaultOrderIsBoundToIt(t *testing.T) {
	t.Parallel()
	w, s := open(t), scope()
	w.insert(t, s, &thing{})
	cursor := w.end(t, s, map[string]any{})
	later := spec()
	later.Default = db.By("state")
	_, err := later.Parse(withInputs(t.Context()), w.cursors, s, "Query.things", map[string]any{"after": cursor})
	require.Equal(t, fault.InvalidCursor, fault.CodeOf(err))
}

// Clients keep cursors for longer than a release lasts.
func TestCursorsKeepTheirForm(t *testing.T) {
	t.Parallel()
	s := db.Scope{OrganizationID: uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057")}
	args, err := spec().Parse(withInputs(t.Context()), relay.NewCursors([]byte("0123456789abcdef")), s, "Query.things",
		map[string]any{"first": 2, "after": nil, "filter": map[string]any{"name": map[string]any{"eq": "a"}}})
	require.NoError(t, err)
	key := sha256.Sum256([]byte("caseload cursors\x000123456789abcdef"))
	for _, body := range []string{`["2026-03-02","x"]`, `[null,"y"]`} {
		var values []*string
		require.NoError(t, json.Unmarshal([]byte(body), &values))
		h := hmac.New(sha256.New, key[:])
		h.Write(s.OrganizationID[:])
		h.Write([]byte("Query.things\x00" + `{"filter":{"name":{"eq":"a"}}}` + "\x00[{at false false false} {id false false false}]\x00\x01" + body))
		require.Equal(t, base64.RawURLEncoding.EncodeToString(append(h.Sum(nil)[:12], body...)), args.Cursor(values))
	}
	require.Equal(t, `{"after":null,"filter":{"name":{"eq":"a"}},"first":2}`, args.Key())
}

func TestCursorCannotBeChanged(t *testing.T) {
	t.Parallel()
	w, s := open(t), scope()
	w.insert(t, s, &thing{}, &thing{})
	cursor := w.end(t, s, map[string]any{"first": 1})
	refused := func(c string) {
		t.Helper()
		for _, name := range []string{"after", "before"} {
			_, err := w.page(t.Context(), s, map[string]any{name: c})
			require.Equal(t, fault.InvalidCursor, fault.CodeOf(err), c)
		}
	}
	for i := range cursor {
		// The last digit has spare bits: it must not have a second spelling either.
		for _, digit := range "AQgw-_09z" {
			if byte(digit) != cursor[i] {
				refused(cursor[:i] + string(digit) + cursor[i+1:])
			}
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	require.NoError(t, err)
	body := string(raw[12:])
	for _, other := range []string{"", "A", cursor[:len(cursor)-4], cursor + "AAAA", cursor + "=", cursor + "\n", " " + cursor, base64.StdEncoding.EncodeToString(append(raw, 0)),
		base64.RawURLEncoding.EncodeToString([]byte(body)), base64.RawURLEncoding.EncodeToString(make([]byte, 40)), strings.Repeat("A", 10_000), "é"} {
		refused(other)
	}
}

func FuzzDecodeCursor(f *testing.F) {
	cursors, s := relay.NewCursors([]byte("0123456789abcdef")), scope()
	f.Add("")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`0123456789ab["1","2"]`)))
	f.Fuzz(func(t *testing.T, cursor string) {
		_, err := spec().Parse(t.Context(), cursors, s, "Query.things", map[string]any{"after": cursor})
		require.Equal(t, fault.InvalidCursor, fault.CodeOf(err))
	})
}

func TestArguments(t *testing.T) {
	t.Parallel()
	w, s := open(t), scope()
	var rows []*thing
	for range 120 {
		rows = append(rows, &thing{})
	}
	w.insert(t, s, rows...)
	for _, c := range []struct {
		raw  map[string]any
		rows int
		code fault.Code
	}{
		{map[string]any{}, 15, ""},
		{map[string]any{"first": nil, "last": nil, "after": nil, "before": nil, "orderBy": nil, "filter": nil, "search": nil}, 15, ""},
		{map[string]any{"orderBy": []any{}}, 15, ""},
		{map[string]any{"first": 1}, 1, ""},
		{map[string]any{"first": int64(100)}, 100, ""},
		{map[string]any{"last": 100}, 100, ""},
		{map[string]any{"first": 101}, 0, fault.TooManyItems},
		{map[string]any{"last": 101}, 0, fault.TooManyItems},
		{map[string]any{"first": 0}, 0, fault.BadUserInput},
		{map[string]any{"last": -1}, 0, fault.BadUserInput},
		{map[string]any{"first": int64(1) << 40}, 0, fault.BadUserInput},
		{map[string]any{"first": "many"}, 0, fault.BadUserInput},
		{map[string]any{"first": 1, "last": 1}, 0, fault.BadUserInput},
		{map[string]any{"orderBy": map[string]any{"field": "AT"}}, 15, ""},
		{map[string]any{"orderBy": []map[string]any{{"field": "AT"}}}, 15, ""},
		{map[string]any{"orderBy": []any{map[string]any{"field": "at"}}}, 0, fault.BadUserInput},
		{map[string]any{"orderBy": []any{map[string]any{"field": "id; DROP TABLE things"}}}, 0, fault.BadUserInput},
		{map[string]any{"orderBy": []any{map[string]any{"field": "AT", "direction": "desc"}}}, 0, fault.BadUserInput},
		{map[string]any{"orderBy": []any{map[string]any{"field": "AT", "nulls": "first"}}}, 0, fault.BadUserInput},
		{map[string]any{"orderBy": []any{map[string]any{"field": "AT"}, map[string]any{"field": "AT", "direction": "DESC"}}}, 0, fault.BadUserInput},
		{map[string]any{"orderBy": []any{map[string]any{"field": "AT"}, map[string]any{"field": "NAME"}, map[string]any{"field": "DAY"}, map[string]any{"field": "STATE"}}}, 0, fault.TooManyItems},
		{map[string]any{"search": "ab"}, 0, fault.BadUserInput},
		{map[string]any{"search": json.Number("4155550123")}, 0, fault.BadUserInput},
		{map[string]any{"after": json.Number("5")}, 0, fault.BadUserInput},
		{map[string]any{"before": true}, 0, fault.BadUserInput},
		{map[string]any{"search": "  a b "}, 0, fault.BadUserInput},
		{map[string]any{"search": ""}, 0, fault.BadUserInput},
		{map[string]any{"search": "a b c d e f g h i"}, 0, fault.TooManyItems},
	} {
		t.Run(fmt.Sprint(c.raw), func(t *testing.T) {
			got, err := w.page(t.Context(), s, c.raw)
			if c.code != "" {
				require.Equal(t, c.code, fault.CodeOf(err), err)
				return
			}
			require.NoError(t, err)
			require.Len(t, got.Nodes(), c.rows)
			require.Len(t, got.Edges(), c.rows)
		})
	}
}

// In a variable a single object becomes a list of one; the order that was asked for must not be lost.
func TestSingleOrderIsAListOfOne(t *testing.T) {
	t.Parallel()
	w, s := open(t), scope()
	w.insert(t, s, &thing{Name: pointer("a")}, &thing{Name: pointer("b")})
	for _, orderBy := range []any{
		map[string]any{"field": "NAME", "direction": "DESC"},
		[]any{map[string]any{"field": "NAME", "direction": "DESC"}},
		[]map[string]any{{"field": "NAME", "direction": "DESC"}},
	} {
		c, err := w.page(t.Context(), s, map[string]any{"orderBy": orderBy})
		require.NoError(t, err)
		require.Equal(t, "b", *c.Nodes()[0].Name, "%T", orderBy)
	}
}

func TestEmptyPage(t *testing.T) {
	t.Parallel()
	w := open(t)
	c, err := w.page(t.Context(), scope(), map[string]any{})
	require.NoError(t, err)
	require.Equal(t, &relay.PageInfo{}, c.PageInfo())
	require.NotNil(t, c.Edges())
	require.Empty(t, c.Edges())
	n, err := c.TotalCount(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
}

// Only a selected total is counted.
func TestTotalIsLazy(t *testing.T) {
	t.Parallel()
	w, s := open(t), scope()
	w.insert(t, s, &thing{}, &thing{})
	ctx := db.WithCounter(t.Context())
	c, err := w.page(ctx, s, map[string]any{"first": 1})
	require.NoError(t, err)
	c.PageInfo()
	require.Equal(t, 1, db.Statements(ctx))
	n, err := c.TotalCount(ctx)
	require.NoError(t, err)
	require.Equal(t, int32(2), n)
	require.Equal(t, 2, db.Statements(ctx))
}
