package db

import (
	"slices"
	"strconv"
	"strings"
)

// Where is a conjunction of conditions on the table aliased c. The zero value is no condition. It is
// a value: [Where.And] copies, so a list and its lazy count can share a beginning.
type Where struct {
	conds []condition
}

type condition struct {
	sql  string
	args []any
}

// None reports whether there is no condition.
func (w Where) None() bool { return len(w.conds) == 0 }

// And adds a condition. The SQL is a constant of the program with one ? per argument; the jsonb
// operators that contain ? are written as functions.
func (w Where) And(sql string, args ...any) Where {
	return Where{conds: append(slices.Clip(w.conds), condition{sql, args})}
}

// All joins another conjunction.
func (w Where) All(o Where) Where {
	return Where{conds: append(slices.Clip(w.conds), o.conds...)}
}

// Not returns the exact complement: rows for which w is false or unknown.
func (w Where) Not() Where {
	sql, args := w.join()
	return Where{}.And("("+sql+") IS NOT TRUE", args...)
}

// Or returns the rows that fit any of the conjunctions; none given means no row.
func Or(ws []Where) Where {
	if len(ws) == 0 {
		return Where{}.And("FALSE")
	}
	parts, args := make([]string, len(ws)), []any{}
	for i, w := range ws {
		sql, a := w.join()
		parts[i], args = "("+sql+")", append(args, a...)
	}
	return Where{}.And("("+strings.Join(parts, " OR ")+")", args...)
}

func (w Where) join() (string, []any) {
	if len(w.conds) == 0 {
		return "TRUE", nil
	}
	parts, args := make([]string, len(w.conds)), []any{}
	for i, c := range w.conds {
		parts[i], args = c.sql, append(args, c.args...)
	}
	return strings.Join(parts, " AND "), args
}

// builder numbers the arguments of one statement; $1 is always the organization.
type builder struct {
	args []any
}

func newBuilder(s Scope) *builder { return &builder{args: []any{s.OrganizationID}} }

func (b *builder) arg(v any) string {
	b.args = append(b.args, v)
	return "$" + strconv.Itoa(len(b.args))
}

// expand replaces each ? by the number of its argument.
func (b *builder) expand(sql string, args []any) string {
	var out strings.Builder
	for i := range len(sql) {
		if sql[i] == '?' {
			out.WriteString(b.arg(args[0]))
			args = args[1:]
			continue
		}
		out.WriteByte(sql[i])
	}
	return out.String()
}

func (b *builder) where(w Where) string {
	var out strings.Builder
	for _, c := range w.conds {
		out.WriteString(" AND ")
		out.WriteString(b.expand(c.sql, c.args))
	}
	return out.String()
}
