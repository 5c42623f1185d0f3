package customer

import (
	"context"
	"fmt"
	"slices"

	"caseload/internal/db"
	"caseload/internal/pii"
)

// Inherit gives the record the values of duplicates that it lacks, of the first one that has them. Marks that somebody
// must not be contacted add up. Parents, sections and what points to a customer are not among the values.
func (r *Record) Inherit(duplicates []*Record, s *pii.Sealer) error {
	couldBeCalled := !r.Customer.DoNotCall
	for _, d := range duplicates {
		if err := r.inherit(d, s); err != nil {
			return err
		}
	}
	if couldBeCalled && r.Customer.DoNotCall {
		r.doNotCall = append(r.doNotCall, doNotCallSet)
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
	// A person who must not be contacted under one of the names must not be under the other.
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

// InheritSections reads the sections of a survivor and its duplicates, and gives the survivor what it lacks in each, from the
// first of the duplicates that has it. It reports whether that changed a section. What stays with the duplicates is counted
// in kept. The caller holds the locks of all of them, and saves the survivor.
func InheritSections(ctx context.Context, q db.Querier, sc db.Scope, sealer *pii.Sealer, survivor *Record, duplicates []*Record, kept *Tally) (changed bool, err error) {
	all := append([]*Record{survivor}, duplicates...)
	for _, s := range sections {
		if err := s.Read(ctx, q, sc, all...); err != nil {
			return false, err
		}
		if err := s.inheritFrom(survivor, duplicates, sealer, kept); err != nil {
			return false, err
		}
	}
	return slices.ContainsFunc(survivor.sections, func(v sectionValue) bool { return v.section.differs(v) }), nil
}

// inheritNumbers seals numbers anew, since a sealed value belongs to its row.
func inheritNumbers(s *pii.Sealer, to, from *Medicare) error {
	for column, sealed := range to.sealed() {
		if *sealed != nil || *from.sealed()[column] == nil {
			continue
		}
		number, err := from.number(s, column)
		if err != nil {
			return err
		}
		if err := to.put(s, column, &number); err != nil {
			return err
		}
	}
	return nil
}

// inheritPeriod takes start and end of one enrollment: the start of one may come after the end of another.
func inheritPeriod(_ *pii.Sealer, to, from *AlertProgram) error {
	if to.EnrollmentStartsAt == nil && to.EnrollmentEndsAt == nil {
		to.EnrollmentStartsAt, to.EnrollmentEndsAt = from.EnrollmentStartsAt, from.EnrollmentEndsAt
	}
	return nil
}
