package customer

import (
	"time"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/audit"
	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// marked tells that the mark not to be called was set, or taken away, which both have consequences of their own.
type marked struct{ set, removed bool }

// add joins what a later row did.
func (m *marked) add(o marked) { m.set, m.removed = m.set || o.set, m.removed || o.removed }

// mergeConsent changes what the customer agreed to. Taking the mark not to be called away needs a scope.
func (r *Record) mergeConsent(c *fault.Check, v *viewer.Viewer, now time.Time, in *UpdateConsentInput) (m marked) {
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
		cu.DoNotCall, cu.DoNotCallAt, m.set = true, &now, true
	case !v.Has(viewer.DoNotCallRemove):
		c.At("doNotCall").Add(fault.NotAllowed, "Removing a do-not-call mark needs the scope %s.", viewer.DoNotCallRemove)
	default:
		cu.DoNotCall, cu.DoNotCallAt, m.removed = false, nil, true
	}
	return m
}

// changes are the audit entries for the mark of a customer.
func (m marked) changes(c *Customer) (out []audit.Change) {
	if m.removed {
		out = append(out, audit.Change{Action: "customer.do_not_call_removed", Target: c.ID(), CustomerID: c.UUID})
	}
	if m.set {
		out = append(out, audit.Change{Action: "customer.do_not_call_set", Target: c.ID(), CustomerID: c.UUID})
	}
	return out
}
