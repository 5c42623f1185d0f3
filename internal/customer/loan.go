package customer

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"
	"github.com/shopspring/decimal"

	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/lending"
	"caseload/internal/relay"
)

// Loan is a loan as the lending system sent it.
type Loan struct {
	db.Row
	CustomerID        uuid.UUID        `db:"customer_id"`
	ExternalID        string           `db:"external_id"`
	Status            string           `db:"status"`
	Product           *string          `db:"product"`
	Currency          string           `db:"currency"`
	OriginalPrincipal *decimal.Decimal `db:"original_principal"`
	PrincipalBalance  *decimal.Decimal `db:"principal_balance"`
	AmountDue         *decimal.Decimal `db:"amount_due"`
	DaysPastDue       *int32           `db:"days_past_due"`
	OpenedOn          *civil.Date      `db:"opened_on"`
	NextDueOn         *civil.Date      `db:"next_due_on"`
	FetchedAt         time.Time        `db:"fetched_at"`
	CreatedAt         time.Time        `db:"created_at"`
	UpdatedAt         time.Time        `db:"updated_at"`
}

// Loans declares the loans.
var Loans = db.NewTable[Loan]("loans", "loan")

// ID returns the typed id.
func (l *Loan) ID() relay.ID { return relay.ID{Prefix: Loans.Prefix(), UUID: l.UUID} }

// WriteLoans upserts the fetched loans of customers by the lending system's numbers, in one statement.
func WriteLoans(ctx context.Context, tx *db.Tx, sc db.Scope, fetched map[*Customer][]lending.Loan) error {
	var rows []*Loan
	for customer, loans := range fetched {
		for _, l := range loans {
			rows = append(rows, &Loan{
				Row: db.Row{OrganizationID: customer.OrganizationID, UUID: db.NewID()}, CustomerID: customer.UUID, ExternalID: l.ID, Status: l.Status,
				Product: l.Product, Currency: l.Currency, OriginalPrincipal: l.OriginalPrincipal, PrincipalBalance: l.PrincipalBalance,
				AmountDue: l.AmountDue, DaysPastDue: l.DaysPastDue, OpenedOn: l.OpenedOn, NextDueOn: l.NextDueOn,
				FetchedAt: tx.Now, CreatedAt: tx.Now, UpdatedAt: tx.Now,
			})
		}
	}
	_, err := Loans.Upsert(ctx, tx, sc, rows, []string{"organization_id", "customer_id", "external_id"},
		[]string{"status", "product", "currency", "original_principal", "principal_balance", "amount_due", "days_past_due", "opened_on", "next_due_on", "fetched_at", "updated_at"})
	if err != nil {
		return fmt.Errorf("write loans: %w", err)
	}
	return nil
}

// LoanKey names a loan by the lending system's number.
type LoanKey struct {
	CustomerID uuid.UUID
	ExternalID string
}

// LoansByExternalID returns the uuids of customers' loans by the lending system's numbers, in one statement;
// loans that are not known are missing from the answer.
func LoansByExternalID(ctx context.Context, q db.Querier, sc db.Scope, customers []uuid.UUID, numbers []string) (map[LoanKey]uuid.UUID, error) {
	if len(customers) == 0 || len(numbers) == 0 {
		return nil, nil
	}
	var rows []struct {
		ID         uuid.UUID `db:"id"`
		CustomerID uuid.UUID `db:"customer_id"`
		ExternalID string    `db:"external_id"`
	}
	if err := q.Select(ctx, &rows, "SELECT id, customer_id, external_id FROM loans WHERE organization_id = $1 AND customer_id = ANY($2) AND external_id = ANY($3)",
		sc.OrganizationID, pq.Array(customers), pq.Array(numbers)); err != nil {
		return nil, fmt.Errorf("read loans: %w", err)
	}
	found := make(map[LoanKey]uuid.UUID, len(rows))
	for _, r := range rows {
		found[LoanKey{r.CustomerID, r.ExternalID}] = r.ID
	}
	return found, nil
}
