package calling

import (
	"time"

	"caseload/internal/civil"
)

func (e *evaluation) sevenInSeven(at int64) (bool, int64) {
	limits := &e.calendar.limits
	// A call under consent does not count and is permitted in excess of the limit.
	if end := e.consentUntil(at); end > at {
		return false, end
	}
	today := e.dayOf(0, at).date
	if !e.tooManyCalls(today) {
		return false, never
	}
	for n := 1; n <= limits.CallDays; n++ {
		if date := today.AddDays(n); !e.tooManyCalls(date) {
			return true, e.day(0, date).start
		}
	}
	return true, e.day(0, today.AddDays(limits.CallDays+1)).start
}

// tooManyCalls reports whether, for some debt, the consecutive dates that end with this one are full.
func (e *evaluation) tooManyCalls(date civil.Date) bool {
	limits := &e.calendar.limits
	total := 0
	for i := range e.attempts {
		if e.attempts[i].countsOn(date, limits.CallDays) {
			total++
		}
	}
	if total < limits.MaxCalls {
		return false
	}
	for debt := range e.debts {
		count := 0
		for i := range e.attempts {
			if a := &e.attempts[i]; a.debts&(1<<debt) != 0 && a.countsOn(date, limits.CallDays) {
				count++
			}
		}
		if count >= limits.MaxCalls {
			return true
		}
	}
	return false
}

func (a *attempt) countsOn(date civil.Date, days int) bool {
	if !a.countsForRegF {
		return false
	}
	since := date.DaysSince(a.date)
	return since >= 0 && since < days
}

func (e *evaluation) afterConversation(at int64) (bool, int64) {
	if end := e.consentUntil(at); end > at {
		return false, end
	}
	today := e.dayOf(0, at).date
	date := today
	for moved := true; moved; {
		moved = false
		for i := range e.attempts {
			if end, quiet := e.quietAfter(&e.attempts[i], date); quiet {
				date, moved = end, true
			}
		}
	}
	if date == today {
		return false, never
	}
	return true, e.day(0, date).start
}

// quietAfter reports whether the date lies in the days after a conversation, and the first date after
// them. The date of the conversation is the first of these days.
func (e *evaluation) quietAfter(a *attempt, date civil.Date) (civil.Date, bool) {
	if !a.conversation || a.debts == 0 || date.Before(a.date) {
		return date, false
	}
	end := a.date.AddDays(e.calendar.limits.ConversationDays)
	return end, date.Before(end)
}

func (e *evaluation) massachusetts(at int64) (bool, int64) {
	return e.frequency(RuleMassachusettsWeekly, at)
}
func (e *evaluation) rolling24H(at int64) (bool, int64) { return e.frequency(RuleRolling24H, at) }

// frequency answers for all frequency limits of a code that apply to the case.
func (e *evaluation) frequency(code CallRule, at int64) (bool, int64) {
	allowed := at
	for settled := false; !settled; {
		settled = true
		for _, l := range e.frequencies {
			if l.Code != code {
				continue
			}
			debts := 1
			if l.PerDebt {
				debts = e.debts
			}
			for debt := range debts {
				free := e.rolling(allowed, l.Max, int64(l.Period/time.Second), func(a *attempt) bool {
					return a.outbound && (l.CountsMessages || !a.message) && (l.Place == "" || a.place == l.Place) &&
						(!l.PerDebt || a.debts&(1<<debt) != 0)
				})
				if free > allowed {
					allowed, settled = free, false
				}
			}
		}
	}
	if allowed > at {
		return true, allowed
	}
	return false, never
}

func (e *evaluation) perPhone24H(at int64) (bool, int64) {
	allowed := e.rolling(at, e.c.Policy.PerPhone24hLimit, day, func(a *attempt) bool {
		return a.outbound && !a.message && a.thisPhone
	})
	if allowed > at {
		return true, allowed
	}
	return false, never
}

// rolling returns the first instant from at on at which one more contact leaves no period, half-open
// and wherever it lies, with more than limit contacts. Contacts after at count as well: planning puts
// preferred times first and then looks for earlier ones.
func (e *evaluation) rolling(at int64, limit int, period int64, counts func(*attempt) bool) int64 {
	s := e.scratch[:0]
	for i := range e.attempts {
		if a := &e.attempts[i]; counts(a) {
			s = append(s, a.at)
		}
	}
	e.scratch = s
	if limit <= 0 {
		return never
	}
	for settled := false; !settled; {
		settled = true
		for i := 0; i+limit <= len(s); i++ {
			first, last := s[i], s[i+limit-1]
			if max(at, last)-min(at, first) < period {
				at, settled = first+period, false
			}
		}
	}
	return at
}

func (e *evaluation) dailyCap(at int64) (bool, int64) {
	d := e.dayOf(0, at)
	count := 0
	for i := range e.attempts {
		if a := &e.attempts[i]; a.outbound && !a.message && a.date == d.date {
			count++
		}
	}
	if count < e.c.Policy.MaxAttemptsPerDay {
		return false, never
	}
	if e.c.Policy.MaxAttemptsPerDay <= 0 {
		return true, never
	}
	end := d.end
	// The next day may be full too, where attempts lie after the moment in question.
	if denied, change := e.dailyCap(end); denied {
		end = change
	}
	return true, end
}

func (e *evaluation) minInterval(at int64) (bool, int64) {
	interval := int64(e.c.Policy.MinIntervalMinutes) * 60
	allowed := at
	for i := range e.attempts {
		a := &e.attempts[i]
		if a.outbound && !a.message && allowed-a.at < interval && a.at-allowed < interval {
			allowed = a.at + interval
		}
	}
	if allowed > at {
		return true, allowed
	}
	return false, never
}
