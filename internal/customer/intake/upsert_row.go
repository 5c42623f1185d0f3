package intake

import (
	"time"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/batch"
	"caseload/internal/customer"
	"caseload/internal/customer/check"
	"caseload/internal/fault"
	"caseload/internal/input"
)

// upsertRow is one row of a batch.
type upsertRow struct {
	in    *UpsertRow
	check *fault.Check
	key   customer.SourceKey
	// known tells that the key can be looked up and the row be judged: without it the row fails under every policy.
	known bool
	// parent is the name of the parent that was sent, or zero.
	parent customer.SourceKey
	// updated is the source system's own time of the record, or nil.
	updated *time.Time
	result  UpsertResult
}

// maxAhead is how far the clock of a source system may be ahead of ours.
const maxAhead = 24 * time.Hour

// read judges what can be judged without the database.
func (row *upsertRow) read(in *UpsertRow, batchIn *BulkUpsertInput, c *fault.Check, now time.Time) {
	row.in, row.check = in, c
	row.result = UpsertResult{Action: batch.Failed, LookupKey: lookupKey}
	if in == nil {
		row.in = &UpsertRow{}
		c.Add(fault.Required, "Give a customer.")
		return
	}
	source := batchIn.Source
	if own := in.Source.Value(); own != nil {
		source = *own
	}
	row.key = customer.SourceKey{Source: check.Source(c.At("source"), source), SourceID: check.SourceID(c.At(lookupKey), in.SourceID)}
	language := batchIn.Language.Value()
	if language == nil {
		language = in.PrimaryLanguage.Value()
		// What is wrong with it is told when it is merged; which record is meant cannot be known.
		row.key.Language, row.known = check.Language(fault.NewCheck(), language)
	} else {
		row.key.Language, row.known = check.Language(c.At("language"), language)
	}
	// A key that is wrong may be anything, so it is not repeated.
	row.result.Key = row.key.SourceID
	row.known = row.known && row.key.Source != "" && row.key.SourceID != ""
	input.ClearKeyAt(c, "clientRef", in.ClientRef, check.MaxText, &row.result.ClientRef)
	if text := in.SourceUpdatedAt.Value(); text != nil {
		// Without the time it cannot be known whether the row is late, so it is not written, not even in part.
		t, ok := input.Moment(c.At("sourceUpdatedAt"), *text)
		if ok && t.After(now.Add(maxAhead)) {
			c.At("sourceUpdatedAt").Add(fault.OutOfRange, "A record was not changed in the future: everything that comes until then would be taken for late.")
			ok = false
		}
		row.updated, row.known = &t, row.known && ok
	}
	row.readParent()
}

// readParent reads the name of the parent; the source and the language are the row's own unless others are given.
func (row *upsertRow) readParent() {
	in := row.in.Parent.Value()
	if in == nil {
		return
	}
	c := row.check.At("parent")
	key := customer.SourceKey{Source: row.key.Source, SourceID: check.SourceID(c.At("sourceId"), in.SourceID), Language: row.key.Language}
	ok := true
	if source := in.Source.Value(); source != nil {
		key.Source = check.Source(c.At("source"), *source)
		ok = key.Source != ""
	}
	if in.Language.IsSet() {
		var right bool
		key.Language, right = check.Language(c.At("language"), in.Language.Value())
		ok = ok && right
	}
	if ok && key.SourceID != "" {
		row.parent = key
	}
}

// isLate reports whether the stored record is newer in the source system than the row.
func (row *upsertRow) isLate(r *customer.Record) bool {
	if row.updated == nil {
		return false
	}
	for _, i := range r.Identifiers {
		if i.SourceKey() == row.key {
			return i.SourceUpdatedAt != nil && i.SourceUpdatedAt.After(*row.updated)
		}
	}
	return false
}

// date notes when the record was changed in the source system.
func (row *upsertRow) date(i *customer.Identifier) {
	if row.updated != nil {
		i.SourceUpdatedAt = row.updated
	}
}

// merge applies the fields of the row to a record: stored ⊕ sent. A field with an error keeps its value.
func (row *upsertRow) merge(b *upsertBatch, r *customer.Record) error {
	in, c, cu := row.in, row.check, &r.Customer
	input.ClearKeyAt(c, "debtorId", in.DebtorID, check.MaxText, &cu.DebtorID)
	input.ClearAt(c, "firstName", in.FirstName, check.MaxText, &cu.FirstName)
	input.ClearAt(c, "middleName", in.MiddleName, check.MaxText, &cu.MiddleName)
	input.ClearAt(c, "lastName", in.LastName, check.MaxText, &cu.LastName)
	input.ClearAt(c, "abbreviation", in.Abbreviation, check.MaxShort, &cu.Abbreviation)
	input.ClearAt(c, "title", in.Title, check.MaxShort, &cu.Title)
	var gender *string
	if input.ClearAt(c, "gender", in.Gender, check.MaxText, &gender) {
		if gender == nil {
			cu.Gender = nil
		} else if value, ok := customer.Genders.Parse(*gender); ok {
			cu.Gender = &value
		} else {
			c.At("gender").Add(fault.Invalid, "Give %s, or the source's word for it.", customer.Genders.Names())
		}
	}
	r.MergePhone(c, "phone", in.Phone)
	r.MergeEmail(c, "email", in.Email)
	r.MergeLanguage(c, "primaryLanguage", in.PrimaryLanguage)
	r.MergeAddresses(c, in.Addresses)
	r.MergeBirthday(c, "dateOfBirth", in.DateOfBirth, b.today)
	if _, err := r.MergeSSN(c, "ssn", in.SSN, graphql.Omittable[*string]{}, b.s.customers.Sealer()); err != nil {
		return err
	}
	if in.SSN.IsSet() && in.SSN.Value() == nil {
		// Nothing else in a row tells the last digits, so they go with the number.
		cu.SSNLastFourSealed = nil
	}
	if in.SSN.IsSet() || in.DateOfBirth.IsSet() {
		if err := r.Reindex(b.s.customers.Sealer()); err != nil {
			return err
		}
	}
	row.mergeParent(b.family, r)
	return nil
}

func (row *upsertRow) mergeParent(f *family, r *customer.Record) {
	switch {
	case !row.in.Parent.IsSet():
	case row.in.Parent.Value() == nil:
		f.orphan(r)
	case row.parent == (customer.SourceKey{}) || !row.known:
	default:
		f.adopt(row.check.At("parent"), r, row.key, row.parent)
	}
}
