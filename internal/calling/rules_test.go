package calling_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/calling"
	"caseload/internal/civil"
)

func TestFederalWindow(t *testing.T) {
	t.Parallel()
	c := newYork(t)
	ny := c.Zones[0]
	for wallTime, allowed := range map[string]bool{
		"2026-06-01 07:59": false, "2026-06-01 08:00": true, "2026-06-01 20:54": true, "2026-06-01 20:55": false, "2026-06-01 21:00": false,
		"2026-03-08 07:59": false, "2026-03-08 08:00": true, "2026-11-01 20:54": true, "2026-11-01 20:55": false,
		"2028-02-29 08:00": true, "2028-02-29 20:55": false,
	} {
		d := ask(c, at(t, ny, wallTime))
		require.Equal(t, allowed, d.Allowed, wallTime)
		if !allowed {
			require.Contains(t, codes(d.Denials), calling.RuleFederalWindow)
			require.Contains(t, d.Denials[0].Source, "1006.6")
		}
	}
	d := ask(c, at(t, ny, "2026-03-07 22:00"))
	require.Equal(t, "2026-03-08 08:00:00", wall(ny, d.EarliestNext))
	require.Equal(t, "2026-03-08 08:00:00", wall(ny, d.Denials[0].Until))
	d = ask(c, at(t, ny, "2026-03-08 12:00"))
	require.Equal(t, "2026-03-08 20:55:00", wall(ny, d.AllowedUntil))
	require.Equal(t, "2026-03-08 12:00:00", wall(ny, d.EarliestNext))
}

// The wall clock decides, in zones with and without daylight saving, on the days clocks change.
func TestFederalWindowInManyZones(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"America/New_York", "America/Havana", "America/Phoenix", "America/Denver", "America/Indiana/Knox", "Pacific/Honolulu",
		"America/Puerto_Rico", "Pacific/Guam", "America/Adak",
	} {
		z := zone(t, name)
		c := newYork(t)
		c.Zones = []civil.Zone{z}
		for _, date := range []string{"2026-03-07", "2026-03-08", "2026-03-09", "2026-10-31", "2026-11-01", "2026-11-02", "2028-02-29"} {
			first, last := "never", "never"
			for i := range 24 * 60 {
				if i%10 != 0 && i%10 != 4 && i%10 != 9 {
					continue
				}
				local, err := civil.LocalTimeOfMinute(i)
				require.NoError(t, err)
				if ask(c, at(t, z, date+" "+local.String())).Allowed {
					if first == "never" {
						first = local.String()
					}
					last = local.String()
				}
			}
			require.Equal(t, [2]string{"08:00", "20:54"}, [2]string{first, last}, "%s on %s", name, date)
		}
	}
}

// An address in Eastern time with a phone of the Mountain zone: 10:00 to 21:00 Eastern.
func TestZoneConflict(t *testing.T) {
	t.Parallel()
	c := newYork(t)
	c.Policy.EndGuardMinutes = 0
	ny := c.Zones[0]
	c.Phone = "+13035551212"
	c.Zones = calling.CandidateZones(ny, c.Phone, c.State, at(t, ny, "2026-06-01 12:00"))
	for wallTime, want := range map[string][]calling.CallRule{
		"2026-06-01 07:59": {calling.RuleFederalWindow, calling.RuleZoneConflict, calling.RuleTaskTypeWindow},
		"2026-06-01 09:59": {calling.RuleZoneConflict},
		"2026-06-01 10:00": nil,
		"2026-06-01 20:59": nil,
		"2026-06-01 21:00": {calling.RuleFederalWindow, calling.RuleTaskTypeWindow},
	} {
		require.Equal(t, want, codes(ask(c, at(t, ny, wallTime)).Denials), wallTime)
	}
	d := ask(c, at(t, ny, "2026-06-01 08:30"))
	require.Equal(t, "2026-06-01 10:00:00", wall(ny, d.EarliestNext))
	require.Contains(t, d.Denials[0].Message, "America/Denver")

	// Arizona keeps one clock with Denver until spring, when the window of both becomes shorter.
	phoenix := zone(t, "America/Phoenix")
	c.Zones = []civil.Zone{phoenix, zone(t, "America/Denver")}
	require.True(t, ask(c, at(t, phoenix, "2026-02-01 08:00")).Allowed)
	require.True(t, ask(c, at(t, phoenix, "2026-02-01 20:59")).Allowed)
	require.True(t, ask(c, at(t, phoenix, "2026-04-01 08:00")).Allowed)
	require.Equal(t, []calling.CallRule{calling.RuleZoneConflict}, codes(ask(c, at(t, phoenix, "2026-04-01 20:00")).Denials))
}

func TestWindowOnDaysClocksChange(t *testing.T) {
	t.Parallel()
	ny := zone(t, "America/New_York")
	for _, c := range []struct{ date, from, to, start, end string }{
		{"2026-03-08", "01:30", "02:30", "2026-03-08T06:30:00Z", "2026-03-08T07:00:00Z"},
		{"2026-03-08", "02:30", "04:00", "2026-03-08T07:00:00Z", "2026-03-08T08:00:00Z"},
		{"2026-11-01", "01:30", "04:00", "2026-11-01T06:30:00Z", "2026-11-01T09:00:00Z"},
		{"2026-11-01", "00:30", "01:30", "2026-11-01T04:30:00Z", "2026-11-01T05:30:00Z"},
	} {
		date, err := civil.ParseDate(c.date)
		require.NoError(t, err)
		start, end := calling.Window{From: clock(t, c.from), To: clock(t, c.to)}.On(date, ny)
		require.Equal(t, c.start, time.Unix(start, 0).UTC().Format(time.RFC3339))
		require.Equal(t, c.end, time.Unix(end, 0).UTC().Format(time.RFC3339))
	}
}

func TestStateWindowsAndHolidays(t *testing.T) {
	t.Parallel()
	calendar := standardCalendar(t)
	for _, c := range []struct {
		name, zone, state string
		purpose           calling.CallPurpose
		at                string
		want              []calling.CallRule
	}{
		{"Florida evening", "America/New_York", "FL", calling.Solicitation, "2026-06-01 20:00", []calling.CallRule{calling.RuleStateWindow}},
		{"collections are not solicitations", "America/New_York", "FL", calling.Collection, "2026-06-01 20:00", nil},
		{"Louisiana Sunday", "America/Chicago", "LA", calling.Solicitation, "2026-06-07 12:00", []calling.CallRule{calling.RuleStateWindow}},
		{"Alabama on the Monday after a Sunday holiday", "America/Chicago", "AL", calling.Solicitation, "2027-07-05 12:00", []calling.CallRule{calling.RuleStateHoliday}},
		{"Alabama on its own holiday", "America/Chicago", "AL", calling.Solicitation, "2026-04-27 12:00", []calling.CallRule{calling.RuleStateHoliday}},
		{"Mississippi holidays are open", "America/Chicago", "MS", calling.Solicitation, "2026-05-25 12:00", nil},
		{"Mississippi Sundays stay closed on a holiday", "America/Chicago", "MS", calling.Solicitation, "2027-07-04 12:00", []calling.CallRule{calling.RuleStateWindow}},
		{"Texas Sunday morning", "America/Chicago", "TX", calling.Solicitation, "2026-06-07 11:59", []calling.CallRule{calling.RuleStateWindow}},
		{"Texas Sunday noon", "America/Chicago", "TX", calling.Solicitation, "2026-06-07 12:00", nil},
		{"Pennsylvania Saturday, the stricter table", "America/New_York", "PA", calling.Solicitation, "2026-06-06 12:00", []calling.CallRule{calling.RuleStateWindow}},
		{"Pennsylvania Sunday", "America/New_York", "PA", calling.Solicitation, "2026-06-07 13:30", nil},
		{"Kentucky morning", "America/New_York", "KY", calling.Solicitation, "2026-06-01 09:59", []calling.CallRule{calling.RuleStateWindow}},
		{"Rhode Island Victory Day", "America/New_York", "RI", calling.Solicitation, "2026-08-10 12:00", []calling.CallRule{calling.RuleStateHoliday}},
		{"a state without rows", "America/New_York", "NY", calling.Solicitation, "2026-12-25 12:00", nil},
		{"no state", "America/New_York", "", calling.Solicitation, "2026-06-07 12:00", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := newYork(t)
			in.Zones, in.State, in.Calendar, in.Policy.Purpose = []civil.Zone{zone(t, c.zone)}, c.state, calendar, c.purpose
			d := ask(in, at(t, in.Zones[0], c.at))
			require.Equal(t, c.want, codes(d.Denials))
			for _, denial := range d.Denials {
				require.NotEmpty(t, denial.Source)
				require.NotEmpty(t, denial.Message)
				require.NotNil(t, denial.Until)
			}
		})
	}
}

func TestSkippedAndDeclaredHolidays(t *testing.T) {
	t.Parallel()
	c := newYork(t)
	ny := c.Zones[0]
	c.Calendar = standardCalendar(t)
	c.Policy.SkipHolidays = true
	d := ask(c, at(t, ny, "2026-12-25 12:00"))
	require.Equal(t, []calling.CallRule{calling.RuleHoliday}, codes(d.Denials))
	require.Equal(t, "2026-12-26 08:00:00", wall(ny, d.EarliestNext))

	declared := calling.Holiday{State: "NY", Date: civil.MustDate(2026, 6, 1), Name: "State of emergency", ClosesCalls: true, Source: "Executive Order 7"}
	calendar, err := calling.NewCalendar(calling.FederalLimits(), nil, []calling.Holiday{declared})
	require.NoError(t, err)
	c.Calendar, c.Policy.SkipHolidays = calendar, false
	d = ask(c, at(t, ny, "2026-06-01 12:00"))
	require.Equal(t, []calling.CallRule{calling.RuleStateHoliday}, codes(d.Denials))
	require.Equal(t, "Executive Order 7", d.Denials[0].Source)
	require.Contains(t, d.Denials[0].Message, "State of emergency")
	require.Equal(t, "2026-06-02 00:00:00", wall(ny, d.Denials[0].Until))
}

func TestCompanyWindowOnlyTightens(t *testing.T) {
	t.Parallel()
	c := newYork(t)
	ny := c.Zones[0]
	wide := calling.StateWindow{Weekdays: calling.EveryDay, From: clock(t, "06:00"), To: clock(t, "23:00"), Source: "company"}
	narrow := calling.StateWindow{State: "NY", Weekdays: calling.EveryDay, From: clock(t, "11:00"), To: clock(t, "16:00"), Source: "company, for New York"}
	calendar, err := calling.NewCalendar(calling.FederalLimits(), []calling.StateWindow{wide, narrow}, nil)
	require.NoError(t, err)
	c.Calendar = calendar
	require.False(t, ask(c, at(t, ny, "2026-06-01 07:00")).Allowed)
	d := ask(c, at(t, ny, "2026-06-01 10:59"))
	require.Equal(t, []calling.CallRule{calling.RuleStateWindow}, codes(d.Denials))
	require.Equal(t, "company, for New York", d.Denials[0].Source)
	require.True(t, ask(c, at(t, ny, "2026-06-01 11:00")).Allowed)
	require.False(t, ask(c, at(t, ny, "2026-06-01 15:55")).Allowed)

	// A row for another state says nothing here.
	c.State = "NJ"
	require.True(t, ask(c, at(t, ny, "2026-06-01 09:00")).Allowed)
}

func TestStricter(t *testing.T) {
	t.Parallel()
	base := calling.StateWindow{State: "FL", Weekdays: calling.EveryDay, From: clock(t, "08:00"), To: clock(t, "20:00"), AppliesTo: []calling.CallPurpose{calling.Solicitation}, Source: "Fla."}
	sunday := calling.StateWindow{State: "FL", Weekdays: calling.SundayOnly, Closed: true, Source: "Fla."}
	row := func(change func(*calling.StateWindow)) calling.StateWindow {
		w := base
		change(&w)
		return w
	}
	require.NoError(t, calling.Stricter(base, base))
	require.NoError(t, calling.Stricter(base, row(func(w *calling.StateWindow) { w.From = clock(t, "10:00") })))
	require.NoError(t, calling.Stricter(base, row(func(w *calling.StateWindow) { w.Closed = true })))
	require.NoError(t, calling.Stricter(base, row(func(w *calling.StateWindow) { w.State, w.To = "GA", clock(t, "21:00") })))
	require.NoError(t, calling.Stricter(base, row(func(w *calling.StateWindow) {
		w.AppliesTo, w.To = []calling.CallPurpose{calling.Servicing}, clock(t, "21:00")
	})))
	require.ErrorContains(t, calling.Stricter(base, row(func(w *calling.StateWindow) { w.From = clock(t, "07:00") })), "must open at 08:00 or later")
	require.ErrorContains(t, calling.Stricter(base, row(func(w *calling.StateWindow) { w.State, w.To = "", clock(t, "20:30") })), "must close at 20:00 or earlier")
	require.ErrorContains(t, calling.Stricter(sunday, base), "must be closed too")
	require.ErrorContains(t, calling.Stricter(base, row(func(w *calling.StateWindow) { w.From = w.To })), "open before it closes")
	require.ErrorContains(t, calling.Stricter(base, row(func(w *calling.StateWindow) { w.Weekdays = 0 })), "at least one day")
}

func TestConsumerInconvenientTime(t *testing.T) {
	t.Parallel()
	c := newYork(t)
	ny := c.Zones[0]
	c.Inconvenient = []calling.InconvenientTime{
		{Weekdays: calling.MondayFriday, From: clock(t, "09:00"), To: clock(t, "17:00")},
		{Weekdays: calling.SaturdayOnly, From: clock(t, "18:00"), To: clock(t, "10:00")},
		{Weekdays: calling.EveryDay, From: clock(t, "12:00"), To: clock(t, "13:00"), Place: calling.Elsewhere},
	}
	d := ask(c, at(t, ny, "2026-06-01 08:30"))
	require.True(t, d.Allowed)
	require.Equal(t, "2026-06-01 09:00:00", wall(ny, d.AllowedUntil))
	d = ask(c, at(t, ny, "2026-06-01 09:00"))
	require.Equal(t, []calling.CallRule{calling.RuleConsumerInconvenientTime}, codes(d.Denials))
	require.Equal(t, "2026-06-01 17:00:00", wall(ny, d.EarliestNext))
	require.False(t, ask(c, at(t, ny, "2026-06-07 09:59")).Allowed, "Saturday night reaches into Sunday")
	require.True(t, ask(c, at(t, ny, "2026-06-07 10:00")).Allowed)
	require.True(t, ask(c, at(t, ny, "2026-06-07 12:30")).Allowed)
	c.Place = calling.Elsewhere
	require.False(t, ask(c, at(t, ny, "2026-06-07 12:30")).Allowed)

	c.Inconvenient = []calling.InconvenientTime{{Weekdays: calling.EveryDay, From: clock(t, "00:00"), To: clock(t, "00:00")}}
	d = ask(c, at(t, ny, "2026-06-01 12:00"))
	require.Nil(t, d.EarliestNext)
	require.Nil(t, d.Denials[0].Until)
}

func TestSevenInSeven(t *testing.T) {
	t.Parallel()
	c := newYork(t)
	ny := c.Zones[0]
	c.Debts = []uuid.UUID{debtA}
	var days []time.Time
	for _, date := range []string{"01", "02", "03", "04", "05", "06"} {
		days = append(days, at(t, ny, "2026-06-"+date+" 12:00"))
	}
	now := at(t, ny, "2026-06-07 18:00")
	history := func(outcome calling.CallOutcome, debts ...uuid.UUID) calling.History {
		return calls(outcome, debts, append(days[:len(days):len(days)], at(t, ny, "2026-06-06 17:00"))...)
	}
	c.Policy.PerPhone24hLimit, c.Policy.MaxAttemptsPerDay = 20, 7

	c.History = calls(calling.NoAnswer, []uuid.UUID{debtA}, days...)
	require.True(t, ask(c, now).Allowed, "six calls are allowed")

	for _, outcome := range []calling.CallOutcome{calling.NoAnswer, calling.Voicemail, calling.WrongNumber, ""} {
		c.History = history(outcome, debtA)
		d := ask(c, now)
		require.Equal(t, []calling.CallRule{calling.RuleSevenInSeven}, codes(d.Denials), outcome)
		require.Equal(t, "2026-06-08 00:00:00", wall(ny, d.Denials[0].Until), "the first of June leaves the seven days")
		require.Equal(t, "2026-06-08 08:00:00", wall(ny, d.EarliestNext))
	}
	for _, outcome := range []calling.CallOutcome{calling.Busy, calling.NotInService} {
		c.History = history(outcome, debtA)
		require.True(t, ask(c, now).Allowed, "%s did not reach the dialed number", outcome)
	}
	c.History = history(calling.NoAnswer, debtB)
	require.True(t, ask(c, now).Allowed, "another debt has a count of its own")
	c.History = history(calling.NoAnswer)
	require.False(t, ask(c, now).Allowed, "a call without a debt counts for every debt")
	c.History, c.Debts = history(calling.NoAnswer, debtB), nil
	require.False(t, ask(c, now).Allowed, "a task without a debt counts all calls")
	c.Debts = []uuid.UUID{debtA, debtB}
	require.False(t, ask(c, now).Allowed, "one full debt is enough")
	c.Debts = []uuid.UUID{debtA}

	for name, change := range map[string]func(*calling.Attempt){
		"inbound":       func(a *calling.Attempt) { a.Direction = calling.Inbound },
		"attorney":      func(a *calling.Attempt) { a.Party = calling.Attorney },
		"not connected": func(a *calling.Attempt) { a.NotConnected = true },
		"text message":  func(a *calling.Attempt) { a.Channel = calling.Message },
	} {
		c.History = history(calling.NoAnswer, debtA)
		for i := range c.History.Attempts {
			change(&c.History.Attempts[i])
		}
		require.NotContains(t, codes(ask(c, now).Denials), calling.RuleSevenInSeven, name)
	}

	c.History = history(calling.NoAnswer, debtA)
	c.Policy.RegF = calling.RegFWarn
	d := ask(c, now)
	require.True(t, d.Allowed)
	require.Equal(t, []calling.CallRule{calling.RuleSevenInSeven}, codes(d.Warnings))
	c.Policy.RegF = calling.RegFOff
	require.Empty(t, ask(c, now).Warnings)
	c.Policy.RegF, c.OverrideRegF = calling.RegFEnforce, true
	d = ask(c, now)
	require.True(t, d.Allowed)
	require.Len(t, d.Warnings, 1)
}

// Many debts do not fit the mask; they are judged as one, which is the strict side.
func TestSevenInSevenWithManyDebts(t *testing.T) {
	t.Parallel()
	c := newYork(t)
	ny := c.Zones[0]
	for range 100 {
		c.Debts = append(c.Debts, uuid.New())
	}
	for i := range 7 {
		c.History.Attempts = append(c.History.Attempts, calling.Attempt{
			At: at(t, ny, "2026-06-01 08:00").AddDate(0, 0, i/2), Debts: c.Debts[i : i+1], Outcome: calling.NoAnswer,
		})
	}
	require.Contains(t, codes(ask(c, at(t, ny, "2026-06-05 12:00")).Denials), calling.RuleSevenInSeven)
}

func TestConsentLiftsTheFrequencies(t *testing.T) {
	t.Parallel()
	c := newYork(t)
	ny := c.Zones[0]
	c.Debts = []uuid.UUID{debtA}
	c.History = calls(calling.Conversation, []uuid.UUID{debtA}, at(t, ny, "2026-06-01 10:00"))
	given := at(t, ny, "2026-06-01 10:05")
	consent := calling.Consent{GivenAt: given, Days: 30, Debts: []uuid.UUID{debtA}}
	c.History.Consents = []calling.Consent{consent}
	require.True(t, ask(c, at(t, ny, "2026-06-07 12:00")).Allowed, "the day of consent is the first of seven")
	require.True(t, ask(c, at(t, ny, "2026-06-08 12:00")).Allowed, "both periods are over")

	c.History.Attempts[0].At = at(t, ny, "2026-06-04 10:00")
	require.True(t, ask(c, at(t, ny, "2026-06-07 12:00")).Allowed)
	require.Equal(t, []calling.CallRule{calling.RuleSevenDaysAfterConversation}, codes(ask(c, at(t, ny, "2026-06-08 12:00")).Denials),
		"thirty days of consent are cut to seven")

	withdrawn := at(t, ny, "2026-06-06 12:00")
	c.History.Consents[0].WithdrawnAt = &withdrawn
	require.False(t, ask(c, at(t, ny, "2026-06-07 12:00")).Allowed)
	c.History.Consents[0].WithdrawnAt = nil
	c.History.Consents[0].Debts = []uuid.UUID{debtB}
	require.False(t, ask(c, at(t, ny, "2026-06-07 12:00")).Allowed, "consent for another debt")

	// Calls made under consent do not count once it is over.
	c.History = calling.History{Consents: []calling.Consent{{GivenAt: given, Days: 7}}}
	for n := range 7 {
		c.History.Attempts = append(c.History.Attempts, calling.Attempt{At: at(t, ny, "2026-06-06 11:00").Add(time.Duration(n) * time.Hour), Outcome: calling.NoAnswer})
	}
	require.True(t, ask(c, at(t, ny, "2026-06-08 12:00")).Allowed)
	c.History.Consents = nil
	require.False(t, ask(c, at(t, ny, "2026-06-08 12:00")).Allowed)
}

// A talk on Monday allows the next call on the next Monday.
func TestSevenDaysAfterConversation(t *testing.T) {
	t.Parallel()
	c := newYork(t)
	ny := c.Zones[0]
	c.Debts = []uuid.UUID{debtA}
	monday := at(t, ny, "2026-06-01 15:00")
	for _, outcome := range []calling.CallOutcome{calling.Conversation, calling.Refused, calling.PromiseToPay, calling.CallbackRequested, calling.DNCRequested} {
		for _, direction := range []calling.CallDirection{calling.Inbound, calling.Outbound} {
			c.History = calls(outcome, []uuid.UUID{debtB, debtA}, monday)
			c.History.Attempts[0].Direction = direction
			d := ask(c, at(t, ny, "2026-06-07 20:00"))
			require.Equal(t, []calling.CallRule{calling.RuleSevenDaysAfterConversation}, codes(d.Denials))
			require.Equal(t, "2026-06-08 00:00:00", wall(ny, d.Denials[0].Until))
			require.Equal(t, "2026-06-08 08:00:00", wall(ny, d.EarliestNext))
			require.True(t, ask(c, at(t, ny, "2026-06-08 08:00")).Allowed)
		}
	}
	c.History = calls(calling.Conversation, []uuid.UUID{debtB}, monday)
	require.True(t, ask(c, at(t, ny, "2026-06-02 12:00")).Allowed, "the other debt was talked about")
	c.History = calls(calling.Voicemail, []uuid.UUID{debtA}, monday)
	require.True(t, ask(c, at(t, ny, "2026-06-02 12:00")).Allowed)

	// The date of the conversation is that of the customer's clock, not of UTC.
	honolulu := zone(t, "Pacific/Honolulu")
	c.Zones = []civil.Zone{honolulu}
	c.History = calls(calling.Conversation, nil, at(t, honolulu, "2026-06-01 20:00"))
	d := ask(c, at(t, honolulu, "2026-06-07 12:00"))
	require.Equal(t, "2026-06-08 08:00:00", wall(honolulu, d.EarliestNext))
}

func TestMassachusetts(t *testing.T) {
	t.Parallel()
	c := newYork(t)
	ny := c.Zones[0]
	c.State, c.Debts = "MA", []uuid.UUID{debtA}
	c.History = calls(calling.NoAnswer, []uuid.UUID{debtA}, at(t, ny, "2026-06-01 12:00"), at(t, ny, "2026-06-03 12:00"))
	d := ask(c, at(t, ny, "2026-06-05 12:00"))
	require.Equal(t, []calling.CallRule{calling.RuleMassachusettsWeekly}, codes(d.Denials))
	require.Equal(t, "2026-06-08 12:00:00", wall(ny, d.EarliestNext))
	require.Equal(t, "940 CMR 7.04(1)(f)", d.Denials[0].Source)

	c.History.Attempts[0].Channel = calling.Message
	require.False(t, ask(c, at(t, ny, "2026-06-05 12:00")).Allowed, "text messages count")
	c.History.Attempts[0].Debts = []uuid.UUID{debtB}
	require.True(t, ask(c, at(t, ny, "2026-06-05 12:00")).Allowed, "each debt has its own count")
	c.History.Attempts[0].Debts = nil

	c.Place = calling.Elsewhere
	require.True(t, ask(c, at(t, ny, "2026-06-05 12:00")).Allowed, "work phones have a count of their own")
	c.History.Attempts[0].Place, c.History.Attempts[1].Place = calling.Elsewhere, calling.Elsewhere
	require.Equal(t, "2026-07-01 12:00:00", wall(ny, ask(c, at(t, ny, "2026-06-05 12:00")).EarliestNext))

	c.Policy.Purpose = calling.Servicing
	require.True(t, ask(c, at(t, ny, "2026-06-05 12:00")).Allowed)
}

func TestRolling24Hours(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"FL", "OK"} {
		c := newYork(t)
		ny := c.Zones[0]
		c.State, c.Policy.Purpose = state, calling.Solicitation
		c.Policy.PerPhone24hLimit, c.Policy.MaxAttemptsPerDay, c.Policy.MinIntervalMinutes = 20, 7, 15
		c.History = calls(calling.NoAnswer, nil, at(t, ny, "2026-06-01 12:00"), at(t, ny, "2026-06-01 14:00"), at(t, ny, "2026-06-01 16:00"))
		d := ask(c, at(t, ny, "2026-06-02 11:59"))
		require.Equal(t, []calling.CallRule{calling.RuleRolling24H}, codes(d.Denials))
		require.Equal(t, "2026-06-02 12:00:00", wall(ny, d.EarliestNext))
		c.Policy.Purpose = calling.Collection
		require.True(t, ask(c, at(t, ny, "2026-06-02 11:59")).Allowed)
	}
}

func TestPerPhoneDailyCapAndInterval(t *testing.T) {
	t.Parallel()
	c := newYork(t)
	ny := c.Zones[0]
	c.Policy.MaxAttemptsPerDay, c.Policy.PerPhone24hLimit, c.Policy.MinIntervalMinutes = 7, 2, 60
	c.History = calls(calling.Busy, nil, at(t, ny, "2026-06-01 18:00"), at(t, ny, "2026-06-01 20:00"))
	d := ask(c, at(t, ny, "2026-06-02 12:00"))
	require.Equal(t, []calling.CallRule{calling.RulePerPhone24H}, codes(d.Denials))
	require.Equal(t, "2026-06-02 18:00:00", wall(ny, d.EarliestNext))
	c.Phone = "+12125551213"
	require.True(t, ask(c, at(t, ny, "2026-06-02 12:00")).Allowed, "another number has its own limit")

	d = ask(c, at(t, ny, "2026-06-01 20:30"))
	require.Equal(t, []calling.CallRule{calling.RuleMinInterval}, codes(d.Denials))
	require.Equal(t, "2026-06-01 21:00:00", wall(ny, d.Denials[0].Until))

	c.Policy.MaxAttemptsPerDay = 2
	d = ask(c, at(t, ny, "2026-06-01 20:30"))
	require.Equal(t, []calling.CallRule{calling.RuleDailyCap, calling.RuleMinInterval}, codes(d.Denials))
	require.Equal(t, "2026-06-02 00:00:00", wall(ny, d.Denials[0].Until))
	c.History.Attempts[0].Direction = calling.Inbound
	require.Equal(t, []calling.CallRule{calling.RuleMinInterval}, codes(ask(c, at(t, ny, "2026-06-01 20:30")).Denials))

	// A limit that ends within a second is not over before that second is.
	c.History = calls(calling.Busy, nil, at(t, ny, "2026-06-01 12:00").Add(500*time.Millisecond))
	require.False(t, ask(c, at(t, ny, "2026-06-01 13:00").Add(400*time.Millisecond)).Allowed)
	require.True(t, ask(c, at(t, ny, "2026-06-01 13:00").Add(time.Second)).Allowed)
}

func TestWhatNoWaitingHelps(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 6, 1, 16, 0, 0, 0, time.UTC)
	for code, change := range map[calling.CallRule]func(*calling.Case){
		calling.RuleDoNotCall:    func(c *calling.Case) { c.DoNotCall = true },
		calling.RuleNoPhone:      func(c *calling.Case) { c.Phone = "" },
		calling.RulePhoneBlocked: func(c *calling.Case) { c.PhoneBlocked = true },
		calling.RuleNoZone:       func(c *calling.Case) { c.Zones = nil },
	} {
		c := newYork(t)
		change(&c)
		d := ask(c, noon)
		require.False(t, d.Allowed)
		require.Equal(t, []calling.CallRule{code}, codes(d.Denials))
		require.Nil(t, d.Denials[0].Until)
		require.Nil(t, d.EarliestNext)
		require.Nil(t, d.AllowedUntil)
		p := calling.Plan(calling.PlanInput{Case: c, Now: noon})
		require.Empty(t, p.Slots)
		require.Equal(t, []calling.CallRule{code}, codes(p.Denials))
		for _, d := range p.Days {
			require.Equal(t, code, d.Skipped.Code)
		}
	}
}
