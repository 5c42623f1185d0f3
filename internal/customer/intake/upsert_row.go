package intake

import (
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/batch"
	"caseload/internal/customer"
	"caseload/internal/customer/check"
	"caseload/internal/fault"
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
	row.key = customer.SourceKey{Source: batchIn.Source, SourceID: in.SourceID}
	if own := in.Source.Value(); own != nil {
		row.key.Source = *own
	}
	language := batchIn.Language.Value()
	if language == nil {
		language = in.PrimaryLanguage.Value()
		// What is wrong with it is told when it is merged; which record is meant cannot be known.
		row.known = check.IsLanguage(language)
	} else {
		row.known = check.Language(c.At("language"), language)
	}
	if language != nil {
		row.key.Language = check.LanguageKey(*language)
	}
	if check.SourceID(c.At(lookupKey), in.SourceID) {
		row.result.Key = in.SourceID
	} else {
		// A key that is wrong may be anything, so it is not repeated.
		row.known = false
	}
	row.known = check.Source(c.At("source"), row.key.Source) && row.known
	if ref := in.ClientRef.Value(); ref != nil {
		switch at := c.At("clientRef"); {
		case utf8.RuneCountInString(*ref) > check.MaxText:
			at.Add(fault.TooLong, "At most %d characters.", check.MaxText)
		case check.NoCard(at, *ref):
			row.result.ClientRef = ref
		}
	}
	if text := in.SourceUpdatedAt.Value(); text != nil {
		// Without the time it cannot be known whether the row is late, so it is not written, not even in part.
		t, ok := check.ParseInstant(c.At("sourceUpdatedAt"), *text)
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
	key := customer.SourceKey{Source: row.key.Source, SourceID: in.SourceID, Language: row.key.Language}
	ok := check.SourceID(c.At("sourceId"), in.SourceID)
	if source := in.Source.Value(); source != nil {
		key.Source = *source
		ok = check.Source(c.At("source"), *source) && ok
	}
	if in.Language.IsSet() {
		key.Language = ""
		if language := in.Language.Value(); language != nil {
			key.Language = check.LanguageKey(*language)
			ok = check.Language(c.At("language"), language) && ok
		}
	}
	if ok {
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
	check.ID(c, "debtorId", in.DebtorID, check.MaxText, &cu.DebtorID)
	check.Text(c, "firstName", in.FirstName, check.MaxText, &cu.FirstName)
	check.Text(c, "middleName", in.MiddleName, check.MaxText, &cu.MiddleName)
	check.Text(c, "lastName", in.LastName, check.MaxText, &cu.LastName)
	check.Text(c, "abbreviation", in.Abbreviation, check.MaxShort, &cu.Abbreviation)
	check.Text(c, "title", in.Title, check.MaxShort, &cu.Title)
	var gender *string
	if check.Text(c, "gender", in.Gender, check.MaxText, &gender) {
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
