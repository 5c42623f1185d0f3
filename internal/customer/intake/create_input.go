package intake

import (
	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/batch"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/relay"
)

// CreateRow is one customer with accounts and cards.
type CreateRow struct {
	SourceOrganizationID   graphql.Omittable[*string]
	SourceCustomerID       graphql.Omittable[*string]
	SourceParentCustomerID graphql.Omittable[*string]
	ReferenceID            graphql.Omittable[*string]
	FirstName              graphql.Omittable[*string]
	MiddleName             graphql.Omittable[*string]
	LastName               graphql.Omittable[*string]
	Email                  graphql.Omittable[*string]
	Birthday               graphql.Omittable[*string]
	SSNLastFour            graphql.Omittable[*string]
	SSN                    graphql.Omittable[*string]
	PhoneNumber            graphql.Omittable[*string]
	Timezone               graphql.Omittable[*string]
	Language               graphql.Omittable[*string]
	StreetAddress1         graphql.Omittable[*string]
	StreetAddress2         graphql.Omittable[*string]
	City                   graphql.Omittable[*string]
	State                  graphql.Omittable[*string]
	PostalCode             graphql.Omittable[*string]
	Country                graphql.Omittable[*string]
	CustomerCreationDate   graphql.Omittable[*string]
	EnrollmentStartDate    graphql.Omittable[*string]
	EnrollmentEndDate      graphql.Omittable[*string]
	EnrollmentOptInStatus  graphql.Omittable[*string]
	AlertOptInStatus       graphql.Omittable[[]string]
	TargetingIndicator     graphql.Omittable[*string]
	customer.UpdateConsentInput
	IsTest           graphql.Omittable[*bool]
	Test             graphql.Omittable[*bool]
	ExternalMetadata graphql.Omittable[db.JSON]
	Accounts         graphql.Omittable[[]*AccountInput]
}

// AccountInput is one account of a customer.
type AccountInput struct {
	SourceAccountID         string
	SourceCustomerIDs       []string
	PrimarySourceCustomerID string
	Status                  string
	Type                    string
	SourcePortfolioID       graphql.Omittable[*string]
	AccountNumber           graphql.Omittable[*string]
	AccountOpenDate         graphql.Omittable[*string]
	AccountCloseDate        graphql.Omittable[*string]
	Cards                   graphql.Omittable[[]*CardInput]
}

// CardInput is one card of an account.
type CardInput struct {
	SourceAccountID   graphql.Omittable[*string]
	SourceCustomerID  string
	Last4             string
	IIN               string
	CardType          string
	Status            string
	NetworkIdentifier graphql.Omittable[*string]
	OpenDate          string
	CloseDate         graphql.Omittable[*string]
}

// CreateInput is what createCustomers needs.
type CreateInput struct {
	Customers   []*CreateRow
	ErrorPolicy batch.ErrorPolicy
}

// CreateResult is what createCustomers answers.
type CreateResult struct {
	fault.Payload
	Request *ImportRequest
	Results []*UpsertResult
}

// ImportRequest returns the call as it is kept, for GraphQL.
func (r *CreateResult) ImportRequest() *ImportRequest { return r.Request }

// RequestID returns the id of the call, or nil when the call as a whole was wrong.
func (r *CreateResult) RequestID() *relay.ID {
	if r.Request == nil {
		return nil
	}
	return new(r.Request.ID())
}
