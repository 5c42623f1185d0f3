package intake

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/bulk"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// CreateKind is createCustomers for a file of any size: each line is a customer of [Service.Create], and acts as if
// it had been sent alone, in the order of the file. So lines that mention one account need not agree: the last counts.
type CreateKind struct{ customers }

// NewCreateKind makes the kind.
func NewCreateKind(s *Service) *CreateKind { return &CreateKind{customers{s}} }

// Name is the wire name.
func (*CreateKind) Name() bulk.KindName { return bulk.CreateCustomers }

// CreateRows reads customers by the keys of the mutation's input. The source document calls sourceOrganizationId
// organizationId; both are taken.
var CreateRows = bulk.Bind[CreateRow](bulk.BindList[AccountInput](), bulk.BindList[CardInput](), bulk.BindAlias("organizationId", "sourceOrganizationId"))

// Keys are those of the mutation's input and of the source document.
func (*CreateKind) Keys() []bulk.Key { return CreateRows.Keys() }

// CreateCustomersOptions are for rows that do not name the organization in the source system.
type CreateCustomersOptions struct {
	SourceOrganizationID graphql.Omittable[*string] `json:"sourceOrganizationId,omitzero"`
}

// Check checks the options, and refuses CSV, in which lists in lists, such as the cards of accounts, have no readable form.
func (k *CreateKind) Check(format bulk.Format, options any, c *fault.Check) any {
	if format == bulk.CSV {
		c.At("format").Add(fault.NotAllowed, "Use JSONL: customers with accounts and cards have lists in lists, which CSV cannot hold.")
	}
	own, _ := options.(*CreateCustomersOptions)
	if own == nil {
		return nil
	}
	if id := own.SourceOrganizationID.Value(); id != nil {
		source := readOrganization(c.At(bulk.OptionsName(k.Name()), "sourceOrganizationId"), *id)
		own.SourceOrganizationID = graphql.OmittableOf(&source)
	}
	return own
}

// Decoder reads lines for the operation.
func (*CreateKind) Decoder(o *bulk.Operation) func(text []byte) bulk.Row {
	var own CreateCustomersOptions
	o.ReadOptions(&own)
	return func(text []byte) bulk.Row { return decodeCreate(text, own.SourceOrganizationID.Value()) }
}

// decodeCreate reads a line; source is for lines that name none.
func decodeCreate(text []byte, source *string) bulk.Row {
	in, r := CreateRows.Decode(text)
	if in == nil {
		return r
	}
	if source != nil && !in.SourceOrganizationID.IsSet() {
		in.SourceOrganizationID = graphql.OmittableOf(source)
	}
	row := readCreateRow(in, fault.NewCheck())
	if r.Key = row.result.Key; len(r.UserErrors) == 0 {
		r.Missing(row.check.Errors())
		r.Value, r.Locks = row, row.locks()
	}
	return r
}

// locks are those of the row, the accounts and their holders.
func (r *createRow) locks() []string {
	locks := r.row.locks()
	for _, m := range r.mentions {
		locks = append(locks, "account\x00"+m.key.Source+"\x00"+m.key.SourceAccountID)
		for _, id := range m.holders {
			locks = append(locks, lockOf(customer.SourceKey{Source: m.key.Source, SourceID: id}))
		}
	}
	return locks
}

// Apply writes rows in the caller's transaction.
func (k *CreateKind) Apply(ctx context.Context, tx *db.Tx, v *viewer.Viewer, o *bulk.Operation, rows []*bulk.Row, _ any) ([]bulk.Outcome, error) {
	results, err := k.s.create(ctx, tx, v, valuesOf[*createRow](rows), *o.ErrorPolicy(), o.CreatedAt)
	if err != nil {
		return nil, err
	}
	return outcomesOf(results), nil
}
