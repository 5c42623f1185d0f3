package customer

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/pii"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// Filter narrows a list of customers.
type Filter struct {
	ReferenceID *relay.StringFilter   `filter:"reference_id"`
	FirstName   *relay.StringFilter   `filter:"first_name"`
	LastName    *relay.StringFilter   `filter:"last_name"`
	TimeZone    *relay.StringFilter   `filter:"time_zone"`
	DoNotCall   *relay.BooleanFilter  `filter:"do_not_call"`
	IsTest      *relay.BooleanFilter  `filter:"is_test"`
	CreatedAt   *relay.DateTimeFilter `filter:"created_at"`
	UpdatedAt   *relay.DateTimeFilter `filter:"updated_at"`
	Email       graphql.Omittable[*string]
	PhoneNumber graphql.Omittable[*string]
	SSN         graphql.Omittable[*string]
	SSNLastFour *SSNLastFourFilter
	And         []*Filter
	Or          []*Filter
	Not         *Filter
}

// SSNLastFourFilter finds by the last four digits and the birthday together: the digits alone fit too many.
type SSNLastFourFilter struct {
	LastFour string
	Birthday civil.Date
}

// Lists are the lists of customers and of what belongs to them. They are made once, at start.
type Lists struct {
	Customers   *relay.Spec[Customer]
	Identifiers *relay.Spec[Identifier]
	Phones      *relay.Spec[Phone]
	Addresses   *relay.Spec[Address]
	Loans       *relay.Spec[Loan]
}

// NewLists declares the lists. The sealer makes the blind indexes that some filters compare.
func NewLists(sealer *pii.Sealer) Lists {
	return Lists{
		Customers: &relay.Spec[Customer]{
			Table:   Table,
			Default: db.By("created_at"),
			Orders: map[string]db.Term{
				"CREATED_AT":   {Column: "created_at"},
				"UPDATED_AT":   {Column: "updated_at"},
				"LAST_NAME":    {Column: "last_name", Nullable: true},
				"REFERENCE_ID": {Column: "reference_id", Nullable: true},
			},
			Filter: func(ctx context.Context, raw any) (db.Where, error) {
				v := viewer.From(ctx)
				return relay.FilterBy(func(f *Filter) (db.Where, error) { return f.special(v, sealer) })(ctx, raw)
			},
			Search: relay.Contains("search_text"),
		},
		Identifiers: &relay.Spec[Identifier]{Table: Identifiers, Default: db.By("created_at")},
		Phones:      &relay.Spec[Phone]{Table: Phones, Default: db.By("created_at")},
		Addresses:   &relay.Spec[Address]{Table: Addresses, Default: db.By("created_at")},
		Loans:       &relay.Spec[Loan]{Table: Loans, Default: db.By("created_at")},
	}
}

// special answers what is not a column of its own.
func (f *Filter) special(v *viewer.Viewer, sealer *pii.Sealer) (db.Where, error) {
	var w db.Where
	if email := f.Email.Value(); email != nil {
		w = w.And("lower(c.email) = lower(?)", *email)
	}
	if number := f.PhoneNumber.Value(); number != nil {
		w = w.And("EXISTS (SELECT 1 FROM customer_phones p WHERE p.organization_id = c.organization_id AND p.customer_id = c.id AND p.number = ?)", *number)
	}
	if f.SSN.Value() != nil || f.SSNLastFour != nil {
		// A filter that finds by personal data tells it, so it needs the same permission as reading it.
		if err := v.Require(viewer.PIIRead); err != nil {
			return w, err
		}
	}
	if text := f.SSN.Value(); text != nil {
		ssn, err := pii.ParseSSN(*text)
		if err != nil {
			return w, fault.New(fault.BadUserInput, "The ssn of a filter %v.", err)
		}
		w = w.And("c.ssn_index = ?", sealer.Index(v.OrganizationID, indexSSN, ssn.Reveal()))
	}
	if l := f.SSNLastFour; l != nil {
		digits, err := pii.ParseLastFour(l.LastFour)
		if err != nil {
			return w, fault.New(fault.BadUserInput, "The lastFour of a filter %v.", err)
		}
		w = w.And("c.ssn_last_four_birthday_index = ?", lastFourIndex(sealer, v.OrganizationID, digits, l.Birthday))
	}
	return w, nil
}
