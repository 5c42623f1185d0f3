// Package relay holds what every Relay schema needs: typed ids, connections, keyset cursors and the
// arguments of lists.
package relay

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"go.jetify.com/typeid/v2/base32"

	"caseload/internal/fault"
)

// ID is a typed id: the prefix of an entity and the base32 text of its uuid, as in
// client_01h455vb4pex5vsknk084sn02q (the TypeID format). It is bound to the GraphQL scalar ID.
type ID struct {
	Prefix string
	UUID   uuid.UUID
}

// suffixLength is how many base32 digits a uuid has.
const suffixLength = 26

// What a prefix may be made of, by the TypeID format.
const (
	prefixLength  = 63
	prefixLetters = "abcdefghijklmnopqrstuvwxyz_"
)

// String returns the text of the id.
func (id ID) String() string {
	if id.Prefix == "" {
		return base32.EncodeToString(id.UUID)
	}
	return id.Prefix + "_" + base32.EncodeToString(id.UUID)
}

// ParseID reads a typed id of any type. The error is BAD_USER_INPUT and does not repeat the text.
func ParseID(s string) (ID, error) {
	i := strings.LastIndexByte(s, '_')
	if i <= 0 || i > prefixLength || len(s)-i-1 != suffixLength || strings.Trim(s[:i], prefixLetters) != "" {
		return ID{}, malformed()
	}
	raw, err := base32.DecodeString(s[i+1:])
	// 26 digits hold 130 bits: with a first digit over 7 an id would have a second spelling.
	if err != nil || len(raw) != 16 || s[i+1] > '7' {
		return ID{}, malformed()
	}
	return ID{Prefix: s[:i], UUID: uuid.UUID(raw)}, nil
}

func malformed() error {
	return fault.New(fault.BadUserInput, "This is not an id of this server: an id is a prefix, _ and 26 base32 digits, such as cust_01h455vb4pex5vsknk084sn02q.")
}

// As returns the uuid when the id has the wanted prefix; otherwise BAD_USER_INPUT naming what was expected.
func (id ID) As(prefix string) (uuid.UUID, error) {
	if id.Prefix != prefix {
		return uuid.Nil, fault.New(fault.BadUserInput, "This is the id of another type; expected an id that begins with %s_.", prefix)
	}
	return id.UUID, nil
}

// MarshalGQL writes the id as a JSON string.
func (id ID) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(id.String())) }

// UnmarshalGQL reads an id from a string; anything else is BAD_USER_INPUT.
func (id *ID) UnmarshalGQL(v any) error {
	s, ok := v.(string)
	if !ok {
		return malformed()
	}
	got, err := ParseID(s)
	if err != nil {
		return err
	}
	*id = got
	return nil
}

// MarshalText and UnmarshalText let ids stand in JSON and in command-line flags.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(b []byte) error {
	got, err := ParseID(string(b))
	if err != nil {
		return fmt.Errorf("read id: %w", err)
	}
	*id = got
	return nil
}

// Node is anything with a typed id; it is bound to the GraphQL interface Node.
type Node interface {
	IsNode()
	ID() ID
}
