package notify

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
)

// Cache holds values that other server processes may change. It is used only while the bus is connected,
// since changes arrive by it, and a value no longer than its TTL. It is safe for concurrent use.
type Cache[V any] struct {
	bus   *Bus
	topic string
	ttl   time.Duration
	now   func() time.Time

	mu     sync.Mutex
	values *lru.Cache[uuid.UUID, cached[V]]
	// generation is incremented by every drop, so that a value read before a change is not stored after it.
	generation int
}

type cached[V any] struct {
	value V
	until time.Time
}

// NewCache makes a cache of at most size values, dropped by messages of the topic whose subject is their
// key. Make it before the bus runs.
func NewCache[V any](bus *Bus, topic string, size int, ttl time.Duration, now func() time.Time) *Cache[V] {
	// New fails only for a size below one.
	values, _ := lru.New[uuid.UUID, cached[V]](size)
	c := &Cache[V]{bus: bus, topic: topic, ttl: ttl, now: now, values: values}
	bus.OnMessage(topic, func(m Message) { c.Drop(m.Subject) })
	bus.OnGap(c.clear)
	return c
}

// Get returns the value of a key, read by read when it is not cached. Errors are not cached.
func (c *Cache[V]) Get(ctx context.Context, key uuid.UUID, read func(ctx context.Context) (V, error)) (V, error) {
	connected, now := c.bus.Connected(), c.now()
	c.mu.Lock()
	e, ok := c.values.Get(key)
	generation := c.generation
	c.mu.Unlock()
	if ok && connected && now.Before(e.until) {
		return e.value, nil
	}
	v, err := read(ctx)
	if err != nil {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation == c.generation {
		c.values.Add(key, cached[V]{v, now.Add(c.ttl)})
	}
	return v, nil
}

// Drop removes a key in this process. Code that changes a value calls [Cache.Changed] after the commit.
func (c *Cache[V]) Drop(key uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.values.Remove(key)
}

func (c *Cache[V]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.values.Purge()
}

// Changed drops the key here at once, and in the other processes by a message.
func (c *Cache[V]) Changed(organizationID, key uuid.UUID, kind string, at time.Time) {
	c.Drop(key)
	c.bus.Publish(Message{Topic: c.topic, OrganizationID: organizationID, Subject: key, Kind: kind, At: at})
}
