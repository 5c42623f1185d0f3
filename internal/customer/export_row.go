package customer

import (
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/civil"
	"caseload/internal/db"
)

// The rows of an export: those of the tables with the names that they have in the schema. A row is converted to its
// type here, so a column that is new or changed does not compile until it is decided what an export shows of it.

type exportedCustomer struct {
	db.Row                   `json:"-"`
	ReferenceID              *string     `json:"referenceId"`
	FirstName                *string     `json:"firstName"`
	MiddleName               *string     `json:"middleName"`
	LastName                 *string     `json:"lastName"`
	Email                    *string     `json:"email"`
	Birthday                 *civil.Date `json:"-"`
	DebtorID                 *string     `json:"debtorId"`
	Abbreviation             *string     `json:"abbreviation"`
	Title                    *string     `json:"title"`
	Gender                   *Gender     `json:"gender"`
	SSNSealed                []byte      `json:"-"`
	SSNIndex                 []byte      `json:"-"`
	SSNLastFourSealed        []byte      `json:"-"`
	SSNLastFourBirthdayIndex []byte      `json:"-"`
	TimeZone                 *string     `json:"timeZone"`
	Language                 *string     `json:"language"`
	DoNotCall                bool        `json:"doNotCall"`
	DoNotSMS                 bool        `json:"doNotSms"`
	DoNotEmail               bool        `json:"doNotEmail"`
	DoNotMail                bool        `json:"doNotMail"`
	DoNotCallAt              *time.Time  `json:"doNotCallAt"`
	IsTest                   bool        `json:"isTest"`
	ExternalMetadata         db.JSON     `json:"-"`
	SearchText               string      `json:"-"`
	ParentID                 *uuid.UUID  `json:"-"`
	ParentSource             *string     `json:"parentSource"`
	ParentSourceID           *string     `json:"parentSourceId"`
	ParentLanguage           *string     `json:"parentLanguage"`
	DeletedAt                *time.Time  `json:"deletedAt"`
	DeletedBy                *string     `json:"deletedBy"`
	MergedIntoID             *uuid.UUID  `json:"-"`
	Version                  int32       `json:"version"`
	CreatedAt                time.Time   `json:"createdAt"`
	UpdatedAt                time.Time   `json:"updatedAt"`
	CreatedBy                string      `json:"createdBy"`
	UpdatedBy                string      `json:"updatedBy"`
}

type exportedProfile struct {
	db.Row                 `json:"-"`
	Status                 *Status              `json:"status"`
	QualificationStatus    *QualificationStatus `json:"qualificationStatus"`
	Intent                 *Intent              `json:"intent"`
	IsDecisionMaker        *bool                `json:"isDecisionMaker"`
	DisqualificationReason *string              `json:"disqualificationReason"`
	ProductInterest        *string              `json:"productInterest"`
	ProductFamily          *string              `json:"productFamily"`
	Salutation             *string              `json:"salutation"`
	Suffix                 *string              `json:"suffix"`
	PreferredName          *string              `json:"preferredName"`
	Ethnicity              *string              `json:"ethnicity"`
	MaritalStatus          *MaritalStatus       `json:"maritalStatus"`
	ClientCustomerID       *string              `json:"clientCustomerId"`
	CurrentSourceID        *string              `json:"currentSourceId"`
	OriginalSourceID       *string              `json:"originalSourceId"`
	LastContactedAt        *time.Time           `json:"lastContactedAt"`
	ConvertedAt            *time.Time           `json:"convertedAt"`
	CreatedAt              time.Time            `json:"createdAt"`
	UpdatedAt              time.Time            `json:"updatedAt"`
}

type exportedCoverage struct {
	db.Row           `json:"-"`
	ExistingCoverage *ExistingCoverage `json:"existingCoverage"`
	PlanName         *string           `json:"planName"`
	Carrier          *string           `json:"carrier"`
	DesiredStartOn   *civil.Date       `json:"desiredStartOn"`
	CreatedAt        time.Time         `json:"createdAt"`
	UpdatedAt        time.Time         `json:"updatedAt"`
}

type exportedMedicare struct {
	db.Row                 `json:"-"`
	MBISealed              []byte      `json:"-"`
	MBIIndex               []byte      `json:"-"`
	HasCard                *bool       `json:"hasCard"`
	PartAOn                *civil.Date `json:"partAOn"`
	PartBOn                *civil.Date `json:"partBOn"`
	HasMedicaid            *bool       `json:"hasMedicaid"`
	MedicaidNumberSealed   []byte      `json:"-"`
	HasDisabilityBenefits  *bool       `json:"hasDisabilityBenefits"`
	IsVeteran              *bool       `json:"isVeteran"`
	VANumberSealed         []byte      `json:"-"`
	HealthSherpaCustomerID *string     `json:"healthSherpaCustomerId"`
	CreatedAt              time.Time   `json:"createdAt"`
	UpdatedAt              time.Time   `json:"updatedAt"`
}

type exportedHousehold struct {
	db.Row            `json:"-"`
	HouseholdIncome   *int32    `json:"householdIncome"`
	AnnualIncome      *int32    `json:"annualIncome"`
	FilingStatus      *string   `json:"filingStatus"`
	DependentCount    *int32    `json:"dependentCount"`
	SubsidyAmount     *int32    `json:"subsidyAmount"`
	IsSubsidyEligible *bool     `json:"isSubsidyEligible"`
	CreatedAt         time.Time `json:"createdAt"`
	UpdatedAt         time.Time `json:"updatedAt"`
}

type exportedEnrollment struct {
	db.Row                    `json:"-"`
	MemberID                  *string     `json:"memberId"`
	CarrierName               *string     `json:"carrierName"`
	PlanName                  *string     `json:"planName"`
	PlanCode                  *string     `json:"planCode"`
	EnrolledOn                *civil.Date `json:"enrolledOn"`
	EffectiveOn               *civil.Date `json:"effectiveOn"`
	CarrierAssignedCustomerID *string     `json:"carrierAssignedCustomerId"`
	CreatedAt                 time.Time   `json:"createdAt"`
	UpdatedAt                 time.Time   `json:"updatedAt"`
}

type exportedAgent struct {
	db.Row    `json:"-"`
	Name      *string   `json:"name"`
	NPN       *int32    `json:"npn"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

type exportedAlertProgram struct {
	db.Row             `json:"-"`
	EnrollmentStartsAt *time.Time     `json:"enrollmentStartsAt"`
	EnrollmentEndsAt   *time.Time     `json:"enrollmentEndsAt"`
	OptInStatus        *string        `json:"optInStatus"`
	AlertOptIns        pq.StringArray `json:"alertOptIns"`
	TargetingIndicator *string        `json:"targetingIndicator"`
	CreatedAt          time.Time      `json:"createdAt"`
	UpdatedAt          time.Time      `json:"updatedAt"`
}
