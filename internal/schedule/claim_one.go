package schedule

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/calling"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/viewer"
)

// ClaimCallTaskPayload is a claim, or the rules that deny the call.
type ClaimCallTaskPayload struct {
	fault.Payload
	Claim   *CallTaskClaim
	Denials []calling.CallDenial
}

// ClaimOne gives the caller one pending task, due or not, if every rule allows a call at this moment. With
// a reason and the permission, the frequencies of Regulation F become warnings for this task: they are
// presumptions that a supervisor may rebut; the reason is audited. Denials leave the task pending.
func (s *Service) ClaimOne(ctx context.Context, v *viewer.Viewer, in ClaimCallTaskInput) (*CallTaskClaim, []calling.CallDenial, error) {
	c := fault.NewCheck("input")
	lease := checkLease(c, in.LeaseSeconds)
	reason := in.OverrideReason.Value()
	if reason != nil {
		why := input.Reason(c.At("overrideReason"), reason, 10, 500)
		reason = &why
		if !v.Has(viewer.CallRulesOverride) {
			c.At("overrideReason").Add(fault.NotAllowed, "Overriding a rule needs the scope %s.", viewer.CallRulesOverride)
		}
	}
	if err := c.Err(); err != nil {
		return nil, nil, err
	}
	cal, err := s.calendar(ctx, v.OrganizationID)
	if err != nil {
		return nil, nil, err
	}
	var claim *CallTaskClaim
	var denials []calling.CallDenial
	err = s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		claim, denials = nil, nil
		t, r, err := lockTask(ctx, tx, v, in.ID)
		if err != nil {
			return err
		}
		if live := fault.NewCheck("input", "id"); !customer.CheckLive(live, &r.Customer) {
			return live.Err()
		}
		typ, err := TaskTypes.ByID(ctx, tx, v.Scope(), t.TaskTypeID)
		if err != nil {
			return fmt.Errorf("read task type: %w", err)
		}
		if t.State != calling.Pending || typ.ArchivedAt != nil {
			return fault.UserErrors{{Code: fault.InvalidState, Message: fmt.Sprintf("The task is %s; only a pending task of a task type in use can be claimed.", t.State), Path: []string{"input", "id"}}}
		}
		f, err := readFacts(ctx, tx, v.Scope(), []uuid.UUID{t.CustomerID}, tx.Now, nil)
		if err != nil {
			return err
		}
		t.OverrideReason = reason
		decision, _ := t.decide(r, typ, cal, f, tx.Now)
		if !decision.Allowed {
			// It changes nothing and is not kept: the same request may be allowed later.
			denials = decision.Denials
			return nil
		}
		tx.Keep(&claim)
		claim = t.claim(v, r, decision, tx.Now, lease)
		if err := CallTasks.Update(ctx, tx, v.Scope(), t); err != nil {
			return err
		}
		s.changed(tx, v.OrganizationID, t.CustomerID, ChangeTaskClaimed)
		change := audit.Change{Action: "call_task.claimed", Target: t.ID(), CustomerID: t.CustomerID}
		if reason != nil {
			change.Action, change.Reason = "call_task.claimed_by_override", *reason
		}
		return audit.Write(ctx, tx, v, change)
	})
	return claim, denials, err
}
