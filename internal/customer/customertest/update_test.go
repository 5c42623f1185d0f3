package customertest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"

	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/customertest"
	"caseload/internal/db"
	"caseload/internal/entity"
	"caseload/internal/fault"
	"caseload/internal/graphtest"
	"caseload/internal/pii"
	"caseload/internal/relay"
	"caseload/internal/reveal"
	"caseload/internal/schedule"
	"caseload/internal/viewer"
)

// of is an input that changes the customer with this id.
func of(id relay.ID, in customer.UpdateInput) customer.UpdateInput {
	in.ID = id
	return in
}

// counted returns how many statements f runs.
func counted(t *testing.T, f func(ctx context.Context) error) int {
	t.Helper()
	ctx := db.WithCounter(t.Context())
	require.NoError(t, f(ctx))
	return db.Statements(ctx)
}

func TestUpdateThatChangesNothingWritesNothing(t *testing.T) {
	t.Parallel()
	w, e := listen(t)
	p := w.Harbor.Person(t)
	e.Take()
	state := func() string {
		return number[string](t, w, "SELECT (SELECT string_agg(xmin::text, ',') FROM customers) || ' ' || (SELECT count(*) FROM audit_entries)")
	}
	before := state()
	row := update(t, w, p.Customer, customer.UpdateInput{})
	require.Equal(t, p.Customer.UUID, row.UUID)
	name := *row.FirstName
	update(t, w, p.Customer, customer.UpdateInput{FirstName: val(" " + name + " "), ExpectedVersion: val(row.Version), SSN: val("219090001"), Consent: val(customer.UpdateConsentInput{DoNotCall: val(false)}),
		Phone: val(customer.UpdatePhoneInput{}), Address: val(customer.AddressInput{State: val("ny")}), Profile: val(customer.UpdateProfileInput{})})
	require.Equal(t, before, state(), "not a row is touched")
	require.Empty(t, e.Take())

	row = update(t, w, p.Customer, customer.UpdateInput{FirstName: val("Zoe"), Agent: val(customer.UpdateAgentInput{Name: val("Agent Smith")})})
	require.Equal(t, []string{"customer.updated [first_name agent]"}, e.Take())
	require.Equal(t, 1, number[int](t, w, `SELECT count(*) FROM audit_entries WHERE action = 'customer.updated' AND changes->'fields' = '["first_name", "agent"]'`))
	require.Contains(t, row.SearchText, "zoe", "the search follows")
	require.Equal(t, row, read(t, w, row.UUID), "what is answered is what is stored")
}

// A section costs statements only when the input names it.
func TestSectionsAreReadWhenNamed(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	update := func(in customer.UpdateInput) int {
		return counted(t, func(ctx context.Context) error {
			_, err := w.Customers.Update(ctx, w.Harbor.System, of(p.Customer.ID(), in))
			return err
		})
	}
	none := update(customer.UpdateInput{})
	require.Equal(t, 4, none, "the lock and what belongs to a customer")
	require.Equal(t, none+1, update(customer.UpdateInput{Household: val(customer.UpdateHouseholdInput{})}))
	require.Equal(t, none+2, update(customer.UpdateInput{Household: val(customer.UpdateHouseholdInput{}), Profile: val(customer.UpdateProfileInput{})}))
	one := update(customer.UpdateInput{FirstName: val("A")})
	require.Equal(t, one+2, update(customer.UpdateInput{FirstName: val("B"), Household: val(customer.UpdateHouseholdInput{DependentCount: val(int32(3))})}), "read and written")
	require.Equal(t, one+2, update(customer.UpdateInput{FirstName: val("C"), Household: graphql.OmittableOf[*customer.UpdateHouseholdInput](nil)}), "read and removed")
	require.Zero(t, number[int](t, w, "SELECT count(*) FROM customer_households WHERE id = $1", p.Customer.UUID))
}

func TestUpdateRefusals(t *testing.T) {
	t.Parallel()
	w, e := listen(t)
	p := w.Harbor.People(t, 2)
	foreign := w.Summit.Person(t)
	e.Take()
	call := func(id relay.ID, in customer.UpdateInput) []string {
		_, err := w.Customers.Update(t.Context(), w.Harbor.System, of(id, in))
		return customertest.Refusals(t, err)
	}
	require.Equal(t, []string{"NOT_FOUND [input id]"}, call(foreign.Customer.ID(), customer.UpdateInput{FirstName: val("x")}))
	_, err := w.Customers.Update(t.Context(), w.Harbor.System, customer.UpdateInput{ID: p[0].Loan.ID()})
	require.Equal(t, fault.BadUserInput, fault.CodeOf(err))
	require.Equal(t, []string{"STALE_VERSION [input expectedVersion]"}, call(p[0].Customer.ID(), customer.UpdateInput{ExpectedVersion: val(int32(99)), FirstName: val("")}))
	require.Equal(t, []string{"TAKEN [input referenceId]"}, call(p[0].Customer.ID(), customer.UpdateInput{ReferenceID: val(p[1].ReferenceID), FirstName: val("Eve")}))
	null := graphql.OmittableOf[*bool](nil)
	require.ElementsMatch(t, []string{"REQUIRED [input phone]", "REQUIRED [input consent]", "REQUIRED [input isTest]", "BLANK [input firstName]", "INVALID [input medicare mbi]", "INVALID [input address state]", "OUT_OF_RANGE [input agent npn]"},
		call(p[0].Customer.ID(), customer.UpdateInput{Phone: graphql.OmittableOf[*customer.UpdatePhoneInput](nil), Consent: graphql.OmittableOf[*customer.UpdateConsentInput](nil), IsTest: null,
			FirstName: val(" "), Medicare: val(customer.UpdateMedicareInput{MBI: val("1")}), Address: val(customer.AddressInput{State: val("ZZ")}), Agent: val(customer.UpdateAgentInput{NPN: val(int32(0))})}),
		"all at once")
	execute(t, w, "DELETE FROM customer_phones WHERE customer_id = $1", p[1].Customer.UUID)
	require.Equal(t, []string{"REQUIRED [input phone number]"}, call(p[1].Customer.ID(), customer.UpdateInput{Phone: val(customer.UpdatePhoneInput{LineType: val(customer.LineType("MOBILE"))})}))
	// The transport refuses a request that is nested so deeply; the rule does not rest on that.
	deep := db.JSON(strings.Repeat("[", 33) + strings.Repeat("]", 33))
	require.Equal(t, []string{"INVALID [input externalMetadata]"}, call(p[0].Customer.ID(), customer.UpdateInput{ExternalMetadata: graphql.OmittableOf(deep)}))
	require.Empty(t, e.Take())
	require.Equal(t, p[0].Customer.Version, read(t, w, p[0].Customer.UUID).Version)
	// The address of another country has no codes of ours, and its state does not come along.
	update(t, w, p[0].Customer, customer.UpdateInput{Address: val(customer.AddressInput{Country: val("ca"), State: val("Ontario"), PostalCode: val("K1A 0B1")})})
	require.Equal(t, []string{"REQUIRED [input address state]", "REQUIRED [input address postalCode]"}, call(p[0].Customer.ID(), customer.UpdateInput{Address: val(customer.AddressInput{Country: val("US")})}))
	update(t, w, p[0].Customer, customer.UpdateInput{Address: graphql.OmittableOf[*customer.AddressInput](nil)})
	require.Zero(t, number[int](t, w, "SELECT count(*) FROM customer_addresses WHERE customer_id = $1 AND label = 'PRIMARY'", p[0].Customer.UUID))
}

func TestDoNotCallCancelsPlannedCallsAtOnce(t *testing.T) {
	t.Parallel()
	w, e := listen(t)
	p := w.Harbor.Person(t)
	e.Take()
	row := update(t, w, p.Customer, customer.UpdateInput{Consent: val(customer.UpdateConsentInput{DoNotCall: val(true)})})
	require.True(t, row.DoNotCall)
	require.Equal(t, w.Clock.Now().UTC(), row.DoNotCallAt.UTC())
	require.Equal(t, []string{"customer.updated [do_not_call]"}, e.Take())
	require.Equal(t, len(p.Tasks), number[int](t, w, "SELECT count(*) FROM call_tasks WHERE customer_id = $1 AND state = 'CANCELLED' AND skip_reason <> ''", p.Customer.UUID))
	require.Zero(t, number[int](t, w, "SELECT count(*) FROM schedules WHERE customer_id = $1 AND status = 'ACTIVE'", p.Customer.UUID))
	again := update(t, w, p.Customer, customer.UpdateInput{Consent: val(customer.UpdateConsentInput{DoNotCall: val(true)})})
	require.Equal(t, row.Version, again.Version)

	weak := *w.Harbor.System
	weak.Scopes = []viewer.Scope{viewer.CustomersWrite}
	off := customer.UpdateInput{Consent: val(customer.UpdateConsentInput{DoNotCall: val(false)})}
	_, err := w.Customers.Update(t.Context(), &weak, of(p.Customer.ID(), off))
	require.Equal(t, []string{"NOT_ALLOWED [input consent doNotCall]"}, customertest.Refusals(t, err))
	row = update(t, w, p.Customer, off)
	require.False(t, row.DoNotCall)
	require.Nil(t, row.DoNotCallAt)
	require.Equal(t, 1, number[int](t, w, "SELECT count(*) FROM audit_entries WHERE action = 'customer.do_not_call_removed'"))

	// Null is what false is: it takes a mark away by the same right, with the same trace, and nothing where there is none.
	null := customer.UpdateInput{Consent: val(customer.UpdateConsentInput{DoNotCall: graphql.OmittableOf[*bool](nil)})}
	same, err := w.Customers.Update(t.Context(), &weak, of(p.Customer.ID(), null))
	require.NoError(t, err)
	require.Equal(t, row.Version, same.Version)
	update(t, w, p.Customer, customer.UpdateInput{Consent: val(customer.UpdateConsentInput{DoNotCall: val(true)})})
	_, err = w.Customers.Update(t.Context(), &weak, of(p.Customer.ID(), null))
	require.Equal(t, []string{"NOT_ALLOWED [input consent doNotCall]"}, customertest.Refusals(t, err))
	require.True(t, read(t, w, p.Customer.UUID).DoNotCall)
	require.False(t, update(t, w, p.Customer, null).DoNotCall)
	require.Equal(t, 2, number[int](t, w, "SELECT count(*) FROM audit_entries WHERE action = 'customer.do_not_call_removed'"))
}

// A deleted customer is in no list, keeps what it has, and can neither be changed nor called until it is restored.
func TestDeleteAndRestore(t *testing.T) {
	t.Parallel()
	w, e := listen(t)
	o := w.Harbor
	p := o.People(t, 2)
	e.Take()
	execute(t, w, "UPDATE customers SET parent_id = NULL")
	execute(t, w, "UPDATE customers SET parent_id = $2 WHERE id = $1", p[0].Customer.UUID, p[1].Customer.UUID)
	o.MakeDue(t, p[0].Tasks[0])
	held, err := w.Schedules.ClaimTasks(t.Context(), o.System, schedule.ClaimCallTasksInput{Limit: val(int32(1))})
	require.NoError(t, err)
	require.Len(t, held.Claims, 1)
	id := p[0].Customer.ID()
	stale := customer.DeleteInput{ID: id, ExpectedVersion: val(int32(0))}
	_, err = w.Customers.Delete(t.Context(), o.System, stale)
	require.Equal(t, []string{"STALE_VERSION [input expectedVersion]"}, customertest.Refusals(t, err))
	current := read(t, w, p[0].Customer.UUID).Version
	row, err := w.Customers.Delete(t.Context(), o.System, customer.DeleteInput{ID: id, Reason: val("asked for it"), ExpectedVersion: val(current)})
	require.NoError(t, err)
	require.Equal(t, current+1, row.Version)
	require.NotNil(t, row.DeletedAt)
	require.Equal(t, []string{"customer.deleted [deleted_at deleted_by]"}, e.Take())
	require.Equal(t, 1, number[int](t, w, "SELECT count(*) FROM audit_entries WHERE action = 'customer.deleted' AND reason = 'asked for it'"))
	again, err := w.Customers.Delete(t.Context(), o.System, customer.DeleteInput{ID: id, ExpectedVersion: val(current)})
	require.NoError(t, err)
	require.Equal(t, row.Version, again.Version, "a repetition changes nothing, also with the version from before")

	list := func(arguments string) []any {
		r := w.OK(t, o.Key, "{ customers"+arguments+" { nodes { id } totalCount } }", nil)
		nodes, _ := r.At("customers.nodes").([]any)
		require.EqualValues(t, len(nodes), r.At("customers.totalCount"))
		return nodes
	}
	require.Len(t, list(""), 1)
	require.Len(t, list(`(search: "rivera")`), 1)
	require.Len(t, list(`(filter: {lastName: {eq: "Rivera"}})`), 1)
	require.Len(t, list(`(filter: {isDeleted: true})`), 1)
	require.Len(t, list(`(filter: {or: [{isDeleted: true}, {isDeleted: false}]})`), 2)
	require.Len(t, list(`(filter: {not: {isDeleted: true}})`), 1)
	r := w.OK(t, o.Key, `query Q($f: CustomerFilter) { customers(filter: $f) { nodes { id } } }`, graphtest.Vars{"f": map[string]any{"and": []any{map[string]any{"isDeleted": true}}}})
	require.Equal(t, 1, r.Len("customers.nodes"))
	r = w.OK(t, o.Key, `query Q($id: ID!) { customer(id: $id) { children { nodes { id } totalCount } } }`, graphtest.Vars{"id": graphtest.ID(p[1].Customer)})
	require.Equal(t, 0, r.Len("customer.children.nodes"))
	require.EqualValues(t, 0, r.At("customer.children.totalCount"))
	r = w.OK(t, o.Key, `query Q($r: String!) { customer(referenceId: $r) { deletedAt deletedBy firstName } }`, graphtest.Vars{"r": p[0].ReferenceID})
	require.NotNil(t, r.At("customer.deletedAt"), "a direct question finds it")

	_, err = w.Customers.Update(t.Context(), o.System, customer.UpdateInput{ID: id})
	require.Equal(t, []string{"INVALID_STATE [input id]"}, customertest.Refusals(t, err))
	require.Contains(t, err.(fault.UserErrors)[0].Message, "restoreCustomer")
	_, err = w.Schedules.Sync(t.Context(), o.System, schedule.SyncCustomerScheduleInput{TaskType: o.TaskType, Fields: customer.Fields{ReferenceID: p[0].ReferenceID}})
	require.Contains(t, strings.Join(customertest.Refusals(t, err), " "), "INVALID_STATE")
	require.Zero(t, number[int](t, w, "SELECT count(*) FROM call_tasks WHERE customer_id = $1 AND state = 'PENDING'", p[0].Customer.UUID))
	renewed, err := w.Schedules.Renew(t.Context(), o.System, schedule.RenewCallTaskInput{ID: held.Claims[0].Task.ID(), CallStarted: val(true)})
	require.NoError(t, err)
	require.Equal(t, fault.CallNotAllowed, renewed.UserErrors[0].Code, "a call that was given out must not begin")
	// Should a task ever be left, it is not given out.
	execute(t, w, "UPDATE call_tasks SET state = 'PENDING', finished_at = NULL, due_at = $2 WHERE id = $1", p[0].Tasks[1].UUID, w.Clock.Now())
	claims, err := w.Schedules.ClaimTasks(t.Context(), o.System, schedule.ClaimCallTasksInput{Limit: val(int32(10))})
	require.NoError(t, err)
	for _, claim := range claims.Claims {
		require.NotEqual(t, p[0].Customer.UUID, claim.Task.CustomerID)
	}
	_, _, err = w.Schedules.ClaimOne(t.Context(), o.System, schedule.ClaimCallTaskInput{ID: p[0].Tasks[1].ID()})
	require.Equal(t, []string{"INVALID_STATE [input id]"}, customertest.Refusals(t, err))
	execute(t, w, "UPDATE call_tasks SET state = 'CANCELLED', finished_at = now() WHERE id = $1", p[0].Tasks[1].UUID)
	e.Take()

	row, err = w.Customers.Restore(t.Context(), o.System, customer.RestoreInput{ID: id})
	require.NoError(t, err)
	require.Nil(t, row.DeletedAt)
	require.Nil(t, row.DeletedBy)
	require.Equal(t, []string{"customer.updated [deleted_at deleted_by]"}, e.Take())
	again, err = w.Customers.Restore(t.Context(), o.System, customer.RestoreInput{ID: id})
	require.NoError(t, err)
	require.Equal(t, row.Version, again.Version)
	require.Len(t, list(""), 2)
	synced, err := w.Schedules.Sync(t.Context(), o.System, schedule.SyncCustomerScheduleInput{TaskType: "welcome", Fields: customer.Fields{ReferenceID: p[0].ReferenceID}})
	require.NoError(t, err)
	require.Equal(t, p[0].Customer.UUID, synced.Customer.UUID, "the next sync plans again")

	_, err = merge(t, w, p[1].Customer, p[0].Customer)
	require.NoError(t, err)
	require.Contains(t, e.Take(), "customer.merged into "+p[1].Customer.ID().String())
	_, err = w.Customers.Restore(t.Context(), o.System, customer.RestoreInput{ID: id})
	require.Equal(t, []string{"INVALID_STATE [input id]"}, customertest.Refusals(t, err))
	require.Contains(t, err.(fault.UserErrors)[0].Message, p[1].Customer.ID().String(), "the survivor is named")
	for name, change := range map[string]func() error{
		"delete": func() error {
			_, err := w.Customers.Delete(t.Context(), o.System, customer.DeleteInput{ID: graphtestForeign(t, w)})
			return err
		},
		"restore": func() error {
			_, err := w.Customers.Restore(t.Context(), o.System, customer.RestoreInput{ID: graphtestForeign(t, w)})
			return err
		},
	} {
		require.Equal(t, []string{"NOT_FOUND [input id]"}, customertest.Refusals(t, change()), name)
	}
}

func graphtestForeign(t *testing.T, w *graphtest.World) relay.ID {
	t.Helper()
	return w.Summit.Person(t).Customer.ID()
}

// What listens decides: an event that cannot be stored undoes the change.
func TestEventsAreOfTheTransaction(t *testing.T) {
	t.Parallel()
	w, e := listen(t)
	p := w.Harbor.People(t, 2)
	e.Fail = fault.New(fault.Unavailable, "no room")
	for name, change := range map[string]func() error{
		"update": func() error {
			_, err := w.Customers.Update(t.Context(), w.Harbor.System, customer.UpdateInput{ID: p[0].Customer.ID(), FirstName: val("Eve")})
			return err
		},
		"delete": func() error {
			_, err := w.Customers.Delete(t.Context(), w.Harbor.System, customer.DeleteInput{ID: p[0].Customer.ID()})
			return err
		},
		"merge": func() error { _, err := merge(t, w, p[0].Customer, p[1].Customer); return err },
	} {
		require.ErrorIs(t, change(), e.Fail, name)
	}
	require.Equal(t, p[0].Customer.Version, read(t, w, p[0].Customer.UUID).Version)
	require.Equal(t, len(p[1].Tasks), number[int](t, w, "SELECT count(*) FROM call_tasks WHERE customer_id = $1 AND state = 'PENDING'", p[1].Customer.UUID))
}

func TestRevealOfEveryNumber(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.People(t, 2)
	bare(t, w)
	update(t, w, p[0].Customer, customer.UpdateInput{SSN: val("321-54-9876"), Medicare: val(customer.UpdateMedicareInput{MBI: val("1EG4-TE5-MK73"), MedicaidNumber: val("MD-7"), VANumber: val("VA-8")})})
	sc, now, id := w.Harbor.System.Scope(), w.Clock.Now(), p[0].Customer.UUID
	held := &account.Account{Row: entity.Row{Row: db.Row{OrganizationID: sc.OrganizationID, UUID: db.NewID()}, Version: 1, CreatedAt: now, UpdatedAt: now, CreatedBy: "x", UpdatedBy: "x"}, Source: "1", SourceAccountID: "A", Status: account.Open, Type: "DDA", PrimarySourceCustomerID: "x"}
	sealed, err := w.Customers.Sealer().Seal(pii.Location{OrganizationID: sc.OrganizationID, Table: "accounts", Column: "number_sealed", Row: held.UUID}, "12345678")
	require.NoError(t, err)
	held.NumberSealed = sealed
	require.NoError(t, account.Accounts.Insert(t.Context(), w.Pool, sc, held))
	require.NoError(t, account.Holders.Insert(t.Context(), w.Pool, sc, &account.Holder{Row: db.Row{OrganizationID: sc.OrganizationID, UUID: db.NewID()}, AccountID: held.UUID,
		Source: "1", SourceCustomerID: "x", CustomerID: &id, IsPrimary: true, CreatedAt: now, UpdatedAt: now}))
	look := func(id relay.ID, field reveal.Field) (string, error) {
		return customertest.Revealer(w.Pool, w.Customers.Sealer()).Reveal(t.Context(), w.Harbor.System, reveal.Input{ID: id, Field: field, Reason: "the customer asked for it"})
	}
	for field, want := range map[reveal.Field]string{customer.FieldSSN: "321549876", customer.FieldMBI: "1EG4TE5MK73", customer.FieldMedicaidNumber: "MD-7", customer.FieldVANumber: "VA-8"} {
		got, err := look(p[0].Customer.ID(), field)
		require.NoError(t, err)
		require.Equal(t, want, got, field)
	}
	got, err := look(held.ID(), account.FieldNumber)
	require.NoError(t, err)
	require.Equal(t, "12345678", got)
	got, err = look(p[1].Customer.ID(), customer.FieldMBI)
	require.NoError(t, err)
	require.Empty(t, got)
	require.Equal(t, 5, number[int](t, w, "SELECT count(*) FROM audit_entries WHERE action = 'customer.pii_revealed'"))
	require.Equal(t, 1, number[int](t, w, "SELECT count(*) FROM audit_entries WHERE action = 'account.pii_revealed'"))
	require.Zero(t, number[int](t, w, "SELECT count(*) FROM audit_entries WHERE changes::text ~ '12345678|321549876|1EG4TE5MK73'"))
	for field, id := range map[reveal.Field]relay.ID{account.FieldNumber: p[0].Customer.ID(), customer.FieldMBI: held.ID()} {
		_, err = look(id, field)
		require.Equal(t, fault.BadUserInput, fault.CodeOf(err), "the id of another type")
		require.ErrorContains(t, err, string(field)+" goes with the id of ")
	}
	_, err = look(relay.ID{Prefix: account.Accounts.Prefix(), UUID: db.NewID()}, account.FieldNumber)
	require.Equal(t, []string{"NOT_FOUND [input id]"}, customertest.Refusals(t, err))
}
