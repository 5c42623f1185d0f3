package customer

import (
	"strings"

	"caseload/internal/fault"
)

// homeCountry is where an address is that names no country.
const homeCountry = "US"

// addressNames are the names that the fields of an address have in an input, for the paths of errors.
type addressNames struct{ line1, line2, city, county, state, postalCode, country string }

// plainNames are the names of an address that is an object of its own.
var plainNames = addressNames{"line1", "line2", "city", "county", "state", "postalCode", "country"}

// mergeInto applies what was sent to an address: absent keeps, null clears, and the country cannot be cleared. States
// and ZIP codes are judged by the rules of the United States there, by length alone elsewhere. A field with an
// error keeps its value. It reports whether something was sent without an error. The label is left alone.
func (in *AddressInput) mergeInto(c *fault.Check, a *Address, names addressNames) bool {
	set := text(c, names.line1, in.Line1, maxText, &a.Line1)
	set = text(c, names.line2, in.Line2, maxText, &a.Line2) || set
	set = text(c, names.city, in.City, maxText, &a.City) || set
	set = text(c, names.county, in.County, maxText, &a.County) || set
	if a.Country == "" {
		a.Country = homeCountry
	}
	before := a.Country
	switch country := (*string)(nil); {
	case in.Country.IsSet() && in.Country.Value() == nil:
		c.At(names.country).Add(fault.Required, "An address has a country; it cannot be cleared.")
	case text(c, names.country, in.Country, maxText, &country):
		if code := strings.ToUpper(*country); IsCountry(code) {
			a.Country, set = code, true
		} else {
			c.At(names.country).Add(fault.Invalid, "Give the country as an ISO 3166-1 alpha-2 code, such as US.")
		}
	}
	if c.Has(names.country) {
		// Which rules hold for the rest cannot be known.
		return set
	}
	return in.mergeRegion(c, a, names, a.Country != before) || set
}

// mergeRegion applies what depends on the country.
func (in *AddressInput) mergeRegion(c *fault.Check, a *Address, names addressNames, moved bool) (set bool) {
	home := a.Country == homeCountry
	state := a.State
	if text(c, names.state, in.State, maxShort, &state) {
		if state != nil && home {
			upper := strings.ToUpper(*state)
			state = &upper
		}
		if state != nil && home && !IsState(*state) {
			c.At(names.state).Add(fault.Invalid, "Give the two-letter code of a state or territory, such as CA.")
		} else {
			a.State, set = state, true
		}
	} else if moved && home && !in.State.IsSet() && state != nil && !IsState(*state) {
		c.At(names.state).Add(fault.Required, "Give the state too: the one that is stored is of another country.")
	}
	code := a.PostalCode
	if text(c, names.postalCode, in.PostalCode, maxPostalCode, &code) {
		if code != nil && home && !zipForm.MatchString(*code) {
			c.At(names.postalCode).Add(fault.Invalid, "Give a ZIP code of 5 or 5+4 digits, such as 94102 or 94102-1234.")
		} else {
			a.PostalCode, set = code, true
		}
	} else if moved && home && !in.PostalCode.IsSet() && code != nil && !zipForm.MatchString(*code) {
		c.At(names.postalCode).Add(fault.Required, "Give the ZIP code too: the postal code that is stored is of another country.")
	}
	return set
}

// isBlank reports whether an address says nothing but its label and country.
func (a *Address) isBlank() bool {
	return a.Line1 == nil && a.Line2 == nil && a.City == nil && a.County == nil && a.State == nil && a.PostalCode == nil
}
