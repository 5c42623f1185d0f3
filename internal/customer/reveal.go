package customer

import (
	"context"

	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/pii"
	"caseload/internal/reveal"
)

// The sealed values of a customer.
const (
	FieldSSN            reveal.Field = "SSN"
	FieldMBI            reveal.Field = "MBI"
	FieldMedicaidNumber reveal.Field = "MEDICAID_NUMBER"
	FieldVANumber       reveal.Field = "VA_NUMBER"
)

// Sealed declares the sealed values of customers.
func Sealed(sealer *pii.Sealer) []reveal.Value {
	of := func(field reveal.Field, open func(ctx context.Context, tx *db.Tx, row *Customer) (string, error)) reveal.Value {
		return reveal.Value{Field: field, Prefix: Customers.Prefix(), Noun: "customer",
			Open: func(ctx context.Context, tx *db.Tx, sc db.Scope, id uuid.UUID) (string, uuid.UUID, error) {
				row, err := Customers.ByID(ctx, tx, sc, id)
				if err != nil {
					return "", uuid.Nil, err
				}
				value, err := open(ctx, tx, row)
				return value, id, err
			}}
	}
	medicare := func(column string) func(ctx context.Context, tx *db.Tx, row *Customer) (string, error) {
		return func(ctx context.Context, tx *db.Tx, row *Customer) (string, error) {
			rows, err := medicareSection.rows(ctx, tx, db.Scope{OrganizationID: row.OrganizationID}, []uuid.UUID{row.UUID})
			if err != nil || rows[row.UUID] == nil {
				return "", err
			}
			return rows[row.UUID].number(sealer, column)
		}
	}
	return []reveal.Value{
		of(FieldSSN, func(_ context.Context, _ *db.Tx, row *Customer) (string, error) { return row.ssn(sealer) }),
		of(FieldMBI, medicare(columnMBI)),
		of(FieldMedicaidNumber, medicare(columnMedicaid)),
		of(FieldVANumber, medicare(columnVA)),
	}
}
