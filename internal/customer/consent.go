package customer

import (
	"context"
	"fmt"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// MergeConsent changes what the customer agreed to. Removing the mark not to be called needs a scope.
func (r *Record) MergeConsent(c *fault.Check, v *viewer.Viewer, now time.Time, in *UpdateConsentInput) {
	cu := &r.Customer
	flag := func(in graphql.Omittable[*bool], to *bool) {
		if in.IsSet() {
			// Null says that nothing is known against it, which is what false says, and needs what false needs.
			*to = in.Value() != nil && *in.Value()
		}
	}
	flag(in.DoNotSMS, &cu.DoNotSMS)
	flag(in.DoNotEmail, &cu.DoNotEmail)
	flag(in.DoNotMail, &cu.DoNotMail)
	call := cu.DoNotCall
	flag(in.DoNotCall, &call)
	switch {
	case call == cu.DoNotCall:
	case call:
		r.ForbidCalls(now)
	default:
		r.AllowCalls(c.At("doNotCall"), v)
	}
}

// ForbidCalls sets the mark not to be called, in effect at once (47 CFR 64.1200(a)(10) allows ten business days; we take none).
func (r *Record) ForbidCalls(now time.Time) {
	r.Customer.DoNotCall, r.Customer.DoNotCallAt, r.doNotCall = true, &now, append(r.doNotCall, doNotCallSet)
}

// AllowCalls removes the mark not to be called, which needs a scope: without it an error is recorded at c. It reports whether
// the mark is gone.
func (r *Record) AllowCalls(c *fault.Check, v *viewer.Viewer) bool {
	if !v.Has(viewer.DoNotCallRemove) {
		c.Add(fault.NotAllowed, "Removing a do-not-call mark needs the scope %s.", viewer.DoNotCallRemove)
		return false
	}
	r.Customer.DoNotCall, r.Customer.DoNotCallAt, r.doNotCall = false, nil, append(r.doNotCall, doNotCallRemoved)
	return true
}

// SetDoNotCall marks a customer as not to be called, in effect at once (47 CFR 64.1200(a)(10) allows ten
// business days; we take none). The caller holds the customer's lock. Safe to repeat.
func SetDoNotCall(ctx context.Context, tx *db.Tx, v *viewer.Viewer, id uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		UPDATE customers SET do_not_call = true, do_not_call_at = $3, version = version + 1, updated_at = $3, updated_by = $4
		WHERE organization_id = $1 AND id = $2 AND NOT do_not_call`,
		v.OrganizationID, id, tx.Now, v.ActorText())
	if err != nil {
		return fmt.Errorf("mark customer as not to be called: %w", err)
	}
	return nil
}
