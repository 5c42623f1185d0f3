package db

import (
	"slices"
	"strings"
)

// Statement is SQL with its arguments; $1 is the organization.
type Statement struct {
	SQL  string
	Args []any
}

// For returns a statement of [Relation.StatementAmong] or [Relation.StatementListPer] for other keys.
func (s Statement) For(scope Scope, keys string) Statement {
	args := slices.Clone(s.Args)
	args[0], args[1] = scope.OrganizationID, keys
	return Statement{s.SQL, args}
}

// Cell is a column of a raw read. Text has PostgreSQL write the value, for types that the driver would
// otherwise parse only to have them written again.
type Cell struct {
	Column string
	Text   bool
}

func (c Cell) sql() string {
	if c.Text {
		return "CAST(c." + c.Column + " AS text)"
	}
	return "c." + c.Column
}

func output(cells []Cell) string {
	var b strings.Builder
	for i, c := range cells {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.sql())
	}
	return b.String()
}

// inner is the columns that a page is made of: those of the cells, and those that it is ordered by.
func inner(cells []Cell, o Order) string {
	var b strings.Builder
	seen := make(map[string]struct{}, len(cells)+len(o))
	add := func(column string) {
		if _, ok := seen[column]; ok {
			return
		}
		seen[column] = struct{}{}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString("c." + column)
	}
	for _, c := range cells {
		add(c.Column)
	}
	for _, t := range o {
		add(t.Column)
	}
	return b.String()
}

// The statements of a table: those that its verbs run, with columns of the caller's choice. Both run the same
// conditions and orders, as they are made by the same functions.

// StatementOne reads the row that fits, and a second where there are more: its reader must not take one of several for
// the one that was asked for.
func (t *Relation) StatementOne(s Scope, cells []Cell, w Where) Statement {
	b := newBuilder(s)
	return Statement{t.sqlAll(b, output(cells), w) + " LIMIT 2", b.args}
}

// StatementAmong is the statement of [Relation.RowsAmong]; keys is an array as PostgreSQL reads it.
func (t *Relation) StatementAmong(s Scope, cells []Cell, column, keys string, w Where) Statement {
	b := newBuilder(s)
	return Statement{t.sqlAmong(b, output(cells), column, keys, w), b.args}
}

// StatementList is the statement of [Relation.Rows]. A backward page comes from the list's end.
func (t *Relation) StatementList(s Scope, cells []Cell, w Where, p Page) Statement {
	b := newBuilder(s)
	// The order is repeated, as SQL does not promise that a subquery's is kept; it costs no sort.
	return Statement{"SELECT " + output(cells) + " FROM (" + t.sqlList(b, inner(cells, p.Order), w, p) + ") c ORDER BY " + strings.TrimPrefix(p.orderTail(), ", "), b.args}
}

// StatementListPer is the statement of [Relation.RowsPer]: its first column is the place of the parent in
// parents, from 1, by which the rows are ordered first. A backward page comes from the list's end.
func (t *Relation) StatementListPer(s Scope, cells []Cell, column, parents string, w Where, p Page) Statement {
	b := newBuilder(s)
	return Statement{t.sqlListPer(b, inner(cells, p.Order), output(cells), column, parents, w, p), b.args}
}

// StatementCount is the statement of [Relation.Count].
func (t *Relation) StatementCount(s Scope, w Where) Statement {
	b := newBuilder(s)
	return Statement{t.sqlAll(b, "count(*)", w), b.args}
}

// StatementCountPer is the statement of [Relation.CountPer]: keys and their counts, without those that have none.
func (t *Relation) StatementCountPer(s Scope, column, parents string, w Where) Statement {
	b := newBuilder(s)
	return Statement{t.sqlCountPer(b, column, parents, w), b.args}
}

func (t *Relation) sqlAll(b *builder, columns string, w Where) string {
	return "SELECT " + columns + " FROM " + t.name + " c WHERE c.organization_id = $1" + b.where(w)
}

func (t *Relation) sqlAmong(b *builder, columns, column string, keys any, w Where) string {
	return "SELECT " + columns + " FROM " + t.name + " c WHERE c.organization_id = $1 AND c." + t.Column(column).Name + " = ANY(" + b.arg(keys) + ")" + b.where(w)
}

func (t *Relation) sqlList(b *builder, columns string, w Where, p Page) string {
	return b.page(t.sqlAll(b, columns, w), p)
}

func (t *Relation) sqlListPer(b *builder, inner, outer, column string, parents any, w Where, p Page) string {
	keys := b.arg(parents)
	page := b.page("SELECT "+inner+" FROM "+t.name+" c WHERE c.organization_id = $1 AND c."+t.Column(column).Name+" = p.key"+b.where(w), p)
	return "SELECT p.position AS parent_position, " + outer + " FROM unnest(CAST(" + keys + " AS uuid[])) WITH ORDINALITY AS p(key, position) CROSS JOIN LATERAL (" +
		page + ") c ORDER BY p.position" + p.orderTail()
}

func (t *Relation) sqlCountPer(b *builder, column string, parents any, w Where) string {
	col := "c." + t.Column(column).Name
	return "SELECT " + col + " AS key, count(*) AS n FROM " + t.name + " c WHERE c.organization_id = $1 AND " + col + " = ANY(" + b.arg(parents) + ")" + b.where(w) + " GROUP BY " + col
}
