// Package scalar writes and reads the scalars whose Go types are not our own.
package scalar

import (
	"encoding/json"
	"io"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/shopspring/decimal"

	"caseload/internal/fault"
	"caseload/internal/input"
)

// dateTimeForm is RFC 3339 in UTC with milliseconds.
const dateTimeForm = "2006-01-02T15:04:05.000Z"

// MarshalDateTime writes an instant in UTC with milliseconds.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		var b [len(dateTimeForm) + 2]byte
		out := append(b[:0], '"')
		out = t.UTC().AppendFormat(out, dateTimeForm)
		_, _ = w.Write(append(out, '"'))
	})
}

// UnmarshalDateTime reads RFC 3339 with a zone, in milliseconds; anything else is BAD_USER_INPUT.
func UnmarshalDateTime(v any) (time.Time, error) {
	s, _ := v.(string)
	t, ok := input.ParseMoment(s)
	if !ok {
		return time.Time{}, fault.New(fault.BadUserInput, "A DateTime is RFC 3339 with a zone, such as 2026-03-08T14:30:00Z.")
	}
	return t, nil
}

// MarshalDecimal writes a number with its decimals as a string.
func MarshalDecimal(d decimal.Decimal) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(d.String())) })
}

// maxDecimal bounds the text of a decimal: an exponent of a billion would take as many bytes to write.
const maxDecimal = 40

// UnmarshalDecimal reads a number from a string or a JSON number, never through a float.
func UnmarshalDecimal(v any) (decimal.Decimal, error) {
	var text string
	switch x := v.(type) {
	case string:
		text = x
	case json.Number:
		text = x.String()
	case int64:
		text = strconv.FormatInt(x, 10)
	}
	d, err := decimal.NewFromString(text)
	if err != nil || len(text) > maxDecimal || d.Exponent() > maxDecimal || d.Exponent() < -maxDecimal {
		return decimal.Decimal{}, fault.New(fault.BadUserInput, "A Decimal is a number as a string, such as \"1250.75\".")
	}
	return d, nil
}

// MarshalInt64 writes a whole number as a string: JSON readers lose digits beyond 53 bits.
func MarshalInt64(n int64) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(strconv.FormatInt(n, 10))) })
}

// UnmarshalInt64 reads a whole number from a number or a string of digits.
func UnmarshalInt64(v any) (int64, error) {
	n, err := graphql.UnmarshalInt64(v)
	if err != nil {
		return 0, fault.New(fault.BadUserInput, "An Int64 is a whole number of up to 64 bits, as a number or a string of digits.")
	}
	return n, nil
}

// MarshalSourceID writes an id of another system as text.
func MarshalSourceID(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalSourceID reads an id of another system from a string or a whole number: systems that number their
// records send numbers. Its length is checked with the row, so that one wrong id does not refuse the others.
func UnmarshalSourceID(v any) (string, error) {
	switch x := v.(type) {
	case string:
		return x, nil
	case json.Number:
		if text, ok := input.WholeNumber(x.String()); ok {
			return text, nil
		}
	case int64:
		return strconv.FormatInt(x, 10), nil
	case int:
		return strconv.Itoa(x), nil
	}
	return "", fault.New(fault.BadUserInput, "A SourceId is a string or a whole number.")
}
