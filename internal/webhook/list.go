package webhook

import (
	"caseload/internal/db"
	"caseload/internal/relay"
)

// EndpointFilter narrows a list of endpoints.
type EndpointFilter struct {
	IsEnabled *relay.BooleanFilter  `filter:"is_enabled"`
	CreatedAt *relay.DateTimeFilter `filter:"created_at"`
	And       []*EndpointFilter
	Or        []*EndpointFilter
	Not       *EndpointFilter
}

// DeliveryFilter narrows a list of deliveries.
type DeliveryFilter struct {
	State     *relay.EnumFilter[State]     `filter:"state"`
	Event     *relay.EnumFilter[EventType] `filter:"event"`
	Endpoint  *relay.IDFilter              `filter:"endpoint_id,hook"`
	CreatedAt *relay.DateTimeFilter        `filter:"created_at"`
	And       []*DeliveryFilter
	Or        []*DeliveryFilter
	Not       *DeliveryFilter
}

// The filters of enums, named for GraphQL.
type (
	StateFilter     = relay.EnumFilter[State]
	EventTypeFilter = relay.EnumFilter[EventType]
)

// Lists are the lists of this domain. They are made once, at start.
type Lists struct {
	Endpoints *relay.Spec[Endpoint]
	// Deliveries come newest first, also below an endpoint.
	Deliveries *relay.Spec[Delivery]
}

// NewLists declares the lists.
func NewLists() Lists {
	return Lists{
		Endpoints: &relay.Spec[Endpoint]{Table: Endpoints.Table, Default: db.By("created_at"), Filter: relay.FilterBy[EndpointFilter](nil)},
		Deliveries: &relay.Spec[Delivery]{
			Table:   Deliveries,
			Default: db.Order{{Column: "created_at", Desc: true}, {Column: "id", Desc: true}},
			Filter:  relay.FilterBy[DeliveryFilter](nil),
		},
	}
}
