package blob_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/blob"
	"caseload/internal/blob/blobtest"
	"caseload/internal/pii"
)

// segment is how much is encrypted at a time.
const segment = 64 << 10

func put(t *testing.T, s *blob.Store, text string) (key string) {
	t.Helper()
	stored, err := s.Put(t.Context(), organization, strings.NewReader(text), 1<<30)
	require.NoError(t, err)
	return stored.Key
}

// readAll opens and reads as far as it goes.
func readAll(t *testing.T, s *blob.Store, key string, offset int64) (string, error) {
	t.Helper()
	r, err := s.Open(t.Context(), organization, key, offset)
	if err != nil {
		return "", err
	}
	defer r.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(r)
	return string(text), err
}

// noise is a text in which every place is told from every other.
func noise(size int) string {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return string(b)
}

// What lies in the store shows nothing of the content, nor which contents are equal.
func TestObjectsAreEncrypted(t *testing.T) {
	t.Parallel()
	s, path := folder(t)
	const row = "Ann,Smith,512-73-8846,1985-06-15\n"
	text := strings.Repeat(row, 10_000)
	put(t, s, text)
	put(t, s, text)
	w, err := s.Create(t.Context(), organization, "bulk/a/1.jsonl")
	require.NoError(t, err)
	_, err = io.WriteString(w, row)
	require.NoError(t, err)
	_, err = w.Commit()
	require.NoError(t, err)
	all := files(t, path)
	require.Len(t, all, 3)
	segments := map[[32]byte]bool{}
	for _, name := range all {
		raw, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NotContains(t, string(raw), "512-73-8846")
		require.NotContains(t, string(raw), "Ann,Smith")
		for at := 0; at < len(raw); at += 64 {
			sum := sha256.Sum256(raw[at:min(at+64, len(raw))])
			// The first lines of the head are the same for all.
			require.False(t, at > 0 && segments[sum], "two pieces are equal")
			segments[sum] = true
		}
	}
}

func TestEveryOffset(t *testing.T) {
	t.Parallel()
	s, _ := folder(t)
	for _, size := range []int{0, 1, 4 << 10, segment - 1, segment, segment + 1, 2 * segment, 3*segment + 7} {
		text := noise(size)
		key := put(t, s, text)
		for _, from := range []int{0, 1, 4 << 10, segment - 1, segment, segment + 1, 2*segment - 1, 2 * segment, size - 1, size, size + 1, 10 * segment} {
			from = max(from, 0)
			got, err := readAll(t, s, key, int64(from))
			require.NoError(t, err, "%d of %d", from, size)
			require.Equal(t, sha256.Sum256([]byte(text[min(from, size):])), sha256.Sum256([]byte(got)), "%d of %d", from, size)
		}
	}
}

// With write access to the store objects can be destroyed, but not forged.
func TestChangedObjectsAreNoticed(t *testing.T) {
	t.Parallel()
	s, path := folder(t)
	one, two := noise(2*segment+100), strings.Repeat("x", 2*segment+100)
	keys := []string{put(t, s, one), put(t, s, two)}
	place := func(key string) string { return filepath.Join(path, filepath.FromSlash(key)) }
	raw := func(i int) []byte {
		content, err := os.ReadFile(place(keys[i]))
		require.NoError(t, err)
		return content
	}
	first, second := raw(0), raw(1)
	head := len(first) - (2*segment + 100) - 3*16
	flipped := func(at int) []byte {
		b := bytes.Clone(first)
		b[at] ^= 1
		return b
	}
	const whole = segment + 16
	for name, c := range map[string]struct {
		content []byte
		// offset is where reading begins besides at 0: a change before it need not be noticed.
		offset int64
	}{
		"another object":      {second, 2 * segment},
		"another's segment":   {append(append(bytes.Clone(first[:head+whole]), second[head+whole:head+2*whole]...), first[head+2*whole:]...), segment},
		"segments swapped":    {append(append(append(bytes.Clone(first[:head]), first[head+whole:head+2*whole]...), first[head:head+whole]...), first[head+2*whole:]...), 1},
		"a segment missing":   {append(bytes.Clone(first[:head+whole]), first[head+2*whole:]...), segment},
		"cut between":         {first[:head+2*whole], 1},
		"cut within":          {first[:len(first)-1], 1},
		"only a head":         {first[:head], 1},
		"nothing":             {nil, 1},
		"more after the end":  {append(bytes.Clone(first), 1), 1},
		"a bit of the head":   {flipped(40), 1},
		"a bit of the seal":   {flipped(head - 60), 1},
		"a bit of the nonce":  {flipped(head - 1), 1},
		"a bit of a segment":  {flipped(head + whole + 5), segment},
		"a bit of the end":    {flipped(len(first) - 1), 1},
		"text in clear":       {[]byte(one), 1},
		"text that was short": {[]byte("id,name\n"), 1},
	} {
		require.NoError(t, os.WriteFile(place(keys[0]), c.content, 0o600))
		for _, offset := range []int64{0, c.offset} {
			got, err := readAll(t, s, keys[0], offset)
			require.Error(t, err, "%s from %d", name, offset)
			require.NotErrorIs(t, err, io.EOF, name)
			require.NotErrorIs(t, err, blob.ErrNotFound, name)
			require.True(t, strings.HasPrefix(one[min(int(offset), len(one)):], got), "%s from %d: what came before is right", name, offset)
		}
	}
	require.NoError(t, os.WriteFile(place(keys[0]), first, 0o600))
	require.Equal(t, one, read(t, s, keys[0], 0))

	// Under another organization's name.
	foreign := blob.Key(other, strings.TrimPrefix(keys[0], organization.String()+"/"))
	require.NoError(t, os.MkdirAll(filepath.Dir(place(foreign)), 0o700))
	require.NoError(t, os.WriteFile(place(foreign), first, 0o600))
	_, err := s.Open(t.Context(), other, foreign, 0)
	require.ErrorIs(t, err, pii.ErrOpen)
	_, err = s.Open(t.Context(), other, foreign, 1)
	require.ErrorIs(t, err, pii.ErrOpen)
}

// Objects outlive the key that was first: a process with the rotated keys reads them, one without does not.
func TestObjectsAndRotation(t *testing.T) {
	t.Parallel()
	address := blobtest.Address(t, t.TempDir())
	old, err := pii.GenerateKeys()
	require.NoError(t, err)
	rotated, err := old.Rotate()
	require.NoError(t, err)
	before, after := openWith(t, address, old), openWith(t, address, rotated)
	key := put(t, before, "content")
	require.Equal(t, "content", read(t, after, key, 0))
	require.Equal(t, "tent", read(t, after, key, 3))
	key = put(t, after, "content")
	for _, offset := range []int64{0, 3} {
		_, err = before.Open(t.Context(), organization, key, offset)
		require.ErrorIs(t, err, pii.ErrOpen)
		require.NotErrorIs(t, err, blob.ErrNotFound)
	}
}

// Going on at a place costs the same wherever it is: the head, the end, and what is from there on.
func TestABucketIsNotReadBeforeTheOffset(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	server := newS3(t)
	s := open(t, "s3://caseload?region=us-east-1&use_path_style=true&response_checksum_validation=when_required&endpoint="+server.URL)
	text := noise(20*segment + 9)
	key := put(t, s, text)
	require.Equal(t, text, read(t, s, key, 0))
	require.Empty(t, server.ranges, "the whole is one request")
	require.Equal(t, text[10*segment+3:], read(t, s, key, 10*segment+3))
	require.Len(t, server.ranges, 3)
	require.Equal(t, "bytes=0-4095", server.ranges[0])
	require.Regexp(t, `^bytes=1311\d\d\d-1311\d\d\d$`, server.ranges[1], "the last segment")
	require.Regexp(t, `^bytes=655\d\d\d-$`, server.ranges[2], "the segment of the offset, and on")
}
