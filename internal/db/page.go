package db

import (
	"slices"
	"strconv"
	"strings"
)

// Term is one column of an order.
type Term struct {
	Column string
	Desc   bool
	// Nullable tells that the column may be NULL; NullsFirst then says where the NULLs stand.
	// PostgreSQL's default, which an index serves, is last when ascending and first when descending.
	Nullable, NullsFirst bool
}

// Order is a total order of a table's rows: its terms, made unique by the id.
type Order []Term

// By makes an ascending order by columns that are never NULL, with the id as the last tie-break.
func By(columns ...string) Order {
	var o Order
	for _, c := range columns {
		o = append(o, Term{Column: c})
	}
	return append(o, Term{Column: "id"})
}

// Page is a slice of an ordered list.
type Page struct {
	Order Order
	// After and Before are the values of the order's terms at a cursor, as SQL text; a nil value is NULL.
	// Both nil starts at the list's end that Backward names.
	After, Before []*string
	// Limit is how many rows a page has; one more is read to learn whether there are more. Zero means all.
	Limit int
	// Backward takes the page from the end of the list.
	Backward bool
}

// page completes a SELECT of the table's columns, which ends in its WHERE clause, to that of one page.
func (b *builder) page(query string, p Page) string {
	start, end := p.After, p.Before
	if p.Backward {
		start, end = end, start
	}
	if end != nil {
		query += b.beyond(p.Order, end, !p.Backward)
	}
	tail := p.tail(false)
	if !p.Order.nullsOfOneIndex() || start == nil && !p.Order[0].oddNulls() {
		if start != nil {
			query += b.beyond(p.Order, start, p.Backward)
		}
		return query + tail
	}
	// The rows with a value and those without are each one range of the index, however deep the page. One
	// condition with OR would walk the index from its end and throw away all rows before the page.
	arms, inner := b.arms(p.Order, start, p.Backward), p.tail(true)
	if len(arms) == 1 {
		return query + arms[0] + inner
	}
	for i := range arms {
		arms[i] = "(" + query + arms[i] + inner + ")"
	}
	return "SELECT * FROM (" + strings.Join(arms, " UNION ALL ") + ") c" + tail
}

// tail returns ORDER BY and LIMIT. Among rows that all have the value, or all have none, the place of NULLs
// does not matter and is left to the default, which an index serves.
func (p Page) tail(nullsApart bool) string {
	terms := make([]string, len(p.Order))
	for i, t := range p.Order {
		if nullsApart {
			t.Nullable = false
		}
		terms[i] = t.sql(p.Backward)
	}
	out := " ORDER BY " + strings.Join(terms, ", ")
	if p.Limit > 0 {
		// A constant: the planner then chooses the index walk, and there are at most 100 texts per list.
		out += " LIMIT " + strconv.Itoa(p.Limit+1)
	}
	return out
}

func (t Term) sql(backward bool) string {
	s := "c." + t.Column
	desc, first := t.Desc, t.NullsFirst
	if backward {
		desc, first = !desc, !first
	}
	if desc {
		s += " DESC"
	}
	// Named only where it differs from the default, since an index serves the default spelling.
	if t.Nullable && first != desc {
		if first {
			s += " NULLS FIRST"
		} else {
			s += " NULLS LAST"
		}
	}
	return s
}

// oddNulls reports whether NULLs stand where no index of ours has them.
func (t Term) oddNulls() bool { return t.NullsFirst != t.Desc }

// nullsOfOneIndex reports whether one index gives the order of the rows with a value in the first term, and of
// those without: only that term may be NULL, and all have one direction.
func (o Order) nullsOfOneIndex() bool {
	return o[0].Nullable && len(o) > 1 && o[1:].plain() && o[1].Desc == o[0].Desc
}

// arms returns the conditions of the rows with a value and of those without, beyond the cursor, if any.
func (b *builder) arms(o Order, at []*string, before bool) []string {
	col := "c." + o[0].Column
	nullsBeyond := o[0].NullsFirst == before
	switch {
	case at == nil:
		return []string{" AND " + col + " IS NOT NULL", " AND " + col + " IS NULL"}
	case at[0] == nil && nullsBeyond:
		return []string{" AND " + col + " IS NULL" + b.row(o[1:], at[1:], before)}
	case at[0] == nil:
		return []string{" AND " + col + " IS NULL" + b.row(o[1:], at[1:], before), " AND " + col + " IS NOT NULL"}
	case nullsBeyond:
		// A row comparison with NULL is not true, so it finds rows with a value only.
		return []string{b.row(o, at, before), " AND " + col + " IS NULL"}
	}
	return []string{b.row(o, at, before)}
}

// orderTail repeats the order after a leading term.
func (p Page) orderTail() string {
	var out strings.Builder
	for _, t := range p.Order {
		out.WriteString(", " + t.sql(p.Backward))
	}
	return out.String()
}

// beyond returns " AND (row is after the cursor)", or before it.
func (b *builder) beyond(o Order, at []*string, before bool) string {
	if o.plain() {
		return b.row(o, at, before)
	}
	// Mixed directions or NULLs: equal on the first i terms and beyond on the next. Each value is one argument,
	// since PostgreSQL refuses an argument that no text uses.
	var ors []string
	var equal []string
	for i, t := range o {
		value, is := "", "c."+t.Column+" IS NULL"
		if at[i] != nil {
			value = b.arg(*at[i])
			is = "c." + t.Column + " = " + value
		}
		if cond := t.beyond(value, before); cond != "" {
			ors = append(ors, strings.Join(append(slices.Clone(equal), cond), " AND "))
		}
		equal = append(equal, is)
	}
	return " AND ((" + strings.Join(ors, ") OR (") + "))"
}

// row returns " AND (row is after the cursor)", or before it, for terms of one direction. A row comparison is
// what lets one index range serve a deep page.
func (b *builder) row(o Order, at []*string, before bool) string {
	cols, vals := make([]string, len(o)), make([]string, len(o))
	for i, t := range o {
		cols[i], vals[i] = "c."+t.Column, b.arg(*at[i])
	}
	op := ">"
	if before != o[0].Desc {
		op = "<"
	}
	return " AND (" + strings.Join(cols, ", ") + ") " + op + " (" + strings.Join(vals, ", ") + ")"
}

// beyond says that the column is strictly beyond a value, "" for NULL; "" means that nothing can be.
func (t Term) beyond(value string, before bool) string {
	col := "c." + t.Column
	nullsBeyond := t.Nullable && t.NullsFirst == before
	if value == "" {
		// The cursor stands among the NULLs: only values are beyond, if NULLs come first on this way.
		if nullsBeyond {
			return ""
		}
		return col + " IS NOT NULL"
	}
	op := " > "
	if t.Desc != before {
		op = " < "
	}
	if nullsBeyond {
		return "(" + col + op + value + " OR " + col + " IS NULL)"
	}
	return col + op + value
}

// plain reports whether all terms have one direction and no NULLs.
func (o Order) plain() bool {
	return !slices.ContainsFunc(o, func(t Term) bool { return t.Nullable || t.Desc != o[0].Desc })
}
