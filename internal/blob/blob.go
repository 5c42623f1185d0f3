// Package blob keeps what is too large for the database: uploaded files, results and exports. It is a folder
// of this machine by default and an S3-compatible bucket in production, both behind gocloud.dev/blob.
//
// Every key begins with the organization's id, and every verb takes the organization beside the key: a key of
// another tenant is answered like a missing one. Contents may hold personal data, so they are encrypted before they
// leave the process, each with a key of its own that is bound to the object's name: see docs/adr/0010. The
// package deletes nothing by itself.
package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"filippo.io/age"
	"github.com/google/uuid"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"

	"caseload/internal/pii"
)

// Errors that callers tell apart.
var (
	// ErrNotFound is a key that does not exist, or belongs to another organization.
	ErrNotFound = errors.New("no such object")
	// ErrTooLarge is content over the limit; nothing of it is kept.
	ErrTooLarge = errors.New("the content is over its limit")
)

// Store is one bucket. It is safe for concurrent use.
type Store struct {
	bucket  *blob.Bucket
	sealer  *pii.Sealer
	reached atomic.Bool
}

// Open opens file:///absolute/folder, which is made when it is missing, or s3://bucket?region=…, whose
// credentials come from the AWS environment; an S3-compatible server is named by endpoint=,
// use_path_style=true and, where it knows no checksums, response_checksum_validation=when_required. Whether the bucket
// can be reached is not asked yet: see [Store.Check]. Objects can be read as long as the sealer has the key with which
// they were written.
func Open(ctx context.Context, address string, sealer *pii.Sealer) (*Store, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("read the object store's address: want file:///folder or s3://bucket")
	}
	var bucket *blob.Bucket
	switch u.Scheme {
	case "file":
		bucket, err = fileblob.OpenBucket(filepath.FromSlash(u.Path), &fileblob.Options{
			CreateDir: true, DirFileMode: 0o700,
			// Files are renamed when they are whole, which works within one file system only.
			NoTempDir: true,
			// Sidecars would double the files, for attributes that nobody reads.
			Metadata: fileblob.MetadataDontWrite,
		})
	case s3blob.Scheme:
		bucket, err = blob.OpenBucket(ctx, address)
	default:
		return nil, errors.New("open the object store: want file:///folder or s3://bucket")
	}
	if err != nil {
		return nil, fmt.Errorf("open the object store: %w", err)
	}
	return &Store{bucket: bucket, sealer: sealer}, nil
}

// Close ends the use of the bucket.
func (s *Store) Close() error { return s.bucket.Close() }

// Reached is [Store.Check] until it has succeeded once, and nothing from then on: for a readiness probe, so that a process
// with a wrong address or credential gets no requests, while an outage of the bucket does not take everything else with it.
func (s *Store) Reached(ctx context.Context) error {
	if s.reached.Load() {
		return nil
	}
	err := s.Check(ctx)
	s.reached.Store(err == nil)
	return err
}

// Check reports whether the bucket can be reached and may be listed.
func (s *Store) Check(ctx context.Context) error {
	ok, err := s.bucket.IsAccessible(ctx)
	if err != nil {
		return fmt.Errorf("reach the object store: %w", err)
	}
	if !ok {
		return errors.New("reach the object store: the bucket does not exist or may not be listed")
	}
	return nil
}

// Stored is what was put.
type Stored struct {
	// Key names the content; it begins with the organization's id.
	Key string
	// Size is in bytes.
	Size int64
	// SHA256 is the hash of the content, 32 bytes.
	SHA256 []byte
}

// Uploads is the folder of an organization under which [Store.Put] puts what clients send. It is a place of
// transit: what lies there for a day and belongs to no open bulk operation is removed, since it may hold personal
// data that nobody asks for any more. What is to stay longer is put elsewhere.
const Uploads = "uploads/"

// Put streams content of at most limit bytes to a new key under [Uploads]. More is ErrTooLarge, and after any
// error nothing is kept.
func (s *Store) Put(ctx context.Context, organizationID uuid.UUID, r io.Reader, limit int64) (Stored, error) {
	// NewV7 fails only when the system's random source does, which Go makes fatal anyway.
	return s.put(ctx, organizationID, Uploads+uuid.Must(uuid.NewV7()).String(), r, limit)
}

func (s *Store) put(ctx context.Context, organizationID uuid.UUID, name string, r io.Reader, limit int64) (Stored, error) {
	w, err := s.Create(ctx, organizationID, name)
	if err != nil {
		return Stored{}, err
	}
	defer w.Abort()
	// One byte more than the limit shows that there is more.
	n, err := io.Copy(w, io.LimitReader(r, limit+1))
	if err != nil {
		return Stored{}, fmt.Errorf("put an object: %w", err)
	}
	if n > limit {
		return Stored{}, ErrTooLarge
	}
	return w.Commit()
}

// Writer writes one object. Nothing of it can be read before [Writer.Commit]. It belongs to one goroutine.
type Writer struct {
	w *blob.Writer
	// in encrypts into w.
	in     io.WriteCloser
	cancel context.CancelFunc
	sum    hash.Hash
	stored Stored
	ended  bool
}

// What a writer of a bucket may hold in memory: the parts of a large object on their way.
const (
	partBytes  = 5 << 20
	partsAtOne = 2
)

// Create begins an object at a name below the organization's folder. An object that is there is replaced at the
// commit. The caller ends the writer by Commit or Abort.
func (s *Store) Create(ctx context.Context, organizationID uuid.UUID, name string) (*Writer, error) {
	if organizationID == uuid.Nil {
		return nil, errors.New("put an object: it belongs to no organization")
	}
	key := prefix(organizationID) + name
	ctx, cancel := context.WithCancel(ctx)
	w, err := s.bucket.NewWriter(ctx, key, &blob.WriterOptions{
		// Never guessed from the content: a browser must not take a customer's text for a page.
		ContentType: "application/octet-stream",
		BufferSize:  partBytes, MaxConcurrency: partsAtOne,
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("put an object: %w", err)
	}
	in, err := age.Encrypt(w, lock{s.sealer, key})
	if err != nil {
		cancel()
		_ = w.Close()
		return nil, fmt.Errorf("put an object: %w", err)
	}
	return &Writer{w: w, in: in, cancel: cancel, sum: sha256.New(), stored: Stored{Key: key}}, nil
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	n, err := w.in.Write(p)
	w.sum.Write(p[:n])
	w.stored.Size += int64(n)
	return n, err
}

// Commit makes the object readable. After an error nothing was put.
func (w *Writer) Commit() (Stored, error) {
	if w.ended {
		return Stored{}, errors.New("put an object: the writer has ended")
	}
	if err := w.in.Close(); err != nil {
		w.Abort()
		return Stored{}, fmt.Errorf("put an object: %w", err)
	}
	w.ended = true
	defer w.cancel()
	if err := w.w.Close(); err != nil {
		return Stored{}, fmt.Errorf("put an object: %w", err)
	}
	w.stored.SHA256 = w.sum.Sum(nil)
	return w.stored, nil
}

// Abort drops what was written; after Commit it does nothing. Safe to call twice.
func (w *Writer) Abort() {
	if w.ended {
		return
	}
	w.ended = true
	// Closing would publish what there is; only a cancelled context makes it throw that away.
	w.cancel()
	_ = w.w.Close()
}

// Open streams an object from offset to its end; from an offset beyond it comes nothing. ErrNotFound when there is
// none, or when the key is not of the organization. What was changed, cut off or put in the place of another object is
// an error, of Open or of the read that comes upon it, and never content. The caller closes the reader.
func (s *Store) Open(ctx context.Context, organizationID uuid.UUID, key string, offset int64) (io.ReadCloser, error) {
	if !owned(organizationID, key) {
		return nil, ErrNotFound
	}
	if offset > 0 {
		return s.openAt(ctx, key, offset)
	}
	r, err := s.bucket.NewReader(ctx, key, nil)
	if err != nil {
		return nil, found(err)
	}
	content, err := age.Decrypt(r, lock{s.sealer, key})
	if err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("open an object: %w", err)
	}
	return opened{content, r}, nil
}

// Delete removes an object. Safe to repeat: a missing one is no error.
func (s *Store) Delete(ctx context.Context, organizationID uuid.UUID, key string) error {
	if !owned(organizationID, key) {
		return nil
	}
	if err := s.bucket.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("delete an object: %w", err)
	}
	return nil
}

// Object is an entry of a listing.
type Object struct {
	Key       string
	UpdatedAt time.Time
}

// Each calls f with every object below a folder of the organization, in the order of their keys, until f returns
// an error. The folder ends with a slash; f may delete what it is given.
func (s *Store) Each(ctx context.Context, organizationID uuid.UUID, folder string, f func(Object) error) error {
	objects := s.bucket.List(&blob.ListOptions{Prefix: prefix(organizationID) + folder})
	for {
		o, err := objects.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list objects: %w", err)
		}
		if err := f(Object{o.Key, o.ModTime}); err != nil {
			return err
		}
	}
}

// DeleteAll removes every object below a folder of the organization. Safe to repeat.
func (s *Store) DeleteAll(ctx context.Context, organizationID uuid.UUID, folder string) error {
	return s.Each(ctx, organizationID, folder, func(o Object) error { return s.Delete(ctx, organizationID, o.Key) })
}

// Key returns the key of a name below the organization's folder.
func Key(organizationID uuid.UUID, name string) string { return prefix(organizationID) + name }

func prefix(organizationID uuid.UUID) string { return organizationID.String() + "/" }

func owned(organizationID uuid.UUID, key string) bool {
	return organizationID != uuid.Nil && strings.HasPrefix(key, prefix(organizationID))
}

func found(err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		return ErrNotFound
	}
	return fmt.Errorf("read an object: %w", err)
}
