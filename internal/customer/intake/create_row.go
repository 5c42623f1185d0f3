package intake

import (
	"cmp"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/lib/pq"

	"caseload/internal/batch"
	"caseload/internal/civil"
	"caseload/internal/customer"
	"caseload/internal/fault"
	"caseload/internal/input"
)

// createRow is one customer of a call.
type createRow struct {
	row
	// in is a copy, without the accounts: those are in mentions.
	in       *CreateRow
	mentions []*accountRow
	// accounts are those of the mentions that were applied.
	accounts []*pendingAccount
}

// The fields by which a customer is looked up.
const (
	lookupSourceCustomerID = "sourceCustomerId"
	lookupReferenceID      = "referenceId"
)

// readCreateRow reads a row and checks what can be checked without the database.
func readCreateRow(in *CreateRow, c *fault.Check) *createRow {
	r := &createRow{in: &CreateRow{}, row: row{check: c, result: UpsertResult{Action: batch.Failed, LookupKey: lookupSourceCustomerID}}}
	if in == nil {
		c.Add(fault.Required, "Give a customer.")
		return r
	}
	*r.in = *in
	r.identity = func() (string, graphql.Omittable[*string], graphql.Omittable[*string]) {
		return "birthday", in.Birthday, in.SSN
	}
	r.readKeys()
	accounts := in.Accounts.Value()
	if at := c.At("accounts"); len(accounts) > maxParts {
		at.Add(fault.LimitExceeded, "Give at most %d accounts of a customer in one call.", maxParts)
	} else {
		for n, account := range accounts {
			r.mentions = append(r.mentions, readAccount(at.Index(n), account, r.key))
		}
	}
	r.in.Accounts = graphql.Omittable[[]*AccountInput]{}
	return r
}

// copy is the row of one try.
func (r *createRow) copy(index int) *createRow {
	own := *r
	own.again(index)
	own.mentions = make([]*accountRow, len(r.mentions))
	for i, m := range r.mentions {
		own.mentions[i] = m.copy(own.check.At("accounts").Index(i))
	}
	return &own
}

// readKeys reads what the customer is known by. Null is like absent here: a key cannot be cleared by the row that it
// leads to.
func (r *createRow) readKeys() {
	c, in := r.check, r.in
	organization, id, reference := in.SourceOrganizationID.Value(), in.SourceCustomerID.Value(), in.ReferenceID.Value()
	if organization != nil {
		r.key.Source = readOrganization(c.At("sourceOrganizationId"), *organization)
	}
	if id != nil {
		r.key.SourceID = readSourceID(c.At(lookupSourceCustomerID), *id)
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
		switch parentID := readSourceID(at, *parent); {
		case parentID == "":
		case parentID == r.key.SourceID:
			at.Add(fault.Invalid, "A customer is not its own parent.")
		case r.usable:
			r.parent = customer.SourceKey{Source: r.key.Source, SourceID: parentID}
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

// addressOfRow are the names of an address in a row.
var addressOfRow = customer.AddressNames{
	Line1: "streetAddress1", Line2: "streetAddress2", City: "city", County: "county", State: "state", PostalCode: "postalCode", Country: "country",
}

// examine applies the fields of a row to its customer and collects all that is wrong with them.
func (b *createBatch) examine(row *createRow, r *customer.Record) error {
	in, c := row.in, row.check
	fields := customer.Fields{
		FirstName: in.FirstName, MiddleName: in.MiddleName, LastName: in.LastName, Email: in.Email, Birthday: in.Birthday, SSNLastFour: in.SSNLastFour,
		SSN: in.SSN, PhoneNumber: in.PhoneNumber, Timezone: in.Timezone, Language: in.Language, IsTest: in.IsTest, Test: in.Test, ExternalMetadata: in.ExternalMetadata,
	}
	if err := r.Merge(&fields, c, b.s.customers.Sealer(), civil.DateIn(b.tx.Now, time.UTC)); err != nil {
		return err
	}
	if (in.IsTest.IsSet() || in.Test.IsSet()) && in.IsTest.Value() == nil && in.Test.Value() == nil {
		r.Customer.IsTest = false
	}
	r.MergeConsent(c, b.v, b.tx.Now, &in.UpdateConsentInput)
	r.MergePrimaryAddress(c, &customer.AddressInput{Line1: in.StreetAddress1, Line2: in.StreetAddress2, City: in.City, State: in.State, PostalCode: in.PostalCode, Country: in.Country}, addressOfRow)
	if row.namesProgram() {
		row.mergeProgram(r)
	}
	made := readMoment(c, "customerCreationDate", in.CustomerCreationDate)
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
	case row.parent != (customer.SourceKey{}):
		b.parents.set(c.At("sourceParentCustomerId"), r, row.key, row.parent)
	case sent.IsSet() && sent.Value() == nil:
		r.Customer.CopyParent(&customer.Customer{})
	}
	return nil
}

// find returns the customer that a row means, or nil when nobody is known by its keys. A customer who must not be
// written makes the row unusable.
func (b *createBatch) find(row *createRow) *customer.Record {
	if !row.usable {
		return nil
	}
	var byKey, byReference *customer.Record
	if row.key.SourceID != "" {
		byKey = b.byKey[row.key]
	}
	if row.reference != "" {
		byReference = b.byReference[row.reference]
	}
	r := cmp.Or(byKey, byReference)
	at, errorsBefore := row.check.At(lookupReferenceID), len(row.check.Errors())
	switch {
	case byKey == nil || row.reference == "":
	case byReference == nil && byKey.Customer.ReferenceID != nil:
		at.Add(fault.Invalid, "The customer has another reference id. Change it with updateCustomer, or leave it out.")
	case byReference != nil && byReference != byKey:
		at.Add(fault.Taken, "Another customer has this reference id: sourceCustomerId and referenceId must mean the same customer.")
	}
	if len(row.check.Errors()) > errorsBefore || r != nil && !customer.CheckLive(row.check.At(row.result.LookupKey), &r.Customer) {
		row.usable = false
		return nil
	}
	return r
}

// register makes the customer of a row that is written known by its keys.
func (b *createBatch) register(row *createRow, r *customer.Record) {
	if row.reference != "" {
		b.byReference[row.reference] = r
	}
	if row.key.SourceID != "" && b.byKey[row.key] == nil {
		b.byKey[row.key] = r
		b.parents.add(r, row.key)
	}
}

// namesProgram reports whether the row has a field of the alert program.
func (r *createRow) namesProgram() bool {
	in := r.in
	return in.EnrollmentStartDate.IsSet() || in.EnrollmentEndDate.IsSet() || in.EnrollmentOptInStatus.IsSet() || in.AlertOptInStatus.IsSet() || in.TargetingIndicator.IsSet()
}

// mergeProgram applies the fields of the alert program.
func (r *createRow) mergeProgram(to *customer.Record) {
	c, in, p := r.check, r.in, customer.AlertProgramSection.Get(to)
	starts, ends := readMoment(c, "enrollmentStartDate", in.EnrollmentStartDate), readMoment(c, "enrollmentEndDate", in.EnrollmentEndDate)
	from, until := or(starts, p.EnrollmentStartsAt), or(ends, p.EnrollmentEndsAt)
	if from != nil && until != nil && until.Before(*from) {
		if !c.Has("enrollmentStartDate") && !c.Has("enrollmentEndDate") {
			c.At("enrollmentEndDate").Add(fault.OutOfRange, "An enrollment does not end before it starts.")
		}
	} else {
		p.EnrollmentStartsAt, p.EnrollmentEndsAt = from, until
	}
	word := func(field string, in graphql.Omittable[*string], example string, to **string) {
		input.Optional(in, to, func(text string) (string, bool) { return input.Given(readWord(c.At(field), text, example)) })
	}
	word("enrollmentOptInStatus", in.EnrollmentOptInStatus, "ACTIVE", &p.OptInStatus)
	word("targetingIndicator", in.TargetingIndicator, "TARGET", &p.TargetingIndicator)
	if words, ok := readOptIns(c.At("alertOptInStatus"), in.AlertOptInStatus); ok {
		p.AlertOptIns = words
	} else if p.AlertOptIns == nil {
		p.AlertOptIns = pq.StringArray{}
	}
	customer.AlertProgramSection.Set(to, p)
}

// readOptIns reads the alerts of a program; ok reports whether they were sent and nothing is wrong with them.
func readOptIns(c *fault.Check, in graphql.Omittable[[]string]) (words pq.StringArray, ok bool) {
	if len(in.Value()) > maxParts {
		c.Add(fault.LimitExceeded, "Give at most %d alerts.", maxParts)
		return nil, false
	}
	before := len(c.Errors())
	words = pq.StringArray{}
	for i, w := range in.Value() {
		if w = readWord(c.Index(i), w, "ALL"); w != "" && !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	if len(words) > 1 && slices.Contains(words, "ALL") {
		c.Add(fault.Invalid, "ALL stands alone: it includes every other alert.")
	}
	return words, in.IsSet() && len(c.Errors()) == before
}
