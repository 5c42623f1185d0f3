package customer

import (
	"time"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/relay"
)

// UpdateInput is what updateCustomer changes. Absent keeps what is stored, null clears it where a value may
// be missing.
type UpdateInput struct {
	ID               relay.ID
	ExpectedVersion  graphql.Omittable[*int32]
	ReferenceID      graphql.Omittable[*string]
	DebtorID         graphql.Omittable[*string]
	FirstName        graphql.Omittable[*string]
	MiddleName       graphql.Omittable[*string]
	LastName         graphql.Omittable[*string]
	Abbreviation     graphql.Omittable[*string]
	Title            graphql.Omittable[*string]
	Gender           graphql.Omittable[*Gender]
	Birthday         graphql.Omittable[*civil.Date]
	SSN              graphql.Omittable[*string]
	Email            graphql.Omittable[*string]
	Language         graphql.Omittable[*string]
	TimeZone         graphql.Omittable[*string]
	Phone            graphql.Omittable[*UpdatePhoneInput]
	Address          graphql.Omittable[*AddressInput]
	Consent          graphql.Omittable[*UpdateConsentInput]
	Profile          graphql.Omittable[*UpdateProfileInput]
	Coverage         graphql.Omittable[*UpdateCoverageInput]
	Medicare         graphql.Omittable[*UpdateMedicareInput]
	Household        graphql.Omittable[*UpdateHouseholdInput]
	Enrollment       graphql.Omittable[*UpdateEnrollmentInput]
	Agent            graphql.Omittable[*UpdateAgentInput]
	IsTest           graphql.Omittable[*bool]
	ExternalMetadata graphql.Omittable[db.JSON]
}

// UpdatePhoneInput changes the primary phone.
type UpdatePhoneInput struct {
	Number   graphql.Omittable[*string]
	LineType graphql.Omittable[*LineType]
}

// UpdateConsentInput changes what the customer agreed to.
type UpdateConsentInput struct {
	DoNotCall  graphql.Omittable[*bool]
	DoNotSMS   graphql.Omittable[*bool]
	DoNotEmail graphql.Omittable[*bool]
	DoNotMail  graphql.Omittable[*bool]
}

// UpdateProfileInput changes the profile.
type UpdateProfileInput struct {
	Status                 graphql.Omittable[*Status]
	QualificationStatus    graphql.Omittable[*QualificationStatus]
	Intent                 graphql.Omittable[*Intent]
	IsDecisionMaker        graphql.Omittable[*bool]
	DisqualificationReason graphql.Omittable[*string]
	ProductInterest        graphql.Omittable[*string]
	ProductFamily          graphql.Omittable[*string]
	Salutation             graphql.Omittable[*string]
	Suffix                 graphql.Omittable[*string]
	PreferredName          graphql.Omittable[*string]
	Ethnicity              graphql.Omittable[*string]
	MaritalStatus          graphql.Omittable[*MaritalStatus]
	ClientCustomerID       graphql.Omittable[*string]
	CurrentSourceID        graphql.Omittable[*string]
	OriginalSourceID       graphql.Omittable[*string]
	LastContactedAt        graphql.Omittable[*time.Time]
	ConvertedAt            graphql.Omittable[*time.Time]
}

// UpdateCoverageInput changes the coverage.
type UpdateCoverageInput struct {
	ExistingCoverage graphql.Omittable[*ExistingCoverage]
	PlanName         graphql.Omittable[*string]
	Carrier          graphql.Omittable[*string]
	DesiredStartOn   graphql.Omittable[*civil.Date]
}

// UpdateMedicareInput changes what decides about Medicare, Medicaid and veterans' benefits.
type UpdateMedicareInput struct {
	MBI                    graphql.Omittable[*string]
	HasCard                graphql.Omittable[*bool]
	PartAOn                graphql.Omittable[*civil.Date]
	PartBOn                graphql.Omittable[*civil.Date]
	HasMedicaid            graphql.Omittable[*bool]
	MedicaidNumber         graphql.Omittable[*string]
	HasDisabilityBenefits  graphql.Omittable[*bool]
	IsVeteran              graphql.Omittable[*bool]
	VANumber               graphql.Omittable[*string]
	HealthSherpaCustomerID graphql.Omittable[*string]
}

// UpdateHouseholdInput changes income and taxes.
type UpdateHouseholdInput struct {
	HouseholdIncome   graphql.Omittable[*int32]
	AnnualIncome      graphql.Omittable[*int32]
	FilingStatus      graphql.Omittable[*string]
	DependentCount    graphql.Omittable[*int32]
	SubsidyAmount     graphql.Omittable[*int32]
	IsSubsidyEligible graphql.Omittable[*bool]
}

// UpdateEnrollmentInput changes the enrollment.
type UpdateEnrollmentInput struct {
	MemberID                  graphql.Omittable[*string]
	CarrierName               graphql.Omittable[*string]
	PlanName                  graphql.Omittable[*string]
	PlanCode                  graphql.Omittable[*string]
	EnrolledOn                graphql.Omittable[*civil.Date]
	EffectiveOn               graphql.Omittable[*civil.Date]
	CarrierAssignedCustomerID graphql.Omittable[*string]
}

// UpdateAgentInput changes the agent.
type UpdateAgentInput struct {
	Name graphql.Omittable[*string]
	NPN  graphql.Omittable[*int32]
}

// DeleteInput is what deleteCustomer needs.
type DeleteInput struct {
	ID              relay.ID
	Reason          graphql.Omittable[*string]
	ExpectedVersion graphql.Omittable[*int32]
}

// RestoreInput is what restoreCustomer needs.
type RestoreInput struct {
	ID relay.ID
}
