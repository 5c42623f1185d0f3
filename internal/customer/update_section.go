package customer

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/pii"
)

// uuidForm is what the source system takes for a UUID: versions 1 to 8 of the variant of RFC 9562, and the two that
// are all zeros and all ones. uuid.Parse takes more, such as braces.
var uuidForm = regexp.MustCompile(`^([0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|00000000-0000-0000-0000-000000000000|ffffffff-ffff-ffff-ffff-ffffffffffff)$`)

// skew is how far the clocks of other systems may be ahead of ours: what happens now is sent with their time.
const skew = time.Minute

// mergeSections applies the sections that the input names.
func (u *update) mergeSections(ctx context.Context, in *UpdateInput) error {
	patch(ctx, u, profileSection, in.Profile, u.mergeProfile)
	patch(ctx, u, coverageSection, in.Coverage, mergeCoverage)
	patch(ctx, u, medicareSection, in.Medicare, u.mergeMedicare)
	patch(ctx, u, householdSection, in.Household, mergeHousehold)
	patch(ctx, u, enrollmentSection, in.Enrollment, mergeEnrollment)
	patch(ctx, u, agentSection, in.Agent, mergeAgent)
	return u.err
}

// patch applies one section, if the input names it: null removes it, and so does clearing its last value.
func patch[T, I any](ctx context.Context, u *update, s *Section[T], in graphql.Omittable[*I], merge func(row *T, in *I, c *fault.Check)) {
	if !in.IsSet() || u.err != nil {
		return
	}
	if u.err = s.Read(ctx, u.tx, u.v.Scope(), u.r); u.err != nil {
		return
	}
	var next T
	if in.Value() != nil {
		next = s.Get(u.r)
		merge(&next, in.Value(), u.c.At(s.name))
	}
	s.Set(u.r, next)
}

func (u *update) mergeProfile(p *Profile, in *UpdateProfileInput, c *fault.Check) {
	optional(in.Status, &p.Status)
	optional(in.QualificationStatus, &p.QualificationStatus)
	optional(in.Intent, &p.Intent)
	optional(in.IsDecisionMaker, &p.IsDecisionMaker)
	input.ClearAt(c, "disqualificationReason", in.DisqualificationReason, MaxText, &p.DisqualificationReason)
	input.ClearAt(c, "productInterest", in.ProductInterest, MaxText, &p.ProductInterest)
	input.ClearAt(c, "productFamily", in.ProductFamily, MaxText, &p.ProductFamily)
	input.ClearAt(c, "salutation", in.Salutation, MaxShort, &p.Salutation)
	input.ClearAt(c, "suffix", in.Suffix, MaxShort, &p.Suffix)
	input.ClearAt(c, "preferredName", in.PreferredName, MaxText, &p.PreferredName)
	input.ClearAt(c, "ethnicity", in.Ethnicity, MaxShort, &p.Ethnicity)
	optional(in.MaritalStatus, &p.MaritalStatus)
	input.ClearKeyAt(c, "clientCustomerId", in.ClientCustomerID, MaxText, &p.ClientCustomerID)
	uuidText(c, "currentSourceId", in.CurrentSourceID, &p.CurrentSourceID)
	uuidText(c, "originalSourceId", in.OriginalSourceID, &p.OriginalSourceID)
	notFuture(c, "lastContactedAt", in.LastContactedAt, u.tx.Now, &p.LastContactedAt)
	notFuture(c, "convertedAt", in.ConvertedAt, u.tx.Now, &p.ConvertedAt)
}

func mergeCoverage(r *Coverage, in *UpdateCoverageInput, c *fault.Check) {
	optional(in.ExistingCoverage, &r.ExistingCoverage)
	input.ClearAt(c, "planName", in.PlanName, MaxText, &r.PlanName)
	input.ClearAt(c, "carrier", in.Carrier, MaxText, &r.Carrier)
	optional(in.DesiredStartOn, &r.DesiredStartOn)
}

func (u *update) mergeMedicare(m *Medicare, in *UpdateMedicareInput, c *fault.Check) {
	optional(in.HasCard, &m.HasCard)
	optional(in.PartAOn, &m.PartAOn)
	optional(in.PartBOn, &m.PartBOn)
	optional(in.HasMedicaid, &m.HasMedicaid)
	optional(in.HasDisabilityBenefits, &m.HasDisabilityBenefits)
	optional(in.IsVeteran, &m.IsVeteran)
	input.ClearKeyAt(c, "healthSherpaCustomerId", in.HealthSherpaCustomerID, MaxText, &m.HealthSherpaCustomerID)
	u.mergeNumber(c, "mbi", in.MBI, m, columnMBI)
	u.mergeNumber(c, "medicaidNumber", in.MedicaidNumber, m, columnMedicaid)
	u.mergeNumber(c, "vaNumber", in.VANumber, m, columnVA)
}

// mergeNumber applies a sealed number.
func (u *update) mergeNumber(c *fault.Check, field string, in graphql.Omittable[*string], m *Medicare, column string) {
	var number *string
	if !input.ClearAt(c, field, in, MaxText, &number) {
		return
	}
	if number != nil && column == columnMBI {
		mbi, err := pii.ParseMBI(*number)
		if err != nil {
			c.At(field).Add(fault.Invalid, "A Medicare Beneficiary Identifier %v.", err)
			return
		}
		*number = mbi.Reveal()
	}
	if err := m.put(u.sealer, column, number); err != nil {
		u.err = err
	}
}

func mergeHousehold(h *Household, in *UpdateHouseholdInput, c *fault.Check) {
	optional(in.HouseholdIncome, &h.HouseholdIncome)
	optional(in.AnnualIncome, &h.AnnualIncome)
	input.ClearAt(c, "filingStatus", in.FilingStatus, MaxShort, &h.FilingStatus)
	atLeast(c, "dependentCount", in.DependentCount, 0, &h.DependentCount)
	optional(in.SubsidyAmount, &h.SubsidyAmount)
	optional(in.IsSubsidyEligible, &h.IsSubsidyEligible)
}

func mergeEnrollment(e *Enrollment, in *UpdateEnrollmentInput, c *fault.Check) {
	uuidText(c, "memberId", in.MemberID, &e.MemberID)
	input.ClearAt(c, "carrierName", in.CarrierName, MaxText, &e.CarrierName)
	input.ClearAt(c, "planName", in.PlanName, MaxText, &e.PlanName)
	input.ClearAt(c, "planCode", in.PlanCode, MaxText, &e.PlanCode)
	optional(in.EnrolledOn, &e.EnrolledOn)
	optional(in.EffectiveOn, &e.EffectiveOn)
	input.ClearKeyAt(c, "carrierAssignedCustomerId", in.CarrierAssignedCustomerID, MaxText, &e.CarrierAssignedCustomerID)
}

func mergeAgent(a *Agent, in *UpdateAgentInput, c *fault.Check) {
	input.ClearAt(c, "name", in.Name, MaxText, &a.Name)
	atLeast(c, "npn", in.NPN, 1, &a.NPN)
}

// uuidText reads a UUID of another system, which is kept in small letters.
func uuidText(c *fault.Check, field string, in graphql.Omittable[*string], to **string) {
	input.Optional(in, to, func(text string) (string, bool) {
		id := strings.ToLower(input.Text(c.At(field), text, MaxText))
		if id != "" && !uuidForm.MatchString(id) {
			c.At(field).Add(fault.Invalid, "Give a UUID, such as 92ff85a4-bd9b-47e4-9ade-cbb65530f3f4.")
			id = ""
		}
		return id, id != ""
	})
}

// notFuture reads a time that is not after now.
func notFuture(c *fault.Check, field string, in graphql.Omittable[*time.Time], now time.Time, to **time.Time) {
	input.Optional(in, to, func(at time.Time) (time.Time, bool) {
		ok := !at.After(now.Add(skew))
		if !ok {
			c.At(field).Add(fault.OutOfRange, "It lies in the past: give a time that is not after now.")
		}
		// As it will be read again.
		return input.Milliseconds(at), ok
	})
}

// atLeast reads a number that has a lower bound.
func atLeast(c *fault.Check, field string, in graphql.Omittable[*int32], least int32, to **int32) {
	input.Optional(in, to, func(n int32) (int32, bool) {
		if n < least {
			c.At(field).Add(fault.OutOfRange, "Give %d or more.", least)
		}
		return n, n >= least
	})
}
