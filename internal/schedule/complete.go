package schedule

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/calling"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// CallResult is a recorded call with its consequences.
type CallResult struct {
	fault.Payload
	CallTask     *CallTask
	Attempt      *CallAttempt
	Customer     *customer.Customer
	Callback     *CallTask
	TasksRemoved int
	TasksCreated int
}

// Complete ends a task that the viewer holds with what happened, and applies the consequences of the
// outcome in the same transaction. Completing again with the same outcome changes nothing.
func (s *Service) Complete(ctx context.Context, v *viewer.Viewer, in CompleteCallTaskInput) (*CallResult, error) {
	cal, err := s.calendar(ctx, v.OrganizationID)
	if err != nil {
		return nil, err
	}
	return db.InTx(ctx, s.pool, s.now(), func(tx *db.Tx) (*CallResult, error) {
		t, r, err := lockTask(ctx, tx, v, in.ID)
		if err != nil {
			return nil, err
		}
		if t.State.IsFinal() && t.Outcome != nil && *t.Outcome == in.Outcome && t.ClaimedBy != nil && *t.ClaimedBy == v.ActorText() {
			return completedBefore(ctx, tx, v, t, r)
		}
		if t, r, err = s.lockHeld(ctx, tx, v, in.ID); err != nil {
			return nil, err
		}
		call, err := in.call(ctx, tx, v, t)
		if err != nil {
			return nil, err
		}
		if t.DialedNumber != nil {
			call.attempt.PhoneNumber = *t.DialedNumber
		}
		t.State, t.FinishedAt, t.LeaseExpiresAt = in.Outcome.Consequences().Final, &tx.Now, nil
		t.Outcome, t.UpdatedAt = &in.Outcome, tx.Now
		if err := CallTasks.Update(ctx, tx, v.Scope(), t); err != nil {
			return nil, err
		}
		result := &CallResult{CallTask: t, Attempt: call.attempt}
		s.changed(tx, v.OrganizationID, t.CustomerID, ChangeTaskFinished)
		if err := audit.Write(ctx, tx, v, audit.Change{Action: "call_task.completed", Target: t.ID(), CustomerID: t.CustomerID, Fields: map[string]any{"outcome": in.Outcome}}); err != nil {
			return nil, err
		}
		return result, s.consequences(ctx, tx, v, cal, r, call, result)
	})
}

// completedBefore returns the stored result of a completion that is repeated.
func completedBefore(ctx context.Context, tx *db.Tx, v *viewer.Viewer, t *CallTask, r *customer.Record) (*CallResult, error) {
	a, err := CallAttempts.One(ctx, tx, v.Scope(), db.Where{}.And("c.task_id = ?", t.UUID).And("c.customer_id = ?", t.CustomerID))
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return nil, fmt.Errorf("read call attempt: %w", err)
	}
	return &CallResult{CallTask: t, Attempt: a, Customer: &r.Customer}, nil
}

// call is a call that was made, with what the consequences need.
type call struct {
	attempt    *CallAttempt
	outcome    calling.CallOutcome
	callbackAt *time.Time
	task       *CallTask
}

// call checks the call and brings its note into the task.
func (in *CompleteCallTaskInput) call(ctx context.Context, tx *db.Tx, v *viewer.Viewer, t *CallTask) (*call, error) {
	c := fault.NewCheck("input")
	at := input.Milliseconds(input.Or(in.StartedAt, tx.Now))
	if in.StartedAt.Value() != nil && (at.After(tx.Now) || t.ClaimedAt != nil && at.Before(*t.ClaimedAt)) {
		c.At("startedAt").Add(fault.OutOfRange, "The call began between the claim and now.")
	}
	input.ClearNote(c.At("note"), in.Note, 2000, &t.Note)
	back := in.CallbackAt.Value()
	checkCallback(c, in.Outcome, back, tx.Now)
	loans := []uuid.UUID{}
	if t.LoanID != nil {
		loans = append(loans, *t.LoanID)
	}
	if in.LoanIDs.Value() != nil {
		var err error
		if loans, err = loansOf(ctx, tx, v, t.CustomerID, in.LoanIDs.Value(), c.At("loanIds")); err != nil {
			return nil, err
		}
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return &call{outcome: in.Outcome, callbackAt: back, task: t, attempt: newAttempt(tx, v, t.CustomerID, &t.UUID, calling.Outbound, loans, in.Outcome, at)}, nil
}

func checkCallback(c *fault.Check, outcome calling.CallOutcome, at *time.Time, now time.Time) {
	switch {
	case outcome == calling.CallbackRequested && at == nil:
		c.At("callbackAt").Add(fault.Required, "Say when the customer wants to be called.")
	case outcome != calling.CallbackRequested && at != nil:
		c.At("callbackAt").Add(fault.Invalid, "callbackAt goes with the outcome CALLBACK_REQUESTED only.")
	case at != nil && (!at.After(now) || at.After(now.Add(maxCallback))):
		c.At("callbackAt").Add(fault.OutOfRange, "A callback lies within the next 90 days.")
	}
}

const maxCallback = 90 * 24 * time.Hour

func newAttempt(tx *db.Tx, v *viewer.Viewer, customerID uuid.UUID, task *uuid.UUID, d calling.CallDirection, loans []uuid.UUID, o calling.CallOutcome, at time.Time) *CallAttempt {
	return &CallAttempt{Row: db.Row{OrganizationID: v.OrganizationID, UUID: db.NewID()}, CustomerID: customerID, TaskID: task, Direction: d,
		Place: calling.ResidenceOrCell, LoanIDs: loans, Outcome: &o, OccurredAt: at, CreatedAt: tx.Now, CreatedBy: v.ActorText()}
}

// loansOf checks that ids are loans of the customer.
func loansOf(ctx context.Context, q db.Querier, v *viewer.Viewer, customerID uuid.UUID, ids []relay.ID, c *fault.Check) ([]uuid.UUID, error) {
	keys := make([]uuid.UUID, len(ids))
	for i, id := range ids {
		u, err := id.As(customer.Loans.Prefix())
		if err != nil {
			return nil, err
		}
		keys[i] = u
	}
	rows, err := customer.Loans.ByKeys(ctx, q, v.Scope(), "id", keys)
	if err != nil {
		return nil, fmt.Errorf("read loans: %w", err)
	}
	for i, key := range keys {
		if !slices.ContainsFunc(rows, func(l *customer.Loan) bool { return l.UUID == key && l.CustomerID == customerID }) {
			c.Index(i).Add(fault.Missing, "The customer has no such loan.")
		}
	}
	return keys, nil
}

// RecordCall stores a call without a task, with the same consequences as any other. A call by the customer does not count for
// the frequency of attempts, but a conversation is one (12 CFR 1006.14(b)(2)).
func (s *Service) RecordCall(ctx context.Context, v *viewer.Viewer, in RecordCallInput) (*CallResult, error) {
	cal, err := s.calendar(ctx, v.OrganizationID)
	if err != nil {
		return nil, err
	}
	return db.InTx(ctx, s.pool, s.now(), func(tx *db.Tx) (*CallResult, error) {
		r, err := in.lock(ctx, tx, v.Scope(), "input")
		if err != nil {
			return nil, err
		}
		id := r.Customer.UUID
		c := fault.NewCheck("input")
		at := input.Milliseconds(input.Or(in.OccurredAt, tx.Now))
		if at.After(tx.Now) {
			c.At("occurredAt").Add(fault.OutOfRange, "A call that was made lies in the past.")
		}
		number := ""
		if r.Phone != nil {
			number = r.Phone.Number
		}
		if p := in.PhoneNumber.Value(); p != nil {
			number, _ = input.Phone(c.At("phoneNumber"), *p)
		}
		if number == "" && c.OK() {
			c.At("phoneNumber").Add(fault.Required, "Give the number: the customer has no primary phone.")
		}
		loans, err := loansOf(ctx, tx, v, id, in.LoanIDs.Value(), c.At("loanIds"))
		if err != nil {
			return nil, err
		}
		if err := c.Err(); err != nil {
			return nil, err
		}
		a := newAttempt(tx, v, id, nil, in.Direction, loans, in.Outcome, at)
		a.PhoneNumber = number
		result := &CallResult{Attempt: a}
		s.changed(tx, v.OrganizationID, id, ChangeTaskFinished)
		if err := audit.Write(ctx, tx, v, audit.Change{Action: "call.recorded", Target: a.ID(), CustomerID: id, Fields: map[string]any{"outcome": in.Outcome, "direction": in.Direction}}); err != nil {
			return nil, err
		}
		return result, s.consequences(ctx, tx, v, cal, r, &call{attempt: a, outcome: in.Outcome}, result)
	})
}

// consequences applies the consequences of an outcome. The caller holds the customer's lock.
func (s *Service) consequences(ctx context.Context, tx *db.Tx, v *viewer.Viewer, cal *calling.Calendar, r *customer.Record, c *call, result *CallResult) error {
	sc, id := v.Scope(), r.Customer.UUID
	if err := CallAttempts.Insert(ctx, tx, sc, c.attempt); err != nil {
		return db.Refused(err, "input")
	}
	if c.task != nil {
		if _, err := tx.Exec(ctx, "UPDATE schedules SET attempts_made = attempts_made + 1 WHERE organization_id = $1 AND id = $2 AND plan_number = $3",
			sc.OrganizationID, c.task.ScheduleID, c.task.PlanNumber); err != nil {
			return fmt.Errorf("count attempt: %w", err)
		}
	}
	todo := c.outcome.Consequences()
	var changed []string
	if todo.BlocksPhone {
		blocked, err := customer.BlockPhone(ctx, tx, v, id, c.attempt.PhoneNumber, string(c.outcome))
		if err != nil {
			return err
		}
		if blocked {
			changed = append(changed, "phone_number")
		}
	}
	if todo.DoNotCall {
		if err := customer.SetDoNotCall(ctx, tx, v, id); err != nil {
			return err
		}
		var err error
		if result.TasksRemoved, err = stopActive(ctx, tx, v, id, Stopped); err != nil {
			return err
		}
		s.changed(tx, v.OrganizationID, id, ChangeStopped)
		if err := audit.Write(ctx, tx, v, audit.Change{Action: "customer.do_not_call_set", Target: r.Customer.ID(), CustomerID: id, Fields: map[string]any{"by": c.outcome}}); err != nil {
			return err
		}
	}
	again, err := customer.Read(ctx, tx, sc, id)
	if err != nil {
		return err
	}
	result.Customer = &again.Customer
	if todo.DoNotCall && !r.Customer.DoNotCall {
		changed = append(changed, "do_not_call")
	}
	var synced []Synced
	switch {
	case todo.DoNotCall:
	case todo.Replan:
		synced, err = s.replan(ctx, tx, v, cal, again, c, result)
	default:
		synced, err = s.exhaust(ctx, tx, v, cal, again, result)
	}
	if err != nil {
		return err
	}
	var events []customer.Event
	if len(changed) > 0 {
		events = append(events, customer.Event{Kind: customer.EventUpdated, Customer: result.Customer, Changed: changed, At: tx.Now})
	}
	return s.emit(ctx, tx, v, events, synced)
}

// replan replaces the rest of the customer's active plan, as the rules now allow other times, and returns the events to emit.
func (s *Service) replan(ctx context.Context, tx *db.Tx, v *viewer.Viewer, cal *calling.Calendar, r *customer.Record, c *call, result *CallResult) ([]Synced, error) {
	sch, typ, err := activePlan(ctx, tx, v.Scope(), r.Customer.UUID)
	if err != nil || sch == nil {
		return nil, err
	}
	f, err := readFacts(ctx, tx, v.Scope(), []uuid.UUID{r.Customer.UUID}, tx.Now, nil)
	if err != nil {
		return nil, err
	}
	removed, err := removePending(ctx, tx, v.Scope(), []uuid.UUID{r.Customer.UUID})
	if err != nil {
		return nil, err
	}
	result.TasksRemoved = removed[r.Customer.UUID]
	subject := caseOf(r, typ, sch.LoanID, cal, f, tx.Now)
	from := tx.Now
	if d := calling.Eligibility(calling.EligibilityInput{Case: subject, At: from}); !d.Allowed && d.EarliestNext != nil {
		// After a conversation the next week is closed; a horizon counted from today would end with it.
		from = *d.EarliestNext
	}
	plan := calling.Plan(calling.PlanInput{Case: subject, Now: from, Seed: calling.SeedOf(r.Customer.UUID, typ.UUID), AttemptsMade: int(sch.AttemptsMade)})
	if c.callbackAt != nil {
		back, ok := calling.CallbackSlot(subject, *c.callbackAt, int(sch.AttemptsMade)+1)
		if ok {
			// The callback takes the place of the cadence: the customer said when.
			plan.Slots, plan.Denials = []calling.Slot{back}, nil
		}
	}
	if len(plan.Slots) == 0 && len(plan.Denials) == 0 && int(sch.AttemptsMade) >= int(typ.MaxAttempts) {
		// The customer was reached by the last call of the plan, so nothing more is to happen.
		_, err := stopActive(ctx, tx, v, r.Customer.UUID, Exhausted)
		s.changed(tx, v.OrganizationID, r.Customer.UUID, ChangeStopped)
		return nil, err
	}
	schedules, err := writePlans(ctx, tx, v, []newPlan{{customer: r.Customer.UUID, taskType: typ, loan: sch.LoanID, zone: r.Customer.TimeZone, plan: &plan, attemptsMade: sch.AttemptsMade}})
	if err != nil {
		return nil, err
	}
	synced := []Synced{{Customer: &r.Customer, Schedule: schedules[r.Customer.UUID]}}
	if schedules[r.Customer.UUID] == nil {
		s.changed(tx, v.OrganizationID, r.Customer.UUID, ChangeStopped)
		return synced, nil
	}
	result.TasksCreated = len(plan.Slots)
	if c.callbackAt != nil && len(plan.Slots) == 1 {
		if result.Callback, err = CallTasks.One(ctx, tx, v.Scope(), db.Where{}.And("c.schedule_id = ?", schedules[r.Customer.UUID].UUID).And("c.state = 'PENDING'")); err != nil {
			return nil, fmt.Errorf("read callback: %w", err)
		}
	}
	s.changed(tx, v.OrganizationID, r.Customer.UUID, ChangeSynced)
	return synced, nil
}

// activePlan returns the customer's active schedule with its task type; a nil schedule means that none is
// active.
func activePlan(ctx context.Context, q db.Querier, sc db.Scope, customerID uuid.UUID) (*Schedule, *TaskType, error) {
	sch, err := Schedules.One(ctx, q, sc, db.Where{}.And("c.customer_id = ?", customerID).And("c.status = 'ACTIVE'"))
	if err != nil {
		if fault.CodeOf(err) == fault.NotFound {
			return nil, nil, nil
		}
		return nil, nil, fmt.Errorf("read active schedule: %w", err)
	}
	typ, err := TaskTypes.ByID(ctx, q, sc, sch.TaskTypeID)
	if err != nil {
		return nil, nil, fmt.Errorf("read task type: %w", err)
	}
	return sch, typ, nil
}

// exhaust ends the active plan when its last call was made, as its task type says, and returns the events to emit for a
// new one.
func (s *Service) exhaust(ctx context.Context, tx *db.Tx, v *viewer.Viewer, cal *calling.Calendar, r *customer.Record, result *CallResult) ([]Synced, error) {
	sc, id := v.Scope(), r.Customer.UUID
	open, err := CallTasks.Count(ctx, tx, sc, db.Where{}.And("c.customer_id = ?", id).And("c.state IN ('PENDING', 'CLAIMED', 'IN_PROGRESS')"))
	if err != nil {
		return nil, fmt.Errorf("count open tasks: %w", err)
	}
	if open > 0 || result.CallTask == nil {
		return nil, nil
	}
	sch, typ, err := activePlan(ctx, tx, sc, id)
	if err != nil || sch == nil || sch.UUID != result.CallTask.ScheduleID || sch.PlanNumber != result.CallTask.PlanNumber {
		// A sync has made another plan since the claim of this call.
		return nil, err
	}
	if typ.OnExhausted == calling.ExhaustedCreateTask && sch.PlannedUntil != nil {
		f, err := readFacts(ctx, tx, sc, []uuid.UUID{id}, tx.Now, nil)
		if err != nil {
			return nil, err
		}
		from := *sch.PlannedUntil
		if from.Before(tx.Now) {
			from = tx.Now
		}
		plan := calling.Plan(calling.PlanInput{Case: caseOf(r, typ, sch.LoanID, cal, f, from), Now: from, Seed: calling.SeedOf(id, typ.UUID)})
		schedules, err := writePlans(ctx, tx, v, []newPlan{{customer: id, taskType: typ, loan: sch.LoanID, zone: r.Customer.TimeZone, plan: &plan}})
		if err != nil {
			return nil, err
		}
		result.TasksCreated = len(plan.Slots)
		s.changed(tx, v.OrganizationID, id, ChangeSynced)
		return []Synced{{Customer: &r.Customer, Schedule: schedules[id]}}, nil
	}
	if _, err := stopActive(ctx, tx, v, id, Exhausted); err != nil {
		return nil, err
	}
	if typ.OnExhausted == calling.ExhaustedEmitEvent {
		s.changed(tx, v.OrganizationID, id, ChangeExhausted)
	}
	return nil, nil
}
