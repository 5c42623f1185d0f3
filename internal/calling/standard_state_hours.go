package calling

import (
	"time"

	"caseload/internal/civil"
)

// StandardStateWindows returns the hours of the states for solicitations, as rows for a table: states
// that are not in it follow the federal window alone. The slice is the caller's own.
//
// The published tables do not agree everywhere. Where they conflict the stricter row is here, and its
// source says so.
func StandardStateWindows() []StateWindow {
	const (
		tables  = "state telephone solicitation hours, comparison tables of 2025"
		older   = "state telephone solicitation hours, VICIdial default rows of 2013; not confirmed by newer tables"
		holiday = true
	)
	asOf := civil.MustDate(2025, time.January, 1)
	oldAsOf := civil.MustDate(2013, time.January, 1)
	at := func(hour, minute int) civil.LocalTime { return civil.MustLocalTime(hour, minute) }
	weekdaysAndSaturday := MondayFriday | SaturdayOnly

	var rows []StateWindow
	open := func(days Weekdays, onHoliday bool, from, to civil.LocalTime, source string, asOf civil.Date, states ...string) {
		for _, s := range states {
			rows = append(rows, StateWindow{
				State: s, Weekdays: days, Holiday: onHoliday, From: from, To: to,
				AppliesTo: []CallPurpose{Solicitation}, Source: source, AsOf: asOf,
			})
		}
	}
	closed := func(days Weekdays, onHoliday bool, source string, asOf civil.Date, states ...string) {
		for _, s := range states {
			rows = append(rows, StateWindow{
				State: s, Weekdays: days, Holiday: onHoliday, Closed: true,
				AppliesTo: []CallPurpose{Solicitation}, Source: source, AsOf: asOf,
			})
		}
	}
	// everyDay is for states whose tables name the same hours for weekdays, week-ends and holidays.
	everyDay := func(from, to civil.LocalTime, states ...string) {
		open(EveryDay, !holiday, from, to, tables, asOf, states...)
		open(EveryDay, holiday, from, to, tables, asOf, states...)
	}

	open(weekdaysAndSaturday, !holiday, at(8, 0), at(20, 0), tables, asOf, "AL", "LA", "MS")
	closed(SundayOnly, !holiday, tables, asOf, "AL", "LA", "MS")
	closed(EveryDay, holiday, tables, asOf, "AL", "LA")
	open(EveryDay, holiday, at(8, 0), at(20, 0), tables, asOf, "MS")
	everyDay(at(9, 0), at(20, 0), "CT", "NV")
	everyDay(at(8, 0), at(20, 0), "FL", "OK", "MD", "MA")
	everyDay(at(10, 0), at(21, 0), "KY")
	everyDay(at(9, 0), at(21, 0), "MI", "MN", "NM")

	open(MondayFriday, !holiday, at(8, 0), at(21, 0), tables, asOf, "PA")
	open(SaturdayOnly, !holiday, at(8, 0), at(12, 0),
		"comparison tables of 2025 conflict on Pennsylvania Saturdays (until 21:00, or until 12:00); the stricter is used", asOf, "PA")
	open(SundayOnly, !holiday, at(13, 30), at(21, 0), older, oldAsOf, "PA")
	closed(EveryDay, holiday, tables, asOf, "PA")

	open(MondayFriday, !holiday, at(9, 0), at(18, 0), tables, asOf, "RI")
	open(SaturdayOnly, !holiday, at(10, 0), at(17, 0), older, oldAsOf, "RI")
	closed(SundayOnly, !holiday, tables, asOf, "RI")
	closed(EveryDay, holiday, tables, asOf, "RI")

	open(weekdaysAndSaturday, !holiday, at(8, 0), at(21, 0), older, oldAsOf, "SD")
	closed(SundayOnly, !holiday, older, oldAsOf, "SD")
	open(weekdaysAndSaturday, !holiday, at(9, 0), at(21, 0), older, oldAsOf, "TX")
	open(SundayOnly, !holiday, at(12, 0), at(21, 0), older, oldAsOf, "TX")
	open(EveryDay, !holiday, at(9, 0), at(20, 0), older, oldAsOf, "IN")
	open(EveryDay, !holiday, at(9, 0), at(20, 0),
		"tables conflict on the hours of Utah; the strictest of them (VICIdial default rows of 2013) is used", oldAsOf, "UT")
	open(EveryDay, !holiday, at(8, 0), at(20, 0), tables, asOf, "WY")
	open(EveryDay, !holiday, at(8, 0), at(20, 0),
		"tables conflict on the hours of Washington (until 20:00, or until 21:00); the stricter is used", asOf, "WA")
	return rows
}
