package bulk

import (
	"bytes"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"caseload/internal/fault"
)

// Fields are the values of a line's JSON object, or of one that stands in it, with the place where what is wrong with it is
// recorded. Kinds read their rows by it: every value is judged, so that a line tells all that is wrong with it at once.
// No message repeats a value. A key that is not asked for is passed over: a file with one is refused before.
type Fields struct {
	c      *fault.Check
	values map[string]jsontext.Value
}

// ReadFields reads a text, which must be one JSON object in UTF-8 that gives no key twice. False means that it
// is not; that is recorded at c then.
func ReadFields(text []byte, c *fault.Check) (Fields, bool) {
	f := Fields{c: c}
	if err := json.Unmarshal(text, &f.values); err != nil || f.values == nil {
		c.Add(fault.Invalid, "Give one JSON object.")
		return Fields{}, false
	}
	return f, true
}

// Has tells whether the object has the key, be it with null.
func (f Fields) Has(key string) bool {
	_, ok := f.values[key]
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

// JSON reads any value as it stands in the file; null is a value, too.
func (f Fields) JSON(key string) (value []byte, set bool) {
	v, set := f.values[key]
	return v, set
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
	v, set := f.values[key]
	if !set || v.Kind() == 'n' {
		return Fields{c: f.At(key)}, set, set
	}
	return fieldsOf(v, f.At(key)), false, true
}

// Each reads a list of objects; null is one without elements.
func (f Fields) Each(key string) (objects []Fields, set bool) {
	elements, set := f.elements(key)
	for i, v := range elements {
		objects = append(objects, fieldsOf(v, f.At(key).Index(i)))
	}
	return objects, set
}

func fieldsOf(v jsontext.Value, c *fault.Check) Fields {
	f := Fields{c: c}
	if v.Kind() != '{' || json.Unmarshal(v, &f.values) != nil {
		c.Add(fault.Invalid, "Give a JSON object.")
	}
	return f
}

// elements are those of a list.
func (f Fields) elements(key string) (elements []jsontext.Value, set bool) {
	v, set := f.values[key]
	if !set || v.Kind() == 'n' {
		return nil, set
	}
	if v.Kind() != '[' || json.Unmarshal(v, &elements) != nil {
		f.At(key).Add(fault.Invalid, "Give a list, in square brackets.")
	}
	return elements, true
}

// valueOf reads a value that may be null; wrong says what it should be.
func valueOf[T any](f Fields, key string, as func(jsontext.Value) (T, bool), wrong string) graphql.Omittable[*T] {
	v, set := f.values[key]
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
	for i, v := range elements {
		var ok bool
		if list[i], ok = as(v); !ok {
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
