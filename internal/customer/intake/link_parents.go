package intake

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// LinkParentsArgs is the job that links customers waiting for a parent that did not fit into the transaction which created it, and
// whoever waited for a key that package migrations has brought into its form.
type LinkParentsArgs struct {
	Organization uuid.UUID `json:"organization"`
	// Identifiers are the ids under which they are awaited: those stay when customers are merged.
	Identifiers []uuid.UUID `json:"identifiers"`
}

// Kind names the job, as stored jobs are named.
func (LinkParentsArgs) Kind() string { return "customers.lead" }

// LinkParentsWorker runs [Service.LinkParents].
type LinkParentsWorker struct {
	river.WorkerDefaults[LinkParentsArgs]
	Intake *Service
}

// Timeout is time for some hundred thousand customers; the next attempt begins with the first identifier again.
func (w *LinkParentsWorker) Timeout(*river.Job[LinkParentsArgs]) time.Duration {
	return 10 * time.Minute
}

// Work implements river.Worker.
func (w *LinkParentsWorker) Work(ctx context.Context, job *river.Job[LinkParentsArgs]) error {
	return w.Intake.LinkParents(ctx, job.Args.Organization, job.Args.Identifiers)
}

// enqueueLinks enqueues the job for the new identifiers of records.
func (s *Service) enqueueLinks(ctx context.Context, tx *db.Tx, v *viewer.Viewer, records []*customer.Record) error {
	args := LinkParentsArgs{Organization: v.OrganizationID}
	for _, r := range records {
		for _, i := range r.NewIdentifiers() {
			args.Identifiers = append(args.Identifiers, i.UUID)
		}
	}
	if s.Jobs == nil || len(args.Identifiers) == 0 {
		return nil
	}
	if _, err := s.Jobs.InsertManyTx(ctx, tx.SQL(), []river.InsertManyParams{{Args: args}}); err != nil {
		return fmt.Errorf("enqueue the links of parents: %w", err)
	}
	return nil
}

// LinkParents links all customers that wait for one of these identifiers as that of their parent to the customer that has it,
// some at a time, each time in a transaction of its own, and with the first of them the accounts and cards that wait for it. Where a circle would close, or too many would stand above, a customer
// goes on waiting. Safe to repeat, and for concurrent use.
func (s *Service) LinkParents(ctx context.Context, organization uuid.UUID, identifiers []uuid.UUID) error {
	v := &viewer.Viewer{Kind: viewer.System, OrganizationID: organization}
	for _, id := range identifiers {
		for n := 1; n > 0; {
			if err := s.pool.InTx(ctx, s.now(), func(tx *db.Tx) (err error) {
				n, err = s.linkSome(ctx, tx, v, id)
				return err
			}); err != nil {
				return fmt.Errorf("link customers to a parent: %w", err)
			}
		}
	}
	return nil
}

// linkSome links some, and returns how many.
func (s *Service) linkSome(ctx context.Context, tx *db.Tx, v *viewer.Viewer, identifier uuid.UUID) (int, error) {
	sc := v.Scope()
	if err := customer.LockArrivals(ctx, tx, sc, customer.ExclusiveArrivalLock); err != nil {
		return 0, err
	}
	i, err := customer.Identifiers.ByID(ctx, tx, sc, identifier)
	if fault.CodeOf(err) == fault.NotFound {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read identifier: %w", err)
	}
	key := []customer.SourceKey{i.SourceKey()}
	records, _, err := customer.LockKnown(ctx, tx, sc, key, key, nil)
	if err != nil {
		return 0, err
	}
	p, err := readParents(ctx, tx, sc, records, nil)
	if err != nil {
		return 0, err
	}
	parent := records[i.CustomerID]
	if parent == nil {
		// The identifier got another customer, or another form, since it was read.
		return 0, db.ErrRetry
	}
	p.add(parent, key[0])
	children := linked(records, nil)
	if err := s.customers.Save(ctx, tx, v, customer.Batch{Records: children, Entry: customer.NamedChanges("customer.upserted")}); err != nil || i.Language != "" {
		return len(children), err
	}
	awaiting, err := account.LockAwaiting(ctx, tx, v, []account.Arrival{{Source: i.Source, SourceID: i.SourceID, CustomerID: i.CustomerID}})
	if err != nil {
		return 0, err
	}
	return len(children), awaiting.Resolve(ctx, tx, v)
}

// linked are the stored records that got another parent, without those that rows were applied to, in the order of their ids.
func linked(records map[uuid.UUID]*customer.Record, touched map[*customer.Record]bool) []*customer.Record {
	var out []*customer.Record
	for _, r := range records {
		if !touched[r] && r.ParentChanged() {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *customer.Record) int { return bytes.Compare(a.Customer.UUID[:], b.Customer.UUID[:]) })
	return out
}
