package calling

import (
	"fmt"

	"caseload/internal/civil"
)

// Holiday is one day off, of the federation or of one state. Each date is a row, so a day declared at
// short notice is an insert.
type Holiday struct {
	// State is the USPS code; "" or "US" is a holiday of the federation, which counts in every state.
	State string
	Date  civil.Date
	Name  string
	// ClosesCalls forbids calls to the state on that day whatever its windows say.
	ClosesCalls bool
	Source      string
	AsOf        civil.Date
}

// Calendar is the law by place and date: limits, windows of states and of the company, holidays. It is
// compiled once, never changes, and may be used by any number of goroutines.
type Calendar struct {
	limits   LegalLimits
	states   map[string]*stateCalendar
	holidays map[holidayKey]*Holiday
}

type holidayKey struct {
	state string
	date  civil.Date
}

// stateCalendar answers by purpose, whether the date is a holiday, and weekday (Sunday is 0).
type stateCalendar [len(purposeList)][2][7]hours

// hours are the intersection of all rows that fit; the row of each bound is kept for the citation.
type hours struct {
	from, to *StateWindow
	closed   *StateWindow
}

// NewCalendar compiles the limits, the windows of states and companies, and holidays. Company windows
// go in with the others: they intersect. It fails on a row that is wrong by itself.
func NewCalendar(limits LegalLimits, windows []StateWindow, holidays []Holiday) (*Calendar, error) {
	if !limits.Window.IsValid() {
		return nil, fmt.Errorf("compile calendar: the legal window must open before it closes")
	}
	c := &Calendar{limits, make(map[string]*stateCalendar), make(map[holidayKey]*Holiday, len(holidays))}
	for i := range windows {
		w := windows[i]
		if err := w.Validate(); err != nil {
			return nil, fmt.Errorf("compile calendar: window %d: %w", i, err)
		}
		c.add(&w)
	}
	for i := range holidays {
		h := holidays[i]
		key := holidayKey{federalAsEmpty(h.State), h.Date}
		if known, ok := c.holidays[key]; ok && known.ClosesCalls {
			continue
		}
		c.holidays[key] = &h
	}
	return c, nil
}

// federalCalendar is used where no calendar was given: the federal limits hold nevertheless.
func federalCalendar() *Calendar { return &Calendar{limits: FederalLimits()} }

// Limits returns the legal limits of the calendar.
func (c *Calendar) Limits() LegalLimits { return c.limits }

func federalAsEmpty(state string) string {
	if state == "US" {
		return ""
	}
	return state
}

func (c *Calendar) add(w *StateWindow) {
	state := c.states[w.State]
	if state == nil {
		state = new(stateCalendar)
		c.states[w.State] = state
	}
	for p := range purposeList {
		if !sharePurpose(w.AppliesTo, purposeList[p:p+1]) {
			continue
		}
		for d := range 7 {
			if !w.Weekdays.Has(weekdays[d]) {
				continue
			}
			if !w.Holiday {
				state[p][0][d].intersect(w)
			}
			// The rows of the weekday hold on a holiday too: Sunday stays closed where holidays are open.
			state[p][1][d].intersect(w)
		}
	}
}

func (h *hours) intersect(w *StateWindow) {
	if w.Closed {
		if h.closed == nil {
			h.closed = w
		}
		return
	}
	if h.from == nil || w.From.After(h.from.From) {
		h.from = w
	}
	if h.to == nil || w.To.Before(h.to.To) {
		h.to = w
	}
}

// on returns the hours of a state on a date for calls of a purpose.
func (s *stateCalendar) on(purpose int, holiday bool, date civil.Date) *hours {
	if s == nil {
		return &noHours
	}
	kind := 0
	if holiday {
		kind = 1
	}
	return &s[purpose][kind][date.Weekday()]
}

// noHours is what a state without rows says: nothing. It is never written to.
var noHours hours

// holiday returns the holiday of the state or of the federation on the date, the one that forbids
// calls first; nil when it is none.
func (c *Calendar) holiday(state string, date civil.Date) *Holiday {
	if len(c.holidays) == 0 {
		return nil
	}
	federal := c.holidays[holidayKey{"", date}]
	if state == "" {
		return federal
	}
	own := c.holidays[holidayKey{state, date}]
	if own == nil || (federal != nil && federal.ClosesCalls && !own.ClosesCalls) {
		return federal
	}
	return own
}
