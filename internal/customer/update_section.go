package customer

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"caseload/internal/customer/check"
	"caseload/internal/db"
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
	if err := patch(ctx, u, "profile", Profiles, in.Profile, u.mergeProfile); err != nil {
		return err
	}
	if err := patch(ctx, u, "coverage", Coverages, in.Coverage, mergeCoverage); err != nil {
		return err
	}
	if err := patch(ctx, u, "medicare", Medicares, in.Medicare, u.mergeMedicare); err != nil {
		return err
	}
	if err := patch(ctx, u, "household", Households, in.Household, mergeHousehold); err != nil {
		return err
	}
	if err := patch(ctx, u, "enrollment", Enrollments, in.Enrollment, mergeEnrollment); err != nil {
		return err
	}
	return patch(ctx, u, "agent", Agents, in.Agent, mergeAgent)
}

// patch applies one section, if the input names it: null removes it, and so does clearing its last value.
func patch[T, I any, P sectionRow[T]](ctx context.Context, u *update, name string, table *db.Table[T], in graphql.Omittable[*I],
	merge func(row *T, in *I, c *fault.Check) error) error {
	if !in.IsSet() {
		return nil
	}
	id, sc := u.r.Customer.UUID, u.v.Scope()
	stored, err := sectionsOf[T, P](ctx, u.tx, sc, table, []uuid.UUID{id})
	if err != nil {
		return err
	}
	before := stored[id]
	next := newSection[T, P](u.r.Customer.Row)
	if in.Value() != nil {
		if before != nil {
			*next = *before
		}
		if err := merge(next, in.Value(), u.c.At(name)); err != nil {
			return err
		}
	}
	blank := isBlank(table, (*T)(next))
	switch {
	case before == nil && blank, before != nil && !blank && sameSection(table, (*T)(before), (*T)(next)):
		return nil
	case blank:
		u.sections = append(u.sections, func(ctx context.Context) error { return removeSections(ctx, u.tx, sc, table, []uuid.UUID{id}) })
	default:
		u.sections = append(u.sections, func(ctx context.Context) error { return writeSection(ctx, u.tx, sc, table, next) })
	}
	u.r.NoteChange(name)
	return nil
}

func (u *update) mergeProfile(p *Profile, in *UpdateProfileInput, c *fault.Check) error {
	optional(in.Status, &p.Status)
	optional(in.QualificationStatus, &p.QualificationStatus)
	optional(in.Intent, &p.Intent)
	optional(in.IsDecisionMaker, &p.IsDecisionMaker)
	input.ClearAt(c, "disqualificationReason", in.DisqualificationReason, check.MaxText, &p.DisqualificationReason)
	input.ClearAt(c, "productInterest", in.ProductInterest, check.MaxText, &p.ProductInterest)
	input.ClearAt(c, "productFamily", in.ProductFamily, check.MaxText, &p.ProductFamily)
	input.ClearAt(c, "salutation", in.Salutation, check.MaxShort, &p.Salutation)
	input.ClearAt(c, "suffix", in.Suffix, check.MaxShort, &p.Suffix)
	input.ClearAt(c, "preferredName", in.PreferredName, check.MaxText, &p.PreferredName)
	input.ClearAt(c, "ethnicity", in.Ethnicity, check.MaxShort, &p.Ethnicity)
	optional(in.MaritalStatus, &p.MaritalStatus)
	input.ClearKeyAt(c, "clientCustomerId", in.ClientCustomerID, check.MaxText, &p.ClientCustomerID)
	uuidText(c, "currentSourceId", in.CurrentSourceID, &p.CurrentSourceID)
	uuidText(c, "originalSourceId", in.OriginalSourceID, &p.OriginalSourceID)
	past(c, "lastContactedAt", in.LastContactedAt, u.tx.Now, &p.LastContactedAt)
	past(c, "convertedAt", in.ConvertedAt, u.tx.Now, &p.ConvertedAt)
	return nil
}

func mergeCoverage(r *Coverage, in *UpdateCoverageInput, c *fault.Check) error {
	optional(in.ExistingCoverage, &r.ExistingCoverage)
	input.ClearAt(c, "planName", in.PlanName, check.MaxText, &r.PlanName)
	input.ClearAt(c, "carrier", in.Carrier, check.MaxText, &r.Carrier)
	optional(in.DesiredStartOn, &r.DesiredStartOn)
	return nil
}

func (u *update) mergeMedicare(m *Medicare, in *UpdateMedicareInput, c *fault.Check) error {
	optional(in.HasCard, &m.HasCard)
	optional(in.PartAOn, &m.PartAOn)
	optional(in.PartBOn, &m.PartBOn)
	optional(in.HasMedicaid, &m.HasMedicaid)
	optional(in.HasDisabilityBenefits, &m.HasDisabilityBenefits)
	optional(in.IsVeteran, &m.IsVeteran)
	input.ClearKeyAt(c, "healthSherpaCustomerId", in.HealthSherpaCustomerID, check.MaxText, &m.HealthSherpaCustomerID)
	var number *string
	if input.ClearAt(c, "mbi", in.MBI, check.MaxText, &number) {
		wrong := false
		if number != nil {
			mbi, err := pii.ParseMBI(*number)
			if wrong = err != nil; wrong {
				c.At("mbi").Add(fault.Invalid, "A Medicare Beneficiary Identifier %v.", err)
			}
			normal := mbi.Reveal()
			number = &normal
		}
		if !wrong {
			if err := m.put(u.sealer, columnMBI, number); err != nil {
				return err
			}
		}
	}
	if input.ClearAt(c, "medicaidNumber", in.MedicaidNumber, check.MaxText, &number) {
		if err := m.put(u.sealer, columnMedicaid, number); err != nil {
			return err
		}
	}
	if input.ClearAt(c, "vaNumber", in.VANumber, check.MaxText, &number) {
		return m.put(u.sealer, columnVA, number)
	}
	return nil
}

func mergeHousehold(h *Household, in *UpdateHouseholdInput, c *fault.Check) error {
	optional(in.HouseholdIncome, &h.HouseholdIncome)
	optional(in.AnnualIncome, &h.AnnualIncome)
	input.ClearAt(c, "filingStatus", in.FilingStatus, check.MaxShort, &h.FilingStatus)
	if n := in.DependentCount.Value(); n != nil && *n < 0 {
		c.At("dependentCount").Add(fault.OutOfRange, "Give 0 or more.")
	} else {
		optional(in.DependentCount, &h.DependentCount)
	}
	optional(in.SubsidyAmount, &h.SubsidyAmount)
	optional(in.IsSubsidyEligible, &h.IsSubsidyEligible)
	return nil
}

func mergeEnrollment(e *Enrollment, in *UpdateEnrollmentInput, c *fault.Check) error {
	uuidText(c, "memberId", in.MemberID, &e.MemberID)
	input.ClearAt(c, "carrierName", in.CarrierName, check.MaxText, &e.CarrierName)
	input.ClearAt(c, "planName", in.PlanName, check.MaxText, &e.PlanName)
	input.ClearAt(c, "planCode", in.PlanCode, check.MaxText, &e.PlanCode)
	optional(in.EnrolledOn, &e.EnrolledOn)
	optional(in.EffectiveOn, &e.EffectiveOn)
	input.ClearKeyAt(c, "carrierAssignedCustomerId", in.CarrierAssignedCustomerID, check.MaxText, &e.CarrierAssignedCustomerID)
	return nil
}

func mergeAgent(a *Agent, in *UpdateAgentInput, c *fault.Check) error {
	input.ClearAt(c, "name", in.Name, check.MaxText, &a.Name)
	if n := in.NPN.Value(); n != nil && *n < 1 {
		c.At("npn").Add(fault.OutOfRange, "Give 1 or more.")
	} else {
		optional(in.NPN, &a.NPN)
	}
	return nil
}

// uuidText reads a UUID of another system, which is kept in small letters.
func uuidText(c *fault.Check, field string, in graphql.Omittable[*string], to **string) {
	id := *to
	if !input.ClearAt(c, field, in, check.MaxText, &id) {
		return
	}
	if id != nil {
		lower := strings.ToLower(*id)
		if id = &lower; !uuidForm.MatchString(lower) {
			c.At(field).Add(fault.Invalid, "Give a UUID, such as 92ff85a4-bd9b-47e4-9ade-cbb65530f3f4.")
			return
		}
	}
	*to = id
}

// past reads an instant that lies behind us.
func past(c *fault.Check, field string, in graphql.Omittable[*time.Time], now time.Time, to **time.Time) {
	if !in.IsSet() {
		return
	}
	at := in.Value()
	if at != nil {
		if at.After(now.Add(skew)) {
			c.At(field).Add(fault.OutOfRange, "It lies in the past: give a time that is not after now.")
			return
		}
		// As it will be read again.
		stored := input.Milliseconds(*at)
		at = &stored
	}
	*to = at
}
