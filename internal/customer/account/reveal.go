package account

import (
	"context"

	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/pii"
	"caseload/internal/reveal"
)

// FieldNumber is the number of an account.
const FieldNumber reveal.Field = "ACCOUNT_NUMBER"

// Sealed declares the sealed values of accounts. Looking at one is about the primary holder, where that customer is known.
func Sealed(sealer *pii.Sealer) []reveal.Value {
	return []reveal.Value{{Field: FieldNumber, Prefix: Accounts.Prefix(), Noun: "account",
		Open: func(ctx context.Context, tx *db.Tx, sc db.Scope, id uuid.UUID) (string, uuid.UUID, error) {
			row, err := Accounts.ByID(ctx, tx, sc, id)
			if err != nil {
				return "", uuid.Nil, err
			}
			var holder uuid.UUID
			if row.PrimaryCustomerID != nil {
				holder = *row.PrimaryCustomerID
			}
			value, err := row.Number(sealer)
			return value, holder, err
		}}}
}
