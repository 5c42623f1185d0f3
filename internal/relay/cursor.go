package relay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"strings"
	"sync"

	"caseload/internal/db"
	"caseload/internal/fault"
)

// Cursors makes and reads cursors. A cursor is the values of the order's terms at a row, at full
// precision, and a keyed hash that binds it to its list: organization, field, order, filter and search. A
// cursor that was changed, or is used with another list or order, is INVALID_CURSOR.
// Cursors is safe for concurrent use.
type Cursors struct {
	key []byte
}

// NewCursors takes a secret that all server processes share; at least 16 bytes.
func NewCursors(secret []byte) *Cursors {
	sum := sha256.Sum256(append([]byte("caseload cursors\x00"), secret...))
	return &Cursors{key: sum[:]}
}

// cursorVersion changes when the form changes, so that old cursors are refused rather than misread.
const cursorVersion = 1

const macLength = 12

// List names what a cursor is bound to. It is used with one [Cursors].
type List struct {
	scope      db.Scope
	coordinate string
	// raw are all arguments of the list.
	raw map[string]any
	// order is named too: a default order that changes with a release must not misread old cursors.
	order db.Order

	// begun is the hash of all this. A filter may be long, and a page has a hundred cursors.
	once  sync.Once
	begun hash.Cloner
}

func (c *Cursors) mac(l *List, body []byte) []byte {
	l.once.Do(func() {
		h := hmac.New(sha256.New, c.key)
		h.Write(l.scope.OrganizationID[:])
		_, _ = fmt.Fprintf(h, "%s\x00%s\x00%v\x00%c", l.coordinate, bound(l.raw), l.order, cursorVersion)
		l.begun = h.(hash.Cloner)
	})
	// A hash of the standard library can always be cloned.
	h, _ := l.begun.Clone()
	h.Write(body)
	return h.Sum(nil)[:macLength]
}

// Encode returns the cursor of a row whose terms have these values; nil is NULL.
func (c *Cursors) Encode(l *List, values []*string) string {
	// A slice of string pointers always marshals.
	body, _ := json.Marshal(values)
	return base64.RawURLEncoding.EncodeToString(append(c.mac(l, body), body...))
}

// Decode checks a cursor and returns its n values.
func (c *Cursors) Decode(l *List, cursor string, n int) ([]*string, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	// The decoder overlooks line breaks, so that a cursor would have more than one spelling.
	if err != nil || strings.ContainsAny(cursor, "\r\n") || len(raw) <= macLength || !hmac.Equal(raw[:macLength], c.mac(l, raw[macLength:])) {
		return nil, fault.New(fault.InvalidCursor, "This cursor does not belong to this list, order and filter. Start again without it.")
	}
	var values []*string
	if err := json.Unmarshal(raw[macLength:], &values); err != nil || len(values) != n {
		return nil, fault.New(fault.InvalidCursor, "This cursor does not belong to this list, order and filter. Start again without it.")
	}
	return values, nil
}
