package calling

import (
	"fmt"
	"time"
)

func say(text string) func(*evaluation, int64) string {
	return func(*evaluation, int64) string { return text }
}

func none(*evaluation, int64) string    { return "" }
func company(*evaluation, int64) string { return "task type configuration" }

func doNotCallSource(e *evaluation, _ int64) string {
	return e.calendar.limits.DoNotCallCitation.Source
}
func federalSource(e *evaluation, _ int64) string { return e.calendar.limits.WindowCitation.Source }
func conflictSource(e *evaluation, _ int64) string {
	return e.calendar.limits.ConflictCitation.Source
}
func inconvenientSource(e *evaluation, _ int64) string {
	return e.calendar.limits.InconvenientCitation.Source
}
func callsSource(e *evaluation, _ int64) string { return e.calendar.limits.CallCitation.Source }
func conversationSource(e *evaluation, _ int64) string {
	return e.calendar.limits.ConversationCitation.Source
}

func federalText(e *evaluation, _ int64) string {
	return fmt.Sprintf("calls are allowed from %s at the customer's location, beginning no later than %d minutes before the end",
		e.calendar.limits.Window, e.guard/60)
}

func conflictText(e *evaluation, at int64) string {
	for z := 1; z < len(e.zones); z++ {
		if denied, _ := e.inWindow(z, at, legalHours); denied {
			return fmt.Sprintf("the phone number or the address speaks for %s, where calls are allowed from %s too",
				e.zones[z].zone.Name(), e.calendar.limits.Window)
		}
	}
	return "the customer may be in another time zone, where calls are not allowed at this time"
}

// deniedDay returns the day in the zone to whose window at does not belong.
func (e *evaluation) deniedDay(at int64, window func(*localDay) (int64, int64)) *localDay {
	for z := range e.zones {
		d := e.dayOf(z, at)
		if from, to := window(d); at < from || at >= to {
			return d
		}
	}
	return e.dayOf(0, at)
}

func (e *evaluation) holidayAt(at int64) *Holiday {
	return e.deniedDay(at, func(d *localDay) (int64, int64) {
		if d.holiday != nil && d.closedByHoliday {
			return d.start, d.start
		}
		return d.start, d.end
	}).holiday
}

func stateHolidayText(e *evaluation, at int64) string {
	if h := e.holidayAt(at); h != nil {
		return fmt.Sprintf("%s allows no such calls on %s", e.stateName(), h.Name)
	}
	return "the customer's state allows no such calls on this holiday"
}

func stateHolidaySource(e *evaluation, at int64) string {
	d := e.deniedDay(at, func(d *localDay) (int64, int64) {
		if d.closedByHoliday {
			return d.start, d.start
		}
		return d.start, d.end
	})
	switch {
	case d.holiday != nil && d.holiday.ClosesCalls:
		return d.holiday.Source
	case d.stateHours.closed != nil:
		return d.stateHours.closed.Source
	case d.everywhere.closed != nil:
		return d.everywhere.closed.Source
	}
	return ""
}

func (e *evaluation) stateName() string {
	if e.c.State == "" {
		return "the company"
	}
	return e.c.State
}

func (e *evaluation) stateDay(at int64) *localDay {
	return e.deniedDay(at, func(d *localDay) (int64, int64) { return d.stateFrom, d.stateTo })
}

func stateText(e *evaluation, at int64) string {
	d := e.stateDay(at)
	for _, h := range [2]*hours{d.stateHours, d.everywhere} {
		if h.closed != nil {
			return fmt.Sprintf("%s allows no such calls on this day of the week", e.stateName())
		}
	}
	for _, h := range [2]*hours{d.stateHours, d.everywhere} {
		if h.from != nil {
			return fmt.Sprintf("%s allows such calls on this day from %s to %s, beginning no later than %d minutes before the end",
				e.stateName(), h.from.From, h.to.To, e.guard/60)
		}
	}
	return "the customer's state allows no such calls at this time"
}

// stateSource cites the row whose bound the moment is beyond.
func stateSource(e *evaluation, at int64) string {
	d := e.stateDay(at)
	var bound *StateWindow
	for _, h := range [2]*hours{d.stateHours, d.everywhere} {
		switch {
		case h.closed != nil:
			return h.closed.Source
		case h.from == nil:
		case at < d.stateFrom && (bound == nil || h.from.From.After(bound.From)):
			bound = h.from
		case at >= d.stateTo && (bound == nil || h.to.To.Before(bound.To)):
			bound = h.to
		}
	}
	if bound == nil {
		return ""
	}
	return bound.Source
}

func callsText(e *evaluation, _ int64) string {
	l := &e.calendar.limits
	return fmt.Sprintf("there were %d calls about the debt within %d consecutive days", l.MaxCalls, l.CallDays)
}

func conversationText(e *evaluation, _ int64) string {
	return fmt.Sprintf("a conversation about the debt closes %d days, its own date being the first", e.calendar.limits.ConversationDays)
}

func frequencyText(code CallRule) func(*evaluation, int64) string {
	return func(e *evaluation, _ int64) string {
		for _, l := range e.frequencies {
			if l.Code == code {
				return fmt.Sprintf("%s allows at most %d contacts in any %d hours", e.c.State, l.Max, l.Period/time.Hour)
			}
		}
		return "the customer's state allows no more contacts at this time"
	}
}

func frequencySource(code CallRule) func(*evaluation, int64) string {
	return func(e *evaluation, _ int64) string {
		for _, l := range e.frequencies {
			if l.Code == code {
				return l.Citation.Source
			}
		}
		return ""
	}
}

func perPhoneText(e *evaluation, _ int64) string {
	return fmt.Sprintf("this number is dialed at most %d times in any 24 hours", e.c.Policy.PerPhone24hLimit)
}

func dailyText(e *evaluation, _ int64) string {
	return fmt.Sprintf("the customer is called at most %d times a day", e.c.Policy.MaxAttemptsPerDay)
}

func intervalText(e *evaluation, _ int64) string {
	return fmt.Sprintf("there are at least %d minutes between two calls to the customer", e.c.Policy.MinIntervalMinutes)
}

func holidayText(e *evaluation, at int64) string {
	if h := e.dayOf(0, at).holiday; h != nil {
		return "this kind of task leaves out " + h.Name
	}
	return "this kind of task leaves out holidays"
}

func taskText(e *evaluation, _ int64) string {
	return fmt.Sprintf("this kind of task is done from %s on %s", e.c.Policy.Window, e.c.Policy.Days)
}
