package config

import (
	"cmp"
	"fmt"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"time"

	"caseload/internal/httpapi"
	"caseload/internal/pii"
)

// variable is the declaration of one environment variable, from the tags of its field.
type variable struct {
	name, section   string
	preset          string // the default as it is documented
	want, min, max  string
	doc             string
	index           []int
	kind            reflect.Type
	secret, isLimit bool
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[pii.Secret]()
	limitsType   = reflect.TypeFor[httpapi.Limits]()
)

// variables lists the declarations of a Config in the order of its fields.
func variables() []variable { return declared(reflect.TypeFor[Config](), "General", nil, false) }

func declared(t reflect.Type, section string, at []int, areLimits bool) []variable {
	var all []variable
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(append([]int{}, at...), i)
		name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
		if name == "" {
			if own := f.Tag.Get("section"); f.Type.Kind() == reflect.Struct && (own != "" || f.Anonymous) {
				all = append(all, declared(f.Type, cmp.Or(own, section), index, areLimits || f.Type == limitsType)...)
			}
			continue
		}
		v := variable{
			name: name, section: section, want: f.Tag.Get("want"), min: f.Tag.Get("min"), max: f.Tag.Get("max"),
			doc: f.Tag.Get("doc"), index: index, kind: f.Type, secret: f.Type == secretType, isLimit: areLimits,
			preset: f.Tag.Get("default"),
		}
		if v.preset == "" {
			v.preset = f.Tag.Get("envDefault")
		}
		all = append(all, v)
	}
	return all
}

// form says what a right value looks like.
func (v variable) form() string {
	form := v.want
	switch {
	case form != "":
	case v.kind == durationType:
		form = "a duration such as 500ms, 5s or 1m30s"
	case v.kind.Kind() == reflect.Bool:
		form = "true or false"
	case v.isNumber():
		form = "a whole number"
	default:
		form = "text"
	}
	switch {
	case v.min != "" && v.max != "":
		return fmt.Sprintf("%s, from %s to %s", form, v.min, v.max)
	case v.isLimit:
		// A limit of nothing would refuse every request, or, worse, none.
		return form + ", more than 0"
	}
	return form
}

func (v variable) isNumber() bool {
	return v.kind.Kind() >= reflect.Int && v.kind.Kind() <= reflect.Uint64
}

// inRange checks the bounds of a number or duration.
func (v variable) inRange(value reflect.Value) bool {
	if !v.isNumber() || v.kind == reflect.TypeFor[slog.Level]() {
		return true
	}
	var n int64
	if value.CanInt() {
		n = value.Int()
	} else {
		n = int64(value.Uint())
	}
	if v.isLimit {
		return n > 0
	}
	return (v.min == "" || n >= v.bound(v.min)) && (v.max == "" || n <= v.bound(v.max))
}

// bound reads a min or max tag; the tags of all fields are read by a test.
func (v variable) bound(text string) int64 {
	var n int64
	var err error
	if v.kind == durationType {
		var d time.Duration
		d, err = time.ParseDuration(text)
		n = int64(d)
	} else {
		n, err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil {
		panic(fmt.Sprintf("bound of %s: %v", v.name, err))
	}
	return n
}

// show prints the value in a Config; a secret shows only whether it is set.
func (v variable) show(c Config) string {
	value := reflect.ValueOf(c).FieldByIndex(v.index)
	if v.secret && value.String() == "" {
		return ""
	}
	return fmt.Sprint(value.Interface())
}

// String lists all variables with their values, one a line, secrets redacted.
func (c Config) String() string {
	var b strings.Builder
	for _, v := range variables() {
		fmt.Fprintf(&b, "%s=%s\n", v.name, v.show(c))
	}
	return b.String()
}

// Format writes [Config.String] whatever the verb is.
func (c Config) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// LogValue groups all variables with their values, secrets redacted.
func (c Config) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, v := range variables() {
		attrs = append(attrs, slog.String(v.name, v.show(c)))
	}
	return slog.GroupValue(attrs...)
}
