package plan

import (
	"context"
	"fmt"
	"reflect"
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

	row   row
	place place
	dest  []any
}

// row takes the cells of a row in the order of its columns. They are copied within Scan: when a request is cancelled, another goroutine
// closes its rows and writes to the driver's buffer. [database/sql.RawBytes] prevents that, but turns an empty text into nil, which is
// NULL.
type row struct{ t *table }

// Scan implements sql.Scanner.
func (r *row) Scan(src any) error {
	t := r.t
	if src == nil {
		t.spans = append(t.spans, span{length: -1})
		return nil
	}
	from := len(t.arena)
	var err error
	if t.arena, err = appendValue(t.arena, src); err != nil {
		return err
	}
	t.spans = append(t.spans, span{int32(from), int32(len(t.arena) - from)})
	return nil
}

// place takes the value before the cells.
type place struct{ bytes []byte }

// Scan implements sql.Scanner.
func (p *place) Scan(src any) (err error) {
	p.bytes, err = appendValue(p.bytes[:0], src)
	return err
}

func appendValue(dst []byte, src any) ([]byte, error) {
	switch v := src.(type) {
	case []byte:
		return append(dst, v...), nil
	case string:
		return append(dst, v...), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	default:
		return dst, fmt.Errorf("read a cell of %T", src)
	}
}

// span is where a cell stands in the arena; a negative length is NULL. The limit of rows keeps an arena far below what
// 32 bits count.
type span struct{ from, length int32 }

const spanBytes = 8

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
	typ  reflect.Type
}

// maxArena bounds the memory that the pool keeps of a large page.
const maxArena = 1 << 20

var tables = sync.Pool{New: func() any { return new(table) }}

func (t *table) release() {
	for i := range t.results {
		t.results[i] = result{}
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
func (t *table) read(ctx context.Context, r *run, st db.Statement, width int, keep func(place []byte) (bool, error)) error {
	rows, err := r.loaders.Pool().Read(ctx, st)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	t.width, t.row.t = width, t
	dest := t.dest[:0]
	if keep != nil {
		dest = append(dest, &t.place)
	}
	for range width {
		dest = append(dest, &t.row)
	}
	t.dest = dest
	for rows.Next() {
		spans, arena := len(t.spans), len(t.arena)
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		if err := r.hold(len(t.arena) - arena + width*spanBytes); err != nil {
			return err
		}
		if keep != nil {
			if kept, err := keep(t.place.bytes); err != nil {
				return err
			} else if !kept {
				t.spans, t.arena = t.spans[:spans], t.arena[:arena]
				continue
			}
		}
		t.n++
	}
	return rows.Err()
}
