package customer

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/pii"
)

// inherit gives the survivor the values of a duplicate that it lacks.
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

// inheritParent takes the place in the tree that the merged customer has.
func (c *Customer) inheritParent(p *place) {
	if p != nil {
		c.ParentID, c.ParentSource, c.ParentSourceID, c.ParentLanguage = p.ParentID, p.ParentSource, p.ParentSourceID, p.ParentLanguage
	}
}

// place is where a customer stands in the tree of parents.
type place struct {
	// Start is the customer from which the way up began, Depth how far up this one stands.
	Start          uuid.UUID  `db:"start"`
	Depth          int        `db:"depth"`
	ID             uuid.UUID  `db:"id"`
	ParentID       *uuid.UUID `db:"parent_id"`
	ParentSource   *string    `db:"parent_source"`
	ParentSourceID *string    `db:"parent_source_id"`
	ParentLanguage *string    `db:"parent_language"`
}

// upSQL walks from customers up to those who have no parent, no further than a way that is allowed.
const upSQL = `
	WITH RECURSIVE up AS (
		SELECT c.id AS start, 0 AS depth, c.id, c.parent_id, c.parent_source, c.parent_source_id, c.parent_language
		FROM customers c WHERE c.organization_id = $1 AND c.id = ANY($2)
		UNION ALL
		SELECT u.start, u.depth + 1, c.id, c.parent_id, c.parent_source, c.parent_source_id, c.parent_language
		FROM up u JOIN customers c ON c.organization_id = $1 AND c.id = u.parent_id
		WHERE u.depth < $3
	)
	SELECT * FROM up ORDER BY start, depth`

// parent finds whose child the survivor becomes; nil means that it stays where it is. The children of duplicates
// become its own, so no one below it may stand above it.
func (m *merging) parent(ctx context.Context) (*place, error) {
	ways, err := m.waysUp(ctx)
	if err != nil {
		return nil, err
	}
	var highest *place
	for _, p := range ways[m.into] {
		if slices.Contains(m.from, p.ID) {
			highest = p
		}
	}
	if highest != nil {
		// The survivor stands below a duplicate, and takes the place of the highest one.
		if up := highest.ParentID; up != nil && (*up == m.into || slices.Contains(m.from, *up)) {
			// A circle that should not be there ends here.
			return &place{}, nil
		}
		return highest, nil
	}
	if own := ways[m.into][0]; own.ParentID != nil || own.ParentSourceID != nil {
		return nil, nil
	}
	for _, id := range m.from {
		way := ways[id]
		if way[0].ParentID == nil && way[0].ParentSourceID == nil {
			continue
		}
		circle := slices.ContainsFunc(way[1:], func(p *place) bool { return p.ID == m.into || slices.Contains(m.from, p.ID) })
		if !circle {
			return way[0], nil
		}
	}
	return nil, nil
}

func (m *merging) waysUp(ctx context.Context) (map[uuid.UUID][]*place, error) {
	var rows []*place
	if err := m.tx.Select(ctx, &rows, upSQL, m.v.OrganizationID, ids(append([]uuid.UUID{m.into}, m.from...)), maxGenerations); err != nil {
		return nil, fmt.Errorf("read parents: %w", err)
	}
	ways := map[uuid.UUID][]*place{}
	for _, p := range rows {
		if slices.ContainsFunc(ways[p.Start], func(below *place) bool { return below.ID == p.ID }) {
			// A circle that should not be there: once around it is enough.
			continue
		}
		if p.Depth == maxGenerations && p.ParentID != nil {
			// Who is further up is not known, so a circle might close.
			field := "duplicateIds"
			if p.Start == m.into {
				field = "survivorId"
			}
			return nil, fault.UserErrors{{Code: fault.LimitExceeded, Path: []string{"input", field},
				Message: fmt.Sprintf("More than %d customers stand above it: its parent, the parent's parent, and so on. Take a parent away first.", maxGenerations)}}
		}
		ways[p.Start] = append(ways[p.Start], p)
	}
	return ways, nil
}

// mergeSections gives the survivor what it lacks in each section, and returns the names of the sections that changed.
func (m *merging) mergeSections(ctx context.Context) ([]string, error) {
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
func inheritSection[T any, P sectionRow[T]](ctx context.Context, m *merging, name string, table *db.Table[T], special together[T], changed *[]string) error {
	sc := m.v.Scope()
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
	m.moves.Kept.Add(name, duplicates)
	if duplicates == 0 || before != nil && sameSection(table, (*T)(before), (*T)(next)) {
		return nil
	}
	*changed = append(*changed, name)
	return writeSection(ctx, m.tx, sc, table, next)
}

// inheritNumbers seals numbers anew, since a sealed value belongs to its row.
func (m *merging) inheritNumbers(to, from *Medicare) error {
	for column, sealed := range to.sealed() {
		if *sealed != nil || *from.sealed()[column] == nil {
			continue
		}
		number, err := from.number(m.s.sealer, column)
		if err != nil {
			return err
		}
		if err := to.put(m.s.sealer, column, &number); err != nil {
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
