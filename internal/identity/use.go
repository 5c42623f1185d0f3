package identity

import (
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// cacheSize bounds the keys that a process caches, so that a request costs no statement for its key.
	cacheSize = 10_000
	// cacheTTL is how long a cached key is used.
	cacheTTL = 30 * time.Second
	// flushInterval is how often times of last use are written.
	flushInterval = 10 * time.Second
)

// uses collects when keys were last used, to the minute. The zero value is ready; it is safe for concurrent use.
type uses struct {
	mu   sync.Mutex
	last map[uuid.UUID]use
}

type use struct {
	organizationID, id uuid.UUID
	at                 time.Time
}

func (u *uses) add(key *APIKey, now time.Time) {
	minute := now.Truncate(time.Minute)
	if key.LastUsedAt != nil && !key.LastUsedAt.Before(minute) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == nil {
		u.last = map[uuid.UUID]use{}
	}
	u.last[key.UUID] = use{key.OrganizationID, key.UUID, minute}
}

func (u *uses) take() []use {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := make([]use, 0, len(u.last))
	for _, one := range u.last {
		out = append(out, one)
	}
	u.last = nil
	return out
}
