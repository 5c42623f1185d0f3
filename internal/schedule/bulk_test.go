package schedule_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/calling"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/schedule"
)

// rows are n complete customers of New York.
func rows(prefix string, n int, change func(i int, in *schedule.SyncCustomerScheduleInput)) []*schedule.SyncCustomerScheduleInput {
	out := make([]*schedule.SyncCustomerScheduleInput, n)
	for i := range out {
		in := input(fmt.Sprintf("%s%04d", prefix, i), "collections")
		if change != nil {
			change(i, &in)
		}
		out[i] = &in
	}
	return out
}

func (w *world) bulk(t testing.TB, policy batch.ErrorPolicy, in []*schedule.SyncCustomerScheduleInput) []*schedule.SyncResult {
	t.Helper()
	results, err := w.BulkSync(t.Context(), w.Viewer, schedule.BulkSyncCustomerSchedulesInput{Customers: in, ErrorPolicy: policy})
	require.NoError(t, err)
	require.Len(t, results, len(in))
	return results
}

func TestABulkSyncTakesAFixedNumberOfStatements(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", func(in *schedule.CreateTaskTypeInput) { in.MaxAttempts = val[int32](2) })
	w.taskType(t, "welcome", nil)
	counted := func(in []*schedule.SyncCustomerScheduleInput) int {
		ctx := db.WithCounter(t.Context())
		results, err := w.BulkSync(ctx, w.Viewer, schedule.BulkSyncCustomerSchedulesInput{Customers: in, ErrorPolicy: batch.RejectFailedRows})
		require.NoError(t, err)
		for i, r := range results {
			require.True(t, r.Success(), r.UserErrors)
			require.Equal(t, in[i].ReferenceID, *r.Customer.ReferenceID, "results come in the order of the rows")
		}
		return db.Statements(ctx)
	}
	// Every kind of change at once: a phone, an address, a loan, a switch of the task type, a phone less.
	change := func(i int, in *schedule.SyncCustomerScheduleInput) {
		in.City, in.ExternalLoanID = val("Albany"), val(fmt.Sprint(i))
		switch i % 3 {
		case 0:
			in.PhoneNumber = val("+17185551234")
		case 1:
			in.PhoneNumber = null[string]()
		case 2:
			in.TaskType = "welcome"
		}
	}
	few, many := []int{}, []int{}
	// The first time as many as a call may have.
	for i, c := range []func(int, *schedule.SyncCustomerScheduleInput){nil, change, change, nil} {
		few, many = append(few, counted(rows("few-", 10, c))), append(many, counted(rows("many-", []int{1000, 200, 200, 200}[i], c)))
	}
	require.Equal(t, few, many)
	require.LessOrEqual(t, many[0], 20)
	w.consistent(t)
	require.Equal(t, 1010, get[int](t, w, "SELECT count(*) FROM customers"))
}

func TestRowsOfOneCustomerApplyInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	w.taskType(t, "welcome", func(in *schedule.CreateTaskTypeInput) { in.MaxAttempts = val[int32](2) })
	short := func(reference string) schedule.SyncCustomerScheduleInput {
		return schedule.SyncCustomerScheduleInput{TaskType: "welcome", Fields: customer.Fields{ReferenceID: reference}}
	}
	first, second, third := input("C-1", "collections"), short("C-1"), short("C-1")
	second.LastName, second.MiddleName = val("Second"), val("Jo")
	third.MiddleName = null[string]()
	results := w.bulk(t, batch.RejectFailedRows, []*schedule.SyncCustomerScheduleInput{&first, &second, &third})
	require.Equal(t, []batch.Action{batch.Create, batch.Update, batch.Update}, actions(results))
	require.Equal(t, []int{0, 7, 2}, []int{results[0].ExistingTasksRemoved, results[1].ExistingTasksRemoved, results[2].ExistingTasksRemoved})
	require.Equal(t, []int{7, 2, 2}, []int{results[0].TasksCreated, results[1].TasksCreated, results[2].TasksCreated})
	id := results[0].Customer.UUID
	c := w.record(t, id).Customer
	require.Equal(t, "Second", *c.LastName)
	require.Nil(t, c.MiddleName)
	require.Len(t, w.tasks(t, id), 2)
	require.Equal(t, int32(1), c.Version)

	// Opting out in one row and asking for calls in the next is an error of the next.
	out, again := short("C-1"), short("C-1")
	out.DoNotCall = val(true)
	results = w.bulk(t, batch.RejectFailedRows, []*schedule.SyncCustomerScheduleInput{&out, &again})
	require.Equal(t, []batch.Action{batch.Update, batch.Failed}, actions(results))
	require.Equal(t, []string{"DO_NOT_CALL input.customers.1.doNotCall"}, lines(results[1].UserErrors))
	require.True(t, w.record(t, id).Customer.DoNotCall)
	require.Empty(t, w.tasks(t, id))

	// A block belongs to the number, also when a row before takes the number away.
	two := input("C-2", "collections")
	id = w.bulk(t, batch.RejectFailedRows, []*schedule.SyncCustomerScheduleInput{&two})[0].Customer.UUID
	w.Exec(t, "UPDATE customer_phones SET blocked_at = now(), blocked_reason = 'WRONG_NUMBER' WHERE customer_id = $1", id)
	without, with := short("C-2"), short("C-2")
	without.PhoneNumber, with.PhoneNumber = null[string](), val("+12125551212")
	results = w.bulk(t, batch.RejectFailedRows, []*schedule.SyncCustomerScheduleInput{&without, &with})
	require.Equal(t, calling.RulePhoneBlocked, *results[1].NotScheduledBecause)
	require.Equal(t, "+12125551212", w.record(t, id).Phone.Number)
	require.NotNil(t, w.record(t, id).Phone.BlockedAt)
}

func actions(results []*schedule.SyncResult) []batch.Action {
	var out []batch.Action
	for _, r := range results {
		out = append(out, r.Action)
	}
	return out
}

func TestErrorPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	w.syncWith(t, "stored", "collections", nil)
	w.syncWith(t, "marked", "collections", func(in *schedule.SyncCustomerScheduleInput) { in.DoNotCall = val(true) })
	mixed := func() []*schedule.SyncCustomerScheduleInput {
		right, wrong, lacking, unknown, known, marked, twins := input("right", "collections"), input("wrong", "collections"), input("lacking", "collections"),
			input("unknown", "nothing"), input("stored", "collections"), input("marked", "collections"), input("twins", "collections")
		wrong.Language, wrong.MiddleName, wrong.City = val("?"), val("Jo"), val("Albany")
		lacking.Email = val("nobody") // wrong, and nothing is stored instead
		known.Email, known.LastName = val("nobody"), val("Changed")
		twins.SSN, twins.SSNLastFour = val("123-45-6789"), val("1111")
		return []*schedule.SyncCustomerScheduleInput{&right, &wrong, &lacking, &unknown, &known, &marked, &twins}
	}
	wrong := [][]string{
		nil, {"INVALID input.customers.1.language"}, {"INVALID input.customers.2.email"}, {"INVALID input.customers.3.taskType"},
		{"INVALID input.customers.4.email"}, {"DO_NOT_CALL input.customers.5.doNotCall"}, {"DUPLICATE_INPUT_ITEM input.customers.6.ssnLastFour"},
	}
	check := func(results []*schedule.SyncResult, want ...batch.Action) {
		t.Helper()
		require.Equal(t, want, actions(results))
		for i, r := range results {
			errs := lines(r.UserErrors)
			if i == 6 && len(errs) == 2 {
				errs = errs[:1] // without digits that can be trusted the required ones are missing too
			}
			require.Equal(t, wrong[i], errs)
			require.Equal(t, r.Success(), r.Customer != nil)
			require.Equal(t, r.Success(), r.ScheduleCreated)
			require.Equal(t, r.Success(), r.TasksCreated > 0)
		}
	}
	all := w.Dump(t)
	check(w.bulk(t, batch.RejectEverything, mixed()), batch.Skipped, batch.Failed, batch.Failed, batch.Failed, batch.Failed, batch.Failed, batch.Failed)
	require.Equal(t, all, w.Dump(t))

	check(w.bulk(t, batch.RejectFailedRows, mixed()), batch.Create, batch.Failed, batch.Failed, batch.Failed, batch.Failed, batch.Failed, batch.Failed)
	require.Equal(t, 3, get[int](t, w, "SELECT count(*) FROM customers"))

	results := w.bulk(t, batch.IgnoreFailed, mixed())
	check(results, batch.Unchanged, batch.Create, batch.Failed, batch.Failed, batch.Update, batch.Failed, batch.Failed)
	right := w.record(t, results[1].Customer.UUID)
	require.Nil(t, right.Customer.Language)
	require.Equal(t, "Jo", *right.Customer.MiddleName)
	require.Equal(t, "Albany", *right.Address.City)
	stored := w.record(t, results[4].Customer.UUID).Customer
	require.Equal(t, "ann.lee@example.com", *stored.Email, "a wrong value leaves what is stored")
	require.Equal(t, "Changed", *stored.LastName)

	// With everything right the strictest policy writes.
	require.Equal(t, []batch.Action{batch.Create, batch.Create}, actions(w.bulk(t, batch.RejectEverything, rows("x", 2, nil))))
}

func TestBulkSizes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	all := w.Dump(t)
	for n, code := range map[int]fault.UserCode{0: fault.Required, 1001: fault.LimitExceeded} {
		_, err := w.BulkSync(t.Context(), w.Viewer, schedule.BulkSyncCustomerSchedulesInput{Customers: rows("x", n, nil), ErrorPolicy: batch.RejectFailedRows})
		require.Equal(t, []string{string(code) + " input.customers"}, refused(t, err))
	}
	require.Equal(t, all, w.Dump(t))
}
