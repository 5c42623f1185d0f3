package customer

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/pii"
)

// resealBatch is how many customers one transaction of a reseal takes.
const resealBatch = 500

// Reseal seals again what an older key sealed, in one organization, and returns how many values that were. It
// goes through the customers in batches under their locks, may be stopped and run again, and changes
// nothing that a reader sees. After it has run for every organization the old key can be taken out.
func Reseal(ctx context.Context, pool *db.Pool, sealer *pii.Sealer, sc db.Scope, now time.Time) (int, error) {
	total, after := 0, uuid.Nil
	for {
		n, last, err := resealCustomers(ctx, pool, sealer, sc, now, after)
		total += n
		if err != nil {
			return total, fmt.Errorf("reseal customers: %w", err)
		}
		if last == uuid.Nil {
			break
		}
		after = last
	}
	n, err := resealLending(ctx, pool, sealer, sc, now)
	return total + n, err
}

func resealCustomers(ctx context.Context, pool *db.Pool, sealer *pii.Sealer, sc db.Scope, now time.Time, after uuid.UUID) (n int, last uuid.UUID, err error) {
	err = pool.InTx(ctx, now, func(tx *db.Tx) error {
		n, last = 0, uuid.Nil
		var rows []*Customer
		if err := tx.Select(ctx, &rows, "SELECT "+Table.Select()+` FROM customers c
			WHERE c.organization_id = $1 AND c.id > $2 AND c.ssn_last_four_sealed IS NOT NULL
			ORDER BY c.id LIMIT $3 FOR NO KEY UPDATE`, sc.OrganizationID, after, resealBatch); err != nil {
			return err
		}
		var stale []*Customer
		for _, c := range rows {
			last = c.UUID
			changed := 0
			for column, sealed := range map[string]*[]byte{"ssn_sealed": &c.SSNSealed, "ssn_last_four_sealed": &c.SSNLastFourSealed} {
				if *sealed == nil || !sealer.Stale(*sealed) {
					continue
				}
				text, err := sealer.Open(at(c.OrganizationID, c.UUID, column), *sealed)
				if err != nil {
					return err
				}
				if *sealed, err = sealer.Seal(at(c.OrganizationID, c.UUID, column), text); err != nil {
					return err
				}
				changed++
			}
			if changed > 0 {
				n += changed
				stale = append(stale, c)
			}
		}
		if len(stale) == 0 {
			return nil
		}
		from, _, args := Table.Unnest(stale, []string{"id", "ssn_sealed", "ssn_last_four_sealed"}, 2)
		_, err := tx.Exec(ctx, "UPDATE customers c SET ssn_sealed = r.ssn_sealed, ssn_last_four_sealed = r.ssn_last_four_sealed FROM "+from+
			" WHERE c.organization_id = $1 AND c.id = r.id", append([]any{sc.OrganizationID}, args...)...)
		return err
	})
	return n, last, err
}

func resealLending(ctx context.Context, pool *db.Pool, sealer *pii.Sealer, sc db.Scope, now time.Time) (n int, err error) {
	err = pool.InTx(ctx, now, func(tx *db.Tx) error {
		n = 0
		rows, err := LendingSystems.List(ctx, tx, sc, db.Where{}, db.Page{Order: db.By("created_at")})
		if err != nil || len(rows) == 0 || !sealer.Stale(rows[0].KeySealed) {
			return err
		}
		key, err := sealer.Open(lendingKeyAt(rows[0]), rows[0].KeySealed)
		if err != nil {
			return err
		}
		if rows[0].KeySealed, err = sealer.Seal(lendingKeyAt(rows[0]), key); err != nil {
			return err
		}
		n = 1
		return LendingSystems.Update(ctx, tx, sc, rows[0])
	})
	if err != nil {
		return n, fmt.Errorf("reseal lending system: %w", err)
	}
	return n, nil
}
