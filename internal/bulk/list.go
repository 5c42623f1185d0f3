package bulk

import (
	"caseload/internal/db"
	"caseload/internal/relay"
)

// Filter narrows a list of operations.
type Filter struct {
	State     *relay.EnumFilter[State]    `filter:"state"`
	Kind      *relay.EnumFilter[KindName] `filter:"kind"`
	CreatedAt *relay.DateTimeFilter       `filter:"created_at"`
	And       []*Filter
	Or        []*Filter
	Not       *Filter
}

// The filters of enums, named for GraphQL.
type (
	StateFilter = relay.EnumFilter[State]
	KindFilter  = relay.EnumFilter[KindName]
)

// List declares the list of operations, newest first.
var List = &relay.Spec[Operation]{
	Table:   Operations,
	Default: db.Order{{Column: "created_at", Desc: true}, {Column: "id", Desc: true}},
	Filter:  relay.FilterBy[Filter](nil),
}
