package db

import (
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Text writes a column's value as PostgreSQL reads it, without loss; nil is NULL. Cursors and batches
// use it. It panics for a value that no column has, which is a mistake in the program.
func Text(v any) *string {
	var s string
	switch x := v.(type) {
	case nil:
		return nil
	case string:
		s = x
	case []byte:
		if x == nil {
			return nil
		}
		s = `\x` + hex.EncodeToString(x)
	case time.Time:
		// Rows keep microseconds; less would lose rows between two pages.
		s = x.UTC().Format("2006-01-02T15:04:05.999999Z07:00")
	case driver.Valuer:
		if r := reflect.ValueOf(x); r.Kind() == reflect.Pointer && r.IsNil() {
			return nil
		}
		got, err := x.Value()
		if err != nil {
			panic(fmt.Sprintf("column value of %T: %v", v, err))
		}
		return Text(got)
	default:
		r := reflect.ValueOf(v)
		switch r.Kind() {
		case reflect.Pointer:
			if r.IsNil() {
				return nil
			}
			return Text(r.Elem().Interface())
		case reflect.String:
			s = r.String()
		case reflect.Bool:
			s = strconv.FormatBool(r.Bool())
		case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
			s = strconv.FormatInt(r.Int(), 10)
		case reflect.Uint8, reflect.Uint16, reflect.Uint32:
			s = strconv.FormatUint(r.Uint(), 10)
		default:
			panic(fmt.Sprintf("column value of %T", v))
		}
	}
	return &s
}

// array writes texts as a PostgreSQL array literal.
func array(values []*string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		if v == nil {
			b.WriteString("NULL")
			continue
		}
		b.WriteByte('"')
		for j := range len(*v) {
			if c := (*v)[j]; c == '"' || c == '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte((*v)[j])
		}
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}
