package schedule

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/audit"
	"caseload/internal/calling"
	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/viewer"
)

// InconvenientTimeResult is an inconvenient time that was added, with what followed.
type InconvenientTimeResult struct {
	fault.Payload
	InconvenientTime *InconvenientTime
	TasksRemoved     int
}

// AddInconvenientTime stores a time at which the customer is not to be called, in effect at once: pending tasks
// in it are removed.
func (s *Service) AddInconvenientTime(ctx context.Context, v *viewer.Viewer, in AddInconvenientTimeInput) (*InconvenientTimeResult, error) {
	c := fault.NewCheck("input")
	days := readDays(c, in.Days)
	row := &InconvenientTime{Row: db.Row{OrganizationID: v.OrganizationID, UUID: db.NewID()}, DaySet: days, StartsAt: in.StartsAt, EndsAt: in.EndsAt, CreatedBy: v.ActorText()}
	input.ClearNote(c.At("note"), in.Note, 500, &row.Note)
	if err := c.Err(); err != nil {
		return nil, err
	}
	return db.InTx(ctx, s.pool, s.now(), func(tx *db.Tx) (*InconvenientTimeResult, error) {
		r, err := in.lock(ctx, tx, v.Scope(), "input")
		if err != nil {
			return nil, err
		}
		id := r.Customer.UUID
		row.CustomerID, row.CreatedAt = id, tx.Now
		if err := InconvenientTimes.Insert(ctx, tx, v.Scope(), row); err != nil {
			return nil, db.Refused(err, "input")
		}
		removed, err := removeInside(ctx, tx, v.Scope(), id, row)
		if err != nil {
			return nil, err
		}
		result := &InconvenientTimeResult{InconvenientTime: row, TasksRemoved: removed}
		s.changed(tx, v.OrganizationID, id, ChangeSynced)
		return result, audit.Write(ctx, tx, v, audit.Change{Action: "inconvenient_time.added", Target: row.ID(), CustomerID: id, Fields: map[string]any{"days": days.String(), "tasksRemoved": removed}})
	})
}

// removeInside deletes the pending tasks of a customer that an inconvenient time forbids.
func removeInside(ctx context.Context, tx *db.Tx, sc db.Scope, customerID uuid.UUID, t *InconvenientTime) (int, error) {
	pending, err := CallTasks.List(ctx, tx, sc, db.Where{}.And("c.customer_id = ?", customerID).And("c.state = 'PENDING'"), db.Page{Order: db.By("due_at")})
	if err != nil {
		return 0, fmt.Errorf("read pending tasks: %w", err)
	}
	var inside []uuid.UUID
	for _, task := range pending {
		z, err := civil.ParseZone(task.TimeZone)
		if err != nil {
			continue
		}
		// The same rule that a claim checks, with nothing else in the case.
		d := calling.Eligibility(calling.EligibilityInput{At: task.DueAt, Case: calling.Case{Zones: []civil.Zone{z}, Phone: "+", Policy: calling.Default(),
			Inconvenient: []calling.InconvenientTime{{Weekdays: t.DaySet, From: t.StartsAt, To: t.EndsAt}}}})
		for _, denial := range d.Denials {
			if denial.Rule == calling.RuleConsumerInconvenientTime {
				inside = append(inside, task.UUID)
			}
		}
	}
	n, err := tx.Exec(ctx, "DELETE FROM call_tasks WHERE organization_id = $1 AND id = ANY($2) AND state = 'PENDING'", sc.OrganizationID, pq.Array(inside))
	if err != nil {
		return 0, fmt.Errorf("remove pending tasks: %w", err)
	}
	return int(n), nil
}

// RemoveInconvenientTime deletes an inconvenient time and returns it.
func (s *Service) RemoveInconvenientTime(ctx context.Context, v *viewer.Viewer, in RemoveInconvenientTimeInput) (*InconvenientTime, error) {
	id, err := in.ID.As(InconvenientTimes.Prefix())
	if err != nil {
		return nil, err
	}
	return db.InTx(ctx, s.pool, s.now(), func(tx *db.Tx) (*InconvenientTime, error) {
		row, err := InconvenientTimes.Lock(ctx, tx, v.Scope(), id)
		if err != nil {
			return nil, input.NoSuch(err, "inconvenient time", "input", "id")
		}
		if _, err := tx.Exec(ctx, "DELETE FROM inconvenient_times WHERE organization_id = $1 AND id = $2", v.OrganizationID, id); err != nil {
			return nil, fmt.Errorf("remove inconvenient time: %w", err)
		}
		s.changed(tx, v.OrganizationID, row.CustomerID, ChangeSynced)
		return row, audit.Write(ctx, tx, v, audit.Change{Action: "inconvenient_time.removed", Target: row.ID(), CustomerID: row.CustomerID})
	})
}
