package plan

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"

	"caseload/internal/db"
	"caseload/internal/loader"
	"caseload/internal/relay"
)

// Answer is the JSON of a root field.
type Answer struct {
	// Statements and Rows are what the plan cost.
	Statements, Rows int

	json *[]byte
}

// maxAnswer bounds the memory that the pool keeps of a large answer.
const maxAnswer = 1 << 20

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

// MarshalGQL writes the JSON. It may be called once: the memory is then used again.
func (a *Answer) MarshalGQL(w io.Writer) {
	_, _ = w.Write(*a.json)
	giveBack(a.json)
	a.json = nil
}

func giveBack(b *[]byte) {
	if cap(*b) <= maxAnswer {
		buffers.Put(b)
	}
}

// Run answers the field. The context carries the operation's loaders. After [ErrTooLarge] the operation has no answer. After any other
// error the generated executor must answer the field, and gets the same error. A panic is such an error, and was reported.
func (p *Plan) Run(ctx context.Context, variables map[string]any) (*Answer, error) {
	r := &run{loaders: loader.From(ctx), variables: variables, args: make([]*relay.Args, p.edges), limit: p.limit}
	defer r.release()
	buffer := buffers.Get().(*[]byte)
	err := caught(ctx, func() (err error) {
		*buffer, err = r.answer(ctx, &p.root, (*buffer)[:0])
		return err
	})
	if err != nil {
		r.loaders.Memory().Answers.Add(-int64(r.noted))
		giveBack(buffer)
		return nil, err
	}
	return &Answer{Statements: int(r.statements.Load()), Rows: int(r.rows.Load()), json: buffer}, nil
}

func (r *run) answer(ctx context.Context, p *root, dst []byte) ([]byte, error) {
	if p.list != nil {
		res, err := r.list(ctx, p.list.edge)
		if err != nil {
			return dst, err
		}
		return r.writeMembers(dst, p.list.conn, res, 0, 0)
	}
	raw := p.field.ArgumentMap(r.variables)
	if p.single != nil {
		t, err := r.single(ctx, p.single, raw)
		if err != nil {
			return dst, err
		}
		if t.n == 0 {
			return append(dst, "null"...), nil
		}
		return r.writeObject(dst, p.single.writer, t, 0)
	}
	if !p.nodes.many {
		id, ok := raw["id"].(string)
		if !ok {
			return dst, errLeft
		}
		found, err := r.nodes(ctx, []string{id}, p.nodes)
		if err != nil {
			return dst, err
		}
		return r.writeNode(dst, found[0])
	}
	list, ok := raw["ids"].([]any)
	if !ok {
		// One value stands for a list of one.
		list = []any{raw["ids"]}
	}
	ids := make([]string, len(list))
	for i, v := range list {
		if ids[i], ok = v.(string); !ok {
			return dst, errLeft
		}
	}
	all, err := r.nodes(ctx, ids, p.nodes)
	if err != nil {
		return dst, err
	}
	dst = append(dst, '[')
	for i, f := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = r.writeNode(dst, f); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func (r *run) writeNode(dst []byte, f found) ([]byte, error) {
	if f.rows == nil {
		return append(dst, "null"...), nil
	}
	return r.writeObject(dst, f.node.writer, f.rows, int(f.row))
}

func (r *run) writeObject(dst []byte, w *writer, t *table, row int) ([]byte, error) {
	if len(w.ops) == 0 {
		return append(dst, "{}"...), nil
	}
	var err error
	for i := range w.ops {
		o := &w.ops[i]
		if dst, err = r.writeValue(append(dst, o.lead...), o, t, row); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), r.note(len(dst))
}

// writeValue writes the value of a member; one that is the same for every row has been written with its name.
func (r *run) writeValue(dst []byte, o *op, t *table, row int) ([]byte, error) {
	switch {
	case o.encode != nil:
		raw := t.cell(row, o.column.cell)
		if raw == nil {
			return o.null(dst)
		}
		dst, ok := o.encode(dst, raw)
		if !ok {
			return dst, errCell
		}
		return dst, nil
	case o.one != nil:
		res := &t.results[o.edge]
		child := res.link[row]
		if child < 0 {
			return o.null(dst)
		}
		return r.writeObject(dst, o.one, res.rows, int(child))
	case o.conn != nil:
		return r.writeMembers(dst, o.conn, &t.results[o.edge], row, 0)
	case o.all != nil:
		return r.writeRows(dst, o.all, &t.results[o.edge], row)
	case o.computed != nil:
		return writeComputed(dst, o, t, row)
	}
	return dst, nil
}

// null writes the value of a member that there is none of.
func (o *op) null(dst []byte) ([]byte, error) {
	if o.required {
		return dst, errCell
	}
	return append(dst, "null"...), nil
}

// writeRows writes the rows of a parent's page as a list.
func (r *run) writeRows(dst []byte, w *writer, res *result, parent int) ([]byte, error) {
	dst = append(dst, '[')
	err := res.page(parent, func(i, row int) (err error) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst, err = r.writeObject(dst, w, res.rows, row)
		return err
	})
	return append(dst, ']'), err
}

func writeComputed(dst []byte, o *op, t *table, row int) ([]byte, error) {
	var few [4][]byte
	cells := few[:0]
	for _, c := range o.computed.columns {
		cells = append(cells, t.cell(row, c.cell))
	}
	before := len(dst)
	value, err := o.computed.Value(cells)
	if err == nil {
		dst, err = appendComputed(dst, value)
	}
	if err == nil && o.required && string(dst[before:]) == "null" {
		err = errCell
	}
	return dst, err
}

func appendComputed(dst []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return AppendString(dst, v), nil
	case db.JSON:
		return append(dst, v...), nil
	case []string:
		dst = append(dst, '[')
		for i, text := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendString(dst, text)
		}
		return append(dst, ']'), nil
	}
	return dst, fmt.Errorf("write a computed %T", value)
}

// page calls f for the rows of a parent's page, in the list's order.
func (res *result) page(parent int, f func(i, row int) error) error {
	from, to := int(res.start[parent]), int(res.start[parent+1])
	for i := range to - from {
		row := from + i
		if res.args.Page.Backward {
			row = to - 1 - i
		}
		if err := f(i, row); err != nil {
			return err
		}
	}
	return nil
}

// writeMembers writes the members of a parent's connection, of the edge of a row, or of pageInfo.
func (r *run) writeMembers(dst []byte, members []member, res *result, parent, row int) ([]byte, error) {
	if len(members) == 0 {
		return append(dst, "{}"...), nil
	}
	var err error
	for i := range members {
		m := &members[i]
		dst = append(dst, m.lead...)
		switch m.kind {
		case nodesMember:
			dst, err = r.writeRows(dst, m.node, res, parent)
		case edgesMember:
			dst = append(dst, '[')
			err = res.page(parent, func(i, row int) (err error) {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst, err = r.writeMembers(dst, m.members, res, parent, row)
				return err
			})
			dst = append(dst, ']')
		case pageInfoMember:
			dst, err = r.writeMembers(dst, m.members, res, parent, row)
		case totalMember:
			dst = strconv.AppendInt(dst, int64(min(res.totals[parent], 1<<31-1)), 10)
		case nodeMember:
			dst, err = r.writeObject(dst, m.node, res.rows, row)
		case cursorMember:
			dst, err = res.appendCursor(dst, row)
		case hasNextMember, hasPreviousMember:
			dst = strconv.AppendBool(dst, res.hasMore(parent, m.kind == hasPreviousMember))
		case startCursorMember, endCursorMember:
			at, to := int(res.start[parent]), int(res.start[parent+1])
			if at == to {
				dst = append(dst, "null"...)
				break
			}
			if (m.kind == endCursorMember) != res.args.Page.Backward {
				at = to - 1
			}
			dst, err = res.appendCursor(dst, at)
		}
		if err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// hasMore reports whether there are rows after the page of a parent, or before it.
func (res *result) hasMore(parent int, before bool) bool {
	page := &res.args.Page
	switch {
	case before == page.Backward:
		return res.more[parent]
	// The row of a cursor is assumed to exist, as cursors are made of rows.
	case before:
		return page.After != nil
	}
	return page.Before != nil
}

func (res *result) appendCursor(dst []byte, row int) ([]byte, error) {
	values := make([]*string, len(res.terms))
	for i, t := range res.terms {
		raw := res.rows.cell(row, t.cell)
		if raw == nil {
			continue
		}
		text, ok := cursorText(t.typ, raw)
		if !ok {
			return dst, errCell
		}
		values[i] = &text
	}
	return AppendString(dst, res.args.Cursor(values)), nil
}
