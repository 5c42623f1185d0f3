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

// page returns the keyset conditions, ORDER BY and LIMIT.
func (b *builder) page(p Page) string {
	var out strings.Builder
	if p.After != nil {
		out.WriteString(b.beyond(p.Order, p.After, false))
	}
	if p.Before != nil {
		out.WriteString(b.beyond(p.Order, p.Before, true))
	}
	out.WriteString(" ORDER BY ")
	for i, t := range p.Order {
		if i > 0 {
			out.WriteString(", ")
		}
		out.WriteString(t.sql(p.Backward))
	}
	if p.Limit > 0 {
		// A constant: the planner then chooses the index walk, and there are at most 100 texts per list.
		out.WriteString(" LIMIT " + strconv.Itoa(p.Limit+1))
	}
	return out.String()
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
		// A row comparison is what lets one index range serve a deep page.
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
	// Mixed directions or NULLs: equal on the first i terms and beyond on the next.
	var ors []string
	var equal []string
	for i, t := range o {
		if cond := b.termBeyond(t, at[i], before); cond != "" {
			ors = append(ors, strings.Join(append(slices.Clone(equal), cond), " AND "))
		}
		if at[i] == nil {
			equal = append(equal, "c."+t.Column+" IS NULL")
		} else {
			equal = append(equal, "c."+t.Column+" = "+b.arg(*at[i]))
		}
	}
	return " AND ((" + strings.Join(ors, ") OR (") + "))"
}

// termBeyond says that one column is strictly beyond the cursor's value; "" means that nothing can be.
func (b *builder) termBeyond(t Term, at *string, before bool) string {
	col := "c." + t.Column
	less := t.Desc != before
	nullsBeyond := t.Nullable && t.NullsFirst == before
	if at == nil {
		// The cursor stands among the NULLs: only values are beyond, if NULLs come first on this way.
		if nullsBeyond {
			return ""
		}
		return col + " IS NOT NULL"
	}
	op := " > "
	if less {
		op = " < "
	}
	cond := col + op + b.arg(*at)
	if nullsBeyond {
		cond = "(" + cond + " OR " + col + " IS NULL)"
	}
	return cond
}

// plain tells whether all terms have one direction and no NULLs.
func (o Order) plain() bool {
	for _, t := range o {
		if t.Nullable || t.Desc != o[0].Desc {
			return false
		}
	}
	return true
}

// restore puts a backward page into the list's order: it was read from the end. The row beyond the
// limit is then at the front.
func (p Page) restore(n int, swap func(i, j int)) {
	if !p.Backward {
		return
	}
	for i, j := 0, n-1; i < j; i, j = i+1, j-1 {
		swap(i, j)
	}
}
