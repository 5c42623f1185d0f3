package intake

import (
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/bulk"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
)

// CreateKeys are the keys that a customer may have in a file for createCustomers, by the names of the source document.
// organizationId is what the graph calls sourceOrganizationId; both are taken.
func CreateKeys() []bulk.Key {
	of := func(typ bulk.Type, names string) (keys []bulk.Key) {
		for _, name := range strings.Fields(names) {
			keys = append(keys, bulk.Key{Name: name, Type: typ})
		}
		return keys
	}
	texts := func(names string) []bulk.Key { return of(bulk.Text, names) }
	cards := texts("sourceAccountId sourceCustomerId last4 iin cardType status networkIdentifier openDate closeDate")
	accounts := append(texts("sourceAccountId primarySourceCustomerId status type sourcePortfolioId accountNumber accountOpenDate accountCloseDate"),
		bulk.Key{Name: "sourceCustomerIds", Type: bulk.Array}, bulk.Key{Name: "cards", Type: bulk.Array, Keys: cards})
	keys := append(texts(`organizationId sourceOrganizationId sourceCustomerId sourceParentCustomerId referenceId
			firstName middleName lastName email birthday ssnLastFour ssn phoneNumber timezone language
			streetAddress1 streetAddress2 city state postalCode country customerCreationDate
			enrollmentStartDate enrollmentEndDate enrollmentOptInStatus targetingIndicator`),
		of(bulk.Boolean, "doNotCall doNotSms doNotEmail doNotMail isTest test")...)
	return append(keys, bulk.Key{Name: "externalMetadata", Type: bulk.Any},
		bulk.Key{Name: "alertOptInStatus", Type: bulk.Array}, bulk.Key{Name: "accounts", Type: bulk.Array, Keys: accounts})
}

// DecodeCreateRow reads a customer from a JSON object with [CreateKeys]. What has the wrong type comes back as user
// errors, with paths below the row, beside a row that must not be applied; there is none where there is no object.
// Everything else is judged when the row is applied. A key that is not permitted is passed over: a file with one is
// refused before.
func DecodeCreateRow(text []byte) (*CreateRow, fault.UserErrors) {
	c := fault.NewCheck()
	f, ok := bulk.ReadFields(text, c)
	if !ok {
		return nil, c.Errors()
	}
	row := &CreateRow{
		SourceOrganizationID: f.Text("sourceOrganizationId"), SourceCustomerID: f.Text("sourceCustomerId"), SourceParentCustomerID: f.Text("sourceParentCustomerId"),
		ReferenceID: f.Text("referenceId"), FirstName: f.Text("firstName"), MiddleName: f.Text("middleName"), LastName: f.Text("lastName"),
		Email: f.Text("email"), Birthday: f.Text("birthday"), SSNLastFour: f.Text("ssnLastFour"), SSN: f.Text("ssn"), PhoneNumber: f.Text("phoneNumber"),
		Timezone: f.Text("timezone"), Language: f.Text("language"), StreetAddress1: f.Text("streetAddress1"), StreetAddress2: f.Text("streetAddress2"),
		City: f.Text("city"), State: f.Text("state"), PostalCode: f.Text("postalCode"), Country: f.Text("country"),
		CustomerCreationDate: f.Text("customerCreationDate"), EnrollmentStartDate: f.Text("enrollmentStartDate"), EnrollmentEndDate: f.Text("enrollmentEndDate"),
		EnrollmentOptInStatus: f.Text("enrollmentOptInStatus"), AlertOptInStatus: f.Texts("alertOptInStatus"), TargetingIndicator: f.Text("targetingIndicator"),
		DoNotCall: f.Boolean("doNotCall"), DoNotSMS: f.Boolean("doNotSms"), DoNotEmail: f.Boolean("doNotEmail"), DoNotMail: f.Boolean("doNotMail"),
		IsTest: f.Boolean("isTest"), Test: f.Boolean("test"),
	}
	if metadata, set := f.JSON("externalMetadata"); set {
		row.ExternalMetadata = graphql.OmittableOf(db.JSON(metadata))
	}
	if own := f.Text("organizationId"); own.IsSet() {
		if row.SourceOrganizationID.IsSet() && !customer.Same(row.SourceOrganizationID.Value(), own.Value()) {
			c.At("organizationId").Add(fault.DuplicateInputItem, "organizationId and sourceOrganizationId are the same thing; send one of them, or both alike.")
		}
		row.SourceOrganizationID = own
	}
	if accounts, set := f.Each("accounts"); set {
		var list []*AccountInput
		for _, a := range accounts {
			list = append(list, accountOf(a))
		}
		row.Accounts = graphql.OmittableOf(list)
	}
	return row, c.Errors()
}

func accountOf(f bulk.Fields) *AccountInput {
	a := &AccountInput{
		SourceAccountID: f.Plain("sourceAccountId"), SourceCustomerIDs: f.Texts("sourceCustomerIds").Value(), PrimarySourceCustomerID: f.Plain("primarySourceCustomerId"),
		Status: f.Plain("status"), Type: f.Plain("type"), SourcePortfolioID: f.Text("sourcePortfolioId"), AccountNumber: f.Text("accountNumber"),
		AccountOpenDate: f.Text("accountOpenDate"), AccountCloseDate: f.Text("accountCloseDate"),
	}
	if cards, set := f.Each("cards"); set {
		var list []*CardInput
		for _, k := range cards {
			list = append(list, &CardInput{
				SourceAccountID: k.Text("sourceAccountId"), SourceCustomerID: k.Plain("sourceCustomerId"), Last4: k.Plain("last4"), IIN: k.Plain("iin"),
				CardType: k.Plain("cardType"), Status: k.Plain("status"), NetworkIdentifier: k.Text("networkIdentifier"), OpenDate: k.Plain("openDate"), CloseDate: k.Text("closeDate"),
			})
		}
		a.Cards = graphql.OmittableOf(list)
	}
	return a
}
