package idempotency

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/pii"
	"caseload/internal/viewer"
)

// Kept is how long an outcome answers for its key.
const Kept = 24 * time.Hour

// runningWait is what a client is told to wait while the first request with its key still runs.
const runningWait = time.Second

// table is where the outcomes are, as locations and digests name it.
const table = "idempotency_keys"

// Outcomes stores and finds the outcomes of changes. It is safe for concurrent use.
type Outcomes struct {
	pool   *db.Pool
	sealer *pii.Sealer
	now    func() time.Time
}

// New makes the one Outcomes of a server process.
func New(pool *db.Pool, sealer *pii.Sealer, now func() time.Time) *Outcomes {
	return &Outcomes{pool: pool, sealer: sealer, now: now}
}

// Request is one request that was sent with a key. Keys belong to the credential: two credentials may use the same one.
type Request struct {
	outcomes    *Outcomes
	scope       db.Scope
	id          uuid.UUID
	lock        int64
	fingerprint []byte
}

// Request identifies a request by its key and its content, in one canonical form, of which only a keyed hash is stored. The key must
// have passed [CheckKey].
func (o *Outcomes) Request(v *viewer.Viewer, key string, content []byte) *Request {
	// No actor and no key has a space in it, so no two pairs share one text.
	digest := o.sealer.Digest(v.OrganizationID, table+".id", v.ActorText()+" "+key)
	return &Request{
		outcomes: o, scope: v.Scope(),
		id:          uuid.UUID(digest[:16]),
		lock:        int64(binary.BigEndian.Uint64(digest[16:24])),
		fingerprint: o.sealer.Digest(v.OrganizationID, table+".fingerprint", string(content)),
	}
}

// Find returns the outcome of one root field of the request, or nil when there is none yet. It is
// IDEMPOTENCY_KEY_REUSED when the key was used for another request.
func (r *Request) Find(ctx context.Context, field string) (*Replay, error) {
	return r.find(ctx, r.outcomes.pool, field, r.outcomes.now())
}

const findSQL = `
	SELECT field, fingerprint, CASE WHEN field = $3 THEN outcome_sealed END AS outcome
	FROM idempotency_keys WHERE organization_id = $1 AND id = $2 AND expires_at > $4`

func (r *Request) find(ctx context.Context, q db.Querier, field string, now time.Time) (*Replay, error) {
	var rows []struct {
		Field       string `db:"field"`
		Fingerprint []byte `db:"fingerprint"`
		Outcome     []byte `db:"outcome"`
	}
	if err := q.Select(ctx, &rows, findSQL, r.scope.OrganizationID, r.id, field, now); err != nil {
		return nil, fmt.Errorf("read outcome of idempotency key: %w", err)
	}
	var replay *Replay
	for _, row := range rows {
		if !bytes.Equal(row.Fingerprint, r.fingerprint) {
			return nil, fault.New(fault.IdempotencyReused, "This Idempotency-Key was used for another request within the last %d hours. Use a new key for a new request.", int(Kept.Hours()))
		}
		if row.Field != field {
			continue
		}
		outcome, err := r.open(field, row.Outcome)
		if err != nil {
			return nil, fmt.Errorf("open outcome of idempotency key: %w", err)
		}
		replay = &Replay{Outcome: outcome}
	}
	return replay, nil
}

// Guard returns the guard for the one transaction of one root field.
func (r *Request) Guard(field string) *Guard { return &Guard{request: r, field: field} }

// Guard stores the outcome of a transaction with it, or ends it when there is an outcome already. It guards one transaction, not
// later ones of the same context. It belongs to one goroutine.
type Guard struct {
	request   *Request
	field     string
	committed bool
}

var _ db.Guard = (*Guard)(nil)

// Begin takes the key for the transaction. It returns IDEMPOTENCY_IN_PROGRESS when another transaction has it,
// IDEMPOTENCY_KEY_REUSED when it was used for another request, and a *[Replay] when the outcome is stored.
func (g *Guard) Begin(ctx context.Context, tx *db.Tx) error {
	if g.committed {
		return nil
	}
	// Two statements: the lock must be held before the snapshot in which the outcome is looked for.
	// The key is locked as a whole, since another request with it may have other fields.
	var locked bool
	if err := tx.Get(ctx, &locked, "SELECT pg_try_advisory_xact_lock($1)", g.request.lock); err != nil {
		return fmt.Errorf("lock idempotency key: %w", err)
	}
	if !locked {
		return fault.New(fault.IdempotencyRunning, "A request with this Idempotency-Key is still running. Send it again in a moment.").After(runningWait)
	}
	replay, err := g.request.find(ctx, tx, g.field, tx.Now)
	if err != nil {
		return err
	}
	if replay != nil {
		return replay
	}
	return nil
}

// keepSQL replaces an expired row only. Advisory locks are of one node, and rows may be on another: when a row is there that has not
// expired, the transaction runs again and finds it.
const keepSQL = `
	INSERT INTO idempotency_keys AS k (organization_id, id, field, fingerprint, outcome_sealed, created_at, expires_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7)
	ON CONFLICT (organization_id, id, field) DO UPDATE SET
		fingerprint = excluded.fingerprint, outcome_sealed = excluded.outcome_sealed, created_at = excluded.created_at, expires_at = excluded.expires_at
	WHERE k.expires_at <= excluded.created_at`

// Commit stores the outcome.
func (g *Guard) Commit(ctx context.Context, tx *db.Tx, kept any) error {
	if g.committed {
		return nil
	}
	r := g.request
	sealed, err := r.seal(g.field, kept)
	if err != nil {
		return fmt.Errorf("seal outcome of idempotency key: %w", err)
	}
	n, err := tx.Exec(ctx, keepSQL, r.scope.OrganizationID, r.id, g.field, r.fingerprint, sealed, tx.Now, tx.Now.Add(Kept))
	if err != nil {
		return fmt.Errorf("store outcome of idempotency key: %w", err)
	}
	if n == 0 {
		return db.ErrRetry
	}
	tx.AfterCommit(func() { g.committed = true })
	return nil
}

// Replay is the error of a transaction whose change was made before. Its outcome is the answer.
type Replay struct {
	// Outcome is the JSON of what the first run kept.
	Outcome []byte
}

// Error says what happened; the outcome stays out.
func (*Replay) Error() string {
	return "the change was made before, by a request with the same idempotency key"
}

// ReplayOf returns the replay in the chain of err, or nil.
func ReplayOf(err error) *Replay {
	r, _ := errors.AsType[*Replay](err)
	return r
}
