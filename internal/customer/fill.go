package customer

import (
	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/lending"
	"caseload/internal/pii"
)

// Fill completes a merged record with what the lending system knows: only what neither the request nor
// the store has, and never what was sent as null. A value of the lending system that is not valid is recorded in
// c, at sync: left out in silence, a wrong time zone would look like a customer who cannot be called.
func (r *Record) Fill(sent *Fields, b *lending.Borrower, c *fault.Check, s *pii.Sealer, today civil.Date) error {
	if b == nil {
		return nil
	}
	cu := &r.Customer
	a := r.Address
	if a == nil {
		a = &Address{}
	}
	var f Fields
	put := func(have bool, value *string, request graphql.Omittable[*string], to *graphql.Omittable[*string]) {
		// An explicit null was sent: the integrator wants the field empty.
		if !have && value != nil && !request.IsSet() {
			*to = graphql.OmittableOf(value)
		}
	}
	put(cu.FirstName != nil, b.FirstName, sent.FirstName, &f.FirstName)
	put(cu.LastName != nil, b.LastName, sent.LastName, &f.LastName)
	put(cu.Email != nil, b.Email, sent.Email, &f.Email)
	put(cu.SSNLastFourSealed != nil, b.SSNLastFour, sent.SSNLastFour, &f.SSNLastFour)
	put(r.Phone != nil, b.PhoneNumber, sent.PhoneNumber, &f.PhoneNumber)
	put(cu.TimeZone != nil, b.TimeZone, sent.Timezone, &f.Timezone)
	put(cu.Language != nil, b.Language, sent.Language, &f.Language)
	put(a.Line1 != nil, b.StreetAddress1, sent.StreetAddress1, &f.StreetAddress1)
	put(a.Line2 != nil || a.Line1 != nil, b.StreetAddress2, sent.StreetAddress2, &f.StreetAddress2)
	put(a.City != nil, b.City, sent.City, &f.City)
	put(a.State != nil, b.State, sent.State, &f.State)
	put(a.PostalCode != nil, b.ZipCode, sent.ZipCode, &f.ZipCode)
	if b.Birthday != nil {
		day := b.Birthday.String()
		put(cu.Birthday != nil, &day, sent.Birthday, &f.Birthday)
	}
	if cu.ExternalMetadata == nil && b.ExternalMetadata != nil && !sent.ExternalMetadata.IsSet() {
		f.ExternalMetadata = graphql.OmittableOf(db.JSON(b.ExternalMetadata))
	}
	own := fault.NewCheck()
	if err := r.Merge(&f, own, s, today); err != nil {
		return err
	}
	for _, e := range own.Errors() {
		c.At("sync").Add(fault.LendingRefused, "The lending system's %s cannot be used. %s", e.Path[0], e.Message)
	}
	return nil
}
