package calling

import (
	"slices"
	"time"

	"caseload/internal/civil"
	"caseload/internal/fault"
)

// CallPurpose is what a call is for; the law of many states depends on it.
type CallPurpose string

// The purposes of a call.
const (
	Collection   CallPurpose = "COLLECTION"
	Solicitation CallPurpose = "SOLICITATION"
	Servicing    CallPurpose = "SERVICING"
)

var purposeList = [...]CallPurpose{Collection, Solicitation, Servicing}

// CallPurposes lists the purposes of a call.
var CallPurposes = purposeList[:]

// RegulationFMode is how far a task type follows the call frequencies of Regulation F, which binds
// third-party collectors; a lender that collects its own debts may choose.
type RegulationFMode string

// The modes of Regulation F.
const (
	RegFEnforce RegulationFMode = "ENFORCE"
	RegFWarn    RegulationFMode = "WARN"
	RegFOff     RegulationFMode = "OFF"
)

// RegulationFModes lists the modes, strictest first.
var RegulationFModes = []RegulationFMode{RegFEnforce, RegFWarn, RegFOff}

// OnExhausted is what happens when a plan's last attempt did not reach the customer.
type OnExhausted string

// What may happen when a plan is exhausted.
const (
	ExhaustedNothing    OnExhausted = "NOTHING"
	ExhaustedCreateTask OnExhausted = "CREATE_TASK"
	ExhaustedEmitEvent  OnExhausted = "EMIT_EVENT"
)

// OnExhaustedValues lists what may happen.
var OnExhaustedValues = []OnExhausted{ExhaustedNothing, ExhaustedCreateTask, ExhaustedEmitEvent}

// QuietBehavior is what becomes of a call that is meant for a time at which calls are not allowed.
type QuietBehavior string

// What may become of a call in quiet time.
const (
	// QuietNextAvailable moves the call to the next allowed time of the same day.
	QuietNextAvailable QuietBehavior = "NEXT_AVAILABLE"
	// QuietAbort drops it: a preferred time that is not allowed is not replaced, and without preferred
	// times a plan made in quiet time leaves out the rest of that day.
	QuietAbort QuietBehavior = "ABORT"
)

// QuietBehaviors lists what may become of it.
var QuietBehaviors = []QuietBehavior{QuietNextAvailable, QuietAbort}

// Policy is the cadence of a task type: how often, when and how insistently customers are called.
// It can only narrow what the law allows.
type Policy struct {
	Purpose CallPurpose
	// MaxAttempts in one plan, 1 to 50.
	MaxAttempts int
	// MaxAttemptsPerDay to the customer from anyone, by the customer's local date, 1 to 7.
	MaxAttemptsPerDay int
	// MinIntervalMinutes between two calls to the customer from anyone, 15 to 10080 (a week).
	MinIntervalMinutes int
	// HorizonDays that a plan covers, the day it is made included, 1 to 90.
	HorizonDays int
	// Days of the week on which to call.
	Days Weekdays
	// Window in which to call, within the legal window.
	Window Window
	// PreferredTimes of the day are planned before other times, in this order; at most 12, in Window.
	PreferredTimes []civil.LocalTime
	// SkipHolidays leaves out holidays of the federation and of the customer's state.
	SkipHolidays bool
	// JitterMinutes spreads calls over up to so many minutes after the planned time, 0 to 240.
	JitterMinutes int
	RegF          RegulationFMode
	// PerPhone24hLimit is how often one number is dialed in any 24 hours, 1 to 20.
	PerPhone24hLimit int
	OnExhausted      OnExhausted
	QuietBehavior    QuietBehavior
	// Priority of the tasks for the dialer, 1 (first) to 9.
	Priority int
	// EndGuardMinutes before a legal window closes no call begins any more, as it would reach past the
	// end, 0 to 60.
	EndGuardMinutes int
}

// Default returns the policy of a task type about which nothing was said: one call a day for a week.
func Default() Policy {
	return Policy{
		Purpose:            Collection,
		MaxAttempts:        7,
		MaxAttemptsPerDay:  1,
		MinIntervalMinutes: 240,
		HorizonDays:        7,
		Days:               EveryDay,
		Window:             FederalLimits().Window,
		RegF:               RegFEnforce,
		PerPhone24hLimit:   3,
		OnExhausted:        ExhaustedNothing,
		QuietBehavior:      QuietNextAvailable,
		Priority:           5,
		EndGuardMinutes:    5,
	}
}

const maxPreferredTimes = 12

// Validate records everything that is wrong with the policy, at the paths of its fields in camel case.
func (p Policy) Validate(c *fault.Check) {
	between := func(field string, v, low, high int) {
		if v < low || v > high {
			c.At(field).Add(fault.OutOfRange, "must be a whole number between %d and %d", low, high)
		}
	}
	between("maxAttempts", p.MaxAttempts, 1, 50)
	between("maxAttemptsPerDay", p.MaxAttemptsPerDay, 1, 7)
	between("minIntervalMinutes", p.MinIntervalMinutes, 15, 7*24*60)
	between("horizonDays", p.HorizonDays, 1, 90)
	between("jitterMinutes", p.JitterMinutes, 0, 240)
	between("perPhone24hLimit", p.PerPhone24hLimit, 1, 20)
	between("priority", p.Priority, 1, 9)
	between("endGuardMinutes", p.EndGuardMinutes, 0, 60)
	oneOf(c.At("purpose"), p.Purpose, CallPurposes)
	oneOf(c.At("regF"), p.RegF, RegulationFModes)
	oneOf(c.At("onExhausted"), p.OnExhausted, OnExhaustedValues)
	oneOf(c.At("quietBehavior"), p.QuietBehavior, QuietBehaviors)
	if p.Days == NoDays || !p.Days.IsValid() {
		c.At("days").Add(fault.Invalid, "must name at least one day of the week: %s", list(AllWeekdays))
	}
	legal := FederalLimits()
	switch {
	case !p.Window.IsValid():
		c.At("window").Add(fault.Invalid, "must open before it closes, within %s", legal.Window)
	case !p.Window.Within(legal.Window):
		c.At("window").Add(fault.NotAllowed, "must lie within %s (%s)", legal.Window, legal.WindowCitation.Source)
	}
	if len(p.PreferredTimes) > maxPreferredTimes {
		c.At("preferredTimes").Add(fault.LimitExceeded, "must hold at most %d times", maxPreferredTimes)
		return
	}
	for i, t := range p.PreferredTimes {
		switch {
		case slices.Contains(p.PreferredTimes[:i], t):
			c.At("preferredTimes").Index(i).Add(fault.DuplicateInputItem, "must not name the same time twice")
		case p.Window.IsValid() && !p.Window.Contains(t):
			c.At("preferredTimes").Index(i).Add(fault.OutOfRange, "must lie in the window of the task type, %s", p.Window)
		}
	}
}

func oneOf[T ~string](c *fault.Check, v T, values []T) {
	if !slices.Contains(values, v) {
		c.Add(fault.Invalid, "must be one of %s", list(values))
	}
}

func (p *Policy) purposeIndex() int {
	// An unknown purpose counts as a solicitation, the purpose with the most rules.
	if i := slices.Index(CallPurposes, p.Purpose); i >= 0 {
		return i
	}
	return 1
}

var weekdays = [7]time.Weekday{time.Sunday, time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday}
