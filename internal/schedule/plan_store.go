package schedule

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/calling"
	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/viewer"
)

// newPlan is a plan to be stored for a customer.
type newPlan struct {
	customer uuid.UUID
	taskType *TaskType
	loan     *uuid.UUID
	zone     *string
	plan     *calling.PlanResult
	// attemptsMade continues the count of the plan before; a sync begins at zero.
	attemptsMade int32
}

// writePlans makes each plan the active one of its customer, and returns the schedules by customer; a
// plan that no rule allows stops the customer's active schedule instead. The caller holds the customers'
// locks and has removed their pending tasks. The number of statements does not depend on that of plans.
func writePlans(ctx context.Context, tx *db.Tx, v *viewer.Viewer, plans []newPlan) (map[uuid.UUID]*Schedule, error) {
	sc, actor := v.Scope(), v.ActorText()
	ids := make([]uuid.UUID, len(plans))
	for i, p := range plans {
		ids[i] = p.customer
	}
	stored, err := Schedules.ByKeys(ctx, tx, sc, "customer_id", ids)
	if err != nil {
		return nil, fmt.Errorf("read schedules: %w", err)
	}
	type key struct{ customer, taskType uuid.UUID }
	byKey := make(map[key]*Schedule, len(stored))
	active := map[uuid.UUID]*Schedule{}
	for _, s := range stored {
		byKey[key{s.CustomerID, s.TaskTypeID}] = s
		if s.Status == Active {
			active[s.CustomerID] = s
		}
	}
	out := make(map[uuid.UUID]*Schedule, len(plans))
	var ended, updated, created []*Schedule
	var tasks []*CallTask
	for _, p := range plans {
		if len(p.plan.Denials) > 0 {
			if old := active[p.customer]; old != nil {
				ended = append(ended, end(old, Stopped, tx.Now, actor))
			}
			continue
		}
		s := byKey[key{p.customer, p.taskType.UUID}]
		if old := active[p.customer]; old != nil && old != s {
			ended = append(ended, end(old, Superseded, tx.Now, actor))
		}
		if s == nil {
			s = &Schedule{Row: db.Row{OrganizationID: sc.OrganizationID, UUID: db.NewID()}, CustomerID: p.customer, TaskTypeID: p.taskType.UUID,
				Version: 1, CreatedAt: tx.Now, CreatedBy: actor}
			created = append(created, s)
		} else {
			s.Version++
			updated = append(updated, s)
		}
		s.Status, s.PlanNumber, s.AttemptsMade, s.LoanID = Active, s.PlanNumber+1, p.attemptsMade, p.loan
		s.PlannedAt, s.UpdatedAt, s.UpdatedBy = tx.Now, tx.Now, actor
		if p.zone != nil {
			s.TimeZone = *p.zone
		}
		s.PlannedUntil = horizonEnd(p.plan, s.TimeZone)
		tasks = append(tasks, tasksOf(s, p.taskType, p.plan.Slots, tx.Now)...)
		out[p.customer] = s
	}
	columns := []string{"status", "plan_number", "attempts_made", "loan_id", "time_zone", "planned_at", "planned_until", "updated_at", "updated_by"}
	// The old ones end first: a unique index allows one active schedule at every moment.
	if _, err := Schedules.UpdateAll(ctx, tx, sc, ended, columns); err != nil {
		return nil, fmt.Errorf("end schedules: %w", err)
	}
	if _, err := Schedules.UpdateAll(ctx, tx, sc, updated, columns); err != nil {
		return nil, fmt.Errorf("update schedules: %w", err)
	}
	if _, err := Schedules.InsertAll(ctx, tx, sc, created, false); err != nil {
		return nil, fmt.Errorf("create schedules: %w", err)
	}
	if _, err := CallTasks.InsertAll(ctx, tx, sc, tasks, false); err != nil {
		return nil, fmt.Errorf("create call tasks: %w", err)
	}
	return out, nil
}

func end(s *Schedule, status ScheduleStatus, now time.Time, actor string) *Schedule {
	s.Status, s.UpdatedAt, s.UpdatedBy = status, now, actor
	s.Version++
	return s
}

// horizonEnd is the midnight after the last day of the plan, at the customer's place, or the end of its last
// call if that is later, as a callback may be.
func horizonEnd(p *calling.PlanResult, zone string) *time.Time {
	z, err := civil.ParseZone(zone)
	if err != nil || len(p.Days) == 0 {
		return nil
	}
	t := p.Days[len(p.Days)-1].Date.AddDays(1).In(z.Location()).UTC()
	if n := len(p.Slots); n > 0 && p.Slots[n-1].WindowEnd.After(t) {
		t = p.Slots[n-1].WindowEnd
	}
	return &t
}

// tasksOf makes the tasks of planned slots.
func tasksOf(s *Schedule, t *TaskType, slots []calling.Slot, now time.Time) []*CallTask {
	tasks := make([]*CallTask, len(slots))
	for i, slot := range slots {
		tasks[i] = &CallTask{
			Row: db.Row{OrganizationID: s.OrganizationID, UUID: db.NewID()}, CustomerID: s.CustomerID, ScheduleID: s.UUID, TaskTypeID: t.UUID,
			LoanID: s.LoanID, PlanNumber: s.PlanNumber, AttemptNumber: int32(slot.Attempt), State: calling.Pending, Priority: t.Priority,
			DueAt: slot.At, DueLocal: calling.WallTime{Date: slot.LocalDate, Clock: slot.LocalTime}, TimeZone: slot.Zone.Name(), WindowEndsAt: slot.WindowEnd,
			Version: 1, CreatedAt: now, UpdatedAt: now,
		}
	}
	return tasks
}

// moveTo gives a task another time.
func (t *CallTask) moveTo(at, windowEnds time.Time) {
	t.DueAt, t.WindowEndsAt = at, windowEnds
	if z, err := civil.ParseZone(t.TimeZone); err == nil {
		t.DueLocal = calling.WallTime{Date: civil.DateIn(at, z.Location()), Clock: civil.LocalTimeIn(at, z.Location())}
	}
}

// stopActive ends the customer's active schedule and removes its pending tasks, and returns how many.
func stopActive(ctx context.Context, tx *db.Tx, v *viewer.Viewer, customerID uuid.UUID, status ScheduleStatus) (int, error) {
	removed, err := removePending(ctx, tx, v.Scope(), []uuid.UUID{customerID})
	if err != nil {
		return 0, err
	}
	return removed[customerID], stopSchedules(ctx, tx, v, []uuid.UUID{customerID}, status)
}

// stopSchedules ends the active schedules of customers.
func stopSchedules(ctx context.Context, tx *db.Tx, v *viewer.Viewer, customers []uuid.UUID, status ScheduleStatus) error {
	if _, err := tx.Exec(ctx, `
		UPDATE schedules SET status = $3, version = version + 1, updated_at = $4, updated_by = $5
		WHERE organization_id = $1 AND customer_id = ANY($2) AND status = 'ACTIVE'`,
		v.OrganizationID, pq.Array(customers), status, tx.Now, v.ActorText()); err != nil {
		return fmt.Errorf("stop schedules: %w", err)
	}
	return nil
}

const removePendingSQL = `
	WITH gone AS (
		DELETE FROM call_tasks WHERE organization_id = $1 AND customer_id = ANY($2) AND state = 'PENDING' RETURNING customer_id
	)
	SELECT customer_id, count(*) AS n FROM gone GROUP BY customer_id`

// removePending deletes the pending tasks of customers, of any task type, and returns how many each had.
// Tasks that a dialer holds stay.
func removePending(ctx context.Context, tx *db.Tx, sc db.Scope, customers []uuid.UUID) (map[uuid.UUID]int, error) {
	var rows []struct {
		CustomerID uuid.UUID `db:"customer_id"`
		N          int       `db:"n"`
	}
	if err := tx.Select(ctx, &rows, removePendingSQL, sc.OrganizationID, pq.Array(customers)); err != nil {
		return nil, fmt.Errorf("remove pending tasks: %w", err)
	}
	out := make(map[uuid.UUID]int, len(rows))
	for _, r := range rows {
		out[r.CustomerID] = r.N
	}
	return out, nil
}
