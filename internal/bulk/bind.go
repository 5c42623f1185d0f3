package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-json-experiment/json/jsontext"

	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
)

// Binding reads the lines of a kind into T, the struct of the mutation's input for the same rows, so that a file has the same keys.
// It is made once for a kind, at start, and is safe for concurrent use.
type Binding[T any] struct{ object *object }

// Bind makes a binding. A field's key is its name as the schema writes it: SSNLastFour is ssnLastFour. What T holds beside
// texts, truth values, whole numbers, JSON and lists of the first is declared by options. A field of another type is a mistake
// in the program, and Bind panics.
func Bind[T any](options ...BindOption) *Binding[T] {
	b := &binder{types: map[reflect.Type]fieldType{}}
	for _, option := range options {
		option(b)
	}
	o := b.object(reflect.TypeFor[T]())
	for _, add := range b.last {
		add(o)
	}
	return &Binding[T]{o}
}

// BindOption says something more of the fields of a struct than their types do.
type BindOption func(b *binder)

// BindObject declares that a struct T may be the value of a field.
func BindObject[T any]() BindOption {
	return func(b *binder) {
		b.types[reflect.TypeFor[graphql.Omittable[*T]]()] = func() boundField {
			o := b.object(reflect.TypeFor[T]())
			return boundField{Key: Key{Type: Object, Keys: o.keys()}, set: func(f fields, key string, field any) {
				below, isNull := f.below(key)
				var v *T
				if !isNull {
					v = new(T)
					o.read(below, reflect.ValueOf(v).Elem())
				}
				*field.(*graphql.Omittable[*T]) = graphql.OmittableOf(v)
			}}
		}
	}
}

// BindList declares that a list of structs T may be the value of a field; null is a list without elements.
func BindList[T any]() BindOption {
	return func(b *binder) {
		b.types[reflect.TypeFor[graphql.Omittable[[]*T]]()] = func() boundField {
			o := b.object(reflect.TypeFor[T]())
			return boundField{Key: Key{Type: Array, Keys: o.keys()}, set: func(f fields, key string, field any) {
				objects := f.each(key)
				list := make([]*T, len(objects))
				for i, below := range objects {
					list[i] = new(T)
					o.read(below, reflect.ValueOf(list[i]).Elem())
				}
				*field.(*graphql.Omittable[[]*T]) = graphql.OmittableOf(list)
			}}
		}
	}
}

// BindOnly declares a key of the whole row for the only element of a list of T: in CSV, where most rows have one, its columns are
// address.line1 and so on.
func BindOnly[T any](key, list string) BindOption {
	return func(b *binder) {
		b.last = append(b.last, func(o *object) {
			element, at := b.object(reflect.TypeFor[T]()), o.field(list)
			o.add(boundField{Key: Key{Name: key, Type: Object, Keys: element.keys()}, index: at.index, set: func(f fields, _ string, field any) {
				if f.value(list) != nil {
					f.c.At(key).Add(fault.DuplicateInputItem, "%s stands for %s with one element; send one of them.", key, list)
				}
				elements := []*T{}
				if below, isNull := f.below(key); !isNull {
					elements = append(elements, new(T))
					element.read(below, reflect.ValueOf(elements[0]).Elem())
				}
				*field.(*graphql.Omittable[[]*T]) = graphql.OmittableOf(elements)
			}})
		})
	}
}

// BindText declares that a text of type T, such as an enum, may be the value of a field. The kind checks which it is.
func BindText[T ~string]() BindOption {
	return func(b *binder) {
		b.types[reflect.TypeFor[graphql.Omittable[*T]]()] = func() boundField {
			return boundField{set: func(f fields, key string, field any) {
				var v *T
				if text := f.text(key).Value(); text != nil {
					v = new(T)
					*v = T(*text)
				}
				*field.(*graphql.Omittable[*T]) = graphql.OmittableOf(v)
			}}
		}
	}
}

// BindAlias declares another key of the whole row for a field, for the name that a source document has for it.
func BindAlias(key, name string) BindOption {
	return func(b *binder) {
		b.last = append(b.last, func(o *object) {
			same := o.field(name)
			o.add(boundField{Key: Key{Name: key, Type: same.Type, Keys: same.Keys}, index: same.index, set: func(f fields, key string, field any) {
				before := reflect.ValueOf(field).Elem()
				sent := reflect.New(before.Type())
				same.set(f, key, sent.Interface())
				if f.value(name) != nil && !alike(sent.Elem().Interface(), before.Interface()) {
					f.c.At(key).Add(fault.DuplicateInputItem, "%s and %s are the same thing; send one of them, or both alike.", key, name)
				}
				before.Set(sent.Elem())
			}})
		})
	}
}

// alike reports whether two values of a field are the same; keys of other systems are compared in their form.
func alike(a, b any) bool { return reflect.DeepEqual(inForm(a), inForm(b)) }

// inForm returns the form of a text, and any other value as it is.
func inForm(v any) any {
	switch v := v.(type) {
	case string:
		return input.KeyForm(v)
	case graphql.Omittable[*string]:
		if text := v.Value(); text != nil {
			return input.KeyForm(*text)
		}
	}
	return v
}

// Keys are the keys that a line may have, at any depth.
func (b *Binding[T]) Keys() []Key { return b.object.keys() }

// Decode reads a line. Values of the wrong type are user errors of the row, with paths below it, and T must not be applied then; T
// is nil when the line is no object. Everything else is checked by the kind, which tells by [Row.Missing] what was not sent.
func (b *Binding[T]) Decode(text []byte) (*T, Row) {
	c, missing, unknown := fault.NewCheck(), fault.NewCheck(), []unknownKey(nil)
	values, err := members(text, '{')
	if err != nil {
		return nil, Row{UserErrors: fault.UserErrors{problemOf(text, err)}}
	}
	v := new(T)
	b.object.read(fields{c: c, missing: missing, values: values, unknown: &unknown}, reflect.ValueOf(v).Elem())
	return v, Row{UserErrors: c.Errors(), unknown: unknown, missing: missing.Errors()}
}

// unknownKey is a key that is not permitted: the JSON pointer of its object below the row, and the key.
type unknownKey struct{ pointer, key string }

// object is a struct whose fields are bound.
type object struct {
	fields []boundField
	index  map[string]int
}

// boundField is a key with the field that it is read into.
type boundField struct {
	Key
	// index is the field's place in the struct.
	index []int
	// required reports that the field takes no null.
	required bool
	// set reads the value of a key that is there into the field, given by its address.
	set func(f fields, key string, field any)
}

// fieldType makes the reader of fields of a type.
type fieldType func() boundField

// binder makes a binding. last are options that need the fields.
type binder struct {
	types map[reflect.Type]fieldType
	last  []func(o *object)
}

// maxFields is how many keys an object may have: read keeps a bit for each.
const maxFields = 64

func (b *binder) object(t reflect.Type) *object {
	o := &object{index: map[string]int{}}
	for _, field := range reflect.VisibleFields(t) {
		if field.Anonymous {
			continue
		}
		f := b.bound(field.Type)
		f.Name, f.index = keyName(field.Name), field.Index
		o.add(f)
	}
	return o
}

func (o *object) add(f boundField) {
	if _, twice := o.index[f.Name]; twice || len(o.fields) == maxFields {
		panic(fmt.Sprintf("bind %s: it is there twice, or one of too many", f.Name))
	}
	o.index[f.Name] = len(o.fields)
	o.fields = append(o.fields, f)
}

func (o *object) field(name string) boundField { return o.fields[o.index[name]] }

func (o *object) keys() []Key {
	keys := make([]Key, len(o.fields))
	for i := range o.fields {
		keys[i] = o.fields[i].Key
	}
	return keys
}

// bound returns the reader of fields of a type.
func (b *binder) bound(t reflect.Type) boundField {
	of := func(typ Type, set func(f fields, key string, field any)) boundField {
		return boundField{Key: Key{Type: typ}, set: set}
	}
	switch reflect.Zero(reflect.PointerTo(t)).Interface().(type) {
	case *string:
		required := of(Text, func(f fields, key string, field any) {
			text := f.text(key)
			if *field.(*string) = input.Or(text, ""); text.Value() == nil {
				f.miss(key)
			}
		})
		required.required = true
		return required
	case *[]string:
		return of(Array, func(f fields, key string, field any) { *field.(*[]string) = f.texts(key).Value() })
	case *graphql.Omittable[*string]:
		return of(Text, func(f fields, key string, field any) { *field.(*graphql.Omittable[*string]) = f.text(key) })
	case *graphql.Omittable[*bool]:
		return of(Boolean, func(f fields, key string, field any) { *field.(*graphql.Omittable[*bool]) = f.boolean(key) })
	case *graphql.Omittable[[]string]:
		return of(Array, func(f fields, key string, field any) { *field.(*graphql.Omittable[[]string]) = f.texts(key) })
	case *graphql.Omittable[[]int64]:
		return of(Array, func(f fields, key string, field any) { *field.(*graphql.Omittable[[]int64]) = f.integers(key) })
	case *graphql.Omittable[db.JSON]:
		return of(Any, func(f fields, key string, field any) {
			*field.(*graphql.Omittable[db.JSON]) = graphql.OmittableOf(db.JSON(bytes.Clone(f.value(key))))
		})
	}
	declared, ok := b.types[t]
	if !ok {
		panic(fmt.Sprintf("bind a field of type %s: no option declares it", t))
	}
	return declared()
}

// read reads the members of an object, in the order of the fields, so that errors come in one order.
func (o *object) read(f fields, v reflect.Value) {
	var there uint64
	for i := range f.values {
		at, ok := o.index[f.values[i].key]
		if !ok {
			*f.unknown = append(*f.unknown, unknownKey{f.pointer, f.values[i].key})
			continue
		}
		there |= 1 << at
	}
	for i := range o.fields {
		switch field := &o.fields[i]; {
		case there&(1<<i) != 0:
			field.set(f, field.Name, v.FieldByIndex(field.index).Addr().Interface())
		case field.required:
			f.miss(field.Name)
		}
	}
}

// keyName is the name of a struct's field as the schema writes it: the first word in small letters, the others with a
// capital, initialisms too.
func keyName(field string) string {
	var words []string
	letters := []rune(field)
	for from := 0; from < len(letters); {
		end := from + 1
		for end < len(letters) && !unicode.IsUpper(letters[end]) {
			end++
		}
		if end == from+1 {
			// An initialism ends before the capital of the next word. IDs is a word, too.
			for end < len(letters) && unicode.IsUpper(letters[end]) {
				end++
			}
			switch rest := string(letters[end:]); {
			case rest == "s" || strings.HasPrefix(rest, "s") && len(rest) > 1 && unicode.IsUpper([]rune(rest)[1]):
				end++
			case rest != "" && unicode.IsLower(letters[end]):
				end--
			}
		}
		word := strings.ToLower(string(letters[from:end]))
		if len(words) > 0 {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		words = append(words, word)
		from = end
	}
	return strings.Join(words, "")
}

// problemOf says what is wrong with a line that could not be read as one JSON object.
func problemOf(text []byte, err error) *fault.UserError {
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return &fault.UserError{Code: fault.DuplicateInputItem, Message: "The line gives a key twice.", Path: []string{}}
	case bytes.HasPrefix(text, []byte("[")):
		return &fault.UserError{Code: fault.Invalid, Message: "The line must be one JSON object, not a list: write each object of it in a line of its own.", Path: []string{}}
	}
	return &fault.UserError{Code: fault.Invalid, Message: "The line must be one JSON object in UTF-8.", Path: []string{}}
}
