package customer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"caseload/internal/customer/account"
	"caseload/internal/db"
	"caseload/internal/pii"
)

// resealBatch is how many rows one transaction of a reseal takes.
const resealBatch = 500

// Reseal seals again what an older key sealed, in one organization, and returns how many values that were. It
// goes through the rows in batches under their locks, may be stopped and run again, and changes
// nothing that a reader sees. Then it looks through them once more: a value that an older key sealed meanwhile is an
// error, since it would be lost with the key. After it has run for every organization the old key can be taken out.
func Reseal(ctx context.Context, pool *db.Pool, sealer *pii.Sealer, sc db.Scope, now time.Time) (int, error) {
	r := &reseal{pool: pool, sealer: sealer, sc: sc, now: now}
	if err := r.tables(ctx); err != nil {
		return r.total, err
	}
	check := &reseal{pool: pool, sealer: sealer, sc: sc, now: now, only: true}
	if err := check.tables(ctx); err != nil {
		return r.total, err
	}
	if check.total > 0 {
		return r.total, fmt.Errorf("reseal: values that an older key sealed meanwhile: %d; restart the processes that still seal with it, and run reseal again", check.total)
	}
	return r.total, nil
}

// reseal is one run through the tables.
type reseal struct {
	pool   *db.Pool
	sealer *pii.Sealer
	sc     db.Scope
	now    time.Time
	// only counts what is stale, without locks and writes.
	only  bool
	total int
}

func (r *reseal) tables(ctx context.Context) error {
	err := resealTable(ctx, r, Customers, "", func(c *Customer) (uuid.UUID, map[string]*[]byte) {
		return c.UUID, map[string]*[]byte{"ssn_sealed": &c.SSNSealed, "ssn_last_four_sealed": &c.SSNLastFourSealed}
	})
	if err == nil {
		// A change of a section reads it under the lock of its customer alone, and writes all of it back.
		err = resealTable(ctx, r, Medicares, Customers.Name(), func(m *Medicare) (uuid.UUID, map[string]*[]byte) { return m.UUID, m.sealed() })
	}
	if err == nil {
		err = resealTable(ctx, r, account.Accounts, "", func(a *account.Account) (uuid.UUID, map[string]*[]byte) {
			return a.UUID, map[string]*[]byte{"number_sealed": &a.NumberSealed}
		})
	}
	if err == nil {
		err = resealTable(ctx, r, LendingSystems, "", func(l *LendingSystem) (uuid.UUID, map[string]*[]byte) {
			return l.UUID, map[string]*[]byte{"key_sealed": &l.KeySealed}
		})
	}
	return err
}

// resealTable seals again the sealed columns of a table: sealed gives a row's id and those columns by
// name. Where there is an owner, a table whose rows have the same ids, its rows are locked before. Versions and times
// of change stay, since nothing changed that anybody can read.
func resealTable[T any](ctx context.Context, r *reseal, table *db.Table[T], owner string, sealed func(*T) (uuid.UUID, map[string]*[]byte)) error {
	_, blank := sealed(new(T))
	var columns, given, set []string
	for _, c := range table.Columns() {
		if _, ok := blank[c.Name]; ok {
			columns, given, set = append(columns, c.Name), append(given, "c."+c.Name+" IS NOT NULL"), append(set, c.Name+" = r."+c.Name)
		}
	}
	from, locks := table.Name()+" c", " FOR NO KEY UPDATE OF c"
	if owner != "" {
		from, locks = owner+" u JOIN "+from+" ON c.organization_id = u.organization_id AND c.id = u.id", " FOR NO KEY UPDATE OF u, c"
	}
	if r.only {
		locks = ""
	}
	read := "SELECT " + table.Select() + " FROM " + from + " WHERE c.organization_id = $1 AND c.id > $2 AND (" + strings.Join(given, " OR ") + `)
		ORDER BY c.id LIMIT $3` + locks
	for after := uuid.Nil; ; {
		var n int
		var last uuid.UUID
		err := r.pool.InTx(ctx, r.now, func(tx *db.Tx) error {
			n, last = 0, uuid.Nil
			var rows, stale []*T
			if err := tx.Select(ctx, &rows, read, r.sc.OrganizationID, after, resealBatch); err != nil {
				return err
			}
			for _, row := range rows {
				id, values := sealed(row)
				last = id
				changed, err := r.renew(table.Name(), id, values)
				if err != nil {
					return err
				}
				if changed > 0 {
					n, stale = n+changed, append(stale, row)
				}
			}
			if len(stale) == 0 || r.only {
				return nil
			}
			from, _, args := table.Unnest(stale, slices.Concat([]string{"id"}, columns), 2)
			_, err := tx.Exec(ctx, "UPDATE "+table.Name()+" c SET "+strings.Join(set, ", ")+" FROM "+from+" WHERE c.organization_id = $1 AND c.id = r.id",
				append([]any{r.sc.OrganizationID}, args...)...)
			return err
		})
		if err != nil {
			return fmt.Errorf("reseal %s: %w", table.Name(), err)
		}
		r.total += n
		if last == uuid.Nil {
			return nil
		}
		after = last
	}
}

// renew seals the stale values of one row again, unless they are only counted, and returns how many those were.
func (r *reseal) renew(table string, id uuid.UUID, values map[string]*[]byte) (int, error) {
	n := 0
	for column, value := range values {
		if *value == nil || !r.sealer.Stale(*value) {
			continue
		}
		n++
		if r.only {
			continue
		}
		at := pii.Location{OrganizationID: r.sc.OrganizationID, Table: table, Column: column, Row: id}
		text, err := r.sealer.Open(at, *value)
		if err != nil {
			return n, err
		}
		if *value, err = r.sealer.Seal(at, text); err != nil {
			return n, err
		}
	}
	return n, nil
}
