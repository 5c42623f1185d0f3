package db

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"
	"github.com/shopspring/decimal"

	"caseload/internal/civil"
)

// InsertAll writes rows in one statement, whatever their number, in the order given. It returns how
// many were written: fewer than the rows when ignoring is true and some keys were taken.
func (t *Table[T]) InsertAll(ctx context.Context, q Querier, s Scope, rows []*T, ignoring bool) (int64, error) {
	return t.InsertRows(ctx, q, s, values(rows), ignoring)
}

// InsertRows is [Table.InsertAll] of pointers to rows.
func (t *Relation) InsertRows(ctx context.Context, q Querier, s Scope, rows []any, ignoring bool) (int64, error) {
	suffix := ""
	if ignoring {
		suffix = " ON CONFLICT DO NOTHING"
	}
	return t.writeAll(ctx, q, s, rows, suffix)
}

// Upsert writes rows in one statement, whatever their number: a row whose conflict columns are taken
// updates the update columns of the row that has them, if one of them differs. The batch must not hold the
// same conflict key twice: PostgreSQL refuses to touch a row twice in one statement.
func (t *Table[T]) Upsert(ctx context.Context, q Querier, s Scope, rows []*T, conflict, update []string) (int64, error) {
	return t.upsert(ctx, q, s, values(rows), conflict, update)
}

func (t *Relation) upsert(ctx context.Context, q Querier, s Scope, rows []any, conflict, update []string) (int64, error) {
	if len(rows) == 0 {
		return 0, nil
	}
	set, stored, sent := make([]string, len(update)), []string{}, []string{}
	for i, c := range update {
		set[i] = t.Column(c).Name + " = excluded." + c
		if c != "updated_at" && c != "updated_by" && c != "version" && c != "fetched_at" {
			stored, sent = append(stored, "t."+c), append(sent, "excluded."+c)
		}
	}
	if slices.Contains(update, "version") {
		set[slices.Index(update, "version")] = "version = t.version + 1"
	}
	return t.writeAll(ctx, q, s, rows, " ON CONFLICT ("+strings.Join(conflict, ", ")+") DO UPDATE SET "+strings.Join(set, ", ")+
		" WHERE ("+strings.Join(stored, ", ")+") IS DISTINCT FROM ("+strings.Join(sent, ", ")+")")
}

func (t *Relation) writeAll(ctx context.Context, q Querier, s Scope, rows []any, suffix string) (int64, error) {
	if len(rows) == 0 {
		return 0, nil
	}
	for _, row := range rows {
		if err := t.own(s, row); err != nil {
			return 0, err
		}
	}
	names := make([]string, 0, len(t.columns))
	for _, c := range t.columns {
		names = append(names, c.Name)
	}
	from, list, args := t.unnest(rows, names, 1)
	return q.Exec(ctx, "INSERT INTO "+t.name+" AS t ("+strings.Join(names, ", ")+") SELECT "+list+" FROM "+from+suffix, args...)
}

// UpdateAll writes the columns of rows by id in one statement, and raises their versions. The caller
// holds the rows' locks; no version is compared.
func (t *Table[T]) UpdateAll(ctx context.Context, q Querier, s Scope, rows []*T, columns []string) (int64, error) {
	return t.UpdateRows(ctx, q, s, values(rows), columns)
}

// UpdateRows is [Table.UpdateAll] of pointers to rows.
func (t *Relation) UpdateRows(ctx context.Context, q Querier, s Scope, rows []any, columns []string) (int64, error) {
	if len(rows) == 0 {
		return 0, nil
	}
	for _, row := range rows {
		if err := t.own(s, row); err != nil {
			return 0, err
		}
	}
	from, list, args := t.unnest(rows, append([]string{"id"}, columns...), 2)
	values := strings.Split(list, ", ")[1:]
	set := make([]string, len(columns))
	for i, c := range columns {
		set[i] = c + " = " + values[i]
	}
	return q.Exec(ctx, "UPDATE "+t.name+" t SET "+strings.Join(set, ", ")+", version = t.version + 1 FROM "+from+
		" WHERE t.organization_id = $1 AND t.id = r.id", append([]any{s.OrganizationID}, args...)...)
}

// DeleteAll removes rows by id in one statement, and returns how many there were; without ids it does nothing.
func (t *Relation) DeleteAll(ctx context.Context, q Querier, s Scope, ids []uuid.UUID) (int64, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	return q.Exec(ctx, "DELETE FROM "+t.name+" WHERE organization_id = $1 AND id = ANY($2)", s.OrganizationID, pq.Array(ids))
}

// Unnest passes rows as one array per column, for set-based statements: it returns the FROM item,
// aliased r, the SELECT list of the columns, and the arguments, the first of which is number first.
func (t *Table[T]) Unnest(rows []*T, columns []string, first int) (from, list string, args []any) {
	return t.unnest(values(rows), columns, first)
}

func (t *Relation) unnest(rows []any, columns []string, first int) (from, list string, args []any) {
	arrays, items := make([]string, len(columns)), make([]string, len(columns))
	var empty []int
	isFull := false
	for i, name := range columns {
		c := t.Column(name)
		typ, cast := pgType(c.Type)
		arrays[i] = fmt.Sprintf("CAST($%d AS %s[])", first+i, typ)
		items[i] = "r." + name
		if cast != "" {
			items[i] = "CAST(r." + name + " AS " + cast + ")"
		}
		literal, set := elements(rows, c.Index)
		isFull = isFull || set == len(rows)
		if set == 0 {
			empty = append(empty, i)
		}
		args = append(args, literal)
	}
	if isFull {
		// unnest fills shorter arrays up with NULL, so a column without values need not be sent.
		for _, i := range empty {
			args[i] = "{}"
		}
	}
	return "unnest(" + strings.Join(arrays, ", ") + ") AS r(" + strings.Join(columns, ", ") + ")", strings.Join(items, ", "), args
}

// values returns rows without their type.
func values[T any](rows []*T) []any {
	out := make([]any, len(rows))
	for i, row := range rows {
		out[i] = row
	}
	return out
}

// pgTyped is a column type that names its own type in PostgreSQL.
type pgTyped interface{ PGType() string }

// pgType returns the element type under which a Go type is passed in an array, and what to cast the
// element to when that is not the column's type: arrays and JSON cannot be elements.
func pgType(t reflect.Type) (element, cast string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[uuid.UUID](), reflect.TypeFor[uuid.NullUUID]():
		return "uuid", ""
	case reflect.TypeFor[time.Time]():
		return "timestamptz", ""
	case reflect.TypeFor[civil.Date]():
		return "date", ""
	case reflect.TypeFor[civil.LocalTime]():
		return "time", ""
	case reflect.TypeFor[decimal.Decimal]():
		return "numeric", ""
	case reflect.TypeFor[JSON]():
		return "text", "jsonb"
	case reflect.TypeFor[[]byte]():
		return "bytea", ""
	case reflect.TypeFor[pq.StringArray]():
		return "text", "text[]"
	}
	if p, ok := reflect.Zero(t).Interface().(pgTyped); ok {
		return "text", p.PGType()
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean", ""
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Uint8, reflect.Uint16:
		return "integer", ""
	case reflect.Int64, reflect.Uint32:
		return "bigint", ""
	}
	return "text", ""
}
