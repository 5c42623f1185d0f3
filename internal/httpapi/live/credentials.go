package live

import (
	"context"
	"net/http"
	"time"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// keyHeader is the header, and the entry of a connection_init payload, that holds an API key.
const keyHeader = "X-API-Key"

const defaultRecheckInterval = 30 * time.Second

// Credentials says who is behind a connection, and for how long. The zero value takes the viewer that
// the request's context holds and never looks again.
type Credentials struct {
	// Authenticate returns the viewer of a key; key is "" when the client sent none. It is not asked
	// when the request's context already holds an authenticated viewer and the client sent no key of
	// its own in connection_init. UNAUTHENTICATED and FORBIDDEN refuse the connection for good; any
	// other error counts as an outage.
	Authenticate func(ctx context.Context, key string, r *http.Request) (*viewer.Viewer, error)
	// Recheck is called every RecheckInterval (default 30 s) while the connection lives. UNAUTHENTICATED
	// and FORBIDDEN end the connection; any other error is an outage of the check, which must not throw
	// out everybody at once, and is tried again at the next interval.
	Recheck         func(ctx context.Context, v *viewer.Viewer) error
	RecheckInterval time.Duration
	// Revoked returns a channel that is closed as soon as the viewer's credential is revoked or expires;
	// a nil channel never is. The context ends with the connection.
	Revoked func(ctx context.Context, v *viewer.Viewer) <-chan struct{}
}

// identify returns who is behind the request. The key of connection_init wins over the header, as it
// is the more specific of the two.
func (c *Credentials) identify(ctx context.Context, payloadKey string, r *http.Request) (*viewer.Viewer, error) {
	known := viewer.From(r.Context())
	if c.Authenticate == nil || (payloadKey == "" && known.Kind != viewer.Anonymous) {
		return known, nil
	}
	key := payloadKey
	if key == "" {
		key = r.Header.Get(keyHeader)
	}
	v, err := c.Authenticate(ctx, key, r)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return viewer.Nobody, nil
	}
	return v, nil
}

// watch returns an error once the viewer's credential is no longer good, and nil when ctx ends.
func (c *Credentials) watch(ctx context.Context, v *viewer.Viewer) error {
	var revoked <-chan struct{}
	if c.Revoked != nil {
		revoked = c.Revoked(ctx, v)
	}
	var due <-chan time.Time
	if c.Recheck != nil {
		interval := positive(c.RecheckInterval, defaultRecheckInterval)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		due = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-revoked:
			return fault.New(fault.Unauthenticated, "The credential was revoked or has expired.")
		case <-due:
			if err := c.recheck(ctx, v); refused(err) {
				return err
			}
		}
	}
}

func (c *Credentials) recheck(ctx context.Context, v *viewer.Viewer) error {
	ctx, cancel := context.WithTimeout(ctx, positive(c.RecheckInterval, defaultRecheckInterval))
	defer cancel()
	return c.Recheck(ctx, v)
}

// refused tells a credential that is not good from a check that could not be made.
func refused(err error) bool {
	if err == nil {
		return false
	}
	code := fault.CodeOf(err)
	return code == fault.Unauthenticated || code == fault.Forbidden
}

// positive returns v, or the default when v is not set.
func positive[T ~int | ~int64](v, byDefault T) T {
	if v > 0 {
		return v
	}
	return byDefault
}
