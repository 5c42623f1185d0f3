package live

import (
	"context"
	"time"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

const defaultRecheckInterval = 30 * time.Second

// Credentials says for how long the credential of a connection is good. The zero value never looks again.
type Credentials struct {
	// Recheck is called every RecheckInterval (default 30 s) while the connection lives. UNAUTHENTICATED
	// and FORBIDDEN end the connection; any other error is an outage of the check, which must not throw
	// out everybody at once, and is tried again at the next interval.
	Recheck         func(ctx context.Context, v *viewer.Viewer) error
	RecheckInterval time.Duration
	// Revoked returns a channel that is closed as soon as the viewer's credential is revoked or expires;
	// a nil channel never is. The context ends with the connection.
	Revoked func(ctx context.Context, v *viewer.Viewer) <-chan struct{}
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

// refused reports whether the error says that a credential is not good, not that it could not be checked.
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
