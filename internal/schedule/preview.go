package schedule

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"caseload/internal/calling"
	"caseload/internal/civil"
	"caseload/internal/customer"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/viewer"
)

// SchedulePreview is what a plan would be.
type SchedulePreview struct {
	CustomerID uuid.UUID
	Customer   *customer.Customer
	BlockedBy  *calling.CallRule
	TimeZones  []string
	Slots      []*PreviewSlot
	Days       []*PreviewDay
}

// PreviewSlot is one call of a preview.
type PreviewSlot struct {
	calling.Slot
}

// Local is the wall clock at the customer's place.
func (s *PreviewSlot) Local() string {
	return calling.WallTime{Date: s.LocalDate, Clock: s.LocalTime}.String()
}

// TimeZone is the zone of Local.
func (s *PreviewSlot) TimeZone() string { return s.Zone.Name() }

// WindowEndsAt is when the call must have begun.
func (s *PreviewSlot) WindowEndsAt() time.Time { return s.WindowEnd }

// PreviewDay is one of the customer's days.
type PreviewDay struct {
	Date      civil.Date
	Slots     int32
	SkippedBy *calling.CallRule
	Reason    *string
}

// Preview returns the plan that the rules would allow a customer, day by day, and why a day has no call. It writes nothing.
func (s *Service) Preview(ctx context.Context, v *viewer.Viewer, in SchedulePreviewInput) (*SchedulePreview, error) {
	subject, r, typ, err := s.subject(ctx, v, &in.CustomerRef, in.TaskType)
	if err != nil {
		return nil, err
	}
	now := input.Or(in.At, s.now())
	subject.Zones = zonesOf(r, subject, now)
	plan := calling.Plan(calling.PlanInput{Case: *subject, Now: now, Seed: calling.SeedOf(r.Customer.UUID, typ.UUID)})
	out := &SchedulePreview{CustomerID: r.Customer.UUID, Customer: &r.Customer, TimeZones: []string{}, Slots: []*PreviewSlot{}, Days: []*PreviewDay{}}
	if len(plan.Denials) > 0 {
		out.BlockedBy = &plan.Denials[0].Rule
	}
	for _, z := range subject.Zones {
		out.TimeZones = append(out.TimeZones, z.Name())
	}
	for _, slot := range plan.Slots {
		out.Slots = append(out.Slots, &PreviewSlot{slot})
	}
	for _, d := range plan.Days {
		day := &PreviewDay{Date: d.Date, Slots: int32(len(d.Slots))}
		if d.Skipped != nil {
			day.SkippedBy, day.Reason = &d.Skipped.Code, &d.Skipped.Text
		}
		out.Days = append(out.Days, day)
	}
	return out, nil
}

// CallEligibility reports whether a customer may be called at a moment, by every rule, and if not, why and
// until when. It writes nothing and promises nothing: a claim asks again.
func (s *Service) CallEligibility(ctx context.Context, v *viewer.Viewer, in CallEligibilityInput) (*calling.CallEligibility, error) {
	subject, r, _, err := s.subject(ctx, v, &in.CustomerRef, in.TaskType)
	if err != nil {
		return nil, err
	}
	at := input.Or(in.At, s.now())
	subject.Zones = zonesOf(r, subject, at)
	d := calling.Eligibility(calling.EligibilityInput{Case: *subject, At: at})
	return &d, nil
}

// subject reads what the rules look at. A customer or task type that does not exist is BAD_USER_INPUT, as
// queries have no user errors.
func (s *Service) subject(ctx context.Context, v *viewer.Viewer, whose *CustomerRef, taskType string) (*calling.Case, *customer.Record, *TaskType, error) {
	named, err := whose.find(ctx, s.pool, v.Scope(), "input")
	if err != nil {
		return nil, nil, nil, err
	}
	id := named.UUID
	types, err := s.taskTypesByName(ctx, s.pool, v.Scope())
	if err != nil {
		return nil, nil, nil, err
	}
	typ := types[input.Form(taskType)]
	if typ == nil {
		return nil, nil, nil, fault.UserErrors{{Code: fault.Missing, Message: "There is no such task type in this organization.", Path: []string{"input", "taskType"}}}
	}
	r, err := customer.Read(ctx, s.pool, v.Scope(), id)
	if err != nil {
		return nil, nil, nil, err
	}
	if c := fault.NewCheck("input"); !customer.CheckLive(c, &r.Customer) {
		return nil, nil, nil, c.Err()
	}
	now := s.now()
	f, err := readFacts(ctx, s.pool, v.Scope(), []uuid.UUID{id}, now, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	cal, err := s.calendar(ctx, v.OrganizationID)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read calling rules: %w", err)
	}
	c := caseOf(r, typ, nil, cal, f, now)
	return &c, r, typ, nil
}

// zonesOf returns where the customer may be at a moment: clocks that agree today may part later.
func zonesOf(r *customer.Record, c *calling.Case, at time.Time) []civil.Zone {
	if len(c.Zones) == 0 {
		return nil
	}
	return calling.CandidateZones(c.Zones[0], c.Phone, c.State, at)
}
