package customer

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/pii"
)

// Section reads and writes one section of customers. It is made once, at start, and safe for concurrent use. What it reads and
// changes is part of the [Record], and written with it.
type Section[T any] struct {
	name  string
	table *db.Table[T]
	// values are the columns that hold what is known: not whose it is, its times, nor the indexes that follow from sealed
	// values. written are all columns that a change writes.
	values, written []string
	// inherit gives a survivor what it lacks of the columns that cannot be copied each by itself: together.
	inherit  func(s *pii.Sealer, to, from *T) error
	together []string
}

// anySection is a [Section] of any row type.
type anySection interface {
	Name() string
	Read(ctx context.Context, q db.Querier, sc db.Scope, records ...*Record) error
	differs(v sectionValue) bool
	write(ctx context.Context, tx *db.Tx, sc db.Scope, records []*Record) error
	inheritFrom(r *Record, duplicates []*Record, s *pii.Sealer, kept *Tally) error
}

// sectionValue is a section of a record as it is stored and as it shall be: each a *T, nil where nothing is known.
type sectionValue struct {
	section     anySection
	stored, row any
}

func newSection[T any](name string, table *db.Table[T]) *Section[T] {
	s := &Section[T]{name: name, table: table}
	for _, c := range table.Columns() {
		switch c.Name {
		case "organization_id", "id", "created_at":
			continue
		}
		s.written = append(s.written, c.Name)
		if c.Name != "updated_at" && !strings.HasSuffix(c.Name, "_index") {
			s.values = append(s.values, c.Name)
		}
	}
	return s
}

func (s *Section[T]) inheriting(inherit func(s *pii.Sealer, to, from *T) error, together ...string) *Section[T] {
	s.inherit, s.together = inherit, together
	return s
}

// Name is the section's name in the audit log.
func (s *Section[T]) Name() string { return s.name }

// rows reads the section of customers, by customer.
func (s *Section[T]) rows(ctx context.Context, q db.Querier, sc db.Scope, ids []uuid.UUID) (map[uuid.UUID]*T, error) {
	rows, err := s.table.ByKeys(ctx, q, sc, "id", ids)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.table.Name(), err)
	}
	out := make(map[uuid.UUID]*T, len(rows))
	for _, row := range rows {
		out[commonOf(row).UUID] = row
	}
	return out, nil
}

// commonOf returns what the rows of all sections have of a *T.
func commonOf(row any) *SectionRow {
	return row.(interface{ common() *SectionRow }).common()
}

// Read reads the section of records in one statement. It comes before [Section.Set] for records that are stored.
func (s *Section[T]) Read(ctx context.Context, q db.Querier, sc db.Scope, records ...*Record) error {
	ids := make([]uuid.UUID, len(records))
	for i, r := range records {
		ids[i] = r.Customer.UUID
	}
	rows, err := s.rows(ctx, q, sc, ids)
	if err != nil {
		return err
	}
	for _, r := range records {
		row := rows[r.Customer.UUID]
		r.sections = append(slices.Clip(r.sections), sectionValue{s, row, row})
	}
	return nil
}

// index returns where the section stands in a record, or -1.
func (s *Section[T]) index(r *Record) int {
	return slices.IndexFunc(r.sections, func(v sectionValue) bool { return v.section == anySection(s) })
}

// row returns the row of a record's section, nil where nothing is known.
func (s *Section[T]) row(r *Record) *T {
	if at := s.index(r); at >= 0 {
		return r.sections[at].row.(*T)
	}
	return nil
}

// Get returns the section of a record, which the caller may change and [Section.Set].
func (s *Section[T]) Get(r *Record) T {
	if row := s.row(r); row != nil {
		return *row
	}
	var none T
	commonOf(&none).Row = r.Customer.Row.Row
	return none
}

// Set puts a row into the place of the section of a record. A row in which nothing is known removes it.
func (s *Section[T]) Set(r *Record, row T) {
	at, next := s.index(r), &row
	if s.isBlank(next) {
		next = nil
	}
	switch {
	case s.same(s.row(r), next):
	case at < 0:
		r.sections = append(slices.Clip(r.sections), sectionValue{s, (*T)(nil), next})
	default:
		r.sections = slices.Clone(r.sections)
		r.sections[at].row = next
	}
}

func (s *Section[T]) differs(v sectionValue) bool { return !s.same(v.stored.(*T), v.row.(*T)) }

// write stores the sections of records that differ from what is stored, in at most two statements.
func (s *Section[T]) write(ctx context.Context, tx *db.Tx, sc db.Scope, records []*Record) error {
	var rows []*T
	var blank []uuid.UUID
	for _, r := range records {
		row := s.row(r)
		switch at := s.index(r); {
		case at < 0 || !s.differs(r.sections[at]):
		case row == nil:
			blank = append(blank, r.Customer.UUID)
		default:
			common := commonOf(row)
			if common.CreatedAt.IsZero() {
				common.CreatedAt = tx.Now
			}
			common.UpdatedAt = tx.Now
			rows = append(rows, row)
		}
	}
	if _, err := s.table.Upsert(ctx, tx, sc, rows, []string{"organization_id", "id"}, s.written); err != nil {
		return fmt.Errorf("write %s: %w", s.table.Name(), err)
	}
	if _, err := s.table.DeleteAll(ctx, tx, sc, blank); err != nil {
		return fmt.Errorf("remove %s: %w", s.table.Name(), err)
	}
	return nil
}

// inheritFrom gives the record, column by column, what it lacks and duplicates have, and counts in kept what stays with them.
func (s *Section[T]) inheritFrom(r *Record, duplicates []*Record, sealer *pii.Sealer, kept *Tally) error {
	before, next := s.row(r), s.Get(r)
	for _, d := range duplicates {
		row := s.row(d)
		if row == nil {
			continue
		}
		kept.Add(s.name, 1)
		if s.inherit != nil {
			if err := s.inherit(sealer, &next, row); err != nil {
				return err
			}
		}
		to, from := reflect.ValueOf(&next).Elem(), reflect.ValueOf(row).Elem()
		for _, column := range s.values {
			if f := to.FieldByIndex(s.table.Column(column).Index); !slices.Contains(s.together, column) && isMissing(f.Interface()) {
				f.Set(from.FieldByIndex(s.table.Column(column).Index))
			}
		}
	}
	if before == nil || !s.same(before, &next) {
		s.Set(r, next)
	}
	return nil
}

// isBlank reports whether nothing is known in a section.
func (s *Section[T]) isBlank(row *T) bool {
	return !slices.ContainsFunc(s.values, func(name string) bool { return !isMissing(s.table.Value(row, name)) })
}

// same reports whether two rows, nil where nothing is known, have the same values.
func (s *Section[T]) same(a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return !slices.ContainsFunc(s.values, func(name string) bool {
		x, y := s.table.Value(a, name), s.table.Value(b, name)
		if isMissing(x) && isMissing(y) {
			return false
		}
		// Times are compared as instants: those that were read have another location than those that were sent.
		if t, ok := x.(*time.Time); ok {
			return !SameTime(t, y.(*time.Time))
		}
		return !reflect.DeepEqual(x, y)
	})
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
