package pii_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"

	"caseload/internal/pii"
)

// fixedKeys are for tests alone: every byte of them can be guessed.
const fixedKeys = "eyJrZXlzZXQiOiB7InByaW1hcnlLZXlJZCI6IDEsICJrZXkiOiBbeyJrZXlEYXRhIjogeyJ0eXBlVXJsIjogInR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLmNyeXB0by50aW5rLkFlc0djbUtleSIsICJ2YWx1ZSI6ICJHaUFnSVNJakpDVW1KeWdwS2lzc0xTNHZNREV5TXpRMU5qYzRPVG83UEQwK1B3PT0iLCAia2V5TWF0ZXJpYWxUeXBlIjogIlNZTU1FVFJJQyJ9LCAic3RhdHVzIjogIkVOQUJMRUQiLCAia2V5SWQiOiAxLCAib3V0cHV0UHJlZml4VHlwZSI6ICJUSU5LIn1dfSwgImluZGV4S2V5IjogIkFBRUNBd1FGQmdjSUNRb0xEQTBPRHhBUkVoTVVGUllYR0JrYUd4d2RIaDg9In0="

func TestKeysKeepTheirTextForm(t *testing.T) {
	t.Parallel()
	keys := newKeys(t)
	text, err := keys.Text()
	require.NoError(t, err)
	loc := somewhere()
	sealed, err := newSealer(t, keys).Seal(loc, "123456789")
	require.NoError(t, err)

	for name, form := range map[string]string{
		"as written": text,
		"wrapped":    " " + text[:60] + "\n" + text[60:] + "\r\n",
	} {
		parsed, err := pii.ParseKeys(form)
		require.NoError(t, err, name)
		opened, err := newSealer(t, parsed).Open(loc, sealed)
		require.NoError(t, err, name)
		require.Equal(t, "123456789", opened, name)
		require.Equal(t,
			newSealer(t, keys).Index(loc.OrganizationID, "customers.ssn", "123456789"),
			newSealer(t, parsed).Index(loc.OrganizationID, "customers.ssn", "123456789"), name)
	}
}

func TestRotatedKeysKeepTheirTextForm(t *testing.T) {
	t.Parallel()
	keys := newKeys(t)
	loc := somewhere()
	sealed, err := newSealer(t, keys).Seal(loc, "123456789")
	require.NoError(t, err)
	rotated, err := keys.Rotate()
	require.NoError(t, err)
	text, err := rotated.Text()
	require.NoError(t, err)
	parsed, err := pii.ParseKeys(text)
	require.NoError(t, err)
	sealer := newSealer(t, parsed)
	opened, err := sealer.Open(loc, sealed)
	require.NoError(t, err)
	require.Equal(t, "123456789", opened)
	require.True(t, sealer.Stale(sealed))
}

// document makes the text form of a keyset and an index key, as an operator would by hand.
func document(t *testing.T, template *tinkpb.KeyTemplate, indexKey string) string {
	t.Helper()
	handle, err := keyset.NewHandle(template)
	require.NoError(t, err)
	var set strings.Builder
	require.NoError(t, insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&set)))
	raw, err := json.Marshal(map[string]any{"keyset": json.RawMessage(set.String()), "indexKey": []byte(indexKey)})
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(raw)
}

func TestParseKeysRefuses(t *testing.T) {
	t.Parallel()
	encode := base64.StdEncoding.EncodeToString
	long := strings.Repeat("k", 32)
	good := document(t, aead.AES256GCMKeyTemplate(), long)
	_, err := pii.ParseKeys(good)
	require.NoError(t, err)

	for name, test := range map[string]struct{ text, want string }{
		"nothing":         {"", "one JSON object"},
		"not base64":      {"{canary}", "not base64"},
		"not JSON":        {encode([]byte("canary")), "one JSON object"},
		"unknown field":   {encode([]byte(`{"keyset":{},"indexKey":"","canary":1}`)), "one JSON object"},
		"two documents":   {encode([]byte(`{} {"canary":1}`)), "one JSON object"},
		"no index key":    {encode([]byte(`{"keyset":{"canary":1}}`)), "32 bytes or more, it has 0"},
		"short index key": {document(t, aead.AES256GCMKeyTemplate(), long[1:]), "32 bytes or more, it has 31"},
		"no keyset":       {encode([]byte(`{"indexKey":"` + encode([]byte(long)) + `"}`)), "not a Tink keyset"},
		"other keyset":    {encode([]byte(`{"keyset":{"canary":1},"indexKey":"` + encode([]byte(long)) + `"}`)), "not a Tink keyset"},
		"short keys":      {document(t, aead.AES128GCMKeyTemplate(), long), "AES256_GCM"},
		"other cipher":    {document(t, aead.ChaCha20Poly1305KeyTemplate(), long), "AES256_GCM"},
		"no key ids":      {document(t, aead.AES256GCMNoPrefixKeyTemplate(), long), "prefix TINK"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := pii.ParseKeys(test.text)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestEmptyKeysMakeNoSealer(t *testing.T) {
	t.Parallel()
	_, err := pii.NewSealer(pii.Keys{})
	require.Error(t, err)
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "not", "there", "keys")
	first, err := pii.LoadOrCreate(path)
	require.NoError(t, err)
	second, err := pii.LoadOrCreate(path)
	require.NoError(t, err)

	loc := somewhere()
	sealed, err := newSealer(t, first).Seal(loc, "123456789")
	require.NoError(t, err)
	_, err = newSealer(t, second).Open(loc, sealed)
	require.NoError(t, err, "the second start finds the keys of the first")

	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, files, 1, "no temporary files stay behind")
	if runtime.GOOS != "windows" {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}

func TestKeyFileOfManyStartsAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys")
	texts := make([]string, 8)
	var wait sync.WaitGroup
	for i := range texts {
		wait.Go(func() {
			if keys, err := pii.LoadOrCreate(path); err == nil {
				texts[i], _ = keys.Text()
			}
		})
	}
	wait.Wait()
	for _, text := range texts {
		require.NotEmpty(t, text)
		require.Equal(t, texts[0], text)
	}
}

func TestKeyFileIsNeverReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(path, []byte("half a fi"), 0o600))
	_, err := pii.LoadOrCreate(path)
	require.ErrorContains(t, err, "parse keys")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "half a fi", string(content))
}

func TestKeyFileOpenToOthersIsRefused(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permission bits")
	}
	path := filepath.Join(t.TempDir(), "keys")
	_, err := pii.LoadOrCreate(path)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(path, 0o640))
	_, err = pii.LoadOrCreate(path)
	require.ErrorContains(t, err, "0600")
}
