package schedule

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/batch"
	"caseload/internal/calling"
	"caseload/internal/civil"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/lending"
	"caseload/internal/viewer"
)

// SyncResult is what became of one customer.
type SyncResult struct {
	Action               batch.Action
	Customer             *customer.Customer
	Schedule             *Schedule
	TaskType             *TaskType
	ScheduleCreated      bool
	NotScheduledBecause  *calling.CallRule
	TasksCreated         int
	ExistingTasksRemoved int
	LoansImported        int
	// Index is the place of the row in the input.
	Index int
	fault.Payload
}

// The payloads, named for GraphQL.
type (
	SyncCustomerSchedulePayload    = SyncResult
	BulkSyncCustomerScheduleResult = SyncResult
	ClaimCallTasksPayload          = ClaimResult
	CompleteCallTaskPayload        = CallResult
	RecordCallPayload              = CallResult
	AddInconvenientTimePayload     = InconvenientTimeResult
)

// Success reports whether the row was written.
func (r *SyncResult) Success() bool {
	return r.Action.Wrote()
}

// Sync creates or updates one customer and replaces all pending tasks by a new plan, in one transaction
// under the customer's lock. The same input at the same time gives the same plan; many syncs of one
// customer at once leave exactly one. Wrong input comes back as fault.UserErrors with nothing written.
func (s *Service) Sync(ctx context.Context, v *viewer.Viewer, in SyncCustomerScheduleInput) (*SyncResult, error) {
	b := s.newBatch(v, []*SyncCustomerScheduleInput{&in}, batch.RejectEverything, func(int) *fault.Check { return fault.NewCheck("input") })
	results, err := b.run(ctx, func(tx *db.Tx, results []*SyncResult) { tx.Keep(results[0]) })
	if err != nil {
		return nil, err
	}
	if errs := results[0].UserErrors; len(errs) > 0 {
		return nil, fault.UserErrors(errs)
	}
	return results[0], nil
}

// BulkSync does what Sync does for many customers in one transaction. Rows with the same reference act in
// the order sent. Results come in the order of the rows.
func (s *Service) BulkSync(ctx context.Context, v *viewer.Viewer, in BulkSyncCustomerSchedulesInput) ([]*SyncResult, error) {
	switch n := len(in.Customers); {
	case n == 0:
		return nil, fault.UserErrors{{Code: fault.Required, Message: "Give at least one customer.", Path: []string{"input", "customers"}}}
	case n > batch.MaxRows:
		return nil, fault.UserErrors{{Code: fault.LimitExceeded, Message: "Give at most 1000 customers in one call.", Path: []string{"input", "customers"}}}
	}
	b := s.newBatch(v, in.Customers, in.ErrorPolicy, func(i int) *fault.Check { return fault.NewCheck("input", "customers").Index(i) })
	return b.run(ctx, func(tx *db.Tx, results []*SyncResult) { tx.Keep(results) })
}

// syncBatch is one run of a sync.
type syncBatch struct {
	s      *Service
	v      *viewer.Viewer
	policy batch.ErrorPolicy
	// begun is when the operation was created of whose file the rows are lines; zero when they are of one call, in which a
	// customer has one birthday.
	begun time.Time
	rows  []*syncRow
	types map[string]*TaskType
	cal   *calling.Calendar
}

// syncRow is one row of a batch. What is set before the transaction is kept over its retries; result is
// made by each try.
type syncRow struct {
	in       *SyncCustomerScheduleInput
	taskType *TaskType
	fetched  *customer.Fetched
	early    *fault.Check
	// unknown: the reference is wrong, so what is stored cannot be looked up.
	unknown bool
	result  *SyncResult
	check   *fault.Check
}

func (s *Service) newBatch(v *viewer.Viewer, inputs []*SyncCustomerScheduleInput, policy batch.ErrorPolicy, check func(i int) *fault.Check) *syncBatch {
	b := &syncBatch{s: s, v: v, policy: policy}
	for i, in := range inputs {
		b.rows = append(b.rows, &syncRow{in: in, early: check(i)})
	}
	return b
}

// run prepares and writes the batch, and returns what became of its rows, in their order. What a replay of the request
// answers is the caller's to keep. Where no row was written nothing is kept, as when an input was refused: a replay is
// then a new request.
func (b *syncBatch) run(ctx context.Context, keep func(tx *db.Tx, results []*SyncResult)) ([]*SyncResult, error) {
	if err := b.prepare(ctx); err != nil {
		return nil, err
	}
	err := b.s.pool.InTx(ctx, b.s.now(), func(tx *db.Tx) error {
		wrote, err := b.transact(ctx, tx)
		if wrote {
			keep(tx, b.results())
		}
		return err
	})
	if err != nil && !errors.Is(err, errNothingToWrite) {
		return nil, err
	}
	return b.results(), nil
}

func (b *syncBatch) results() []*SyncResult {
	results := make([]*SyncResult, len(b.rows))
	for i, row := range b.rows {
		results[i] = row.result
	}
	return results
}

// prepare does all that needs no lock, before the transaction: it writes nothing.
func (b *syncBatch) prepare(ctx context.Context) (err error) {
	if b.types, err = b.s.taskTypesByName(ctx, b.s.pool, b.v.Scope()); err != nil {
		return err
	}
	if b.cal, err = b.s.calendar(ctx, b.v.OrganizationID); err != nil {
		return err
	}
	identities := customer.Identities[string]{}
	for _, row := range b.rows {
		own := *row.in
		row.in = &own
		row.in.ReferenceID = input.Reference(row.early.At("referenceId"), row.in.ReferenceID)
		if row.unknown = row.in.ReferenceID == ""; !row.unknown && b.begun.IsZero() {
			identities.Check(row.early, row.in.ReferenceID, &own.Birthday, &own.SSN)
		}
		if id := own.ExternalLoanID.Value(); id != nil {
			own.ExternalLoanID = graphql.OmittableOf(new(input.KeyForm(*id)))
		}
		if name := input.Text(row.early.At("taskType"), row.in.TaskType, maxTaskTypeName); name != "" {
			if row.taskType = b.types[name]; row.taskType == nil {
				names := slices.Sorted(maps.Keys(b.types))
				row.early.At("taskType").Add(fault.Invalid, "Give one of this organization's task types: %s.", strings.Join(names, ", "))
			}
		}
	}
	return b.fetch(ctx)
}

// errNothingToWrite rolls back a batch in which the policy rejects everything.
var errNothingToWrite = errors.New("nothing is written")

// syncCustomer is one customer of the batch: all rows with its reference, applied in the order sent.
type syncCustomer struct {
	record *customer.Record
	isNew  bool
	// last is the row whose plan is kept.
	last    *syncRow
	written []*syncRow
	plan    *calling.PlanResult
	loan    *string
	loans   []lending.Loan
}

// batchLockSQL lets one batch of an organization run at a time.
const batchLockSQL = `SELECT pg_advisory_xact_lock(hashtextextended('syncs of ' || CAST($1 AS text), 0))`

// transact applies the rows in the caller's transaction and reports whether any was written.
func (b *syncBatch) transact(ctx context.Context, tx *db.Tx) (wrote bool, err error) {
	sc := b.v.Scope()
	if tx.Try > 0 && len(b.rows) > 1 {
		// Batches that create the same customers at once make each other retry again and again. After the first
		// retry they run one after the other, before they lock any row.
		if _, err := tx.Exec(ctx, batchLockSQL, sc.OrganizationID); err != nil {
			return false, fmt.Errorf("wait for other batches: %w", err)
		}
	}
	var references []string
	for _, row := range b.rows {
		row.check = row.early.Copy()
		row.result = &SyncResult{Action: batch.Failed, TaskType: row.taskType}
		if !row.unknown {
			references = append(references, row.in.ReferenceID)
		}
	}
	slices.Sort(references)
	references = slices.Compact(references)
	records, err := customer.LockByReference(ctx, tx, sc, references)
	if err != nil {
		return false, err
	}
	var stored []uuid.UUID
	for _, r := range records {
		stored = append(stored, r.Customer.UUID)
	}
	f, err := readFacts(ctx, tx, sc, stored, tx.Now, nil)
	if err != nil {
		return false, err
	}
	loans, err := customer.LoansByExternalID(ctx, tx, sc, stored, b.loanNumbers())
	if err != nil {
		return false, err
	}
	customers := map[string]*syncCustomer{}
	for _, row := range b.rows {
		if row.unknown {
			if err := b.examine(row, customer.NewRecord(b.v, row.in.ReferenceID), tx.Now); err != nil {
				return false, err
			}
			continue
		}
		c := customers[row.in.ReferenceID]
		if c == nil {
			c = &syncCustomer{record: records[row.in.ReferenceID]}
			if c.record == nil {
				c.record, c.isNew = customer.NewRecord(b.v, row.in.ReferenceID), true
			}
			customers[row.in.ReferenceID] = c
		}
		if err := b.merge(row, c, f, loans, tx.Now); err != nil {
			return false, err
		}
	}
	for _, row := range b.rows {
		row.result.UserErrors = row.check.Errors()
	}
	if batch.Reject(b.policy, b.rows, func(row *syncRow) *batch.Action { return &row.result.Action }) {
		for _, row := range b.rows {
			if row.result.Action == batch.Skipped {
				*row.result = SyncResult{Action: batch.Skipped, TaskType: row.taskType}
			}
		}
		return false, errNothingToWrite
	}
	var order []*syncCustomer
	for _, ref := range references {
		if c := customers[ref]; c != nil && len(c.written) > 0 {
			order = append(order, c)
		}
	}
	if !b.begun.IsZero() {
		var lines []customer.Line
		for _, row := range b.rows {
			if c := customers[row.in.ReferenceID]; c != nil && slices.Contains(c.written, row) {
				lines = append(lines, customer.Line{Record: c.record, Check: row.check, BirthdayField: "birthday", Birthday: row.in.Birthday, SSN: row.in.SSN})
			}
		}
		if err := customer.CheckLines(ctx, tx, b.v, b.begun, lines); err != nil {
			return false, err
		}
		for _, row := range b.rows {
			row.result.UserErrors = row.check.Errors()
		}
	}
	return len(order) > 0, b.write(ctx, tx, order)
}

// examine applies the fields of a row to a record and collects all that is wrong with them.
func (b *syncBatch) examine(row *syncRow, r *customer.Record, now time.Time) error {
	in, sealer, today := row.in, b.s.customers.Sealer(), civil.DateIn(now, time.UTC)
	if err := r.Merge(&in.Fields, row.check, sealer, today); err != nil {
		return err
	}
	if row.fetched != nil {
		if err := r.Fill(&in.Fields, row.fetched.Borrower, row.check, sealer, today); err != nil {
			return err
		}
	}
	if id := in.ExternalLoanID.Value(); id != nil {
		input.Key(row.check.At("externalLoanId"), *id, maxLoanNumber)
	}
	return nil
}

// maxLoanNumber is the longest text of the lending system's contract.
const maxLoanNumber = 255

// merge applies one row to its customer, in memory. A wrong row leaves the customer as it was, but all that
// is wrong with it is found.
func (b *syncBatch) merge(row *syncRow, c *syncCustomer, f *facts, loans map[customer.LoanKey]uuid.UUID, now time.Time) error {
	before := *c.record
	r, in := c.record, row.in
	if !customer.CheckLive(row.check.At("referenceId"), &r.Customer) {
		return nil
	}
	refused := !row.check.OK()
	mayCall := b.doNotCall(row, r, now)
	if err := b.examine(row, r, now); err != nil {
		return err
	}
	// What the lending system could not be asked for may be there: only what is sure is reported.
	if !in.wantsLending() || row.fetched != nil {
		r.Require(row.check)
	}
	if refused || !mayCall || !r.IsComplete() || (!row.check.OK() && b.policy != batch.IgnoreFailed) {
		*c.record = before
		return nil
	}
	c.loan = in.ExternalLoanID.Value()
	plan := calling.Plan(calling.PlanInput{
		Case: caseOf(r, row.taskType, c.debt(row, loans), b.cal, f, now), Now: now, Seed: calling.SeedOf(r.Customer.UUID, row.taskType.UUID),
	})
	c.last, c.plan = row, &plan
	c.written = append(c.written, row)
	if row.fetched != nil {
		c.loans = row.fetched.Loans
		row.result.LoansImported = len(c.loans)
	}
	switch {
	case c.isNew && len(c.written) == 1:
		row.result.Action = batch.Create
	case r.Differs(&before):
		row.result.Action = batch.Update
	default:
		row.result.Action = batch.Unchanged
	}
	row.result.TasksCreated = len(plan.Slots)
	row.result.ScheduleCreated = len(plan.Denials) == 0
	if !row.result.ScheduleCreated {
		row.result.NotScheduledBecause = &plan.Denials[0].Rule
	}
	return nil
}

// loanNumbers are the lending system's numbers of the loans that the rows name.
func (b *syncBatch) loanNumbers() []string {
	var numbers []string
	for _, row := range b.rows {
		if id := row.in.ExternalLoanID.Value(); id != nil {
			numbers = append(numbers, *id)
		}
	}
	return numbers
}

// debt is the loan that a row's calls are about, as the rules count: nil is all debts of the customer.
func (c *syncCustomer) debt(row *syncRow, loans map[customer.LoanKey]uuid.UUID) *uuid.UUID {
	if c.loan == nil {
		return nil
	}
	if id, ok := loans[customer.LoanKey{CustomerID: c.record.Customer.UUID, ExternalID: *c.loan}]; ok {
		return &id
	}
	if row.fetched != nil && slices.ContainsFunc(row.fetched.Loans, func(l lending.Loan) bool { return l.ID == *c.loan }) {
		// A loan that is imported only now: no call was about it yet, whatever id it gets.
		id := db.NewID()
		return &id
	}
	return nil
}

// doNotCall applies the table of docs/scheduling.md to the stored mark and the sent one; false means that
// the row is refused.
func (b *syncBatch) doNotCall(row *syncRow, r *customer.Record, now time.Time) bool {
	sent := row.in.DoNotCall.Value()
	if sent == nil && row.fetched != nil && row.fetched.Borrower != nil && !r.Customer.DoNotCall {
		// An opt-out that the lending system knows of is honored like one that was sent.
		sent = row.fetched.Borrower.DoNotCall
	}
	switch {
	case r.Customer.DoNotCall && (sent == nil || *sent):
		row.check.At("doNotCall").Add(fault.DoNotCall, "The customer is marked as not to be called; nothing was written. Send doNotCall: false to remove the mark, if the customer agreed to be called again.")
		return false
	case r.Customer.DoNotCall:
		return r.AllowCalls(row.check.At("doNotCall"), b.v)
	case sent != nil && *sent:
		r.ForbidCalls(now)
	}
	return true
}

// write stores the customers and their plans in a fixed number of statements.
func (b *syncBatch) write(ctx context.Context, tx *db.Tx, customers []*syncCustomer) error {
	of := make(map[*customer.Record]*syncCustomer, len(customers))
	records, ids := make([]*customer.Record, len(customers)), make([]uuid.UUID, len(customers))
	for i, c := range customers {
		of[c.record], records[i], ids[i] = c, c.record, c.record.Customer.UUID
	}
	var removed map[uuid.UUID]int
	var schedules map[uuid.UUID]*Schedule
	err := b.s.customers.Save(ctx, tx, b.v, customer.Batch{
		Records: records, Replans: true,
		Entry: func(r *customer.Record, changed []string) audit.Change {
			return audit.Change{Action: "customer.synced", Fields: map[string]any{"fields": changed, "taskType": of[r].last.taskType.Name, "tasks": len(of[r].plan.Slots)}}
		},
		Beside: func() (_ []audit.Change, _ []customer.Event, err error) {
			removed, schedules, err = b.writePlans(ctx, tx, customers, ids)
			return nil, nil, err
		},
	})
	if err != nil {
		return db.Refused(err, "input")
	}
	synced := make([]Synced, len(customers))
	for i, c := range customers {
		before := removed[ids[i]]
		for _, row := range c.written {
			row.result.Customer = &c.record.Customer
			row.result.ExistingTasksRemoved = before
			before = row.result.TasksCreated
		}
		c.last.result.Schedule = schedules[ids[i]]
		synced[i] = Synced{Customer: &c.record.Customer, Schedule: schedules[ids[i]]}
		kind := ChangeSynced
		if !c.last.result.ScheduleCreated {
			kind = ChangeStopped
		}
		b.s.changed(tx, b.v.OrganizationID, ids[i], kind)
	}
	return b.s.emit(ctx, tx, b.v, nil, synced)
}

// writePlans replaces the plans of customers, and returns how many pending tasks were removed of each, and the new schedules.
func (b *syncBatch) writePlans(ctx context.Context, tx *db.Tx, customers []*syncCustomer, ids []uuid.UUID) (removed map[uuid.UUID]int, schedules map[uuid.UUID]*Schedule, err error) {
	sc := b.v.Scope()
	loans := map[*customer.Customer][]lending.Loan{}
	for _, c := range customers {
		if len(c.loans) > 0 {
			loans[&c.record.Customer] = c.loans
		}
	}
	if err := customer.WriteLoans(ctx, tx, sc, loans); err != nil {
		return nil, nil, err
	}
	if removed, err = removePending(ctx, tx, sc, ids); err != nil {
		return nil, nil, err
	}
	// Read again: some were imported just now.
	loanIDs, err := customer.LoansByExternalID(ctx, tx, sc, ids, b.loanNumbers())
	if err != nil {
		return nil, nil, err
	}
	plans := make([]newPlan, len(customers))
	for i, c := range customers {
		plans[i] = newPlan{customer: ids[i], taskType: c.last.taskType, plan: c.plan, zone: c.record.Customer.TimeZone}
		if c.loan != nil {
			if id, ok := loanIDs[customer.LoanKey{CustomerID: ids[i], ExternalID: *c.loan}]; ok {
				plans[i].loan = &id
			}
		}
	}
	schedules, err = writePlans(ctx, tx, b.v, plans)
	return removed, schedules, err
}
