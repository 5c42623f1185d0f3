package blob

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"gocloud.dev/blob"

	"caseload/internal/pii"
)

// stanza names in the head of an object how its key is sealed.
const stanza = "caseload-object"

// lock seals and opens the key of one object. Every object has a key of its own, which is sealed with the keys for
// personal data and bound to the object's name.
type lock struct {
	sealer *pii.Sealer
	object string
}

var (
	_ age.Recipient = lock{}
	_ age.Identity  = lock{}
)

// Wrap implements [age.Recipient].
func (l lock) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	sealed, err := l.sealer.SealKey(l.object, fileKey)
	if err != nil {
		return nil, err
	}
	return []*age.Stanza{{Type: stanza, Body: sealed}}, nil
}

// Unwrap implements [age.Identity].
func (l lock) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) != 1 || stanzas[0].Type != stanza {
		return nil, age.ErrIncorrectIdentity
	}
	return l.sealer.OpenKey(l.object, stanzas[0].Body)
}

const (
	// headBytes is more than the head of any object.
	headBytes = 4 << 10
	// readBytes is what is asked of the decrypting reader at a time: each time costs it a buffer of one segment.
	readBytes = 64 << 10
)

// openAt returns the content from offset on, by three requests: for the head, for the last segment, which proves where the
// content ends, and for all from the segment of the offset on. Nothing before it is fetched or decrypted.
func (s *Store) openAt(ctx context.Context, key string, offset int64) (io.ReadCloser, error) {
	first, err := s.bucket.NewRangeReader(ctx, key, 0, headBytes, nil)
	if err != nil {
		return nil, found(err)
	}
	p := &pieces{ctx: ctx, bucket: s.bucket, key: key}
	size := first.Size()
	p.head, err = io.ReadAll(first)
	if err = errors.Join(err, first.Close()); err != nil {
		return nil, found(err)
	}
	content, end, err := age.DecryptReaderAt(p, size, lock{s.sealer, key})
	if err != nil {
		_ = p.Close()
		return nil, fmt.Errorf("open an object: %w", err)
	}
	p.ahead = true
	return opened{bufio.NewReaderSize(io.NewSectionReader(content, offset, max(end-offset, 0)), readBytes), p}, nil
}

// opened is decrypted content and what it comes from.
type opened struct {
	io.Reader
	io.Closer
}

// pieces reads an object at any place, for one goroutine. Once it reads ahead, what is read in order comes from one
// stream to the end of the object, instead of a request for each piece.
type pieces struct {
	ctx    context.Context //nolint:containedctx // io.ReaderAt has no other way to be cancelled
	bucket *blob.Bucket
	key    string
	head   []byte
	ahead  bool
	r      *blob.Reader
	at     int64
}

// ReadAt implements io.ReaderAt.
func (p *pieces) ReadAt(to []byte, off int64) (int, error) {
	if off+int64(len(to)) <= int64(len(p.head)) {
		return copy(to, p.head[off:]), nil
	}
	if p.r == nil || p.at != off {
		length := int64(-1)
		if !p.ahead {
			length = int64(len(to))
		}
		if err := p.Close(); err != nil {
			return 0, err
		}
		r, err := p.bucket.NewRangeReader(p.ctx, p.key, off, length, nil)
		if err != nil {
			return 0, found(err)
		}
		p.r, p.at = r, off
	}
	n, err := io.ReadFull(p.r, to)
	p.at += int64(n)
	return n, err
}

// Close implements io.Closer.
func (p *pieces) Close() error {
	if p.r == nil {
		return nil
	}
	r := p.r
	p.r = nil
	return r.Close()
}
