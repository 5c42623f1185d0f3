package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"caseload/internal/fault"
)

// Type is what the value of a key may be. It decides how a CSV cell is read; JSON brings its own types.
type Type int

// The types.
const (
	// Text is a string.
	Text Type = iota
	// Number is a number.
	Number
	// Boolean is true or false.
	Boolean
	// Any is any JSON value, whose own keys are not looked at.
	Any
	// Object is an object with keys of its own.
	Object
	// Array is a list: of objects with the keys, or of anything where there are none.
	Array
)

// Key is a permitted key of a line.
type Key struct {
	Name string
	Type Type
	// Keys are those of an Object, or of the objects in an Array.
	Keys []Key
}

// shape is the keys of an object, by name.
type shape map[string]node

type node struct {
	typ Type
	// keys is nil for what has no keys of its own.
	keys shape
}

func newShape(keys []Key) shape {
	s := make(shape, len(keys))
	for _, k := range keys {
		n := node{typ: k.Type}
		if len(k.Keys) > 0 {
			n.keys = newShape(k.Keys)
		}
		s[k.Name] = n
	}
	return s
}

// inspector walks JSON texts. It belongs to one goroutine.
type inspector struct {
	in  bytes.Reader
	dec *jsontext.Decoder
	// extraneous is called for every key that is not permitted, with the JSON pointer of its object below the row.
	extraneous func(pointer, key string)
}

func newInspector(extraneous func(pointer, key string)) *inspector {
	i := &inspector{extraneous: extraneous}
	i.dec = jsontext.NewDecoder(&i.in)
	return i
}

var errNotObject = errors.New("not a JSON object")

// inspect reads one text, which must be one JSON object in UTF-8 that gives no key twice. It returns what is wrong
// with the row, or nil.
func (i *inspector) inspect(text []byte, keys shape) *fault.UserError {
	i.in.Reset(text)
	i.dec.Reset(&i.in)
	err := i.object(keys, "")
	if err == nil {
		if _, more := i.dec.ReadToken(); !errors.Is(more, io.EOF) {
			err = errNotObject
		}
	}
	if err != nil {
		return problemOf(text, err)
	}
	if holdsNUL(text) {
		return nulProblem(text)
	}
	return nil
}

func (i *inspector) object(keys shape, pointer string) error {
	t, err := i.dec.ReadToken()
	if err != nil {
		return err
	}
	if t.Kind() != '{' {
		return errNotObject
	}
	for i.dec.PeekKind() != '}' {
		name, err := i.dec.ReadToken()
		if err != nil {
			return err
		}
		// The token is valid until the next call alone.
		key := name.String()
		n, ok := keys[key]
		if !ok {
			i.extraneous(pointer, key)
		}
		if err := i.value(n, pointer, key); err != nil {
			return err
		}
	}
	_, err = i.dec.ReadToken()
	return err
}

// value reads the value of a key. One of another type than declared is skipped: the kind refuses it.
func (i *inspector) value(n node, pointer, key string) error {
	switch kind := i.dec.PeekKind(); {
	case n.keys == nil:
	case n.typ == Object && kind == '{':
		return i.object(n.keys, pointer+"/"+escapePointer(key))
	case n.typ == Array && kind == '[':
		if _, err := i.dec.ReadToken(); err != nil {
			return err
		}
		for at := 0; i.dec.PeekKind() != ']'; at++ {
			if i.dec.PeekKind() != '{' {
				if err := i.dec.SkipValue(); err != nil {
					return err
				}
				continue
			}
			if err := i.object(n.keys, pointer+"/"+escapePointer(key)+"/"+strconv.Itoa(at)); err != nil {
				return err
			}
		}
		_, err := i.dec.ReadToken()
		return err
	}
	return i.dec.SkipValue()
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

func escapePointer(key string) string { return pointerEscapes.Replace(key) }

// nulProblem refuses a row with U+0000, which PostgreSQL cannot store: the whole chunk would fail.
func nulProblem(text []byte) *fault.UserError {
	return &fault.UserError{Code: fault.Invalid, Message: "Text must not hold the character U+0000.", Path: pathOfNUL(text)}
}

// pathOfNUL leads to the first text of a JSON object that holds U+0000; it is empty when that is a key.
func pathOfNUL(text []byte) []string {
	dec := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		t, err := dec.ReadToken()
		if err != nil {
			return []string{}
		}
		if t.Kind() != '"' || !strings.Contains(t.String(), "\x00") {
			continue
		}
		path := slices.Collect(dec.StackPointer().Tokens())
		if strings.Contains(strings.Join(path, ""), "\x00") {
			return []string{}
		}
		return path
	}
}

// nul is U+0000 as JSON writes it.
var nul = []byte(`\u0000`)

// holdsNUL reports whether a JSON text has the escape of U+0000. The same letters after an escaped backslash are text.
func holdsNUL(text []byte) bool {
	for from := 0; ; {
		at := bytes.Index(text[from:], nul)
		if at < 0 {
			return false
		}
		at += from
		slashes := 1
		for at-slashes >= 0 && text[at-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 1 {
			return true
		}
		from = at + len(nul)
	}
}

// plainKey is the form of keys that refusals repeat, and maxDigits how many digits they may have. An unknown key may be a value in the
// wrong place, and so personal data, while refusals are stored in clear and shown to every viewer of the operation.
var plainKey = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.\-]{0,63})?$`)

const maxDigits = 3

// shownKey returns a key as it is repeated, and whether that is the key itself.
func shownKey(key string) (shown string, whole bool) {
	digits := 0
	for _, c := range []byte(key) {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	if digits > maxDigits || !plainKey.MatchString(key) {
		return "…", false
	}
	return key, true
}

// refusal returns the message for a key that is not permitted, as the contract words it.
func refusal(place, key string) string {
	shown, _ := shownKey(key)
	return fmt.Sprintf("#/%s: extraneous key [%s] is not permitted", place, shown)
}
