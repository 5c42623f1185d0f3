package schedule

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/calling"
	"caseload/internal/civil"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/notify"
	"caseload/internal/viewer"
)

// Topic is the bus topic of changed schedules; the subject is the customer.
const Topic = "schedule"

// calendarTopic is the bus topic of changed calling rules; the subject is the organization.
const calendarTopic = "calendar"

// ScheduleChangeKind says what happened to a schedule.
type ScheduleChangeKind string

// The kinds of change.
const (
	ChangeSynced       ScheduleChangeKind = "SYNCED"
	ChangeStopped      ScheduleChangeKind = "STOPPED"
	ChangeTaskClaimed  ScheduleChangeKind = "TASK_CLAIMED"
	ChangeTaskFinished ScheduleChangeKind = "TASK_FINISHED"
	ChangeExhausted    ScheduleChangeKind = "EXHAUSTED"
)

// Service syncs, claims and completes. It is safe for concurrent use.
type Service struct {
	pool      *db.Pool
	customers *customer.Service
	bus       *notify.Bus
	calendars *notify.Cache[*calling.Calendar]
	now       func() time.Time
	// Events receives new plans; it may be nil. Set it before the first request.
	Events Events
}

// New returns the service, registered for customers that are deleted, merged or marked as not to be called. Call it before the bus runs, and once
// for each service of customers; without one it cannot sync.
func New(pool *db.Pool, customers *customer.Service, bus *notify.Bus, now func() time.Time) *Service {
	s := &Service{
		pool: pool, customers: customers, bus: bus, now: now,
		calendars: notify.NewCache[*calling.Calendar](bus, calendarTopic, calendarsKept, calendarTTL, now),
	}
	if customers != nil {
		customers.OnRetire(s.retire)
		customers.OnMerge(s.merge)
	}
	return s
}

const (
	calendarsKept = 1000
	calendarTTL   = 30 * time.Second
)

// changed publishes a change after the commit.
func (s *Service) changed(tx *db.Tx, organizationID, customerID uuid.UUID, kind ScheduleChangeKind) {
	tx.AfterCommit(func() {
		s.bus.Publish(notify.Message{Topic: Topic, OrganizationID: organizationID, Subject: customerID, Kind: string(kind), At: tx.Now})
	})
}

// ScheduleChange says that a schedule changed, not what it is now.
type ScheduleChange struct {
	Kind       ScheduleChangeKind
	OccurredAt time.Time
	// CustomerID says whose.
	CustomerID uuid.UUID
}

// Changes returns the changes of the viewer's organization, or of one customer, until the context
// ends; the channel is closed when some may have been missed.
func (s *Service) Changes(ctx context.Context, v *viewer.Viewer, customerID *uuid.UUID) <-chan *ScheduleChange {
	return notify.Changes(ctx, s.bus, Topic, v.OrganizationID, customerID, func(m notify.Message) *ScheduleChange {
		return &ScheduleChange{ScheduleChangeKind(m.Kind), m.At, m.Subject}
	})
}

// facts is what the rules look at of customers, beside their records.
type facts struct {
	attempts     map[uuid.UUID][]calling.Attempt
	consents     map[uuid.UUID][]calling.Consent
	inconvenient map[uuid.UUID][]calling.InconvenientTime
}

// openCallSQL finds open calls: they count as attempts until their outcome is known.
const openCallSQL = `
	SELECT customer_id, claimed_at, loan_id, coalesce(dialed_number, '') AS dialed_number FROM call_tasks
	WHERE organization_id = $1 AND customer_id = ANY($2) AND state IN ('CLAIMED', 'IN_PROGRESS') AND id <> ALL($3)`

// readFacts reads the facts of customers in three statements, whatever their number. Open calls of the tasks in except are left out.
func readFacts(ctx context.Context, q db.Querier, sc db.Scope, ids []uuid.UUID, now time.Time, except []uuid.UUID) (*facts, error) {
	f := &facts{attempts: map[uuid.UUID][]calling.Attempt{}, consents: map[uuid.UUID][]calling.Consent{}, inconvenient: map[uuid.UUID][]calling.InconvenientTime{}}
	if len(ids) == 0 {
		return f, nil
	}
	var attempts []*CallAttempt
	if err := q.Select(ctx, &attempts, "SELECT "+CallAttempts.Select()+" FROM call_attempts c WHERE c.organization_id = $1 AND c.customer_id = ANY($2) AND c.occurred_at > $3",
		sc.OrganizationID, pq.Array(ids), now.Add(-calling.HistorySpan)); err != nil {
		return nil, fmt.Errorf("read call attempts: %w", err)
	}
	for _, a := range attempts {
		f.attempts[a.CustomerID] = append(f.attempts[a.CustomerID], a.attempt())
		if a.Outcome != nil && *a.Outcome == calling.CallbackRequested {
			// Asking for a call is direct prior consent, for seven days at most (12 CFR 1006.14(b)(3)(i)).
			f.consents[a.CustomerID] = append(f.consents[a.CustomerID], calling.Consent{GivenAt: a.OccurredAt, Days: 7, Debts: a.LoanIDs})
		}
	}
	var open []struct {
		CustomerID uuid.UUID  `db:"customer_id"`
		ClaimedAt  time.Time  `db:"claimed_at"`
		LoanID     *uuid.UUID `db:"loan_id"`
		Number     string     `db:"dialed_number"`
	}
	// Never NULL: id <> ALL(NULL) is true for no row.
	except = append([]uuid.UUID{}, except...)
	if err := q.Select(ctx, &open, openCallSQL, sc.OrganizationID, pq.Array(ids), pq.Array(except)); err != nil {
		return nil, fmt.Errorf("read open calls: %w", err)
	}
	for _, o := range open {
		f.attempts[o.CustomerID] = append(f.attempts[o.CustomerID], openCall(o.ClaimedAt, o.Number, o.LoanID))
	}
	inconvenient, err := InconvenientTimes.ByKeys(ctx, q, sc, "customer_id", ids)
	if err != nil {
		return nil, fmt.Errorf("read inconvenient times: %w", err)
	}
	for _, i := range inconvenient {
		f.inconvenient[i.CustomerID] = append(f.inconvenient[i.CustomerID], calling.InconvenientTime{Weekdays: i.DaySet, From: i.StartsAt, To: i.EndsAt})
	}
	return f, nil
}

// openCall is an attempt without an outcome yet.
func openCall(at time.Time, number string, loan *uuid.UUID) calling.Attempt {
	return calling.Attempt{At: at, Direction: calling.Outbound, Phone: number, Debts: debts(loan)}
}

// debts returns the loan of a call as the rules take it; nil is all debts of the customer.
func debts(loan *uuid.UUID) []uuid.UUID {
	if loan == nil {
		return nil
	}
	return []uuid.UUID{*loan}
}

// caseOf returns what the rules look at.
func caseOf(r *customer.Record, t *TaskType, loan *uuid.UUID, cal *calling.Calendar, f *facts, at time.Time) calling.Case {
	id := r.Customer.UUID
	c := calling.Case{
		DoNotCall: r.Customer.DoNotCall, Policy: t.Policy(), Calendar: cal, Inconvenient: f.inconvenient[id],
		History: calling.History{Attempts: f.attempts[id], Consents: f.consents[id]}, Debts: debts(loan),
	}
	if r.Address != nil && r.Address.State != nil {
		c.State = *r.Address.State
	}
	if r.Phone != nil {
		c.Phone, c.PhoneBlocked, c.Place = r.Phone.Number, r.Phone.BlockedAt != nil, placeOf(r.Phone)
	}
	if r.Customer.TimeZone != nil {
		// A stored zone may have been removed from the zone database since.
		if z, err := civil.ParseZone(*r.Customer.TimeZone); err == nil {
			c.Zones = calling.CandidateZones(z, c.Phone, c.State, at)
		}
	}
	return c
}

func placeOf(p *customer.Phone) calling.Place {
	if p.Label == "WORK" {
		return calling.Elsewhere
	}
	return calling.ResidenceOrCell
}

// taskTypesByName returns the organization's task types that are not archived.
func (s *Service) taskTypesByName(ctx context.Context, q db.Querier, sc db.Scope) (map[string]*TaskType, error) {
	rows, err := TaskTypes.List(ctx, q, sc, db.Where{}.And("c.archived_at IS NULL"), db.Page{Order: db.By("name")})
	if err != nil {
		return nil, fmt.Errorf("read task types: %w", err)
	}
	byName := make(map[string]*TaskType, len(rows))
	for _, t := range rows {
		byName[t.Name] = t
	}
	return byName, nil
}

// find returns the customer that an input names, or a user error.
func (w *CustomerRef) find(ctx context.Context, q db.Querier, sc db.Scope, path ...string) (*customer.Customer, error) {
	id, ref := w.CustomerID.Value(), w.ReferenceID.Value()
	if (id == nil) == (ref == nil) {
		return nil, fault.UserErrors{{Code: fault.Required, Message: "Give exactly one of customerId and referenceId.", Path: path}}
	}
	if id != nil {
		u, err := id.As(customer.Customers.Prefix())
		if err != nil {
			return nil, err
		}
		c, err := customer.Customers.ByID(ctx, q, sc, u)
		return c, input.NoSuch(err, "customer", append(path, "customerId")...)
	}
	check := fault.NewCheck(append(path, "referenceId")...)
	key := input.Reference(check, *ref)
	if err := check.Err(); err != nil {
		return nil, err
	}
	c, err := customer.Customers.One(ctx, q, sc, db.Where{}.And("c.reference_id = ?", key))
	return c, input.NoSuch(err, "customer", append(path, "referenceId")...)
}

// lock locks the customer that an input names, or the survivor of a duplicate that was merged. A deleted customer is accepted, as
// its calls and inconvenient times count again once it is restored.
func (w *CustomerRef) lock(ctx context.Context, tx *db.Tx, sc db.Scope, path ...string) (*customer.Record, error) {
	named, err := w.find(ctx, tx, sc, path...)
	if err != nil {
		return nil, err
	}
	id := named.UUID
	if named.MergedIntoID != nil {
		id = *named.MergedIntoID
	}
	r, err := customer.LockByID(ctx, tx, sc, id)
	if err != nil {
		return nil, err
	}
	if r.Customer.MergedIntoID != nil {
		// Merged since it was read. Locking the survivor as well could deadlock with the next merge.
		return nil, db.ErrRetry
	}
	return r, nil
}
