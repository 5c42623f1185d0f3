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
)

// Fields are the values of a line's JSON object, or of one that stands in it, with the place where what is wrong with it is
// recorded. Kinds read their rows by it: every value is judged, so that a line tells all that is wrong with it at once.
// A list may have [MaxElements]. No message repeats a value. A key that is not asked for is passed over: a file with one is refused before.
type Fields struct {
	c *fault.Check
	// values are few: looking through them takes less than making a map of them.
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

// walker reads one JSON text. Its decoder is worth keeping: it is made for each line and each object in it otherwise.
type walker struct {
	in  bytes.Reader
	dec *jsontext.Decoder
}

var walkers = sync.Pool{New: func() any {
	w := &walker{}
	w.dec = jsontext.NewDecoder(&w.in)
	return w
}}

// MaxElements is how many elements a list of a row may have, as many as can be written as columns. A kind may take less.
// Of a longer list nothing is read: a line of a MiB could hold half a million.
const MaxElements = maxIndex + 1

var errManyElements = errors.New("a list with too many elements")

// members returns what stands in an object or a list, keys being empty in a list, in its order.
func members(text []byte, open jsontext.Kind) (list []keyed, err error) {
	w := walkers.Get().(*walker)
	defer walkers.Put(w)
	w.in.Reset(text)
	w.dec.Reset(&w.in)
	// A line holds personal data: it is not kept with the walker.
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
		if open == '[' && len(list) == MaxElements {
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

func (f Fields) value(key string) (v jsontext.Value, set bool) {
	for i := range f.values {
		if f.values[i].key == key {
			return f.values[i].value, true
		}
	}
	return nil, false
}

// Has reports whether the object has the key, be it with null.
func (f Fields) Has(key string) bool {
	_, ok := f.value(key)
	return ok
}

// At returns where what is wrong with a key is recorded.
func (f Fields) At(key string) *fault.Check { return f.c.At(key) }

// Text reads a text; a whole number stands for its digits, since systems that number their records send numbers.
// What is neither is recorded, and the empty text.
func (f Fields) Text(key string) graphql.Omittable[*string] {
	return valueOf(f, key, textOf, "Give a text, in quotes.")
}

// Plain reads a text that must be there; without it the row is refused for an empty one.
func (f Fields) Plain(key string) string {
	if s := f.Text(key).Value(); s != nil {
		return *s
	}
	return ""
}

// Boolean reads a truth value.
func (f Fields) Boolean(key string) graphql.Omittable[*bool] {
	return valueOf(f, key, func(v jsontext.Value) (bool, bool) { return v.Kind() == 't', v.Kind() == 't' || v.Kind() == 'f' }, "Give true or false.")
}

// JSON reads any value as it stands in the file, which the caller may keep; null is a value, too.
func (f Fields) JSON(key string) (value []byte, set bool) {
	v, set := f.value(key)
	return bytes.Clone(v), set
}

// Texts reads a list of texts; null is one without elements.
func (f Fields) Texts(key string) graphql.Omittable[[]string] {
	return listOf(f, key, textOf, "Give a text, in quotes.")
}

// Integers reads a list of whole numbers; null is nil.
func (f Fields) Integers(key string) graphql.Omittable[[]int64] {
	return listOf(f, key, func(v jsontext.Value) (int64, bool) {
		s, ok := textOf(v)
		n, err := strconv.ParseInt(s, 10, 64)
		return n, ok && err == nil
	}, "Give a whole number.")
}

// Below reads an object that stands in this one; isNull tells that there is null in its place.
func (f Fields) Below(key string) (below Fields, isNull, set bool) {
	v, set := f.value(key)
	if !set || v.Kind() == 'n' {
		return Fields{c: f.At(key)}, set, set
	}
	return fieldsOf(v, f.At(key)), false, true
}

// Each reads a list of objects; null is one without elements.
func (f Fields) Each(key string) (objects []Fields, set bool) {
	elements, set := f.elements(key)
	for i, e := range elements {
		objects = append(objects, fieldsOf(e.value, f.At(key).Index(i)))
	}
	return objects, set
}

func fieldsOf(v jsontext.Value, c *fault.Check) Fields {
	values, err := members(v, '{')
	if err != nil {
		c.Add(fault.Invalid, "Give a JSON object.")
	}
	return Fields{c: c, values: values}
}

// elements are those of a list.
func (f Fields) elements(key string) (elements []keyed, set bool) {
	v, set := f.value(key)
	if !set || v.Kind() == 'n' {
		return nil, set
	}
	elements, err := members(v, '[')
	switch {
	case errors.Is(err, errManyElements):
		f.At(key).Add(fault.LimitExceeded, "Give at most %d elements.", MaxElements)
	case err != nil:
		f.At(key).Add(fault.Invalid, "Give a list, in square brackets.")
	}
	return elements, true
}

// valueOf reads a value that may be null; wrong says what it should be.
func valueOf[T any](f Fields, key string, as func(jsontext.Value) (T, bool), wrong string) graphql.Omittable[*T] {
	v, set := f.value(key)
	if !set {
		return graphql.Omittable[*T]{}
	}
	if v.Kind() == 'n' {
		return graphql.OmittableOf[*T](nil)
	}
	value, ok := as(v)
	if !ok {
		f.At(key).Add(fault.Invalid, "%s", wrong)
	}
	return graphql.OmittableOf(&value)
}

func listOf[T any](f Fields, key string, as func(jsontext.Value) (T, bool), wrong string) graphql.Omittable[[]T] {
	elements, set := f.elements(key)
	if !set {
		return graphql.Omittable[[]T]{}
	}
	var list []T
	if elements != nil {
		list = make([]T, len(elements))
	}
	for i, e := range elements {
		var ok bool
		if list[i], ok = as(e.value); !ok {
			f.At(key).Index(i).Add(fault.Invalid, "%s", wrong)
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
		return string(v), !bytes.ContainsAny(v, ".eE")
	}
	return "", false
}
