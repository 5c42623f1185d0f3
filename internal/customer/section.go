package customer

import (
	"time"

	"github.com/lib/pq"

	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/pii"
)

// A section holds what is known of one side of a customer. Its row has the customer's own id, and exists from
// the first value on.

// The values that sections' enumerations have are those of the GraphQL enums of the same names; words.go has the
// words that the source systems use for them.
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
	db.Row
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
	CreatedAt              time.Time            `db:"created_at"`
	UpdatedAt              time.Time            `db:"updated_at"`
}

// Coverage is the insurance that a customer has and wants.
type Coverage struct {
	db.Row
	ExistingCoverage *ExistingCoverage `db:"existing_coverage"`
	PlanName         *string           `db:"plan_name"`
	Carrier          *string           `db:"carrier"`
	DesiredStartOn   *civil.Date       `db:"desired_start_on"`
	CreatedAt        time.Time         `db:"created_at"`
	UpdatedAt        time.Time         `db:"updated_at"`
}

// Medicare is what decides about a customer's Medicare, Medicaid and veterans' benefits.
type Medicare struct {
	db.Row
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
	CreatedAt              time.Time   `db:"created_at"`
	UpdatedAt              time.Time   `db:"updated_at"`
}

// MBIProvided reports whether the Medicare Beneficiary Identifier is stored.
func (m *Medicare) MBIProvided() bool { return m.MBISealed != nil }

// MedicaidNumberProvided reports whether the Medicaid number is stored.
func (m *Medicare) MedicaidNumberProvided() bool { return m.MedicaidNumberSealed != nil }

// VANumberProvided reports whether the number of the Department of Veterans Affairs is stored.
func (m *Medicare) VANumberProvided() bool { return m.VANumberSealed != nil }

// Household is the income and the taxes of a customer's household; amounts are whole dollars a year.
type Household struct {
	db.Row
	HouseholdIncome   *int32    `db:"household_income"`
	AnnualIncome      *int32    `db:"annual_income"`
	FilingStatus      *string   `db:"filing_status"`
	DependentCount    *int32    `db:"dependent_count"`
	SubsidyAmount     *int32    `db:"subsidy_amount"`
	IsSubsidyEligible *bool     `db:"is_subsidy_eligible"`
	CreatedAt         time.Time `db:"created_at"`
	UpdatedAt         time.Time `db:"updated_at"`
}

// Enrollment is the plan in which a customer is enrolled.
type Enrollment struct {
	db.Row
	MemberID                  *string     `db:"member_id"`
	CarrierName               *string     `db:"carrier_name"`
	PlanName                  *string     `db:"plan_name"`
	PlanCode                  *string     `db:"plan_code"`
	EnrolledOn                *civil.Date `db:"enrolled_on"`
	EffectiveOn               *civil.Date `db:"effective_on"`
	CarrierAssignedCustomerID *string     `db:"carrier_assigned_customer_id"`
	CreatedAt                 time.Time   `db:"created_at"`
	UpdatedAt                 time.Time   `db:"updated_at"`
}

// Agent is the insurance agent of a customer.
type Agent struct {
	db.Row
	Name *string `db:"name"`
	// NPN is the National Producer Number.
	NPN       *int32    `db:"npn"`
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
}

// AlertProgram is the customer in the program of alerts about accounts and cards.
type AlertProgram struct {
	db.Row
	EnrollmentStartsAt *time.Time     `db:"enrollment_starts_at"`
	EnrollmentEndsAt   *time.Time     `db:"enrollment_ends_at"`
	OptInStatus        *string        `db:"opt_in_status"`
	AlertOptIns        pq.StringArray `db:"alert_opt_ins"`
	TargetingIndicator *string        `db:"targeting_indicator"`
	CreatedAt          time.Time      `db:"created_at"`
	UpdatedAt          time.Time      `db:"updated_at"`
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

// sectionRow is the row of a section.
type sectionRow[T any] interface {
	*T
	// head returns what all sections have: whose it is, and its times.
	head() (row *db.Row, created, updated *time.Time)
}

func (p *Profile) head() (*db.Row, *time.Time, *time.Time) { return &p.Row, &p.CreatedAt, &p.UpdatedAt }

func (c *Coverage) head() (*db.Row, *time.Time, *time.Time) {
	return &c.Row, &c.CreatedAt, &c.UpdatedAt
}

func (m *Medicare) head() (*db.Row, *time.Time, *time.Time) {
	return &m.Row, &m.CreatedAt, &m.UpdatedAt
}

func (h *Household) head() (*db.Row, *time.Time, *time.Time) {
	return &h.Row, &h.CreatedAt, &h.UpdatedAt
}

func (e *Enrollment) head() (*db.Row, *time.Time, *time.Time) {
	return &e.Row, &e.CreatedAt, &e.UpdatedAt
}

func (a *Agent) head() (*db.Row, *time.Time, *time.Time) { return &a.Row, &a.CreatedAt, &a.UpdatedAt }

func (a *AlertProgram) head() (*db.Row, *time.Time, *time.Time) {
	return &a.Row, &a.CreatedAt, &a.UpdatedAt
}
