package customer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/customer/account"
	"caseload/internal/db"
	"caseload/internal/viewer"
)

// What is done to the mark not to be called, as the audit log names it.
const (
	doNotCallSet     = "customer.do_not_call_set"
	doNotCallRemoved = "customer.do_not_call_removed"
)

// Batch is what one transaction changes of customers, and what belongs to the change.
type Batch struct {
	// Records are the customers, in the order in which they are audited and their events are emitted. The caller holds the
	// locks of those that are stored. Those of which nothing changed are not written.
	Records []*Record
	// Entry returns the audit entry of a record with the names of what changed; one without an action is not written. Target,
	// customer and reason are filled in.
	Entry func(r *Record, changed []string) audit.Change
	// Replans reports that Beside replaces the plans of all records, so that those of who is marked as not to be called need not be
	// ended before.
	Replans bool
	// Reason is why the customers are changed, for the audit log; "" where none was given.
	Reason string
	// Beside writes what else belongs to the change, after the customers, and returns its audit entries and events, which come
	// after those of the records. It may be nil.
	Beside func() ([]audit.Change, []Event, error)
}

// NamedChanges returns the [Batch.Entry] that names what changed of a customer; without changes there is no entry.
func NamedChanges(action string) func(*Record, []string) audit.Change {
	return func(_ *Record, changed []string) (entry audit.Change) {
		if len(changed) > 0 {
			entry = audit.Change{Action: action, Fields: map[string]any{"fields": changed}}
		}
		return entry
	}
}

// Save writes the customers of a batch with their phones, addresses, identifiers and sections, ends the plans of those who must
// not be called any more, writes the audit entries and emits the events, in a number of statements that does not depend on that
// of the records. When another transaction created one of the new customers or identifiers first, it returns [db.ErrRetry], and
// the next try finds that customer. A violated constraint is for [db.Refused].
func (s *Service) Save(ctx context.Context, tx *db.Tx, v *viewer.Viewer, b Batch) error {
	for _, r := range b.Records {
		r.settle(v, tx.Now)
	}
	if err := writeAll(ctx, tx, v, b.Records); err != nil {
		return fmt.Errorf("write customers: %w", err)
	}
	for _, section := range sections {
		if err := section.write(ctx, tx, v.Scope(), b.Records); err != nil {
			return err
		}
	}
	if err := s.retireSaved(ctx, tx, v, b); err != nil {
		return err
	}
	var besideEntries []audit.Change
	var besideEvents []Event
	if b.Beside != nil {
		var err error
		if besideEntries, besideEvents, err = b.Beside(); err != nil {
			return err
		}
	}
	entries, events := make([]audit.Change, 0, len(b.Records)), make([]Event, 0, len(b.Records))
	for _, r := range b.Records {
		names := append(slices.Clip(r.changed), r.beside...)
		own := []audit.Change{b.Entry(r, names)}
		for _, action := range r.doNotCall {
			own = append(own, audit.Change{Action: action})
		}
		for _, entry := range own {
			if entry.Action != "" {
				entry.Target, entry.CustomerID, entry.Reason = r.Customer.ID(), r.Customer.UUID, b.Reason
				entries = append(entries, entry)
			}
		}
		if len(names) > 0 {
			event := Event{Kind: r.eventKind(), Customer: &r.Customer, Changed: names, At: tx.Now}
			if event.Kind == EventMerged {
				event.Into = &b.Records[slices.IndexFunc(b.Records, func(o *Record) bool { return o.Customer.UUID == *r.Customer.MergedIntoID })].Customer
			}
			events = append(events, event)
		}
	}
	if err := audit.Write(ctx, tx, v, append(entries, besideEntries...)...); err != nil {
		return err
	}
	return s.Emit(ctx, tx, v, append(events, besideEvents...)...)
}

// eventKind returns what happened to a settled record that changed.
func (r *Record) eventKind() EventKind {
	switch {
	case r.IsNew:
		return EventCreated
	case r.stored.Customer.DeletedAt != nil || r.Customer.DeletedAt == nil:
		return EventUpdated
	case r.Customer.MergedIntoID != nil:
		return EventMerged
	}
	return EventDeleted
}

// retireSaved ends what is planned for those who were deleted or marked as not to be called. Those who were merged had their
// plans ended before what they have was moved.
func (s *Service) retireSaved(ctx context.Context, tx *db.Tx, v *viewer.Viewer, b Batch) error {
	var deleted, marked []uuid.UUID
	for _, r := range b.Records {
		if r.eventKind() == EventDeleted {
			deleted = append(deleted, r.Customer.UUID)
		}
		if slices.Contains(r.doNotCall, doNotCallSet) && !r.IsNew && !b.Replans {
			marked = append(marked, r.Customer.UUID)
		}
	}
	if err := s.Retire(ctx, tx, v, deleted, "the customer was deleted"); err != nil {
		return err
	}
	return s.Retire(ctx, tx, v, marked, "the customer asked not to be called")
}

// writeAll writes settled records in a fixed number of statements, whatever their number, and links accounts that wait for a
// new id to its customer.
func writeAll(ctx context.Context, tx *db.Tx, v *viewer.Viewer, records []*Record) error {
	s := v.Scope()
	var w writes
	for _, r := range records {
		w.add(r)
	}
	// In the order of their references, for the reason for which identifiers are sorted.
	slices.SortFunc(w.created, func(a, b *Customer) int { return strings.Compare(valueOf(a.ReferenceID), valueOf(b.ReferenceID)) })
	if _, err := Customers.InsertAll(ctx, tx, s, w.created, false); err != nil {
		return retryIfTaken("create customers", err, "customers_reference_id_key")
	}
	// First those that lose their reference: it is unique, and one of the others may get it.
	for _, rows := range [][]*Customer{w.unreferenced, w.updated} {
		if _, err := Customers.UpdateAll(ctx, tx, s, rows, updatedColumns); err != nil {
			return fmt.Errorf("update customers: %w", err)
		}
	}
	if err := w.identify(ctx, tx, v); err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		run  func() (int64, error)
	}{
		{"create phones", func() (int64, error) { return Phones.InsertAll(ctx, tx, s, w.newPhones, false) }},
		{"write phones", func() (int64, error) {
			return Phones.Upsert(ctx, tx, s, w.phones, labelKey, []string{"number", "line_type", "blocked_at", "blocked_reason", "updated_at"})
		}},
		{"block phones", func() (int64, error) { return takeLeftBlocks(ctx, tx, s, w.phones) }},
		{"remove phones", func() (int64, error) { return Phones.DeleteAll(ctx, tx, s, w.removedPhones) }},
		{"remove addresses", func() (int64, error) { return Addresses.DeleteAll(ctx, tx, s, w.removedAddresses) }},
		{"create addresses", func() (int64, error) { return Addresses.InsertAll(ctx, tx, s, w.newAddresses, false) }},
		{"write addresses", func() (int64, error) {
			return Addresses.Upsert(ctx, tx, s, w.addresses, labelKey, []string{"line1", "line2", "city", "county", "state", "postal_code", "country", "updated_at"})
		}},
	} {
		if _, err := step.run(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// labelKey is the key of phones and addresses.
var labelKey = []string{"organization_id", "customer_id", "label"}

func valueOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// retryIfTaken turns the violation of a key into [db.ErrRetry]: another transaction inserted the key first, and the next try
// finds its row.
func retryIfTaken(what string, err error, key string) error {
	if db.Violated(err) == key {
		return db.ErrRetry
	}
	return fmt.Errorf("%s: %w", what, err)
}

// writes is what there is to write, by statement. What belongs to new customers is apart: it cannot be there already, and
// to look whether it is costs as much as to write it.
type writes struct {
	created, unreferenced, updated  []*Customer
	identified, dated               []*Identifier
	newPhones, phones               []*Phone
	newAddresses, addresses         []*Address
	removedPhones, removedAddresses []uuid.UUID
}

func (w *writes) add(r *Record) {
	w.dated = append(w.dated, r.dated()...)
	if len(r.changed) == 0 {
		return
	}
	w.identified = append(w.identified, r.NewIdentifiers()...)
	if r.IsNew {
		w.created = append(w.created, &r.Customer)
		if r.Phone != nil {
			w.newPhones = append(w.newPhones, r.Phone)
		}
		w.newAddresses = append(w.newAddresses, r.addresses()...)
		return
	}
	if r.stored.Customer.ReferenceID != nil && r.Customer.ReferenceID == nil {
		w.unreferenced = append(w.unreferenced, &r.Customer)
	} else {
		w.updated = append(w.updated, &r.Customer)
	}
	switch {
	case !r.phoneChanged():
	case r.Phone != nil:
		w.phones = append(w.phones, r.Phone)
	default:
		w.removedPhones = append(w.removedPhones, r.stored.Phone.UUID)
	}
	w.addresses = append(w.addresses, r.changedAddresses()...)
	for _, a := range r.removedAddresses() {
		w.removedAddresses = append(w.removedAddresses, a.UUID)
	}
}

// identify writes the ids of source systems.
func (w *writes) identify(ctx context.Context, tx *db.Tx, v *viewer.Viewer) error {
	// Accounts are locked before ids are written, as createCustomers does, which has to read accounts first.
	var arriving []account.Arrival
	for _, i := range w.identified {
		if i.Language == "" {
			arriving = append(arriving, account.Arrival{Source: i.Source, SourceID: i.SourceID, CustomerID: i.CustomerID})
		}
	}
	awaiting, err := account.LockAwaiting(ctx, tx, v, arriving)
	if err != nil {
		return err
	}
	// In the order of their keys: transactions with the same ids wait for each other instead of deadlocking.
	slices.SortFunc(w.identified, func(a, b *Identifier) int { return a.SourceKey().Compare(b.SourceKey()) })
	if _, err := Identifiers.InsertAll(ctx, tx, v.Scope(), w.identified, false); err != nil {
		return retryIfTaken("write identifiers", err, "customer_identifiers_key")
	}
	if len(w.dated) > 0 {
		from, _, args := Identifiers.Unnest(w.dated, []string{"id", "source_created_at", "source_updated_at"}, 2)
		if _, err := tx.Exec(ctx, `UPDATE customer_identifiers t SET source_created_at = r.source_created_at, source_updated_at = r.source_updated_at
			FROM `+from+` WHERE t.organization_id = $1 AND t.id = r.id`, append([]any{v.OrganizationID}, args...)...); err != nil {
			return fmt.Errorf("date identifiers: %w", err)
		}
	}
	return awaiting.Resolve(ctx, tx, v)
}
