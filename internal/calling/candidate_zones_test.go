package calling_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/calling"
	"caseload/internal/civil"
)

func TestCandidateZones(t *testing.T) {
	t.Parallel()
	winter, summer := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC), time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, zone, phone, state string
		at                       time.Time
		want                     []string
	}{
		{"agree", "America/New_York", "+12125551212", "NY", winter, []string{"America/New_York"}},
		{"nothing known", "America/New_York", "", "", winter, []string{"America/New_York"}},
		{"not a number", "America/New_York", "hello", "", winter, []string{"America/New_York"}},
		{"mountain area code", "America/New_York", "+13035551212", "", winter, []string{"America/New_York", "America/Denver"}},
		{"national form", "America/New_York", "(303) 555-1212", "", winter, []string{"America/New_York", "America/Denver"}},
		{"toll-free", "America/New_York", "+18005551212", "", winter, []string{"America/New_York"}},
		{"unassigned area code", "America/New_York", "+19995551212", "", winter, []string{"America/New_York"}},
		{"same clock by another name", "America/Detroit", "+12125551212", "OH", winter, []string{"America/Detroit"}},
		{"Arizona and Denver part in spring", "America/Phoenix", "+13035551212", "", winter, []string{"America/Phoenix", "America/Denver"}},
		{"Arizona and Denver in summer", "America/Phoenix", "+13035551212", "", summer, []string{"America/Phoenix", "America/Denver"}},
		{"state against zone", "America/New_York", "", "CA", winter, []string{"America/New_York", "America/Los_Angeles"}},
		{"either zone of a state", "America/Chicago", "", "FL", winter, []string{"America/Chicago"}},
		{"Knox lies in Indiana", "America/Indiana/Knox", "", "IN", winter, []string{"America/Indiana/Knox"}},
		{"Detroit's clock exists in Indiana", "America/Detroit", "", "IN", winter, []string{"America/Detroit"}},
		{"phone and state disagree with the zone", "America/New_York", "+13035551212", "HI", winter, []string{"America/New_York", "America/Denver", "Pacific/Honolulu"}},
		{"Navajo country", "America/Denver", "", "AZ", winter, []string{"America/Denver"}},
		{"Guam", "Pacific/Guam", "+16715551212", "GU", winter, []string{"Pacific/Guam"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, z := range calling.CandidateZones(zone(t, c.zone), c.phone, c.state, c.at) {
				got = append(got, z.Name())
			}
			require.Equal(t, c.want, got)
		})
	}
	require.Empty(t, calling.CandidateZones(civil.Zone{}, phoneNY, "NY", winter))
}
