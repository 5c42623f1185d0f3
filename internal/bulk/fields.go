package bulk

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"strconv"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-json-experiment/json/jsontext"

	"caseload/internal/fault"
	"caseload/internal/input"
)

// fields are the members of a line's JSON object, or of one in it. Every value is checked, so that a line reports all that is wrong
// with it; no message repeats a value.
type fields struct {
	// c is where what is wrong is recorded, and missing where required values are that are not there.
	c, missing *fault.Check
	// values are few: a linear search is cheaper than a map.
	values []keyed
	// pointer leads from the row to the object, and unknown gets the keys that are not permitted; see [Binding].
	pointer string
	unknown *[]unknownKey
}

// keyed is a key of an object with its value, which is a part of the line's text.
type keyed struct {
	key   string
	value jsontext.Value
}

// walker reads one JSON text. It is pooled: otherwise each line, and each object in it, would need a new decoder.
type walker struct {
	in  bytes.Reader
	dec *jsontext.Decoder
}

var walkers = sync.Pool{New: func() any {
	w := &walker{}
	w.dec = jsontext.NewDecoder(&w.in)
	return w
}}

// maxElements is how many elements a list of a row may have, as many as can be written as columns. A kind may permit fewer. Nothing
// is read of a longer list: a line of a MiB could hold half a million.
const maxElements = maxIndex + 1

var errManyElements = errors.New("a list with too many elements")

// members returns the members of an object, or the elements of a list, without keys, in their order.
func members(text []byte, open jsontext.Kind) (list []keyed, err error) {
	w := walkers.Get().(*walker)
	defer walkers.Put(w)
	w.in.Reset(text)
	w.dec.Reset(&w.in)
	// The pool would keep the line. What the decoder has copied of it stays until the next one is read.
	defer w.in.Reset(nil)
	if t, err := w.dec.ReadToken(); err != nil || t.Kind() != open {
		return nil, cmp.Or(err, errNotObject)
	}
	list = []keyed{}
	for w.dec.PeekKind() != '}' && w.dec.PeekKind() != ']' {
		var m keyed
		if open == '{' {
			name, err := w.dec.ReadToken()
			if err != nil {
				return nil, err
			}
			m.key = name.String()
		}
		v, err := w.dec.ReadValue()
		if err != nil {
			return nil, err
		}
		if open == '[' && len(list) == maxElements {
			return nil, errManyElements
		}
		// The decoder's own bytes are valid until the next call alone.
		end := w.dec.InputOffset()
		m.value = text[end-int64(len(v)) : end : end]
		list = append(list, m)
	}
	if _, err := w.dec.ReadToken(); err != nil {
		return nil, err
	}
	if _, err := w.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errNotObject
	}
	return list, nil
}

// value returns the value of a key; nil when the object does not have it.
func (f fields) value(key string) jsontext.Value {
	for i := range f.values {
		if f.values[i].key == key {
			return f.values[i].value
		}
	}
	return nil
}

func (f fields) miss(key string) { f.missing.At(key).Add(fault.Required, "") }

// text reads a text; a whole number stands for its digits, as systems that number their records send numbers.
func (f fields) text(key string) graphql.Omittable[*string] {
	return valueOf(f, key, textOf, "Give a text, in quotes.")
}

func (f fields) boolean(key string) graphql.Omittable[*bool] {
	return valueOf(f, key, func(v jsontext.Value) (bool, bool) { return v.Kind() == 't', v.Kind() == 't' || v.Kind() == 'f' }, "Give true or false.")
}

func (f fields) texts(key string) graphql.Omittable[[]string] {
	return listOf(f, key, textOf, "Give a text, in quotes.")
}

func (f fields) integers(key string) graphql.Omittable[[]int64] {
	return listOf(f, key, func(v jsontext.Value) (int64, bool) {
		s, ok := textOf(v)
		n, err := strconv.ParseInt(s, 10, 64)
		return n, ok && err == nil
	}, "Give a whole number.")
}

// below reads the object of a key.
func (f fields) below(key string) (below fields, isNull bool) {
	v := f.value(key)
	if v.Kind() == 'n' {
		return fields{}, true
	}
	return f.object(v, "/"+escapePointer(key), key), false
}

// each reads the objects of a list; null is one without elements.
func (f fields) each(key string) []fields {
	var objects []fields
	for i, e := range f.elements(key) {
		objects = append(objects, f.object(e.value, "/"+escapePointer(key)+"/"+strconv.Itoa(i), key, strconv.Itoa(i)))
	}
	return objects
}

func (f fields) object(v jsontext.Value, pointer string, path ...string) fields {
	c := f.c.At(path...)
	values, err := members(v, '{')
	if err != nil {
		c.Add(fault.Invalid, "Give a JSON object.")
	}
	return fields{c: c, missing: f.missing.At(path...), values: values, pointer: f.pointer + pointer, unknown: f.unknown}
}

// elements returns the elements of a list; nil for null.
func (f fields) elements(key string) []keyed {
	v := f.value(key)
	if v.Kind() == 'n' {
		return nil
	}
	elements, err := members(v, '[')
	switch {
	case errors.Is(err, errManyElements):
		f.c.At(key).Add(fault.LimitExceeded, "Give at most %d elements.", maxElements)
	case err != nil:
		f.c.At(key).Add(fault.Invalid, "Give a list, in square brackets.")
	}
	return elements
}

// valueOf reads a value that may be null; wrong says what it should be.
func valueOf[T any](f fields, key string, as func(jsontext.Value) (T, bool), wrong string) graphql.Omittable[*T] {
	v := f.value(key)
	if v.Kind() == 'n' {
		return graphql.OmittableOf[*T](nil)
	}
	value, ok := as(v)
	if !ok {
		f.c.At(key).Add(fault.Invalid, "%s", wrong)
	}
	return graphql.OmittableOf(&value)
}

func listOf[T any](f fields, key string, as func(jsontext.Value) (T, bool), wrong string) graphql.Omittable[[]T] {
	elements := f.elements(key)
	var list []T
	if elements != nil {
		list = make([]T, len(elements))
	}
	for i, e := range elements {
		var ok bool
		if list[i], ok = as(e.value); !ok {
			f.c.At(key).Index(i).Add(fault.Invalid, "%s", wrong)
		}
	}
	return graphql.OmittableOf(list)
}

func textOf(v jsontext.Value) (string, bool) {
	switch v.Kind() {
	case '"':
		s, err := jsontext.AppendUnquote(nil, v)
		return string(s), err == nil
	case '0':
		return input.WholeNumber(string(v))
	}
	return "", false
}
