// Package webhook sends events to an organization's own servers: an endpoint is a URL with the events it wants and a
// secret; a delivery is one event for one endpoint.
//
// Domains emit events in the transaction of the change ([Outbox.Emit]), so a change that is rolled back sends
// nothing, and one that is committed is sent at least once. A [Deliverer] delivers them:
//
//	            claim, next_attempt_at = end of the lease
//	PENDING ──────────────────────────────────────────────► attempt
//	   ▲                                                       │
//	   ├── no answer, or not 2xx: wait 10 s … 1 h ◄────────────┤
//	   ├── the worker was killed: the lease runs out ◄─────────┤
//	   │                                                       ├── 2xx ──► DELIVERED
//	   └── 24 h after the event, 410, endpoint disabled ───────┴────────► FAILED
//
// One worker at a time delivers to an endpoint, several deliveries at once, the oldest first. So that slow and dead
// endpoints delay no other, a job is short, an organization has only a part of the workers, and an endpoint of
// which a whole batch failed is paused for a while and has a queue of its own. Neither order nor exactly-once is
// promised to receivers: the payload has an event id and a version.
//
// Payloads are thin: ids, versions and names of fields, never a personal value.
package webhook
