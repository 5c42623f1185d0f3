package db

import (
	"encoding/hex"
	"reflect"
	"strconv"
	"time"

	"github.com/google/uuid"

	"caseload/internal/civil"
)

// hexMark begins bytes; its backslash is doubled, as it stands within a quoted element.
const hexMark = `\\x`

// elements writes a column of rows as a PostgreSQL array literal, and returns how many cells have a value. It writes the texts of
// [Text] into one buffer: a bulk write passes tens of thousands of cells, and would spend most of its time on allocating them.
func elements(rows []any, index []int) (literal string, set int) {
	b := make([]byte, 0, 24*len(rows)+2)
	b = append(b, '{')
	for i, row := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		var ok bool
		if b, ok = appendElement(b, reflect.ValueOf(row).Elem().FieldByIndex(index)); ok {
			set++
		} else {
			b = append(b, "NULL"...)
		}
	}
	return string(append(b, '}')), set
}

// appendElement appends the element of an array that holds a field, and returns false and appends nothing when it is NULL.
// Most types are taken by their address, which copies nothing.
func appendElement(b []byte, field reflect.Value) ([]byte, bool) {
	switch p := field.Addr().Interface().(type) {
	case *string:
		return appendQuoted(b, *p), true
	case **string:
		if *p == nil {
			return b, false
		}
		return appendQuoted(b, **p), true
	case *uuid.UUID:
		return appendUUID(b, p), true
	case **uuid.UUID:
		if *p == nil {
			return b, false
		}
		return appendUUID(b, *p), true
	case *time.Time:
		return appendTime(b, p), true
	case **time.Time:
		if *p == nil {
			return b, false
		}
		return appendTime(b, *p), true
	case *[]byte:
		if *p == nil {
			return b, false
		}
		b = append(append(b, '"'), hexMark...)
		return append(hex.AppendEncode(b, *p), '"'), true
	case **civil.Date:
		if *p == nil {
			return b, false
		}
		return appendQuoted(b, (*p).String()), true
	case *bool:
		return strconv.AppendBool(b, *p), true
	case *int32:
		return strconv.AppendInt(b, int64(*p), 10), true
	}
	text := Text(field.Interface())
	if text == nil {
		return b, false
	}
	return appendQuoted(b, *text), true
}

func appendUUID(b []byte, id *uuid.UUID) []byte {
	var text [36]byte
	hex.Encode(text[:8], id[:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:], id[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return append(b, text[:]...)
}

func appendTime(b []byte, t *time.Time) []byte {
	return append(t.UTC().AppendFormat(append(b, '"'), timeForm), '"')
}

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(append(b, s[from:i]...), '\\')
			from = i
		}
	}
	return append(append(b, s[from:]...), '"')
}
