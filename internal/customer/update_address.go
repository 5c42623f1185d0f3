package customer

import (
	"regexp"
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/fault"
)

// countryForm is ISO 3166-1 alpha-2.
var countryForm = regexp.MustCompile(`^[A-Z]{2}$`)

// mergeAddress changes the primary address; null removes it.
func (u *update) mergeAddress(in graphql.Omittable[*UpdateAddressInput]) {
	if !in.IsSet() {
		return
	}
	if in.Value() == nil {
		u.r.Address = nil
		return
	}
	sent, c := in.Value(), u.c.At("address")
	next := Address{Label: Primary, Country: "US"}
	if u.r.Address != nil {
		next = *u.r.Address
	}
	set := text(c, "line1", sent.Line1, maxText, &next.Line1)
	set = text(c, "line2", sent.Line2, maxText, &next.Line2) || set
	set = text(c, "city", sent.City, maxText, &next.City) || set
	set = text(c, "county", sent.County, maxText, &next.County) || set
	set = text(c, "state", sent.State, maxShort, &next.State) || set
	set = text(c, "postalCode", sent.PostalCode, maxPostalCode, &next.PostalCode) || set
	if notNull(c.At("country"), sent.Country) {
		country := strings.ToUpper(strings.TrimSpace(*sent.Country.Value()))
		if !countryForm.MatchString(country) {
			c.At("country").Add(fault.Invalid, "Give the two letters of a country as in ISO 3166-1, such as US.")
			return
		}
		next.Country, set = country, true
	}
	if !set {
		return
	}
	// Together with what is stored: another country gives another meaning to a state that stays.
	if next.Country == "US" {
		if next.State != nil {
			upper := strings.ToUpper(*next.State)
			next.State = &upper
		}
		if next.State != nil && !IsState(*next.State) && !c.Has("state") {
			c.At("state").Add(fault.Invalid, "Give the two-letter code of a state or territory, such as CA.")
		}
		if next.PostalCode != nil && !zipForm.MatchString(*next.PostalCode) && !c.Has("postalCode") {
			c.At("postalCode").Add(fault.Invalid, "Give a ZIP code of 5 or 5+4 digits, such as 94102 or 94102-1234.")
		}
	}
	if sameAddress(&next, &Address{Label: Primary, Country: next.Country}) && u.r.Address == nil && !sent.Country.IsSet() {
		// Nulls for an address that there is none of.
		return
	}
	u.r.Address = &next
}
