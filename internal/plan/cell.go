package plan

import (
	"errors"
	"reflect"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"go.jetify.com/typeid/v2/base32"

	"caseload/internal/civil"
	"caseload/internal/db"
)

// encoder appends the JSON of a cell that is not NULL, as the scalar's own marshaler writes it. False means
// that the cell is not of the form that is expected.
type encoder func(dst, raw []byte) ([]byte, bool)

var errCell = errors.New("write cell: unexpected form")

var (
	typeTime      = reflect.TypeFor[time.Time]()
	typeDate      = reflect.TypeFor[civil.Date]()
	typeLocalTime = reflect.TypeFor[civil.LocalTime]()
	typeDecimal   = reflect.TypeFor[decimal.Decimal]()
	typeJSON      = reflect.TypeFor[db.JSON]()
	typeUUID      = reflect.TypeFor[uuid.UUID]()
)

func base(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// cellOf says how a column is read. The driver parses dates and times of all kinds, which are structs, into
// time.Time; as text they cost neither that nor being written again.
func cellOf(c db.Column) db.Cell {
	t := base(c.Type)
	return db.Cell{Column: c.Name, Text: t.Kind() == reflect.Struct && t != typeDecimal}
}

// encoderOf returns the encoder of a column's Go type, or nil when it has none.
func encoderOf(t reflect.Type) encoder {
	t = base(t)
	switch t {
	case typeTime:
		return appendDateTime
	case typeDate:
		return appendDate
	case typeLocalTime:
		return appendLocalTime
	case typeDecimal:
		return appendDecimal
	case typeJSON:
		return appendRaw
	}
	switch t.Kind() {
	case reflect.String:
		return func(dst, raw []byte) ([]byte, bool) { return AppendString(dst, raw), true }
	case reflect.Bool, reflect.Int32:
		return appendRaw
	case reflect.Int64:
		// The scalar Int64 is a string: JSON readers lose digits beyond 53 bits.
		return func(dst, raw []byte) ([]byte, bool) { return AppendString(dst, raw), true }
	}
	return nil
}

func appendRaw(dst, raw []byte) ([]byte, bool) { return append(dst, raw...), true }

const hexDigits = "0123456789ABCDEF"

// AppendString appends a JSON string, escaped as graphql.MarshalString does.
func AppendString[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '\t':
			dst = append(dst, '\\', 't')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '"', '\\':
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// utc reports whether raw is a timestamptz of a year with four digits, in UTC, and returns where its offset begins.
func utc(raw []byte) (int, bool) {
	// 2026-03-09 15:00:00+00, with up to six decimals before the offset. Other years and infinity look otherwise.
	n := len(raw) - 3
	if n < 19 || n > 26 || raw[4] != '-' || raw[10] != ' ' || raw[n] != '+' || raw[n+1] != '0' || raw[n+2] != '0' || (n > 19) != (raw[min(19, n)] == '.') {
		return 0, false
	}
	return n, true
}

// appendDateTime writes RFC 3339 in UTC with milliseconds; what is finer is cut off, not rounded.
func appendDateTime(dst, raw []byte) ([]byte, bool) {
	n, ok := utc(raw)
	if !ok {
		return dst, false
	}
	dst = append(dst, '"')
	dst = append(dst, raw[:10]...)
	dst = append(dst, 'T')
	dst = append(dst, raw[11:19]...)
	dst = append(dst, '.')
	for i := 20; i < 23; i++ {
		c := byte('0')
		if i < n {
			c = raw[i]
		}
		dst = append(dst, c)
	}
	return append(dst, 'Z', '"'), true
}

func appendDate(dst, raw []byte) ([]byte, bool) {
	if len(raw) != 10 || raw[4] != '-' || raw[7] != '-' {
		return dst, false
	}
	dst = append(dst, '"')
	dst = append(dst, raw...)
	return append(dst, '"'), true
}

func appendLocalTime(dst, raw []byte) ([]byte, bool) {
	// 24:00:00 is a time of PostgreSQL but none of a wall clock.
	if len(raw) != 8 || string(raw[5:]) != ":00" || raw[0] == '2' && raw[1] > '3' {
		return dst, false
	}
	dst = append(dst, '"')
	dst = append(dst, raw[:5]...)
	return append(dst, '"'), true
}

// appendDecimal writes a number without the zeros at the end of its decimals, as decimal.Decimal does.
func appendDecimal(dst, raw []byte) ([]byte, bool) {
	end, point := len(raw), -1
	for i, c := range raw {
		switch {
		case c == '.':
			point = i
		case c < '0' && c != '-' || c > '9':
			return dst, false
		}
	}
	if point >= 0 {
		for end > point+1 && raw[end-1] == '0' {
			end--
		}
		if end == point+1 {
			end = point
		}
	}
	dst = append(dst, '"')
	dst = append(dst, raw[:end]...)
	return append(dst, '"'), true
}

// idEncoder writes typed ids.
func idEncoder(prefix string) encoder {
	lead := append(AppendString(nil, prefix)[:len(prefix)+1], '_')
	return func(dst, raw []byte) ([]byte, bool) {
		id, ok := parseUUID(raw)
		if !ok {
			return dst, false
		}
		dst = append(dst, lead...)
		dst = base32.AppendEncode(dst, id)
		return append(dst, '"'), true
	}
}

func parseUUID(raw []byte) (uuid.UUID, bool) {
	id, err := uuid.ParseBytes(raw)
	return id, err == nil
}

// cursorText returns the value of a term of an order as cursors hold it: see db.Text.
func cursorText(t reflect.Type, raw []byte) (string, bool) {
	t = base(t)
	switch {
	case t == typeTime:
		n, ok := utc(raw)
		if !ok {
			return "", false
		}
		return string(raw[:10]) + "T" + string(raw[11:n]) + "Z", true
	case t == typeUUID, t == typeDate, t.Kind() == reflect.String, t.Kind() == reflect.Int32, t.Kind() == reflect.Bool:
		return string(raw), true
	}
	return "", false
}
