package pii

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"

	"github.com/google/uuid"
)

const (
	// IndexSize is the length of a blind index in bytes. 64 bits make an accidental match rare, not
	// impossible: open the candidate and compare before trusting it.
	IndexSize = 8

	// indexKeysKept bounds the cache of derived keys; at about 150 bytes each it stays below a megabyte.
	indexKeysKept = 4096
)

type indexName struct {
	organizationID uuid.UUID
	column         string
}

// Index returns the blind index of a normalised value: the same for equal values of one organization and
// column, unrelated otherwise. It serves equality and nothing else.
//
// A reader of the table sees which rows are equal, so a value of few possibilities must not be indexed
// by itself: the last four digits have 10,000. Index them together with something else, under a column
// name that says so: Index(org, "customers.ssn_last_four+birthday", "1234|1985-06-15").
func (s *Sealer) Index(organizationID uuid.UUID, column, normalized string) []byte {
	return s.Digest(organizationID, column, normalized)[:IndexSize:IndexSize]
}

// Digest is the keyed hash of a text in full, 32 bytes: for values that are compared without the candidate at
// hand to open, where an accidental match would do harm. It has the key, and so the first bytes, of [Sealer.Index].
func (s *Sealer) Digest(organizationID uuid.UUID, column, text string) []byte {
	mac := hmac.New(sha256.New, s.indexKey(indexName{organizationID, column}))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// indexKey derives the key of one organization and column (HKDF-SHA-256). The organization has a fixed
// length and comes first, so no two names share one text.
func (s *Sealer) indexKey(name indexName) []byte {
	if key, ok := s.indexKeys.Get(name); ok {
		return key()
	}
	context := "caseload blind index v1|" + name.organizationID.String() + "|" + name.column
	key, err := hkdf.Key(sha256.New, s.index(), nil, context, sha256.Size)
	if err != nil {
		// HKDF fails only for more than 255 hashes of output, or for keys shorter than ParseKeys admits.
		panic(fmt.Errorf("derive index key: %w", err))
	}
	s.indexKeys.Add(name, hide(key))
	return key
}
