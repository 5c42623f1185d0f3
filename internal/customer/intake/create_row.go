package intake

import (
	"time"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/batch"
	"caseload/internal/civil"
	"caseload/internal/customer"
	"caseload/internal/customer/check"
	"caseload/internal/fault"
	"caseload/internal/input"
)

// createRow is one customer of a call, with what can be read of it without the database.
type createRow struct {
	in    *CreateRow
	check *fault.Check
	// key and reference are what the customer is known by; what was not sent, or is wrong, is empty.
	key       customer.SourceKey
	reference string
	// parent is who was named, nil when nobody was.
	parent *customer.SourceKey
	// usable tells that the row may be written at all: its customer is known for sure, and lives.
	usable   bool
	mentions []*accountRow
	// accounts are those of the mentions that were applied.
	accounts []*foldedAccount
	result   UpsertResult
}

// The fields by which a customer is looked up.
const (
	lookupSourceCustomerID = "sourceCustomerId"
	lookupReferenceID      = "referenceId"
)

func readCreateRow(i int, in *CreateRow, c *fault.Check) *createRow {
	row := &createRow{in: in, check: c, result: UpsertResult{Index: int32(i), Action: batch.Failed, LookupKey: lookupSourceCustomerID}}
	if in == nil {
		row.in = &CreateRow{}
		c.Add(fault.Required, "Give a customer.")
		return row
	}
	row.readKeys()
	accounts := in.Accounts.Value()
	if at := row.check.At("accounts"); len(accounts) > maxParts {
		at.Add(fault.LimitExceeded, "Give at most %d accounts of a customer in one call.", maxParts)
	} else {
		for n, account := range accounts {
			row.mentions = append(row.mentions, readAccount(at.Index(n), account, row.key))
		}
	}
	return row
}

// readKeys reads what the customer is known by. Null is like absent here: a key cannot be cleared by the row that it
// leads to.
func (r *createRow) readKeys() {
	c, in := r.check, r.in
	organization, id, reference := in.SourceOrganizationID.Value(), in.SourceCustomerID.Value(), in.ReferenceID.Value()
	if organization != nil {
		at := c.At("sourceOrganizationId")
		if source := check.Source(at, *organization); source != "" && !organizationForm.MatchString(source) {
			at.Add(fault.Invalid, "An organization is digits only, such as 50004.")
		} else {
			r.key.Source = source
		}
	}
	if id != nil {
		r.key.SourceID = check.SourceID(c.At(lookupSourceCustomerID), *id)
	}
	if reference != nil {
		r.reference = input.Reference(c.At(lookupReferenceID), *reference)
	}
	switch {
	case id != nil && organization == nil:
		c.At("sourceOrganizationId").Add(fault.Required, "Give the organization in the source system with sourceCustomerId.")
	case id == nil && reference == nil:
		c.At(lookupSourceCustomerID).Add(fault.Required, "Give sourceCustomerId and sourceOrganizationId, or referenceId.")
	case id == nil && (len(in.Accounts.Value()) > 0 || in.SourceParentCustomerID.Value() != nil || in.CustomerCreationDate.Value() != nil):
		c.At(lookupSourceCustomerID).Add(fault.Required, "Give sourceCustomerId too: accounts, the parent and the date of creation belong to the customer in the source system.")
	}
	r.usable = c.OK()
	if parent := in.SourceParentCustomerID.Value(); parent != nil {
		at := c.At("sourceParentCustomerId")
		switch parentID := check.SourceID(at, *parent); {
		case parentID == "":
		case parentID == r.key.SourceID:
			at.Add(fault.Invalid, "A customer is not its own parent.")
		case r.usable:
			r.parent = &customer.SourceKey{Source: r.key.Source, SourceID: parentID}
		}
	}
	// A key that is wrong may be anything, so it is not repeated.
	switch {
	case r.key.SourceID != "":
		r.result.Key = r.key.SourceID
	case r.reference != "":
		r.result.Key, r.result.LookupKey = r.reference, lookupReferenceID
	}
}

// changesAccounts reports whether an account that the row mentions, or a card of it, was written.
func (r *createRow) changesAccounts() bool {
	for _, a := range r.accounts {
		if len(a.changed) > 0 || a.changesCards() {
			return true
		}
	}
	return false
}

// addressOfRow are the names of an address in a row.
var addressOfRow = customer.AddressNames{
	Line1: "streetAddress1", Line2: "streetAddress2", City: "city", County: "county", State: "state", PostalCode: "postalCode", Country: "country",
}

// examine applies the fields of a row to its customer and collects all that is wrong with them.
func (b *createBatch) examine(row *createRow, c *created) error {
	in, r := row.in, c.record
	fields := customer.Fields{
		FirstName: in.FirstName, MiddleName: in.MiddleName, LastName: in.LastName, Email: in.Email, Birthday: in.Birthday, SSNLastFour: in.SSNLastFour,
		SSN: in.SSN, PhoneNumber: in.PhoneNumber, Timezone: in.Timezone, Language: in.Language, IsTest: in.IsTest, Test: in.Test, ExternalMetadata: in.ExternalMetadata,
	}
	if err := r.Merge(&fields, row.check, b.s.customers.Sealer(), civil.DateIn(b.tx.Now, time.UTC)); err != nil {
		return err
	}
	if (in.IsTest.IsSet() || in.Test.IsSet()) && in.IsTest.Value() == nil && in.Test.Value() == nil {
		r.Customer.IsTest = false
	}
	c.marked.Add(r.MergeConsent(row.check, b.v, b.tx.Now, &customer.UpdateConsentInput{DoNotCall: in.DoNotCall, DoNotSMS: in.DoNotSMS, DoNotEmail: in.DoNotEmail, DoNotMail: in.DoNotMail}))
	r.MergePrimaryAddress(row.check, &customer.AddressInput{Line1: in.StreetAddress1, Line2: in.StreetAddress2, City: in.City, State: in.State, PostalCode: in.PostalCode, Country: in.Country}, addressOfRow)
	c.program.merge(row.check, in)
	made := check.Instant(row.check, "customerCreationDate", in.CustomerCreationDate)
	if !row.usable {
		return nil
	}
	if row.reference != "" {
		r.Customer.ReferenceID = &row.reference
	}
	if row.key.SourceID != "" {
		r.Identify(row.key, func(i *customer.Identifier) { i.SourceCreatedAt = or(made, i.SourceCreatedAt) })
	}
	switch sent := in.SourceParentCustomerID; {
	case row.parent != nil:
		b.family.adopt(row.check.At("sourceParentCustomerId"), r, row.key, *row.parent)
	case sent.IsSet() && sent.Value() == nil:
		b.family.orphan(r)
	}
	return nil
}

// find returns the customer that a row means, or nil when nobody is known by its keys. A customer who must not be
// written makes the row unusable.
func (b *createBatch) find(row *createRow) *created {
	if !row.usable {
		return nil
	}
	byKey, byReference := b.byKey[row.key], b.byReference[row.reference]
	if row.key.SourceID == "" {
		byKey = nil
	}
	if row.reference == "" {
		byReference = nil
	}
	at := row.check.At(row.result.LookupKey)
	c := byKey
	switch {
	case byKey == nil:
		c = byReference
	case byReference != nil && byReference != byKey:
		row.check.At(lookupReferenceID).Add(fault.Taken, "Another customer has this reference id: sourceCustomerId and referenceId must mean the same customer.")
		row.usable = false
		return nil
	case row.reference != "" && byReference == nil && byKey.record.Customer.ReferenceID != nil:
		row.check.At(lookupReferenceID).Add(fault.Invalid, "The customer has another reference id. Change it with updateCustomer, or leave it out.")
		row.usable = false
		return nil
	}
	if c != nil && !customer.CheckLive(at, &c.record.Customer) {
		row.usable = false
		return nil
	}
	return c
}

// register makes the customer of a row that is written known by its keys.
func (b *createBatch) register(row *createRow, c *created) {
	if row.reference != "" {
		b.byReference[row.reference] = c
	}
	if row.key.SourceID != "" && b.byKey[row.key] == nil {
		b.byKey[row.key] = c
		b.family.arrive(c.record, row.key)
	}
}

// program is the alert program of a customer, as it is stored and as it shall be.
type program struct {
	row    customer.AlertProgram
	stored *customer.AlertProgram
}

// merge applies what a row says of the program.
func (p *program) merge(c *fault.Check, in *CreateRow) {
	starts, ends := check.Instant(c, "enrollmentStartDate", in.EnrollmentStartDate), check.Instant(c, "enrollmentEndDate", in.EnrollmentEndDate)
	from, until := or(starts, p.row.EnrollmentStartsAt), or(ends, p.row.EnrollmentEndsAt)
	if from != nil && until != nil && until.Before(*from) {
		if !c.Has("enrollmentStartDate") && !c.Has("enrollmentEndDate") {
			c.At("enrollmentEndDate").Add(fault.OutOfRange, "An enrollment does not end before it starts.")
		}
	} else {
		p.row.EnrollmentStartsAt, p.row.EnrollmentEndsAt = from, until
	}
	check.OptionalWord(c, "enrollmentOptInStatus", in.EnrollmentOptInStatus, "ACTIVE", &p.row.OptInStatus)
	check.OptionalWord(c, "targetingIndicator", in.TargetingIndicator, "TARGET", &p.row.TargetingIndicator)
	p.mergeOptIns(c.At("alertOptInStatus"), in.AlertOptInStatus)
}

func (p *program) mergeOptIns(c *fault.Check, in graphql.Omittable[[]string]) {
	if !in.IsSet() {
		return
	}
	words, before := []string{}, len(c.Errors())
	if len(in.Value()) > maxParts {
		c.Add(fault.LimitExceeded, "Give at most %d alerts.", maxParts)
		return
	}
	seen := map[string]bool{}
	for i, w := range in.Value() {
		if w = check.Word(c.Index(i), w, "ALL"); w != "" && !seen[w] {
			seen[w], words = true, append(words, w)
		}
	}
	if seen["ALL"] && len(seen) > 1 {
		c.Add(fault.Invalid, "ALL stands alone: it includes every other alert.")
	}
	if len(c.Errors()) == before {
		p.row.AlertOptIns = words
	}
}
