package observe

import "sync"

const (
	// maxNames bounds the operation names that become labels; maxNameLength bounds one of them.
	maxNames      = 200
	maxNameLength = 64
	otherName     = "other"
	noName        = "anonymous"
)

// names lets the first names it sees become labels and calls all others "other": a label whose values
// a client chooses would let it fill the memory of server and Prometheus. It is safe for use by
// several goroutines.
type names struct {
	mu   sync.RWMutex
	seen map[string]struct{}
}

// label returns the label of a name. A name that is new is remembered only when the caller is trusted:
// strangers could use up the places.
func (n *names) label(name string, trusted bool) string {
	if name == "" {
		return noName
	}
	if len(name) > maxNameLength {
		return otherName
	}
	n.mu.RLock()
	_, known := n.seen[name]
	full := len(n.seen) >= maxNames
	n.mu.RUnlock()
	if known {
		return name
	}
	if full || !trusted {
		return otherName
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.seen[name]; !known && len(n.seen) >= maxNames {
		return otherName
	}
	n.seen[name] = struct{}{}
	return name
}
