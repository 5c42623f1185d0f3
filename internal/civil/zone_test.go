package civil_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/civil"
)

func TestParseZone(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"America/New_York": "America/New_York", "US/Eastern": "America/New_York", "US/Hawaii": "Pacific/Honolulu",
		"America/Indianapolis": "America/Indiana/Indianapolis", "America/Knox_IN": "America/Indiana/Knox", "Navajo": "America/Denver",
		"America/Indiana/Knox": "America/Indiana/Knox", "America/Puerto_Rico": "America/Puerto_Rico", "Pacific/Guam": "Pacific/Guam",
		"America/Adak": "America/Adak", "Atlantic/Reykjavik": "Atlantic/Reykjavik", "Europe/Kiev": "Europe/Kyiv",
		"America/Port-au-Prince": "America/Port-au-Prince", "Africa/Dar_es_Salaam": "Africa/Dar_es_Salaam",
	} {
		z, err := civil.ParseZone(name)
		require.NoError(t, err, name)
		require.Equal(t, want, z.Name())
		require.Equal(t, want, z.Location().String())
		again, err := civil.ParseZone(name)
		require.NoError(t, err)
		require.True(t, z.Equal(again))
	}
	for _, name := range []string{
		"", "Local", "UTC", "utc", "GMT", "Zulu", "EST", "MST", "EST5EDT", "Etc/UTC", "Etc/GMT+5", "Etc/GMT-14", "+05:00", "UTC-5",
		"America", "America/", "America//New_York", "America/./Boise", "America/../America/Boise", "/America/New_York",
		"america/new_york", "America/new_york", "posix/America/New_York", "right/America/New_York", "America/Nowhere",
		"America/New_York ", "America/New_York\x00", "../etc/passwd", "Factory", strings.Repeat("America/", 50),
	} {
		z, err := civil.ParseZone(name)
		require.ErrorIs(t, err, civil.ErrZone, name)
		require.True(t, z.IsZero())
	}
}

func TestZoneForms(t *testing.T) {
	t.Parallel()
	var z civil.Zone
	require.NoError(t, z.Scan("US/Pacific"))
	v, err := z.Value()
	require.NoError(t, err)
	require.Equal(t, "America/Los_Angeles", v)
	require.NoError(t, z.Scan([]byte("America/Chicago")))
	require.NoError(t, z.Scan(nil))
	v, err = z.Value()
	require.NoError(t, err)
	require.Nil(t, v)
	require.Error(t, z.Scan(5))
	require.Error(t, z.Scan("Local"))
	require.NoError(t, z.UnmarshalGQL("US/Mountain"))
	var b bytes.Buffer
	z.MarshalGQL(&b)
	require.Equal(t, `"America/Denver"`, b.String())
	require.ErrorIs(t, z.UnmarshalGQL(5), civil.ErrZone)
}

func FuzzParseZone(f *testing.F) {
	for _, s := range []string{"America/New_York", "US/Eastern", "", "Local", "Etc/GMT+5", "America/../UTC", "EST"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		z, err := civil.ParseZone(name)
		if err != nil {
			require.True(t, z.IsZero())
			return
		}
		canonical, err := civil.ParseZone(z.Name())
		require.NoError(t, err)
		require.Equal(t, z.Name(), canonical.Name())
		require.Contains(t, z.Name(), "/")
	})
}
