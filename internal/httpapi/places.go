package httpapi

import (
	"sync"
	"time"

	"caseload/internal/fault"
)

// Places bounds how many of something there are at the same time, such as connections, or operations that run: all
// of them, and those of one holder. Safe for use by several goroutines.
type Places struct {
	what      string
	all, each int

	mu    sync.Mutex
	taken int
	by    map[string]int
}

// NewPlaces returns all places, of which one holder can have each. what continues a sentence that begins with a
// number: "operations of this caller are running".
func NewPlaces(what string, all, each int) *Places {
	return &Places{what: what, all: all, each: each, by: make(map[string]int)}
}

// Take takes a place for the holder, such as a [Principal]. leave gives it back; further calls of it do nothing. The
// error is RATE_LIMITED when the holder has its share, and UNAVAILABLE when all places are taken.
func (p *Places) Take(holder string) (leave func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.by[holder] >= p.each {
		return nil, fault.New(fault.RateLimited, "%d %s already, which is the limit. Wait for one to end.", p.each, p.what).After(time.Second)
	}
	if p.taken >= p.all {
		return nil, fault.New(fault.Unavailable, "The server is busy. Send the request again after the time in Retry-After.").After(time.Second)
	}
	p.taken++
	p.by[holder]++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.taken--
		if p.by[holder]--; p.by[holder] == 0 {
			delete(p.by, holder)
		}
	}), nil
}
