package customer

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/db"
)

// newSection starts the section of a customer that has none yet.
func newSection[T any, P sectionRow[T]](owner db.Row) P {
	p := P(new(T))
	row, _, _ := p.head()
	*row = owner
	return p
}

// sectionsOf reads the sections of customers, by customer.
func sectionsOf[T any, P sectionRow[T]](ctx context.Context, q db.Querier, sc db.Scope, table *db.Table[T], ids []uuid.UUID) (map[uuid.UUID]P, error) {
	rows, err := table.ByKeys(ctx, q, sc, "id", ids)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table.Name(), err)
	}
	out := make(map[uuid.UUID]P, len(rows))
	for _, r := range rows {
		row, _, _ := P(r).head()
		out[row.UUID] = r
	}
	return out, nil
}

// writeSection stores a section as it is now, in the place of what is stored.
func writeSection[T any, P sectionRow[T]](ctx context.Context, tx *db.Tx, sc db.Scope, table *db.Table[T], row P) error {
	_, created, updated := row.head()
	if created.IsZero() {
		*created = tx.Now
	}
	*updated = tx.Now
	var columns []string
	for _, c := range table.Columns() {
		if c.Name != "organization_id" && c.Name != "id" && c.Name != "created_at" {
			columns = append(columns, c.Name)
		}
	}
	if _, err := table.Upsert(ctx, tx, sc, []*T{row}, []string{"organization_id", "id"}, columns); err != nil {
		return fmt.Errorf("write %s: %w", table.Name(), err)
	}
	return nil
}

// removeSections removes the sections of customers.
func removeSections[T any](ctx context.Context, tx *db.Tx, sc db.Scope, table *db.Table[T], ids []uuid.UUID) error {
	if _, err := tx.Exec(ctx, "DELETE FROM "+table.Name()+" WHERE organization_id = $1 AND id = ANY($2)", sc.OrganizationID, pq.Array(ids)); err != nil {
		return fmt.Errorf("remove %s: %w", table.Name(), err)
	}
	return nil
}

// valueColumns are the columns of a section that hold what is known: not whose it is, its times, nor the
// indexes that follow from sealed values.
func valueColumns[T any](table *db.Table[T]) []string {
	var out []string
	for _, c := range table.Columns() {
		switch c.Name {
		case "organization_id", "id", "created_at", "updated_at":
			continue
		}
		if !strings.HasSuffix(c.Name, "_index") {
			out = append(out, c.Name)
		}
	}
	return out
}

// isBlank reports whether nothing is known in a section.
func isBlank[T any](table *db.Table[T], row *T) bool {
	for _, name := range valueColumns(table) {
		if !isMissing(table.Value(row, name)) {
			return false
		}
	}
	return true
}

// sameSection reports whether two rows say the same.
func sameSection[T any](table *db.Table[T], a, b *T) bool {
	for _, name := range valueColumns(table) {
		x, y := table.Value(a, name), table.Value(b, name)
		if isMissing(x) && isMissing(y) {
			continue
		}
		// Times are compared as instants: those that were read have another location than those that were sent.
		if t, ok := x.(*time.Time); ok {
			if !SameTime(t, y.(*time.Time)) {
				return false
			}
		} else if !reflect.DeepEqual(x, y) {
			return false
		}
	}
	return true
}

// isMissing reports whether a value of a column is NULL or a list without elements.
func isMissing(value any) bool {
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Pointer:
		return v.IsNil()
	case reflect.Slice:
		return v.Len() == 0
	}
	return false
}
