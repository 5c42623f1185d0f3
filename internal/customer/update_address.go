package customer

import (
	"github.com/99designs/gqlgen/graphql"
)

// mergeAddress changes the primary address; null removes it.
func (u *update) mergeAddress(in graphql.Omittable[*UpdateAddressInput]) {
	if !in.IsSet() {
		return
	}
	if in.Value() == nil {
		u.r.Address = nil
		return
	}
	next := Address{Label: Primary}
	if u.r.Address != nil {
		next = *u.r.Address
	}
	sent := in.Value()
	fields := AddressInput{Line1: sent.Line1, Line2: sent.Line2, City: sent.City, County: sent.County, State: sent.State,
		PostalCode: sent.PostalCode, Country: sent.Country}
	if !fields.mergeInto(u.c.At("address"), &next, plainNames) {
		return
	}
	if u.r.Address == nil && next.isBlank() && !sent.Country.IsSet() {
		// Nulls for an address that there is none of.
		return
	}
	u.r.Address = &next
}
