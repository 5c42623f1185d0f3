package plan

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"caseload/internal/db"
	"caseload/internal/relay"
)

// table is the rows of one statement: all cells in one arena, so that a page of rows is a handful of
// allocations, which are used again.
type table struct {
	n, width int
	spans    []span
	arena    []byte
	// results are those of the rowset's edges; nil when there are no rows to lead on from.
	results []result

	raw  []scanned
	dest []any
}

// scanned takes one value from the driver. [database/sql.RawBytes] would do but for one thing: it turns an
// empty text into nil, which is NULL.
type scanned struct {
	null  bool
	bytes []byte
	// buffer holds what is not bytes yet, from row to row.
	buffer []byte
}

// Scan implements sql.Scanner. Bytes belong to the driver until the next row.
func (s *scanned) Scan(src any) error {
	s.null = false
	switch v := src.(type) {
	case nil:
		s.null, s.bytes = true, nil
		return nil
	case []byte:
		s.bytes = v
		return nil
	case string:
		s.buffer = append(s.buffer[:0], v...)
	case int64:
		s.buffer = strconv.AppendInt(s.buffer[:0], v, 10)
	case bool:
		s.buffer = strconv.AppendBool(s.buffer[:0], v)
	default:
		return fmt.Errorf("read a cell of %T", src)
	}
	s.bytes = s.buffer
	return nil
}

// span is where a cell stands in the arena; a negative length is NULL.
type span struct{ from, length int32 }

// result is what an edge found for all rows of its parent.
type result struct {
	// rows is nil when only the total is selected.
	rows *table
	// link is the child of each parent of a to-one edge, or -1.
	link []int32
	// start is where the children of each parent begin, with their end as one element more, and more tells
	// whether there are further ones beyond the page.
	start []int32
	more  []bool
	// totals counts the children of each parent.
	totals []int
	args   *relay.Args
	terms  []term
}

// term is one term of the order of a page whose cursors are selected.
type term struct {
	cell int
	text func(raw []byte) (string, bool)
}

// maxArena keeps one large page from holding its memory for ever.
const maxArena = 1 << 20

var tables = sync.Pool{New: func() any { return new(table) }}

func (t *table) release() {
	for i := range t.results {
		t.results[i] = result{}
	}
	for i := range t.raw {
		t.raw[i].bytes = nil
	}
	if cap(t.arena) > maxArena || cap(t.spans) > maxArena/8 {
		return
	}
	t.n, t.spans, t.arena, t.results = 0, t.spans[:0], t.arena[:0], t.results[:0]
	tables.Put(t)
}

// cell returns the bytes of a cell; nil is NULL.
func (t *table) cell(row, column int) []byte {
	s := t.spans[row*t.width+column]
	if s.length < 0 {
		return nil
	}
	if s.length == 0 {
		// A slice of an arena that was never written to would be nil.
		return emptyCell
	}
	return t.arena[s.from : s.from+s.length : s.from+s.length]
}

// emptyCell is a text without characters, which is not NULL.
var emptyCell = []byte{}

// read runs a statement and keeps its rows. With keep, the first column is not a cell, but is asked whether
// its row is kept.
func (t *table) read(ctx context.Context, pool *db.Pool, st db.Statement, width int, keep func(place []byte) (bool, error)) error {
	rows, err := pool.Query(ctx, st.SQL, st.Args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	t.width = width
	skip := 0
	if keep != nil {
		skip = 1
	}
	if n := width + skip; n > len(t.raw) {
		t.raw, t.dest = make([]scanned, n), make([]any, n)
		for i := range t.raw {
			t.dest[i] = &t.raw[i]
		}
	}
	dest := t.dest[:width+skip]
	for rows.Next() {
		// Raw bytes belong to the driver until the next call, so they are copied once, into the arena.
		if err := rows.Rows.Scan(dest...); err != nil {
			return err
		}
		if keep != nil {
			if kept, err := keep(t.raw[0].bytes); err != nil {
				return err
			} else if !kept {
				continue
			}
		}
		for i := skip; i < width+skip; i++ {
			raw := &t.raw[i]
			if raw.null {
				t.spans = append(t.spans, span{length: -1})
				continue
			}
			t.spans = append(t.spans, span{int32(len(t.arena)), int32(len(raw.bytes))})
			t.arena = append(t.arena, raw.bytes...)
		}
		t.n++
	}
	return rows.Err()
}
