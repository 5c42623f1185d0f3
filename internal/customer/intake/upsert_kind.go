package intake

import (
	"context"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/bulk"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// UpsertKind is bulkUpsertCustomers for a file of any size: each line is a row of [Service.BulkUpsert].
type UpsertKind struct{ customers }

// NewUpsertKind makes the kind.
func NewUpsertKind(s *Service) *UpsertKind { return &UpsertKind{customers{s}} }

// customers is what kinds whose lines are customers have in common.
type customers struct{ s *Service }

// Name is the wire name.
func (*UpsertKind) Name() bulk.KindName { return bulk.UpsertCustomers }

// Noun is what a line is.
func (customers) Noun() string { return "customers" }

// Scopes are what the creator needs: those of the mutation.
func (customers) Scopes() []viewer.Scope { return []viewer.Scope{viewer.CustomersWrite} }

// UpsertRows reads customers by the keys of the mutation's input, which are those of the source document. address is for
// one address alone.
var UpsertRows = bulk.Bind[UpsertRow](bulk.BindObject[ParentInput](), bulk.BindList[customer.AddressInput](), bulk.BindText[customer.AddressLabel](),
	bulk.BindOnly[customer.AddressInput]("address", "addresses"))

// Keys are those of the mutation's input.
func (*UpsertKind) Keys() []bulk.Key { return UpsertRows.Keys() }

// UpsertCustomersOptions are for rows without a source or language of their own. Without a source each row names one.
type UpsertCustomersOptions struct {
	Source   graphql.Omittable[*string] `json:"source,omitzero"`
	Language graphql.Omittable[*string] `json:"language,omitzero"`
}

// Check checks the options.
func (k *UpsertKind) Check(_ bulk.Format, options any, c *fault.Check) any {
	own, _ := options.(*UpsertCustomersOptions)
	if own == nil {
		return nil
	}
	c = c.At(bulk.OptionsName(k.Name()))
	if source := own.Source.Value(); source != nil {
		right := readSource(c.At("source"), *source)
		own.Source = graphql.OmittableOf(&right)
	}
	readLanguage(c.At("language"), own.Language.Value())
	return own
}

// Decoder reads lines for the operation.
func (*UpsertKind) Decoder(o *bulk.Operation) func(text []byte) bulk.Row {
	var own UpsertCustomersOptions
	o.ReadOptions(&own)
	batchIn := &BulkUpsertInput{Language: own.Language}
	if source := own.Source.Value(); source != nil {
		batchIn.Source = *source
	}
	return func(text []byte) bulk.Row { return decodeUpsert(text, batchIn, o.CreatedAt) }
}

// decodeUpsert reads a line of an operation that was created at the time.
func decodeUpsert(text []byte, batchIn *BulkUpsertInput, created time.Time) bulk.Row {
	in, r := UpsertRows.Decode(text)
	if in == nil {
		return r
	}
	row := readUpsertRow(in, batchIn, fault.NewCheck(), created)
	if r.Key = row.result.Key; len(r.UserErrors) > 0 {
		return r
	}
	if r.Missing(row.check.Errors()); batchIn.Source == "" && in.Source.Value() == nil {
		r.Missing(row.check.Errors(), "source")
	}
	r.Value, r.Locks = row, row.locks()
	return r
}

// locks are the customer and its parent, as far as the row names them.
func (r *row) locks() (locks []string) {
	for _, key := range []customer.SourceKey{r.key, r.parent} {
		if key.SourceID != "" {
			locks = append(locks, lockOf(key))
		}
	}
	if r.reference != "" {
		locks = append(locks, "reference\x00"+r.reference)
	}
	return locks
}

// lockOf is a key as one text. U+0000 cannot stand in any of its parts.
func lockOf(k customer.SourceKey) string {
	return strings.Join([]string{k.Source, k.SourceID, k.Language}, "\x00")
}

// Apply writes rows in the caller's transaction.
func (k *UpsertKind) Apply(ctx context.Context, tx *db.Tx, v *viewer.Viewer, o *bulk.Operation, rows []*bulk.Row, _ any) ([]bulk.Outcome, error) {
	result, err := k.s.upsert(ctx, tx, v, valuesOf[*upsertRow](rows), *o.ErrorPolicy(), o.CreatedAt)
	if err != nil {
		return nil, err
	}
	return outcomesOf(result.Results), nil
}

// valuesOf are what a decoder made of the lines of rows.
func valuesOf[T any](rows []*bulk.Row) []T {
	values := make([]T, len(rows))
	for i, row := range rows {
		values[i] = row.Value.(T)
	}
	return values
}

// outcomesOf are the results of rows as bulk operations keep them.
func outcomesOf(results []*UpsertResult) []bulk.Outcome {
	outcomes := make([]bulk.Outcome, len(results))
	for i, r := range results {
		outcomes[i] = bulk.Outcome{Action: r.Action, UserErrors: r.UserErrors}
		if r.Customer != nil {
			outcomes[i].ID = r.Customer.ID()
		}
	}
	return outcomes
}
