package webhook

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"caseload/internal/db"
	"caseload/internal/pii"
)

// secretMark begins every secret, so that one that leaked is recognized by those who look for such things.
const secretMark = "whsec_"

// newSecret makes the text of a secret: 260 random bits.
func newSecret() pii.Secret {
	return pii.Secret(secretMark + strings.ToLower(rand.Text()+rand.Text()))
}

// The columns of the secrets.
const (
	currentSecret  = "secret_sealed"
	previousSecret = "previous_secret_sealed"
)

// secretAt is where a secret of an endpoint is sealed.
func secretAt(e *Endpoint, column string) pii.Location {
	return pii.Location{OrganizationID: e.OrganizationID, Table: Endpoints.Name(), Column: column, Row: e.UUID}
}

// secrets opens the secrets that sign at a time, the current one first.
func (e *Endpoint) secrets(sealer *pii.Sealer, now time.Time) ([]pii.Secret, error) {
	text, err := sealer.Open(secretAt(e, currentSecret), e.SecretSealed)
	if err != nil {
		return nil, err
	}
	out := []pii.Secret{pii.Secret(text)}
	if e.PreviousSecretUntil == nil || !now.Before(*e.PreviousSecretUntil) {
		return out, nil
	}
	if text, err = sealer.Open(secretAt(e, previousSecret), e.PreviousSecretSealed); err != nil {
		return nil, err
	}
	return append(out, pii.Secret(text)), nil
}

// rotate replaces the secret; the one until now goes on signing for a while, if any while is left to it.
func (e *Endpoint) rotate(sealer *pii.Sealer, to pii.Secret, now time.Time, overlap time.Duration) error {
	e.PreviousSecretSealed, e.PreviousSecretUntil = nil, nil
	if overlap > 0 {
		text, err := sealer.Open(secretAt(e, currentSecret), e.SecretSealed)
		if err != nil {
			return err
		}
		if e.PreviousSecretSealed, err = sealer.Seal(secretAt(e, previousSecret), text); err != nil {
			return err
		}
		e.PreviousSecretUntil = new(now.Add(overlap))
	}
	sealed, err := sealer.Seal(secretAt(e, currentSecret), to.Reveal())
	if err != nil {
		return err
	}
	e.SecretSealed = sealed
	return nil
}

// Reseal seals again what an older key sealed, in one organization, and returns how many values that were. It may
// be stopped and run again, and changes nothing that a reader sees.
func Reseal(ctx context.Context, pool *db.Pool, sealer *pii.Sealer, sc db.Scope, now time.Time) (n int, err error) {
	err = pool.InTx(ctx, now, func(tx *db.Tx) error {
		n = 0
		var rows []*Endpoint
		if err := tx.Select(ctx, &rows, "SELECT "+Endpoints.Select()+" FROM webhook_endpoints c WHERE c.organization_id = $1 ORDER BY c.id FOR NO KEY UPDATE", sc.OrganizationID); err != nil {
			return err
		}
		for _, e := range rows {
			changed := 0
			for column, sealed := range map[string]*[]byte{currentSecret: &e.SecretSealed, previousSecret: &e.PreviousSecretSealed} {
				if *sealed == nil || !sealer.Stale(*sealed) {
					continue
				}
				text, err := sealer.Open(secretAt(e, column), *sealed)
				if err != nil {
					return err
				}
				if *sealed, err = sealer.Seal(secretAt(e, column), text); err != nil {
					return err
				}
				changed++
			}
			if changed == 0 {
				continue
			}
			n += changed
			if _, err := tx.Exec(ctx, "UPDATE webhook_endpoints SET secret_sealed = $3, previous_secret_sealed = $4 WHERE organization_id = $1 AND id = $2",
				sc.OrganizationID, e.UUID, e.SecretSealed, e.PreviousSecretSealed); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return n, fmt.Errorf("reseal webhook secrets: %w", err)
	}
	return n, nil
}
