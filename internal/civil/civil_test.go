package civil_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"caseload/internal/civil"
)

func location(t testing.TB, name string) *time.Location {
	loc, err := time.LoadLocation(name)
	require.NoError(t, err)
	return loc
}

func TestParseDate(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31", "1970-01-01", "1969-12-31"} {
		d, err := civil.ParseDate(text)
		require.NoError(t, err, text)
		require.Equal(t, text, d.String())
	}
	for _, text := range []string{
		"", "2025-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-01-00", "2026-1-1", "26-01-01", "2026/01/01",
		"0000-01-01", "2026-01-01 ", "2026-01-01T00:00:00Z", "+026-01-01", "2026-01-32", "２０２６-01", "2026-04-31",
	} {
		_, err := civil.ParseDate(text)
		require.ErrorIs(t, err, civil.ErrDate, text)
	}
}

func TestDateAgainstTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		unix := rapid.Int64Range(-62135596800, 253402300799).Draw(t, "unix")
		want := time.Unix(unix, 0).UTC()
		d := civil.DateIn(want, time.UTC)
		require.Equal(t, want.Format(time.DateOnly), d.String())
		require.Equal(t, want.Weekday(), d.Weekday())
		require.Equal(t, want.Year(), d.Year())
		n := rapid.IntRange(-400, 400).Draw(t, "n")
		if moved := want.AddDate(0, 0, n); moved.Year() >= 1 && moved.Year() <= 9999 {
			o := d.AddDays(n)
			require.Equal(t, moved.Format(time.DateOnly), o.String())
			require.Equal(t, n, o.DaysSince(d))
			require.Equal(t, n > 0, o.After(d))
			require.Equal(t, n < 0, o.Before(d))
			require.Equal(t, n == 0, o.Equal(d))
		}
	})
}

func TestDateStaysInRange(t *testing.T) {
	t.Parallel()
	require.Equal(t, "9999-12-31", civil.MustDate(9999, 12, 31).AddDays(1).String())
	require.Equal(t, "0001-01-01", civil.MustDate(1, 1, 1).AddDays(-1).String())
	require.True(t, civil.Date{}.IsZero())
	require.Panics(t, func() { civil.MustDate(2025, 2, 29) })
	require.Panics(t, func() { civil.MustLocalTime(24, 0) })
}

func TestParseLocalTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"00:00": "00:00", "08:30": "08:30", "23:59": "23:59", "09:05:00": "09:05"} {
		v, err := civil.ParseLocalTime(text)
		require.NoError(t, err, text)
		require.Equal(t, want, v.String())
	}
	for _, text := range []string{"", "24:00", "8:30", "08:60", "08:30:01", "08.30", "0830", "08:30 ", "-1:00", "+8:00", "08:30:00.0"} {
		_, err := civil.ParseLocalTime(text)
		require.ErrorIs(t, err, civil.ErrLocalTime, text)
	}
}

func TestDatabaseForms(t *testing.T) {
	t.Parallel()
	var d civil.Date
	for _, src := range []any{"2024-02-29", []byte("2024-02-29"), time.Date(2024, 2, 29, 0, 0, 0, 0, time.FixedZone("", -5*3600))} {
		require.NoError(t, d.Scan(src))
		require.Equal(t, civil.MustDate(2024, 2, 29), d)
	}
	for _, src := range []any{nil, 5, "infinity", []byte("infinity"), time.Date(-4, 1, 1, 0, 0, 0, 0, time.UTC)} {
		require.Error(t, d.Scan(src))
	}
	v, err := d.Value()
	require.NoError(t, err)
	require.Equal(t, "2024-02-29", v)

	var c civil.LocalTime
	for _, src := range []any{"21:00", []byte("21:00:00"), time.Date(0, 1, 1, 21, 0, 0, 0, time.UTC)} {
		require.NoError(t, c.Scan(src))
		require.Equal(t, civil.MustLocalTime(21, 0), c)
	}
	for _, src := range []any{nil, 5, "24:00:00", time.Date(0, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(0, 1, 1, 8, 0, 30, 0, time.UTC)} {
		require.Error(t, c.Scan(src))
	}
	v, err = c.Value()
	require.NoError(t, err)
	require.Equal(t, "21:00", v)
}

func TestJSONAndGraphQLForms(t *testing.T) {
	t.Parallel()
	type row struct {
		Date civil.Date      `json:"date"`
		At   civil.LocalTime `json:"at"`
	}
	in := row{civil.MustDate(2026, 3, 8), civil.MustLocalTime(8, 5)}
	text, err := json.Marshal(in)
	require.NoError(t, err)
	require.JSONEq(t, `{"date":"2026-03-08","at":"08:05"}`, string(text))
	var out row
	require.NoError(t, json.Unmarshal(text, &out))
	require.Equal(t, in, out)

	var b bytes.Buffer
	in.Date.MarshalGQL(&b)
	in.At.MarshalGQL(&b)
	require.Equal(t, `"2026-03-08""08:05"`, b.String())
	require.NoError(t, out.Date.UnmarshalGQL("2027-01-01"))
	require.ErrorIs(t, out.Date.UnmarshalGQL(20270101), civil.ErrDate)
	require.NoError(t, out.At.UnmarshalGQL("10:00"))
	require.ErrorIs(t, out.At.UnmarshalGQL(1000), civil.ErrLocalTime)
}

func TestAt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, zone, date, clock string
		first, last             string
	}{
		{"plain day", "America/New_York", "2026-07-01", "08:00", "2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z"},
		{"skipped by spring forward", "America/New_York", "2026-03-08", "02:30", "2026-03-08T07:00:00Z", "2026-03-08T07:00:00Z"},
		{"before the gap", "America/New_York", "2026-03-08", "01:59", "2026-03-08T06:59:00Z", "2026-03-08T06:59:00Z"},
		{"after the gap", "America/New_York", "2026-03-08", "03:00", "2026-03-08T07:00:00Z", "2026-03-08T07:00:00Z"},
		{"evening of spring forward", "America/New_York", "2026-03-08", "20:30", "2026-03-09T00:30:00Z", "2026-03-09T00:30:00Z"},
		{"twice on fall back", "America/New_York", "2026-11-01", "01:30", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"},
		{"after fall back", "America/New_York", "2026-11-01", "02:00", "2026-11-01T07:00:00Z", "2026-11-01T07:00:00Z"},
		{"midnight skipped", "America/Havana", "2026-03-08", "00:30", "2026-03-08T05:00:00Z", "2026-03-08T05:00:00Z"},
		{"midnight twice", "America/Havana", "2026-11-01", "00:15", "2026-11-01T04:15:00Z", "2026-11-01T05:15:00Z"},
		{"half-hour shift", "Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"},
		{"a whole day skipped", "Pacific/Apia", "2011-12-30", "12:00", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"},
		{"no daylight saving", "America/Phoenix", "2026-03-08", "02:30", "2026-03-08T09:30:00Z", "2026-03-08T09:30:00Z"},
		{"west of the date line", "Pacific/Guam", "2026-03-08", "08:00", "2026-03-07T22:00:00Z", "2026-03-07T22:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, err := civil.ParseDate(c.date)
			require.NoError(t, err)
			clock, err := civil.ParseLocalTime(c.clock)
			require.NoError(t, err)
			first, last := d.At(clock, location(t, c.zone))
			require.Equal(t, c.first, first.UTC().Format(time.RFC3339))
			require.Equal(t, c.last, last.UTC().Format(time.RFC3339))
		})
	}
}

// Every instant of At shows the wall time asked for, or the time was skipped and the instant just
// before shows an earlier one.
func TestAtShowsTheClock(t *testing.T) {
	t.Parallel()
	zones := []string{"America/New_York", "America/Havana", "America/Adak", "Pacific/Honolulu", "America/Indiana/Knox",
		"Europe/London", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu", "Pacific/Kiritimati", "Africa/Casablanca"}
	rapid.Check(t, func(t *rapid.T) {
		loc, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		require.NoError(t, err)
		d := civil.MustDate(2020, 1, 1).AddDays(rapid.IntRange(0, 5000).Draw(t, "day"))
		clock, err := civil.LocalTimeOfMinute(rapid.IntRange(0, 1439).Draw(t, "minute"))
		require.NoError(t, err)
		first, last := d.At(clock, loc)
		require.False(t, last.Before(first))
		for _, at := range []time.Time{first, last} {
			if civil.LocalTimeIn(at, loc) == clock && civil.DateIn(at, loc) == d {
				continue
			}
			require.Equal(t, first, last)
			wall := func(u time.Time) string { return u.In(loc).Format("2006-01-02 15:04") }
			asked := d.String() + " " + clock.String()
			require.Greater(t, wall(at), asked)
			require.Less(t, wall(at.Add(-time.Second)), asked)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"2026-03-08", "08:30", "24:00", "2025-02-29", "", "\x00", "08:30:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := civil.ParseDate(text); err == nil {
			require.Equal(t, text, d.String())
		}
		if c, err := civil.ParseLocalTime(text); err == nil {
			require.Equal(t, text[:5], c.String())
			require.Less(t, c.Minute(), 1440)
		}
	})
}
