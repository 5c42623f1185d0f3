package civil

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"
)

// LocalTime is a time on a wall clock to the minute, from 00:00 to 23:59, without date and zone.
//
// It is a small comparable value, and its zero value is midnight. In text it is HH:MM, in PostgreSQL
// the type time, in GraphQL the scalar LocalTime.
type LocalTime struct {
	minute int16
}

// ErrLocalTime says what a local time must look like; every failure to read one wraps it.
var ErrLocalTime = errors.New("local time must be written as HH:MM between 00:00 and 23:59, for example 08:30")

const minutesPerDay = 24 * 60

// LocalTimeOf returns hour:minute; a clock that does not exist, such as 24:00, is an error.
func LocalTimeOf(hour, minute int) (LocalTime, error) {
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return LocalTime{}, ErrLocalTime
	}
	return LocalTime{int16(hour*60 + minute)}, nil
}

// MustLocalTime is [LocalTimeOf] for times written in code; it panics on a time that does not exist.
func MustLocalTime(hour, minute int) LocalTime {
	t, err := LocalTimeOf(hour, minute)
	if err != nil {
		panic(fmt.Sprintf("civil: no such local time: %d:%d", hour, minute))
	}
	return t
}

// LocalTimeOfMinute returns the time n minutes after midnight; outside 0 to 1439 it is an error.
func LocalTimeOfMinute(n int) (LocalTime, error) {
	if n < 0 || n >= minutesPerDay {
		return LocalTime{}, ErrLocalTime
	}
	return LocalTime{int16(n)}, nil
}

// LocalTimeIn returns what a wall clock in loc shows at instant t, seconds dropped.
func LocalTimeIn(t time.Time, loc *time.Location) LocalTime {
	_, offset := t.In(loc).Zone()
	wall := t.Unix() + int64(offset)
	return LocalTime{int16((wall - floorDiv(wall, secondsPerDay)*secondsPerDay) / 60)}
}

// ParseLocalTime reads HH:MM, or HH:MM:SS with no seconds as PostgreSQL prints it. Seconds are
// refused rather than dropped. The error wraps [ErrLocalTime] and does not repeat the text.
func ParseLocalTime(text string) (LocalTime, error) {
	if len(text) == 8 && text[5:] == ":00" {
		text = text[:5]
	}
	if len(text) != 5 || text[2] != ':' {
		return LocalTime{}, ErrLocalTime
	}
	hour, ok1 := digits(text[0:2])
	minute, ok2 := digits(text[3:5])
	if !ok1 || !ok2 {
		return LocalTime{}, ErrLocalTime
	}
	return LocalTimeOf(hour, minute)
}

// Minute returns the minutes since midnight, 0 to 1439.
func (t LocalTime) Minute() int { return int(t.minute) }

// Clock returns hour and minute.
func (t LocalTime) Clock() (hour, minute int) { return int(t.minute) / 60, int(t.minute) % 60 }

// Compare returns -1, 0 or +1 as t is before, equal to or after o on the same day.
func (t LocalTime) Compare(o LocalTime) int {
	switch {
	case t.minute < o.minute:
		return -1
	case t.minute > o.minute:
		return 1
	}
	return 0
}

// Before reports whether t is earlier in the day than o.
func (t LocalTime) Before(o LocalTime) bool { return t.minute < o.minute }

// After reports whether t is later in the day than o.
func (t LocalTime) After(o LocalTime) bool { return t.minute > o.minute }

// Equal reports whether both are the same; it is there for comparison libraries, == does the same.
func (t LocalTime) Equal(o LocalTime) bool { return t == o }

// String returns HH:MM.
func (t LocalTime) String() string {
	text, _ := t.AppendText(make([]byte, 0, 5))
	return string(text)
}

// AppendText appends HH:MM.
func (t LocalTime) AppendText(b []byte) ([]byte, error) {
	hour, minute := t.Clock()
	return append(b, byte('0'+hour/10), byte('0'+hour%10), ':', byte('0'+minute/10), byte('0'+minute%10)), nil
}

// MarshalText returns HH:MM; it never fails.
func (t LocalTime) MarshalText() ([]byte, error) { return t.AppendText(make([]byte, 0, 5)) }

// UnmarshalText reads HH:MM; see [ParseLocalTime].
func (t *LocalTime) UnmarshalText(text []byte) error {
	v, err := ParseLocalTime(string(text))
	if err != nil {
		return err
	}
	*t = v
	return nil
}

// Value gives the time to the database driver.
func (t LocalTime) Value() (driver.Value, error) { return t.String(), nil }

// Scan reads a PostgreSQL time; NULL is an error, so a nullable column needs a *LocalTime.
func (t *LocalTime) Scan(src any) error {
	switch v := src.(type) {
	case time.Time:
		// The driver gives the clock on a day of its own; PostgreSQL's 24:00 arrives as the next day.
		if v.Second() != 0 || v.Nanosecond() != 0 || v.Day() != 1 {
			return fmt.Errorf("scan local time: %w", ErrLocalTime)
		}
		*t = LocalTime{int16(v.Hour()*60 + v.Minute())}
		return nil
	case string:
		return t.UnmarshalText([]byte(v))
	case []byte:
		return t.UnmarshalText(v)
	}
	return fmt.Errorf("scan local time: unexpected type %T", src)
}

// MarshalGQL writes the scalar LocalTime.
func (t LocalTime) MarshalGQL(w io.Writer) { writeQuoted(w, t.AppendText) }

// UnmarshalGQL reads the scalar LocalTime from a string; the error says what would be right.
func (t *LocalTime) UnmarshalGQL(v any) error {
	text, ok := v.(string)
	if !ok {
		return ErrLocalTime
	}
	return t.UnmarshalText([]byte(text))
}

func digits(text string) (int, bool) {
	n := 0
	for i := range len(text) {
		c := text[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// writeQuoted writes a text that needs no escaping as a JSON string. gqlgen gives the writer no way
// to report a failure; its buffer does not fail.
func writeQuoted(w io.Writer, text func([]byte) ([]byte, error)) {
	b, _ := text(append(make([]byte, 0, 12), '"'))
	_, _ = w.Write(append(b, '"'))
}
