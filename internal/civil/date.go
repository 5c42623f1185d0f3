// Package civil holds the two kinds of time that have no zone: a [Date] on a calendar and a
// [LocalTime] on a wall clock.
//
// Calling rules, birthdays and holidays are stated in these words, so they are stored in them: an
// instant is derived only where a zone is at hand, because the same 08:00 is another instant in
// every zone and, after a change of daylight-saving law, even in the same one.
package civil

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"
)

// Date is a day of the Gregorian calendar, without time and zone, from 0001-01-01 to 9999-12-31.
//
// It is a small comparable value: == is equality, and it can be the key of a map. The zero value is
// 0001-01-01, as with [time.Time]; see [Date.IsZero]. In text it is the full-date of RFC 3339
// (2026-03-08), in PostgreSQL the type date, in GraphQL the scalar Date.
type Date struct {
	// days counts from 0001-01-01, so that comparing and adding are plain integer arithmetic.
	days int32
}

// ErrDate says what a date must look like; every failure to read one wraps it.
var ErrDate = errors.New("date must be a real day written as YYYY-MM-DD, for example 2026-03-08")

const (
	secondsPerDay = 24 * 60 * 60
	// unixEpochDays is 1970-01-01 counted from 0001-01-01.
	unixEpochDays = 719162
	// maxDays is 9999-12-31: RFC 3339 has four digits for the year.
	maxDays = 3652058
)

// DateOf returns the date with this year, month and day; a day that does not exist, such as
// 2025-02-29, is an error and never rolls over into the next month.
func DateOf(year int, month time.Month, day int) (Date, error) {
	if year < 1 || year > 9999 || month < time.January || month > time.December || day < 1 || day > daysIn(year, month) {
		return Date{}, ErrDate
	}
	return dateOf(year, month, day), nil
}

// MustDate is [DateOf] for dates written in code; it panics on a date that does not exist.
func MustDate(year int, month time.Month, day int) Date {
	d, err := DateOf(year, month, day)
	if err != nil {
		panic(fmt.Sprintf("civil: no such date: %d-%d-%d", year, month, day))
	}
	return d
}

// DateIn returns the date that a calendar in loc shows at instant t.
func DateIn(t time.Time, loc *time.Location) Date {
	_, offset := t.In(loc).Zone()
	return DateOfUnixDay(floorDiv(t.Unix()+int64(offset), secondsPerDay))
}

// DateOfUnixDay returns the date that lies n days after 1970-01-01, held to the range of [Date].
func DateOfUnixDay(n int64) Date {
	return Date{int32(min(max(n+unixEpochDays, 0), maxDays))}
}

// ParseDate reads YYYY-MM-DD and nothing else; the error wraps [ErrDate] and does not repeat the text.
func ParseDate(text string) (Date, error) {
	if len(text) != 10 || text[4] != '-' || text[7] != '-' {
		return Date{}, ErrDate
	}
	year, ok1 := digits(text[0:4])
	month, ok2 := digits(text[5:7])
	day, ok3 := digits(text[8:10])
	if !ok1 || !ok2 || !ok3 {
		return Date{}, ErrDate
	}
	return DateOf(year, time.Month(month), day)
}

// IsZero reports whether d is the zero value, 0001-01-01.
func (d Date) IsZero() bool { return d.days == 0 }

// UnixDay returns the number of days since 1970-01-01; it is negative before.
func (d Date) UnixDay() int64 { return int64(d.days) - unixEpochDays }

// YMD returns year, month and day.
func (d Date) YMD() (year int, month time.Month, day int) { return d.utc().Date() }

// Year returns the year.
func (d Date) Year() int { return d.utc().Year() }

// Weekday returns the day of the week.
func (d Date) Weekday() time.Weekday {
	// 0001-01-01 was a Monday.
	return time.Weekday((d.days + 1) % 7)
}

// AddDays returns the date n days later (earlier when n is negative), held to the range of [Date].
func (d Date) AddDays(n int) Date {
	return Date{int32(min(max(int64(d.days)+int64(n), 0), maxDays))}
}

// DaysSince returns how many days d lies after o; it is negative when d is earlier.
func (d Date) DaysSince(o Date) int { return int(d.days - o.days) }

// Compare returns -1, 0 or +1 as d is before, equal to or after o.
func (d Date) Compare(o Date) int {
	switch {
	case d.days < o.days:
		return -1
	case d.days > o.days:
		return 1
	}
	return 0
}

// Before reports whether d is earlier than o.
func (d Date) Before(o Date) bool { return d.days < o.days }

// After reports whether d is later than o.
func (d Date) After(o Date) bool { return d.days > o.days }

// Equal reports whether both are the same day; it is there for comparison libraries, == does the same.
func (d Date) Equal(o Date) bool { return d == o }

// In returns the first instant of the day in loc. That is midnight, except where a change to
// daylight-saving time skips midnight (America/Havana): there it is the first instant after the gap.
func (d Date) In(loc *time.Location) time.Time {
	first, _ := d.At(LocalTime{}, loc)
	return first
}

// At returns the instants at which a wall clock in loc shows clock on this day: the first and the
// last of them. They differ only where clocks are set back and the time occurs twice. A time that
// is skipped, as 02:30 on the day clocks go forward, gives the first instant after the gap, twice.
//
// time.Date must not be used for this: it answers a skipped 02:30 with 01:30, which is too early,
// and leaves open which of two occurrences it means.
func (d Date) At(clock LocalTime, loc *time.Location) (first, last time.Time) {
	f, l := d.UnixAt(clock, loc)
	return time.Unix(f, 0).In(loc), time.Unix(l, 0).In(loc)
}

// UnixAt is [Date.At] in seconds since 1970-01-01T00:00:00Z.
func (d Date) UnixAt(clock LocalTime, loc *time.Location) (first, last int64) {
	wall := d.UnixDay()*secondsPerDay + int64(clock.minute)*60
	// Offsets lie between -12 and +14 hours, so the wall time taken as UTC is at most 14 hours away
	// from the instant: a day before and a day after enclose it, and the one transition near it.
	before, after := offsetAt(wall-secondsPerDay, loc), offsetAt(wall+secondsPerDay, loc)
	first, last = wall-before, wall-after
	if before == after {
		return first, last
	}
	firstIsReal, lastIsReal := offsetAt(first, loc) == before, offsetAt(last, loc) == after
	switch {
	case firstIsReal && lastIsReal:
		return min(first, last), max(first, last)
	case firstIsReal:
		return first, first
	case lastIsReal:
		return last, last
	}
	// The wall time was skipped. Read with the old offset it lies behind the transition, whose instant
	// is where the zone period that holds it began.
	start, _ := time.Unix(first, 0).In(loc).ZoneBounds()
	return start.Unix(), start.Unix()
}

// String returns YYYY-MM-DD.
func (d Date) String() string {
	text, _ := d.AppendText(make([]byte, 0, 10))
	return string(text)
}

// AppendText appends YYYY-MM-DD.
func (d Date) AppendText(b []byte) ([]byte, error) {
	year, month, day := d.YMD()
	return append(b,
		byte('0'+year/1000), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10), '-',
		byte('0'+int(month)/10), byte('0'+int(month)%10), '-',
		byte('0'+day/10), byte('0'+day%10)), nil
}

// MarshalText returns YYYY-MM-DD; it never fails.
func (d Date) MarshalText() ([]byte, error) { return d.AppendText(make([]byte, 0, 10)) }

// UnmarshalText reads YYYY-MM-DD; see [ParseDate].
func (d *Date) UnmarshalText(text []byte) error {
	v, err := ParseDate(string(text))
	if err != nil {
		return err
	}
	*d = v
	return nil
}

// Value gives the date to the database driver.
func (d Date) Value() (driver.Value, error) { return d.String(), nil }

// Scan reads a PostgreSQL date; NULL is an error, so a nullable column needs a *Date.
func (d *Date) Scan(src any) error {
	switch v := src.(type) {
	case time.Time:
		// The driver gives midnight in whatever zone it likes; the calendar fields are what was stored.
		date, err := DateOf(v.Date())
		if err != nil {
			return fmt.Errorf("scan date: %w", err)
		}
		*d = date
		return nil
	case string:
		return d.UnmarshalText([]byte(v))
	case []byte:
		return d.UnmarshalText(v)
	}
	return fmt.Errorf("scan date: unexpected type %T", src)
}

// MarshalGQL writes the scalar Date.
func (d Date) MarshalGQL(w io.Writer) { writeQuoted(w, d.AppendText) }

// UnmarshalGQL reads the scalar Date from a string; the error says what would be right.
func (d *Date) UnmarshalGQL(v any) error {
	text, ok := v.(string)
	if !ok {
		return ErrDate
	}
	return d.UnmarshalText([]byte(text))
}

func (d Date) utc() time.Time { return time.Unix(d.UnixDay()*secondsPerDay, 0).UTC() }

func dateOf(year int, month time.Month, day int) Date {
	return Date{int32(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix()/secondsPerDay + unixEpochDays)}
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func offsetAt(unix int64, loc *time.Location) int64 {
	_, offset := time.Unix(unix, 0).In(loc).Zone()
	return int64(offset)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
