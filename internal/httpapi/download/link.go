// Package download serves files by signed links that expire: a link is all that is needed to fetch its file, so
// that a browser can follow it, and it says nothing that its holder could change.
//
//	GraphQL resolver ── Links.URL ──► /files/{token} ──► Handler ── opener of the kind ──► bytes
package download

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"caseload/internal/viewer"
)

// Lifetime is how long a link works unless something else is configured.
const Lifetime = 15 * time.Minute

const (
	// version changes when the form of the token changes, so that old links are refused rather than misread.
	version = 2
	maxKind = 64
	maxName = 255 * 4
	// tokenHead is version, expiry, organization, id and actor.
	tokenHead = 1 + 8 + 16 + 16 + 16
	// maxToken is the longest token in characters; what is longer is not looked at.
	maxToken = ((tokenHead+1+maxKind+1+maxKind+maxName+sha256.Size)*4 + 2) / 3
)

// Statement is the content of a link: the file with its kind and organization, the viewer who requested the link, the
// file's name, and until when it may be fetched.
type Statement struct {
	OrganizationID uuid.UUID
	// ActorKind and ActorID are the viewer who requested the link.
	ActorKind viewer.Kind
	ActorID   uuid.UUID
	// Kind names the opener, as in "bulk-results"; 1 to 64 bytes.
	Kind string
	ID   uuid.UUID
	// Name is the name under which the file is saved; empty leaves it to the opener. It can be read from the link.
	Name string
	// Expires is in whole seconds.
	Expires time.Time
}

// Links makes links and reads them. It is safe for use by several goroutines.
type Links struct {
	key      []byte
	lifetime time.Duration
	base     string
	now      func() time.Time
}

// LinksOptions are what a [Links] is made of. Secret is required.
type LinksOptions struct {
	// Secret is shared by all server processes and has at least 16 bytes; the key of the links is derived from it.
	Secret []byte
	// Lifetime is how long a link works; zero is [Lifetime].
	Lifetime time.Duration
	// PublicURL is the address under which clients reach the server, such as https://api.example.com; empty makes
	// links that begin with a slash.
	PublicURL string
	// Now is time.Now by default.
	Now func() time.Time
}

// NewLinks returns the links of one installation. It fails when the secret is too short.
func NewLinks(o LinksOptions) (*Links, error) {
	if len(o.Secret) < 16 {
		return nil, errors.New("make links: the secret has less than 16 bytes")
	}
	// A key of their own: what is signed for links must not be valid as a cursor, nor the other way round.
	key, err := hkdf.Key(sha256.New, o.Secret, nil, "caseload download links", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the key of links: %w", err)
	}
	l := &Links{key: key, lifetime: o.Lifetime, base: strings.TrimRight(o.PublicURL, "/"), now: o.Now}
	if l.lifetime <= 0 {
		l.lifetime = Lifetime
	}
	if l.now == nil {
		l.now = time.Now
	}
	return l, nil
}

// URL returns a link to a file and the moment from which it no longer works. Anyone who has it can fetch the file
// until then, even when the credential that requested it is revoked: make one only after access was checked. It
// panics when the kind is empty or longer than 64 bytes; a name that is too long is left out.
func (l *Links) URL(v *viewer.Viewer, kind string, id uuid.UUID, name string) (link string, expires time.Time) {
	expires = l.now().Add(l.lifetime).Truncate(time.Second).UTC()
	token := l.sign(Statement{OrganizationID: v.OrganizationID, ActorKind: v.Kind, ActorID: v.ActorID, Kind: kind, ID: id, Name: name, Expires: expires})
	return l.base + Path + url.PathEscape(token), expires
}

func (l *Links) sign(s Statement) string {
	if s.Kind == "" || len(s.Kind) > maxKind {
		panic("download: the kind of a file is 1 to 64 bytes long")
	}
	if len(s.Name) > maxName {
		s.Name = ""
	}
	b := make([]byte, 0, tokenHead+2+len(s.Kind)+len(s.ActorKind)+len(s.Name)+sha256.Size)
	b = append(b, version)
	b = binary.BigEndian.AppendUint64(b, uint64(s.Expires.Unix()))
	b = append(b, s.OrganizationID[:]...)
	b = append(b, s.ID[:]...)
	b = append(b, s.ActorID[:]...)
	// The name is last and takes the rest, so that no two statements have one spelling.
	b = append(b, byte(len(s.Kind)))
	b = append(b, s.Kind...)
	b = append(b, byte(len(s.ActorKind)))
	b = append(append(b, s.ActorKind...), s.Name...)
	return base64.RawURLEncoding.EncodeToString(append(b, l.mac(b)...))
}

func (l *Links) mac(body []byte) []byte {
	h := hmac.New(sha256.New, l.key)
	h.Write(body)
	return h.Sum(nil)
}

// read returns the content of a token, and false when it was not made by these links or has expired, which callers
// cannot distinguish.
func (l *Links) read(token string) (Statement, bool) {
	// The decoder overlooks line breaks, so that a token would have more than one spelling.
	if len(token) > maxToken || strings.ContainsAny(token, "\r\n") {
		return Statement{}, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < tokenHead+2+sha256.Size {
		return Statement{}, false
	}
	body, mac := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	// Nothing of the body is read before its signature is checked.
	if !hmac.Equal(mac, l.mac(body)) || body[0] != version {
		return Statement{}, false
	}
	kind, rest, ok := counted(body[tokenHead:])
	if !ok || kind == "" {
		return Statement{}, false
	}
	actor, name, ok := counted(rest)
	if !ok {
		return Statement{}, false
	}
	s := Statement{
		Expires:        time.Unix(int64(binary.BigEndian.Uint64(body[1:9])), 0).UTC(),
		OrganizationID: uuid.UUID(body[9:25]),
		ID:             uuid.UUID(body[25:41]),
		ActorID:        uuid.UUID(body[41:57]),
		ActorKind:      viewer.Kind(actor),
		Kind:           kind,
		Name:           string(name),
	}
	if !l.now().Before(s.Expires) {
		return Statement{}, false
	}
	return s, true
}

// counted takes a text with its length in front, and returns what follows it.
func counted(b []byte) (text string, rest []byte, ok bool) {
	if len(b) == 0 || int(b[0]) > len(b)-1 {
		return "", nil, false
	}
	n := 1 + int(b[0])
	return string(b[1:n]), b[n:], true
}
