package httpapi

import (
	"crypto/sha256"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// Principal returns the key under which what a viewer uses is counted: operations, points, connections, places.
// Callers without a credential share one per network address; of IPv6 only the network (/64) counts, as one household
// owns billions of addresses.
func Principal(v *viewer.Viewer) string {
	if v.Kind != viewer.Anonymous {
		return string(v.Kind) + " " + v.OrganizationID.String() + " " + v.ActorID.String()
	}
	addr, err := netip.ParseAddr(v.IP)
	if err != nil {
		return "address unknown"
	}
	if addr = addr.Unmap(); addr.Is6() {
		network, _ := addr.WithZone("").Prefix(64)
		return "address " + network.String()
	}
	return "address " + addr.String()
}

// account is the budget of one principal.
type account struct {
	operations, points *rate.Limiter
}

// budgets keeps the accounts of the principals that were seen last. Those without a credential have a
// list of their own: a caller with many addresses must not evict principals with a credential, who would
// start again with a full account. Safe for use by several goroutines.
type budgets struct {
	limits *Limits
	now    func() time.Time

	mu        sync.Mutex
	known     *simplelru.LRU[string, *account]
	anonymous *simplelru.LRU[string, *account]
	// worked holds the digests of the keys that were good when they were last looked up.
	worked *simplelru.LRU[[sha256.Size]byte, struct{}]
}

func newBudgets(limits *Limits, now func() time.Time) *budgets {
	b := &budgets{limits: limits, now: now}
	b.known, _ = simplelru.NewLRU[string, *account](max(limits.TrackedPrincipals, 1), nil)
	b.anonymous, _ = simplelru.NewLRU[string, *account](max(limits.TrackedPrincipals, 1), nil)
	b.worked, _ = simplelru.NewLRU[[sha256.Size]byte, struct{}](max(limits.TrackedPrincipals, 1), nil)
	return b
}

// identify finds the viewer of a request from the address by the function. A wrong key counts as an operation without one.
// Where the budget of those is used up no key is looked up but those that have worked before: nobody who guesses keys is to
// shut out the others of the network.
func (b *budgets) identify(r *http.Request, address string, find func(*http.Request) (*viewer.Viewer, error)) (*viewer.Viewer, error) {
	key := r.Header.Get(KeyHeader)
	if key == "" {
		return find(r)
	}
	digest, stranger := sha256.Sum256([]byte(key)), &viewer.Viewer{Kind: viewer.Anonymous, IP: address}
	b.mu.Lock()
	_, worked := b.worked.Get(digest)
	b.mu.Unlock()
	if !worked && b.account(stranger).operations.TokensAt(b.now()) < 1 {
		if f := b.start(stranger); f != nil {
			return nil, f
		}
	}
	v, err := find(r)
	wrong := err != nil && fault.CodeOf(err) == fault.Unauthenticated
	if wrong {
		_ = b.start(stranger)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case wrong:
		b.worked.Remove(digest)
	case err == nil:
		b.worked.Add(digest, struct{}{})
	}
	return v, err
}

func (b *budgets) account(v *viewer.Viewer) *account {
	list, perSecond, burst := b.known, b.limits.OperationsPerSecond, b.limits.OperationsBurst
	if v.Kind == viewer.Anonymous {
		list, perSecond, burst = b.anonymous, b.limits.AnonymousPerSecond, b.limits.AnonymousBurst
	}
	key := Principal(v)
	b.mu.Lock()
	defer b.mu.Unlock()
	if a, ok := list.Get(key); ok {
		return a
	}
	a := &account{
		operations: rate.NewLimiter(rate.Limit(perSecond), burst),
		points:     rate.NewLimiter(rate.Limit(b.limits.PointsPerSecond), b.limits.PointsBurst),
	}
	list.Add(key, a)
	return a
}

// start charges one operation before it is parsed, since what is refused later has cost time too.
func (b *budgets) start(v *viewer.Viewer) *fault.Error {
	operations := b.account(v).operations
	wait, ok := take(operations, b.now(), 1)
	if ok {
		return nil
	}
	return fault.New(fault.RateLimited, "Too many operations; the limit is %.0f a second. Wait for the time in Retry-After.", operations.Limit()).After(wait)
}

// spend charges the points of an operation before it runs and returns how many are left. An operation
// that costs more than can be saved up takes the whole account, or it could never run.
func (b *budgets) spend(v *viewer.Viewer, points int) (int, *fault.Error) {
	l, now := b.account(v).points, b.now()
	wait, ok := take(l, now, min(points, b.limits.PointsBurst))
	remaining := max(int(l.TokensAt(now)), 0)
	if ok {
		return remaining, nil
	}
	f := fault.New(fault.RateLimited, "The operation costs %d points and %d are left; %d come back each second. Wait for the time in Retry-After.",
		points, remaining, b.limits.PointsPerSecond).After(wait)
	f.Details = map[string]any{"cost": points, "remaining": remaining, "pointsPerSecond": b.limits.PointsPerSecond}
	return remaining, f
}

// take takes n tokens, or none and says how long to wait.
func take(l *rate.Limiter, now time.Time, n int) (time.Duration, bool) {
	r := l.ReserveN(now, n)
	if !r.OK() {
		return time.Second, false
	}
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return max(wait, time.Millisecond), false
	}
	return 0, true
}
