package webhook

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"caseload/internal/db"
)

// readWantedEvents returns the events that some enabled endpoint wants.
func readWantedEvents(ctx context.Context, q db.Querier, sc db.Scope) ([]EventType, error) {
	var events []EventType
	err := q.Select(ctx, &events, "SELECT DISTINCT unnest(events) FROM webhook_endpoints WHERE organization_id = $1 AND is_enabled", sc.OrganizationID)
	return events, err
}

// lockEnabled returns the enabled endpoints, which then cannot be deleted before the transaction ends: the lock is
// what a foreign key of the deliveries would take. Endpoints are locked in one order.
func lockEnabled(ctx context.Context, tx *db.Tx, sc db.Scope) ([]*Endpoint, error) {
	var rows []*Endpoint
	err := tx.Select(ctx, &rows, "SELECT "+Endpoints.Select()+" FROM webhook_endpoints c WHERE c.organization_id = $1 AND c.is_enabled ORDER BY c.id FOR KEY SHARE", sc.OrganizationID)
	return rows, err
}

const (
	leaseSQL = `UPDATE webhook_endpoints SET hold_until = $4
		WHERE organization_id = $1 AND id = $2 AND (hold_until IS NULL OR hold_until <= $3)`
	claimSQL = `WITH due AS MATERIALIZED (
			SELECT id FROM webhook_deliveries
			WHERE organization_id = $1 AND endpoint_id = $2 AND state = 'PENDING' AND next_attempt_at <= $3
			ORDER BY next_attempt_at, id LIMIT $5 FOR UPDATE SKIP LOCKED)
		UPDATE webhook_deliveries c SET attempts = c.attempts + 1, next_attempt_at = $4 FROM due
		WHERE c.organization_id = $1 AND c.id = due.id RETURNING `
	// A retry that waits cannot be told from an attempt that is under way: where somebody disables, enables and disables
	// within seconds, one that arrives may be shown as failed.
	abandonSQL = `WITH due AS MATERIALIZED (
			SELECT id FROM webhook_deliveries
			WHERE organization_id = $1 AND endpoint_id = $2 AND state = 'PENDING'
				AND EXISTS (SELECT FROM webhook_endpoints e WHERE e.organization_id = $1 AND e.id = $2 AND NOT e.is_enabled)
			ORDER BY next_attempt_at, id LIMIT $4 FOR UPDATE SKIP LOCKED)
		UPDATE webhook_deliveries c SET state = 'FAILED', next_attempt_at = NULL, last_failure = $3 FROM due
		WHERE c.organization_id = $1 AND c.id = due.id`
	releaseSQL = `UPDATE webhook_endpoints SET hold_until = CAST($4 AS timestamptz)
		WHERE organization_id = $1 AND id = $2 AND hold_until = $3 RETURNING wake_at, failing_since IS NOT NULL AS is_failing`
	nextSQL = `SELECT min(next_attempt_at) FROM webhook_deliveries WHERE organization_id = $1 AND endpoint_id = $2 AND state = 'PENDING'`
	// An endpoint is looked at by its oldest pending delivery alone, so that a sweep costs one step into an index for
	// each endpoint, however much is pending.
	lateSQL = `SELECT e.organization_id, e.id, e.failing_since IS NOT NULL AS is_failing FROM webhook_endpoints e CROSS JOIN LATERAL (
			SELECT d.next_attempt_at FROM webhook_deliveries d
			WHERE d.organization_id = e.organization_id AND d.endpoint_id = e.id AND d.state = 'PENDING'
			ORDER BY d.next_attempt_at, d.id LIMIT 1) d
		WHERE (d.next_attempt_at <= $2 OR NOT e.is_enabled) AND (e.hold_until IS NULL OR e.hold_until <= $1)`
	// The organizations lead, not the endpoints: so the log of an endpoint that is gone ends too.
	purgeSQL = `WITH old AS MATERIALIZED (
			SELECT d.organization_id, d.id FROM organizations o CROSS JOIN LATERAL (
				SELECT organization_id, id FROM webhook_deliveries
				WHERE organization_id = o.organization_id AND created_at < $1
				ORDER BY created_at, id LIMIT $2) d
			LIMIT $2)
		DELETE FROM webhook_deliveries c USING old WHERE c.organization_id = old.organization_id AND c.id = old.id`
	forgetSQL = `WITH old AS MATERIALIZED (
			SELECT id FROM webhook_deliveries WHERE organization_id = $1 AND endpoint_id = $2
			ORDER BY created_at, id LIMIT $3)
		DELETE FROM webhook_deliveries c USING old WHERE c.organization_id = $1 AND c.id = old.id`
	expireSecretsSQL = `UPDATE webhook_endpoints SET previous_secret_sealed = NULL, previous_secret_until = NULL WHERE previous_secret_until <= $1`
)

// claim takes up to n due deliveries, the oldest first, until the lease ends. Two who claim at once never get
// the same one.
func claim(ctx context.Context, q db.Querier, sc db.Scope, endpoint uuid.UUID, now, leaseEnds time.Time, n int) ([]*Delivery, error) {
	var rows []*Delivery
	err := q.Select(ctx, &rows, claimSQL+Deliveries.Select(), sc.OrganizationID, endpoint, now, leaseEnds, n)
	// An UPDATE returns its rows in no order; ids grow with time.
	slices.SortFunc(rows, func(a, b *Delivery) int { return bytes.Compare(a.UUID[:], b.UUID[:]) })
	return rows, err
}

// markStatement returns the statement of [mark] and its arguments from the third on.
func markStatement(rows []*Delivery) (text string, args []any) {
	from, _, args := Deliveries.Unnest(rows, []string{"id", "state", "attempts", "last_status_code", "last_failure", "next_attempt_at", "delivered_at"}, 3)
	// The state is not named: only a pending delivery has a lease, and with the state the planner takes the index of
	// the queue and walks through all of it.
	return `UPDATE webhook_deliveries c
		SET state = r.state, attempts = r.attempts, last_status_code = r.last_status_code, last_failure = r.last_failure,
			next_attempt_at = r.next_attempt_at, delivered_at = r.delivered_at
		FROM ` + from + ` WHERE c.organization_id = $1 AND c.id = r.id AND c.next_attempt_at = $2`, args
}

// mark stores the results of attempts, in one statement. One whose lease ran out meanwhile, so that
// another attempt was begun, is left as it is: its lease is not the one that was claimed.
func mark(ctx context.Context, q db.Querier, sc db.Scope, leaseEnds time.Time, rows []*Delivery) error {
	text, args := markStatement(rows)
	_, err := q.Exec(ctx, text, append([]any{sc.OrganizationID, leaseEnds}, args...)...)
	return err
}

// storeHealth stores since when an endpoint has been failing, or that it works again, unless its URL was changed since
// the attempt. The version stays: an administrator's change must not be refused for it.
func storeHealth(ctx context.Context, tx *db.Tx, sc db.Scope, e *Endpoint, t tally) error {
	var err error
	switch {
	case t.allFailed() && e.FailingSince == nil:
		_, err = tx.Exec(ctx, "UPDATE webhook_endpoints SET failing_since = $3 WHERE organization_id = $1 AND id = $2 AND url = $4 AND failing_since IS NULL", sc.OrganizationID, e.UUID, tx.Now, e.URL)
	case t.successes > 0 && e.FailingSince != nil:
		_, err = tx.Exec(ctx, "UPDATE webhook_endpoints SET failing_since = NULL WHERE organization_id = $1 AND id = $2 AND url = $3", sc.OrganizationID, e.UUID, e.URL)
	}
	return err
}
