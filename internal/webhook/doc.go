// Package webhook tells an organization's own servers what happened here: an endpoint is a URL with the events
// it wants and a secret; a delivery is one event for one endpoint.
//
// Domains emit events in the transaction of the change ([Outbox.Emit]), so a change that is rolled back tells
// nobody, and one that is committed is told at least once. A [Courier] delivers them:
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
// endpoints hold up nobody else, a turn is short, an organization has only its share of the turns, and an endpoint of
// which a whole batch failed is left alone for a while and has a queue apart. Neither order nor exactly-once is
// promised to receivers: the payload has an event id and a version.
//
// Payloads are thin: ids, versions and names of fields, never a personal value.
package webhook
