package calling

import (
	"errors"
	"fmt"
	"slices"

	"caseload/internal/civil"
)

// Window is the half-open part [From, To) of a day on the wall clock; From is before To.
type Window struct {
	From civil.LocalTime
	To   civil.LocalTime
}

// IsValid reports whether the window opens before it closes.
func (w Window) IsValid() bool { return w.From.Before(w.To) }

// Contains reports whether the clock lies in the window.
func (w Window) Contains(t civil.LocalTime) bool { return !t.Before(w.From) && t.Before(w.To) }

// Within reports whether w opens no earlier and closes no later than o.
func (w Window) Within(o Window) bool { return !w.From.Before(o.From) && !w.To.After(o.To) }

// String returns "HH:MM to HH:MM".
func (w Window) String() string { return w.From.String() + " to " + w.To.String() }

// On returns the instants [start, end), in seconds since 1970, that lie in the window on this date
// for certain: where the clock shows From twice the window starts with the last, where it shows To
// twice it ends with the first, and a skipped From starts it when the gap ends. An end that is not
// after the start means that the window is empty on this date.
func (w Window) On(date civil.Date, zone civil.Zone) (start, end int64) {
	_, start = date.UnixAt(w.From, zone.Location())
	end, _ = date.UnixAt(w.To, zone.Location())
	return start, end
}

// StateWindow says when the law of a state, or a stricter choice of a company, allows calls. All rows
// that fit a date hold together: the hours allowed are their intersection, so that no row can loosen
// another.
type StateWindow struct {
	// State is the USPS code of the consumer's address; "" is everywhere.
	State string
	// Weekdays that the row is about.
	Weekdays Weekdays
	// Holiday restricts the row to holidays of the state and of the federation.
	Holiday bool
	// Closed days have no window; From and To are then not looked at.
	Closed   bool
	From, To civil.LocalTime
	// AppliesTo are the purposes of a call that the row is about; none means all.
	AppliesTo []CallPurpose
	Source    string
	AsOf      civil.Date
}

// Window returns the hours of a row that is not closed.
func (w StateWindow) Window() Window { return Window{w.From, w.To} }

// Validate returns what is wrong with the row by itself, for its author.
func (w StateWindow) Validate() error {
	switch {
	case w.Weekdays == NoDays || !w.Weekdays.IsValid():
		return errors.New("a window needs at least one day of the week")
	case w.State != "" && len(w.State) != 2:
		return errors.New("state must be a two-letter USPS code, or empty for every state")
	case !w.Closed && !w.Window().IsValid():
		return errors.New("a window must open before it closes; a day without calls is marked as closed")
	}
	for _, p := range w.AppliesTo {
		if !slices.Contains(CallPurposes, p) {
			return fmt.Errorf("purpose must be one of %s", list(CallPurposes))
		}
	}
	return nil
}

// Stricter returns nil when override keeps within base on all days, states and purposes that both are
// about, and otherwise an error that says what would be right. Rules intersect anyway, so a loose
// override would not open anything: it is refused because its author believes it would.
func Stricter(base, override StateWindow) error {
	if err := override.Validate(); err != nil {
		return err
	}
	if !overlaps(base, override) || override.Closed {
		return nil
	}
	place := base.State
	if place == "" {
		place = "every state"
	}
	switch {
	case base.Closed:
		return fmt.Errorf("%s allows no calls on these days (%s); the window must be closed too", place, base.Source)
	case override.From.Before(base.From):
		return fmt.Errorf("%s allows calls from %s (%s); the window must open at %s or later", place, base.From, base.Source, base.From)
	case override.To.After(base.To):
		return fmt.Errorf("%s allows calls until %s (%s); the window must close at %s or earlier", place, base.To, base.Source, base.To)
	}
	return nil
}

func overlaps(a, b StateWindow) bool {
	sameState := a.State == b.State || a.State == "" || b.State == ""
	// A row for holidays is compared with rows for holidays: on other days it says nothing.
	return sameState && a.Holiday == b.Holiday && a.Weekdays&b.Weekdays != 0 && sharePurpose(a.AppliesTo, b.AppliesTo)
}

func sharePurpose(a, b []CallPurpose) bool {
	if len(a) == 0 || len(b) == 0 {
		return true
	}
	return slices.ContainsFunc(a, func(p CallPurpose) bool { return slices.Contains(b, p) })
}

// InconvenientTime is when the consumer asked not to be called, on the consumer's wall clock. It holds
// until the consumer takes it back, that is, until it is no longer passed in.
type InconvenientTime struct {
	Weekdays Weekdays
	// From and To bound the time; To at or before From reaches into the next day, so that 22:00 to
	// 06:00 is a night and equal times are 24 hours.
	From, To civil.LocalTime
	// Place restricts it to phones of this kind, as "not at work"; "" is any phone.
	Place Place
}
