package merging

import (
	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/customer"
	"caseload/internal/fault"
	"caseload/internal/relay"
)

// Input is what mergeCustomers needs.
type Input struct {
	SurvivorID   relay.ID
	DuplicateIDs []*relay.ID
	Reason       graphql.Omittable[*string]
}

// Result is what mergeCustomers answers.
type Result struct {
	fault.Payload
	Customer *customer.Customer
	Merged   []*customer.Customer
}
