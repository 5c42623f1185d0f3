package intake

import (
	"time"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/batch"
	"caseload/internal/customer"
	"caseload/internal/fault"
	"caseload/internal/input"
)

// upsertRow is one row of a batch.
type upsertRow struct {
	row
	in *UpsertRow
	// updated is the source system's own time of the record, or nil.
	updated *time.Time
}

// maxAhead is how far the clock of a source system may be ahead of ours.
const maxAhead = 24 * time.Hour

// readUpsertRow reads a row and checks what can be checked without the database, as of now.
func readUpsertRow(in *UpsertRow, batchIn *BulkUpsertInput, c *fault.Check, now time.Time) *upsertRow {
	r := &upsertRow{in: in, row: row{check: c, result: UpsertResult{Action: batch.Failed, LookupKey: lookupKey}}}
	if in == nil {
		r.in = &UpsertRow{}
		c.Add(fault.Required, "Give a customer.")
		return r
	}
	r.identity = func() (string, graphql.Omittable[*string], graphql.Omittable[*string]) {
		return "dateOfBirth", in.DateOfBirth, in.SSN
	}
	source := batchIn.Source
	if own := in.Source.Value(); own != nil {
		source = *own
	}
	r.key = customer.SourceKey{Source: readSource(c.At("source"), source), SourceID: readSourceID(c.At(lookupKey), in.SourceID)}
	var isLanguage bool
	if language := batchIn.Language.Value(); language != nil {
		r.key.Language, isLanguage = readLanguage(c.At("language"), language)
	} else {
		// What is wrong with it is recorded when it is merged; which record is meant cannot be known.
		r.key.Language, isLanguage = readLanguage(fault.NewCheck(), in.PrimaryLanguage.Value())
	}
	// A key that is wrong may be anything, so it is not repeated.
	r.result.Key = r.key.SourceID
	r.usable = isLanguage && r.key.Source != "" && r.key.SourceID != ""
	input.ClearKeyAt(c, "clientRef", in.ClientRef, customer.MaxText, &r.result.ClientRef)
	if text := in.SourceUpdatedAt.Value(); text != nil {
		// Without the time it cannot be known whether the row is late, so it is not written, not even in part.
		t, ok := input.Moment(c.At("sourceUpdatedAt"), *text)
		if ok && t.After(now.Add(maxAhead)) {
			c.At("sourceUpdatedAt").Add(fault.OutOfRange, "A record was not changed in the future: everything that comes until then would be taken for late.")
			ok = false
		}
		r.updated, r.usable = &t, r.usable && ok
	}
	r.readParent()
	return r
}

// readParent reads the name of the parent; the source and the language are the row's own unless others are given.
func (r *upsertRow) readParent() {
	in := r.in.Parent.Value()
	if in == nil {
		return
	}
	c := r.check.At("parent")
	key := customer.SourceKey{Source: r.key.Source, SourceID: readSourceID(c.At("sourceId"), in.SourceID), Language: r.key.Language}
	isLanguage := true
	if source := in.Source.Value(); source != nil {
		key.Source = readSource(c.At("source"), *source)
	}
	if in.Language.IsSet() {
		key.Language, isLanguage = readLanguage(c.At("language"), in.Language.Value())
	}
	if isLanguage && key.Source != "" && key.SourceID != "" {
		r.parent = key
	}
}

// isLate reports whether the stored record is newer in the source system than the row.
func (r *upsertRow) isLate(stored *customer.Record) bool {
	if r.updated == nil {
		return false
	}
	for _, i := range stored.Identifiers {
		if i.SourceKey() == r.key {
			return i.SourceUpdatedAt != nil && i.SourceUpdatedAt.After(*r.updated)
		}
	}
	return false
}

// date notes when the record was changed in the source system.
func (r *upsertRow) date(i *customer.Identifier) {
	if r.updated != nil {
		i.SourceUpdatedAt = r.updated
	}
}

// merge overwrites stored values with those sent. A field with an error keeps its value.
func (r *upsertRow) merge(b *upsertBatch, to *customer.Record) error {
	in, c, cu, sealer := r.in, r.check, &to.Customer, b.s.customers.Sealer()
	input.ClearKeyAt(c, "debtorId", in.DebtorID, customer.MaxText, &cu.DebtorID)
	input.ClearAt(c, "firstName", in.FirstName, customer.MaxText, &cu.FirstName)
	input.ClearAt(c, "middleName", in.MiddleName, customer.MaxText, &cu.MiddleName)
	input.ClearAt(c, "lastName", in.LastName, customer.MaxText, &cu.LastName)
	input.ClearAt(c, "abbreviation", in.Abbreviation, customer.MaxShort, &cu.Abbreviation)
	input.ClearAt(c, "title", in.Title, customer.MaxShort, &cu.Title)
	input.Optional(in.Gender, &cu.Gender, func(text string) (gender customer.Gender, ok bool) {
		if text = input.Text(c.At("gender"), text, customer.MaxText); text == "" {
			return "", false
		}
		if gender, ok = customer.Genders.Parse(text); !ok {
			c.At("gender").Add(fault.Invalid, "Give %s, or the source's word for it.", customer.Genders.Names())
		}
		return gender, ok
	})
	to.MergePhone(c, "phone", in.Phone)
	to.MergeEmail(c, "email", in.Email)
	to.MergeLanguage(c, "primaryLanguage", in.PrimaryLanguage)
	to.MergeAddresses(c, in.Addresses)
	to.MergeBirthday(c, "dateOfBirth", in.DateOfBirth, b.today)
	if _, err := to.MergeSSN(c, "ssn", in.SSN, graphql.Omittable[*string]{}, sealer); err != nil {
		return err
	}
	if in.SSN.IsSet() && in.SSN.Value() == nil {
		// Nothing else in a row has the last digits, so they go with the number.
		cu.SSNLastFourSealed = nil
	}
	if in.SSN.IsSet() || in.DateOfBirth.IsSet() {
		if err := to.Reindex(sealer); err != nil {
			return err
		}
	}
	switch {
	case in.Parent.IsSet() && in.Parent.Value() == nil:
		cu.CopyParent(&customer.Customer{})
	case r.usable && r.parent != (customer.SourceKey{}):
		b.parents.set(c.At("parent"), to, r.key, r.parent)
	}
	return nil
}
