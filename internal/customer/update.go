package customer

import (
	"context"
	"fmt"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/civil"
	"caseload/internal/customer/check"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/pii"
	"caseload/internal/viewer"
)

// Update changes one customer: what is absent stays, null clears, and what is as stored already is not written.
// Sections are read and written only when the input names them. An input that changes nothing leaves the version
// alone. Wrong input comes back as fault.UserErrors, all of it at once, with nothing written.
func (s *Service) Update(ctx context.Context, v *viewer.Viewer, in UpdateInput) (*Customer, error) {
	id, err := in.ID.As(Customers.Prefix())
	if err != nil {
		return nil, err
	}
	var row *Customer
	err = s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		tx.Keep(&row)
		r, err := LockByID(ctx, tx, v.Scope(), id)
		if err != nil {
			return missing(err, "input", "id")
		}
		c := fault.NewCheck("input")
		if !CheckLive(c.At("id"), &r.Customer) {
			return c.Err()
		}
		if checkVersion(c, in.ExpectedVersion, r.Customer.Version); !c.OK() {
			// What else is wrong may be so only by what the caller has not read yet.
			return c.Err()
		}
		u := &update{tx: tx, v: v, r: r, c: c, sealer: s.sealer}
		if err := u.merge(ctx, &in); err != nil {
			return err
		}
		if err := c.Err(); err != nil {
			return err
		}
		row = &r.Customer
		return s.writeUpdate(ctx, u)
	})
	if err != nil {
		return nil, err
	}
	return row, nil
}

// update is one run of [Service.Update].
type update struct {
	tx     *db.Tx
	v      *viewer.Viewer
	r      *Record
	c      *fault.Check
	sealer *pii.Sealer
	// sections write what changed of the sections.
	sections []func(ctx context.Context) error
	marked   DoNotCallChange
}

func (s *Service) writeUpdate(ctx context.Context, u *update) error {
	fields := u.r.Settle(u.v, u.tx.Now)
	if len(fields) == 0 {
		return nil
	}
	if err := WriteAll(ctx, u.tx, u.v, []*Record{u.r}); err != nil {
		return fmt.Errorf("write customer: %w", db.Refused(err, "input"))
	}
	for _, write := range u.sections {
		if err := write(ctx); err != nil {
			return err
		}
	}
	row := &u.r.Customer
	entries := []audit.Change{{Action: "customer.updated", Target: row.ID(), CustomerID: row.UUID, Fields: map[string]any{"fields": fields}}}
	entries = append(entries, u.marked.Entries(row)...)
	if u.marked.Set {
		if err := s.Retire(ctx, u.tx, u.v, []uuid.UUID{row.UUID}, "the customer asked not to be called"); err != nil {
			return err
		}
	}
	if err := audit.Write(ctx, u.tx, u.v, entries...); err != nil {
		return err
	}
	return s.Emit(ctx, u.tx, u.v, Event{Kind: EventUpdated, Customer: row, Changed: fields, At: u.tx.Now})
}

// merge applies the whole input to the record and collects what is wrong with it.
func (u *update) merge(ctx context.Context, in *UpdateInput) error {
	cu, c := &u.r.Customer, u.c
	input.Optional(in.ReferenceID, &cu.ReferenceID, func(text string) (string, bool) {
		reference := input.Reference(c.At("referenceId"), text)
		return reference, reference != ""
	})
	input.ClearKeyAt(c, "debtorId", in.DebtorID, check.MaxText, &cu.DebtorID)
	input.ClearAt(c, "abbreviation", in.Abbreviation, check.MaxShort, &cu.Abbreviation)
	input.ClearAt(c, "title", in.Title, check.MaxShort, &cu.Title)
	optional(in.Gender, &cu.Gender)
	u.mergeMetadata(in.ExternalMetadata)
	u.mergePhone(in.Phone)
	u.mergeAddress(in.Address)
	u.mergeConsent(in.Consent)
	if err := u.mergeShared(in); err != nil {
		return err
	}
	return u.mergeSections(ctx, in)
}

// shared leads from the names that the fields have in a sync to those that they have here.
var shared = map[string]string{"timezone": "timeZone"}

// mergeShared applies what a sync can say too, by its rules.
func (u *update) mergeShared(in *UpdateInput) error {
	fields := Fields{FirstName: in.FirstName, MiddleName: in.MiddleName, LastName: in.LastName, Email: in.Email, Language: in.Language,
		Timezone: in.TimeZone, SSN: in.SSN, IsTest: in.IsTest}
	notNull(u.c.At("isTest"), in.IsTest)
	if in.Birthday.IsSet() {
		var day *string
		if d := in.Birthday.Value(); d != nil {
			text := d.String()
			day = &text
		}
		fields.Birthday = graphql.OmittableOf(day)
	}
	if in.SSN.IsSet() && in.SSN.Value() == nil {
		// Here the number comes without its end, so null leaves nothing of it.
		fields.SSNLastFour = in.SSN
	}
	own := fault.NewCheck()
	if err := u.r.Merge(&fields, own, u.sealer, civil.DateIn(u.tx.Now, time.UTC)); err != nil {
		return err
	}
	for _, e := range own.Errors() {
		path := e.Path
		if name, ok := shared[path[0]]; ok {
			path = []string{name}
		}
		u.c.At(path...).Add(e.Code, "%s", e.Message)
	}
	return nil
}

func (u *update) mergeMetadata(in graphql.Omittable[db.JSON]) {
	if !in.IsSet() {
		return
	}
	value := in.Value()
	if len(value) == 0 || string(value) == "null" {
		u.r.Customer.ExternalMetadata = nil
	} else if code, wrong := checkJSON(value); wrong != "" {
		u.c.At("externalMetadata").Add(code, "%s", wrong)
	} else {
		u.r.Customer.ExternalMetadata = value
	}
}

// mergePhone changes the primary phone, which calls go to: it can be changed and not be cleared.
func (u *update) mergePhone(in graphql.Omittable[*UpdatePhoneInput]) {
	c := u.c.At("phone")
	if !notNull(c, in) {
		return
	}
	sent := in.Value()
	number, kind := sent.Number, sent.LineType
	if !notNull(c.At("number"), number) && number.IsSet() || !number.IsSet() && !kind.IsSet() {
		return
	}
	var next Phone
	if u.r.Phone != nil {
		next = *u.r.Phone
	}
	if number.IsSet() {
		e164, line := input.Phone(c.At("number"), *number.Value())
		if e164 == "" {
			return
		}
		if next.Number != e164 {
			next = *u.r.primaryPhone(e164, LineTypeOf(line))
		}
	}
	if next.Number == "" {
		c.At("number").Add(fault.Required, "Give the number: the customer has no primary phone yet.")
		return
	}
	if kind.IsSet() {
		if kind.Value() != nil {
			next.LineType = *kind.Value()
		} else if _, line, ok := input.ParsePhone(next.Number); ok {
			next.LineType = LineTypeOf(line)
		}
	}
	u.r.Phone = &next
}

// mergeConsent changes what the customer agreed to.
func (u *update) mergeConsent(in graphql.Omittable[*UpdateConsentInput]) {
	if c := u.c.At("consent"); notNull(c, in) {
		u.marked = u.r.MergeConsent(c, u.v, u.tx.Now, in.Value())
	}
}

// optional takes a value that may be cleared and has no form of its own.
func optional[T any](in graphql.Omittable[*T], to **T) {
	if in.IsSet() {
		*to = in.Value()
	}
}

// notNull reports whether a value was sent, and records a null where there must be a value.
func notNull[T any](c *fault.Check, in graphql.Omittable[*T]) bool {
	if in.IsSet() && in.Value() == nil {
		c.Add(fault.Required, "It cannot be null: give a value, or leave it out to keep what is stored.")
	}
	return in.Value() != nil
}

// mergeAddress changes the primary address; null removes it.
func (u *update) mergeAddress(in graphql.Omittable[*UpdateAddressInput]) {
	if !in.IsSet() {
		return
	}
	if in.Value() == nil {
		u.r.Address = nil
		return
	}
	sent := in.Value()
	fields := AddressInput{Line1: sent.Line1, Line2: sent.Line2, City: sent.City, County: sent.County, State: sent.State,
		PostalCode: sent.PostalCode, Country: sent.Country}
	u.r.MergePrimaryAddress(u.c.At("address"), &fields, plainNames)
}
