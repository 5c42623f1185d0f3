package graph_test

import (
	"maps"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/graphtest"
)

// plainEntity is a row of [plainEntities].
type plainEntity struct {
	// one is the root field that finds one by its id, such as "goal"; the other names follow from it.
	one string
	// create and update are the fields of the inputs; # in create stands for a number of its own in each row that is made.
	create, update string
}

// plainEntities are the entities that have a list, a field that finds one, and mutations that create, update and delete one:
// an entity is tested at all its principals, behind node and in random queries by its line here. What its writing does
// is tested in internal/entity.
var plainEntities = []plainEntity{
	{"goal", `name: "Home #", icon: "house"`, `name: "House", icon: null`},
}

func init() {
	for _, p := range plainEntities {
		maps.Copy(principals, p.rows())
	}
}

func (p plainEntity) typeName() string { return field("Query." + p.one).Type.Name() }

// list is the root field that lists the entity.
func (p plainEntity) list() string {
	for _, f := range schema.Query.Fields {
		if f.Type.Name() == p.typeName()+"Connection" {
			return f.Name
		}
	}
	panic("nothing lists " + p.typeName())
}

var numbers atomic.Int64

// creation is a mutation that makes a row with values of its own.
func (p plainEntity) creation() string {
	fields := strings.ReplaceAll(p.create, "#", strconv.FormatInt(numbers.Add(1), 10))
	return `mutation { create` + p.typeName() + `(input: {` + fields + `}) { ` + p.one + ` { id }` + errs + `} }`
}

// make makes a row and returns its id.
func (p plainEntity) make(t testing.TB, s *graphtest.Server, key string) string {
	t.Helper()
	r := s.OK(t, key, p.creation(), nil)
	require.Empty(t, r.At("create"+p.typeName()+".userErrors"), r.Body)
	return r.Text("create" + p.typeName() + "." + p.one + ".id")
}

// withPlain adds a row of each plain entity to the ids by type.
func withPlain(t testing.TB, s *graphtest.Server, key string, ids map[string]string) map[string]string {
	t.Helper()
	for _, p := range plainEntities {
		ids[p.typeName()] = p.make(t, s, key)
	}
	return ids
}

// rows are the rows of the table of principals.
func (p plainEntity) rows() map[string]row {
	typeName, list := p.typeName(), p.list()
	var id string
	made := func(s *scene) vars {
		id = p.make(s.t, s.World.Server, s.Harbor.Key)
		return vars{"id": id}
	}
	is := func(path string) func(s *scene, r *graphtest.Reply) {
		return has(path, func(*scene) any { return id })
	}
	create, update, remove := "create"+typeName, "update"+typeName, "delete"+typeName
	return map[string]row{
		"Query." + p.one: {`query ($id: ID!) { ` + p.one + `(id: $id) { id } }`, made, is(p.one + ".id"), null(p.one)},
		"Query." + list: {`{ ` + list + `(last: 100) { nodes { id } totalCount } }`, func(s *scene) vars { made(s); return nil },
			func(s *scene, r *graphtest.Reply) { require.Contains(s.t, r.Body, id) },
			func(s *scene, r *graphtest.Reply) {
				require.Empty(s.t, r.Errors, r.Body)
				require.NotContains(s.t, r.Body, id)
			}},
		"Mutation." + create: {p.creation(), none,
			func(s *scene, r *graphtest.Reply) { s.sees(p.one, r.Text(create+"."+p.one+".id")) }, itsOwn(create+"."+p.one+".id", p.one)},
		"Mutation." + update: {`mutation ($id: ID!) { ` + update + `(input: {id: $id, ` + p.update + `}) { ` + p.one + ` { id version }` + errs + `} }`, made,
			wrote(update, p.one+".version", 2.0), missing(update, "input.id")},
		"Mutation." + remove: {`mutation ($id: ID!) { ` + remove + `(input: {id: $id}) { deletedId` + errs + `} }`, made,
			func(s *scene, r *graphtest.Reply) {
				is(remove+".deletedId")(s, r)
				null(p.one)(s, s.OK(s.t, s.Harbor.Key, `query ($id: ID!) { `+p.one+`(id: $id) { id } }`, vars{"id": id}))
			}, missing(remove, "input.id")},
	}
}
