package calling

import (
	"time"
)

// CallDenial is one rule that forbids a call, or warns of it.
type CallDenial struct {
	Rule CallRule
	// Message is for the person who wanted to call.
	Message string
	// Source is the law or the configuration that the rule comes from.
	Source string
	// Until is the earliest moment at which this rule alone denies no more; nil when waiting for two
	// months does not help.
	Until *time.Time
}

// CallEligibility answers whether a customer may be called at a moment.
type CallEligibility struct {
	Allowed bool
	// Denials are all rules that forbid the call, what no waiting helps first.
	Denials []CallDenial
	// Warnings are rules of Regulation F that would deny, were they not set to warn or overridden.
	Warnings []CallDenial
	// AllowedUntil is when an allowed call stops being so by the mere passing of time.
	AllowedUntil *time.Time
	// EarliestNext is the first moment from now on at which no rule denies, now itself when the call is
	// allowed; nil when there is none within 60 days.
	EarliestNext *time.Time
}

// EligibilityInput is a case and the moment of the call.
type EligibilityInput struct {
	Case
	At time.Time
}

// earliestNextDays is how far ahead a decision looks for the next allowed moment.
const earliestNextDays = 60

// Eligibility reports whether the customer may be called at in.At, by every rule, and if not, why and
// until when. It is pure: the same input gives the same decision. A claim calls it within its
// transaction, since a plan may be out of date.
func Eligibility(in EligibilityInput) CallEligibility {
	e := newEvaluation(&in.Case, in.At, 0)
	at := in.At.Unix()
	d := CallEligibility{Allowed: true}
	ends := int64(never)
	for i := range rules {
		r := &rules[i]
		force := e.forceOf(r)
		if force == off {
			continue
		}
		denied, change := r.check(e, at)
		switch {
		case denied && force == enforced:
			d.Allowed = false
			d.Denials = append(d.Denials, e.denial(r, at, change))
		case denied:
			d.Warnings = append(d.Warnings, e.denial(r, at, change))
		case force == enforced:
			ends = min(ends, change)
		}
	}
	if d.Allowed {
		d.EarliestNext = &in.At
		d.AllowedUntil = moment(ends)
		return d
	}
	if next, _ := e.next(at, at+earliestNextDays*day); next != never {
		d.EarliestNext = moment(next)
	}
	return d
}

// force is how much a rule weighs in a case.
type force int

const (
	enforced force = iota
	warning
	off
)

func (e *evaluation) forceOf(r *rule) force {
	switch {
	case r.needsZone && len(e.zones) == 0:
		// NO_ZONE has denied the call already.
		return off
	case !r.regF:
		return enforced
	case e.c.Policy.RegF == RegFOff:
		return off
	case e.c.Policy.RegF == RegFWarn || e.c.OverrideRegF:
		return warning
	}
	return enforced
}

func (e *evaluation) denial(r *rule, at, change int64) CallDenial {
	return CallDenial{Rule: r.code, Message: r.text(e, at), Source: r.source(e, at), Until: moment(change)}
}

// next returns the first instant from at to limit that no enforced rule denies. Without one it returns
// never and the first rule that denies right through to the limit.
//
// Every rule denies without a break until the change it names, so jumping to the latest change skips
// no allowed instant.
func (e *evaluation) next(at, limit int64) (int64, *rule) {
	for {
		latest := at
		for i := range rules {
			r := &rules[i]
			if e.forceOf(r) != enforced {
				continue
			}
			denied, change := r.check(e, at)
			if !denied {
				continue
			}
			if change > limit {
				return never, r
			}
			latest = max(latest, change)
		}
		if latest == at {
			return at, nil
		}
		at = latest
	}
}

// allowedUntil returns when the hours in which an allowed instant lies are over.
func (e *evaluation) allowedUntil(at int64) int64 {
	ends := int64(never)
	for i := range rules {
		if r := &rules[i]; e.forceOf(r) == enforced {
			if denied, change := r.check(e, at); !denied {
				ends = min(ends, change)
			}
		}
	}
	return ends
}

// WholeMinute returns the first whole minute from an allowed instant on at which the call is allowed too, as
// due times are kept in minutes, and when that ends. Where there is none in reach the instant stays.
func WholeMinute(c Case, at time.Time) (due, ends time.Time) {
	allowed := func(at time.Time) CallEligibility { return Eligibility(EligibilityInput{Case: c, At: at}) }
	end := func(d CallEligibility, at time.Time) time.Time {
		if d.AllowedUntil != nil {
			return *d.AllowedUntil
		}
		return at.Add(time.Minute)
	}
	next := at
	// One step is enough unless a window ends within its minute.
	for range 3 {
		minute := time.Unix(ceilMinute(ceilSecond(next)), 0).UTC()
		d := allowed(minute)
		if d.Allowed {
			return minute, end(d, minute)
		}
		if d.EarliestNext == nil {
			break
		}
		next = *d.EarliestNext
	}
	return at.UTC(), end(allowed(at), at)
}

func moment(unix int64) *time.Time {
	if unix == never {
		return nil
	}
	t := time.Unix(unix, 0).UTC()
	return &t
}
