package graphtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/lib/pq"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/bulk"
	"caseload/internal/calling"
	"caseload/internal/civil"
	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/intake"
	"caseload/internal/db"
	"caseload/internal/entity"
	"caseload/internal/lending"
	"caseload/internal/pii"
	"caseload/internal/relay"
	"caseload/internal/schedule"
	"caseload/internal/viewer"
	"caseload/internal/webhook"
)

// Person is a customer with one of everything that a customer can have.
type Person struct {
	ReferenceID string
	Customer    *customer.Customer
	Schedule    *schedule.Schedule
	// Tasks are the pending ones, by due time.
	Tasks         []*schedule.CallTask
	Loan          *customer.Loan
	Identifier    *customer.Identifier
	Phone         *customer.Phone
	Address       *customer.Address
	Attempt       *schedule.CallAttempt
	Inconvenience *schedule.InconvenientTime
	Account       *account.Account
	Holder        *account.Holder
	Card          *account.Card
	ImportRequest *intake.ImportRequest
	ImportRow     *intake.ImportRow
	// Operation is one that has finished. Endpoint is disabled, so that nobody's changes are told to it, and Delivery
	// has arrived there long ago.
	Operation *bulk.Operation
	Endpoint  *webhook.Endpoint
	Delivery  *webhook.Delivery
}

// Some returns a value that is there.
func Some[T any](v T) graphql.Omittable[*T] { return graphql.OmittableOf(&v) }

// Input is a whole and right customer, whose reference is made of the number.
func (o *Tenant) Input(number int) schedule.SyncCustomerScheduleInput {
	return schedule.SyncCustomerScheduleInput{TaskType: o.TaskType, Fields: customer.Fields{
		ReferenceID: fmt.Sprintf("REF-%05d", number), FirstName: Some(fmt.Sprintf("Ann%d", number)), LastName: Some("Rivera"),
		Email: Some(fmt.Sprintf("ann.rivera%d@example.com", number)), Birthday: Some("1985-06-15"), SSN: Some(fmt.Sprintf("219-09-%04d", number%9000+1)),
		PhoneNumber: Some(fmt.Sprintf("+1212555%04d", 100+number%100)), Timezone: Some("America/New_York"), StreetAddress1: Some("123 Main St"),
		City: Some("New York"), State: Some("NY"), ZipCode: Some("10025"),
	}}
}

// Person makes one customer; see [Tenant.People].
func (o *Tenant) Person(t testing.TB) *Person { return o.People(t, 1)[0] }

// People makes customers by the real sync, each with two schedules of which one is active, and with one
// loan, identifier, second phone, second address, call attempt and inconvenient time.
func (o *Tenant) People(t testing.TB, n int) []*Person {
	t.Helper()
	o.mu.Lock()
	first := o.made
	o.made += n
	o.mu.Unlock()
	ctx, w, now := t.Context(), o.world, o.world.Clock.Now()
	o.secondTaskType(t)
	inputs := make([]*schedule.SyncCustomerScheduleInput, n)
	for i := range inputs {
		in := o.Input(first + i)
		in.TaskType = "welcome"
		inputs[i] = &in
	}
	o.bulk(t, inputs)
	people := make([]*Person, n)
	byID := map[uuid.UUID]*Person{}
	references := make([]string, n)
	for i, in := range inputs {
		people[i] = &Person{ReferenceID: in.ReferenceID}
		references[i] = in.ReferenceID
	}
	rows, err := customer.Customers.List(ctx, w.Pool, o.System.Scope(), db.Where{}.And("c.reference_id = ANY(?)", pq.Array(references)), db.Page{Order: db.By("reference_id")})
	require.NoError(t, err)
	require.Len(t, rows, n)
	for i, row := range rows {
		people[i].Customer, byID[row.UUID] = row, people[i]
	}
	loan := func() lending.Loan {
		amount := decimal.RequireFromString("1250.75")
		return lending.Loan{ID: "L-1", Status: "ACTIVE", Currency: "USD", OriginalPrincipal: &amount, AmountDue: &amount}
	}
	require.NoError(t, w.Pool.InTx(ctx, now, func(tx *db.Tx) error {
		loans := map[*customer.Customer][]lending.Loan{}
		for _, p := range people {
			loans[p.Customer] = []lending.Loan{loan()}
		}
		return customer.WriteLoans(ctx, tx, o.System.Scope(), loans)
	}))
	for i := range inputs {
		in := schedule.SyncCustomerScheduleInput{TaskType: o.TaskType, ExternalLoanID: Some("L-1"), Fields: customer.Fields{ReferenceID: references[i]}}
		inputs[i] = &in
	}
	for i, r := range o.bulk(t, inputs) {
		people[i].Customer, people[i].Schedule = r.Customer, r.Schedule
		require.NotNil(t, r.Schedule, "a person of tests can be called")
	}
	o.surround(t, people, byID)
	o.enrich(t, people)
	o.integrate(t, people)
	return people
}

func (o *Tenant) bulk(t testing.TB, inputs []*schedule.SyncCustomerScheduleInput) []*schedule.SyncResult {
	t.Helper()
	results, err := o.world.Schedules.BulkSync(t.Context(), o.System, schedule.BulkSyncCustomerSchedulesInput{Customers: inputs, ErrorPolicy: batch.RejectEverything})
	require.NoError(t, err)
	for _, r := range results {
		require.Empty(t, r.UserErrors)
		require.True(t, r.Success(), "%+v", r)
	}
	return results
}

// secondTaskType makes the task type by which people are synced first.
func (o *Tenant) secondTaskType(t testing.TB) {
	t.Helper()
	const name = "welcome"
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, err := schedule.FindTaskType(t.Context(), o.world.Pool, o.System.Scope(), name); err == nil {
		return
	}
	_, err := o.world.Schedules.CreateTaskType(t.Context(), o.System, schedule.CreateTaskTypeInput{Name: name, Purpose: calling.Servicing})
	require.NoError(t, err)
}

// surround writes what no mutation makes yet, and reads back the rest.
func (o *Tenant) surround(t testing.TB, people []*Person, byID map[uuid.UUID]*Person) {
	t.Helper()
	ctx, w, sc, now := t.Context(), o.world, o.System.Scope(), o.world.Clock.Now()
	row := func() db.Row { return db.Row{OrganizationID: sc.OrganizationID, UUID: db.NewID()} }
	var identifiers []*customer.Identifier
	var phones []*customer.Phone
	var addresses []*customer.Address
	var attempts []*schedule.CallAttempt
	var times []*schedule.InconvenientTime
	ids := make([]uuid.UUID, len(people))
	for i, p := range people {
		ids[i] = p.Customer.UUID
		city := "Buffalo"
		p.Identifier = &customer.Identifier{Row: row(), CustomerID: ids[i], Source: "LMS", SourceID: "S-" + p.ReferenceID, CreatedAt: now}
		p.Phone = &customer.Phone{Row: row(), CustomerID: ids[i], Label: "CELL", Number: "+17165550123", LineType: "MOBILE", CreatedAt: now, UpdatedAt: now}
		p.Address = &customer.Address{Row: row(), CustomerID: ids[i], Label: "MAILING", City: &city, Country: "US", CreatedAt: now, UpdatedAt: now}
		sunday, err := calling.WeekdaysOf("SUNDAY")
		require.NoError(t, err)
		from, err := civil.ParseLocalTime("08:00")
		require.NoError(t, err)
		to, err := civil.ParseLocalTime("12:00")
		require.NoError(t, err)
		p.Inconvenience = &schedule.InconvenientTime{Row: row(), CustomerID: ids[i], DaySet: sunday, StartsAt: from, EndsAt: to, CreatedAt: now, CreatedBy: "system"}
		identifiers, phones, addresses, times = append(identifiers, p.Identifier), append(phones, p.Phone), append(addresses, p.Address), append(times, p.Inconvenience)
	}
	tasks, err := schedule.CallTasks.List(ctx, w.Pool, sc, db.Where{}.And("c.customer_id = ANY(?)", pq.Array(ids)).And("c.state = 'PENDING'"), db.Page{Order: db.By("due_at")})
	require.NoError(t, err)
	for _, task := range tasks {
		p := byID[task.CustomerID]
		p.Tasks = append(p.Tasks, task)
	}
	outcome := calling.Busy
	for _, p := range people {
		require.NotEmpty(t, p.Tasks)
		// Busy, long ago: it must not count for any rule.
		p.Attempt = &schedule.CallAttempt{Row: row(), CustomerID: p.Customer.UUID, TaskID: &p.Tasks[0].UUID, Direction: calling.Outbound, PhoneNumber: "+12125550100",
			Place: calling.ResidenceOrCell, LoanIDs: db.UUIDs{}, Outcome: &outcome, OccurredAt: now.Add(-90 * 24 * time.Hour), CreatedAt: now, CreatedBy: "system"}
		attempts = append(attempts, p.Attempt)
	}
	require.NoError(t, w.Pool.InTx(ctx, now, func(tx *db.Tx) error {
		if _, err := customer.Identifiers.InsertAll(ctx, tx, sc, identifiers, false); err != nil {
			return err
		}
		if _, err := customer.Phones.InsertAll(ctx, tx, sc, phones, false); err != nil {
			return err
		}
		if _, err := customer.Addresses.InsertAll(ctx, tx, sc, addresses, false); err != nil {
			return err
		}
		if _, err := schedule.CallAttempts.InsertAll(ctx, tx, sc, attempts, false); err != nil {
			return err
		}
		_, err := schedule.InconvenientTimes.InsertAll(ctx, tx, sc, times, false)
		return err
	}))
	loans, err := customer.Loans.ByKeys(ctx, w.Pool, sc, "customer_id", ids)
	require.NoError(t, err)
	for _, l := range loans {
		byID[l.CustomerID].Loan = l
	}
}

// enrich gives everybody an account with a card, every section, an import, and, among several, a parent: the next
// one, so that all have a child too.
func (o *Tenant) enrich(t testing.TB, people []*Person) {
	t.Helper()
	ctx, w, sc, now := t.Context(), o.world, o.System.Scope(), o.world.Clock.Now()
	row := func() db.Row { return db.Row{OrganizationID: sc.OrganizationID, UUID: db.NewID()} }
	yes, salutation, income, status := true, "Ms.", int32(52_000), "ACTIVE"
	sealer := w.Customers.Sealer()
	require.NoError(t, w.Pool.InTx(ctx, now, func(tx *db.Tx) error {
		for i, p := range people {
			id := p.Customer.UUID
			own := customer.SectionRow{Row: db.Row{OrganizationID: sc.OrganizationID, UUID: id}, CreatedAt: now, UpdatedAt: now}
			p.Account = &account.Account{Row: entity.Row{Row: row(), Version: 1, CreatedAt: now, UpdatedAt: now, CreatedBy: "system", UpdatedBy: "system"}, Source: "50004", SourceAccountID: "A-" + p.ReferenceID, Status: account.Open, Type: "DDA", OpenedAt: &now,
				PrimarySourceCustomerID: p.ReferenceID, PrimaryCustomerID: &id}
			p.Holder = &account.Holder{Row: row(), AccountID: p.Account.UUID, Source: "50004", SourceCustomerID: p.ReferenceID, CustomerID: &id, IsPrimary: true, CreatedAt: now, UpdatedAt: now}
			p.Card = &account.Card{Row: row(), AccountID: p.Account.UUID, Source: "50004", SourceCustomerID: p.ReferenceID, CustomerID: &id, IIN: "123456", LastFour: "2345",
				CardType: "CREDIT", Status: account.Open, OpenedAt: now, CreatedAt: now, UpdatedAt: now}
			p.ImportRequest = &intake.ImportRequest{Row: row(), Total: 1, Created: 1, CreatedAt: now, CreatedBy: "system"}
			p.ImportRow = &intake.ImportRow{Row: row(), RequestID: p.ImportRequest.UUID, Action: batch.Create, Key: p.ReferenceID, LookupKey: "referenceId",
				CustomerID: &id, UserErrors: db.JSON(`[]`), CreatedAt: now}
			medicare := &customer.Medicare{SectionRow: own, HasCard: &yes}
			if err := medicare.SetMBI(sealer, "1EG4-TE5-MK73"); err != nil {
				return err
			}
			for _, insert := range []func() error{
				func() error { return account.Accounts.Insert(ctx, tx, sc, p.Account) },
				func() error { return account.Holders.Insert(ctx, tx, sc, p.Holder) },
				func() error { return account.Cards.Insert(ctx, tx, sc, p.Card) },
				func() error { return intake.ImportRequests.Insert(ctx, tx, sc, p.ImportRequest) },
				func() error { return intake.ImportRows.Insert(ctx, tx, sc, p.ImportRow) },
				func() error {
					return customer.Profiles.Insert(ctx, tx, sc, &customer.Profile{SectionRow: own, Salutation: &salutation, LastContactedAt: &now})
				},
				func() error {
					return customer.Coverages.Insert(ctx, tx, sc, &customer.Coverage{SectionRow: own})
				},
				func() error { return customer.Medicares.Insert(ctx, tx, sc, medicare) },
				func() error {
					return customer.Households.Insert(ctx, tx, sc, &customer.Household{SectionRow: own, AnnualIncome: &income})
				},
				func() error {
					return customer.Enrollments.Insert(ctx, tx, sc, &customer.Enrollment{SectionRow: own})
				},
				func() error {
					return customer.Agents.Insert(ctx, tx, sc, &customer.Agent{SectionRow: own, NPN: &income})
				},
				func() error {
					return customer.AlertPrograms.Insert(ctx, tx, sc, &customer.AlertProgram{SectionRow: own, OptInStatus: &status, AlertOptIns: pq.StringArray{"ALL"}})
				},
			} {
				if err := insert(); err != nil {
					return err
				}
			}
			if len(people) == 1 {
				continue
			}
			if _, err := tx.Exec(ctx, "UPDATE customers SET parent_id = $3 WHERE organization_id = $1 AND id = $2",
				sc.OrganizationID, id, people[(i+1)%len(people)].Customer.UUID); err != nil {
				return err
			}
		}
		return nil
	}))
}

// integrate gives everybody what an organization has of its own: a bulk operation and a webhook endpoint with its log.
func (o *Tenant) integrate(t testing.TB, people []*Person) {
	t.Helper()
	ctx, w, sc, now := t.Context(), o.world, o.System.Scope(), o.world.Clock.Now()
	row := func() db.Row { return db.Row{OrganizationID: sc.OrganizationID, UUID: db.NewID()} }
	byHand, file, lines, status := webhook.DisabledByHand, "customers.jsonl", int32(3), int32(204)
	var operations []*bulk.Operation
	var endpoints []*webhook.Endpoint
	var deliveries []*webhook.Delivery
	for _, p := range people {
		expires := now.Add(time.Hour)
		p.Operation = &bulk.Operation{Row: row(), Kind: bulk.UpsertCustomers, Format: bulk.JSONL, State: bulk.Completed, FileName: &file, ByteSize: 300,
			OptionJSON: db.JSON(`{"kind": {"source": "LMS"}, "errorPolicy": "REJECT_FAILED_ROWS"}`), LineCount: &lines, ProcessedCount: 3, CreatedCount: 2, FailedCount: 1, MessageTexts: pq.StringArray{"Completed."},
			RunnableAt: now, StartedAt: &now, FinishedAt: &now, ExpiresAt: &expires, ActorKind: viewer.System, ActorName: "test", ActorScopes: pq.StringArray{},
			Version: 1, CreatedAt: now, UpdatedAt: now, CreatedBy: "system", UpdatedBy: "system"}
		at := entity.NewRow(sc.OrganizationID, "system", now)
		secret, err := w.sealer.Seal(pii.Location{OrganizationID: at.OrganizationID, Table: webhook.Endpoints.Name(), Column: "secret_sealed", Row: at.UUID}, "whsec_of-"+p.ReferenceID)
		require.NoError(t, err)
		p.Endpoint = &webhook.Endpoint{Row: at, URL: "https://hooks.example.com/" + p.ReferenceID, EventNames: pq.StringArray{string(webhook.CustomerCreated)},
			DisabledReason: &byHand, DisabledAt: &now, SecretSealed: secret}
		p.Delivery = &webhook.Delivery{Row: row(), EndpointID: p.Endpoint.UUID, Event: webhook.CustomerCreated, EventID: "evt_" + p.ReferenceID, SubjectID: ID(p.Customer),
			Payload: db.JSON(`{"type": "customer.created"}`), State: webhook.Delivered, Attempts: 1, LastStatusCode: &status, DeliveredAt: &now, CreatedAt: now}
		operations, endpoints, deliveries = append(operations, p.Operation), append(endpoints, p.Endpoint), append(deliveries, p.Delivery)
	}
	require.NoError(t, w.Pool.InTx(ctx, now, func(tx *db.Tx) error {
		if _, err := bulk.Operations.InsertAll(ctx, tx, sc, operations, false); err != nil {
			return err
		}
		if _, err := webhook.Endpoints.InsertAll(ctx, tx, sc, endpoints, false); err != nil {
			return err
		}
		_, err := webhook.Deliveries.InsertAll(ctx, tx, sc, deliveries, false)
		return err
	}))
}

// MakeDue brings a pending task's time to now, so that a claim finds it.
func (o *Tenant) MakeDue(t testing.TB, task *schedule.CallTask) {
	t.Helper()
	_, err := o.world.Pool.Exec(t.Context(), "UPDATE call_tasks SET due_at = $3 WHERE organization_id = $1 AND id = $2", o.ID(), task.UUID, o.world.Clock.Now())
	require.NoError(t, err)
}

// ID returns the text of the typed id of anything that has one.
func ID(n relay.Node) string { return n.ID().String() }
