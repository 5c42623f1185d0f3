package bulk

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/blob"
	"caseload/internal/db"
)

const (
	// expireBatch is how many operations are looked up at a time.
	expireBatch = 100
	// transit is how long an upload is kept that no open operation has.
	transit = 24 * time.Hour
)

// expiredSQL finds operations of all organizations with expired results, after the last that was found.
const expiredSQL = `
	SELECT organization_id, id, expires_at FROM bulk_operations
	WHERE finished_at IS NOT NULL AND files_removed_at IS NULL AND expires_at <= $1 AND (expires_at, id) > ($2, $3)
	ORDER BY expires_at, id LIMIT $4`

// Expire removes expired results, with the rows of their chunks, and old uploads that no open operation has: those of a process that
// was killed before it made the operation, and those whose removal failed. What cannot be removed is left for the next run and does
// not stop this one; the error is then the first. Several processes may run it at once, and it may be stopped at any point.
func (s *Service) Expire(ctx context.Context) error {
	var failed failures
	type due struct {
		OrganizationID uuid.UUID `db:"organization_id"`
		ID             uuid.UUID `db:"id"`
		ExpiresAt      time.Time `db:"expires_at"`
	}
	var last due
	for now, more := s.now(), true; more; {
		var rows []due
		if err := s.pool.Select(ctx, &rows, expiredSQL, now, last.ExpiresAt, last.ID, expireBatch); err != nil {
			return fmt.Errorf("find expired results: %w", err)
		}
		for _, r := range rows {
			last = r
			failed.note(s.removeFiles(ctx, &Operation{Row: db.Row{OrganizationID: r.OrganizationID, UUID: r.ID}}))
			if ctx.Err() != nil {
				return failed.err()
			}
		}
		more = len(rows) == expireBatch
	}
	var organizations []uuid.UUID
	if err := s.pool.Select(ctx, &organizations, `SELECT id FROM organizations`); err != nil {
		return fmt.Errorf("list organizations: %w", err)
	}
	for _, id := range organizations {
		failed.note(s.removeLeftovers(ctx, id))
		if ctx.Err() != nil {
			break
		}
	}
	return failed.err()
}

// failures are the first of many errors, and their number.
type failures struct {
	first error
	n     int
}

func (f *failures) note(err error) {
	if err == nil {
		return
	}
	if f.n++; f.first == nil {
		f.first = err
	}
}

func (f *failures) err() error {
	if f.n > 1 {
		return fmt.Errorf("%w, and %d more", f.first, f.n-1)
	}
	return f.first
}

// removeFiles removes what an operation has made. The files go first: when that fails, the row still says that there are some.
func (s *Service) removeFiles(ctx context.Context, o *Operation) error {
	if err := s.store.DeleteAll(ctx, o.OrganizationID, o.folder()); err != nil {
		return err
	}
	return s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM bulk_chunks WHERE organization_id = $1 AND operation_id = $2`, o.OrganizationID, o.UUID); err != nil {
			return fmt.Errorf("remove the chunks of a bulk operation: %w", err)
		}
		if _, err := tx.Exec(ctx, `
			UPDATE bulk_operations SET files_removed_at = $3, report_key = NULL, version = version + 1, updated_at = $3
			WHERE organization_id = $1 AND id = $2 AND finished_at IS NOT NULL`, o.OrganizationID, o.UUID, tx.Now); err != nil {
			return fmt.Errorf("remove the results of a bulk operation: %w", err)
		}
		return nil
	})
}

// removeLeftovers removes an organization's old uploads that no open operation has.
func (s *Service) removeLeftovers(ctx context.Context, organizationID uuid.UUID) error {
	before := s.now().Add(-transit)
	var old []string
	if err := s.store.Each(ctx, organizationID, blob.Uploads, func(o blob.Object) error {
		if o.UpdatedAt.Before(before) {
			old = append(old, o.Key)
		}
		return nil
	}); err != nil || len(old) == 0 {
		return err
	}
	var used []string
	if err := s.pool.Select(ctx, &used, `SELECT file_key FROM bulk_operations WHERE organization_id = $1 AND finished_at IS NULL AND file_key = ANY($2)`,
		organizationID, pq.Array(old)); err != nil {
		return fmt.Errorf("find uploads that are in use: %w", err)
	}
	keep := make(map[string]bool, len(used))
	for _, key := range used {
		keep[key] = true
	}
	var failed failures
	for _, key := range old {
		if !keep[key] && ctx.Err() == nil {
			failed.note(s.store.Delete(ctx, organizationID, key))
		}
	}
	return failed.err()
}
