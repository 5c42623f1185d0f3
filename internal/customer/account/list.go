package account

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/db"
	"caseload/internal/input"
	"caseload/internal/pii"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// Lists are the lists of accounts and of what belongs to them. They are made once, at start.
type Lists struct {
	Accounts *relay.Spec[Account]
	Holders  *relay.Spec[Holder]
	Cards    *relay.Spec[Card]
}

// NewLists declares the lists. The sealer makes the blind index that the filter by number compares.
func NewLists(sealer *pii.Sealer) Lists {
	return Lists{
		Accounts: &relay.Spec[Account]{
			Table:    Accounts,
			Default:  db.By("created_at"),
			Orders:   map[string]db.Term{"CREATED_AT": {Column: "created_at"}},
			Filter:   relay.FilterBy(func(ctx context.Context, f *Filter) (db.Where, error) { return f.special(viewer.From(ctx), sealer) }),
			Personal: []string{"number"},
		},
		Holders: &relay.Spec[Holder]{Table: Holders, Default: db.By("created_at")},
		Cards:   &relay.Spec[Card]{Table: Cards, Default: db.By("created_at")},
	}
}

// Key is the id of an account in a source system.
type Key struct {
	Source          string
	SourceAccountID string
}

// Filter narrows a list of accounts.
type Filter struct {
	Source            *relay.StringFilter   `filter:"source,key"`
	SourceAccountID   *relay.StringFilter   `filter:"source_account_id,key"`
	Type              *relay.StringFilter   `filter:"type"`
	SourcePortfolioID *relay.StringFilter   `filter:"source_portfolio_id,key"`
	PrimaryCustomer   *relay.IDFilter       `filter:"primary_customer_id,cust"`
	CreatedAt         *relay.DateTimeFilter `filter:"created_at"`
	UpdatedAt         *relay.DateTimeFilter `filter:"updated_at"`
	Status            graphql.Omittable[*Status]
	Number            graphql.Omittable[*string]
	And               []*Filter
	Or                []*Filter
	Not               *Filter
}

// special answers what is not a column of its own.
func (f *Filter) special(v *viewer.Viewer, sealer *pii.Sealer) (db.Where, error) {
	var w db.Where
	if status := f.Status.Value(); status != nil {
		w = w.And("c.status = ?", string(*status))
	}
	if number := f.Number.Value(); number != nil {
		// What a filter by personal data finds reveals that data, so it needs the same permission as reading it.
		if err := v.Require(viewer.PIIRead); err != nil {
			return w, err
		}
		w = w.And("c.number_index = ?", accountNumberIndex(sealer, v.OrganizationID, input.Form(*number)))
	}
	return w, nil
}
