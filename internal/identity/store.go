package identity

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/entity"
	"caseload/internal/fault"
	"caseload/internal/notify"
	"caseload/internal/viewer"
)

// topic is the bus topic of changed API keys.
const topic = "api_key"

// Keys creates, revokes and checks API keys.
type Keys struct {
	pool  *db.Pool
	bus   *notify.Bus
	now   func() time.Time
	cache *notify.Cache[*APIKey]
	uses  uses
}

// NewKeys makes the Keys of a server process. The bus brings the revocations of other processes.
func NewKeys(pool *db.Pool, bus *notify.Bus, now func() time.Time) *Keys {
	return &Keys{pool: pool, bus: bus, now: now, cache: notify.NewCache[*APIKey](bus, topic, cacheSize, cacheTTL, now)}
}

// Create makes a key and returns its record and, this once, its text. It is audited. Wrong input comes
// back as fault.UserErrors and nothing is written.
func (k *Keys) Create(ctx context.Context, v *viewer.Viewer, in CreateAPIKeyInput) (*APIKey, string, error) {
	var text string
	e := k.env(v)
	key, err := APIKeys.Create(ctx, e, func(key *APIKey, c *fault.Check) {
		in.fill(c, key, v, e.Now)
		text, key.Hash = newSecret(key.OrganizationID, key.UUID)
	})
	if err != nil {
		return nil, "", err
	}
	return key, text, nil
}

// Revoke ends a key at once on every server process. Revoking again changes nothing.
func (k *Keys) Revoke(ctx context.Context, v *viewer.Viewer, in RevokeAPIKeyInput) (*APIKey, error) {
	e := k.env(v)
	return db.InTx(ctx, k.pool, e.Now, func(tx *db.Tx) (*APIKey, error) {
		return APIKeys.Change(ctx, tx, e, "revoked", in.ID, nil, func(key *APIKey, _ *fault.Check) {
			if key.RevokedAt != nil {
				return
			}
			key.RevokedAt = &tx.Now
			tx.AfterCommit(func() { k.cache.Changed(key.OrganizationID, key.UUID, "REVOKED", tx.Now) })
		})
	})
}

// env is the context of the viewer's changes.
func (k *Keys) env(v *viewer.Viewer) entity.Env {
	return entity.Env{Pool: k.pool, Now: k.now(), Viewer: v}
}

// Authenticate returns the viewer of a key, or an UNAUTHENTICATED fault, the same for a key that is unknown, expired or revoked.
func (k *Keys) Authenticate(ctx context.Context, text string) (*viewer.Viewer, error) {
	organizationID, id, err := parseSecret(text)
	if err != nil {
		return nil, refused()
	}
	now := k.now()
	key, err := k.cache.Get(ctx, id, func(ctx context.Context) (*APIKey, error) {
		return APIKeys.ByID(ctx, k.pool, db.Scope{OrganizationID: organizationID}, id)
	})
	if err != nil && fault.CodeOf(err) == fault.NotFound {
		return nil, refused()
	}
	if err != nil {
		return nil, fmt.Errorf("read API key: %w", err)
	}
	// The cache is keyed by the key's id alone, so the tenant in the text is compared too.
	if key.OrganizationID != organizationID || !key.matches(text) || !key.usable(now) {
		return nil, refused()
	}
	k.uses.add(key, now)
	return &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: organizationID, ActorID: id, ActorName: key.Name, Scopes: key.Scopes()}, nil
}

// Recheck returns an UNAUTHENTICATED fault when the key behind a long-lived connection no longer works.
func (k *Keys) Recheck(ctx context.Context, v *viewer.Viewer) error {
	key, err := APIKeys.ByID(ctx, k.pool, v.Scope(), v.ActorID)
	switch {
	case err != nil && fault.CodeOf(err) != fault.NotFound:
		return fmt.Errorf("recheck API key: %w", err)
	case err != nil || !key.usable(k.now()):
		return refused()
	}
	return nil
}

// Revoked returns a channel that is closed when the viewer's key is revoked on any server process, or when
// the context ends.
func (k *Keys) Revoked(ctx context.Context, v *viewer.Viewer) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil && k.works(ctx, v) {
		}
	}()
	return ended
}

// recheckAgain is how soon a key is read again after an error.
const recheckAgain = time.Second

// works waits until the viewer's key is revoked, messages may have been missed, or it is time to read the key again, and
// reports whether the key may still work.
func (k *Keys) works(ctx context.Context, v *viewer.Viewer) (working bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() {
		// Nothing else recovers on this goroutine.
		if recover() != nil {
			slog.ErrorContext(ctx, "panic while an API key is watched", "stack", string(debug.Stack()))
			select {
			case <-ctx.Done():
			case <-time.After(recheckAgain):
			}
			working = true
		}
	}()
	// Subscribe before reading: a revocation is then read or received.
	messages := k.bus.Subscribe(ctx, func(m notify.Message) bool { return m.Topic == topic && m.Subject == v.ActorID })
	var again <-chan time.Time
	if err := k.Recheck(ctx, v); err != nil {
		if fault.CodeOf(err) == fault.Unauthenticated {
			return false
		}
		again = time.After(recheckAgain)
	}
	select {
	case _, revoked := <-messages:
		return !revoked
	case <-again:
		return true
	}
}

// Run stores the times of last use until the context ends.
func (k *Keys) Run(ctx context.Context) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			// After an error the next use of the key stores it.
			_ = k.Flush(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// Flush stores the times of last use, to the minute, one statement for each key.
func (k *Keys) Flush(ctx context.Context) error {
	for _, u := range k.uses.take() {
		if _, err := k.pool.Exec(ctx, `
			UPDATE api_keys SET last_used_at = $3
			WHERE organization_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $3)`,
			u.organizationID, u.id, u.at); err != nil {
			return fmt.Errorf("store the use of API keys: %w", err)
		}
	}
	return nil
}

// List returns all keys of an organization, for the command line.
func (k *Keys) List(ctx context.Context, organizationID uuid.UUID) ([]*APIKey, error) {
	return APIKeys.List(ctx, k.pool, db.Scope{OrganizationID: organizationID}, db.Where{}, db.Page{Order: db.By("created_at")})
}

func refused() error {
	return fault.New(fault.Unauthenticated, "The API key is not valid. Send a valid one in the X-API-Key header.")
}
