package plan

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-json-experiment/json/jsontext"

	"caseload/internal/db"
	"caseload/internal/loader"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// Pages writes all rows of a list, page by page in the order of their ids, for a selection that the program itself has
// declared: `{ customers(filter: $filter) { nodes { … } } }`. It differs from a client's selection in three things. A
// field for which the viewer lacks a scope is left out. A connection within a row is written as a plain list, so its
// selection is `{ nodes { … } }`; and it holds all rows unless the selection says first or last. Pages is safe for
// concurrent use.
type Pages struct {
	list *edge
	id   *column
	row  *writer
	// edges is how many there are.
	edges int
}

// Pages compiles a selection of the program's own for a viewer, which must have the scopes of the list.
func (c *Compiler) Pages(oc *graphql.OperationContext, v *viewer.Viewer, f graphql.CollectedField) (*Pages, error) {
	k := &compilation{Compiler: c, oc: oc, viewer: v, stored: true}
	if err := k.admit(f.Definition); err != nil {
		return nil, err
	}
	decl, ok := k.edges["Query."+f.Name]
	if !ok {
		return nil, fmt.Errorf("compile pages of %s: it is not a list", f.Name)
	}
	p := &Pages{list: k.edgeOf(decl, f)}
	var err error
	if p.row, err = k.rows(p.list, f); err != nil {
		return nil, fmt.Errorf("compile pages of %s: %w", f.Name, err)
	}
	if p.id = p.list.child.column("id"); len(p.row.ops) == 0 {
		return nil, fmt.Errorf("compile pages of %s: the viewer may see nothing of it", f.Name)
	}
	p.list.child.settle()
	p.edges = k.numbered
	return p, nil
}

// rows makes the writer of the rows of a connection of which nodes alone is selected.
func (k *compilation) rows(e *edge, f graphql.CollectedField) (*writer, error) {
	typeName := f.Definition.Type.Name()
	members := k.collect(f.Selections, typeName)
	if len(members) != 1 || members[0].Name != "nodes" {
		return nil, notPlanned(f.Name + ": select nodes, and nothing beside them")
	}
	e.rows = true
	return k.entity(e.child, members[0].Selections, members[0].Definition.Type.Name())
}

// Count returns how many rows there are; arguments are those of the list. The context carries the loaders.
func (p *Pages) Count(ctx context.Context, variables map[string]any) (n int, err error) {
	r := p.run(ctx, variables)
	defer r.release()
	err = caught(ctx, func() error {
		if err := r.arguments(ctx, p.list); err != nil {
			return err
		}
		counts, err := r.read(ctx, p.list.decl.Child.StatementCount(r.loaders.Scope(), r.args[p.list.number].Where), 1, nil)
		if err != nil {
			return err
		}
		n, err = strconv.Atoi(string(counts.cell(0, 0)))
		return err
	})
	return n, err
}

// Check returns what is wrong with the arguments: an error of [relay.Spec.Parse].
func (p *Pages) Check(ctx context.Context, variables map[string]any) error {
	r := p.run(ctx, variables)
	defer r.release()
	return r.arguments(ctx, p.list)
}

func (p *Pages) run(ctx context.Context, variables map[string]any) *run {
	return &run{loaders: loader.From(ctx), variables: variables, args: make([]*relay.Args, p.edges), all: true}
}

// Form is how rows are written.
type Form int

// The forms: one JSON object a line, or comma-separated values. In the latter an object is a column for each of its
// members, named with a dot, and a list is one column, as JSON.
const (
	JSONLines Form = iota
	CSV
)

// Append appends the rows after an id, "" for the first, up to limit of them, and returns how many there were and the
// id to go on from, "" at the end. It runs a fixed number of statements.
func (p *Pages) Append(ctx context.Context, dst []byte, variables map[string]any, form Form, after string, limit int) (_ []byte, rows int, next string, err error) {
	r := p.run(ctx, variables)
	defer r.release()
	err = caught(ctx, func() error {
		if err := r.arguments(ctx, p.list); err != nil {
			return err
		}
		if err := r.below(ctx, p.list.child); err != nil {
			return err
		}
		page := db.Page{Order: db.By(), Limit: limit}
		if after != "" {
			page.After = []*string{&after}
		}
		rs, n := p.list.child, 0
		t, err := r.readList(ctx, p.list.decl.Child.StatementList(r.loaders.Scope(), rs.cells, r.args[p.list.number].Where, page), len(rs.cells), &n, limit)
		if err != nil {
			return err
		}
		if rows = t.n; n > limit {
			next = string(t.cell(rows-1, p.id.cell))
		}
		if err := r.follow(ctx, rs, t); err != nil {
			return err
		}
		for row := range rows {
			if form == CSV {
				dst, err = r.appendRecord(dst, p.row, t, row)
			} else {
				dst, err = r.writeObject(dst, p.row, t, row)
			}
			if err != nil {
				return err
			}
			dst = append(dst, '\n')
		}
		return nil
	})
	return dst, rows, next, err
}

// AppendHeader appends the line that names the columns of a CSV file.
func (p *Pages) AppendHeader(dst []byte) []byte {
	names := p.row.columns(nil, "")
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, name...)
	}
	return append(dst, '\n')
}

// columns appends the names of the columns that an object makes.
func (w *writer) columns(names []string, before string) []string {
	for i := range w.ops {
		o := &w.ops[i]
		if o.one != nil {
			names = o.one.columns(names, before+o.name+".")
		} else {
			names = append(names, before+o.name)
		}
	}
	return names
}

// appendRecord appends the cells of a row, without the end of the line.
func (r *run) appendRecord(dst []byte, w *writer, t *table, row int) ([]byte, error) {
	var scratch []byte
	var err error
	for i := range w.ops {
		if i > 0 {
			dst = append(dst, ',')
		}
		o := &w.ops[i]
		if o.one == nil {
			if scratch, err = r.writeValue(scratch[:0], o, t, row); err != nil {
				return dst, err
			}
			if dst, err = appendCSV(dst, scratch); err != nil {
				return dst, err
			}
			continue
		}
		res := &t.results[o.edge]
		if child := res.link[row]; child >= 0 {
			if dst, err = r.appendRecord(dst, o.one, res.rows, int(child)); err != nil {
				return dst, err
			}
			continue
		}
		for range len(o.one.columns(nil, "")) - 1 {
			dst = append(dst, ',')
		}
	}
	return dst, nil
}

// appendCSV appends the cell of a JSON value: a text without its quotes, nothing for null, whatever else as it is.
func appendCSV(dst, value []byte) ([]byte, error) {
	text := value
	switch {
	case string(value) == "null":
		return dst, nil
	case value[0] == '"':
		var err error
		if text, err = jsontext.AppendUnquote(nil, value); err != nil {
			return dst, fmt.Errorf("write a cell: %w", errCell)
		}
	}
	// An empty text is quoted: without the quotes it would be null.
	if len(text) > 0 && !bytes.ContainsAny(text, "\",\r\n") && text[0] != ' ' && text[len(text)-1] != ' ' {
		return append(dst, text...), nil
	}
	dst = append(dst, '"')
	for _, c := range text {
		if c == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, c)
	}
	return append(dst, '"'), nil
}
