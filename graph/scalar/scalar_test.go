package scalar_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/graph/scalar"
)

func TestSourceIDsAreTextsOrWholeNumbers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sent any
		want string
	}{
		{"-0", "-0"}, {"007", "007"}, {json.Number("-0"), "0"}, {json.Number("0"), "0"}, {json.Number("-7"), "-7"},
		{json.Number("12345678901234567890"), "12345678901234567890"}, {int64(5), "5"}, {5, "5"},
	} {
		got, err := scalar.UnmarshalSourceID(c.sent)
		require.NoError(t, err, c.sent)
		require.Equal(t, c.want, got)
	}
	for _, sent := range []any{json.Number("1.0"), json.Number("1e3"), json.Number("-0.0"), 1.5, true, nil, []any{}} {
		_, err := scalar.UnmarshalSourceID(sent)
		require.Error(t, err, sent)
	}
}
