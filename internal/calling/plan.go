package calling

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/google/uuid"

	"caseload/internal/civil"
)

// PlanInput is a case, the moment of planning, and what makes the plan this one.
type PlanInput struct {
	Case
	Now time.Time
	// Seed spreads calls by jitter; see [SeedOf]. The same seed gives the same plan.
	Seed uint64
	// AttemptsMade of this plan already, when it is replaced after a call; they use up MaxAttempts.
	AttemptsMade int
}

// SeedOf returns the seed for a customer's plans of a task type. It depends on what the plan is for
// and not on a row that is made with it, so that a repeated sync gives the same plan.
func SeedOf(customer, taskType uuid.UUID) uint64 {
	return mix(binary.BigEndian.Uint64(customer[:8])) ^ mix(binary.BigEndian.Uint64(customer[8:])+1) ^
		mix(binary.BigEndian.Uint64(taskType[:8])+2) ^ mix(binary.BigEndian.Uint64(taskType[8:])+3)
}

// Slot is one planned call.
type Slot struct {
	// At is when the call is due, in UTC, on a whole minute.
	At time.Time
	// LocalDate and LocalTime are the same moment on the customer's clock, which is what was meant: when
	// the rules of the zone change, At is derived from them again.
	LocalDate civil.Date
	LocalTime civil.LocalTime
	Zone      civil.Zone
	// Attempt numbers the calls of the plan from 1.
	Attempt int
	// WindowEnd is when the hours that allow the call are over, in UTC: the task expires then.
	WindowEnd time.Time
}

// Skip is why a day of the plan has no calls.
type Skip struct {
	Code CallRule
	Text string
}

// Day is one local date of the horizon.
type Day struct {
	Date civil.Date
	// Slots of the day, in order; they are a part of the plan's.
	Slots []Slot
	// Skipped is nil when the day has slots.
	Skipped *Skip
}

// PlanResult is a lawful plan and its explanation.
type PlanResult struct {
	// Slots in order of time; empty when there are none.
	Slots []Slot
	// Days of the horizon from the local date of now on; empty without a time zone.
	Days []Day
	// Denials are the rules that forbid every call, such as DO_NOT_CALL; there are no slots then.
	Denials []CallDenial
}

// Plan returns when to call the customer: from now on, through the local days of the horizon, at
// moments that every calling rule allows, given the history and the calls planned before. On each day
// the preferred times come first, then the earliest other times, up to the caps.
//
// It is pure and deterministic. Each slot is allowed by [Eligibility] at its moment, with the earlier
// slots as attempts. Slots are never before now.
func Plan(in PlanInput) PlanResult {
	p := planner{in: &in, left: in.Policy.MaxAttempts - in.AttemptsMade}
	capacity := min(max(p.left, 0), max(in.Policy.HorizonDays, 0)*max(in.Policy.MaxAttemptsPerDay, 0))
	p.e = newEvaluation(&in.Case, in.Now, capacity)
	result := PlanResult{Denials: p.blocked()}
	if len(p.e.zones) == 0 || in.Policy.HorizonDays <= 0 {
		return result
	}
	p.now = ceilMinute(ceilSecond(in.Now))
	p.slots = make([]Slot, 0, capacity)
	result.Days = make([]Day, 0, in.Policy.HorizonDays)
	today := civil.DateIn(in.Now, p.e.zones[0].zone.Location())
	for n := range in.Policy.HorizonDays {
		date := today.AddDays(n)
		first := len(p.slots)
		var skip Skip
		if len(result.Denials) > 0 {
			skip = Skip{result.Denials[0].Rule, result.Denials[0].Message}
		} else {
			skip = p.planDay(date)
		}
		entry := Day{Date: date, Slots: p.slots[first:len(p.slots):len(p.slots)]}
		if len(entry.Slots) == 0 {
			entry.Skipped = &Skip{skip.Code, skip.Text}
		}
		result.Days = append(result.Days, entry)
	}
	result.Slots = p.slots
	return result
}

// CallbackSlot returns the slot of a callback, at the time that was asked for or, when a rule forbids that, at
// the next that is allowed; false when there is none. Callbacks do not bypass the law.
func CallbackSlot(c Case, at time.Time, attempt int) (Slot, bool) {
	d := Eligibility(EligibilityInput{Case: c, At: at})
	if d.EarliestNext == nil || len(c.Zones) == 0 {
		return Slot{}, false
	}
	next, ends := WholeMinute(c, *d.EarliestNext)
	zone := c.Zones[0]
	return Slot{At: next.UTC(), LocalDate: civil.DateIn(next, zone.Location()), LocalTime: civil.LocalTimeIn(next, zone.Location()), Zone: zone, Attempt: attempt, WindowEnd: ends}, true
}

// planner is one run of [Plan].
type planner struct {
	in    *PlanInput
	e     *evaluation
	now   int64
	left  int
	slots []Slot
}

// blocked returns the rules that deny all calls whatever the moment.
func (p *planner) blocked() []CallDenial {
	var denials []CallDenial
	at := p.in.Now.Unix()
	for i := range rules {
		r := &rules[i]
		if r.needsZone || r.window || p.e.forceOf(r) != enforced {
			continue
		}
		if denied, change := r.check(p.e, at); denied && change == never {
			denials = append(denials, p.e.denial(r, at, change))
		}
	}
	return denials
}

// planDay adds the slots of one local date and returns why there are none, should there be none.
func (p *planner) planDay(date civil.Date) Skip {
	if p.left <= 0 {
		return Skip{ReasonMaxAttempts, "the plan has all its calls on earlier days"}
	}
	d := p.e.day(0, date)
	from, end := max(p.now, d.start), d.end
	policy := &p.in.Policy
	first := len(p.slots)
	var blame *rule
	if len(policy.PreferredTimes) > 0 {
		blame = p.planPreferred(date, from, end)
		if policy.QuietBehavior == QuietAbort {
			if blame == nil && len(p.slots) == first {
				return Skip{ReasonPreferredTimes, "the preferred times of this day are over"}
			}
			return p.finish(first, blame, from)
		}
	} else if policy.QuietBehavior == QuietAbort && p.now >= d.start && p.quiet(from) {
		return Skip{ReasonQuietTime, "the plan was made in quiet time, and this kind of task does not move calls"}
	}
	for at := from; p.left > 0; {
		var r *rule
		if at, r = p.nextMinute(at, end-1); at == never {
			if blame == nil {
				blame = r
			}
			break
		}
		at = p.add(at, date) + 60
	}
	return p.finish(first, blame, from)
}

// planPreferred adds the preferred times of a date and returns the rule that denied one of them.
func (p *planner) planPreferred(date civil.Date, from, end int64) *rule {
	var blame *rule
	for _, t := range p.in.Policy.PreferredTimes {
		at, _ := date.UnixAt(t, p.e.zones[0].zone.Location())
		if at < from || at >= end {
			continue
		}
		limit := end - 1
		if p.in.Policy.QuietBehavior == QuietAbort {
			limit = at
		}
		if p.left <= 0 {
			break
		}
		next, r := p.nextMinute(at, limit)
		if next == never {
			blame = r
			continue
		}
		p.add(next, date)
	}
	return blame
}

// finish numbers the slots of a day, or returns why it has none.
func (p *planner) finish(first int, blame *rule, at int64) Skip {
	switch {
	case len(p.slots) > first:
		p.number(first)
		return Skip{}
	case blame == nil:
		return Skip{ReasonMaxAttempts, "no calls are left for this day"}
	}
	return Skip{blame.code, blame.text(p.e, at)}
}

// quiet reports whether the hours, not the history, forbid a call at an instant.
func (p *planner) quiet(at int64) bool {
	for i := range rules {
		if r := &rules[i]; r.window && p.e.forceOf(r) == enforced {
			if denied, _ := r.check(p.e, at); denied {
				return true
			}
		}
	}
	return false
}

// nextMinute is next on whole minutes: a limit may end within one.
func (p *planner) nextMinute(at, limit int64) (int64, *rule) {
	for at <= limit {
		next, blame := p.e.next(at, limit)
		if next == never {
			return never, blame
		}
		if at = ceilMinute(next); at == next {
			return at, nil
		}
	}
	return never, blameless
}

// blameless stands for the last minute of a day, which no rule denies but which is not whole.
var blameless = &rules[len(rules)-1]

// add plans a call at the instant or, with jitter, somewhat later, and returns when.
func (p *planner) add(at int64, date civil.Date) int64 {
	ends := p.e.allowedUntil(at)
	if late := p.jitter(at, ends); late > at {
		// Later in the same hours is not always allowed: it may come too near to a preferred time.
		if next, _ := p.e.next(late, late); next == late {
			at, ends = late, p.e.allowedUntil(late)
		}
	}
	p.e.plan(at, date)
	p.left--
	zone := p.e.zones[0].zone
	t := time.Unix(at, 0)
	p.slots = append(p.slots, Slot{
		At: t.UTC(), LocalDate: date, LocalTime: civil.LocalTimeIn(t, zone.Location()), Zone: zone, WindowEnd: time.Unix(ends, 0).UTC(),
	})
	return at
}

// jitter returns the instant up to JitterMinutes later, and before ends, that the seed picks.
func (p *planner) jitter(at, ends int64) int64 {
	spread := min(int64(p.in.Policy.JitterMinutes), (ends-1-at)/60)
	if spread <= 0 {
		return at
	}
	pick := mix(p.in.Seed + uint64(len(p.slots)+1)*0x9e3779b97f4a7c15)
	return at + int64(pick%uint64(spread+1))*60
}

// number brings the slots of a day in order of time, since preferred times were planned first, and
// numbers them.
func (p *planner) number(first int) {
	day := p.slots[first:]
	slices.SortFunc(day, func(a, b Slot) int { return a.At.Compare(b.At) })
	for i := range day {
		day[i].Attempt = p.in.AttemptsMade + first + i + 1
	}
}

// mix is the finishing step of SplitMix64: it makes neighbouring numbers unlike each other.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func ceilMinute(unix int64) int64 {
	if rest := unix % 60; rest > 0 {
		return unix + 60 - rest
	}
	return unix
}
