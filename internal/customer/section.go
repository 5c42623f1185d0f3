package customer

import (
	"time"

	"github.com/lib/pq"

	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/pii"
)

// SectionRow is what the rows of all sections have. A section holds what is known of one side of a customer: its row has the
// customer's own id, and exists from the first value on.
type SectionRow struct {
	db.Row
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
}

// common returns what the rows of all sections have.
func (r *SectionRow) common() *SectionRow { return r }

// The values that sections' enumerations have are those of the GraphQL enums of the same names; enum.go has the
// words that source systems use for some.
type (
	// Status is how far a customer is.
	Status string
	// QualificationStatus is how far qualification is.
	QualificationStatus string
	// Intent is how much the customer wants the product.
	Intent string
	// MaritalStatus is a customer's marital status.
	MaritalStatus string
	// ExistingCoverage is the kind of insurance that a customer has.
	ExistingCoverage string
)

// Profile is who the customer is and how far with the organization.
type Profile struct {
	SectionRow
	Status                 *Status              `db:"status"`
	QualificationStatus    *QualificationStatus `db:"qualification_status"`
	Intent                 *Intent              `db:"intent"`
	IsDecisionMaker        *bool                `db:"is_decision_maker"`
	DisqualificationReason *string              `db:"disqualification_reason"`
	ProductInterest        *string              `db:"product_interest"`
	ProductFamily          *string              `db:"product_family"`
	Salutation             *string              `db:"salutation"`
	Suffix                 *string              `db:"suffix"`
	PreferredName          *string              `db:"preferred_name"`
	Ethnicity              *string              `db:"ethnicity"`
	MaritalStatus          *MaritalStatus       `db:"marital_status"`
	ClientCustomerID       *string              `db:"client_customer_id"`
	CurrentSourceID        *string              `db:"current_source_id"`
	OriginalSourceID       *string              `db:"original_source_id"`
	LastContactedAt        *time.Time           `db:"last_contacted_at"`
	ConvertedAt            *time.Time           `db:"converted_at"`
}

// Coverage is the insurance that a customer has and wants.
type Coverage struct {
	SectionRow
	ExistingCoverage *ExistingCoverage `db:"existing_coverage"`
	PlanName         *string           `db:"plan_name"`
	Carrier          *string           `db:"carrier"`
	DesiredStartOn   *civil.Date       `db:"desired_start_on"`
}

// Medicare is what decides about a customer's Medicare, Medicaid and veterans' benefits.
type Medicare struct {
	SectionRow
	MBISealed              []byte      `db:"mbi_sealed"`
	MBIIndex               []byte      `db:"mbi_index"`
	HasCard                *bool       `db:"has_card"`
	PartAOn                *civil.Date `db:"part_a_on"`
	PartBOn                *civil.Date `db:"part_b_on"`
	HasMedicaid            *bool       `db:"has_medicaid"`
	MedicaidNumberSealed   []byte      `db:"medicaid_number_sealed"`
	HasDisabilityBenefits  *bool       `db:"has_disability_benefits"`
	IsVeteran              *bool       `db:"is_veteran"`
	VANumberSealed         []byte      `db:"va_number_sealed"`
	HealthSherpaCustomerID *string     `db:"health_sherpa_customer_id"`
}

// Household is the income and the taxes of a customer's household; amounts are whole dollars a year.
type Household struct {
	SectionRow
	HouseholdIncome   *int32  `db:"household_income"`
	AnnualIncome      *int32  `db:"annual_income"`
	FilingStatus      *string `db:"filing_status"`
	DependentCount    *int32  `db:"dependent_count"`
	SubsidyAmount     *int32  `db:"subsidy_amount"`
	IsSubsidyEligible *bool   `db:"is_subsidy_eligible"`
}

// Enrollment is the plan in which a customer is enrolled.
type Enrollment struct {
	SectionRow
	MemberID                  *string     `db:"member_id"`
	CarrierName               *string     `db:"carrier_name"`
	PlanName                  *string     `db:"plan_name"`
	PlanCode                  *string     `db:"plan_code"`
	EnrolledOn                *civil.Date `db:"enrolled_on"`
	EffectiveOn               *civil.Date `db:"effective_on"`
	CarrierAssignedCustomerID *string     `db:"carrier_assigned_customer_id"`
}

// Agent is the insurance agent of a customer.
type Agent struct {
	SectionRow
	Name *string `db:"name"`
	// NPN is the National Producer Number.
	NPN *int32 `db:"npn"`
}

// AlertProgram is the customer in the program of alerts about accounts and cards.
type AlertProgram struct {
	SectionRow
	EnrollmentStartsAt *time.Time     `db:"enrollment_starts_at"`
	EnrollmentEndsAt   *time.Time     `db:"enrollment_ends_at"`
	OptInStatus        *string        `db:"opt_in_status"`
	AlertOptIns        pq.StringArray `db:"alert_opt_ins"`
	TargetingIndicator *string        `db:"targeting_indicator"`
}

// Computed declares the fields that are not columns, for compiled reads.
func (*AlertProgram) Computed(*pii.Sealer) map[string]db.Computed {
	return map[string]db.Computed{"alertOptIns": db.Texts("alert_opt_ins")}
}

// The tables of the sections. Their rows are no nodes: the prefixes only tell them apart.
var (
	Profiles      = db.NewTable[Profile]("customer_profiles", "cprof")
	Coverages     = db.NewTable[Coverage]("customer_coverages", "ccov")
	Medicares     = db.NewTable[Medicare]("customer_medicare", "cmed")
	Households    = db.NewTable[Household]("customer_households", "chouse")
	Enrollments   = db.NewTable[Enrollment]("customer_enrollments", "cenr")
	Agents        = db.NewTable[Agent]("customer_agents", "cagent")
	AlertPrograms = db.NewTable[AlertProgram]("customer_alert_programs", "calert")
)

// The sections, by the names that the audit log has for them.
var (
	profileSection    = newSection("profile", Profiles)
	coverageSection   = newSection("coverage", Coverages)
	medicareSection   = newSection("medicare", Medicares).inheriting(inheritNumbers, columnMBI, columnMedicaid, columnVA)
	householdSection  = newSection("household", Households)
	enrollmentSection = newSection("enrollment", Enrollments)
	agentSection      = newSection("agent", Agents)
	// AlertProgramSection is the section that source systems send.
	AlertProgramSection = newSection("alert_program", AlertPrograms).inheriting(inheritPeriod, "enrollment_starts_at", "enrollment_ends_at")

	// sections are all of them, in the order in which they are read and written.
	sections = []anySection{profileSection, coverageSection, medicareSection, householdSection, enrollmentSection, agentSection, AlertProgramSection}
)
