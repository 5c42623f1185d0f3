package calling_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"caseload/internal/calling"
	"caseload/internal/civil"
)

var propertyZones = []string{
	"America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Indiana/Knox", "America/Havana",
	"America/Adak", "Pacific/Honolulu", "America/Puerto_Rico", "Pacific/Guam", "Europe/London", "Australia/Lord_Howe",
}

// propertyMoments lie before the days on which something is odd, so that plans run over them.
var propertyMoments = []time.Time{
	time.Date(2026, 3, 6, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 30, 0, 0, 0, 0, time.UTC), time.Date(2028, 2, 27, 0, 0, 0, 0, time.UTC),
	time.Date(2026, 12, 23, 0, 0, 0, 0, time.UTC), time.Date(2027, 7, 2, 0, 0, 0, 0, time.UTC), time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC),
}

func drawMoment(t *rapid.T) time.Time {
	base := rapid.SampledFrom(propertyMoments).Draw(t, "base")
	return base.Add(time.Duration(rapid.IntRange(0, 3*24*60*60).Draw(t, "seconds")) * time.Second)
}

func drawDebts(t *rapid.T, label string) []uuid.UUID {
	return rapid.SampledFrom([][]uuid.UUID{nil, {debtA}, {debtB}, {debtA, debtB}}).Draw(t, label)
}

func drawLocalTime(t *rapid.T, label string, low, high int) civil.LocalTime {
	c, err := civil.LocalTimeOfMinute(rapid.IntRange(low/15, high/15).Draw(t, label) * 15)
	require.NoError(t, err)
	return c
}

func drawCase(t *rapid.T, calendar *calling.Calendar, now time.Time) calling.Case {
	c := calling.Case{
		State:  rapid.SampledFrom([]string{"", "NY", "FL", "MA", "AL", "MS", "PA", "TX"}).Draw(t, "state"),
		Phone:  phoneNY,
		Place:  rapid.SampledFrom([]calling.Place{"", calling.Elsewhere}).Draw(t, "place"),
		Debts:  drawDebts(t, "debts"),
		Policy: calling.Default(),
	}
	for i, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(propertyZones), 1, 2, rapid.ID).Draw(t, "zones") {
		// A second zone is drawn near the first mostly; far ones leave no window at all.
		if i == 0 || rapid.Bool().Draw(t, "second") {
			c.Zones = append(c.Zones, zone(t, name))
		}
	}
	if rapid.Bool().Draw(t, "law") {
		c.Calendar = calendar
	}
	p := &c.Policy
	p.Purpose = rapid.SampledFrom(calling.CallPurposes).Draw(t, "purpose")
	p.MaxAttempts = rapid.IntRange(1, 20).Draw(t, "max")
	p.MaxAttemptsPerDay = rapid.IntRange(1, 7).Draw(t, "per day")
	p.MinIntervalMinutes = rapid.IntRange(15, 600).Draw(t, "interval")
	p.HorizonDays = rapid.IntRange(1, 14).Draw(t, "horizon")
	p.Days = calling.Weekdays(rapid.IntRange(1, 127).Draw(t, "days"))
	p.Window.From, p.Window.To = drawLocalTime(t, "from", 480, 840), drawLocalTime(t, "to", 900, 1260)
	for range rapid.IntRange(0, 3).Draw(t, "preferred") {
		p.PreferredTimes = append(p.PreferredTimes, drawLocalTime(t, "preferred time", 480, 1260))
	}
	p.SkipHolidays = rapid.Bool().Draw(t, "skip holidays")
	p.JitterMinutes = rapid.SampledFrom([]int{0, 0, 30, 240}).Draw(t, "jitter")
	p.RegF = rapid.SampledFrom([]calling.RegulationFMode{calling.RegFEnforce, calling.RegFEnforce, calling.RegFWarn}).Draw(t, "reg F")
	p.PerPhone24hLimit = rapid.IntRange(1, 5).Draw(t, "per phone")
	p.QuietBehavior = rapid.SampledFrom(calling.QuietBehaviors).Draw(t, "quiet")
	for range rapid.IntRange(0, 2).Draw(t, "inconvenient") {
		c.Inconvenient = append(c.Inconvenient, calling.InconvenientTime{
			Weekdays: calling.Weekdays(rapid.IntRange(1, 127).Draw(t, "weekdays")),
			From:     drawLocalTime(t, "inconvenient from", 0, 1439), To: drawLocalTime(t, "inconvenient to", 0, 1439),
		})
	}
	for range rapid.IntRange(0, 10).Draw(t, "attempts") {
		c.History.Attempts = append(c.History.Attempts, calling.Attempt{
			At:        now.Add(-time.Duration(rapid.Int64Range(1, 20*24*3600*1000).Draw(t, "ago")) * time.Millisecond),
			Direction: rapid.SampledFrom([]calling.CallDirection{calling.Outbound, calling.Inbound}).Draw(t, "direction"),
			Channel:   rapid.SampledFrom([]calling.Channel{"", calling.Call, calling.Message}).Draw(t, "channel"),
			Phone:     rapid.SampledFrom([]string{phoneNY, "+13035551212"}).Draw(t, "phone"),
			Outcome:   rapid.SampledFrom([]calling.CallOutcome{"", calling.NoAnswer, calling.NoAnswer, calling.Busy, calling.Voicemail, calling.Conversation}).Draw(t, "outcome"),
			Debts:     drawDebts(t, "attempt debts"),
		})
	}
	if rapid.Bool().Draw(t, "consent") {
		c.History.Consents = []calling.Consent{{GivenAt: now.Add(-time.Duration(rapid.IntRange(0, 9*24).Draw(t, "given")) * time.Hour), Days: 7, Debts: drawDebts(t, "consent debts")}}
	}
	return c
}

func TestPlanProperties(t *testing.T) {
	t.Parallel()
	calendar := standardCalendar(t)
	federal := calling.FederalLimits().Window
	planned := 0
	rapid.Check(t, func(t *rapid.T) {
		now := drawMoment(t)
		c := drawCase(t, calendar, now)
		in := calling.PlanInput{Case: c, Now: now, Seed: rapid.Uint64().Draw(t, "seed"), AttemptsMade: rapid.IntRange(0, 3).Draw(t, "made")}
		result := calling.Plan(in)
		require.Equal(t, result, calling.Plan(in), "the same input gives the same plan")

		p, home := c.Policy, c.Zones[0]
		require.Len(t, result.Days, p.HorizonDays)
		require.LessOrEqual(t, len(result.Slots), max(p.MaxAttempts-in.AttemptsMade, 0))
		perDay := map[civil.Date]int{}
		for i, s := range result.Slots {
			require.False(t, s.At.Before(now))
			require.Zero(t, s.At.Second())
			require.Equal(t, in.AttemptsMade+i+1, s.Attempt)
			require.True(t, s.WindowEnd.After(s.At))
			require.Equal(t, civil.DateIn(s.At, home.Location()), s.LocalDate)
			require.Equal(t, civil.LocalTimeIn(s.At, home.Location()), s.LocalTime)
			require.True(t, p.Window.Contains(s.LocalTime))
			require.True(t, p.Days.Has(s.LocalDate.Weekday()))
			for _, z := range c.Zones {
				require.True(t, federal.Contains(civil.LocalTimeIn(s.At, z.Location())), z.Name())
				late := s.At.Add(time.Duration(p.EndGuardMinutes)*time.Minute - time.Second)
				require.True(t, federal.Contains(civil.LocalTimeIn(late, z.Location())), z.Name())
			}
			if i > 0 {
				require.GreaterOrEqual(t, s.At.Sub(result.Slots[i-1].At), time.Duration(p.MinIntervalMinutes)*time.Minute)
			}
			perDay[s.LocalDate]++
			require.LessOrEqual(t, perDay[s.LocalDate], p.MaxAttemptsPerDay)
			if p.RegF == calling.RegFEnforce && len(c.History.Consents) == 0 {
				count := 0
				for _, o := range result.Slots[:i+1] {
					if s.LocalDate.DaysSince(o.LocalDate) < 7 {
						count++
					}
				}
				require.LessOrEqual(t, count, 7, "seven calls in any seven days")
			}
		}
		slots := 0
		for _, d := range result.Days {
			require.Equal(t, len(d.Slots) == 0, d.Skipped != nil)
			for _, s := range d.Slots {
				require.Equal(t, result.Slots[slots], s)
				require.Equal(t, d.Date, s.LocalDate)
				slots++
			}
		}
		require.Equal(t, len(result.Slots), slots)
		planned += slots

		// A plan is a selection from what eligibility allows, with the earlier slots as attempts.
		then := c
		then.History.Attempts = append([]calling.Attempt(nil), c.History.Attempts...)
		for _, s := range result.Slots {
			d := ask(then, s.At)
			require.True(t, d.Allowed, "%s: %v", s.At, codes(d.Denials))
			require.Equal(t, s.WindowEnd, *d.AllowedUntil)
			then.History.Attempts = append(then.History.Attempts, calling.Attempt{At: s.At, Phone: c.Phone, Place: c.Place, Debts: c.Debts})
		}
	})
	require.Positive(t, planned)
}

func TestEligibilityProperties(t *testing.T) {
	t.Parallel()
	calendar := standardCalendar(t)
	rapid.Check(t, func(t *rapid.T) {
		now := drawMoment(t)
		c := drawCase(t, calendar, now)
		d := ask(c, now)
		require.Equal(t, d.Allowed, len(d.Denials) == 0)
		if d.Allowed {
			require.Equal(t, now, *d.EarliestNext)
			if d.AllowedUntil != nil {
				require.True(t, ask(c, d.AllowedUntil.Add(-time.Second)).Allowed)
				require.False(t, ask(c, *d.AllowedUntil).Allowed && len(c.History.Consents) == 0)
			}
			return
		}
		// Nothing on the grid before it is allowed; the grid ends after two days to keep the test short.
		end := now.AddDate(0, 0, 2)
		if d.EarliestNext != nil {
			require.True(t, d.EarliestNext.After(now))
			require.True(t, ask(c, *d.EarliestNext).Allowed)
			require.False(t, ask(c, d.EarliestNext.Add(-time.Second)).Allowed)
			if d.EarliestNext.Before(end) {
				end = *d.EarliestNext
			}
		}
		for m := now; m.Before(end); m = m.Add(11 * time.Minute) {
			if ask(c, m).Allowed {
				t.Fatalf("%s is allowed and earlier than %v", m, d.EarliestNext)
			}
		}
		// Each denial ends when it says it ends.
		for _, denial := range d.Denials {
			if denial.Until == nil {
				continue
			}
			require.NotContains(t, codes(ask(c, *denial.Until).Denials), denial.Rule)
			require.Contains(t, codes(ask(c, denial.Until.Add(-time.Second)).Denials), denial.Rule)
		}
	})
}

func Example() {
	place, _ := civil.ParseZone("US/Eastern")
	policy := calling.Default()
	policy.Days = calling.MondayFriday
	policy.HorizonDays = 4
	result := calling.Plan(calling.PlanInput{
		Case: calling.Case{Zones: []civil.Zone{place}, Phone: "+12125551212", Policy: policy},
		Now:  time.Date(2026, 3, 6, 22, 30, 0, 0, time.UTC),
	})
	for _, day := range result.Days {
		for _, slot := range day.Slots {
			fmt.Println(slot.LocalDate, slot.LocalTime, slot.Zone, slot.At.Format(time.RFC3339))
		}
		if day.Skipped != nil {
			fmt.Println(day.Date, day.Skipped.Code)
		}
	}
	// Output:
	// 2026-03-06 17:30 America/New_York 2026-03-06T22:30:00Z
	// 2026-03-07 TASK_TYPE_WINDOW
	// 2026-03-08 TASK_TYPE_WINDOW
	// 2026-03-09 08:00 America/New_York 2026-03-09T12:00:00Z
}
