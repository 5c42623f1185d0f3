package plan

import (
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"caseload/internal/viewer"
)

// The bounds of a cache. Documents come from clients, so their number is unlimited.
const (
	maxPlans      = 1000
	maxPlansBytes = 32 << 20
	// documentCopies is how often a plan holds its document: in its key, and behind the arguments that it keeps.
	documentCopies = 2
)

// key is what a plan depends on. The address of the syntax tree is not part of it, as it may be used again after the document is dropped.
type key struct {
	document, operation, response string
	// flags are the values of the boolean variables, which @skip and @include may look at.
	flags string
	// class is what the viewer may do, never its identity.
	class string
}

// Cache caches plans, and the reasons for which fields have none, the most recently used ones, bounded by count and by bytes. It is safe
// for concurrent use.
type Cache struct {
	compiler *Compiler

	mu    sync.Mutex
	plans *simplelru.LRU[key, *Plan]
	bytes int
}

// NewCache makes an empty cache.
func NewCache(compiler *Compiler) *Cache {
	c := &Cache{compiler: compiler}
	// The error is for a size below one.
	c.plans, _ = simplelru.NewLRU(maxPlans, func(k key, p *Plan) { c.bytes -= weight(k, p) })
	return c
}

func weight(k key, p *Plan) int {
	return p.bytes + len(k.document)*documentCopies + len(k.operation) + len(k.response) + len(k.flags) + len(k.class)
}

// Plan returns the plan of a root field, made at its first use.
func (c *Cache) Plan(oc *graphql.OperationContext, v *viewer.Viewer, f graphql.CollectedField) *Plan {
	k := key{document: oc.RawQuery, operation: oc.Operation.Name, response: f.Alias, flags: flags(oc), class: v.Class()}
	c.mu.Lock()
	p, ok := c.plans.Get(k)
	c.mu.Unlock()
	if ok {
		return p
	}
	// Made outside the lock: two at once may make the same plan, which is harmless.
	p = c.compiler.Compile(oc, v, f)
	c.mu.Lock()
	defer c.mu.Unlock()
	if first, ok := c.plans.Get(k); ok {
		return first
	}
	c.bytes += weight(k, p)
	c.plans.Add(k, p)
	for c.bytes > maxPlansBytes && c.plans.Len() > 1 {
		c.plans.RemoveOldest()
	}
	return p
}

// Size returns how many plans are kept, and about how many bytes they take.
func (c *Cache) Size() (plans, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.plans.Len(), c.bytes
}

func flags(oc *graphql.OperationContext) string {
	var b []byte
	for _, d := range oc.Operation.VariableDefinitions {
		if d.Type.NamedType != "Boolean" {
			continue
		}
		switch oc.Variables[d.Variable] {
		case true:
			b = append(b, '1')
		case false:
			b = append(b, '0')
		default:
			b = append(b, '-')
		}
	}
	return string(b)
}
