package httpapi

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"caseload/internal/fault"
)

// Stored is a file that lies in the object store.
type Stored struct {
	// Key names it there; it is not shown to clients.
	Key string
	// Size is in bytes.
	Size int64
	// SHA256 is the digest of its content, 32 bytes.
	SHA256 []byte
}

// Spool is where the files of a request are put before its operation runs. It is safe for use by several goroutines.
type Spool interface {
	// Put stores what r holds, to its end, without holding it in memory. It fails with the error of r when r
	// fails, and may fail by itself when r holds more than limit bytes. A Put that fails stores nothing.
	Put(ctx context.Context, organizationID uuid.UUID, r io.Reader, limit int64) (Stored, error)
	// Delete removes what Put stored. Removing it twice is no error.
	Delete(ctx context.Context, organizationID uuid.UUID, key string) error
}

// Upload is one file that came with a request: the value of the scalar Upload. Before a resolver sees it the
// whole file is in the object store, in the organization of the viewer. It is deleted there when the request
// has been answered, unless the operation took it over with [Upload.Take].
type Upload struct {
	// Name is the client's name for the file, fit to be shown: no folders, no control characters, at most 255
	// code points, never empty. Treat it as personal data.
	Name string
	// ContentType is what the client says it is, without parameters, such as text/csv;
	// application/octet-stream when it says nothing. The content is not checked.
	ContentType string
	Stored

	mu    sync.Mutex
	state uploadState
}

type uploadState int

const (
	uploadHeld uploadState = iota
	uploadTaken
	uploadDropped
)

// Take makes the caller the owner of the stored file, which then stays. Call it before the transaction that
// writes down its key, and [Upload.Release] when that transaction is known to have failed. The file of an upload
// has one owner: a second Take, by another root field with the same variable, is BAD_USER_INPUT. After the
// request has ended it is TIMEOUT. Safe for use by several goroutines.
func (u *Upload) Take() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch u.state {
	case uploadTaken:
		return fault.New(fault.BadUserInput, "The file is used by another field of the operation. Send it once for each.")
	case uploadDropped:
		return fault.New(fault.Timeout, "The request ended before its file was taken over; nothing was changed.")
	}
	u.state = uploadTaken
	return nil
}

// Release gives a taken file back, so that it is deleted with the request. It may be called twice, and must be
// called before the resolver returns.
func (u *Upload) Release() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.state == uploadTaken {
		u.state = uploadHeld
	}
}

// drop reports whether the file has to be deleted, and keeps it from being taken from now on.
func (u *Upload) drop() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.state != uploadHeld {
		return false
	}
	u.state = uploadDropped
	return u.Key != ""
}

// MarshalJSON writes what identifies an upload, equal for the same file under the same name: it is
// what a fingerprint of the operation's variables covers. The key in the object store is not in it.
func (u *Upload) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name   string `json:"name"`
		Size   int64  `json:"size"`
		SHA256 string `json:"sha256"`
	}{u.Name, u.Size, hex.EncodeToString(u.SHA256)})
}

// uploadValue stands for an upload among the variables of an operation. It is no pointer, as the variable check
// of the library follows pointers and would pass on a copy.
type uploadValue struct{ *Upload }

// MarshalUpload refuses: an Upload is input only, and the schema has no field of that type.
func MarshalUpload(*Upload) graphql.Marshaler { return graphql.Null }

// UnmarshalUpload returns the upload that the transport put among the variables. Anything that came in a document
// or in JSON is BAD_USER_INPUT.
func UnmarshalUpload(v any) (*Upload, error) {
	if u, ok := v.(uploadValue); ok && u.Upload != nil {
		return u.Upload, nil
	}
	return nil, fault.New(fault.BadUserInput, "An Upload is a file of a multipart request; in the JSON its variable is null.")
}
