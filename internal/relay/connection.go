package relay

import (
	"context"

	"caseload/internal/db"
)

// PageInfo says where a page stands in its list.
type PageInfo struct {
	HasNextPage     bool
	HasPreviousPage bool
	StartCursor     *string
	EndCursor       *string
}

// Edge is a row with its cursor.
type Edge[T any] struct {
	Node T
	conn *Connection[T]
	at   int
}

// Cursor returns the opaque place of the row in the list.
func (e *Edge[T]) Cursor() string { return e.conn.cursor(e.at) }

// Connection is one page of a list. Cursors and the total are made only when they are selected.
type Connection[T any] struct {
	rows        []T
	args        *Args
	hasNext     bool
	hasPrevious bool
	values      func(row any, column string) any
	total       func(ctx context.Context) (int, error)
}

// NewConnection makes a page of rows that were read with one row more than the limit. values reads a
// column of a row, as [db.Relation.ValueOf] does; total counts the whole list and is called at most once per selection.
func NewConnection[T any](args *Args, rows []T, values func(row any, column string) any, total func(ctx context.Context) (int, error)) *Connection[T] {
	c := &Connection[T]{args: args, values: values, total: total}
	more := len(rows) > args.Page.Limit
	if args.Page.Backward {
		if more {
			rows = rows[1:]
		}
		// The row at the other cursor exists as far as we know: a cursor is made from a row.
		c.hasPrevious, c.hasNext = more, args.Page.Before != nil
	} else {
		if more {
			rows = rows[:len(rows)-1]
		}
		c.hasNext, c.hasPrevious = more, args.Page.After != nil
	}
	c.rows = rows
	return c
}

// Nodes returns the rows of the page.
func (c *Connection[T]) Nodes() []T { return c.rows }

// Edges returns the rows with their cursors.
func (c *Connection[T]) Edges() []*Edge[T] {
	edges := make([]*Edge[T], len(c.rows))
	for i, row := range c.rows {
		edges[i] = &Edge[T]{Node: row, conn: c, at: i}
	}
	return edges
}

// PageInfo returns where the page stands.
func (c *Connection[T]) PageInfo() *PageInfo {
	info := &PageInfo{HasNextPage: c.hasNext, HasPreviousPage: c.hasPrevious}
	if n := len(c.rows); n > 0 {
		start, end := c.cursor(0), c.cursor(n-1)
		info.StartCursor, info.EndCursor = &start, &end
	}
	return info
}

// TotalCount counts the whole list, in one statement for all connections of the same field.
func (c *Connection[T]) TotalCount(ctx context.Context) (int32, error) {
	n, err := c.total(ctx)
	return int32(min(n, 1<<31-1)), err
}

func (c *Connection[T]) cursor(i int) string {
	order := c.args.Page.Order
	values := make([]*string, len(order))
	for j, term := range order {
		values[j] = db.Text(c.values(c.rows[i], term.Column))
	}
	return c.args.Cursor(values)
}
