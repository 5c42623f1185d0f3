package customer

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/pii"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// Filter narrows a list of customers. Its JSON form is what a bulk operation keeps of an export's filter.
type Filter struct {
	ReferenceID *relay.StringFilter        `filter:"reference_id,key" json:"referenceId,omitempty"`
	FirstName   *relay.StringFilter        `filter:"first_name" json:"firstName,omitempty"`
	LastName    *relay.StringFilter        `filter:"last_name" json:"lastName,omitempty"`
	TimeZone    *relay.StringFilter        `filter:"time_zone" json:"timeZone,omitempty"`
	DoNotCall   *relay.BooleanFilter       `filter:"do_not_call" json:"doNotCall,omitempty"`
	IsTest      *relay.BooleanFilter       `filter:"is_test" json:"isTest,omitempty"`
	CreatedAt   *relay.DateTimeFilter      `filter:"created_at" json:"createdAt,omitempty"`
	UpdatedAt   *relay.DateTimeFilter      `filter:"updated_at" json:"updatedAt,omitempty"`
	DebtorID    *relay.StringFilter        `filter:"debtor_id,key" json:"debtorId,omitempty"`
	IsDeleted   graphql.Omittable[*bool]   `json:"isDeleted,omitzero"`
	MBI         graphql.Omittable[*string] `json:"mbi,omitzero"`
	Email       graphql.Omittable[*string] `json:"email,omitzero"`
	PhoneNumber graphql.Omittable[*string] `json:"phoneNumber,omitzero"`
	SSN         graphql.Omittable[*string] `json:"ssn,omitzero"`
	SSNLastFour *SSNLastFourFilter         `json:"ssnLastFour,omitempty"`
	And         []*Filter                  `json:"and,omitzero"`
	Or          []*Filter                  `json:"or,omitzero"`
	Not         *Filter                    `json:"not,omitempty"`
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
			Table:   Customers,
			Default: db.By("created_at"),
			Orders: map[string]db.Term{
				"CREATED_AT":   {Column: "created_at"},
				"UPDATED_AT":   {Column: "updated_at"},
				"LAST_NAME":    {Column: "last_name", Nullable: true},
				"REFERENCE_ID": {Column: "reference_id", Nullable: true},
			},
			Filter:     relay.FilterBy(func(ctx context.Context, f *Filter) (db.Where, error) { return f.special(viewer.From(ctx), sealer) }),
			Search:     relay.Contains("search_text"),
			BaseFilter: liveUnlessAsked,
			Personal:   []string{"ssn", "ssnLastFour", "mbi"},
		},
		Identifiers: &relay.Spec[Identifier]{Table: Identifiers, Default: db.By("created_at")},
		Phones:      &relay.Spec[Phone]{Table: Phones, Default: db.By("created_at")},
		Addresses:   &relay.Spec[Address]{Table: Addresses, Default: db.By("created_at")},
		Loans:       &relay.Spec[Loan]{Table: Loans, Default: db.By("created_at")},
	}
}

// liveUnlessAsked leaves deleted customers out of a list whose filter does not say anything of them. A filter that
// does, at any depth, decides alone.
func liveUnlessAsked(raw map[string]any) db.Where {
	if len(relay.Uses(raw["filter"], "isDeleted")) > 0 {
		return db.Where{}
	}
	return db.Where{}.And("c.deleted_at IS NULL")
}

// special answers what is not a column of its own.
func (f *Filter) special(v *viewer.Viewer, sealer *pii.Sealer) (db.Where, error) {
	var w db.Where
	if email := f.Email.Value(); email != nil {
		w = w.And("lower(c.email) = lower(?)", input.Form(*email))
	}
	if text := f.PhoneNumber.Value(); text != nil {
		number, _, ok := input.ParsePhone(*text)
		if !ok {
			number = *text // no number is stored so, and it finds nobody
		}
		w = w.And("EXISTS (SELECT 1 FROM customer_phones p WHERE p.organization_id = c.organization_id AND p.customer_id = c.id AND p.number = ?)", number)
	}
	if deleted := f.IsDeleted.Value(); deleted != nil {
		if *deleted {
			w = w.And("c.deleted_at IS NOT NULL")
		} else {
			w = w.And("c.deleted_at IS NULL")
		}
	}
	if f.SSN.Value() != nil || f.SSNLastFour != nil || f.MBI.Value() != nil {
		// What a filter by personal data finds reveals that data, so it needs the same permission as reading it.
		if err := v.Require(viewer.PIIRead); err != nil {
			return w, err
		}
	}
	if text := f.SSN.Value(); text != nil {
		ssn, err := pii.ParseSSN(input.Form(*text))
		if err != nil {
			return w, fault.New(fault.BadUserInput, "The ssn of a filter %v.", err)
		}
		w = w.And("c.ssn_index = ?", sealer.Index(v.OrganizationID, indexSSN, ssn.Reveal()))
	}
	if text := f.MBI.Value(); text != nil {
		mbi, err := pii.ParseMBI(input.Form(*text))
		if err != nil {
			return w, fault.New(fault.BadUserInput, "The mbi of a filter %v.", err)
		}
		w = w.And("c.id IN (SELECT m.id FROM customer_medicare m WHERE m.organization_id = c.organization_id AND m.mbi_index = ?)",
			sealer.Index(v.OrganizationID, indexMBI, mbi.Reveal()))
	}
	if l := f.SSNLastFour; l != nil {
		digits, err := pii.ParseLastFour(input.Form(l.LastFour))
		if err != nil {
			return w, fault.New(fault.BadUserInput, "The lastFour of a filter %v.", err)
		}
		w = w.And("c.ssn_last_four_birthday_index = ?", lastFourIndex(sealer, v.OrganizationID, digits, l.Birthday))
	}
	return w, nil
}
