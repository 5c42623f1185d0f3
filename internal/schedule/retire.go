package schedule

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/viewer"
)

// cancelPlannedSQL cancels pending tasks; they stay visible.
const cancelPlannedSQL = `
	UPDATE call_tasks SET state = 'CANCELLED', finished_at = $3, skip_reason = $4, version = version + 1, updated_at = $3
	WHERE organization_id = $1 AND customer_id = ANY($2) AND state = 'PENDING'`

// retire ends the plans of customers that are deleted, merged or marked as not to be called, in two statements. A claimed call is checked again when it begins,
// and does not return to the queue, as its schedule is stopped. The caller holds the customers' locks. Safe to repeat.
func (s *Service) retire(ctx context.Context, tx *db.Tx, v *viewer.Viewer, customers []uuid.UUID, why string) error {
	if _, err := tx.Exec(ctx, cancelPlannedSQL, v.OrganizationID, pq.Array(customers), tx.Now, why); err != nil {
		return fmt.Errorf("cancel planned calls: %w", err)
	}
	if err := stopSchedules(ctx, tx, v, customers, Stopped); err != nil {
		return err
	}
	for _, id := range customers {
		s.changed(tx, v.OrganizationID, id, ChangeStopped)
	}
	return nil
}

// The statements that replace a duplicate's loan by the survivor's of the same number.
var sameLoanSQL = []string{
	`UPDATE schedules s SET loan_id = k.id` + sameLoans + ` WHERE s.organization_id = $1 AND s.customer_id = ANY($4) AND s.loan_id = d.id`,
	`UPDATE call_tasks s SET loan_id = k.id` + sameLoans + ` WHERE s.organization_id = $1 AND s.customer_id = ANY($4) AND s.loan_id = d.id`,
	// An attempt may be about several loans, of which several may be the same after the merge: each counts once.
	`UPDATE call_attempts a SET loan_ids = (
		SELECT coalesce(array_agg(DISTINCT coalesce(k.id, u.loan)), '{}')
		FROM unnest(a.loan_ids) AS u(loan)
		LEFT JOIN loans d ON d.organization_id = $1 AND d.id = u.loan AND d.customer_id = ANY($2)
		LEFT JOIN loans k ON k.organization_id = $1 AND k.customer_id = $3 AND k.external_id = d.external_id)
	 WHERE a.organization_id = $1 AND a.customer_id = ANY($4) AND a.loan_ids && ARRAY(
		SELECT d.id FROM loans d WHERE d.organization_id = $1 AND d.customer_id = ANY($2))`,
}

const sameLoans = `
	FROM loans d JOIN loans k ON k.organization_id = d.organization_id AND k.customer_id = $3 AND k.external_id = d.external_id AND d.organization_id = $1 AND d.customer_id = ANY($2)`

// moveToSQL are the statements that move a duplicate's rows to the survivor.
var moveToSQL = []struct{ name, statement string }{
	{"call_tasks", "UPDATE call_tasks SET customer_id = $3 WHERE organization_id = $1 AND customer_id = ANY($2)"},
	{"call_attempts", "UPDATE call_attempts SET customer_id = $3 WHERE organization_id = $1 AND customer_id = ANY($2)"},
	{"inconvenient_times", "UPDATE inconvenient_times SET customer_id = $3 WHERE organization_id = $1 AND customer_id = ANY($2)"},
}

// mergeTasksSQL moves tasks to the schedule that the survivor has for their task type. Their plan becomes number
// 0, which is older than any: they must not count or return as calls of the survivor's plan.
const mergeTasksSQL = `
	UPDATE call_tasks t SET schedule_id = m.into_id, plan_number = 0
	FROM unnest(CAST($2 AS uuid[]), CAST($3 AS uuid[])) AS m(from_id, into_id)
	WHERE t.organization_id = $1 AND t.schedule_id = m.from_id`

// merge gives the schedules, calls and inconvenient times of duplicates to the survivor. What was planned for the
// duplicates has been retired, so the survivor's plan is the only one; calls that were made count for the
// survivor from now on, which the next claim looks at. A customer has one schedule for each task type: the
// survivor's own, or that of the first duplicate.
func (s *Service) merge(ctx context.Context, tx *db.Tx, v *viewer.Viewer, from []uuid.UUID, into uuid.UUID, moves *customer.Moves) error {
	sc, ids := v.Scope(), pq.Array(from)
	for _, statement := range sameLoanSQL {
		// What was moved in an earlier merge stays with the survivor.
		if _, err := tx.Exec(ctx, statement, sc.OrganizationID, ids, into, pq.Array(append([]uuid.UUID{into}, from...))); err != nil {
			return fmt.Errorf("move calls to the survivor's loans: %w", err)
		}
	}
	stored, err := Schedules.ByKeys(ctx, tx, sc, "customer_id", append([]uuid.UUID{into}, from...))
	if err != nil {
		return fmt.Errorf("read schedules: %w", err)
	}
	slices.SortStableFunc(stored, func(a, b *Schedule) int {
		// The survivor, who is not among the duplicates, comes first.
		return cmp.Compare(slices.Index(from, a.CustomerID), slices.Index(from, b.CustomerID))
	})
	kept := make(map[uuid.UUID]uuid.UUID, len(stored))
	var moved, mergedFrom, mergedInto []uuid.UUID
	for _, sch := range stored {
		keeper, ok := kept[sch.TaskTypeID]
		switch {
		case ok:
			mergedFrom, mergedInto = append(mergedFrom, sch.UUID), append(mergedInto, keeper)
			continue
		case sch.CustomerID != into:
			moved = append(moved, sch.UUID)
		}
		kept[sch.TaskTypeID] = sch.UUID
	}
	moves.Moved.Add("schedules", int64(len(moved)))
	moves.Removed.Add("schedules", int64(len(mergedFrom)))
	if len(mergedFrom) > 0 {
		if _, err := tx.Exec(ctx, mergeTasksSQL, sc.OrganizationID, pq.Array(mergedFrom), pq.Array(mergedInto)); err != nil {
			return fmt.Errorf("move calls to the survivor's schedules: %w", err)
		}
		if _, err := tx.Exec(ctx, "DELETE FROM schedules WHERE organization_id = $1 AND id = ANY($2)", sc.OrganizationID, pq.Array(mergedFrom)); err != nil {
			return fmt.Errorf("remove schedules of duplicates: %w", err)
		}
	}
	if len(moved) > 0 {
		if _, err := tx.Exec(ctx, "UPDATE schedules SET customer_id = $3, version = version + 1, updated_at = $4, updated_by = $5 WHERE organization_id = $1 AND id = ANY($2)",
			sc.OrganizationID, pq.Array(moved), into, tx.Now, v.ActorText()); err != nil {
			return fmt.Errorf("move schedules: %w", err)
		}
	}
	for _, step := range moveToSQL {
		n, err := tx.Exec(ctx, step.statement, sc.OrganizationID, ids, into)
		if err != nil {
			return fmt.Errorf("move %s: %w", step.name, err)
		}
		moves.Moved.Add(step.name, n)
	}
	s.changed(tx, v.OrganizationID, into, ChangeSynced)
	return nil
}
