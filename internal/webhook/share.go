package webhook

import (
	"slices"
	"sync"

	"github.com/google/uuid"
)

// shares bound the turns that the endpoints of one organization have at once, so that there are places left for
// others however slow they are. Those that fail are counted apart, as their queue is another.
type shares struct {
	most int

	mu sync.Mutex
	of map[owner]*share
}

type owner struct {
	organization uuid.UUID
	failing      bool
}

type share struct {
	taken int
	// line are the endpoints that found no place, in the order in which they came, each once.
	line []uuid.UUID
}

func newShares(most int) *shares { return &shares{most: most, of: map[owner]*share{}} }

// enter takes a place for a turn, which [shares.leave] gives back. Without one the endpoint stands in line.
func (s *shares) enter(t turn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := owner{t.OrganizationID, t.Failing}
	sh := s.of[key]
	if sh == nil {
		sh = &share{}
		s.of[key] = sh
	}
	if sh.taken < s.most {
		sh.taken++
		return true
	}
	if !slices.Contains(sh.line, t.EndpointID) {
		sh.line = append(sh.line, t.EndpointID)
	}
	return false
}

// leave gives the place of a turn back, and returns the turn of whoever is first in line, if anybody is.
func (s *shares) leave(t turn) (next []turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := owner{t.OrganizationID, t.Failing}
	sh := s.of[key]
	sh.taken--
	if len(sh.line) > 0 {
		next = []turn{{t.OrganizationID, sh.line[0], t.Failing}}
		sh.line = sh.line[1:]
	}
	if sh.taken == 0 && len(sh.line) == 0 {
		delete(s.of, key)
	}
	return next
}
