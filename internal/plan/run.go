package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"caseload/internal/db"
	"caseload/internal/loader"
	"caseload/internal/relay"
)

// run is one execution of a plan.
type run struct {
	loaders   *loader.Loaders
	variables map[string]any
	// args are the checked arguments of the edges, by their number.
	args []*relay.Args
	// all has lists hold all their rows, in the order of their ids, unless the selection says how many.
	all bool
	// limit is how many bytes the answer may have, or zero, and noted how many of them are counted.
	limit, noted int

	statements, rows atomic.Int64

	mu     sync.Mutex
	tables []*table
}

var (
	// ErrTooLarge says that the answer has more bytes than the limit. The executor would make the same answer.
	ErrTooLarge = errors.New("run plan: the answer is over its limit")
	// ErrArguments says that arguments were refused before anything was read.
	ErrArguments = errors.New("run plan: arguments were refused")

	errLeft = errors.New("run plan: left to the generated executor")
)

// caught returns a panic as an error, by the operation's recover function. In a goroutine of ours a panic would end the process, and the
// tables that other goroutines still use would go to another request.
func caught(ctx context.Context, f func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = graphql.GetOperationContext(ctx).RecoverFunc(ctx, cause)
		}
	}()
	return f()
}

// Rows may have some times the bytes of the answer that is made of them; what is beyond is never written.
const (
	rowsFactor = 4
	rowsSlack  = 16 << 20
)

// hold counts bytes of rows, for all root fields of the operation together.
func (r *run) hold(n int) error {
	if r.limit > 0 && r.loaders.Memory().Rows.Add(int64(n)) > int64(r.limit)*rowsFactor+rowsSlack {
		return ErrTooLarge
	}
	return nil
}

// noteBytes is how many bytes of the answer are counted at a time.
const noteBytes = 4 << 10

// note counts the bytes that were written by now, together with those of the other root fields.
func (r *run) note(written int) error {
	n := written - r.noted
	if r.limit == 0 || n < noteBytes {
		return nil
	}
	r.noted = written
	if r.loaders.Memory().Answers.Add(int64(n)) > int64(r.limit) {
		return ErrTooLarge
	}
	return nil
}

// arguments checks the arguments of an edge.
func (r *run) arguments(ctx context.Context, e *edge) error {
	raw := e.field.ArgumentMap(r.variables)
	args, err := e.decl.Parse(ctx, r.loaders, raw)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrArguments, err)
	}
	if r.all && raw["first"] == nil && raw["last"] == nil {
		args.Page = db.Page{Order: db.By()}
	}
	r.args[e.number] = args
	return nil
}

// below checks the arguments of all edges below a rowset before a statement runs: the executor, which reports the error, would read
// everything again.
func (r *run) below(ctx context.Context, rs *rowset) error {
	for _, e := range rs.edges {
		if e.decl.Parse != nil {
			if err := r.arguments(ctx, e); err != nil {
				return err
			}
		}
		if err := r.below(ctx, e.child); err != nil {
			return err
		}
	}
	return nil
}

// errSeveral says that a condition which should fit one row fits more.
var errSeveral = errors.New("read one row: several fit")

func (r *run) table() *table {
	t := tables.Get().(*table)
	r.mu.Lock()
	r.tables = append(r.tables, t)
	r.mu.Unlock()
	return t
}

func (r *run) release() {
	for _, t := range r.tables {
		t.release()
	}
	r.tables = nil
}

// read runs one statement on one of the operation's connections.
func (r *run) read(ctx context.Context, st db.Statement, width int, keep func(place []byte) (bool, error)) (*table, error) {
	t := r.table()
	r.statements.Add(1)
	if err := r.loaders.Within(ctx, func() error { return t.read(ctx, r, st, width, keep) }); err != nil {
		return nil, err
	}
	r.rows.Add(int64(t.n))
	return t, nil
}

// task is one branch of a plan, and about how many rows its first statement may read.
type task struct {
	run  func(ctx context.Context) error
	rows int
}

func (t *task) do(ctx context.Context) error {
	return caught(ctx, func() error { return t.run(ctx) })
}

const (
	// branches is how many tasks run at once: as many as an operation has connections.
	branches = 3
	// fewRows is how many rows a statement reads in about the time that another goroutine and its thread need to start. One customer
	// with all its edges is faster on one connection.
	fewRows = 50
	// manyRows stands for a number that is not known.
	manyRows = 1 << 20
)

// atOnce runs tasks, concurrently where they read enough rows. The first error ends the others.
func atOnce(ctx context.Context, tasks []task) error {
	large := 0
	for _, t := range tasks {
		if t.rows > fewRows {
			large++
		}
	}
	if large < 2 {
		for i := range tasks {
			if err := tasks[i].do(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	var taken atomic.Int32
	work := func() error {
		for {
			i := int(taken.Add(1)) - 1
			if i >= len(tasks) {
				return nil
			}
			if err := tasks[i].do(ctx); err != nil {
				return err
			}
		}
	}
	for range min(large, branches) - 1 {
		g.Go(work)
	}
	// The caller's goroutine, whose stack has grown already, is one of them.
	if err := work(); err != nil {
		cancel()
		_ = g.Wait()
		return err
	}
	return g.Wait()
}

// follow reads every edge that leads on from the rows.
func (r *run) follow(ctx context.Context, rs *rowset, t *table) error {
	if len(rs.edges) == 0 || t.n == 0 {
		return nil
	}
	if cap(t.results) < len(rs.edges) {
		t.results = make([]result, len(rs.edges))
	}
	t.results = t.results[:len(rs.edges)]
	tasks := make([]task, 0, len(rs.edges)+1)
	for i, e := range rs.edges {
		res := &t.results[i]
		if e.decl.Parse == nil {
			tasks = append(tasks, task{func(ctx context.Context) error { return r.toOne(ctx, e, t, res) }, t.n})
			continue
		}
		res.args = r.args[e.number]
		if e.total {
			// Counting reads all children, however many they are.
			tasks = append(tasks, task{func(ctx context.Context) error { return r.totals(ctx, e, t, res) }, manyRows})
		}
		if e.rows {
			rows := t.n * res.args.Page.Limit
			if r.all {
				rows = manyRows
			}
			tasks = append(tasks, task{func(ctx context.Context) error { return r.toMany(ctx, e, t, res) }, rows})
		}
	}
	return atOnce(ctx, tasks)
}

// toOne finds the child of every row, in one statement for the distinct keys.
func (r *run) toOne(ctx context.Context, e *edge, parents *table, res *result) error {
	const none = -1
	res.link = make([]int32, parents.n)
	found := make(map[uuid.UUID]int32, parents.n)
	var keys []byte
	for i := range parents.n {
		raw := parents.cell(i, e.key.cell)
		if raw == nil {
			continue
		}
		key, ok := parseUUID(raw)
		if !ok {
			return errCell
		}
		if _, again := found[key]; !again {
			found[key] = none
			keys = appendKey(keys, raw)
		}
	}
	if len(found) == 0 {
		for i := range res.link {
			res.link[i] = none
		}
		return nil
	}
	st := e.among(r.loaders.Scope(), string(append(keys, '}')))
	children, err := r.read(ctx, st, len(e.child.cells), nil)
	if err != nil {
		return err
	}
	res.rows = children
	for i := range children.n {
		key, ok := parseUUID(children.cell(i, e.found.cell))
		if !ok {
			return errCell
		}
		found[key] = int32(i)
	}
	for i := range res.link {
		res.link[i] = none
		if raw := parents.cell(i, e.key.cell); raw != nil {
			key, _ := parseUUID(raw)
			res.link[i] = found[key]
		}
	}
	return r.follow(ctx, e.child, children)
}

// appendKey appends a uuid to an array in PostgreSQL's form, still without its end.
func appendKey(array, key []byte) []byte {
	if array == nil {
		array = append(make([]byte, 0, 64), '{')
	} else {
		array = append(array, ',')
	}
	return append(array, key...)
}

func allKeys(t *table, column int) string {
	keys := make([]byte, 0, 37*t.n+2)
	keys = append(keys, '{')
	for i := range t.n {
		if i > 0 {
			keys = append(keys, ',')
		}
		keys = append(keys, t.cell(i, column)...)
	}
	return string(append(keys, '}'))
}

// toMany reads a page of children for every row, in one statement.
func (r *run) toMany(ctx context.Context, e *edge, parents *table, res *result) error {
	cells := e.pageCells(res)
	res.start, res.more = make([]int32, 0, parents.n+1), make([]bool, parents.n)
	st := e.listPer(r.loaders.Scope(), cells, allKeys(parents, e.key.cell), res.args)
	group, kept := 0, int32(0)
	children, err := r.read(ctx, st, len(cells), func(place []byte) (bool, error) {
		at, err := strconv.Atoi(string(place))
		if err != nil || at < max(group, 1) || at > parents.n {
			return false, errCell
		}
		for ; group < at; group++ {
			res.start = append(res.start, kept)
		}
		if limit := res.args.Page.Limit; limit > 0 && int(kept-res.start[group-1]) == limit {
			// The row beyond the page, whichever way it was read, comes last.
			res.more[group-1] = true
			return false, nil
		}
		kept++
		return true, nil
	})
	if err != nil {
		return err
	}
	for ; group <= parents.n; group++ {
		res.start = append(res.start, kept)
	}
	res.rows = children
	return r.follow(ctx, e.child, children)
}

// pageCells returns the cells of a page: those of its rowset and, when cursors are selected, those of the
// order, which only the arguments tell.
func (e *edge) pageCells(res *result) []db.Cell {
	cells := e.child.cells
	if !e.cursors {
		return cells
	}
	cells = slices.Clip(cells)
	for _, t := range res.args.Page.Order {
		c := e.child.source.Column(t.Column)
		at := slices.IndexFunc(cells, func(other db.Cell) bool { return other.Column == c.Name })
		if at < 0 {
			at = len(cells)
			cells = append(cells, cellOf(c))
		}
		res.terms = append(res.terms, term{at, c.Type})
	}
	return cells
}

// totals counts the children of every row, in one statement.
func (r *run) totals(ctx context.Context, e *edge, parents *table, res *result) error {
	res.totals = make([]int, parents.n)
	place := make(map[uuid.UUID]int, parents.n)
	for i := range parents.n {
		key, ok := parseUUID(parents.cell(i, e.key.cell))
		if !ok {
			return errCell
		}
		place[key] = i
	}
	st := e.decl.Child.StatementCountPer(r.loaders.Scope(), e.decl.ChildColumn, allKeys(parents, e.key.cell), res.args.Where)
	counts, err := r.read(ctx, st, 2, nil)
	if err != nil {
		return err
	}
	for i := range counts.n {
		key, ok := parseUUID(counts.cell(i, 0))
		n, err := strconv.Atoi(string(counts.cell(i, 1)))
		if !ok || err != nil {
			return errCell
		}
		res.totals[place[key]] = n
	}
	return nil
}

// list reads the page of a root list, as the one group of an edge.
func (r *run) list(ctx context.Context, e *edge) (*result, error) {
	if err := r.arguments(ctx, e); err != nil {
		return nil, err
	}
	if err := r.below(ctx, e.child); err != nil {
		return nil, err
	}
	args := r.args[e.number]
	res := &result{args: args, more: make([]bool, 1)}
	cells := e.pageCells(res)
	scope := r.loaders.Scope()
	tasks := []task{{func(ctx context.Context) error {
		n := 0
		rows, err := r.readList(ctx, e.decl.Child.StatementList(scope, cells, args.Where, args.Page), len(cells), &n, args.Page.Limit)
		if err != nil {
			return err
		}
		res.rows, res.more[0] = rows, n > args.Page.Limit
		res.start = []int32{0, int32(rows.n)}
		return r.follow(ctx, e.child, rows)
	}, manyRows}}
	if e.total {
		tasks = append(tasks, task{func(ctx context.Context) error {
			counts, err := r.read(ctx, e.decl.Child.StatementCount(scope, args.Where), 1, nil)
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(string(counts.cell(0, 0)))
			res.totals = []int{n}
			return err
		}, manyRows})
	}
	return res, atOnce(ctx, tasks)
}

// readList reads the rows of one page and drops the one beyond it.
func (r *run) readList(ctx context.Context, st db.Statement, width int, n *int, limit int) (*table, error) {
	t, err := r.read(ctx, st, width, nil)
	if err != nil {
		return nil, err
	}
	if *n = t.n; t.n > limit {
		t.n = limit
	}
	return t, nil
}

// single reads the only row that fits; the table is empty when there is none.
func (r *run) single(ctx context.Context, s *singleRoot, raw map[string]any) (*table, error) {
	w, err := s.Where(ctx, raw)
	if err != nil {
		return nil, err
	}
	if err := r.below(ctx, s.rows); err != nil {
		return nil, err
	}
	t, err := r.read(ctx, s.Source.StatementOne(r.loaders.Scope(), s.rows.cells, w), len(s.rows.cells), nil)
	if err != nil {
		return nil, err
	}
	if t.n > 1 {
		return nil, errSeveral
	}
	return t, r.follow(ctx, s.rows, t)
}

// found is where node and nodes find each id.
type found struct {
	node *nodeRoot
	rows *table
	row  int32
}

// nodes reads the rows of all ids, with one statement for each type.
func (r *run) nodes(ctx context.Context, ids []string, n *nodesRoot) ([]found, error) {
	type group struct {
		node  *nodeRoot
		keys  []byte
		place map[uuid.UUID][]int
		rows  *table
	}
	out := make([]found, len(ids))
	groups := map[string]*group{}
	for i, text := range ids {
		id, err := relay.ParseID(text)
		if err != nil {
			return nil, err
		}
		t := n.types[id.Prefix]
		if t == nil || t.reason != "" {
			return nil, errLeft
		}
		if t.hidden {
			continue
		}
		g := groups[id.Prefix]
		if g == nil {
			g = &group{node: t, place: map[uuid.UUID][]int{}}
			groups[id.Prefix] = g
		}
		if g.place[id.UUID] == nil {
			g.keys = appendKey(g.keys, []byte(id.UUID.String()))
		}
		g.place[id.UUID] = append(g.place[id.UUID], i)
	}
	tasks := make([]task, 0, len(groups))
	for _, g := range groups {
		if err := r.below(ctx, g.node.rows); err != nil {
			return nil, err
		}
		tasks = append(tasks, task{func(ctx context.Context) error {
			rs := g.node.rows
			st := rs.source.StatementAmong(r.loaders.Scope(), rs.cells, "id", string(append(g.keys, '}')), db.Where{})
			rows, err := r.read(ctx, st, len(rs.cells), nil)
			if err != nil {
				return err
			}
			g.rows = rows
			return r.follow(ctx, rs, rows)
		}, len(g.place)})
	}
	if err := atOnce(ctx, tasks); err != nil {
		return nil, err
	}
	for _, g := range groups {
		for i := range g.rows.n {
			key, ok := parseUUID(g.rows.cell(i, g.node.id.cell))
			if !ok {
				return nil, errCell
			}
			for _, p := range g.place[key] {
				out[p] = found{g.node, g.rows, int32(i)}
			}
		}
	}
	return out, nil
}
