package calling

import (
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"caseload/internal/civil"
)

// Case is everything that the calling rules look at, besides the moment. It is read, never changed.
type Case struct {
	// Zones in which the consumer may be, their own first; see [CandidateZones]. None denies all calls.
	Zones []civil.Zone
	// State is the USPS code of the consumer's address, "" when unknown.
	State string
	// Phone to be dialed, as E.164; "" denies all calls.
	Phone string
	// Place is what kind of phone it is; "" is the consumer's home or cell.
	Place Place
	// PhoneBlocked: the number was found wrong or out of service.
	PhoneBlocked bool
	// DoNotCall: the consumer revoked consent to be called.
	DoNotCall bool
	// Policy of the task type.
	Policy Policy
	// Debts that the call is about; none makes all contacts with the person count.
	Debts []uuid.UUID
	// Calendar of the law; nil is federal law alone.
	Calendar     *Calendar
	Inconvenient []InconvenientTime
	History      History
	// OverrideRegF turns the frequencies of Regulation F into warnings: they are presumptions that a
	// supervisor may rebut. The caller checks the permission, asks for a reason and audits.
	OverrideRegF bool
}

const (
	// never is the instant of a change that does not come by waiting.
	never = math.MaxInt64
	// searchDays is how far ahead the rules look for an allowed moment.
	searchDays = 62
	day        = 24 * 60 * 60
	// maxDebts fit into a mask; a task with more counts as one about all debts, which is stricter.
	maxDebts = 64
)

// evaluation is a case prepared for questions about many moments. Instants are seconds since 1970.
// It is used by one goroutine; planning adds the calls it plans to the attempts.
type evaluation struct {
	c           *Case
	calendar    *Calendar
	state       *stateCalendar
	everywhere  *stateCalendar
	purpose     int
	place       Place
	guard       int64
	frequencies []*FrequencyLimit
	zones       []zoneClock
	// attempts are in order of time.
	attempts []attempt
	consents []consent
	// debts is the number of counts that Regulation F keeps for this task: one per debt, at least one.
	debts   int
	scratch []int64

	// The arrays save allocations where the slices above are short.
	zoneArray      [3]zoneClock
	frequencyArray [4]*FrequencyLimit
	scratchArray   [32]int64
}

// attempt is an [Attempt] as this case sees it.
type attempt struct {
	at   int64
	date civil.Date
	// debts of this task that it is about, as bits.
	debts         uint64
	outbound      bool
	message       bool
	thisPhone     bool
	place         Place
	countsForRegF bool
	conversation  bool
}

// consent is a [Consent] that covers all debts of this case, as [from, to).
type consent struct{ from, to int64 }

// zoneClock is the wall clock of one candidate zone, with the windows of the days last asked for.
type zoneClock struct {
	zone civil.Zone
	days [4]localDay
}

// localDay is one date in one zone. Its windows are half-open and may be empty (end not after start).
type localDay struct {
	known                  bool
	date                   civil.Date
	start, end             int64
	legalFrom, legalTo     int64
	stateFrom, stateTo     int64
	taskFrom, taskTo       int64
	holiday                *Holiday
	stateHours, everywhere *hours
	// closedByHoliday: the day would be open were it no holiday.
	closedByHoliday bool
}

func newEvaluation(c *Case, now time.Time, planned int) *evaluation {
	e := &evaluation{c: c, calendar: c.Calendar, place: c.Place.orDefault(), purpose: c.Policy.purposeIndex()}
	if e.calendar == nil {
		e.calendar = federalCalendar()
	}
	e.state, e.everywhere = e.calendar.states[c.State], e.calendar.states[""]
	if c.State == "" {
		e.state = nil
	}
	e.guard = int64(max(c.Policy.EndGuardMinutes, 0)) * 60
	e.scratch = e.scratchArray[:0]
	e.zones = e.zoneArray[:0]
	for _, z := range c.Zones {
		if !z.IsZero() {
			e.zones = append(e.zones, zoneClock{zone: z})
		}
	}
	e.frequencies = e.frequencyArray[:0]
	for i := range e.calendar.limits.Frequencies {
		if l := &e.calendar.limits.Frequencies[i]; l.applies(c.State, purposeList[e.purpose], e.place) {
			e.frequencies = append(e.frequencies, l)
		}
	}
	e.debts = 1
	if len(c.Debts) > 1 && len(c.Debts) <= maxDebts {
		e.debts = len(c.Debts)
	}
	if len(e.zones) > 0 {
		e.readConsents()
	}
	e.readAttempts(now, planned)
	return e
}

func (e *evaluation) readConsents() {
	for i := range e.c.History.Consents {
		g := &e.c.History.Consents[i]
		days := min(g.Days, e.calendar.limits.ConsentDays)
		if days <= 0 || !coversAll(g.Debts, e.c.Debts) {
			continue
		}
		from := ceilSecond(g.GivenAt)
		to := e.dayOf(0, from).date.AddDays(days).In(e.zones[0].zone.Location()).Unix()
		if g.WithdrawnAt != nil {
			to = min(to, g.WithdrawnAt.Unix())
		}
		if from < to {
			e.consents = append(e.consents, consent{from, to})
		}
	}
}

func (e *evaluation) readAttempts(now time.Time, planned int) {
	from := now.Unix() - e.lookback()
	e.attempts = make([]attempt, 0, len(e.c.History.Attempts)+planned)
	for i := range e.c.History.Attempts {
		a := &e.c.History.Attempts[i]
		// Up to the next whole second: a limit must not end a fraction early.
		at := ceilSecond(a.At)
		if at < from {
			continue
		}
		consequences := a.Outcome.Consequences()
		consumer := a.Party == "" || a.Party == Consumer
		outbound, message := a.Direction != Inbound, a.Channel == Message
		seen := attempt{
			at: at, debts: e.debtMask(a.Debts), outbound: outbound, message: message,
			thisPhone: a.Phone == e.c.Phone, place: a.Place.orDefault(),
			countsForRegF: outbound && !message && consumer && !a.NotConnected && consequences.CountsForFrequency && !e.consented(at),
			conversation:  !message && consumer && consequences.IsConversation,
		}
		if len(e.zones) > 0 {
			seen.date = e.dayOf(0, at).date
		}
		e.attempts = append(e.attempts, seen)
	}
	slices.SortFunc(e.attempts, func(a, b attempt) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
}

// lookback is the longest time, in seconds, for which a contact can matter.
func (e *evaluation) lookback() int64 {
	longest := int64(HistorySpan / time.Second)
	for _, l := range e.frequencies {
		longest = max(longest, int64(l.Period/time.Second)+day)
	}
	limits := &e.calendar.limits
	return max(longest, int64(max(limits.CallDays, limits.ConversationDays)+1)*day)
}

// plan adds a call that is going to be made: until it is made it counts like one that rang.
func (e *evaluation) plan(at int64, date civil.Date) {
	i := len(e.attempts)
	for i > 0 && e.attempts[i-1].at > at {
		i--
	}
	e.attempts = slices.Insert(e.attempts, i, attempt{
		at: at, date: date, debts: ^uint64(0), outbound: true, thisPhone: true, place: e.place,
		countsForRegF: !e.consented(at),
	})
}

// debtMask returns which debts of the task a contact was about. Where either side names none, or the
// task has too many to tell apart, it was about all of them.
func (e *evaluation) debtMask(debts []uuid.UUID) uint64 {
	if len(debts) == 0 || len(e.c.Debts) == 0 || len(e.c.Debts) > maxDebts {
		return ^uint64(0)
	}
	var mask uint64
	for i, d := range e.c.Debts {
		if slices.Contains(debts, d) {
			mask |= 1 << i
		}
	}
	return mask
}

func coversAll(granted, asked []uuid.UUID) bool {
	if len(granted) == 0 {
		return true
	}
	if len(asked) == 0 {
		return false
	}
	for _, d := range asked {
		if !slices.Contains(granted, d) {
			return false
		}
	}
	return true
}

func (e *evaluation) consented(at int64) bool { return e.consentUntil(at) > at }

// consentUntil returns when the consent that covers at ends, or at itself when none does.
func (e *evaluation) consentUntil(at int64) int64 {
	end := at
	for _, c := range e.consents {
		if c.from <= at && at < c.to {
			end = max(end, c.to)
		}
	}
	return end
}

// dayOf returns the local day in which at lies.
func (e *evaluation) dayOf(zone int, at int64) *localDay {
	z := &e.zones[zone]
	for i := range z.days {
		if d := &z.days[i]; d.known && d.start <= at && at < d.end {
			return d
		}
	}
	return e.day(zone, civil.DateIn(time.Unix(at, 0), z.zone.Location()))
}

// day returns a local day with its windows. The result is good until another four days were asked for.
func (e *evaluation) day(zone int, date civil.Date) *localDay {
	z := &e.zones[zone]
	d := &z.days[date.UnixDay()&3]
	if d.known && d.date == date {
		return d
	}
	clock := clockOn(date, z.zone)
	*d = localDay{known: true, date: date}
	d.start, _ = clock.at(0)
	d.end, _ = clock.at(24 * 60)
	d.legalFrom, d.legalTo = clock.window(e.calendar.limits.Window)
	d.legalTo -= e.guard
	e.readState(d, &clock)
	if e.c.Policy.Days.Has(date.Weekday()) {
		d.taskFrom, d.taskTo = clock.window(e.c.Policy.Window)
	}
	return d
}

// readState intersects the hours of the state with those that hold everywhere.
func (e *evaluation) readState(d *localDay, clock *dayClock) {
	d.holiday = e.calendar.holiday(e.c.State, d.date)
	d.stateHours = e.state.on(e.purpose, d.holiday != nil, d.date)
	d.everywhere = e.everywhere.on(e.purpose, d.holiday != nil, d.date)
	d.stateFrom, d.stateTo = d.start, d.end
	if d.holiday != nil {
		ordinary, general := e.state.on(e.purpose, false, d.date), e.everywhere.on(e.purpose, false, d.date)
		d.closedByHoliday = d.holiday.ClosesCalls ||
			(d.stateHours.closed != nil || d.everywhere.closed != nil) && ordinary.closed == nil && general.closed == nil
	}
	for _, h := range [2]*hours{d.stateHours, d.everywhere} {
		if h.closed != nil && !d.closedByHoliday {
			d.stateTo = d.stateFrom
			return
		}
		if h.from != nil {
			from, to := clock.window(Window{h.from.From, h.to.To})
			d.stateFrom, d.stateTo = max(d.stateFrom, from), min(d.stateTo, to-e.guard)
		}
	}
}

// dayClock turns wall times of one date into instants, quickly on the days without a change of clocks.
type dayClock struct {
	date    civil.Date
	zone    civil.Zone
	base    int64
	uniform bool
}

func clockOn(date civil.Date, zone civil.Zone) dayClock {
	wall := date.UnixDay() * day
	// These instants enclose the local day whatever its offset is.
	before, after := offsetAt(wall-day, zone), offsetAt(wall+2*day, zone)
	return dayClock{date, zone, wall - before, before == after}
}

// at returns the first and last instant at which the clock shows the minute of the day; minute 1440 is
// midnight of the next date.
func (c *dayClock) at(minute int) (first, last int64) {
	if c.uniform {
		t := c.base + int64(minute)*60
		return t, t
	}
	date := c.date
	if minute == 24*60 {
		date, minute = date.AddDays(1), 0
	}
	clock, err := civil.LocalTimeOfMinute(minute)
	if err != nil {
		panic("calling: " + err.Error())
	}
	return date.UnixAt(clock, c.zone.Location())
}

// window is [Window.On].
func (c *dayClock) window(w Window) (start, end int64) {
	_, start = c.at(w.From.Minute())
	end, _ = c.at(w.To.Minute())
	return start, end
}

func offsetAt(unix int64, zone civil.Zone) int64 {
	_, offset := time.Unix(unix, 0).In(zone.Location()).Zone()
	return int64(offset)
}

func ceilSecond(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}
