package intake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/batch"
	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// MaxCreate bounds the customers of one call of createCustomers (source document: create customers).
const MaxCreate = 50

// Create creates or updates customers with their accounts and cards, in one transaction, and keeps what became of
// each as an import request. The request is kept also when nothing else was written. The same call again changes
// nothing. Results come in the order of the customers; what is wrong with the call as a whole comes back as
// fault.UserErrors.
func (s *Service) Create(ctx context.Context, v *viewer.Viewer, in CreateInput) (*CreateResult, error) {
	c := fault.NewCheck("input", "customers")
	switch n := len(in.Customers); {
	case n == 0:
		c.Add(fault.Required, "Give at least one customer.")
	case n > MaxCreate:
		c.Add(fault.LimitExceeded, "Give at most %d customers in one call.", MaxCreate)
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	now := s.now()
	rows := make([]*createRow, len(in.Customers))
	byKey, byReference := customer.Identities[customer.SourceKey]{}, customer.Identities[string]{}
	for i, row := range in.Customers {
		// Each row has a collection of its own.
		r := readCreateRow(row, c.Index(i).Copy())
		if rows[i] = r; r.key.SourceID != "" {
			byKey.Check(r.check, r.key, &r.in.Birthday, &r.in.SSN)
		} else if r.reference != "" {
			byReference.Check(r.check, r.reference, &r.in.Birthday, &r.in.SSN)
		}
	}
	var result *CreateResult
	err := s.pool.InTx(ctx, now, func(tx *db.Tx) error {
		results, err := s.create(ctx, tx, v, rows, in.ErrorPolicy, time.Time{})
		if err != nil {
			return err
		}
		result = &CreateResult{Results: results}
		if slices.ContainsFunc(results, (*UpsertResult).Success) {
			// Where no customer was right nothing is kept: a replay is then a new request.
			tx.Keep(&result)
		}
		result.Request, err = writeImport(ctx, tx, v, results)
		return err
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// create is [Service.Create] inside of the caller's transaction, which may write more beside it, without an import request, and
// for any number of customers; of the lines of a file, begun then and not zero, it does what as many calls of one customer each would do. The rows stay as they were
// read. It takes its locks before it reads, so the caller locks no customer or account before. A [db.ErrRetry] is meant for
// [db.Pool.InTx].
func (s *Service) create(ctx context.Context, tx *db.Tx, v *viewer.Viewer, read []*createRow, policy batch.ErrorPolicy, begun time.Time) ([]*UpsertResult, error) {
	b := &createBatch{s: s, tx: tx, v: v, policy: policy, inSequence: !begun.IsZero(), byKey: map[customer.SourceKey]*customer.Record{}, byReference: map[string]*customer.Record{}}
	rows := make([]*row, len(read))
	for i, r := range read {
		own := r.copy(i)
		b.rows, rows[i] = append(b.rows, own), &own.row
	}
	if err := b.read(ctx, rows); err != nil {
		return nil, err
	}
	b.begun = begun
	for _, row := range b.rows {
		if err := b.merge(row); err != nil {
			return nil, err
		}
	}
	results, rejected := resultsOf(rows, policy)
	if rejected {
		return results, nil
	}
	err := s.save(ctx, tx, v, rows, b.arrivals, "customer.imported", func() ([]audit.Change, []customer.Event, error) {
		entries, err := b.writeAccounts(ctx)
		return entries, nil, err
	})
	if db.Violated(err) == "customers_reference_id_key" {
		// Another transaction gave this reference to a customer: the next try finds that one.
		return nil, db.ErrRetry
	}
	return results, db.Refused(err, "input")
}

// createBatch is one try of a create.
type createBatch struct {
	*arrivals
	s      *Service
	tx     *db.Tx
	v      *viewer.Viewer
	policy batch.ErrorPolicy
	// inSequence reports that the rows are calls of their own: the accounts that they mention need not agree.
	inSequence bool
	rows       []*createRow
	// byKey and byReference lead to the customers of the rows, also to those that earlier rows created.
	byKey       map[customer.SourceKey]*customer.Record
	byReference map[string]*customer.Record
	accounts    map[account.Key]*pendingAccount
	// mentioned are the accounts of the rows that are written, in the order in which they came.
	mentioned []*pendingAccount
}

// read locks and reads all that the rows name, in a fixed number of statements, in the one order of locks: arrivals,
// customers, accounts.
func (b *createBatch) read(ctx context.Context, rows []*row) (err error) {
	sc := b.v.Scope()
	if b.arrivals, err = arrive(ctx, b.tx, sc, rows, b.holders(), b.storesNames(ctx)); err != nil {
		return err
	}
	for _, r := range b.records {
		for _, i := range r.Identifiers {
			b.byKey[i.SourceKey()] = r
		}
		if r.Customer.ReferenceID != nil {
			b.byReference[*r.Customer.ReferenceID] = r
		}
	}
	if slices.ContainsFunc(b.rows, (*createRow).namesProgram) {
		if err := customer.AlertProgramSection.Read(ctx, b.tx, sc, slices.Collect(maps.Values(b.records))...); err != nil {
			return err
		}
	}
	b.accounts, err = b.lockAccounts(ctx)
	return err
}

// merge applies one row to its customer and accounts, in memory, and finds what that changes. A wrong row leaves them as
// they were, but all that is wrong with it is found.
func (b *createBatch) merge(row *createRow) error {
	r, action := b.find(row), batch.Unchanged
	if r == nil {
		r, action = customer.NewRecord(b.v, ""), batch.Create
	}
	before, refused := *r, !row.usable
	if err := b.examine(row, r); err != nil {
		return err
	}
	twins := map[account.Key][]*accountRow{}
	for _, m := range row.mentions {
		a := b.account(m.key)
		if b.inSequence && len(twins[m.key]) == 0 {
			a.startRow()
		}
		a.check(m, twins[m.key])
		twins[m.key] = append(twins[m.key], m)
	}
	if refused || !row.usable || !row.check.OK() && b.policy != batch.IgnoreFailed {
		*r = before
		return nil
	}
	changed := r.Differs(&before) || !slices.Equal(r.Identifiers, before.Identifiers)
	b.applied(&row.row, r)
	b.register(row, r)
	for _, m := range row.mentions {
		if !m.ok {
			continue
		}
		a := b.account(m.key)
		if !a.isNamed() {
			b.accounts[m.key], b.mentioned = a, append(b.mentioned, a)
		}
		row.accounts = append(row.accounts, a)
		accountChanged, err := a.apply(m, b.s.customers.Sealer())
		if err != nil {
			return err
		}
		changed = changed || accountChanged
	}
	if row.result.Action = action; action == batch.Unchanged && changed {
		row.result.Action = batch.Update
	}
	return nil
}

// account returns what is known of an account; one that is not known is made anew each time, until it is mentioned
// by a row that is right.
func (b *createBatch) account(key account.Key) *pendingAccount {
	if a := b.accounts[key]; a != nil {
		return a
	}
	return newPendingAccount(b.v.OrganizationID, key)
}

// writeAccounts stores the accounts of the rows in a fixed number of statements, and returns their audit entries.
func (b *createBatch) writeAccounts(ctx context.Context) ([]audit.Change, error) {
	var w accountWrites
	arrived := map[customer.SourceKey]uuid.UUID{}
	for _, r := range b.order {
		for _, i := range r.NewIdentifiers() {
			arrived[i.SourceKey()] = r.Customer.UUID
		}
	}
	var entries []audit.Change
	for _, a := range b.mentioned {
		if b.held != customer.ExclusiveArrivalLock && a.storesName(b.known) {
			// A row that was to create the customer of the name was refused, or an account changed before it was locked.
			return nil, db.ErrRetry
		}
		a.linkArrived(arrived)
		a.settle(b.known, b.v.ActorText(), b.tx.Now, &w)
		names := a.changed
		if a.changesCards() {
			names = append(names, "cards")
		}
		if len(names) > 0 {
			entry := audit.Change{Action: "account.imported", Target: a.row.ID(), Fields: map[string]any{"fields": names}}
			if a.row.PrimaryCustomerID != nil {
				entry.CustomerID = *a.row.PrimaryCustomerID
			}
			entries = append(entries, entry)
		}
	}
	for _, row := range b.rows {
		if slices.ContainsFunc(row.accounts, func(a *pendingAccount) bool { return len(a.changed) > 0 || a.changesCards() }) {
			row.record.NoteBeside("accounts")
		}
	}
	if err := w.write(ctx, b.tx, b.v.Scope()); err != nil {
		return nil, fmt.Errorf("write accounts: %w", err)
	}
	return entries, nil
}

// known returns a customer's id by a key, nil while nobody has it, stored before or with this call.
func (b *createBatch) known(key customer.SourceKey) *uuid.UUID {
	if r := b.byKey[key]; r != nil {
		id := r.Customer.UUID
		return &id
	}
	return nil
}
