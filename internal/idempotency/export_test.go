package idempotency

import "github.com/google/uuid"

// ID returns the id of the request's rows.
func (r *Request) ID() uuid.UUID { return r.id }

// ByAnotherLock returns the same request, which does not see who has the key.
func (r *Request) ByAnotherLock() *Request {
	c := *r
	c.lock++
	return &c
}
