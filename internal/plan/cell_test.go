package plan

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"caseload/graph/scalar"
	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/relay"
)

func marshalled(m graphql.Marshaler) string {
	var b bytes.Buffer
	m.MarshalGQL(&b)
	return b.String()
}

func TestStringsAreEscapedAsTheExecutorDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("\x00\x01\x1f\x7f\t\n\r\"\\/<é日😀")))).Draw(t, "text")
		require.Equal(t, marshalled(graphql.MarshalString(s)), string(AppendString(nil, s)))
		require.Equal(t, marshalled(graphql.MarshalString(s)), string(AppendString(nil, []byte(s))))
	})
}

// asText is how PostgreSQL writes a timestamptz in UTC.
func asText(at time.Time) string {
	return strings.TrimRight(strings.TrimRight(at.UTC().Format("2006-01-02 15:04:05.000000"), "0"), ".") + "+00"
}

func TestTimesAreWrittenAsTheScalarAndTheCursorDo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(-62135596800_000000, 253402300799_999999).Draw(t, "microseconds")).UTC()
		text := asText(at)
		got, ok := appendDateTime(nil, []byte(text))
		require.True(t, ok, text)
		require.Equal(t, marshalled(scalar.MarshalDateTime(at)), string(got))
		cursor, ok := cursorText(typeTime, []byte(text))
		require.True(t, ok)
		require.Equal(t, *db.Text(at), cursor)
	})
	for _, odd := range []string{"", "infinity", "-infinity", "10000-01-01 00:00:00+00", "0001-01-01 00:00:00+00 BC", "2026-03-09 15:00:00+01", "2026-03-09 15:00:00", "2026-03-09 15:00:00.+005"} {
		_, ok := appendDateTime(nil, []byte(odd))
		require.False(t, ok, odd)
	}
}

func TestDecimalsAreWrittenAsTheScalarDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := decimal.New(rapid.Int64().Draw(t, "digits"), -rapid.Int32Range(0, 12).Draw(t, "scale"))
		for _, text := range []string{d.String(), d.StringFixed(12)} {
			got, ok := appendDecimal(nil, []byte(text))
			require.True(t, ok)
			require.Equal(t, marshalled(scalar.MarshalDecimal(decimal.RequireFromString(text))), string(got))
		}
	})
	for _, odd := range []string{"NaN", "Infinity", "1e5"} {
		_, ok := appendDecimal(nil, []byte(odd))
		require.False(t, ok, odd)
	}
}

func TestDatesTimesAndIDsAreWrittenAsTheirTypesDo(t *testing.T) {
	t.Parallel()
	date, err := civil.ParseDate("2026-02-28")
	require.NoError(t, err)
	clock, err := civil.ParseLocalTime("23:59")
	require.NoError(t, err)
	id := uuid.MustParse("01920000-0000-7000-8000-0000000000ff")
	for _, c := range []struct {
		encode encoder
		raw    string
		want   graphql.Marshaler
	}{
		{encoderOf(reflect.TypeFor[*civil.Date]()), "2026-02-28", date},
		{encoderOf(reflect.TypeFor[civil.LocalTime]()), "23:59:00", clock},
		{idEncoder("cust"), id.String(), relay.ID{Prefix: "cust", UUID: id}},
		{encoderOf(reflect.TypeFor[bool]()), "true", graphql.MarshalBoolean(true)},
		{encoderOf(reflect.TypeFor[*int32]()), "-7", graphql.MarshalInt32(-7)},
		{encoderOf(reflect.TypeFor[int64]()), "9007199254740993", graphql.MarshalString("9007199254740993")},
		{encoderOf(reflect.TypeFor[db.JSON]()), `{"a": 1}`, db.JSON(`{"a": 1}`)},
	} {
		got, ok := c.encode([]byte("x"), []byte(c.raw))
		require.True(t, ok, c.raw)
		require.Equal(t, "x"+marshalled(c.want), string(got))
	}
	for raw, encode := range map[string]encoder{"24:00:00": appendLocalTime, "08:00:30": appendLocalTime, "infinity": appendDate, "2026-2-3": appendDate, "cust": idEncoder("cust")} {
		_, ok := encode(nil, []byte(raw))
		require.False(t, ok, raw)
	}
	require.Nil(t, encoderOf(reflect.TypeFor[[]byte]()), "bytes are never shown")
}
