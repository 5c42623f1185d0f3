package plan

import (
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/db"
	"caseload/internal/loader"
	"caseload/internal/relay"
)

type thing struct {
	db.Row
	Owner string `db:"owner"`
	Name  string `db:"name"`
	State string `db:"state"`
}

var things = db.NewTable[thing]("things", "thing")

// In whatever order columns are selected, what is prepared is one text.
func TestCellsStandInTheOrderOfTheTable(t *testing.T) {
	t.Parallel()
	var texts []string
	for _, names := range [][]string{{"state", "name", "id"}, {"id", "state", "name", "id"}, {"name", "id", "state"}} {
		rs := &rowset{source: &things.Relation}
		for _, name := range names {
			rs.column(name)
		}
		rs.settle()
		for _, name := range names {
			require.Equal(t, name, rs.cells[rs.column(name).cell].Column)
		}
		texts = append(texts, things.StatementOne(db.Scope{}, rs.cells, db.Where{}).SQL)
	}
	require.Equal(t, texts[0], texts[1])
	require.Equal(t, texts[0], texts[2])

	nothing := &rowset{source: &things.Relation}
	nothing.settle()
	require.Equal(t, []db.Cell{{Column: "id"}}, nothing.cells, "rows are counted by it")
}

// A statement that is made once is the statement that would be made each time.
func TestStatementsOfAnEdgeAreMadeAgainForEveryPage(t *testing.T) {
	t.Parallel()
	e := &edge{decl: loader.Declaration{Child: &things.Relation, ChildColumn: "owner"}, child: &rowset{source: &things.Relation}}
	e.child.settle()
	a, b := db.Scope{OrganizationID: db.NewID()}, db.Scope{OrganizationID: db.NewID()}
	at := "x"
	named := db.Where{}.And("c.name = ?", "n")
	for _, c := range []struct {
		scope db.Scope
		keys  string
		where db.Where
		page  db.Page
	}{
		{a, "{1}", db.Where{}, db.Page{Order: db.By("name"), Limit: 10}},
		{b, "{2,3}", db.Where{}, db.Page{Order: db.By("name"), Limit: 10}},
		{a, "{1}", db.Where{}, db.Page{Order: db.By("name"), Limit: 11}},
		{a, "{1}", db.Where{}, db.Page{Order: db.By("name"), Limit: 11, Backward: true}},
		{a, "{1}", db.Where{}, db.Page{Order: db.By("state"), Limit: 11, Backward: true}},
		{a, "{1}", named, db.Page{Order: db.By("state"), Limit: 11, Backward: true}},
		{a, "{1}", db.Where{}, db.Page{Order: db.By("state"), Limit: 11, Backward: true, Before: []*string{&at, &at}}},
		{b, "{1}", db.Where{}, db.Page{Order: db.By("state"), Limit: 11, Backward: true}},
	} {
		want := things.StatementListPer(c.scope, e.child.cells, "owner", c.keys, c.where, c.page)
		require.Equal(t, want, e.listPer(c.scope, e.child.cells, c.keys, &relay.Args{Page: c.page, Where: c.where}))
	}
	one := &edge{decl: loader.Declaration{Child: &things.Relation, ChildColumn: "id", Where: named}, child: e.child}
	for _, scope := range []db.Scope{a, b} {
		want := things.StatementAmong(scope, e.child.cells, "id", "{7}", named)
		require.Equal(t, want, one.among(scope, "{7}"))
	}
}
