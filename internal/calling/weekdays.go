package calling

import (
	"database/sql/driver"
	"fmt"
	"strings"
	"time"
)

// Weekday is a day of the week as GraphQL names it.
type Weekday string

// The days of the week, in the order of ISO 8601.
const (
	Monday    Weekday = "MONDAY"
	Tuesday   Weekday = "TUESDAY"
	Wednesday Weekday = "WEDNESDAY"
	Thursday  Weekday = "THURSDAY"
	Friday    Weekday = "FRIDAY"
	Saturday  Weekday = "SATURDAY"
	Sunday    Weekday = "SUNDAY"
)

// AllWeekdays lists the days of the week, Monday first.
var AllWeekdays = []Weekday{Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday}

func (d Weekday) index() int {
	for i, o := range AllWeekdays {
		if d == o {
			return i
		}
	}
	return -1
}

// Weekdays is a set of days of the week: bit 0 is Monday, bit 6 is Sunday. In PostgreSQL it is a
// smallint between 0 and 127.
type Weekdays uint8

// The sets that windows are usually stated for.
const (
	NoDays       Weekdays = 0
	MondayFriday Weekdays = 1<<5 - 1
	SaturdayOnly Weekdays = 1 << 5
	SundayOnly   Weekdays = 1 << 6
	EveryDay     Weekdays = 1<<7 - 1
)

// WeekdaysOf returns the set of these days; a day that is not one is an error.
func WeekdaysOf(days ...Weekday) (Weekdays, error) {
	var s Weekdays
	for _, d := range days {
		i := d.index()
		if i < 0 {
			return 0, fmt.Errorf("weekday must be one of %s", list(AllWeekdays))
		}
		s |= 1 << i
	}
	return s, nil
}

// List returns the days of the set, Monday first; it is empty, not nil, for the empty set.
func (s Weekdays) List() []Weekday {
	days := make([]Weekday, 0, len(AllWeekdays))
	for i, d := range AllWeekdays {
		if s&(1<<i) != 0 {
			days = append(days, d)
		}
	}
	return days
}

// Has reports whether the day is in the set.
func (s Weekdays) Has(d time.Weekday) bool { return s&(1<<((d+6)%7)) != 0 }

// Without returns the days of s that are not in o.
func (s Weekdays) Without(o Weekdays) Weekdays { return s &^ o }

// IsValid reports whether s holds no bits besides the seven days.
func (s Weekdays) IsValid() bool { return s <= EveryDay }

// String lists the days, for messages.
func (s Weekdays) String() string {
	if s == NoDays {
		return "no day"
	}
	return strings.ToLower(list(s.List()))
}

// Value gives the set to the database driver.
func (s Weekdays) Value() (driver.Value, error) { return int64(s), nil }

// Scan reads a smallint between 0 and 127.
func (s *Weekdays) Scan(src any) error {
	n, ok := src.(int64)
	if !ok || n < 0 || n > int64(EveryDay) {
		return fmt.Errorf("scan weekdays: value of type %T is no integer between 0 and 127", src)
	}
	*s = Weekdays(n)
	return nil
}
