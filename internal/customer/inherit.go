package customer

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/pii"
)

// Inherit gives the record the values of duplicates that it lacks, of the first one that has them. Marks that somebody
// must not be contacted add up. Parents, sections and what points to a customer are not among the values.
func (r *Record) Inherit(duplicates []*Record, s *pii.Sealer) error {
	for _, d := range duplicates {
		if err := r.inherit(d, s); err != nil {
			return err
		}
	}
	return r.Reindex(s)
}

// inherit gives the survivor the values of one duplicate.
func (r *Record) inherit(d *Record, s *pii.Sealer) error {
	to, from := &r.Customer, &d.Customer
	lacking(&to.ReferenceID, from.ReferenceID)
	lacking(&to.FirstName, from.FirstName)
	lacking(&to.MiddleName, from.MiddleName)
	lacking(&to.LastName, from.LastName)
	lacking(&to.Email, from.Email)
	lacking(&to.Birthday, from.Birthday)
	lacking(&to.DebtorID, from.DebtorID)
	lacking(&to.Abbreviation, from.Abbreviation)
	lacking(&to.Title, from.Title)
	lacking(&to.Gender, from.Gender)
	lacking(&to.TimeZone, from.TimeZone)
	lacking(&to.Language, from.Language)
	if to.ExternalMetadata == nil {
		to.ExternalMetadata = from.ExternalMetadata
	}
	// Who must not be contacted under one of the names must not be under the other.
	if from.DoNotCall && (!to.DoNotCall || earlier(from.DoNotCallAt, to.DoNotCallAt)) {
		to.DoNotCall, to.DoNotCallAt = true, from.DoNotCallAt
	}
	to.DoNotSMS = to.DoNotSMS || from.DoNotSMS
	to.DoNotEmail = to.DoNotEmail || from.DoNotEmail
	to.DoNotMail = to.DoNotMail || from.DoNotMail
	return r.inheritSSN(from, s)
}

// inheritSSN seals a duplicate's number anew, since a sealed value belongs to its row. A number whose end is not the
// one that the survivor has is another person's, or wrong, and is left.
func (r *Record) inheritSSN(from *Customer, s *pii.Sealer) error {
	to := &r.Customer
	if to.SSNSealed != nil || from.SSNLastFourSealed == nil {
		return nil
	}
	mine, err := to.LastFour(s)
	if err != nil {
		return err
	}
	theirs, err := from.LastFour(s)
	if err != nil {
		return err
	}
	if mine != nil && *mine != *theirs {
		return nil
	}
	full, err := from.ssn(s)
	if err != nil {
		return err
	}
	if full == "" {
		return r.putLastFour(s, *theirs)
	}
	ssn, err := pii.ParseSSN(full)
	if err != nil {
		return fmt.Errorf("read a stored number: %w", err)
	}
	return r.putSSN(s, ssn)
}

func earlier[T interface {
	comparable
	Before(T) bool
}](a, b *T) bool {
	return a != nil && (b == nil || (*a).Before(*b))
}

// lacking takes a value in the place of none.
func lacking[T any](to **T, from *T) {
	if *to == nil {
		*to = from
	}
}

// inheritance gives a survivor, into, what it lacks in its sections and the duplicates, from, have in theirs.
type inheritance struct {
	tx     *db.Tx
	sc     db.Scope
	sealer *pii.Sealer
	into   uuid.UUID
	from   []uuid.UUID
	kept   *Tally
}

// InheritSections gives the survivor what it lacks in each section, from the first of the duplicates that has it, and
// returns the names of the sections that changed. What stays with the duplicates is counted in kept. The caller holds
// the locks of all of them, and writes the survivor.
func InheritSections(ctx context.Context, tx *db.Tx, sc db.Scope, sealer *pii.Sealer, from []uuid.UUID, into uuid.UUID, kept *Tally) ([]string, error) {
	m := &inheritance{tx: tx, sc: sc, sealer: sealer, into: into, from: from, kept: kept}
	var changed []string
	if err := inheritSection(ctx, m, "profile", Profiles, together[Profile]{}, &changed); err != nil {
		return nil, err
	}
	if err := inheritSection(ctx, m, "coverage", Coverages, together[Coverage]{}, &changed); err != nil {
		return nil, err
	}
	numbers := together[Medicare]{columns: []string{columnMBI, columnMedicaid, columnVA}, take: m.inheritNumbers}
	if err := inheritSection(ctx, m, "medicare", Medicares, numbers, &changed); err != nil {
		return nil, err
	}
	if err := inheritSection(ctx, m, "household", Households, together[Household]{}, &changed); err != nil {
		return nil, err
	}
	if err := inheritSection(ctx, m, "enrollment", Enrollments, together[Enrollment]{}, &changed); err != nil {
		return nil, err
	}
	if err := inheritSection(ctx, m, "agent", Agents, together[Agent]{}, &changed); err != nil {
		return nil, err
	}
	period := together[AlertProgram]{columns: []string{"enrollment_starts_at", "enrollment_ends_at"}, take: inheritPeriod}
	if err := inheritSection(ctx, m, "alert_program", AlertPrograms, period, &changed); err != nil {
		return nil, err
	}
	return changed, nil
}

// together are the columns of a section that cannot be copied each by itself, and what takes them.
type together[T any] struct {
	columns []string
	take    func(to, from *T) error
}

// inheritSection merges one section, column by column. What the survivor knows otherwise stays with the duplicates.
func inheritSection[T any, P sectionRow[T]](ctx context.Context, m *inheritance, name string, table *db.Table[T], special together[T], changed *[]string) error {
	sc := m.sc
	stored, err := sectionsOf[T, P](ctx, m.tx, sc, table, append([]uuid.UUID{m.into}, m.from...))
	if err != nil {
		return err
	}
	next := newSection[T, P](db.Row{OrganizationID: sc.OrganizationID, UUID: m.into})
	before := stored[m.into]
	if before != nil {
		*next = *before
	}
	duplicates := int64(0)
	for _, id := range m.from {
		d := stored[id]
		if d == nil {
			continue
		}
		duplicates++
		if special.take != nil {
			if err := special.take(next, d); err != nil {
				return err
			}
		}
		to, from := reflect.ValueOf(next).Elem(), reflect.ValueOf(d).Elem()
		for _, column := range valueColumns(table) {
			if f := to.FieldByIndex(table.Column(column).Index); !slices.Contains(special.columns, column) && isMissing(f.Interface()) {
				f.Set(from.FieldByIndex(table.Column(column).Index))
			}
		}
	}
	m.kept.Add(name, duplicates)
	if duplicates == 0 || before != nil && sameSection(table, (*T)(before), (*T)(next)) {
		return nil
	}
	*changed = append(*changed, name)
	return writeSection(ctx, m.tx, sc, table, next)
}

// inheritNumbers seals numbers anew, since a sealed value belongs to its row.
func (m *inheritance) inheritNumbers(to, from *Medicare) error {
	for column, sealed := range to.sealed() {
		if *sealed != nil || *from.sealed()[column] == nil {
			continue
		}
		number, err := from.number(m.sealer, column)
		if err != nil {
			return err
		}
		if err := to.put(m.sealer, column, &number); err != nil {
			return err
		}
	}
	return nil
}

// inheritPeriod takes start and end of one enrollment: the start of one may come after the end of another.
func inheritPeriod(to, from *AlertProgram) error {
	if to.EnrollmentStartsAt == nil && to.EnrollmentEndsAt == nil {
		to.EnrollmentStartsAt, to.EnrollmentEndsAt = from.EnrollmentStartsAt, from.EnrollmentEndsAt
	}
	return nil
}
