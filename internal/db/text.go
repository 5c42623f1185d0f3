package db

import (
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// timeForm has microseconds, as rows have: less would lose rows between two pages.
const timeForm = "2006-01-02T15:04:05.999999Z07:00"

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
		s = x.UTC().Format(timeForm)
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
