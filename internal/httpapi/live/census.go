package live

import (
	"net"
	"net/http"
	"sync"

	"caseload/internal/viewer"
)

// census counts the open connections of each principal. It is safe for use by several goroutines.
type census struct {
	mu    sync.Mutex
	limit int
	open  map[string]int
}

func newCensus(limit int) *census {
	return &census{limit: limit, open: map[string]int{}}
}

// enter counts one connection more, unless the principal is at its limit.
func (c *census) enter(principal string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[principal] >= c.limit {
		return false
	}
	c.open[principal]++
	return true
}

// leave undoes one enter; principals without connections take no memory.
func (c *census) leave(principal string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[principal] <= 1 {
		delete(c.open, principal)
		return
	}
	c.open[principal]--
}

// principalOf returns the key by which connections are counted. Nobody in particular is counted by
// address, so that one stranger cannot take the places of all others.
func principalOf(v *viewer.Viewer, r *http.Request) string {
	if v.Kind != viewer.Anonymous {
		return string(v.Kind) + " " + v.OrganizationID.String() + " " + v.ActorID.String()
	}
	address := v.IP
	if address == "" {
		address = viewer.From(r.Context()).IP
	}
	if address == "" {
		if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
			address = host
		} else {
			address = r.RemoteAddr
		}
	}
	return string(viewer.Anonymous) + " " + address
}
