package intake

import (
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/bulk"
	"caseload/internal/customer"
	"caseload/internal/fault"
)

// UpsertKeys are the keys that a customer may have in a file for bulkUpsertCustomers: those of the source document, with
// what the graph adds. address is for one address alone.
func UpsertKeys() []bulk.Key {
	texts := func(names string) (keys []bulk.Key) {
		for _, name := range strings.Fields(names) {
			keys = append(keys, bulk.Key{Name: name})
		}
		return keys
	}
	address := texts("label line1 line2 city county state postalCode country")
	return append(texts(`source sourceId sourceUpdatedAt clientRef debtorId firstName middleName lastName abbreviation title
			dateOfBirth gender ssn phone email primaryLanguage`),
		bulk.Key{Name: "parent", Type: bulk.Object, Keys: texts("source sourceId language")},
		bulk.Key{Name: "addresses", Type: bulk.Array, Keys: address}, bulk.Key{Name: "address", Type: bulk.Object, Keys: address})
}

// DecodeUpsertRow reads a customer from a JSON object with [UpsertKeys]. What has the wrong type comes back as user
// errors, with paths below the row, beside a row that must not be applied; there is none where there is no object.
// Everything else is judged when the row is applied. A key that is not permitted is passed over: a file with one is
// refused before.
func DecodeUpsertRow(text []byte) (*UpsertRow, fault.UserErrors) {
	c := fault.NewCheck()
	f, ok := bulk.ReadFields(text, c)
	if !ok {
		return nil, c.Errors()
	}
	row := &UpsertRow{
		SourceID: f.Plain("sourceId"), Source: f.Text("source"), SourceUpdatedAt: f.Text("sourceUpdatedAt"), ClientRef: f.Text("clientRef"),
		DebtorID: f.Text("debtorId"), FirstName: f.Text("firstName"), MiddleName: f.Text("middleName"), LastName: f.Text("lastName"),
		Abbreviation: f.Text("abbreviation"), Title: f.Text("title"), DateOfBirth: f.Text("dateOfBirth"), Gender: f.Text("gender"), SSN: f.Text("ssn"),
		Phone: f.Text("phone"), Email: f.Text("email"), PrimaryLanguage: f.Text("primaryLanguage"),
	}
	if parent, isNull, set := f.Below("parent"); isNull {
		row.Parent = graphql.OmittableOf[*ParentInput](nil)
	} else if set {
		row.Parent = graphql.OmittableOf(&ParentInput{Source: parent.Text("source"), SourceID: parent.Plain("sourceId"), Language: parent.Text("language")})
	}
	readAddresses(f, row)
	return row, c.Errors()
}

// readAddresses reads the list of addresses, or the object that stands for a list of one: in CSV, where most
// customers have one address, its columns are address.line1 and so on.
func readAddresses(f bulk.Fields, row *UpsertRow) {
	addresses, set := f.Each("addresses")
	list := make([]*customer.AddressInput, len(addresses))
	for i, a := range addresses {
		list[i] = addressOf(a)
	}
	if address, isNull, alone := f.Below("address"); alone {
		if set {
			f.At("address").Add(fault.DuplicateInputItem, "address stands for addresses with one element; send one of them.")
		}
		set, list = true, nil
		if !isNull {
			list = []*customer.AddressInput{addressOf(address)}
		}
	}
	if set {
		row.Addresses = graphql.OmittableOf(list)
	}
}

func addressOf(f bulk.Fields) *customer.AddressInput {
	a := &customer.AddressInput{
		Line1: f.Text("line1"), Line2: f.Text("line2"), City: f.Text("city"), County: f.Text("county"),
		State: f.Text("state"), PostalCode: f.Text("postalCode"), Country: f.Text("country"),
	}
	if label := f.Text("label"); label.IsSet() {
		a.Label = graphql.OmittableOf((*customer.AddressLabel)(label.Value()))
	}
	return a
}
