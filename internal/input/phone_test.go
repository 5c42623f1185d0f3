package input

import (
	"testing"

	"github.com/nyaruka/phonenumbers"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What is taken for a North American number is read as the library reads it, whether there is such a number or not.
func TestNorthAmericanNumbersAreReadAsTheLibraryReadsThem(t *testing.T) {
	t.Parallel()
	taken := 0
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(
			rapid.StringMatching(`\+1[2-9][0-9]{9}`),
			rapid.StringMatching(`\+1(212|415|345|242|500|700|800|900|911|976|999)[0-9]{7}`),
			rapid.StringMatching(`\+?1?[0-9x٣ ]{9,11}`),
		).Draw(t, "number")
		n, ok := northAmerican(s)
		if !ok {
			return
		}
		taken++
		want, err := phonenumbers.Parse(s, "US")
		require.NoError(t, err)
		require.Equal(t, want.GetCountryCode(), n.GetCountryCode())
		require.Equal(t, want.GetNationalNumber(), n.GetNationalNumber())
		require.Equal(t, phonenumbers.Format(want, phonenumbers.E164), phonenumbers.Format(n, phonenumbers.E164))
		require.Equal(t, phonenumbers.GetNumberType(want), phonenumbers.GetNumberType(n))
	})
	require.Positive(t, taken)
}
