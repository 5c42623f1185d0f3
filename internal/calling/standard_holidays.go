package calling

import (
	"slices"
	"time"

	"caseload/internal/civil"
)

// StandardHolidays returns the holidays whose dates lie in the years from fromYear to toYear, as rows
// for a table, in order of date within each state: those of the federation, on their own date and on
// the date on which they are observed, and those of states that restrict calls on holidays.
//
// CallTaskStates observe by rules of their own: Alabama shifts Sunday to Monday and Saturday to Friday,
// Mississippi only Sunday to Monday. Days that a state declares at short notice, and the list of the
// Louisiana Public Service Commission, are for the company to add.
func StandardHolidays(fromYear, toYear int) []Holiday {
	var rows []Holiday
	// The New Year after the last year may be observed on its last day.
	for year := fromYear; year <= toYear+1; year++ {
		rows = append(rows, federalHolidays(year)...)
	}
	for year := fromYear; year <= toYear+1; year++ {
		rows = append(rows, stateHolidays(year)...)
	}
	kept := rows[:0]
	for _, h := range rows {
		if y := h.Date.Year(); y >= fromYear && y <= toYear {
			kept = append(kept, h)
		}
	}
	return kept
}

// shift is how a holiday on a day off is moved.
type shift struct {
	saturdayToFriday bool
	sundayToMonday   bool
}

func (s shift) observed(d civil.Date) civil.Date {
	switch {
	case s.saturdayToFriday && d.Weekday() == time.Saturday:
		return d.AddDays(-1)
	case s.sundayToMonday && d.Weekday() == time.Sunday:
		return d.AddDays(1)
	}
	return d
}

// fixedHoliday is a holiday on the same date each year; only such dates can fall on a day off.
type fixedHoliday struct {
	month time.Month
	day   int
	name  string
}

// fixedHolidays are those of 5 U.S.C. 6103(a); Alabama and Mississippi have the same.
var fixedHolidays = [...]fixedHoliday{
	{time.January, 1, "New Year's Day"},
	{time.June, 19, "Juneteenth National Independence Day"},
	{time.July, 4, "Independence Day"},
	{time.November, 11, "Veterans Day"},
	{time.December, 25, "Christmas Day"},
}

func federalHolidays(year int) []Holiday {
	const (
		source   = "5 U.S.C. 6103(a)"
		observed = "5 U.S.C. 6103(b); Executive Order 11582"
	)
	rows := []Holiday{
		holidayOn("", nth(year, time.January, time.Monday, 3), "Birthday of Martin Luther King, Jr.", source),
		holidayOn("", nth(year, time.February, time.Monday, 3), "Washington's Birthday", source),
		holidayOn("", last(year, time.May, time.Monday), "Memorial Day", source),
		holidayOn("", nth(year, time.September, time.Monday, 1), "Labor Day", source),
		holidayOn("", nth(year, time.October, time.Monday, 2), "Columbus Day", source),
		holidayOn("", nth(year, time.November, time.Thursday, 4), "Thanksgiving Day", source),
	}
	for _, f := range fixedHolidays {
		date := civil.MustDate(year, f.month, f.day)
		rows = append(rows, holidayOn("", date, f.name, source))
		if on := (shift{true, true}).observed(date); on != date {
			rows = append(rows, holidayOn("", on, f.name+" (observed)", observed))
		}
	}
	sortHolidays(rows)
	return rows
}

// stateHolidays are the holidays of states whose call windows know holidays, besides the federal ones.
func stateHolidays(year int) []Holiday {
	const (
		alabama     = "Ala. Code 1-3-8"
		mississippi = "Miss. Code 3-3-7"
		rhodeIsland = "R.I. Gen. Laws 25-1-1"
	)
	rows := []Holiday{
		holidayOn("AL", nth(year, time.April, time.Monday, 4), "Confederate Memorial Day", alabama),
		holidayOn("AL", nth(year, time.June, time.Monday, 1), "Jefferson Davis' Birthday", alabama),
	}
	rows = append(rows, shifted("AL", year, shift{saturdayToFriday: true, sundayToMonday: true}, alabama)...)
	sortHolidays(rows)
	inMississippi := append(shifted("MS", year, shift{sundayToMonday: true}, mississippi),
		holidayOn("MS", last(year, time.April, time.Monday), "Confederate Memorial Day", mississippi))
	sortHolidays(inMississippi)
	rows = append(rows, inMississippi...)
	return append(rows, holidayOn("RI", nth(year, time.August, time.Monday, 2), "Victory Day", rhodeIsland))
}

// shifted returns the days on which a state observes the fixed holidays by its own rule.
func shifted(state string, year int, s shift, source string) []Holiday {
	var rows []Holiday
	for _, f := range fixedHolidays {
		date := civil.MustDate(year, f.month, f.day)
		if on := s.observed(date); on != date {
			rows = append(rows, holidayOn(state, on, f.name+" (observed)", source))
		}
	}
	return rows
}

func holidayOn(state string, date civil.Date, name, source string) Holiday {
	return Holiday{State: state, Date: date, Name: name, Source: source, AsOf: civil.MustDate(2025, time.January, 1)}
}

func nth(year int, month time.Month, day time.Weekday, n int) civil.Date {
	first := civil.MustDate(year, month, 1)
	return first.AddDays((int(day)-int(first.Weekday())+7)%7 + (n-1)*7)
}

func last(year int, month time.Month, day time.Weekday) civil.Date {
	if d := nth(year, month, day, 5); sameMonth(d, month) {
		return d
	}
	return nth(year, month, day, 4)
}

func sameMonth(d civil.Date, month time.Month) bool {
	_, m, _ := d.YMD()
	return m == month
}

func sortHolidays(rows []Holiday) {
	slices.SortFunc(rows, func(a, b Holiday) int { return a.Date.Compare(b.Date) })
}
