package lending

import (
	"encoding/json"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// fill sets what is unknown and leaves what is known.
func fill[T any](known **T, from *T) {
	if *known == nil {
		*known = from
	}
}

func (b *Borrower) fillFrom(other Borrower) error {
	for _, f := range []struct {
		known **string
		from  *string
	}{
		{&b.FirstName, other.FirstName}, {&b.LastName, other.LastName}, {&b.Email, other.Email},
		{&b.SSNLastFour, other.SSNLastFour},
		{&b.PhoneNumber, other.PhoneNumber}, {&b.TimeZone, other.TimeZone}, {&b.Language, other.Language},
	} {
		fill(f.known, f.from)
	}
	fill(&b.Birthday, other.Birthday)
	// An address is one thing: the street of one and the city of another would be a place that is neither.
	if b.StreetAddress1 == nil && b.StreetAddress2 == nil && b.City == nil && b.State == nil && b.ZipCode == nil {
		b.StreetAddress1, b.StreetAddress2 = other.StreetAddress1, other.StreetAddress2
		b.City, b.State, b.ZipCode = other.City, other.State, other.ZipCode
	}
	// An opt-out is never outvoted: one file that knows of it is enough.
	if b.DoNotCall == nil || other.DoNotCall != nil && *other.DoNotCall {
		b.DoNotCall = other.DoNotCall
	}
	return b.fillMetadata(other.ExternalMetadata)
}

// fillMetadata adds the members that are missing at the top level.
func (b *Borrower) fillMetadata(other json.RawMessage) error {
	if b.ExternalMetadata == nil || other == nil {
		if b.ExternalMetadata == nil {
			b.ExternalMetadata = other
		}
		return nil
	}
	var known, from map[string]jsontext.Value
	if err := jsonv2.Unmarshal(b.ExternalMetadata, &known); err != nil {
		return violation("externalMetadata must be an object, or null")
	}
	if err := jsonv2.Unmarshal(other, &from); err != nil {
		return violation("borrower.externalMetadata must be an object, or null")
	}
	for name, v := range from {
		if _, ok := known[name]; !ok {
			known[name] = v
		}
	}
	merged, err := jsonv2.Marshal(known, jsonv2.Deterministic(true))
	if err != nil || len(merged) > MaxMetadataBytes {
		return violation("externalMetadata and borrower.externalMetadata together are too large")
	}
	b.ExternalMetadata = merged
	return nil
}

// fillFrom leaves the status and the currency alone: both are always known.
func (l *Loan) fillFrom(other Loan) {
	fill(&l.Product, other.Product)
	fill(&l.OriginalPrincipal, other.OriginalPrincipal)
	fill(&l.PrincipalBalance, other.PrincipalBalance)
	fill(&l.AmountDue, other.AmountDue)
	fill(&l.DaysPastDue, other.DaysPastDue)
	fill(&l.OpenedOn, other.OpenedOn)
	fill(&l.NextDueOn, other.NextDueOn)
}
