package calling_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/calling"
	"caseload/internal/civil"
)

func plan(c calling.Case, now time.Time) calling.PlanResult {
	return calling.Plan(calling.PlanInput{Case: c, Now: now, Seed: 7})
}

func TestPlanWeek(t *testing.T) {
	t.Parallel()
	c := newYork(t)
	ny := c.Zones[0]
	// The week holds the day clocks go forward: 08:00 stays 08:00.
	p := plan(c, at(t, ny, "2026-03-05 21:30"))
	require.Equal(t, []string{
		"2026-03-06 08:00", "2026-03-07 08:00", "2026-03-08 08:00", "2026-03-09 08:00", "2026-03-10 08:00", "2026-03-11 08:00",
	}, localTimes(p.Slots))
	require.Equal(t, "2026-03-07T13:00:00Z", p.Slots[1].At.Format(time.RFC3339))
	require.Equal(t, "2026-03-08T12:00:00Z", p.Slots[2].At.Format(time.RFC3339))
	require.Equal(t, "2026-03-08T12:00:00Z 2026-03-09T00:55:00Z", p.Slots[2].At.Format(time.RFC3339)+" "+p.Slots[2].WindowEnd.Format(time.RFC3339))
	require.Equal(t, 3, p.Slots[2].Attempt)
	require.Len(t, p.Days, 7)
	require.Equal(t, calling.RuleFederalWindow, p.Days[0].Skipped.Code, "today's window is over")
	require.Nil(t, p.Days[1].Skipped)
	require.Equal(t, p.Slots[0:1], p.Days[1].Slots)

	p = plan(c, at(t, ny, "2026-10-30 12:00").Add(20*time.Second))
	require.Equal(t, []string{
		"2026-10-30 12:01", "2026-10-31 08:00", "2026-11-01 08:00", "2026-11-02 08:00", "2026-11-03 08:00", "2026-11-04 08:00", "2026-11-05 08:00",
	}, localTimes(p.Slots))
}

func TestPlanReasons(t *testing.T) {
	t.Parallel()
	c := newYork(t)
	ny := c.Zones[0]
	c.Calendar = standardCalendar(t)
	c.Policy.Days, c.Policy.SkipHolidays, c.Policy.MaxAttempts, c.Policy.HorizonDays = calling.MondayFriday, true, 2, 8
	// Thursday, Christmas on Friday.
	p := plan(c, at(t, ny, "2026-12-24 09:00"))
	require.Equal(t, []string{"2026-12-24 09:00", "2026-12-28 08:00"}, localTimes(p.Slots))
	var reasons []calling.CallRule
	for _, d := range p.Days {
		if d.Skipped == nil {
			reasons = append(reasons, "")
			continue
		}
		require.NotEmpty(t, d.Skipped.Text)
		reasons = append(reasons, d.Skipped.Code)
	}
	require.Equal(t, []calling.CallRule{
		"", calling.RuleHoliday, calling.RuleTaskTypeWindow, calling.RuleTaskTypeWindow, "",
		calling.ReasonMaxAttempts, calling.ReasonMaxAttempts, calling.ReasonMaxAttempts,
	}, reasons)

	c.History = calls(calling.Conversation, nil, at(t, ny, "2026-12-24 08:30"))
	p = plan(c, at(t, ny, "2026-12-24 09:00"))
	require.Equal(t, []string{"2026-12-31 08:00"}, localTimes(p.Slots))
	require.Equal(t, calling.RuleSevenDaysAfterConversation, p.Days[1].Skipped.Code)
}

func TestPlanSeveralADay(t *testing.T) {
	t.Parallel()
	c := newYork(t)
	ny := c.Zones[0]
	c.Policy.MaxAttemptsPerDay, c.Policy.MaxAttempts = 3, 50
	p := plan(c, at(t, ny, "2026-06-01 07:00"))
	require.Equal(t, []string{
		"2026-06-01 08:00", "2026-06-01 12:00", "2026-06-01 16:00", "2026-06-02 08:00", "2026-06-02 12:00", "2026-06-02 16:00", "2026-06-03 08:00",
	}, localTimes(p.Slots), "seven calls in seven days, and no more")

	c.Policy.MaxAttempts = 5
	p = calling.Plan(calling.PlanInput{Case: c, Now: at(t, ny, "2026-06-01 07:00"), AttemptsMade: 3})
	require.Equal(t, []string{"2026-06-01 08:00", "2026-06-01 12:00"}, localTimes(p.Slots))
	require.Equal(t, 5, p.Slots[1].Attempt)
	p = calling.Plan(calling.PlanInput{Case: c, Now: at(t, ny, "2026-06-01 07:00"), AttemptsMade: 9})
	require.Empty(t, p.Slots)
}

func TestPlanPreferredTimes(t *testing.T) {
	t.Parallel()
	c := newYork(t)
	ny := c.Zones[0]
	c.Policy.HorizonDays = 2
	c.Policy.PreferredTimes = []civil.LocalTime{clock(t, "18:00"), clock(t, "09:30")}
	require.Equal(t, []string{"2026-06-01 18:00", "2026-06-02 18:00"}, localTimes(plan(c, at(t, ny, "2026-06-01 07:00")).Slots))
	require.Equal(t, []string{"2026-06-01 19:00", "2026-06-02 18:00"}, localTimes(plan(c, at(t, ny, "2026-06-01 19:00")).Slots))

	c.Policy.MaxAttemptsPerDay = 3
	p := plan(c, at(t, ny, "2026-06-01 07:00"))
	require.Equal(t, []string{"2026-06-01 09:30", "2026-06-01 13:30", "2026-06-01 18:00", "2026-06-02 09:30", "2026-06-02 13:30", "2026-06-02 18:00"}, localTimes(p.Slots))
	for i, s := range p.Slots {
		require.Equal(t, i+1, s.Attempt)
	}

	// ABORT drops what is not allowed, NEXT_AVAILABLE moves it.
	c.Policy.MaxAttemptsPerDay = 1
	c.Policy.PreferredTimes = []civil.LocalTime{clock(t, "10:00")}
	c.Inconvenient = []calling.InconvenientTime{{Weekdays: calling.MondayFriday, From: clock(t, "09:00"), To: clock(t, "17:00")}}
	require.Equal(t, []string{"2026-06-01 17:00", "2026-06-02 17:00"}, localTimes(plan(c, at(t, ny, "2026-06-01 07:00")).Slots))
	c.Policy.QuietBehavior = calling.QuietAbort
	p = plan(c, at(t, ny, "2026-06-01 07:00"))
	require.Empty(t, p.Slots)
	require.Equal(t, calling.RuleConsumerInconvenientTime, p.Days[0].Skipped.Code)
	p = plan(c, at(t, ny, "2026-06-01 11:00"))
	require.Equal(t, calling.ReasonPreferredTimes, p.Days[0].Skipped.Code)

	// Without preferred times, a plan made in quiet time gives up the day.
	c.Policy.PreferredTimes = nil
	p = plan(c, at(t, ny, "2026-06-01 07:00"))
	require.Equal(t, calling.ReasonQuietTime, p.Days[0].Skipped.Code)
	require.Equal(t, []string{"2026-06-02 08:00"}, localTimes(p.Slots))
	require.Equal(t, []string{"2026-06-01 08:15", "2026-06-02 08:00"}, localTimes(plan(c, at(t, ny, "2026-06-01 08:15")).Slots))
}

func TestPlanJitter(t *testing.T) {
	t.Parallel()
	c := newYork(t)
	ny := c.Zones[0]
	c.Policy.JitterMinutes = 120
	now := at(t, ny, "2026-06-01 07:00")
	p := plan(c, now)
	require.Len(t, p.Slots, 7)
	require.Equal(t, p, plan(c, now))
	different := 0
	for _, s := range p.Slots {
		require.True(t, !s.LocalTime.Before(clock(t, "08:00")) && !s.LocalTime.After(clock(t, "10:00")))
		if s.LocalTime != clock(t, "08:00") {
			different++
		}
	}
	require.Positive(t, different)
	require.NotEqual(t, localTimes(p.Slots), localTimes(calling.Plan(calling.PlanInput{Case: c, Now: now, Seed: 8}).Slots))

	// At the very end of the window there is no room to be late.
	p = plan(c, at(t, ny, "2026-06-01 20:54"))
	require.Equal(t, "2026-06-01 20:54", localTimes(p.Slots)[0])

	customer, kind := uuid.New(), uuid.New()
	require.Equal(t, calling.SeedOf(customer, kind), calling.SeedOf(customer, kind))
	require.NotEqual(t, calling.SeedOf(customer, kind), calling.SeedOf(kind, customer))
}

func BenchmarkPlan(b *testing.B) {
	now := time.Date(2026, 3, 5, 11, 0, 0, 0, time.UTC)
	c := newYork(b)
	c.Debts = []uuid.UUID{debtA}
	c.Calendar = standardCalendar(b)
	for i := range 5 {
		c.History.Attempts = append(c.History.Attempts, calling.Attempt{
			At: now.AddDate(0, 0, -8-i), Phone: phoneNY, Outcome: calling.NoAnswer, Debts: c.Debts,
		})
	}
	b.Run("7 slots in 7 days", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if len(plan(c, now).Slots) != 7 {
				b.Fatal("the plan must have seven slots")
			}
		}
	})
	b.Run("two zones, state hours", func(b *testing.B) {
		c := c
		c.State, c.Policy.Purpose = "FL", calling.Solicitation
		c.Zones = []civil.Zone{c.Zones[0], zone(b, "America/Chicago")}
		b.ReportAllocs()
		for b.Loop() {
			plan(c, now)
		}
	})
	b.Run("eligibility", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !ask(c, now.Add(4*time.Hour)).Allowed {
				b.Fatal("the call must be allowed")
			}
		}
	})
	b.Run("candidate zones", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			calling.CandidateZones(c.Zones[0], "+13035551212", "NY", now)
		}
	})
}
