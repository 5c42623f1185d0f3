package webhook

import (
	"slices"
	"sync"

	"github.com/google/uuid"
)

// limiter bounds how many endpoints of one organization are delivered to at once, so that workers are left for others
// however slow they are. Endpoints that fail are counted separately, as they have a queue of their own.
type limiter struct {
	most int

	mu sync.Mutex
	of map[owner]*usage
}

type owner struct {
	organization uuid.UUID
	failing      bool
}

type usage struct {
	taken int
	// waiting are the endpoints over the limit, in the order in which they came, each once.
	waiting []uuid.UUID
}

func newLimiter(most int) *limiter { return &limiter{most: most, of: map[owner]*usage{}} }

// acquire takes one of the organization's places, which [limiter.release] frees. At the limit the endpoint waits.
func (s *limiter) acquire(t turn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := owner{t.OrganizationID, t.Failing}
	sh := s.of[key]
	if sh == nil {
		sh = &usage{}
		s.of[key] = sh
	}
	if sh.taken < s.most {
		sh.taken++
		return true
	}
	if !slices.Contains(sh.waiting, t.EndpointID) {
		sh.waiting = append(sh.waiting, t.EndpointID)
	}
	return false
}

// release frees a place, and returns the endpoint that has waited longest, if any.
func (s *limiter) release(t turn) (next []turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := owner{t.OrganizationID, t.Failing}
	sh := s.of[key]
	sh.taken--
	if len(sh.waiting) > 0 {
		next = []turn{{t.OrganizationID, sh.waiting[0], t.Failing}}
		sh.waiting = sh.waiting[1:]
	}
	if sh.taken == 0 && len(sh.waiting) == 0 {
		delete(s.of, key)
	}
	return next
}
