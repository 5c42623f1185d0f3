package intake

import (
	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/batch"
	"caseload/internal/customer"
	"caseload/internal/fault"
)

// UpsertRow is one customer of a source system. Absent keeps what is stored, null clears it.
type UpsertRow struct {
	SourceID        string
	Source          graphql.Omittable[*string]
	SourceUpdatedAt graphql.Omittable[*string]
	ClientRef       graphql.Omittable[*string]
	DebtorID        graphql.Omittable[*string]
	FirstName       graphql.Omittable[*string]
	MiddleName      graphql.Omittable[*string]
	LastName        graphql.Omittable[*string]
	Abbreviation    graphql.Omittable[*string]
	Title           graphql.Omittable[*string]
	DateOfBirth     graphql.Omittable[*string]
	Gender          graphql.Omittable[*string]
	SSN             graphql.Omittable[*string]
	Phone           graphql.Omittable[*string]
	Email           graphql.Omittable[*string]
	Parent          graphql.Omittable[*ParentInput]
	PrimaryLanguage graphql.Omittable[*string]
	Addresses       graphql.Omittable[[]*customer.AddressInput]
}

// ParentInput is a parent by its id in a source system.
type ParentInput struct {
	Source   graphql.Omittable[*string]
	SourceID string
	Language graphql.Omittable[*string]
}

// BulkUpsertInput is what bulkUpsertCustomers needs.
type BulkUpsertInput struct {
	Source      string
	Language    graphql.Omittable[*string]
	Customers   []*UpsertRow
	ErrorPolicy batch.ErrorPolicy
	DryRun      bool
}

// UpsertResult is what became of one row, here and in createCustomers.
type UpsertResult struct {
	Index  int32
	Action batch.Action
	// Customer is nil when nothing was written, and in a dry run.
	Customer   *customer.Customer
	Key        string
	LookupKey  string
	ClientRef  *string
	UserErrors []*fault.UserError
}

// Success reports whether what the row says is stored.
func (r *UpsertResult) Success() bool { return r.Action.Wrote() }

// BulkUpsertResult is what bulkUpsertCustomers answers.
type BulkUpsertResult struct {
	fault.Payload
	Results      []*UpsertResult
	Messages     []string
	batch.Counts `json:"Counts"`
	DryRun       bool
}

// Total returns how many rows were sent.
func (r *BulkUpsertResult) Total() int { return len(r.Results) }

// The payloads, named for GraphQL.
type (
	BulkUpsertCustomersPayload = BulkUpsertResult
	CreateCustomersPayload     = CreateResult
)
