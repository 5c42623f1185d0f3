package download

import (
	"sync"
	"time"

	"github.com/google/uuid"

	"caseload/internal/fault"
)

// places bound the downloads that run at the same time: all of them, and those of one organization, so that none takes
// them all.
type places struct {
	all, each int
	mu        sync.Mutex
	taken     int
	by        map[uuid.UUID]int
}

func newPlaces(all, each int) *places {
	return &places{all: all, each: each, by: map[uuid.UUID]int{}}
}

// take takes a place, which is given back by leave, or says which bound was reached.
func (p *places) take(organizationID uuid.UUID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.by[organizationID] >= p.each:
		return fault.New(fault.RateLimited, "Too many downloads of the organization run at the same time. Send the request again after the time in Retry-After.").After(time.Second)
	case p.taken >= p.all:
		return fault.New(fault.Unavailable, "The server is busy. Send the request again after the time in Retry-After.").After(time.Second)
	}
	p.taken++
	p.by[organizationID]++
	return nil
}

func (p *places) leave(organizationID uuid.UUID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.by[organizationID]--; p.by[organizationID] == 0 {
		delete(p.by, organizationID)
	}
}
