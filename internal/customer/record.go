package customer

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/entity"
	"caseload/internal/viewer"
)

// Record is a customer with its primary phone, its addresses, its ids in source systems and the sections that were read, as it
// is stored and, after it was merged with what was sent, as it shall be. [Service.Save] writes it.
//
// A copy of the struct is the record as it is at that moment: what its pointers lead to is replaced, never changed.
type Record struct {
	Customer Customer
	Phone    *Phone
	// Address is the primary address, Others are those with other labels, in the order of these.
	Address *Address
	Others  []*Address
	// Identifiers are the ids in source systems, in the order in which they came.
	Identifiers []*Identifier
	// IsNew reports that no row exists yet.
	IsNew bool

	// stored is the record before it was merged, a blank one when no row exists yet.
	stored *Record
	// otherPhones are those with other labels, as they are stored.
	otherPhones []*Phone
	sections    []sectionValue
	// doNotCall is what the rows did to the mark not to be called, in their order: each is audited.
	doNotCall []string
	// changed are the names of what [Record.settle] found changed.
	changed []string
	// also names what changes with the record and is stored elsewhere: it raises the customer's version. beside names what is
	// audited with the customer and does not.
	also, beside []string
}

// noRecord is what is stored of new customers. It is only read.
var noRecord Record

// NewRecord starts a customer that is not stored yet, with the organization's own reference; "" is none.
func NewRecord(v *viewer.Viewer, referenceID string) *Record {
	r := &Record{IsNew: true, stored: &noRecord, Customer: Customer{Row: entity.Row{Row: db.Row{OrganizationID: v.OrganizationID, UUID: db.NewID()}}}}
	if referenceID != "" {
		r.Customer.ReferenceID = &referenceID
	}
	return r
}

// NoteChange adds names of what changes with the customer and is stored elsewhere, such as its children: the customer is
// written, and its version rises.
func (r *Record) NoteChange(names ...string) { r.also = append(slices.Clip(r.also), names...) }

// NoteBeside adds the name of what changes beside the customer, such as its accounts: it is audited with the customer, whose
// version stays.
func (r *Record) NoteBeside(name string) {
	if !slices.Contains(r.beside, name) {
		r.beside = append(r.beside, name)
	}
}

// ParentChanged reports whether the record has another parent than what is stored.
func (r *Record) ParentChanged() bool { return !Same(r.Customer.ParentID, r.stored.Customer.ParentID) }

// SourceKey is the id of a customer in a source system. Language is "" where the source has none.
type SourceKey struct{ Source, SourceID, Language string }

// SourceKey returns what the identifier is known by.
func (i *Identifier) SourceKey() SourceKey { return SourceKey{i.Source, i.SourceID, i.Language} }

// Compare orders keys by source, id and language. Locks of keys are taken in this order.
func (k SourceKey) Compare(o SourceKey) int {
	return cmp.Or(strings.Compare(k.Source, o.Source), strings.Compare(k.SourceID, o.SourceID), strings.Compare(k.Language, o.Language))
}

// Identify adds an id of a source system to the record if it has it not yet, and lets change, which may be nil, set
// the source's own times of it. It is written with the record.
func (r *Record) Identify(key SourceKey, change func(*Identifier)) {
	n := slices.IndexFunc(r.Identifiers, func(i *Identifier) bool { return i.SourceKey() == key })
	if n < 0 {
		i := &Identifier{
			Row:        db.Row{OrganizationID: r.Customer.OrganizationID, UUID: db.NewID()},
			CustomerID: r.Customer.UUID, Source: key.Source, SourceID: key.SourceID, Language: key.Language,
		}
		if change != nil {
			change(i)
		}
		r.Identifiers = append(slices.Clip(r.Identifiers), i)
		return
	}
	if change == nil {
		return
	}
	i := *r.Identifiers[n]
	change(&i)
	if !SameTime(i.SourceCreatedAt, r.Identifiers[n].SourceCreatedAt) || !SameTime(i.SourceUpdatedAt, r.Identifiers[n].SourceUpdatedAt) {
		r.Identifiers = slices.Clone(r.Identifiers)
		r.Identifiers[n] = &i
	}
}

// settle finds what changes of a merged record, and makes ids, times and the search text what they must be when the viewer
// writes it at now.
func (r *Record) settle(v *viewer.Viewer, now time.Time) {
	c := &r.Customer
	if r.changed = r.changes(); len(r.changed) == 0 {
		return
	}
	c.SearchText = r.searchText()
	actor := v.ActorText()
	if r.IsNew {
		c.Version, c.CreatedAt, c.CreatedBy = 1, now, actor
	} else {
		c.Version++
	}
	c.UpdatedAt, c.UpdatedBy = now, actor
	own := func(row *db.Row, customer *uuid.UUID, created, updated *time.Time) {
		row.OrganizationID, *customer = c.OrganizationID, c.UUID
		if row.UUID == uuid.Nil {
			row.UUID = db.NewID()
		}
		if created.IsZero() {
			*created = now
		}
		*updated = now
	}
	if r.phoneChanged() && r.Phone != nil {
		if stored := r.stored.Phone; stored != nil {
			r.Phone.UUID, r.Phone.CreatedAt = stored.UUID, stored.CreatedAt
		}
		own(&r.Phone.Row, &r.Phone.CustomerID, &r.Phone.CreatedAt, &r.Phone.UpdatedAt)
	}
	for _, a := range r.changedAddresses() {
		own(&a.Row, &a.CustomerID, &a.CreatedAt, &a.UpdatedAt)
	}
	for _, i := range r.NewIdentifiers() {
		i.CreatedAt = now
	}
}

// updatedColumns are the columns that a change of a customer writes, in one order for one prepared statement.
var updatedColumns = []string{
	"first_name", "middle_name", "last_name", "email", "birthday", "ssn_sealed", "ssn_index", "ssn_last_four_sealed",
	"ssn_last_four_birthday_index", "time_zone", "language", "do_not_call", "do_not_sms", "do_not_email", "do_not_mail",
	"do_not_call_at", "is_test", "external_metadata", "search_text", "updated_at", "updated_by",
	"reference_id", "debtor_id", "abbreviation", "title", "gender", "parent_id", "parent_source", "parent_source_id", "parent_language",
	"deleted_at", "deleted_by", "merged_into_id",
}

// auditedFields are the names of what may change with how it is compared, in the order of the columns: spelled out, since
// a bulk mutation compares every value of every row.
var auditedFields = []struct {
	name string
	same func(a, b *Customer) bool
}{
	{"first_name", func(a, b *Customer) bool { return Same(a.FirstName, b.FirstName) }},
	{"middle_name", func(a, b *Customer) bool { return Same(a.MiddleName, b.MiddleName) }},
	{"last_name", func(a, b *Customer) bool { return Same(a.LastName, b.LastName) }},
	{"email", func(a, b *Customer) bool { return Same(a.Email, b.Email) }},
	{"birthday", func(a, b *Customer) bool { return Same(a.Birthday, b.Birthday) }},
	{"ssn", func(a, b *Customer) bool { return bytes.Equal(a.SSNSealed, b.SSNSealed) }},
	{"ssn_last_four", func(a, b *Customer) bool { return bytes.Equal(a.SSNLastFourSealed, b.SSNLastFourSealed) }},
	{"time_zone", func(a, b *Customer) bool { return Same(a.TimeZone, b.TimeZone) }},
	{"language", func(a, b *Customer) bool { return Same(a.Language, b.Language) }},
	{"do_not_call", func(a, b *Customer) bool { return a.DoNotCall == b.DoNotCall }},
	{"do_not_sms", func(a, b *Customer) bool { return a.DoNotSMS == b.DoNotSMS }},
	{"do_not_email", func(a, b *Customer) bool { return a.DoNotEmail == b.DoNotEmail }},
	{"do_not_mail", func(a, b *Customer) bool { return a.DoNotMail == b.DoNotMail }},
	{"is_test", func(a, b *Customer) bool { return a.IsTest == b.IsTest }},
	{"external_metadata", func(a, b *Customer) bool { return sameJSON(a.ExternalMetadata, b.ExternalMetadata) }},
	{"reference_id", func(a, b *Customer) bool { return Same(a.ReferenceID, b.ReferenceID) }},
	{"debtor_id", func(a, b *Customer) bool { return Same(a.DebtorID, b.DebtorID) }},
	{"abbreviation", func(a, b *Customer) bool { return Same(a.Abbreviation, b.Abbreviation) }},
	{"title", func(a, b *Customer) bool { return Same(a.Title, b.Title) }},
	{"gender", func(a, b *Customer) bool { return Same(a.Gender, b.Gender) }},
	{"parent_id", func(a, b *Customer) bool { return Same(a.ParentID, b.ParentID) }},
	{"parent_source", func(a, b *Customer) bool { return Same(a.ParentSource, b.ParentSource) }},
	{"parent_source_id", func(a, b *Customer) bool { return Same(a.ParentSourceID, b.ParentSourceID) }},
	{"parent_language", func(a, b *Customer) bool { return Same(a.ParentLanguage, b.ParentLanguage) }},
	{"deleted_at", func(a, b *Customer) bool { return SameTime(a.DeletedAt, b.DeletedAt) }},
	{"deleted_by", func(a, b *Customer) bool { return Same(a.DeletedBy, b.DeletedBy) }},
	{"merged_into_id", func(a, b *Customer) bool { return Same(a.MergedIntoID, b.MergedIntoID) }},
}

// changes names what differs from the stored record. Names of columns, without values, for the audit log, which holds a list also
// where nothing differs.
func (r *Record) changes() []string {
	out := []string{}
	if r.IsNew {
		out = append(out, "created")
	} else {
		for i := range auditedFields {
			if !auditedFields[i].same(&r.Customer, &r.stored.Customer) {
				out = append(out, auditedFields[i].name)
			}
		}
	}
	if r.phoneChanged() {
		out = append(out, "phone_number")
	}
	if len(r.changedAddresses()) > 0 || len(r.removedAddresses()) > 0 {
		out = append(out, "address")
	}
	if !r.IsNew && len(r.NewIdentifiers()) > 0 {
		out = append(out, "identifier")
	}
	for _, v := range r.sections {
		if v.section.differs(v) {
			out = append(out, v.section.Name())
		}
	}
	return append(out, r.also...)
}

// Differs reports whether something would be written for r that would not be for before, a copy made earlier: what a row of several
// about one customer has changed.
func (r *Record) Differs(before *Record) bool {
	for i := range auditedFields {
		if !auditedFields[i].same(&r.Customer, &before.Customer) {
			return true
		}
	}
	return len(r.Identifiers) != len(before.Identifiers) || !slices.Equal(r.sections, before.sections) || !samePhone(r.Phone, before.Phone) ||
		!slices.EqualFunc(r.addresses(), before.addresses(), sameAddress)
}

// Same reports whether two optional values are equal.
func Same[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// SameTime reports whether two optional times are the same instant.
func SameTime(a, b *time.Time) bool {
	return a == b || a != nil && b != nil && a.Equal(*b)
}

func samePhone(a, b *Phone) bool {
	return a == b || a != nil && b != nil && a.Number == b.Number && a.LineType == b.LineType
}

func sameAddress(a, b *Address) bool {
	return a == b || a != nil && b != nil && a.Label == b.Label && a.Country == b.Country && Same(a.Line1, b.Line1) && Same(a.Line2, b.Line2) &&
		Same(a.City, b.City) && Same(a.County, b.County) && Same(a.State, b.State) && Same(a.PostalCode, b.PostalCode)
}

func labelled(addresses []*Address, label AddressLabel) *Address {
	for _, a := range addresses {
		if a.Label == label {
			return a
		}
	}
	return nil
}

func (r *Record) phoneChanged() bool { return !samePhone(r.stored.Phone, r.Phone) }

// addresses are all addresses of the record.
func (r *Record) addresses() []*Address {
	if r.Address == nil {
		return r.Others
	}
	return append([]*Address{r.Address}, r.Others...)
}

// changedAddresses are the addresses to write.
func (r *Record) changedAddresses() (out []*Address) {
	stored := r.stored.addresses()
	for _, a := range r.addresses() {
		if !sameAddress(a, labelled(stored, a.Label)) {
			out = append(out, a)
		}
	}
	return out
}

// removedAddresses are the stored addresses whose labels the record no longer has.
func (r *Record) removedAddresses() (out []*Address) {
	now := r.addresses()
	for _, a := range r.stored.addresses() {
		if labelled(now, a.Label) == nil {
			out = append(out, a)
		}
	}
	return out
}

// NewIdentifiers are the ids that are not stored yet.
func (r *Record) NewIdentifiers() []*Identifier { return r.Identifiers[len(r.stored.Identifiers):] }

// dated are the stored ids that got other times of the source system. That is no change of the customer.
func (r *Record) dated() (out []*Identifier) {
	for n, i := range r.stored.Identifiers {
		if r.Identifiers[n] != i {
			out = append(out, r.Identifiers[n])
		}
	}
	return out
}

// searchText gathers what the search looks through, in lower case.
func (r *Record) searchText() string {
	c := &r.Customer
	var b strings.Builder
	add := func(s string) {
		if s != "" {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(strings.ToLower(s))
		}
	}
	for _, s := range []*string{c.FirstName, c.MiddleName, c.LastName, c.Email, c.ReferenceID} {
		if s != nil {
			add(*s)
		}
	}
	if r.Phone != nil {
		add(digitsOf(r.Phone.Number))
	}
	for _, p := range r.otherPhones {
		add(digitsOf(p.Number))
	}
	for _, i := range r.Identifiers {
		add(i.SourceID)
	}
	return b.String()
}

// digitsOf is a phone number as people type it into a search.
func digitsOf(number string) string {
	return strings.TrimFunc(number, func(ch rune) bool { return !unicode.IsDigit(ch) })
}

func sameJSON(a, b db.JSON) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return bytes.Equal(a, b) || bytes.Equal(canonical(a), canonical(b))
}
