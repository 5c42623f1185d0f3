package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-json-experiment/json/jsontext"

	"caseload/internal/fault"
)

// Longer numbers are no amounts, and a decimal with a huge exponent takes gigabytes to write out.
const (
	maxNumber   = 64
	maxExponent = 400
)

// ParseParams reads the JSON of one GraphQL request: an object with query, operationName, variables and
// extensions; other members are ignored. It refuses malformed JSON, repeated keys, invalid UTF-8 and what
// is over the limits; the error is a [fault.Error] and never repeats any of the input. Numbers in
// variables stay json.Number, as a float would lose digits of an amount.
func (l *Limits) ParseParams(body []byte) (*graphql.RawParams, error) {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	if len(trimmed) > 0 && trimmed[0] == '[' {
		return nil, fault.New(fault.BadRequest, "Batches are not supported. Send one operation per request.")
	}
	members, f := l.scan(body)
	if f != nil {
		return nil, f
	}
	params := &graphql.RawParams{}
	for name, into := range map[string]any{"query": &params.Query, "operationName": &params.OperationName} {
		if raw, ok := members[name]; ok && raw.Kind() != 'n' {
			if raw.Kind() != '"' || json.Unmarshal(raw, into) != nil {
				return nil, fault.New(fault.BadRequest, "%s must be a string.", name)
			}
		}
	}
	for name, into := range map[string]*map[string]any{"variables": &params.Variables, "extensions": &params.Extensions} {
		if raw, ok := members[name]; ok && raw.Kind() != 'n' {
			if raw.Kind() != '{' || decode(raw, into) != nil {
				return nil, fault.New(fault.BadRequest, "%s must be a JSON object.", name)
			}
		}
	}
	if params.Query == "" {
		return nil, fault.New(fault.BadRequest, "The request has no query.")
	}
	return params, nil
}

func decode(raw []byte, into *map[string]any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(into)
}

// scan walks the tokens of a request once, before anything is built from them, and returns the members
// of the object as they are written.
func (l *Limits) scan(body []byte) (map[string]jsontext.Value, *fault.Error) {
	s := scanner{limits: l, body: body, members: make(map[string]jsontext.Value, 4)}
	// The decoder reads a *bytes.Buffer in place, and by default refuses repeated names and invalid UTF-8.
	s.decoder = jsontext.NewDecoder(bytes.NewBuffer(body))
	for done := false; !done; {
		var f *fault.Error
		if done, f = s.step(); f != nil {
			return nil, f
		}
	}
	if !s.object {
		return nil, fault.New(fault.BadRequest, "The request must be a JSON object.")
	}
	return s.members, nil
}

type scanner struct {
	limits  *Limits
	body    []byte
	decoder *jsontext.Decoder
	members map[string]jsontext.Value
	// started is set by the first token, and object when that opens an object.
	started, object bool
	values          int
	member          string
	start           int64
}

func (s *scanner) step() (done bool, f *fault.Error) {
	depth := s.decoder.StackDepth()
	token, err := s.decoder.ReadToken()
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	if err != nil {
		return false, badJSON(err)
	}
	if depth == 0 {
		if s.started {
			return false, fault.New(fault.BadRequest, "The body holds more than one JSON value.")
		}
		s.started, s.object = true, token.Kind() == '{'
	}
	if token.Kind() == '"' {
		// In an object names and values take turns.
		if kind, n := s.decoder.StackIndex(depth); kind == '{' && n%2 == 1 {
			if depth == 1 {
				s.member, s.start = token.String(), s.decoder.InputOffset()
			}
			return false, nil
		}
	}
	switch token.Kind() {
	case '{', '[':
		if s.decoder.StackDepth() > s.limits.MaxJSONDepth {
			return false, fault.New(fault.BadRequest, "The JSON is nested more than %d levels deep, which is the limit.", s.limits.MaxJSONDepth)
		}
	case '0':
		if !validNumber(token.String()) {
			return false, fault.New(fault.BadRequest, "A number has more than %d characters or an exponent over %d.", maxNumber, maxExponent)
		}
	}
	if token.Kind() != '}' && token.Kind() != ']' {
		if s.values++; s.values > s.limits.MaxVariableValues {
			return false, fault.New(fault.TooManyItems, "The request holds more than %d JSON values, which is the limit. Split it.", s.limits.MaxVariableValues)
		}
	}
	if s.decoder.StackDepth() == 1 && s.member != "" {
		raw := bytes.TrimLeft(s.body[s.start:s.decoder.InputOffset()], " \t\r\n:")
		s.members[s.member], s.member = raw, ""
	}
	return false, nil
}

// badJSON describes a syntax error without the library's text, which quotes the input.
func badJSON(err error) *fault.Error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return fault.New(fault.BadRequest, "The JSON has an object in which a key occurs twice.")
	case errors.As(err, &syntax):
		return fault.New(fault.BadRequest, "The body is not valid JSON in UTF-8; the mistake is at byte %d.", syntax.ByteOffset)
	default:
		return fault.New(fault.BadRequest, "The body is not valid JSON in UTF-8.")
	}
}

func validNumber(number string) bool {
	if len(number) > maxNumber {
		return false
	}
	if i := bytes.IndexAny([]byte(number), "eE"); i >= 0 {
		e, err := strconv.Atoi(number[i+1:])
		return err == nil && e <= maxExponent && e >= -maxExponent
	}
	return true
}

// appendMember writes a parameter of a query string as a JSON member: texts are quoted, the others are
// JSON already and must be exactly one value, or they could add members of their own.
func appendMember(to *bytes.Buffer, name, value string) error {
	if name == "query" || name == "operationName" {
		quoted, err := jsontext.AppendQuote(to.AvailableBuffer(), value)
		if err != nil {
			return fault.New(fault.BadRequest, "%s is not valid UTF-8.", name)
		}
		to.Write(quoted)
		return nil
	}
	if !jsontext.Value(value).IsValid() {
		return fault.New(fault.BadRequest, "%s must be a JSON object.", name)
	}
	to.WriteString(value)
	return nil
}
