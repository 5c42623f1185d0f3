package pii

import (
	"errors"
	"fmt"
)

// SealKey encrypts the key with which one object of the object store is encrypted. The object's whole name is
// authenticated with it: what is moved to another name cannot be opened there. Name objects by their
// organization first, so that none passes for another tenant's.
func (s *Sealer) SealKey(object string, key []byte) ([]byte, error) {
	associated, err := associatedObject(object)
	if err != nil {
		return nil, err
	}
	sealed, err := s.aead.Encrypt(key, associated)
	if err != nil {
		return nil, fmt.Errorf("seal the key of an object: %w", err)
	}
	return sealed, nil
}

// OpenKey decrypts what [Sealer.SealKey] made for the same object, with any key of the keyset. Every other input is
// [ErrOpen].
func (s *Sealer) OpenKey(object string, sealed []byte) ([]byte, error) {
	associated, err := associatedObject(object)
	if err != nil {
		return nil, err
	}
	key, err := s.aead.Decrypt(sealed, associated)
	if err != nil {
		return nil, fmt.Errorf("%w (key of an object)", ErrOpen)
	}
	return key, nil
}

// associatedObject is no text of a [Location], which begins with an organization's id.
func associatedObject(object string) ([]byte, error) {
	if object == "" {
		return nil, errors.New("seal the key of an object: it has no name")
	}
	return []byte("object|" + object), nil
}
