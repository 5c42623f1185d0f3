package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/blob"
	"caseload/internal/blob/blobtest"
	"caseload/internal/pii"
)

var (
	organization = uuid.MustParse("01920000-0000-7000-8000-0000000000aa")
	other        = uuid.MustParse("01920000-0000-7000-8000-0000000000bb")
)

// folder is a store in a folder of the test's own.
func folder(t *testing.T) (*blob.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "not", "there yet")
	return open(t, blobtest.Address(t, path)), path
}

func open(t *testing.T, address string) *blob.Store {
	t.Helper()
	keys, err := pii.GenerateKeys()
	require.NoError(t, err)
	return openWith(t, address, keys)
}

func openWith(t *testing.T, address string, keys pii.Keys) *blob.Store {
	t.Helper()
	sealer, err := pii.NewSealer(keys)
	require.NoError(t, err)
	s, err := blob.Open(t.Context(), address, sealer)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func read(t *testing.T, s *blob.Store, key string, offset int64) string {
	t.Helper()
	r, err := s.Open(t.Context(), organization, key, offset)
	require.NoError(t, err)
	defer r.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(text)
}

// files lists what is in a folder, at any depth.
func files(t *testing.T, path string) []string {
	t.Helper()
	var all []string
	require.NoError(t, filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, p)
		}
		return err
	}))
	return all
}

// behaves is what every kind of bucket does.
func behaves(t *testing.T, s *blob.Store) {
	require.NoError(t, s.Check(t.Context()))
	text := strings.Repeat("0123456789", 1000)
	stored, err := s.Put(t.Context(), organization, strings.NewReader(text), 10_000)
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(text))
	require.Equal(t, sum[:], stored.SHA256)
	require.Equal(t, int64(10_000), stored.Size)
	require.True(t, strings.HasPrefix(stored.Key, organization.String()+"/uploads/"), stored.Key)
	require.Equal(t, text, read(t, s, stored.Key, 0))
	require.Equal(t, "789", read(t, s, stored.Key, 9_997))
	require.Empty(t, read(t, s, stored.Key, 10_000))
	require.Empty(t, read(t, s, stored.Key, 10_001))

	_, err = s.Open(t.Context(), other, stored.Key, 0)
	require.ErrorIs(t, err, blob.ErrNotFound, "a foreign key is answered like a missing one")
	_, err = s.Open(t.Context(), organization, stored.Key+"x", 0)
	require.ErrorIs(t, err, blob.ErrNotFound)
	require.NoError(t, s.Delete(t.Context(), other, stored.Key))
	require.Equal(t, text, read(t, s, stored.Key, 0), "and is not deleted")

	w, err := s.Create(t.Context(), organization, "results/a/1.jsonl")
	require.NoError(t, err)
	_, err = io.WriteString(w, "first")
	require.NoError(t, err)
	_, err = s.Open(t.Context(), organization, blob.Key(organization, "results/a/1.jsonl"), 0)
	require.ErrorIs(t, err, blob.ErrNotFound, "not before the commit")
	first, err := w.Commit()
	require.NoError(t, err)
	w.Abort()
	require.Equal(t, "first", read(t, s, first.Key, 0), "aborting after the commit does nothing")
	_, err = w.Commit()
	require.Error(t, err)

	w, err = s.Create(t.Context(), organization, "results/a/1.jsonl")
	require.NoError(t, err)
	_, err = io.WriteString(w, "second")
	require.NoError(t, err)
	w.Abort()
	w.Abort()
	require.Equal(t, "first", read(t, s, first.Key, 0), "an aborted write changes nothing")

	var keys []string
	require.NoError(t, s.Each(t.Context(), organization, "results/a/", func(o blob.Object) error {
		keys = append(keys, o.Key)
		require.False(t, o.UpdatedAt.IsZero())
		return nil
	}))
	require.Equal(t, []string{first.Key}, keys)
	enough := errors.New("enough")
	require.ErrorIs(t, s.Each(t.Context(), organization, "results/", func(blob.Object) error { return enough }), enough)
	require.NoError(t, s.DeleteAll(t.Context(), other, "results/"))
	require.Equal(t, "first", read(t, s, first.Key, 0))
	require.NoError(t, s.DeleteAll(t.Context(), organization, "results/"))
	require.NoError(t, s.DeleteAll(t.Context(), organization, "results/"))
	_, err = s.Open(t.Context(), organization, first.Key, 0)
	require.ErrorIs(t, err, blob.ErrNotFound)
	require.Equal(t, text, read(t, s, stored.Key, 0))
	require.NoError(t, s.Delete(t.Context(), organization, stored.Key))
	require.NoError(t, s.Delete(t.Context(), organization, stored.Key), "safe to repeat")
	_, err = s.Open(t.Context(), organization, stored.Key, 0)
	require.ErrorIs(t, err, blob.ErrNotFound)
}

func TestFolder(t *testing.T) {
	t.Parallel()
	s, _ := folder(t)
	behaves(t, s)
}

func TestBucket(t *testing.T) {
	// Not parallel: the AWS libraries read the environment of the process.
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	server := newS3(t)
	behaves(t, open(t, "s3://caseload?region=us-east-1&use_path_style=true&response_checksum_validation=when_required&endpoint="+server.URL))
	require.Empty(t, server.keys(), "everything was deleted")
}

// A process that never reached its bucket takes no requests; one that did goes on through an outage.
func TestReached(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	server := newS3(t)
	s := open(t, "s3://caseload?region=us-east-1&use_path_style=true&response_checksum_validation=when_required&endpoint="+server.URL)
	server.closed.Store(true)
	require.Error(t, s.Reached(t.Context()))
	server.closed.Store(false)
	require.NoError(t, s.Reached(t.Context()))
	server.closed.Store(true)
	require.NoError(t, s.Reached(t.Context()))
	require.Error(t, s.Check(t.Context()))
}

func TestOpenRefusesOtherAddresses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "/folder", "mem://", "https://example.com/bucket", "s3://%zz", "gs://bucket"} {
		_, err := blob.Open(t.Context(), address, nil)
		require.ErrorContains(t, err, "file:///folder or s3://bucket", address)
	}
}

func TestPutOverTheLimitKeepsNothing(t *testing.T) {
	t.Parallel()
	s, path := folder(t)
	_, err := s.Put(t.Context(), organization, strings.NewReader("12345"), 4)
	require.ErrorIs(t, err, blob.ErrTooLarge)
	_, err = s.Put(t.Context(), organization, io.MultiReader(strings.NewReader("123"), iotest.ErrReader(io.ErrUnexpectedEOF)), 10)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Put(cancelled, organization, strings.NewReader("123"), 10)
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Put(t.Context(), uuid.Nil, strings.NewReader("123"), 10)
	require.Error(t, err)
	require.Empty(t, files(t, path))
	stored, err := s.Put(t.Context(), organization, strings.NewReader("1234"), 4)
	require.NoError(t, err)
	require.Equal(t, int64(4), stored.Size)
}

// Files hold personal data: on a shared machine nobody but the owner gets to them.
func TestFoldersAreTheOwnersAlone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	s, path := folder(t)
	_, err := s.Put(t.Context(), organization, strings.NewReader("1"), 1)
	require.NoError(t, err)
	all := files(t, path)
	require.Len(t, all, 1, "and no sidecar")
	for p := filepath.Dir(all[0]); p != filepath.Dir(path); p = filepath.Dir(p) {
		info, err := os.Stat(p)
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, p)
	}
}

// A file of any size passes through a few buffers, in and out, from its beginning and from anywhere else.
func TestContentStreams(t *testing.T) {
	// Not parallel: it measures the memory of the process.
	s, _ := folder(t)
	const size = 64 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	stored, err := s.Put(t.Context(), organization, io.LimitReader(zeros{}, size), size)
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20), "all that was ever allocated, collected or not")
	for _, offset := range []int64{0, 1} {
		runtime.GC()
		runtime.ReadMemStats(&before)
		r, err := s.Open(t.Context(), organization, stored.Key, offset)
		require.NoError(t, err)
		for done := offset; done < size; {
			n, err := io.CopyN(io.Discard, r, min(8<<20, size-done))
			require.NoError(t, err)
			done += n
			// Each segment is decrypted into a buffer of its own, which is garbage with the next.
			runtime.GC()
			runtime.ReadMemStats(&after)
			require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(1<<20), "what is held")
		}
		_, err = io.ReadFull(r, make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, r.Close())
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestLargeObjectsGoToABucketInParts(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	server := newS3(t)
	s := open(t, "s3://caseload?region=us-east-1&use_path_style=true&response_checksum_validation=when_required&endpoint="+server.URL)
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	stored, err := s.Put(t.Context(), organization, bytes.NewReader(text), 32<<20)
	require.NoError(t, err)
	sum := sha256.Sum256(text)
	require.Equal(t, sum[:], stored.SHA256)
	require.Equal(t, string(text), read(t, s, stored.Key, 0))
	require.GreaterOrEqual(t, server.largestUpload(), 3, "the object was never whole in memory")

	_, err = s.Put(t.Context(), organization, bytes.NewReader(text), 8<<20)
	require.ErrorIs(t, err, blob.ErrTooLarge)
	require.Len(t, server.keys(), 1, "what was sent of it is dropped")
}
