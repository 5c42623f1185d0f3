package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx/reflectx"
	"github.com/lib/pq"

	"caseload/internal/fault"
)

// Column is one declared column of a table.
type Column struct {
	Name string
	// Index leads to the field of the struct.
	Index []int
	// Type is the Go type of the field; a pointer means that the column may be NULL.
	Type reflect.Type
}

// Table is the declaration of an entity's table: one struct whose `db` tags name its columns. From it
// come the mechanical verbs here, the loaders and preloads of package loader, and compiled reads.
//
// A Table is made once, at start, and is safe for concurrent use. A verb that needs an `if` for one
// entity is not mechanical and belongs in that domain's store.go.
//
// Its methods only give rows their type: what they do stands in [Relation], which is compiled once, while they are
// compiled for each entity in each package that uses it.
type Table[T any] struct{ Relation }

// Relation is a [Table] without its Go type: its rows are pointers in values of type any.
type Relation struct {
	name, prefix string
	typ          reflect.Type
	columns      []Column
	byName       map[string]Column
	list         string // "c.a, c.b, …", aliased as c
}

// NewTable declares a table: its name, and the prefix of its typed ids. It panics when T is not a
// struct with the columns organization_id and id, as that is a mistake in the program.
func NewTable[T any](name, prefix string) *Table[T] {
	return &Table[T]{newRelation(name, prefix, reflect.TypeFor[T]())}
}

func newRelation(name, prefix string, typ reflect.Type) Relation {
	t := Relation{name: name, prefix: prefix, typ: typ, byName: map[string]Column{}}
	m := reflectx.NewMapper("db").TypeMap(typ)
	names := make([]string, 0, len(m.Index))
	for _, fi := range m.Index {
		tag := fi.Field.Tag.Get("db")
		if tag == "" || tag == "-" || fi.Embedded || fi.Path == "" || strings.Contains(fi.Path, ".") {
			continue
		}
		c := Column{Name: fi.Path, Index: fi.Index, Type: fi.Field.Type}
		t.columns = append(t.columns, c)
		t.byName[c.Name] = c
		names = append(names, "c."+c.Name)
	}
	for _, must := range []string{"organization_id", "id"} {
		if _, ok := t.byName[must]; !ok {
			panic(fmt.Sprintf("table %s: struct %s has no column %s", name, typ, must))
		}
	}
	t.list = strings.Join(names, ", ")
	return t
}

// Name returns the table's name in SQL.
func (t *Relation) Name() string { return t.name }

// Prefix returns the prefix of the entity's typed ids.
func (t *Relation) Prefix() string { return t.prefix }

// Type returns the Go type of a row.
func (t *Relation) Type() reflect.Type { return t.typ }

// Columns returns the declared columns: those of the struct, then those of what it embeds.
func (t *Relation) Columns() []Column { return t.columns }

// Column returns a declared column; it panics for an undeclared one, which is a mistake in the program.
func (t *Relation) Column(name string) Column {
	c, ok := t.byName[name]
	if !ok {
		panic(fmt.Sprintf("table %s has no column %s", t.name, name))
	}
	return c
}

// Select returns the columns as SQL, for hand-written statements that alias the table as c.
func (t *Relation) Select() string { return t.list }

// Value returns the value of a declared column of a row.
func (t *Table[T]) Value(row *T, column string) any { return t.ValueOf(row, column) }

// ValueOf is [Table.Value] of a row without its Go type.
func (t *Relation) ValueOf(row any, column string) any {
	return reflect.ValueOf(row).Elem().FieldByIndex(t.Column(column).Index).Interface()
}

// ByKeys returns the rows whose column is among keys, in no particular order, in one statement.
func (t *Table[T]) ByKeys(ctx context.Context, q Querier, s Scope, column string, keys []uuid.UUID) ([]*T, error) {
	return typed[T](t.RowsAmong(ctx, q, s, column, keys, Where{}))
}

// RowsAmong returns the rows, as pointers, whose column is among keys and that fit, in no particular order, in one statement.
func (t *Relation) RowsAmong(ctx context.Context, q Querier, s Scope, column string, keys []uuid.UUID, w Where) ([]any, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	b := newBuilder(s)
	return t.scan(ctx, q, t.sqlAmong(b, t.list, column, pq.Array(keys), w), b.args, nil)
}

// Query returns the rows of a hand-written statement whose columns are those of [Relation.Select], no more and no fewer.
// It is what Select of the [Querier] does, without looking up the columns for every row.
func (t *Table[T]) Query(ctx context.Context, q Querier, query string, args ...any) ([]*T, error) {
	return typed[T](t.scan(ctx, q, query, args, nil))
}

func typed[T any](rows []any, err error) ([]*T, error) {
	if len(rows) == 0 || err != nil {
		return nil, err
	}
	out := make([]*T, len(rows))
	for i, row := range rows {
		out[i] = row.(*T)
	}
	return out, nil
}

// scan returns the rows of a statement. With positions, its first column is appended to them, before those of [Relation.Select].
func (t *Relation) scan(ctx context.Context, q Querier, query string, args []any, positions *[]int) ([]any, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var position int
	cells, first := make([]any, len(t.columns), len(t.columns)+1), 0
	if positions != nil {
		cells, first = append(cells, nil), 1
		cells[0] = &position
	}
	var out []any
	for rows.Next() {
		row := reflect.New(t.typ)
		v := row.Elem()
		for i := range t.columns {
			cells[first+i] = v.FieldByIndex(t.columns[i].Index).Addr().Interface()
		}
		if err := rows.Scan(cells...); err != nil {
			return nil, err
		}
		if positions != nil {
			*positions = append(*positions, position)
		}
		out = append(out, row.Interface())
	}
	return out, rows.Err()
}

// ByID returns one row, or a NOT_FOUND fault: a foreign row is answered like a missing one.
func (t *Table[T]) ByID(ctx context.Context, q Querier, s Scope, id uuid.UUID) (*T, error) {
	return t.One(ctx, q, s, Where{}.And("c.id = ?", id))
}

// One returns the only row that fits, or a NOT_FOUND fault.
func (t *Table[T]) One(ctx context.Context, q Querier, s Scope, w Where) (*T, error) {
	row := new(T)
	if err := t.Get(ctx, q, s, w, "", row); err != nil {
		return nil, err
	}
	return row, nil
}

// Lock is [Table.ByID] with the row locked against other writers until the transaction ends.
func (t *Table[T]) Lock(ctx context.Context, tx *Tx, s Scope, id uuid.UUID) (*T, error) {
	row := new(T)
	if err := t.Get(ctx, tx, s, Where{}.And("c.id = ?", id), " FOR NO KEY UPDATE", row); err != nil {
		return nil, err
	}
	return row, nil
}

// Get fills row, a pointer, with the only row that fits, read with a locking clause, if any, or returns a NOT_FOUND fault.
func (t *Relation) Get(ctx context.Context, q Querier, s Scope, w Where, lock string, row any) error {
	b := newBuilder(s)
	query := t.sqlAll(b, t.list, w) + lock
	err := q.Get(ctx, row, query, b.args...)
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, "Not found.")
	}
	return err
}

// List returns a page of rows in order, with one row more than the limit when there are more.
// A backward page comes in the list's order too.
func (t *Table[T]) List(ctx context.Context, q Querier, s Scope, w Where, p Page) ([]*T, error) {
	return typed[T](t.Rows(ctx, q, s, w, p))
}

// Rows is [Table.List] with the rows as pointers without their Go type.
func (t *Relation) Rows(ctx context.Context, q Querier, s Scope, w Where, p Page) ([]any, error) {
	b := newBuilder(s)
	rows, err := t.scan(ctx, q, t.sqlList(b, t.list, w, p), b.args, nil)
	if p.Backward {
		slices.Reverse(rows)
	}
	return rows, err
}

// RowsPer returns a page of children for each parent key in one statement: element i holds the rows, as pointers,
// whose column equals parents[i], each with one row more than the limit when there are more.
func (t *Relation) RowsPer(ctx context.Context, q Querier, s Scope, column string, parents []uuid.UUID, w Where, p Page) ([][]any, error) {
	out := make([][]any, len(parents))
	if len(parents) == 0 {
		return out, nil
	}
	b := newBuilder(s)
	var positions []int
	rows, err := t.scan(ctx, q, t.sqlListPer(b, t.list, t.list, column, pq.Array(parents), w, p), b.args, &positions)
	if err != nil {
		return nil, err
	}
	for i, position := range positions {
		out[position-1] = append(out[position-1], rows[i])
	}
	for _, group := range out {
		if p.Backward {
			slices.Reverse(group)
		}
	}
	return out, nil
}

// Count returns how many rows fit.
func (t *Relation) Count(ctx context.Context, q Querier, s Scope, w Where) (int, error) {
	b := newBuilder(s)
	var n int
	err := q.Get(ctx, &n, t.sqlAll(b, "count(*)", w), b.args...)
	return n, err
}

// CountPer returns how many rows each parent has, in the order of parents, in one statement.
func (t *Relation) CountPer(ctx context.Context, q Querier, s Scope, column string, parents []uuid.UUID, w Where) ([]int, error) {
	out := make([]int, len(parents))
	if len(parents) == 0 {
		return out, nil
	}
	b := newBuilder(s)
	var rows []struct {
		Key uuid.UUID `db:"key"`
		N   int       `db:"n"`
	}
	query := t.sqlCountPer(b, column, pq.Array(parents), w)
	if err := q.Select(ctx, &rows, query, b.args...); err != nil {
		return nil, err
	}
	byKey := make(map[uuid.UUID]int, len(rows))
	for _, r := range rows {
		byKey[r.Key] = r.N
	}
	for i, key := range parents {
		out[i] = byKey[key]
	}
	return out, nil
}

// Insert writes one row as it is. The scope must be the row's own: a row of another tenant is a
// mistake in the program and refused.
func (t *Table[T]) Insert(ctx context.Context, q Querier, s Scope, row *T) error {
	return t.InsertRow(ctx, q, s, row)
}

// InsertRow is [Table.Insert] of a pointer to a row.
func (t *Relation) InsertRow(ctx context.Context, q Querier, s Scope, row any) error {
	if err := t.own(s, row); err != nil {
		return err
	}
	var cols, marks strings.Builder
	args := make([]any, len(t.columns))
	v := reflect.ValueOf(row).Elem()
	for i, c := range t.columns {
		if i > 0 {
			cols.WriteString(", ")
			marks.WriteString(", ")
		}
		cols.WriteString(c.Name)
		fmt.Fprintf(&marks, "$%d", i+1)
		args[i] = v.FieldByIndex(c.Index).Interface()
	}
	_, err := q.Exec(ctx, "INSERT INTO "+t.name+" ("+cols.String()+") VALUES ("+marks.String()+")", args...)
	return err
}

// Update writes every column but the identity when the stored version is the row's, and raises the
// version, in the table and in row. A version that moved on is a STALE_VERSION user error.
func (t *Table[T]) Update(ctx context.Context, q Querier, s Scope, row *T) error {
	return t.UpdateRow(ctx, q, s, row)
}

// UpdateRow is [Table.Update] of a pointer to a row.
func (t *Relation) UpdateRow(ctx context.Context, q Querier, s Scope, row any) error {
	if err := t.own(s, row); err != nil {
		return err
	}
	v := reflect.ValueOf(row).Elem()
	version := v.FieldByIndex(t.Column("version").Index)
	args := []any{s.OrganizationID, t.ValueOf(row, "id"), version.Interface()}
	var set strings.Builder
	for _, c := range t.columns {
		switch c.Name {
		case "organization_id", "id", "version", "created_at", "created_by":
			continue
		}
		args = append(args, v.FieldByIndex(c.Index).Interface())
		fmt.Fprintf(&set, "%s = $%d, ", c.Name, len(args))
	}
	n, err := q.Exec(ctx, "UPDATE "+t.name+" SET "+set.String()+"version = version + 1 WHERE organization_id = $1 AND id = $2 AND version = $3", args...)
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.UserErrors{{Code: fault.StaleVersion, Message: "The row was changed since it was read; read it again.", Path: []string{"input"}}}
	}
	version.SetInt(version.Int() + 1)
	return nil
}

func (t *Relation) own(s Scope, row any) error {
	if t.ValueOf(row, "organization_id") != s.OrganizationID || s.OrganizationID == uuid.Nil {
		return fmt.Errorf("write %s: the row is not of the scope's organization", t.name)
	}
	return nil
}

// Differences names the columns in which two rows differ, apart from versions and times of change.
func (t *Table[T]) Differences(a, b *T) []string {
	return t.differences(a, b)
}

func (t *Relation) differences(a, b any) []string {
	var out []string
	for _, c := range t.columns {
		switch c.Name {
		case "version", "updated_at", "updated_by":
			continue
		}
		if !reflect.DeepEqual(t.ValueOf(a, c.Name), t.ValueOf(b, c.Name)) {
			out = append(out, c.Name)
		}
	}
	return out
}
