package customer

import (
	"context"
	"fmt"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// DoNotCallChange tells that the mark not to be called was set, or removed, which both have consequences of their own.
type DoNotCallChange struct{ Set, Removed bool }

// Add joins what a later row did.
func (m *DoNotCallChange) Add(o DoNotCallChange) {
	m.Set, m.Removed = m.Set || o.Set, m.Removed || o.Removed
}

// MergeConsent changes what the customer agreed to. Taking the mark not to be called away needs a scope.
func (r *Record) MergeConsent(c *fault.Check, v *viewer.Viewer, now time.Time, in *UpdateConsentInput) (m DoNotCallChange) {
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
		// In effect at once (47 CFR 64.1200(a)(10) allows ten business days; we take none).
		cu.DoNotCall, cu.DoNotCallAt, m.Set = true, &now, true
	case !v.Has(viewer.DoNotCallRemove):
		c.At("doNotCall").Add(fault.NotAllowed, "Removing a do-not-call mark needs the scope %s.", viewer.DoNotCallRemove)
	default:
		cu.DoNotCall, cu.DoNotCallAt, m.Removed = false, nil, true
	}
	return m
}

// Entries are the audit entries for the mark of a customer.
func (m DoNotCallChange) Entries(c *Customer) (out []audit.Change) {
	if m.Removed {
		out = append(out, audit.Change{Action: "customer.do_not_call_removed", Target: c.ID(), CustomerID: c.UUID})
	}
	if m.Set {
		out = append(out, audit.Change{Action: "customer.do_not_call_set", Target: c.ID(), CustomerID: c.UUID})
	}
	return out
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
