package calling_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/calling"
	"caseload/internal/civil"
	"caseload/internal/fault"
)

func TestWeekdays(t *testing.T) {
	t.Parallel()
	s, err := calling.WeekdaysOf(calling.Sunday, calling.Monday, calling.Sunday)
	require.NoError(t, err)
	require.Equal(t, []calling.Weekday{calling.Monday, calling.Sunday}, s.List())
	require.True(t, s.Has(time.Sunday) && s.Has(time.Monday) && !s.Has(time.Saturday))
	_, err = calling.WeekdaysOf("FUNDAY")
	require.ErrorContains(t, err, "MONDAY")
	require.Equal(t, []calling.Weekday{}, calling.NoDays.List())
	require.Equal(t, calling.AllWeekdays, calling.EveryDay.List())
	require.Equal(t, calling.SaturdayOnly|calling.SundayOnly, calling.EveryDay.Without(calling.MondayFriday))
	for n := range 128 {
		v, err := calling.Weekdays(n).Value()
		require.NoError(t, err)
		var back calling.Weekdays
		require.NoError(t, back.Scan(v))
		again, err := calling.WeekdaysOf(back.List()...)
		require.NoError(t, err)
		require.Equal(t, calling.Weekdays(n), again)
	}
	for _, v := range []any{nil, "5", int64(128), int64(-1)} {
		require.Error(t, s.Scan(v))
	}
}

func TestConsequences(t *testing.T) {
	t.Parallel()
	for _, o := range calling.CallOutcomes {
		c := o.Consequences()
		require.True(t, calling.InProgress.MayBecome(c.Final), o)
		if c.IsConversation {
			require.True(t, c.CountsForFrequency, "a conversation reached the dialed number")
			require.True(t, c.Replan || c.DoNotCall, "after a conversation the plan changes or ends")
		}
	}
	require.Equal(t, calling.Consequences{CountsForFrequency: true, IsConversation: true, Final: calling.Completed, DoNotCall: true}, calling.DNCRequested.Consequences())
	require.True(t, calling.WrongNumber.Consequences().BlocksPhone)
	require.Equal(t, calling.Failed, calling.WrongNumber.Consequences().Final)
	require.False(t, calling.Busy.Consequences().CountsForFrequency)
	require.False(t, calling.NotInService.Consequences().CountsForFrequency)
	require.Equal(t, calling.Consequences{CountsForFrequency: true}, calling.CallOutcome("").Consequences())
}

func TestStates(t *testing.T) {
	t.Parallel()
	final := map[calling.CallTaskState]bool{
		calling.Completed: true, calling.Failed: true, calling.Cancelled: true, calling.Expired: true, calling.Skipped: true,
	}
	for _, s := range calling.CallTaskStates {
		require.Equal(t, final[s], s.IsFinal(), s)
		require.False(t, s.MayBecome(s))
	}
	require.True(t, calling.Claimed.MayBecome(calling.Pending), "an expired lease")
	require.False(t, calling.InProgress.MayBecome(calling.Pending), "the phone may have rung")
	require.False(t, calling.Pending.MayBecome(calling.Completed))
	require.Empty(t, calling.CallTaskState("LOST").Next())
}

func TestPolicyValidate(t *testing.T) {
	t.Parallel()
	check := fault.NewCheck("input")
	calling.Default().Validate(check)
	require.NoError(t, check.Err())
	for path, change := range map[string]func(*calling.Policy){
		"maxAttempts":        func(p *calling.Policy) { p.MaxAttempts = 51 },
		"maxAttemptsPerDay":  func(p *calling.Policy) { p.MaxAttemptsPerDay = 0 },
		"minIntervalMinutes": func(p *calling.Policy) { p.MinIntervalMinutes = 14 },
		"horizonDays":        func(p *calling.Policy) { p.HorizonDays = 91 },
		"jitterMinutes":      func(p *calling.Policy) { p.JitterMinutes = -1 },
		"perPhone24hLimit":   func(p *calling.Policy) { p.PerPhone24hLimit = 0 },
		"priority":           func(p *calling.Policy) { p.Priority = 10 },
		"endGuardMinutes":    func(p *calling.Policy) { p.EndGuardMinutes = 61 },
		"purpose":            func(p *calling.Policy) { p.Purpose = "FUN" },
		"regF":               func(p *calling.Policy) { p.RegF = "" },
		"onExhausted":        func(p *calling.Policy) { p.OnExhausted = "" },
		"quietBehavior":      func(p *calling.Policy) { p.QuietBehavior = "" },
		"days":               func(p *calling.Policy) { p.Days = 0 },
		"window":             func(p *calling.Policy) { p.Window.From = civil.MustLocalTime(7, 59) },
		"preferredTimes":     func(p *calling.Policy) { p.PreferredTimes = make([]civil.LocalTime, 13) },
	} {
		p := calling.Default()
		change(&p)
		check := fault.NewCheck("input")
		p.Validate(check)
		require.Len(t, check.Errors(), 1, path)
		require.Equal(t, []string{"input", path}, check.Errors()[0].Path)
		require.NotEmpty(t, check.Errors()[0].Message)
	}
	p := calling.Default()
	p.Window.To = p.Window.From
	p.PreferredTimes = []civil.LocalTime{civil.MustLocalTime(9, 0), civil.MustLocalTime(9, 0)}
	check = fault.NewCheck()
	p.Validate(check)
	require.Equal(t, [][]string{{"window"}, {"preferredTimes", "1"}}, [][]string{check.Errors()[0].Path, check.Errors()[1].Path})
}

func TestStandardRows(t *testing.T) {
	t.Parallel()
	for _, w := range calling.StandardStateWindows() {
		require.NoError(t, w.Validate())
		require.NotEmpty(t, w.Source)
		require.False(t, w.AsOf.IsZero())
		require.True(t, w.Closed || w.Window().Within(calling.FederalLimits().Window))
	}
	dates := map[string]string{}
	federal := map[int]int{}
	for _, h := range calling.StandardHolidays(2025, 2030) {
		require.NotEmpty(t, h.Source)
		require.False(t, h.AsOf.IsZero())
		key := h.State + " " + h.Name + " " + h.Date.String()[:4]
		require.NotContains(t, dates, key+h.Date.String())
		dates[key] = h.Date.String()
		if h.State == "" {
			federal[h.Date.Year()]++
		}
	}
	for key, want := range map[string]string{
		" New Year's Day 2025": "2025-01-01", " New Year's Day (observed) 2027": "2027-12-31", " Memorial Day 2026": "2026-05-25",
		" Thanksgiving Day 2028": "2028-11-23", " Independence Day (observed) 2026": "2026-07-03", " Independence Day (observed) 2027": "2027-07-05",
		" Columbus Day 2029": "2029-10-08", " Birthday of Martin Luther King, Jr. 2030": "2030-01-21",
		"AL Independence Day (observed) 2026": "2026-07-03", "MS Independence Day (observed) 2027": "2027-07-05",
		"MS Confederate Memorial Day 2026": "2026-04-27", "RI Victory Day 2026": "2026-08-10",
	} {
		require.Equal(t, want, dates[key], key)
	}
	require.NotContains(t, dates, "MS Independence Day (observed) 2026", "Mississippi does not move a Saturday")
	for year := 2025; year <= 2030; year++ {
		require.GreaterOrEqual(t, federal[year], 11)
	}
	_, err := calling.NewCalendar(calling.FederalLimits(), []calling.StateWindow{{State: "NY"}}, nil)
	require.Error(t, err)
	_, err = calling.NewCalendar(calling.LegalLimits{}, nil, nil)
	require.Error(t, err)
}
