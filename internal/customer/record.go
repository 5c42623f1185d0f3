package customer

import (
	"bytes"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/viewer"
)

// Record is a customer with its primary phone and address, as it is stored and, after [Record.Merge], as
// it shall be.
type Record struct {
	Customer Customer
	Phone    *Phone
	Address  *Address
	// IsNew tells that no row exists yet.
	IsNew bool

	stored       *stored
	phoneRemoved bool
	otherSearch  string
}

// stored is the record before it was merged.
type stored struct {
	customer Customer
	phone    *Phone
	address  *Address
}

// NewRecord starts a customer that is not stored yet.
func NewRecord(v *viewer.Viewer, referenceID string) *Record {
	return &Record{IsNew: true, Customer: Customer{
		Row:         db.Row{OrganizationID: v.OrganizationID, UUID: db.NewID()},
		ReferenceID: &referenceID,
	}}
}

// keep remembers the record as it is stored.
func (r *Record) keep() {
	s := &stored{customer: r.Customer}
	if r.Phone != nil {
		p := *r.Phone
		s.phone = &p
	}
	if r.Address != nil {
		a := *r.Address
		s.address = &a
	}
	r.stored = s
}

// Restore puts the record back to what is stored.
func (r *Record) Restore() {
	if r.stored == nil {
		return
	}
	r.Customer, r.Phone, r.Address, r.phoneRemoved = r.stored.customer, nil, nil, false
	if r.stored.phone != nil {
		p := *r.stored.phone
		r.Phone = &p
	}
	if r.stored.address != nil {
		a := *r.stored.address
		r.Address = &a
	}
}

// Settle makes ids, times and the search text of a merged record what they must be when written at now by
// the viewer, and returns the names of the fields that change; none means that the record is as
// stored already.
func (r *Record) Settle(v *viewer.Viewer, now time.Time) []string {
	c := &r.Customer
	c.SearchText = r.searchText()
	changed := r.changes()
	if len(changed) == 0 {
		return nil
	}
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
			row.UUID, *created = db.NewID(), now
		}
		*updated = now
	}
	if r.phoneChanged() && r.Phone != nil {
		if r.stored != nil && r.stored.phone != nil {
			r.Phone.UUID, r.Phone.CreatedAt = r.stored.phone.UUID, r.stored.phone.CreatedAt
		}
		own(&r.Phone.Row, &r.Phone.CustomerID, &r.Phone.CreatedAt, &r.Phone.UpdatedAt)
	}
	if r.addressChanged() && r.Address != nil {
		own(&r.Address.Row, &r.Address.CustomerID, &r.Address.CreatedAt, &r.Address.UpdatedAt)
	}
	return changed
}

// written are the columns that a change of a customer writes, in one order for one prepared statement.
var written = []string{
	"first_name", "middle_name", "last_name", "email", "birthday", "ssn_sealed", "ssn_index", "ssn_last_four_sealed",
	"ssn_last_four_birthday_index", "time_zone", "language", "do_not_call", "do_not_sms", "do_not_email", "do_not_mail",
	"do_not_call_at", "is_test", "external_metadata", "search_text", "updated_at", "updated_by",
}

// changes names what differs from the stored record. Names of columns, without values, for the audit log.
func (r *Record) changes() []string {
	var out []string
	if r.stored == nil {
		out = append(out, "created")
	} else {
		for _, name := range written {
			switch name {
			case "updated_at", "updated_by", "search_text", "ssn_index", "ssn_last_four_birthday_index", "do_not_call_at":
				continue
			}
			if !equal(Table.Value(&r.Customer, name), Table.Value(&r.stored.customer, name)) {
				out = append(out, strings.TrimSuffix(name, "_sealed"))
			}
		}
	}
	if r.phoneChanged() {
		out = append(out, "phone_number")
	}
	if r.addressChanged() {
		out = append(out, "address")
	}
	return out
}

func equal(a, b any) bool {
	if x, ok := a.(db.JSON); ok {
		return sameJSON(x, b.(db.JSON))
	}
	return reflect.DeepEqual(a, b)
}

func (r *Record) phoneChanged() bool {
	if r.stored == nil || r.stored.phone == nil || r.Phone == nil {
		return r.Phone != nil || r.phoneRemoved
	}
	return r.stored.phone.Number != r.Phone.Number
}

func (r *Record) addressChanged() bool {
	if r.stored == nil || r.stored.address == nil || r.Address == nil {
		return r.Address != nil
	}
	return !reflect.DeepEqual(*r.stored.address, *r.Address)
}

// searchText gathers what the search looks through, in lower case.
func (r *Record) searchText() string {
	c := &r.Customer
	var b strings.Builder
	add := func(s *string) {
		if s != nil && *s != "" {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(strings.ToLower(*s))
		}
	}
	add(c.FirstName)
	add(c.MiddleName)
	add(c.LastName)
	add(c.Email)
	add(c.ReferenceID)
	if r.Phone != nil {
		digits := strings.TrimFunc(r.Phone.Number, func(ch rune) bool { return !unicode.IsDigit(ch) })
		add(&digits)
	}
	add(&r.otherSearch)
	return b.String()
}

func sameJSON(a, b db.JSON) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return bytes.Equal(canonical(a), canonical(b))
}
