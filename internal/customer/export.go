package customer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/google/uuid"

	"caseload/internal/bulk"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// Exporter writes customers into a file: one a line, with all that belongs to them but accounts and loans. Numbers that
// are only revealed one at a time are never in it.
type Exporter struct{ s *Service }

// NewExporter makes the exporter.
func NewExporter(s *Service) *Exporter { return &Exporter{s} }

// Name is the wire name.
func (*Exporter) Name() bulk.KindName { return bulk.ExportCustomers }

// Scopes are what the creator needs.
func (*Exporter) Scopes() []viewer.Scope { return []viewer.Scope{viewer.CustomersRead} }

// Reveals is what adds birthdays and last digits to the lines.
func (*Exporter) Reveals() []viewer.Scope { return []viewer.Scope{viewer.PIIRead} }

// Check refuses filters that would have personal numbers kept in clear with the operation, and those that a list
// refuses.
func (e *Exporter) Check(o bulk.Options, c *fault.Check) {
	f, err := exportFilter(o.Filter)
	if err == nil && !f.refuseNumbers(c.At("filter")) {
		return
	}
	if err == nil {
		_, err = relay.Compile(f, func(f *Filter) (db.Where, error) { return f.special(nil, e.s.sealer) })
	}
	var refused *fault.Error
	switch {
	case errors.As(err, &refused):
		c.At("filter").Add(fault.Invalid, "%s", refused.Message)
	case err != nil:
		c.At("filter").Add(fault.Invalid, "Give a filter as the list of customers has it.")
	}
}

// exportFilter reads the filter that an operation keeps.
func exportFilter(text json.RawMessage) (*Filter, error) {
	f := &Filter{}
	if len(text) == 0 {
		return f, nil
	}
	if err := json.Unmarshal(text, f); err != nil {
		return nil, fmt.Errorf("read the filter of an export: %w", err)
	}
	return f, nil
}

// refuseNumbers returns false, and says why, when the filter compares personal numbers at any depth.
func (f *Filter) refuseNumbers(c *fault.Check) bool {
	before := len(c.Errors())
	for _, number := range []struct {
		field string
		given bool
	}{{"ssn", f.SSN.IsSet()}, {"ssnLastFour", f.SSNLastFour != nil}, {"mbi", f.MBI.IsSet()}} {
		if number.given {
			c.At(number.field).Add(fault.NotAllowed, "An export keeps its filter in clear, so it cannot compare this. Use the list of customers for it.")
		}
	}
	f.below(func(sub *Filter, path ...string) { sub.refuseNumbers(c.At(path...)) })
	return len(c.Errors()) == before
}

// below calls visit for the filters in the groups.
func (f *Filter) below(visit func(f *Filter, path ...string)) {
	for i, sub := range f.And {
		visit(sub, "and", strconv.Itoa(i))
	}
	for i, sub := range f.Or {
		visit(sub, "or", strconv.Itoa(i))
	}
	if f.Not != nil {
		visit(f.Not, "not")
	}
}

// asksDeleted reports whether the filter says anything of deleted customers, at any depth; see [liveUnlessAsked].
func (f *Filter) asksDeleted() bool {
	asks := f.IsDeleted.IsSet()
	f.below(func(sub *Filter, _ ...string) { asks = asks || sub.asksDeleted() })
	return asks
}

// where is the condition of an operation's customers.
func (e *Exporter) where(v *viewer.Viewer, o *bulk.Operation) (db.Where, error) {
	f, err := exportFilter(o.Options().Filter)
	if err != nil {
		return db.Where{}, err
	}
	w, err := relay.Compile(f, func(f *Filter) (db.Where, error) { return f.special(v, e.s.sealer) })
	if err == nil && !f.asksDeleted() {
		w = w.And("c.deleted_at IS NULL")
	}
	return w, err
}

// Count returns how many customers fit.
func (e *Exporter) Count(ctx context.Context, q db.Querier, v *viewer.Viewer, o *bulk.Operation) (int, error) {
	w, err := e.where(v, o)
	if err != nil {
		return 0, err
	}
	return Table.Count(ctx, q, v.Scope(), w)
}

// exportPage is how many customers a page has: each may have 64 KiB of metadata.
const exportPage = 500

// Page writes the customers after an id.
func (e *Exporter) Page(ctx context.Context, q db.Querier, v *viewer.Viewer, o *bulk.Operation, after string, out io.Writer) (rows int, next string, err error) {
	w, err := e.where(v, o)
	if err != nil {
		return 0, "", err
	}
	page := db.Page{Order: db.By(), Limit: exportPage}
	if after != "" {
		page.After = []*string{&after}
	}
	customers, err := Table.List(ctx, q, v.Scope(), w, page)
	if err != nil {
		return 0, "", fmt.Errorf("read customers: %w", err)
	}
	if len(customers) > exportPage {
		customers = customers[:exportPage]
		next = customers[exportPage-1].UUID.String()
	}
	if err := e.write(ctx, q, v, customers, out); err != nil {
		return 0, "", err
	}
	return len(customers), next, nil
}

// write writes customers with what belongs to them, in a fixed number of statements.
func (e *Exporter) write(ctx context.Context, q db.Querier, v *viewer.Viewer, customers []*Customer, out io.Writer) error {
	if len(customers) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(customers))
	for i, c := range customers {
		ids[i] = c.UUID
	}
	b, err := readBelongings(ctx, q, v.Scope(), ids)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for _, c := range customers {
		line, err := b.line(c, e.s.sealer, v.Has(viewer.PIIRead))
		if err != nil {
			return err
		}
		if err := enc.Encode(line); err != nil {
			return fmt.Errorf("write a customer: %w", err)
		}
	}
	return nil
}
