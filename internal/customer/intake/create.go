package intake

import (
	"context"
	"fmt"
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
	var result *CreateResult
	err := s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		results, err := s.CreateIn(ctx, tx, v, in, c.Index)
		if err != nil {
			return err
		}
		result = &CreateResult{Results: results}
		for _, r := range results {
			if r.Success() {
				// Where no customer was right nothing is kept for a repetition: it is judged afresh.
				tx.Keep(&result)
				break
			}
		}
		result.Request, err = writeImport(ctx, tx, v, results)
		return err
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// CreateIn is [Service.Create] inside of the caller's transaction, which may write more beside it, without an import
// request, and for any number of customers. What is wrong with customer i is recorded below at(i). It takes its locks
// before it reads, so the caller locks no customer or account before. A [db.ErrRetry] is meant for [db.Pool.InTx].
func (s *Service) CreateIn(ctx context.Context, tx *db.Tx, v *viewer.Viewer, in CreateInput, at func(i int) *fault.Check) ([]*UpsertResult, error) {
	return s.createIn(ctx, tx, v, in, false, at)
}

// createIn is [Service.CreateIn], or, in sequence, what as many calls of one customer each would do.
func (s *Service) createIn(ctx context.Context, tx *db.Tx, v *viewer.Viewer, in CreateInput, inSequence bool, at func(i int) *fault.Check) ([]*UpsertResult, error) {
	b := &createBatch{s: s, tx: tx, v: v, policy: in.ErrorPolicy, inSequence: inSequence, byKey: map[customer.SourceKey]*created{}, byReference: map[string]*created{}}
	for i, row := range in.Customers {
		b.rows = append(b.rows, readCreateRow(i, row, at(i).Copy()))
	}
	if !inSequence {
		byKey, byReference := customer.Said[customer.SourceKey]{}, customer.Said[string]{}
		for _, row := range b.rows {
			own := *row.in
			if row.key.SourceID != "" {
				byKey.Check(row.check, row.key, &own.Birthday, &own.SSN)
			} else if row.reference != "" {
				byReference.Check(row.check, row.reference, &own.Birthday, &own.SSN)
			}
			row.in = &own
		}
	}
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	for _, row := range b.rows {
		if err := b.merge(row); err != nil {
			return nil, err
		}
	}
	results, wrong := make([]*UpsertResult, len(b.rows)), false
	for i, row := range b.rows {
		row.result.UserErrors = row.check.Errors()
		results[i], wrong = &row.result, wrong || row.result.Action == batch.Failed
		wrong = wrong || len(row.result.UserErrors) > 0
	}
	if wrong && b.policy == batch.RejectEverything {
		for _, r := range results {
			if r.Action.Wrote() {
				r.Action = batch.Skipped
			}
		}
		return results, nil
	}
	if err := b.write(ctx); err != nil {
		return nil, err
	}
	return results, nil
}

// createBatch is one run of CreateIn.
type createBatch struct {
	s      *Service
	tx     *db.Tx
	v      *viewer.Viewer
	policy batch.ErrorPolicy
	// inSequence tells that the rows are no call together: the accounts that they mention need not agree.
	inSequence bool
	rows       []*createRow
	// records are the customers that are locked: those of the rows, the holders that are named, and those who wait
	// for one of the rows as their parent.
	records map[uuid.UUID]*customer.Record
	// truncated tells that there may be more who wait than are among them.
	truncated bool
	// held is what of [customer.LockArrivals] the call has.
	held   customer.ArrivalLock
	family *family
	// byKey and byReference lead to the customers of the rows, also to those that earlier rows created.
	byKey       map[customer.SourceKey]*created
	byReference map[string]*created
	accounts    map[account.Key]*foldedAccount
	// order has the customers and the accounts of the rows that are written, in the order in which they came.
	order    []*created
	mentions []*foldedAccount
}

// created is one customer of the call: all rows that mean it, folded in the order sent.
type created struct {
	record  *customer.Record
	program program
	marked  customer.DoNotCallChange
	rows    []*createRow
}

// merge applies one row to its customer and accounts, in memory, and tells what that changes. A wrong row leaves them as
// they were, but all that is wrong with it is found.
func (b *createBatch) merge(row *createRow) error {
	c, action := b.find(row), batch.Unchanged
	if c == nil {
		c, action = &created{record: customer.NewRecord(b.v, "")}, batch.Create
	}
	before, program, marked := *c.record, c.program, c.marked
	refused := !row.usable
	if err := b.examine(row, c); err != nil {
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
		*c.record, c.program, c.marked = before, program, marked
		return nil
	}
	changed := c.record.Differs(&before) || !slices.Equal(c.record.Identifiers, before.Identifiers) || !sameProgram(&c.program.row, &program.row)
	if c.rows = append(c.rows, row); len(c.rows) == 1 {
		b.order = append(b.order, c)
	}
	b.register(row, c)
	for _, m := range row.mentions {
		if !m.ok {
			continue
		}
		a := b.accounts[m.key]
		if a == nil {
			a = b.account(m.key)
			b.accounts[m.key] = a
		}
		if a.said == nil {
			b.mentions = append(b.mentions, a)
		}
		row.accounts = append(row.accounts, a)
		told, err := a.apply(m, b.s.customers.Sealer())
		if err != nil {
			return err
		}
		changed = changed || told
	}
	if row.result.Action = action; action == batch.Unchanged && changed {
		row.result.Action = batch.Update
	}
	return nil
}

// account returns what is known of an account; one that is not known is made anew each time, until it is mentioned
// by a row that is right.
func (b *createBatch) account(key account.Key) *foldedAccount {
	if a := b.accounts[key]; a != nil {
		return a
	}
	return newFoldedAccount(b.v.OrganizationID, key)
}

// write stores what the rows say in a fixed number of statements.
func (b *createBatch) write(ctx context.Context) error {
	sc, now := b.v.Scope(), b.tx.Now
	records := b.touched()
	fields := make(map[*customer.Record][]string, len(records))
	for _, r := range records {
		fields[r] = r.Settle(b.v, now)
	}
	if err := customer.WriteAll(ctx, b.tx, b.v, records); err != nil {
		if db.Violated(err) == "customers_reference_id_key" {
			// Another writer gave this reference away: the next run finds to whom.
			return db.ErrRetry
		}
		return fmt.Errorf("write customers: %w", db.Refused(err, "input"))
	}
	if err := b.writePrograms(ctx); err != nil {
		return err
	}
	if err := b.retire(ctx); err != nil {
		return err
	}
	var w accountWrites
	known, came := b.known()
	for _, a := range b.mentions {
		if b.held != customer.ExclusiveArrivalLock && a.leavesName(known) {
			// Somebody who was announced with the call was refused, or an account changed before it was locked.
			return db.ErrRetry
		}
		a.linkArrived(came)
		a.settle(known, b.v.ActorText(), now, &w)
	}
	if err := w.write(ctx, b.tx, sc); err != nil {
		return fmt.Errorf("write accounts: %w", db.Refused(err, "input"))
	}
	for _, c := range b.order {
		for _, row := range c.rows {
			row.result.Customer = &c.record.Customer
		}
	}
	return b.tell(ctx, fields, now)
}

// retire ends what is planned for those who were marked as not to be called.
func (b *createBatch) retire(ctx context.Context) error {
	var ids []uuid.UUID
	for _, c := range b.order {
		if c.marked.Set && !c.record.IsNew {
			ids = append(ids, c.record.Customer.UUID)
		}
	}
	return b.s.customers.Retire(ctx, b.tx, b.v, ids, "the customer asked not to be called")
}

// tell writes the audit log and emits the events.
func (b *createBatch) tell(ctx context.Context, fields map[*customer.Record][]string, now time.Time) error {
	var changes []audit.Change
	var events []customer.Event
	accounts := map[*customer.Record]bool{}
	for _, c := range b.order {
		for _, row := range c.rows {
			accounts[c.record] = accounts[c.record] || row.changesAccounts()
		}
	}
	for _, r := range b.touched() {
		names := fields[r]
		if accounts[r] {
			names = append(names, "accounts")
		}
		if len(names) == 0 {
			continue
		}
		changes = append(changes, audit.Change{Action: "customer.imported", Target: r.Customer.ID(), CustomerID: r.Customer.UUID, Fields: map[string]any{"fields": names}})
		kind := customer.EventUpdated
		if r.IsNew {
			kind = customer.EventCreated
		}
		events = append(events, customer.Event{Kind: kind, Customer: &r.Customer, Changed: names, At: now})
	}
	for _, c := range b.order {
		changes = append(changes, c.marked.Entries(&c.record.Customer)...)
	}
	for _, a := range b.mentions {
		names := a.changed
		if a.changesCards() {
			names = append(names, "cards")
		}
		if len(names) > 0 {
			change := audit.Change{Action: "account.imported", Target: a.row.ID(), Fields: map[string]any{"fields": names}}
			if a.row.PrimaryCustomerID != nil {
				change.CustomerID = *a.row.PrimaryCustomerID
			}
			changes = append(changes, change)
		}
	}
	if err := audit.Write(ctx, b.tx, b.v, changes...); err != nil {
		return err
	}
	if b.truncated {
		if err := b.s.enqueueLinks(ctx, b.tx, b.v, b.touched()); err != nil {
			return err
		}
	}
	return b.s.customers.Emit(ctx, b.tx, b.v, events...)
}
