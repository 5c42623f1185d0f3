package pii

import (
	"encoding/binary"
	"errors"
	"fmt"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/core/cryptofmt"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// ErrOpen says that a sealed value cannot be opened: it is damaged, was sealed for another [Location], or
// with a key that is not in the keyset. Which of these it is cannot be told apart.
var ErrOpen = errors.New("open sealed value: it was not sealed here, or not with these keys")

// Sealer seals and opens personal data and computes blind indexes. It is safe for concurrent use, does no
// I/O, and redacts itself when printed.
type Sealer struct {
	hidden
	aead tink.AEAD
	// The key id that Tink puts in front of what the primary key seals.
	primary   uint32
	index     hiddenKey
	indexKeys *lru.Cache[indexName, hiddenKey]
}

// NewSealer makes a Sealer of keys.
func NewSealer(keys Keys) (*Sealer, error) {
	if keys.handle == nil || keys.index == nil {
		return nil, errors.New("make sealer: the keys are empty")
	}
	primitive, err := aead.New(keys.handle)
	if err != nil {
		return nil, fmt.Errorf("make sealer: %w", err)
	}
	indexKeys, err := lru.New[indexName, hiddenKey](indexKeysKept)
	if err != nil {
		return nil, fmt.Errorf("make sealer: %w", err)
	}
	return &Sealer{
		aead:      primitive,
		primary:   keys.handle.KeysetInfo().GetPrimaryKeyId(),
		index:     keys.index,
		indexKeys: indexKeys,
	}, nil
}

// Seal encrypts plaintext for one location with the primary key. Sealing the same text twice gives
// different bytes, so sealed values cannot be compared; the length of the text can be told from them.
func (s *Sealer) Seal(loc Location, plaintext string) ([]byte, error) {
	associated, err := loc.associated()
	if err != nil {
		return nil, err
	}
	sealed, err := s.aead.Encrypt([]byte(plaintext), associated)
	if err != nil {
		return nil, fmt.Errorf("seal value of %s.%s: %w", loc.Table, loc.Column, err)
	}
	return sealed, nil
}

// Open decrypts what [Sealer.Seal] made for the same location, with any key of the keyset. Every other
// input is [ErrOpen]. Wrap the text in a [Secret] if it lives longer than a few lines.
func (s *Sealer) Open(loc Location, sealed []byte) (string, error) {
	associated, err := loc.associated()
	if err != nil {
		return "", err
	}
	plaintext, err := s.aead.Decrypt(sealed, associated)
	if err != nil {
		return "", fmt.Errorf("%w (column %s.%s)", ErrOpen, loc.Table, loc.Column)
	}
	return string(plaintext), nil
}

// Stale reports whether a value was sealed with another key than the primary one, and so has to be opened
// and sealed again before the old key is taken out. It reads the first five bytes and proves nothing else.
func (s *Sealer) Stale(sealed []byte) bool {
	return len(sealed) < cryptofmt.NonRawPrefixSize ||
		sealed[0] != cryptofmt.TinkStartByte ||
		binary.BigEndian.Uint32(sealed[1:]) != s.primary
}
