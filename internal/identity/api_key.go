package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"
	"go.jetify.com/typeid/v2/base32"

	"caseload/internal/db"
	"caseload/internal/entity"
	"caseload/internal/pii"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// APIKey is the record of a key; the key itself is not stored.
type APIKey struct {
	entity.Row
	Name       string         `db:"name" audit:"name"`
	Hash       []byte         `db:"hash"`
	ScopeNames pq.StringArray `db:"scopes" audit:"scopes"`
	ExpiresAt  *time.Time     `db:"expires_at" audit:"expiresAt"`
	LastUsedAt *time.Time     `db:"last_used_at"`
	RevokedAt  *time.Time     `db:"revoked_at"`
}

// APIKeys declares the table.
var APIKeys = entity.New[APIKey]("api_keys", viewer.APIKeyPrefix, "API key")

// APIKeyList declares the list of keys.
var APIKeyList = &relay.Spec[APIKey]{Table: APIKeys.Table, Default: db.By("created_at")}

// ID returns the typed id.
func (k *APIKey) ID() relay.ID { return APIKeys.ID(k) }

// Scopes returns what the key may do, sorted.
func (k *APIKey) Scopes() []viewer.Scope {
	scopes := make([]viewer.Scope, len(k.ScopeNames))
	for i, s := range k.ScopeNames {
		scopes[i] = viewer.Scope(s)
	}
	return scopes
}

// Computed declares the fields that are not columns, for compiled reads.
func (*APIKey) Computed(*pii.Sealer) map[string]db.Computed {
	return map[string]db.Computed{"scopes": db.Texts("scopes")}
}

// usable reports whether the key opens anything at this moment.
func (k *APIKey) usable(now time.Time) bool {
	return k.RevokedAt == nil && (k.ExpiresAt == nil || now.Before(*k.ExpiresAt))
}

// A key is cl_, the organization and the key's id in base32, and a secret of 160 random bits. With the
// ids in it a key is found by its primary key, also where the tables are spread over machines.
const (
	keyMark     = "cl_"
	uuidDigits  = 26
	secretBytes = 20
)

var errMalformed = errors.New("not an API key")

// newSecret makes the text of a key and its hash.
func newSecret(organizationID, id uuid.UUID) (text string, hash []byte) {
	text = keyMark + base32.EncodeToString(organizationID) + base32.EncodeToString(id) + strings.ToLower(rand.Text()) + strings.ToLower(rand.Text())[:6]
	return text, digest(text)
}

// parseSecret reads the ids out of the text of a key.
func parseSecret(text string) (organizationID, id uuid.UUID, err error) {
	rest, ok := strings.CutPrefix(text, keyMark)
	if !ok || len(rest) != 2*uuidDigits+secretBytes*8/5 {
		return uuid.Nil, uuid.Nil, errMalformed
	}
	o, err := base32.DecodeString(rest[:uuidDigits])
	if err != nil {
		return uuid.Nil, uuid.Nil, errMalformed
	}
	k, err := base32.DecodeString(rest[uuidDigits : 2*uuidDigits])
	if err != nil {
		return uuid.Nil, uuid.Nil, errMalformed
	}
	return uuid.UUID(o), uuid.UUID(k), nil
}

func digest(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

func (k *APIKey) matches(text string) bool {
	return subtle.ConstantTimeCompare(k.Hash, digest(text)) == 1
}
