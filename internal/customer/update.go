package customer

import (
	"context"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/civil"
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
	return s.change(ctx, v, id, NamedChanges("customer.updated"), "", func(tx *db.Tx, r *Record) error {
		c := fault.NewCheck("input")
		if !CheckLive(c.At("id"), &r.Customer) {
			return c.Err()
		}
		if input.Version(c, in.ExpectedVersion.Value(), r.Customer.Version, "customer"); !c.OK() {
			// What else is wrong may be so only by what the caller has not read yet.
			return c.Err()
		}
		u := &update{tx: tx, v: v, r: r, c: c, sealer: s.sealer}
		if err := u.merge(ctx, &in); err != nil {
			return err
		}
		return c.Err()
	})
}

// change locks one customer, lets merge change its record, and saves what changed.
func (s *Service) change(ctx context.Context, v *viewer.Viewer, id uuid.UUID, entry func(*Record, []string) audit.Change, reason string,
	merge func(tx *db.Tx, r *Record) error) (*Customer, error) {
	var row *Customer
	err := s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		tx.Keep(&row)
		r, err := LockByID(ctx, tx, v.Scope(), id)
		if err != nil {
			return input.NoSuch(err, "customer", "input", "id")
		}
		if err := merge(tx, r); err != nil {
			return err
		}
		row = &r.Customer
		return db.Refused(s.Save(ctx, tx, v, Batch{Records: []*Record{r}, Entry: entry, Reason: reason}), "input")
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
	// err is the first failure of a section; those after it are left out.
	err error
}

// merge applies the whole input to the record and collects what is wrong with it.
func (u *update) merge(ctx context.Context, in *UpdateInput) error {
	cu, c := &u.r.Customer, u.c
	input.Optional(in.ReferenceID, &cu.ReferenceID, func(text string) (string, bool) { return input.Given(input.Reference(c.At("referenceId"), text)) })
	input.ClearKeyAt(c, "debtorId", in.DebtorID, MaxText, &cu.DebtorID)
	input.ClearAt(c, "abbreviation", in.Abbreviation, MaxShort, &cu.Abbreviation)
	input.ClearAt(c, "title", in.Title, MaxShort, &cu.Title)
	optional(in.Gender, &cu.Gender)
	u.r.mergeMetadata(c, in.ExternalMetadata, checkJSON)
	u.mergePhone(in.Phone)
	u.mergeAddress(in.Address)
	if c := u.c.At("consent"); notNull(c, in.Consent) {
		u.r.MergeConsent(c, u.v, u.tx.Now, in.Consent.Value())
	}
	if err := u.mergeShared(in); err != nil {
		return err
	}
	return u.mergeSections(ctx, in)
}

// mergeShared applies the fields that a sync has too, by its rules.
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
		if path[0] == "timezone" {
			path = []string{"timeZone"}
		}
		u.c.At(path...).Add(e.Code, "%s", e.Message)
	}
	return nil
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

// optional takes a value that may be cleared and has no form of its own.
func optional[T any](in graphql.Omittable[*T], to **T) {
	if in.IsSet() {
		*to = in.Value()
	}
}

// notNull reports whether a value was sent, and records a null where there must be a value.
func notNull[T any](c *fault.Check, in graphql.Omittable[*T]) bool {
	if in.IsSet() && in.Value() == nil {
		c.Add(fault.Required, "It cannot be null; give a value, or leave it out.")
	}
	return in.Value() != nil
}

// mergeAddress changes the primary address; null removes it.
func (u *update) mergeAddress(in graphql.Omittable[*AddressInput]) {
	if !in.IsSet() {
		return
	}
	if in.Value() == nil {
		u.r.Address = nil
		return
	}
	u.r.MergePrimaryAddress(u.c.At("address"), in.Value(), plainNames)
}
