package customer

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/customer/account"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// Reveal returns one number of one customer in full, "" when none is stored, and writes who asked and why to
// the audit log, also when there is nothing to reveal.
func (s *Service) Reveal(ctx context.Context, v *viewer.Viewer, in RevealInput) (*Customer, string, error) {
	c := fault.NewCheck("input")
	in.Validate(c)
	id, err := in.CustomerID.As(Customers.Prefix())
	if err != nil {
		return nil, "", err
	}
	var accountID uuid.UUID
	switch p := in.AccountID.Value(); {
	case in.Field == FieldAccountNumber && p == nil:
		c.At("accountId").Add(fault.Required, "Say which account: the customer may hold several.")
	case in.Field != FieldAccountNumber && p != nil:
		c.At("accountId").Add(fault.Invalid, "An account goes with the field %s only.", FieldAccountNumber)
	case p != nil:
		if accountID, err = p.As(account.Accounts.Prefix()); err != nil {
			return nil, "", err
		}
	}
	if err := c.Err(); err != nil {
		return nil, "", err
	}
	var row *Customer
	var value string
	err = s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		row, err = Customers.ByID(ctx, tx, v.Scope(), id)
		if err != nil {
			return missing(err, "input", "customerId")
		}
		if value, err = s.number(ctx, tx, row, in.Field, accountID); err != nil {
			return err
		}
		told := map[string]any{"fields": []string{string(in.Field)}, "provided": value != ""}
		if accountID != uuid.Nil {
			told["account"] = in.AccountID.Value().String()
		}
		return audit.Write(ctx, tx, v, audit.Change{Action: "customer.pii_revealed", Target: row.ID(), CustomerID: id, Fields: told, Reason: in.Reason})
	})
	if err != nil {
		return nil, "", err
	}
	return row, value, nil
}

// number opens one sealed number of a customer; "" when none is stored.
func (s *Service) number(ctx context.Context, tx *db.Tx, row *Customer, field PIIField, accountID uuid.UUID) (string, error) {
	sc := db.Scope{OrganizationID: row.OrganizationID}
	switch field {
	case FieldSSN:
		return row.ssn(s.sealer)
	case FieldAccountNumber:
		return s.accountNumber(ctx, tx, sc, row.UUID, accountID)
	}
	column, ok := map[PIIField]string{FieldMBI: columnMBI, FieldMedicaidNumber: columnMedicaid, FieldVANumber: columnVA}[field]
	if !ok {
		return "", fmt.Errorf("reveal: unknown field %s", field)
	}
	sections, err := sectionsOf(ctx, tx, sc, Medicares, []uuid.UUID{row.UUID})
	if err != nil || sections[row.UUID] == nil {
		return "", err
	}
	return sections[row.UUID].number(s.sealer, column)
}

// accountNumber opens the number of an account that the customer holds. One that others hold is answered like one
// that does not exist.
func (s *Service) accountNumber(ctx context.Context, tx *db.Tx, sc db.Scope, customerID, accountID uuid.UUID) (string, error) {
	a, err := account.Accounts.One(ctx, tx, sc, db.Where{}.And("c.id = ?", accountID).And(
		"EXISTS (SELECT FROM account_holders h WHERE h.organization_id = c.organization_id AND h.account_id = c.id AND h.customer_id = ?)", customerID))
	if fault.CodeOf(err) == fault.NotFound && err != nil {
		return "", fault.UserErrors{{Code: fault.Missing, Message: "The customer holds no such account.", Path: []string{"input", "accountId"}}}
	}
	if err != nil {
		return "", fmt.Errorf("read account: %w", err)
	}
	return a.Number(s.sealer)
}
