package relay_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/relay"
)

func TestIDRoundTrip(t *testing.T) {
	t.Parallel()
	// The example of the TypeID format itself.
	id := relay.ID{Prefix: "prefix", UUID: uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057")}
	require.Equal(t, "prefix_01h455vb4pex5vsknk084sn02q", id.String())
	for _, u := range []uuid.UUID{uuid.Nil, uuid.Max, db.NewID(), id.UUID} {
		for _, prefix := range []string{"cust", "a", "call_task", strings.Repeat("x", 63)} {
			want := relay.ID{Prefix: prefix, UUID: u}
			got, err := relay.ParseID(want.String())
			require.NoError(t, err)
			require.Equal(t, want, got)

			var b bytes.Buffer
			want.MarshalGQL(&b)
			var text string
			require.NoError(t, json.Unmarshal(b.Bytes(), &text))
			var again relay.ID
			require.NoError(t, again.UnmarshalGQL(text))
			require.Equal(t, want, again)

			raw, err := json.Marshal(want)
			require.NoError(t, err)
			var third relay.ID
			require.NoError(t, json.Unmarshal(raw, &third))
			require.Equal(t, want, third)
		}
	}
	require.Equal(t, "01h455vb4pex5vsknk084sn02q", relay.ID{UUID: id.UUID}.String())
}

func TestIDOfAnotherType(t *testing.T) {
	t.Parallel()
	u := db.NewID()
	got, err := relay.ID{Prefix: "cust", UUID: u}.As("cust")
	require.NoError(t, err)
	require.Equal(t, u, got)
	_, err = relay.ID{Prefix: "loan", UUID: u}.As("cust")
	require.Equal(t, fault.BadUserInput, fault.CodeOf(err))
	require.ErrorContains(t, err, "cust_", "it names what was expected")
	require.NotContains(t, err.Error(), "loan")
}

func TestMalformedIDs(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "_", "cust", "cust_", "_01h455vb4pex5vsknk084sn02q", "01h455vb4pex5vsknk084sn02q",
		"cust_01h455vb4pex5vsknk084sn02", "cust_01h455vb4pex5vsknk084sn02qq", "cust-01h455vb4pex5vsknk084sn02q",
		"cust_01H455VB4PEX5VSKNK084SN02Q", "cust_01h455vb4pex5vsknk084sn02u", "cust_81h455vb4pex5vsknk084sn02q",
		"CUST_01h455vb4pex5vsknk084sn02q", "cu\"st_01h455vb4pex5vsknk084sn02q", "cu\x00st_01h455vb4pex5vsknk084sn02q", "é_01h455vb4pex5vsknk084sn02q",
		strings.Repeat("x", 64) + "_01h455vb4pex5vsknk084sn02q", "01890a5d-ac96-774b-bcce-b302099a8057", "17",
	} {
		_, err := relay.ParseID(s)
		require.Equal(t, fault.BadUserInput, fault.CodeOf(err), s)
		var id relay.ID
		require.Error(t, id.UnmarshalGQL(s))
		require.Error(t, id.UnmarshalText([]byte(s)))
	}
	for _, v := range []any{nil, 17, json.Number("17"), []any{}, true} {
		var id relay.ID
		require.Equal(t, fault.BadUserInput, fault.CodeOf(id.UnmarshalGQL(v)))
	}
}

// An id has one spelling, and what is printed is JSON.
func FuzzParseID(f *testing.F) {
	f.Add("cust_01h455vb4pex5vsknk084sn02q")
	f.Add("__00000000000000000000000000")
	f.Add("cust_7zzzzzzzzzzzzzzzzzzzzzzzzz")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := relay.ParseID(s)
		if err != nil {
			require.Equal(t, fault.BadUserInput, fault.CodeOf(err))
			return
		}
		require.Equal(t, s, id.String())
		var b bytes.Buffer
		id.MarshalGQL(&b)
		require.True(t, json.Valid(b.Bytes()), b.String())
	})
}
