package idempotency

import "github.com/google/uuid"

// ExpireSQL is the statement of [Outcomes.Expire].
const ExpireSQL = expireSQL

// ID returns the id of the request's rows.
func (r *Request) ID() uuid.UUID { return r.id }

// ByAnotherLock returns the same request, which does not see who has the key.
func (r *Request) ByAnotherLock() *Request {
	c := *r
	c.lock++
	return &c
}
