package pii

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

const indexKeySize = 32

// Keys are what personal data is sealed and indexed with: a Tink keyset of AES-256-GCM keys, of which the
// primary seals and all enabled ones open, and the key of the blind indexes.
//
// As text they are base64 of one JSON document, which goes into one environment variable or one entry of
// a secret store:
//
//	{"keyset": {"primaryKeyId": 1, "key": [...]}, "indexKey": "<32 bytes or more in base64>"}
//
// "keyset" is what `tinkey create-keyset --key-template AES256_GCM` writes, so tinkey rotates it too.
// The index key cannot be rotated in place: with another one nothing that was indexed before is found,
// until every row has been opened and indexed again.
//
// The zero Keys are not usable. Keys are immutable and redact themselves when printed.
type Keys struct {
	hidden
	handle *keyset.Handle
	index  hiddenKey
}

// hiddenKey hides bytes from package fmt, which prints slices in unexported fields, but not functions.
type hiddenKey func() []byte

func hide(key []byte) hiddenKey { return func() []byte { return key } }

type keysDocument struct {
	Keyset   json.RawMessage `json:"keyset"`
	IndexKey []byte          `json:"indexKey"`
}

// GenerateKeys makes new keys from the system's source of randomness.
func GenerateKeys() (Keys, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return Keys{}, fmt.Errorf("generate sealing key: %w", err)
	}
	index := make([]byte, indexKeySize)
	if _, err := rand.Read(index); err != nil {
		return Keys{}, fmt.Errorf("generate index key: %w", err)
	}
	return Keys{handle: handle, index: hide(index)}, nil
}

// ParseKeys reads the text form described at [Keys]; white space around and within the base64 is ignored,
// as secret stores like to wrap it. Errors say what is wrong and never show any of the text.
func ParseKeys(text string) (Keys, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return Keys{}, errors.New("parse keys: the text is not base64")
	}
	var doc keysDocument
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&doc); err != nil || decoder.More() {
		return Keys{}, errors.New(`parse keys: the base64 must hold one JSON object with "keyset" and "indexKey" and nothing else`)
	}
	if len(doc.IndexKey) < indexKeySize {
		return Keys{}, fmt.Errorf("parse keys: indexKey must be %d bytes or more, it has %d", indexKeySize, len(doc.IndexKey))
	}
	// Tink's own message may quote the JSON it stumbled over.
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(doc.Keyset)))
	if err != nil {
		return Keys{}, errors.New("parse keys: keyset is not a Tink keyset in JSON")
	}
	if err := checkKeyset(handle); err != nil {
		return Keys{}, fmt.Errorf("parse keys: %w", err)
	}
	return Keys{handle: handle, index: hide(doc.IndexKey)}, nil
}

// checkKeyset refuses keys other than AES-256-GCM with the key id before the ciphertext: without the id [Sealer.Stale] could not find
// what an old key has sealed.
func checkKeyset(handle *keyset.Handle) error {
	for i := range handle.Len() {
		entry, err := handle.Entry(i)
		if err != nil {
			return errors.New("keyset has an unusable key")
		}
		if entry.KeyStatus() == keyset.Destroyed {
			continue
		}
		parameters, ok := entry.Key().Parameters().(*aesgcm.Parameters)
		if !ok || parameters.KeySizeInBytes() != 32 || parameters.Variant() != aesgcm.VariantTink {
			return fmt.Errorf("key %d of the keyset must be AES256_GCM with output prefix TINK", entry.KeyID())
		}
	}
	return nil
}

// Text returns the text form, which [ParseKeys] reads. It is the clear text of all keys.
func (k Keys) Text() (string, error) {
	var set bytes.Buffer
	if err := insecurecleartextkeyset.Write(k.handle, keyset.NewJSONWriter(&set)); err != nil {
		return "", fmt.Errorf("write keyset: %w", err)
	}
	raw, err := json.Marshal(keysDocument{Keyset: set.Bytes(), IndexKey: k.index()})
	if err != nil {
		return "", fmt.Errorf("write keys: %w", err)
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}

// Rotate returns keys with a new primary key beside the ones of k, which go on opening what they sealed.
// The order that loses nothing: give the new keys to every process, seal again what [Sealer.Stale] finds,
// then take the old key out with tinkey.
func (k Keys) Rotate() (Keys, error) {
	rotation := keyset.NewManagerFromHandle(k.handle)
	id, err := rotation.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return Keys{}, fmt.Errorf("rotate keys: %w", err)
	}
	if err := rotation.SetPrimary(id); err != nil {
		return Keys{}, fmt.Errorf("rotate keys: %w", err)
	}
	handle, err := rotation.Handle()
	if err != nil {
		return Keys{}, fmt.Errorf("rotate keys: %w", err)
	}
	return Keys{handle: handle, index: k.index}, nil
}
