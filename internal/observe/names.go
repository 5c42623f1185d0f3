package observe

import "sync"

const (
	// maxNames bounds the operation names that become labels; maxNameLength bounds one of them.
	maxNames      = 200
	maxNameLength = 64
	otherName     = "other"
	noName        = "anonymous"
)

// names makes labels of the first names it gets, and "other" of the rest: with labels of its choice a client could fill the memory
// of the server and of Prometheus. It is safe for concurrent use.
type names struct {
	mu   sync.RWMutex
	seen map[string]struct{}
}

// label returns the label of a name. A new name is added only when the caller is trusted: anonymous ones could use up the places.
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
