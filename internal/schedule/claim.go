package schedule

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/audit"
	"caseload/internal/calling"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// CallTaskClaim is a task that a dialer holds.
type CallTaskClaim struct {
	Task        *CallTask
	PhoneNumber string
	CallBefore  time.Time
	Warnings    []calling.CallDenial
}

// ClaimResult is what a dialer got.
type ClaimResult struct {
	fault.Payload
	Claims    []*CallTaskClaim
	Skipped   int
	Postponed int
}

// dueSQL finds due tasks, most urgent first, and locks them with their customers; locked rows are skipped. Locking the customer
// keeps two dialers from calling one person at the same time by two tasks. A customer with an open call is left out.
var dueSQL = "SELECT " + CallTasks.Select() + `
	FROM call_tasks c
	JOIN customers u ON u.organization_id = c.organization_id AND u.id = c.customer_id
	JOIN task_types t ON t.organization_id = c.organization_id AND t.id = c.task_type_id
	WHERE c.organization_id = $1 AND c.state = 'PENDING' AND c.due_at <= $2
		AND u.deleted_at IS NULL AND t.archived_at IS NULL AND (CAST($3 AS text[]) IS NULL OR t.name = ANY($3))
		AND NOT EXISTS (SELECT FROM call_tasks o WHERE o.organization_id = c.organization_id AND o.customer_id = c.customer_id AND o.lease_expires_at IS NOT NULL)
	ORDER BY c.priority, c.due_at, c.id
	LIMIT $4
	FOR NO KEY UPDATE OF c, u SKIP LOCKED`

// claimRounds bounds how often a claim looks for more tasks after rules forbade those that it found.
const claimRounds = 5

// ClaimTasks gives the viewer due tasks, with a lease. Every rule is checked again in the transaction of the claim, as a plan may
// be out of date. A task that a rule forbids is moved to the next allowed time of its plan, or skipped.
func (s *Service) ClaimTasks(ctx context.Context, v *viewer.Viewer, in ClaimCallTasksInput) (*ClaimResult, error) {
	c := fault.NewCheck("input")
	limit := input.Or(in.Limit, defaultClaim)
	if limit < 1 || limit > maxClaim {
		c.At("limit").Add(fault.OutOfRange, "Claim 1 to %d tasks.", maxClaim)
	}
	lease := checkLease(c, in.LeaseSeconds)
	cal, err := s.calendar(ctx, v.OrganizationID)
	if err != nil {
		return nil, err
	}
	types, err := s.taskTypesByName(ctx, s.pool, v.Scope())
	if err != nil {
		return nil, err
	}
	named := []string{} // none named is no task type, and not all of them
	for i, name := range in.TaskTypes.Value() {
		at := c.At("taskTypes").Index(i)
		if name = input.Text(at, name, maxTaskTypeName); name != "" && types[name] == nil {
			at.Add(fault.Missing, "There is no such task type in this organization.")
		}
		named = append(named, name)
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return db.InTx(ctx, s.pool, s.now(), func(tx *db.Tx) (*ClaimResult, error) {
		result := &ClaimResult{Claims: []*CallTaskClaim{}}
		d := &dispatch{s: s, v: v, cal: cal, lease: lease, result: result}
		expired, err := returnExpired(ctx, tx, v.OrganizationID)
		if err != nil {
			return nil, err
		}
		for _, t := range expired {
			s.changed(tx, t.OrganizationID, t.CustomerID, ChangeTaskFinished)
		}
		names := any(nil)
		if in.TaskTypes.Value() != nil {
			names = pq.Array(named)
		}
		for range claimRounds {
			missing := int(limit) - len(result.Claims)
			if missing == 0 {
				break
			}
			var due []*CallTask
			if err := tx.Select(ctx, &due, dueSQL, v.OrganizationID, tx.Now, names, missing); err != nil {
				return nil, fmt.Errorf("find due tasks: %w", err)
			}
			if len(due) == 0 {
				break
			}
			if err := d.decide(ctx, tx, due); err != nil {
				return nil, err
			}
		}
		return result, audit.Write(ctx, tx, v, d.audit...)
	})
}

// dispatch is one run of a claim.
type dispatch struct {
	s      *Service
	v      *viewer.Viewer
	cal    *calling.Calendar
	lease  time.Duration
	result *ClaimResult
	audit  []audit.Change
}

// decide checks the rules for due tasks, and claims, postpones, skips or expires each.
func (d *dispatch) decide(ctx context.Context, tx *db.Tx, due []*CallTask) error {
	sc := d.v.Scope()
	ids, scheduleIDs, typeIDs := make([]uuid.UUID, len(due)), make([]uuid.UUID, len(due)), make([]uuid.UUID, len(due))
	for i, t := range due {
		ids[i], scheduleIDs[i], typeIDs[i] = t.CustomerID, t.ScheduleID, t.TaskTypeID
	}
	rows, err := TaskTypes.ByKeys(ctx, tx, sc, "id", typeIDs)
	if err != nil {
		return fmt.Errorf("read task types: %w", err)
	}
	types := make(map[uuid.UUID]*TaskType, len(rows))
	for _, t := range rows {
		types[t.UUID] = t
	}
	records, err := customer.ReadAll(ctx, tx, sc, ids)
	if err != nil {
		return err
	}
	f, err := readFacts(ctx, tx, sc, ids, tx.Now, nil)
	if err != nil {
		return err
	}
	schedules, err := Schedules.ByKeys(ctx, tx, sc, "id", scheduleIDs)
	if err != nil {
		return fmt.Errorf("read schedules: %w", err)
	}
	horizon := make(map[uuid.UUID]time.Time, len(schedules))
	for _, sch := range schedules {
		if sch.PlannedUntil != nil {
			horizon[sch.UUID] = *sch.PlannedUntil
		}
	}
	for _, t := range due {
		r, typ := records[t.CustomerID], types[t.TaskTypeID]
		decision, subject := t.decide(r, typ, d.cal, f, tx.Now)
		t.UpdatedAt = tx.Now
		switch {
		case over(horizon, t.ScheduleID, tx.Now):
			// The job that ends such tasks has not run yet.
			t.finish(calling.Expired, planOver, tx.Now)
			d.result.Skipped++
			d.s.changed(tx, d.v.OrganizationID, t.CustomerID, ChangeTaskFinished)
		case decision.Allowed && (t.WindowEndsAt.After(tx.Now) || typ.QuietBehavior == calling.QuietNextAvailable):
			d.result.Claims = append(d.result.Claims, t.claim(d.v, r, decision, tx.Now, d.lease))
			// From now on this call counts, for the next task of the same customer too.
			f.attempts[t.CustomerID] = append(f.attempts[t.CustomerID], openCall(tx.Now, r.Phone.Number, t.LoanID))
			d.s.changed(tx, d.v.OrganizationID, t.CustomerID, ChangeTaskClaimed)
			d.audit = append(d.audit, audit.Change{Action: "call_task.claimed", Target: t.ID(), CustomerID: t.CustomerID})
		case typ.QuietBehavior == calling.QuietNextAvailable && decision.EarliestNext != nil && decision.EarliestNext.Before(horizon[t.ScheduleID]):
			t.moveTo(calling.WholeMinute(subject, *decision.EarliestNext))
			d.result.Postponed++
			d.s.changed(tx, d.v.OrganizationID, t.CustomerID, ChangeSynced)
		default:
			reason := "the time of the call passed"
			if len(decision.Denials) > 0 {
				reason = string(decision.Denials[0].Rule)
			}
			t.finish(calling.Skipped, reason, tx.Now)
			d.result.Skipped++
			d.s.changed(tx, d.v.OrganizationID, t.CustomerID, ChangeTaskFinished)
			d.audit = append(d.audit, audit.Change{Action: "call_task.skipped", Target: t.ID(), CustomerID: t.CustomerID, Reason: reason})
		}
	}
	_, err = CallTasks.UpdateAll(ctx, tx, sc, due, []string{"state", "due_at", "due_local", "window_ends_at", "claimed_by", "claimed_at", "lease_expires_at", "dialed_number", "finished_at", "skip_reason", "updated_at"})
	if err != nil {
		return fmt.Errorf("write claimed tasks: %w", err)
	}
	for _, t := range due {
		t.Version++
	}
	return nil
}

// decide applies every rule to a call of the task at this moment; subject is what they looked at.
func (t *CallTask) decide(r *customer.Record, typ *TaskType, cal *calling.Calendar, f *facts, now time.Time) (decision calling.CallEligibility, subject calling.Case) {
	subject = caseOf(r, typ, t.LoanID, cal, f, now)
	subject.OverrideRegF = t.OverrideReason != nil
	return calling.Eligibility(calling.EligibilityInput{Case: subject, At: now}), subject
}

// claim gives the task to the viewer, with a lease.
func (t *CallTask) claim(v *viewer.Viewer, r *customer.Record, decision calling.CallEligibility, now time.Time, lease time.Duration) *CallTaskClaim {
	t.State, t.ClaimedBy, t.ClaimedAt, t.LeaseExpiresAt, t.DialedNumber, t.UpdatedAt = calling.Claimed, new(v.ActorText()), &now, new(now.Add(lease)), &r.Phone.Number, now
	claim := &CallTaskClaim{Task: t, PhoneNumber: r.Phone.Number, CallBefore: t.WindowEndsAt, Warnings: decision.Warnings}
	if decision.AllowedUntil != nil {
		claim.CallBefore = *decision.AllowedUntil
	}
	return claim
}

// finish ends the task without a call.
func (t *CallTask) finish(state calling.CallTaskState, reason string, now time.Time) {
	t.State, t.FinishedAt, t.LeaseExpiresAt, t.SkipReason, t.UpdatedAt = state, &now, nil, &reason, now
}

// over reports whether a schedule's plan has an end that has passed.
func over(horizon map[uuid.UUID]time.Time, schedule uuid.UUID, now time.Time) bool {
	end, known := horizon[schedule]
	return known && !now.Before(end)
}

// customerDeleted is why a claimed call must not begin.
const customerDeleted = "the customer was deleted"

// RenewResult is a task after its renewal, with a CALL_NOT_ALLOWED user error when it may no longer be called.
type RenewResult struct {
	Task       *CallTask
	UserErrors fault.UserErrors
}

// Renew extends the lease of a task. The first renewal with callStarted checks the rules once more: between claim and call
// the customer may have opted out. A task that may no longer be called is skipped, which is written, so the user error is in the
// result. Wrong input comes back as fault.UserErrors with nothing written.
func (s *Service) Renew(ctx context.Context, v *viewer.Viewer, in RenewCallTaskInput) (*RenewResult, error) {
	c := fault.NewCheck("input")
	lease := checkLease(c, in.LeaseSeconds)
	if err := c.Err(); err != nil {
		return nil, err
	}
	cal, err := s.calendar(ctx, v.OrganizationID)
	if err != nil {
		return nil, err
	}
	return db.InTx(ctx, s.pool, s.now(), func(tx *db.Tx) (*RenewResult, error) {
		t, r, err := s.lockHeld(ctx, tx, v, in.ID)
		if err != nil {
			return nil, err
		}
		result := &RenewResult{Task: t}
		t.LeaseExpiresAt, t.UpdatedAt = new(tx.Now.Add(lease)), tx.Now
		if input.Or(in.CallStarted, false) && t.State == calling.Claimed {
			typ, err := TaskTypes.ByID(ctx, tx, v.Scope(), t.TaskTypeID)
			if err != nil {
				return nil, err
			}
			f, err := readFacts(ctx, tx, v.Scope(), []uuid.UUID{t.CustomerID}, tx.Now, []uuid.UUID{t.UUID})
			if err != nil {
				return nil, err
			}
			t.State = calling.InProgress
			decision, _ := t.decide(r, typ, cal, f, tx.Now)
			reason, message := "", ""
			if r.Customer.IsDeleted() {
				reason, message = customerDeleted, customerDeleted
			} else if !decision.Allowed {
				reason, message = string(decision.Denials[0].Rule), decision.Denials[0].Message
			}
			if reason != "" {
				t.finish(calling.Skipped, reason, tx.Now)
				result.UserErrors = fault.UserErrors{{Code: fault.CallNotAllowed, Message: "Do not call: " + message + ".", Path: []string{"input", "callStarted"}}}
				s.changed(tx, v.OrganizationID, t.CustomerID, ChangeTaskFinished)
				if err := audit.Write(ctx, tx, v, audit.Change{Action: "call_task.skipped", Target: t.ID(), CustomerID: t.CustomerID, Reason: reason}); err != nil {
					return nil, err
				}
			}
		}
		return result, CallTasks.Update(ctx, tx, v.Scope(), t)
	})
}

// lockHeld is [lockTask] for a task that the viewer holds.
func (s *Service) lockHeld(ctx context.Context, tx *db.Tx, v *viewer.Viewer, id relay.ID) (*CallTask, *customer.Record, error) {
	t, r, err := lockTask(ctx, tx, v, id)
	if err != nil {
		return nil, nil, err
	}
	if t.State != calling.Claimed && t.State != calling.InProgress {
		return nil, nil, fault.UserErrors{{Code: fault.InvalidState, Message: fmt.Sprintf("The task is %s; only a claimed task can be worked on.", t.State), Path: []string{"input", "id"}}}
	}
	if t.ClaimedBy == nil || *t.ClaimedBy != v.ActorText() {
		return nil, nil, fault.UserErrors{{Code: fault.NotAllowed, Message: "Another caller holds this task.", Path: []string{"input", "id"}}}
	}
	return t, r, nil
}

// lockTask locks a task's customer and then the task: every writer of tasks locks in this order.
func lockTask(ctx context.Context, tx *db.Tx, v *viewer.Viewer, id relay.ID) (*CallTask, *customer.Record, error) {
	u, err := id.As(CallTasks.Prefix())
	if err != nil {
		return nil, nil, err
	}
	found, err := CallTasks.ByID(ctx, tx, v.Scope(), u)
	if err != nil {
		return nil, nil, input.NoSuch(err, "call task", "input", "id")
	}
	r, err := customer.LockByID(ctx, tx, v.Scope(), found.CustomerID)
	if err != nil {
		return nil, nil, err
	}
	// Read again: another writer may have changed the task before the lock, and a sync may have removed it.
	t, err := CallTasks.Lock(ctx, tx, v.Scope(), u)
	if err != nil {
		return nil, nil, input.NoSuch(err, "call task", "input", "id")
	}
	return t, r, nil
}

// Cancel ends a task that has not been called yet. Cancelling again changes nothing.
func (s *Service) Cancel(ctx context.Context, v *viewer.Viewer, in CancelCallTaskInput) (*CallTask, error) {
	c := fault.NewCheck("input")
	reason := input.Reason(c.At("reason"), &in.Reason, 1, 500)
	if err := c.Err(); err != nil {
		return nil, err
	}
	return db.InTx(ctx, s.pool, s.now(), func(tx *db.Tx) (*CallTask, error) {
		t, _, err := lockTask(ctx, tx, v, in.ID)
		if err != nil || t.State == calling.Cancelled {
			return t, err
		}
		if !t.State.MayBecome(calling.Cancelled) {
			return nil, fault.UserErrors{{Code: fault.InvalidState, Message: fmt.Sprintf("The task is %s and can no longer be cancelled.", t.State), Path: []string{"input", "id"}}}
		}
		t.finish(calling.Cancelled, reason, tx.Now)
		if err := CallTasks.Update(ctx, tx, v.Scope(), t); err != nil {
			return nil, err
		}
		s.changed(tx, v.OrganizationID, t.CustomerID, ChangeTaskFinished)
		return t, audit.Write(ctx, tx, v, audit.Change{Action: "call_task.cancelled", Target: t.ID(), CustomerID: t.CustomerID, Reason: reason})
	})
}

// expiredSQL ends leases that ran out. A call that had not begun returns to the queue if its plan is still active; one that
// had begun may have reached the consumer, so it never returns and counts as an attempt.
//
// The customer is locked, as by every writer of tasks: otherwise a sync that makes a new plan at the same time would leave this
// task of the old plan in the queue. The schedule is locked so that its newest version is read, not that of the statement's
// snapshot. Locked rows are left for the next run.
var expiredSQL = `
	WITH due AS (
		-- The bound is a literal: without it PostgreSQL plans for a third of all tasks, and reads whole tables to end a few leases.
		SELECT organization_id, id FROM call_tasks
		WHERE lease_expires_at <= $1 AND (CAST($2 AS uuid) IS NULL OR organization_id = $2)
		ORDER BY organization_id, lease_expires_at LIMIT ` + strconv.Itoa(leasesAtOnce) + `
	), lapsed AS (
		SELECT t.organization_id, t.id, t.state,
			(s.status = 'ACTIVE' AND s.plan_number = t.plan_number) AS current
		FROM due d
		JOIN call_tasks t ON t.organization_id = d.organization_id AND t.id = d.id AND t.lease_expires_at <= $1
		JOIN schedules s ON s.organization_id = t.organization_id AND s.id = t.schedule_id
		JOIN customers u ON u.organization_id = t.organization_id AND u.id = t.customer_id
		FOR NO KEY UPDATE OF t, s, u SKIP LOCKED
	), ended AS (
		UPDATE call_tasks t SET
			state = CASE WHEN l.state = 'IN_PROGRESS' THEN 'FAILED' WHEN l.current THEN 'PENDING' ELSE 'EXPIRED' END,
			finished_at = CASE WHEN l.state = 'CLAIMED' AND l.current THEN NULL ELSE $1 END,
			skip_reason = CASE WHEN l.state = 'CLAIMED' AND l.current THEN NULL ELSE 'the dialer''s lease ran out' END,
			lease_expires_at = NULL,
			-- An override was for one call by one person.
			override_reason = CASE WHEN l.state = 'CLAIMED' THEN NULL ELSE t.override_reason END,
			version = t.version + 1, updated_at = $1
		FROM lapsed l WHERE t.organization_id = l.organization_id AND t.id = l.id
		RETURNING t.*, l.state AS old_state
	), counted AS (
		UPDATE schedules s SET attempts_made = attempts_made + e.calls
		FROM (SELECT organization_id, schedule_id, plan_number, count(*) AS calls FROM ended WHERE old_state = 'IN_PROGRESS' GROUP BY 1, 2, 3) e
		WHERE s.organization_id = e.organization_id AND s.id = e.schedule_id AND s.plan_number = e.plan_number
	), attempted AS (
		INSERT INTO call_attempts (organization_id, id, customer_id, task_id, direction, phone_number, place, loan_ids, outcome, occurred_at, created_at, created_by)
		SELECT e.organization_id, gen_random_uuid(), e.customer_id, e.id, 'OUTBOUND', coalesce(e.dialed_number, ''), 'RESIDENCE_OR_CELL',
			CASE WHEN e.loan_id IS NULL THEN '{}' ELSE ARRAY[e.loan_id] END, NULL, e.claimed_at, $1, e.claimed_by
		FROM ended e
		WHERE e.old_state = 'IN_PROGRESS'
	)
	SELECT organization_id, customer_id FROM ended`

// endedTask is a task that was ended by the clock.
type endedTask struct {
	OrganizationID uuid.UUID `db:"organization_id"`
	CustomerID     uuid.UUID `db:"customer_id"`
}

// leasesAtOnce bounds the leases that one statement ends.
const leasesAtOnce = 500

// returnExpired ends up to leasesAtOnce of the leases that ran out, of one organization or, with the zero id, of all.
func returnExpired(ctx context.Context, tx *db.Tx, organizationID uuid.UUID) ([]endedTask, error) {
	var rows []endedTask
	if err := tx.Select(ctx, &rows, expiredSQL, tx.Now, uuid.NullUUID{UUID: organizationID, Valid: organizationID != uuid.Nil}); err != nil {
		return nil, fmt.Errorf("end expired leases: %w", err)
	}
	return rows, nil
}

// planOver is the skip reason of a task that was never claimed.
const planOver = "the plan is over"

// overdueSQL ends pending tasks whose plan is over. Locked rows are left for the next run: waiting for them, with other tasks
// locked already, could deadlock with a sync.
const overdueSQL = `
	WITH over AS (
		SELECT t.organization_id, t.id
		FROM call_tasks t
		JOIN schedules s ON s.organization_id = t.organization_id AND s.id = t.schedule_id
		JOIN customers u ON u.organization_id = t.organization_id AND u.id = t.customer_id
		WHERE t.state = 'PENDING' AND t.due_at < $1 AND s.planned_until <= $1
		FOR NO KEY UPDATE OF t, u SKIP LOCKED
	)
	UPDATE call_tasks t SET state = 'EXPIRED', finished_at = $1, skip_reason = '` + planOver + `', version = t.version + 1, updated_at = $1
	FROM over o WHERE t.organization_id = o.organization_id AND t.id = o.id
	RETURNING t.organization_id, t.customer_id`

// Reap ends leases that ran out and tasks whose plan is over, in all organizations. Several processes may run it at once.
func (s *Service) Reap(ctx context.Context) error {
	for ended := leasesAtOnce; ended == leasesAtOnce; {
		if err := s.reap(ctx, &ended); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) reap(ctx context.Context, ended *int) error {
	return s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		rows, err := returnExpired(ctx, tx, uuid.Nil)
		if err != nil {
			return err
		}
		*ended = len(rows)
		var overdue []endedTask
		if err := tx.Select(ctx, &overdue, overdueSQL, tx.Now); err != nil {
			return fmt.Errorf("end overdue tasks: %w", err)
		}
		for _, r := range append(rows, overdue...) {
			s.changed(tx, r.OrganizationID, r.CustomerID, ChangeTaskFinished)
		}
		return nil
	})
}
