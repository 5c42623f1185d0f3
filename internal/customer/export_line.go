package customer

import (
	"context"
	"encoding/json"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/pii"
)

// exportLine is a line of an export: a customer by the names of the GraphQL schema, where the rows of a connection
// stand in a plain list. What the creator may not see is absent, what is not known is null.
type exportLine struct {
	ID string `json:"id"`
	*exportedCustomer
	Birthday         graphql.Omittable[*civil.Date] `json:"birthday,omitzero"`
	SSNLastFour      graphql.Omittable[*string]     `json:"ssnLastFour,omitzero"`
	SSNProvided      bool                           `json:"ssnProvided"`
	ExternalMetadata json.RawMessage                `json:"externalMetadata"`
	Parent           *exportedNode                  `json:"parent"`
	MergedInto       *exportedNode                  `json:"mergedInto"`
	Identifiers      []exportedIdentifier           `json:"identifiers"`
	Phones           []exportedPhone                `json:"phones"`
	Addresses        []exportedAddress              `json:"addresses"`
	Profile          *exportedProfile               `json:"profile"`
	Coverage         *exportedCoverage              `json:"coverage"`
	Medicare         *medicareLine                  `json:"medicare"`
	Household        *exportedHousehold             `json:"household"`
	Enrollment       *exportedEnrollment            `json:"enrollment"`
	Agent            *exportedAgent                 `json:"agent"`
	AlertProgram     *exportedAlertProgram          `json:"alertProgram"`
}

type exportedNode struct {
	ID string `json:"id"`
}

type exportedIdentifier struct {
	ID              string     `json:"id"`
	Source          string     `json:"source"`
	SourceID        string     `json:"sourceId"`
	Language        string     `json:"language"`
	SourceCreatedAt *time.Time `json:"sourceCreatedAt"`
	SourceUpdatedAt *time.Time `json:"sourceUpdatedAt"`
	CreatedAt       time.Time  `json:"createdAt"`
}

type exportedPhone struct {
	ID            string     `json:"id"`
	Label         PhoneLabel `json:"label"`
	Number        string     `json:"number"`
	LineType      LineType   `json:"lineType"`
	BlockedAt     *time.Time `json:"blockedAt"`
	BlockedReason *string    `json:"blockedReason"`
	CreatedAt     time.Time  `json:"createdAt"`
	UpdatedAt     time.Time  `json:"updatedAt"`
}

type exportedAddress struct {
	ID         string       `json:"id"`
	Label      AddressLabel `json:"label"`
	Line1      *string      `json:"line1"`
	Line2      *string      `json:"line2"`
	City       *string      `json:"city"`
	County     *string      `json:"county"`
	State      *string      `json:"state"`
	PostalCode *string      `json:"postalCode"`
	Country    string       `json:"country"`
	CreatedAt  time.Time    `json:"createdAt"`
	UpdatedAt  time.Time    `json:"updatedAt"`
}

// medicareLine is the section without its sealed numbers.
type medicareLine struct {
	*exportedMedicare
	MBIProvided            bool                       `json:"mbiProvided"`
	MBILastFour            graphql.Omittable[*string] `json:"mbiLastFour,omitzero"`
	MedicaidNumberProvided bool                       `json:"medicaidNumberProvided"`
	VANumberProvided       bool                       `json:"vaNumberProvided"`
}

// belongings are what belongs to the customers of a page.
type belongings struct {
	identifiers map[uuid.UUID][]exportedIdentifier
	phones      map[uuid.UUID][]exportedPhone
	addresses   map[uuid.UUID][]exportedAddress
	profiles    map[uuid.UUID]*Profile
	coverages   map[uuid.UUID]*Coverage
	medicares   map[uuid.UUID]*Medicare
	households  map[uuid.UUID]*Household
	enrollments map[uuid.UUID]*Enrollment
	agents      map[uuid.UUID]*Agent
	programs    map[uuid.UUID]*AlertProgram
}

// readBelongings reads in ten statements, whatever the number of customers.
func readBelongings(ctx context.Context, q db.Querier, sc db.Scope, ids []uuid.UUID) (*belongings, error) {
	b := &belongings{identifiers: map[uuid.UUID][]exportedIdentifier{}, phones: map[uuid.UUID][]exportedPhone{}, addresses: map[uuid.UUID][]exportedAddress{}}
	if err := b.readLists(ctx, q, sc, ids); err != nil {
		return nil, err
	}
	var err error
	if b.profiles, err = sectionsOf(ctx, q, sc, Profiles, ids); err != nil {
		return nil, err
	}
	if b.coverages, err = sectionsOf(ctx, q, sc, Coverages, ids); err != nil {
		return nil, err
	}
	if b.medicares, err = sectionsOf(ctx, q, sc, Medicares, ids); err != nil {
		return nil, err
	}
	if b.households, err = sectionsOf(ctx, q, sc, Households, ids); err != nil {
		return nil, err
	}
	if b.enrollments, err = sectionsOf(ctx, q, sc, Enrollments, ids); err != nil {
		return nil, err
	}
	if b.agents, err = sectionsOf(ctx, q, sc, Agents, ids); err != nil {
		return nil, err
	}
	b.programs, err = sectionsOf(ctx, q, sc, AlertPrograms, ids)
	return b, err
}

// readLists reads the rows of the lists in the order of their ids, so that an export of the same is the same.
func (b *belongings) readLists(ctx context.Context, q db.Querier, sc db.Scope, ids []uuid.UUID) error {
	identifiers, err := inOrder(ctx, q, sc, Identifiers, ids)
	if err != nil {
		return err
	}
	for _, i := range identifiers {
		b.identifiers[i.CustomerID] = append(b.identifiers[i.CustomerID],
			exportedIdentifier{i.ID().String(), i.Source, i.SourceID, i.Language, i.SourceCreatedAt, i.SourceUpdatedAt, i.CreatedAt})
	}
	phones, err := inOrder(ctx, q, sc, Phones, ids)
	if err != nil {
		return err
	}
	for _, p := range phones {
		b.phones[p.CustomerID] = append(b.phones[p.CustomerID],
			exportedPhone{p.ID().String(), p.Label, p.Number, p.LineType, p.BlockedAt, p.BlockedReason, p.CreatedAt, p.UpdatedAt})
	}
	addresses, err := inOrder(ctx, q, sc, Addresses, ids)
	if err != nil {
		return err
	}
	for _, a := range addresses {
		b.addresses[a.CustomerID] = append(b.addresses[a.CustomerID],
			exportedAddress{a.ID().String(), a.Label, a.Line1, a.Line2, a.City, a.County, a.State, a.PostalCode, a.Country, a.CreatedAt, a.UpdatedAt})
	}
	return nil
}

func inOrder[T any](ctx context.Context, q db.Querier, sc db.Scope, table *db.Table[T], ids []uuid.UUID) ([]*T, error) {
	return table.List(ctx, q, sc, db.Where{}.And("c.customer_id = ANY(?)", pq.Array(ids)), db.Page{Order: db.By()})
}

// line makes the line of a customer; personal reports whether birthdays and last digits may be in it.
func (b *belongings) line(c *Customer, s *pii.Sealer, personal bool) (*exportLine, error) {
	id := c.UUID
	l := &exportLine{
		ID: c.ID().String(), exportedCustomer: (*exportedCustomer)(c), SSNProvided: c.SSNProvided(), ExternalMetadata: json.RawMessage(c.ExternalMetadata),
		Parent: nodeOf(c.ParentID), MergedInto: nodeOf(c.MergedIntoID),
		Identifiers: orNone(b.identifiers[id]), Phones: orNone(b.phones[id]), Addresses: orNone(b.addresses[id]),
		Profile: (*exportedProfile)(b.profiles[id]), Coverage: (*exportedCoverage)(b.coverages[id]), Household: (*exportedHousehold)(b.households[id]),
		Enrollment: (*exportedEnrollment)(b.enrollments[id]), Agent: (*exportedAgent)(b.agents[id]), AlertProgram: (*exportedAlertProgram)(b.programs[id]),
	}
	m := b.medicares[id]
	if m != nil {
		l.Medicare = &medicareLine{exportedMedicare: (*exportedMedicare)(m), MBIProvided: m.MBIProvided(),
			MedicaidNumberProvided: m.MedicaidNumberProvided(), VANumberProvided: m.VANumberProvided()}
	}
	if !personal {
		return l, nil
	}
	l.Birthday = graphql.OmittableOf(c.Birthday)
	digits, err := c.LastFour(s)
	if err != nil {
		return nil, err
	}
	l.SSNLastFour = graphql.OmittableOf(digits)
	if m != nil {
		last, err := m.MBILastFour(s)
		if err != nil {
			return nil, err
		}
		l.Medicare.MBILastFour = graphql.OmittableOf(last)
	}
	return l, nil
}

func nodeOf(id *uuid.UUID) *exportedNode {
	if id == nil {
		return nil
	}
	c := Customer{Row: db.Row{UUID: *id}}
	return &exportedNode{c.ID().String()}
}

// orNone makes an empty list of none, which JSON would write as null.
func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
