package customer

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/batch"
	"caseload/internal/fault"
)

// upsertRow is one row of a batch.
type upsertRow struct {
	in    *UpsertRow
	check *fault.Check
	key   SourceKey
	// known tells that the key can be looked up and the row be judged: without it the row fails under every policy.
	known bool
	// parent is the name of the parent that was sent, or zero.
	parent SourceKey
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
	row.key = SourceKey{Source: batchIn.Source, SourceID: in.SourceID}
	if own := in.Source.Value(); own != nil {
		row.key.Source = *own
	}
	language := batchIn.Language.Value()
	if language == nil {
		language = in.PrimaryLanguage.Value()
		// What is wrong with it is told when it is merged; which record is meant cannot be known.
		row.known = isLanguage(language)
	} else {
		row.known = checkLanguage(c.At("language"), language)
	}
	if language != nil {
		row.key.Language = languageKey(*language)
	}
	if checkSourceID(c.At(lookupKey), in.SourceID) {
		row.result.Key = in.SourceID
	} else {
		// A key that is wrong may be anything, so it is not repeated.
		row.known = false
	}
	row.known = checkSource(c.At("source"), row.key.Source) && row.known
	if ref := in.ClientRef.Value(); ref != nil {
		switch at := c.At("clientRef"); {
		case utf8.RuneCountInString(*ref) > maxText:
			at.Add(fault.TooLong, "At most %d characters.", maxText)
		case checkNoCard(at, *ref):
			row.result.ClientRef = ref
		}
	}
	if text := in.SourceUpdatedAt.Value(); text != nil {
		// Without the time it cannot be known whether the row is late, so it is not written, not even in part.
		t, ok := parseInstant(c.At("sourceUpdatedAt"), *text)
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
	key := SourceKey{Source: row.key.Source, SourceID: in.SourceID, Language: row.key.Language}
	ok := checkSourceID(c.At("sourceId"), in.SourceID)
	if source := in.Source.Value(); source != nil {
		key.Source = *source
		ok = checkSource(c.At("source"), *source) && ok
	}
	if in.Language.IsSet() {
		key.Language = ""
		if language := in.Language.Value(); language != nil {
			key.Language = languageKey(*language)
			ok = checkLanguage(c.At("language"), language) && ok
		}
	}
	if ok {
		row.parent = key
	}
}

// checkSource checks the name of a source system.
func checkSource(c *fault.Check, source string) bool {
	switch {
	case strings.TrimSpace(source) == "":
		c.Add(fault.Blank, "Name the source system in 1 to %d characters.", maxSource)
	case utf8.RuneCountInString(source) > maxSource:
		c.Add(fault.TooLong, "The name of a source system has at most %d characters.", maxSource)
	case strings.ContainsRune(source, 0) || !utf8.ValidString(source):
		c.Add(fault.Invalid, "The name must be valid UTF-8 without the character NUL.")
	default:
		return checkNoCard(c, source)
	}
	return false
}

// checkLanguage checks the language of a record in its source system; nil is none.
func checkLanguage(c *fault.Check, language *string) bool {
	if isLanguage(language) {
		return true
	}
	c.Add(fault.Invalid, "Give a BCP 47 language tag, such as en or es-MX, or leave it out.")
	return false
}

// isLanguage reports whether a record can be known by this language, or by none.
func isLanguage(language *string) bool {
	return language == nil || len(*language) <= maxLanguage && languageForm.MatchString(strings.TrimSpace(*language))
}

// languageKey is a language as records are known by it: tags that differ in case only are the same (RFC 5646 2.1.1),
// so they get the case that is recommended there.
func languageKey(language string) string {
	parts := strings.Split(strings.ToLower(strings.TrimSpace(language)), "-")
	for i, p := range parts[1:] {
		switch isWord := strings.Trim(p, "abcdefghijklmnopqrstuvwxyz") == ""; {
		case len(p) == 2 && isWord:
			parts[i+1] = strings.ToUpper(p)
		case len(p) == 4 && isWord:
			parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, "-")
}

// isLate reports whether the stored record is newer in the source system than the row.
func (row *upsertRow) isLate(r *Record) bool {
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
func (row *upsertRow) date(i *Identifier) {
	if row.updated != nil {
		i.SourceUpdatedAt = row.updated
	}
}

// merge applies the fields of the row to a record: stored ⊕ sent. A field with an error keeps its value.
func (row *upsertRow) merge(b *upsertBatch, r *Record) error {
	in, c, cu := row.in, row.check, &r.Customer
	idText(c, "debtorId", in.DebtorID, maxText, &cu.DebtorID)
	text(c, "firstName", in.FirstName, maxText, &cu.FirstName)
	text(c, "middleName", in.MiddleName, maxText, &cu.MiddleName)
	text(c, "lastName", in.LastName, maxText, &cu.LastName)
	text(c, "abbreviation", in.Abbreviation, maxShort, &cu.Abbreviation)
	text(c, "title", in.Title, maxShort, &cu.Title)
	var gender *string
	if text(c, "gender", in.Gender, maxText, &gender) {
		if gender == nil {
			cu.Gender = nil
		} else if value, ok := Genders.Parse(*gender); ok {
			cu.Gender = &value
		} else {
			c.At("gender").Add(fault.Invalid, "Give %s, or the source's word for it.", Genders.Names())
		}
	}
	r.mergePhone(c, "phone", in.Phone)
	r.mergeEmail(c, "email", in.Email)
	r.mergeLanguage(c, "primaryLanguage", in.PrimaryLanguage)
	r.mergeAddresses(c, in.Addresses)
	r.mergeBirthday(c, "dateOfBirth", in.DateOfBirth, b.today)
	if _, err := r.mergeSSN(c, "ssn", in.SSN, graphql.Omittable[*string]{}, b.s.sealer); err != nil {
		return err
	}
	if in.SSN.IsSet() && in.SSN.Value() == nil {
		// Nothing else in a row tells the last digits, so they go with the number.
		cu.SSNLastFourSealed = nil
	}
	if in.SSN.IsSet() || in.DateOfBirth.IsSet() {
		if err := r.reindex(b.s.sealer); err != nil {
			return err
		}
	}
	row.mergeParent(b.family, r)
	return nil
}

func (row *upsertRow) mergeParent(f *family, r *Record) {
	switch {
	case !row.in.Parent.IsSet():
	case row.in.Parent.Value() == nil:
		f.orphan(r)
	case row.parent == (SourceKey{}) || !row.known:
	default:
		f.adopt(row.check.At("parent"), r, row.key, row.parent)
	}
}

// maxAddresses is how many labels there are.
var maxAddresses = len(AddressLabels)

// mergeAddresses puts a list in the place of all addresses; none and null clear them. A list with an error is not
// taken at all: taken in part it would remove what it does not name.
func (r *Record) mergeAddresses(c *fault.Check, in graphql.Omittable[[]*AddressInput]) {
	if !in.IsSet() {
		return
	}
	if len(in.Value()) == 0 {
		r.Address, r.Others = nil, nil
		return
	}
	c = c.At("addresses")
	if len(in.Value()) > maxAddresses {
		c.Add(fault.LimitExceeded, "A customer has at most %d addresses, one for each label.", maxAddresses)
		return
	}
	errorsBefore := len(c.Errors())
	var primary *Address
	var others []*Address
	for i, sent := range in.Value() {
		a := r.readAddress(c.Index(i), sent)
		switch {
		case a == nil:
		case a.Label == Primary && primary == nil:
			primary = a
		case a.Label != Primary && labelled(others, a.Label) == nil:
			others = append(others, a)
		default:
			c.Index(i).At("label").Add(fault.DuplicateInputItem, "A customer has one address for each label; an address without a label is PRIMARY.")
		}
	}
	if len(c.Errors()) == errorsBefore {
		slices.SortFunc(others, func(a, b *Address) int { return strings.Compare(string(a.Label), string(b.Label)) })
		r.Address, r.Others = primary, others
	}
}

// readAddress reads one address of a list, which tells all of the address: absent means none. The address is the stored
// one when it says the same, and nil when it cannot be read.
func (r *Record) readAddress(c *fault.Check, in *AddressInput) *Address {
	if in == nil {
		c.Add(fault.Required, "Give an address.")
		return nil
	}
	a := Address{Label: Primary}
	if label := in.Label.Value(); label != nil {
		known, ok := AddressLabels.Parse(string(*label))
		if !ok {
			c.At("label").Add(fault.Invalid, "Give %s.", AddressLabels.Names())
			return nil
		}
		a.Label = known
	}
	errorsBefore := len(c.Errors())
	in.mergeInto(c, &a, plainNames)
	if len(c.Errors()) == errorsBefore && a.isBlank() {
		c.Add(fault.Required, "Give at least one part of the address beside its label and country.")
		return nil
	}
	stored := r.storedAddress(a.Label)
	if sameAddress(stored, &a) {
		return stored
	}
	if stored != nil {
		a.Row, a.CustomerID, a.CreatedAt = stored.Row, stored.CustomerID, stored.CreatedAt
	}
	return &a
}
