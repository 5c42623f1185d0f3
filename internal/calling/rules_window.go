package calling

import "caseload/internal/civil"

func when(denied bool) (bool, int64) { return denied, never }

func (e *evaluation) doNotCall(int64) (bool, int64)    { return when(e.c.DoNotCall) }
func (e *evaluation) noPhone(int64) (bool, int64)      { return when(e.c.Phone == "") }
func (e *evaluation) phoneBlocked(int64) (bool, int64) { return when(e.c.PhoneBlocked) }
func (e *evaluation) noZone(int64) (bool, int64)       { return when(len(e.zones) == 0) }

// inWindow answers for a rule that allows one half-open interval on each local day.
func (e *evaluation) inWindow(zone int, at int64, window func(*localDay) (from, to int64)) (bool, int64) {
	d := e.dayOf(zone, at)
	for range searchDays {
		if from, to := window(d); at < to && from < to {
			if from <= at {
				return false, to
			}
			return true, from
		}
		d = e.day(zone, d.date.AddDays(1))
	}
	return true, never
}

// inEveryZone answers for a rule that holds in each of the zones from the given one on.
func (e *evaluation) inEveryZone(first int, at int64, check func(zone int, at int64) (bool, int64)) (bool, int64) {
	allowed, ends := at, int64(never)
	for settled := false; !settled; {
		settled, ends = true, never
		for z := first; z < len(e.zones); z++ {
			denied, change := check(z, allowed)
			switch {
			case !denied:
				ends = min(ends, change)
			case change == never || change > at+searchDays*day:
				return true, never
			default:
				allowed, settled = change, false
			}
		}
	}
	if allowed > at {
		return true, allowed
	}
	return false, ends
}

func legalHours(d *localDay) (int64, int64) { return d.legalFrom, d.legalTo }

func (e *evaluation) federalWindow(at int64) (bool, int64) { return e.inWindow(0, at, legalHours) }

func (e *evaluation) zoneConflict(at int64) (bool, int64) {
	if len(e.zones) < 2 {
		return false, never
	}
	return e.inEveryZone(1, at, func(zone int, at int64) (bool, int64) { return e.inWindow(zone, at, legalHours) })
}

func (e *evaluation) stateHoliday(at int64) (bool, int64) {
	if len(e.calendar.holidays) == 0 {
		return false, never
	}
	return e.inEveryZone(0, at, func(zone int, at int64) (bool, int64) {
		return e.inWindow(zone, at, func(d *localDay) (int64, int64) {
			if d.closedByHoliday {
				return d.start, d.start
			}
			return d.start, d.end
		})
	})
}

func (e *evaluation) stateWindow(at int64) (bool, int64) {
	if e.state == nil && e.everywhere == nil {
		return false, never
	}
	return e.inEveryZone(0, at, func(zone int, at int64) (bool, int64) {
		return e.inWindow(zone, at, func(d *localDay) (int64, int64) { return d.stateFrom, d.stateTo })
	})
}

func (e *evaluation) skippedHoliday(at int64) (bool, int64) {
	if !e.c.Policy.SkipHolidays {
		return false, never
	}
	return e.inWindow(0, at, func(d *localDay) (int64, int64) {
		if d.holiday != nil {
			return d.start, d.start
		}
		return d.start, d.end
	})
}

// taskWindow is the company's choice and protects nobody: it holds on the customer's own clock only.
func (e *evaluation) taskWindow(at int64) (bool, int64) {
	return e.inWindow(0, at, func(d *localDay) (int64, int64) { return d.taskFrom, d.taskTo })
}

func (e *evaluation) inconvenient(at int64) (bool, int64) {
	if len(e.c.Inconvenient) == 0 {
		return false, never
	}
	return e.inEveryZone(0, at, func(zone int, at int64) (bool, int64) {
		allowed, ends := at, int64(never)
		for settled := false; !settled; {
			settled, ends = true, never
			today := e.dayOf(zone, allowed).date
			for i := range e.c.Inconvenient {
				// Yesterday's may reach into today; tomorrow's may end today's allowed time.
				for n := -1; n <= 1; n++ {
					from, to := e.inconvenientOn(zone, &e.c.Inconvenient[i], today.AddDays(n))
					switch {
					case from <= allowed && allowed < to:
						allowed, settled = to, false
					case allowed < from && from < to:
						ends = min(ends, from)
					}
				}
			}
			if allowed > at+searchDays*day {
				return true, never
			}
		}
		if allowed > at {
			return true, allowed
		}
		return false, ends
	})
}

// inconvenientOn returns when an inconvenient time of this date begins and ends: with the first
// occurrence of From and the last of To, as it closes time rather than opening it.
func (e *evaluation) inconvenientOn(zone int, w *InconvenientTime, date civil.Date) (from, to int64) {
	if !w.Weekdays.Has(date.Weekday()) || (w.Place != "" && w.Place != e.place) {
		return 0, 0
	}
	location := e.zones[zone].zone.Location()
	from, _ = date.UnixAt(w.From, location)
	if !w.From.Before(w.To) {
		date = date.AddDays(1)
	}
	_, to = date.UnixAt(w.To, location)
	return from, to
}
