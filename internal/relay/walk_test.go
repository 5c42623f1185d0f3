package relay_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"caseload/internal/civil"
	"caseload/internal/db"
)

// thingRow draws from few values, so that most sort keys are shared or missing.
func thingRow() *rapid.Generator[*thing] {
	return rapid.Custom(func(t *rapid.T) *thing {
		r := &thing{Row: db.Row{UUID: db.NewID()}}
		r.Number = rapid.Ptr(rapid.Int32Range(-1, 2), true).Draw(t, "number")
		r.Name = rapid.Ptr(rapid.SampledFrom([]string{"", "a", "A", "b", "é", `"`, `\`, "NULL"}), true).Draw(t, "name")
		if n := rapid.Int64Range(0, 3).Draw(t, "day"); n > 0 {
			r.Day = pointer(civil.DateOfUnixDay(n))
		}
		// Neighbours are one microsecond apart, the least that PostgreSQL tells apart.
		r.At = noon.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "at")) * time.Microsecond)
		r.State = rapid.SampledFrom([]state{"X", "Y"}).Draw(t, "state")
		return r
	})
}

// drawOrder draws an orderBy argument, and the same as SQL, written on its own.
func drawOrder(t *rapid.T) (arg any, sql string) {
	columns := map[string]string{"NUMBER": "number", "NAME": "name", "DAY": "day", "AT": "at", "STATE": "state"}
	fields := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"NUMBER", "NAME", "DAY", "AT", "STATE"}), 0, 3, rapid.ID).Draw(t, "fields")
	if len(fields) == 0 {
		return nil, "at ASC, id ASC"
	}
	var list []any
	var terms []string
	direction := ""
	for _, f := range fields {
		term := map[string]any{"field": f}
		direction = rapid.SampledFrom([]string{"ASC", "DESC"}).Draw(t, "direction")
		if direction == "DESC" || rapid.Bool().Draw(t, "say ASC") {
			term["direction"] = direction
		}
		text := columns[f] + " " + direction
		if nulls := rapid.SampledFrom([]string{"", "FIRST", "LAST"}).Draw(t, "nulls"); nulls != "" {
			term["nulls"] = nulls
			text += " NULLS " + nulls
		}
		list, terms = append(list, term), append(terms, text)
	}
	return list, strings.Join(append(terms, "id "+direction), ", ")
}

func (w *world) inOrder(t require.TestingT, s db.Scope, order string) []uuid.UUID {
	var all []uuid.UUID
	require.NoError(t, w.pool.Select(context.Background(), &all, "SELECT id FROM things WHERE organization_id = $1 ORDER BY "+order, s.OrganizationID))
	return all
}

// TestWalks is the law of paging: forward, the pages joined are the list; backward, they are too; and both
// tell truly whether there is more.
func TestWalks(t *testing.T) {
	t.Parallel()
	w := open(t)
	rapid.Check(t, func(t *rapid.T) {
		s := scope()
		rows := rapid.SliceOfN(thingRow(), 0, 12).Draw(t, "rows")
		w.insert(t, s, rows...)
		w.insert(t, scope(), &thing{})
		orderBy, order := drawOrder(t)
		all := w.inOrder(t, s, order)
		size := rapid.IntRange(1, 13).Draw(t, "size")
		raw := map[string]any{}
		if orderBy != nil {
			raw["orderBy"] = orderBy
		}

		var forward []uuid.UUID
		args := with(raw, "first", size)
		for {
			c, err := w.page(context.Background(), s, args)
			require.NoError(t, err)
			info := c.PageInfo()
			require.Equal(t, len(forward) > 0, info.HasPreviousPage)
			for i, e := range c.Edges() {
				forward = append(forward, e.Node.UUID)
				if i == 0 {
					require.Equal(t, *info.StartCursor, e.Cursor())
				}
			}
			require.Equal(t, len(forward) < len(all), info.HasNextPage)
			if !info.HasNextPage {
				break
			}
			args = with(args, "after", *info.EndCursor)
		}
		require.Equal(t, len(all), len(forward))
		require.True(t, slices.Equal(all, forward), "%s\n%v\n%v", order, all, forward)

		var backward []uuid.UUID
		args = with(raw, "last", size)
		for {
			c, err := w.page(context.Background(), s, args)
			require.NoError(t, err)
			info := c.PageInfo()
			require.Equal(t, len(backward) > 0, info.HasNextPage)
			var page []uuid.UUID
			for _, r := range c.Nodes() {
				page = append(page, r.UUID)
			}
			backward = append(page, backward...)
			require.Equal(t, len(backward) < len(all), info.HasPreviousPage)
			if !info.HasPreviousPage {
				break
			}
			args = with(args, "before", *info.StartCursor)
		}
		require.True(t, slices.Equal(all, backward), "%s\n%v\n%v", order, all, backward)

		// Between two cursors lies what lies between them in the list.
		if len(all) < 2 {
			return
		}
		whole, err := w.page(context.Background(), s, with(raw, "first", 100))
		require.NoError(t, err)
		i := rapid.IntRange(0, len(all)-2).Draw(t, "from")
		j := rapid.IntRange(i+1, len(all)-1).Draw(t, "to")
		edges := whole.Edges()
		for _, way := range []string{"first", "last"} {
			c, err := w.page(context.Background(), s, with(with(with(raw, way, 100), "after", edges[i].Cursor()), "before", edges[j].Cursor()))
			require.NoError(t, err)
			got := []uuid.UUID{}
			for _, r := range c.Nodes() {
				got = append(got, r.UUID)
			}
			require.True(t, slices.Equal(all[i+1:j], got), "%s %s\n%v\n%v", way, order, all[i+1:j], got)
		}
		n, err := whole.TotalCount(context.Background())
		require.NoError(t, err)
		require.Equal(t, int32(len(all)), n)
	})
}

// While somebody walks the list others write: a row that nobody touches is shown exactly once.
func TestWalkAmongWriters(t *testing.T) {
	t.Parallel()
	w := open(t)
	rapid.Check(t, func(t *rapid.T) {
		ctx, s := context.Background(), scope()
		rows := rapid.SliceOfN(thingRow(), 1, 12).Draw(t, "rows")
		w.insert(t, s, rows...)
		untouched := map[uuid.UUID]bool{}
		for _, r := range rows {
			untouched[r.UUID] = true
		}
		orderBy, _ := drawOrder(t)
		way, cursor := "first", "after"
		if rapid.Bool().Draw(t, "backward") {
			way, cursor = "last", "before"
		}
		args := map[string]any{way: rapid.IntRange(1, 4).Draw(t, "size"), "orderBy": orderBy}
		seen := map[uuid.UUID]int{}
		for range 100 {
			c, err := w.page(ctx, s, args)
			require.NoError(t, err)
			for _, r := range c.Nodes() {
				seen[r.UUID]++
			}
			info := c.PageInfo()
			more, at := info.HasNextPage, info.EndCursor
			if way == "last" {
				more, at = info.HasPreviousPage, info.StartCursor
			}
			if !more {
				break
			}
			args = with(args, cursor, *at)
			if rapid.Bool().Draw(t, "delete") {
				// Even the row that the cursor was made from.
				victim := rows[rapid.IntRange(0, len(rows)-1).Draw(t, "victim")].UUID
				delete(untouched, victim)
				_, err := w.pool.Exec(ctx, "DELETE FROM things WHERE organization_id = $1 AND id = $2", s.OrganizationID, victim)
				require.NoError(t, err)
			}
			if len(seen) < 50 && rapid.Bool().Draw(t, "insert") {
				w.insert(t, s, thingRow().Draw(t, "new"))
			}
		}
		for id, n := range seen {
			require.Equal(t, 1, n, id)
		}
		for id := range untouched {
			require.Equal(t, 1, seen[id], "a row was left out")
		}
	})
}
