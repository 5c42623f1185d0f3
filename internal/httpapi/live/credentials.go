package live

import (
	"cmp"
	"context"
	"time"

	"caseload/internal/fault"
	"caseload/internal/httpapi"
	"caseload/internal/viewer"
)

// Credentials says for how long the credential of a connection is good. The zero value never looks again.
type Credentials struct {
	// Recheck is called every RecheckInterval (default 30 s) while the connection lives. UNAUTHENTICATED
	// and FORBIDDEN end the connection; any other error is an outage of the check, which must not end
	// all connections at once, and is tried again at the next interval.
	Recheck         func(ctx context.Context, v *viewer.Viewer) error
	RecheckInterval time.Duration
	// Revoked returns a channel that is closed as soon as the viewer's credential is revoked or expires;
	// a nil channel never is. The context ends with the connection.
	Revoked func(ctx context.Context, v *viewer.Viewer) <-chan struct{}
}

// watch returns an error once the viewer's credential is no longer good, and nil when ctx ends. A panic of a check is logged, and is
// an outage like others: nothing else recovers on the goroutine of a watch.
func (c *Credentials) watch(ctx context.Context, v *viewer.Viewer, p *httpapi.Presenter) error {
	guarded := func(check func() error) (err error) {
		defer func() {
			if cause := recover(); cause != nil {
				err = p.Recover(ctx, cause)
			}
		}()
		return check()
	}
	var revoked <-chan struct{}
	if c.Revoked != nil {
		_ = guarded(func() error { revoked = c.Revoked(ctx, v); return nil })
	}
	interval := cmp.Or(c.RecheckInterval, 30*time.Second)
	var due <-chan time.Time
	if c.Recheck != nil {
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
			limited, cancel := context.WithTimeout(ctx, interval)
			err := guarded(func() error { return c.Recheck(limited, v) })
			if cancel(); refused(err) {
				return err
			}
		}
	}
}

// refused reports whether the error says that a credential is not good, not that it could not be checked.
func refused(err error) bool {
	if err == nil {
		return false
	}
	code := fault.CodeOf(err)
	return code == fault.Unauthenticated || code == fault.Forbidden
}
