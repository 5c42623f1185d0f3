package customer

import (
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/fault"
	"caseload/internal/input"
)

// AddressInput is one address of a list.
type AddressInput struct {
	Label      graphql.Omittable[*AddressLabel]
	Line1      graphql.Omittable[*string]
	Line2      graphql.Omittable[*string]
	City       graphql.Omittable[*string]
	County     graphql.Omittable[*string]
	State      graphql.Omittable[*string]
	PostalCode graphql.Omittable[*string]
	Country    graphql.Omittable[*string]
}

// homeCountry is where an address is that names no country.
const homeCountry = "US"

// AddressNames are the names that the fields of an address have in an input, for the paths of errors.
type AddressNames struct{ Line1, Line2, City, County, State, PostalCode, Country string }

// plainNames are the names of an address that is an object of its own.
var plainNames = AddressNames{"line1", "line2", "city", "county", "state", "postalCode", "country"}

// mergeInto applies what was sent to an address: absent keeps, null clears, and the country cannot be cleared. States
// and ZIP codes are checked by the rules of the United States there, by length alone elsewhere. A field with an
// error keeps its value. It reports whether something was sent without an error. The label is left alone.
func (in *AddressInput) mergeInto(c *fault.Check, a *Address, names AddressNames) bool {
	set := input.ClearAt(c, names.Line1, in.Line1, MaxText, &a.Line1)
	set = input.ClearAt(c, names.Line2, in.Line2, MaxText, &a.Line2) || set
	set = input.ClearAt(c, names.City, in.City, MaxText, &a.City) || set
	set = input.ClearAt(c, names.County, in.County, MaxText, &a.County) || set
	if a.Country == "" {
		a.Country = homeCountry
	}
	before := a.Country
	switch country := (*string)(nil); {
	case in.Country.IsSet() && in.Country.Value() == nil:
		c.At(names.Country).Add(fault.Required, "An address has a country; it cannot be cleared.")
	case input.ClearAt(c, names.Country, in.Country, MaxText, &country):
		if code := strings.ToUpper(*country); IsCountry(code) {
			a.Country, set = code, true
		} else {
			c.At(names.Country).Add(fault.Invalid, "Give the country as an ISO 3166-1 alpha-2 code, such as US.")
		}
	}
	if c.Has(names.Country) {
		// Which rules hold for the rest cannot be known.
		return set
	}
	return in.mergeRegion(c, a, names, a.Country != before) || set
}

// mergeRegion applies what depends on the country.
func (in *AddressInput) mergeRegion(c *fault.Check, a *Address, names AddressNames, moved bool) (set bool) {
	home := a.Country == homeCountry
	state := a.State
	if input.ClearAt(c, names.State, in.State, MaxShort, &state) {
		if state != nil && home {
			upper := strings.ToUpper(*state)
			state = &upper
		}
		if state != nil && home && !IsState(*state) {
			c.At(names.State).Add(fault.Invalid, "Give the two-letter code of a state or territory, such as CA.")
		} else {
			a.State, set = state, true
		}
	} else if moved && home && !in.State.IsSet() && state != nil && !IsState(*state) {
		c.At(names.State).Add(fault.Required, "Give the state too: the one that is stored is of another country.")
	}
	code := a.PostalCode
	if input.ClearAt(c, names.PostalCode, in.PostalCode, maxPostalCode, &code) {
		if code != nil && home && !zipForm.MatchString(*code) {
			c.At(names.PostalCode).Add(fault.Invalid, "Give a ZIP code of 5 or 5+4 digits, such as 94102 or 94102-1234.")
		} else {
			a.PostalCode, set = code, true
		}
	} else if moved && home && !in.PostalCode.IsSet() && code != nil && !zipForm.MatchString(*code) {
		c.At(names.PostalCode).Add(fault.Required, "Give the ZIP code too: the postal code that is stored is of another country.")
	}
	return set
}

// isBlank reports whether an address says nothing but its label and country.
func (a *Address) isBlank() bool {
	return a.Line1 == nil && a.Line2 == nil && a.City == nil && a.County == nil && a.State == nil && a.PostalCode == nil
}

// MergePrimaryAddress applies what was sent of the primary address: absent keeps, null clears. Nulls alone make no address.
// What is wrong is recorded below c, at the names that the fields have in the input.
func (r *Record) MergePrimaryAddress(c *fault.Check, in *AddressInput, names AddressNames) {
	if *in == (AddressInput{}) {
		return
	}
	a := Address{Label: Primary}
	if r.Address != nil {
		a = *r.Address
	}
	if in.mergeInto(c, &a, names) && (r.Address != nil || !a.isBlank() || in.Country.Value() != nil) {
		r.Address = &a
	}
}

// maxAddresses is how many labels there are.
var maxAddresses = len(AddressLabels)

// MergeAddresses puts a list in the place of all addresses; none and null clear them. A list with an error is not
// taken at all: taken in part it would remove what it does not name.
func (r *Record) MergeAddresses(c *fault.Check, in graphql.Omittable[[]*AddressInput]) {
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

// readAddress reads one address of a list, which has all of the address: absent means none. The address is the stored
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
	stored := labelled(r.stored.addresses(), a.Label)
	if sameAddress(stored, &a) {
		return stored
	}
	if stored != nil {
		a.Row, a.CustomerID, a.CreatedAt = stored.Row, stored.CustomerID, stored.CreatedAt
	}
	return &a
}
