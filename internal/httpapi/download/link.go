// Package download serves files by signed links that expire: a link is all that is needed to fetch its file, so
// that a browser can follow it, and it says nothing that its holder could change.
//
//	GraphQL resolver ── Links.URL ──► /files/{token} ──► Handler ── opener of the kind ──► bytes
package download

import (
	"cmp"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
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
	maxKind = 64
	maxName = 255 * 4
	// maxToken is longer than the longest token in characters; what is longer is not looked at.
	maxToken = 12 << 10
	// tokenForm changes when the form of the token changes, so that old links are refused rather than misread.
	tokenForm = "caseload download links 3"
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
	key, err := hkdf.Key(sha256.New, o.Secret, nil, tokenForm, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the key of links: %w", err)
	}
	l := &Links{key: key, lifetime: cmp.Or(o.Lifetime, Lifetime), base: strings.TrimRight(o.PublicURL, "/"), now: o.Now}
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
	// Ids, texts and a moment can always be written as JSON.
	body, _ := json.Marshal(s)
	return base64.RawURLEncoding.EncodeToString(append(l.mac(body), body...))
}

func (l *Links) mac(body []byte) []byte {
	h := hmac.New(sha256.New, l.key)
	h.Write(body)
	return h.Sum(nil)
}

// read returns the content of a token, and false when it was not made by these links or has expired, which callers
// cannot distinguish.
func (l *Links) read(token string) (s Statement, ok bool) {
	// The decoder overlooks line breaks, so that a token would have more than one spelling.
	if len(token) > maxToken || strings.ContainsAny(token, "\r\n") {
		return Statement{}, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	// Nothing of the body is read before its signature is checked.
	if err != nil || len(raw) < sha256.Size || !hmac.Equal(raw[:sha256.Size], l.mac(raw[sha256.Size:])) ||
		json.Unmarshal(raw[sha256.Size:], &s) != nil || !l.now().Before(s.Expires) {
		return Statement{}, false
	}
	return s, true
}
