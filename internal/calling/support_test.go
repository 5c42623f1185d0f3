package calling_test

import (
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/calling"
	"caseload/internal/civil"
)

var (
	debtA = uuid.MustParse("01890000-0000-7000-8000-00000000000a")
	debtB = uuid.MustParse("01890000-0000-7000-8000-00000000000b")
)

const phoneNY = "+12125551212"

type fataler interface {
	Errorf(format string, args ...any)
	FailNow()
}

func zone(t fataler, name string) civil.Zone {
	z, err := civil.ParseZone(name)
	require.NoError(t, err)
	return z
}

// at reads "2026-03-08 14:30" as a wall time in the zone.
func at(t fataler, z civil.Zone, wall string) time.Time {
	date, err := civil.ParseDate(wall[:10])
	require.NoError(t, err)
	clock, err := civil.ParseLocalTime(wall[11:])
	require.NoError(t, err)
	first, _ := date.At(clock, z.Location())
	return first
}

func clock(t fataler, text string) civil.LocalTime {
	c, err := civil.ParseLocalTime(text)
	require.NoError(t, err)
	return c
}

// newYork is a customer about whom no rule has anything to say but the federal window.
func newYork(t fataler) calling.Case {
	return calling.Case{Zones: []civil.Zone{zone(t, "America/New_York")}, State: "NY", Phone: phoneNY, Policy: calling.Default()}
}

func standardCalendar(t fataler) *calling.Calendar {
	c, err := calling.NewCalendar(calling.FederalLimits(), calling.StandardStateWindows(), calling.StandardHolidays(2025, 2030))
	require.NoError(t, err)
	return c
}

func codes(denials []calling.CallDenial) []calling.CallRule {
	var out []calling.CallRule
	for _, d := range denials {
		out = append(out, d.Rule)
	}
	return out
}

func ask(c calling.Case, when time.Time) calling.CallEligibility {
	return calling.Eligibility(calling.EligibilityInput{Case: c, At: when})
}

// wall prints an instant as the zone's clock shows it.
func wall(z civil.Zone, when *time.Time) string {
	if when == nil {
		return "never"
	}
	return when.In(z.Location()).Format("2006-01-02 15:04:05")
}

func localTimes(slots []calling.Slot) []string {
	var out []string
	for _, s := range slots {
		out = append(out, s.LocalDate.String()+" "+s.LocalTime.String())
	}
	return out
}

func calls(outcome calling.CallOutcome, debts []uuid.UUID, when ...time.Time) calling.History {
	var h calling.History
	for _, w := range when {
		h.Attempts = append(h.Attempts, calling.Attempt{At: w, Phone: phoneNY, Outcome: outcome, Debts: debts})
	}
	return h
}
