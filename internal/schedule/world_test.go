package schedule_test

import (
	"flag"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/calling"
	"caseload/internal/civil"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/lending"
	"caseload/internal/schedule"
	"caseload/internal/toolcheck"
	"caseload/internal/viewer"
)

// The property waits for the database in one goroutine, where the race detector sees little.
func init() {
	if toolcheck.RaceEnabled {
		_ = flag.Set("rapid.checks", "30")
	}
}

// world is a process with the services, and an organization.
type world struct {
	*dbtest.World
	*schedule.Service
	customers *customer.Service
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldWith(t, lending.Options{})
}

func newWorldWith(t testing.TB, options lending.Options) *world {
	t.Helper()
	w := &world{World: dbtest.NewWorld(t, dbtest.WorldOptions{})}
	w.serve(t, options)
	return w
}

// another is one more process of the same server.
func (w *world) another(t testing.TB) *world {
	t.Helper()
	other := &world{World: w.Another(t)}
	other.serve(t, lending.Options{})
	return other
}

func (w *world) serve(t testing.TB, options lending.Options) {
	t.Helper()
	client := lending.New(options)
	t.Cleanup(client.Close)
	w.customers = customer.New(w.Pool, w.Sealer, client, true, w.Clock.Now)
	w.Service = schedule.New(w.Pool, w.customers, w.Bus, w.Clock.Now)
}

// dialer is another principal of the organization.
func (w *world) dialer() *viewer.Viewer { return dbtest.NewViewer(w.Viewer.OrganizationID) }

func val[T any](v T) graphql.Omittable[*T]      { return graphql.OmittableOf(&v) }
func null[T any]() graphql.Omittable[*T]        { return graphql.OmittableOf[*T](nil) }
func list[T any](v ...T) graphql.Omittable[[]T] { return graphql.OmittableOf(append([]T{}, v...)) }

// taskType makes a task type; change may be nil.
func (w *world) taskType(t testing.TB, name string, change func(*schedule.CreateTaskTypeInput)) *schedule.TaskType {
	t.Helper()
	in := schedule.CreateTaskTypeInput{Name: name, Purpose: calling.Collection}
	if change != nil {
		change(&in)
	}
	typ, err := w.CreateTaskType(t.Context(), w.Viewer, in)
	require.NoError(t, err)
	return typ
}

// input is a complete customer of New York.
func input(reference, taskType string) schedule.SyncCustomerScheduleInput {
	return schedule.SyncCustomerScheduleInput{
		TaskType: taskType,
		Fields: customer.Fields{
			ReferenceID: reference, FirstName: val("Ann"), LastName: val("Lee"), Email: val("ann.lee@example.com"),
			Birthday: val("1985-06-15"), SSNLastFour: val("1234"), PhoneNumber: val("+12125551212"), Timezone: val("America/New_York"),
			StreetAddress1: val("123 Main St"), City: val("New York"), State: val("NY"), ZipCode: val("10001"),
		},
	}
}

func (w *world) sync(t testing.TB, in schedule.SyncCustomerScheduleInput) *schedule.SyncResult {
	t.Helper()
	r, err := w.Sync(t.Context(), w.Viewer, in)
	require.NoError(t, err)
	require.NotNil(t, r.Customer)
	return r
}

// syncWith is sync of a complete customer with a change.
func (w *world) syncWith(t testing.TB, reference, taskType string, change func(*schedule.SyncCustomerScheduleInput)) *schedule.SyncResult {
	t.Helper()
	in := input(reference, taskType)
	if change != nil {
		change(&in)
	}
	return w.sync(t, in)
}

// claim claims up to n tasks for the viewer.
func (w *world) claim(t testing.TB, v *viewer.Viewer, n int32) *schedule.ClaimResult {
	t.Helper()
	r, err := w.ClaimTasks(t.Context(), v, schedule.ClaimCallTasksInput{Limit: val(n)})
	require.NoError(t, err)
	return r
}

// claimOne claims the only due task.
func (w *world) claimOne(t testing.TB, v *viewer.Viewer) *schedule.CallTask {
	t.Helper()
	r := w.claim(t, v, 10)
	require.Len(t, r.Claims, 1)
	return r.Claims[0].Task
}

func (w *world) complete(t testing.TB, v *viewer.Viewer, task *schedule.CallTask, outcome calling.CallOutcome) *schedule.CallResult {
	t.Helper()
	r, err := w.Complete(t.Context(), v, schedule.CompleteCallTaskInput{ID: task.ID(), Outcome: outcome})
	require.NoError(t, err)
	return r
}

func (w *world) tasks(t testing.TB, customerID uuid.UUID, states ...calling.CallTaskState) []*schedule.CallTask {
	t.Helper()
	where := db.Where{}.And("c.customer_id = ?", customerID)
	all, err := schedule.CallTasks.List(t.Context(), w.Pool, w.Viewer.Scope(), where, db.Page{Order: db.By("due_at")})
	require.NoError(t, err)
	if len(states) == 0 {
		return all
	}
	var out []*schedule.CallTask
	for _, task := range all {
		for _, s := range states {
			if task.State == s {
				out = append(out, task)
			}
		}
	}
	return out
}

func (w *world) task(t testing.TB, id uuid.UUID) *schedule.CallTask {
	t.Helper()
	task, err := schedule.CallTasks.ByID(t.Context(), w.Pool, w.Viewer.Scope(), id)
	require.NoError(t, err)
	return task
}

// active returns the customer's active schedule, nil without one.
func (w *world) active(t testing.TB, customerID uuid.UUID) *schedule.Schedule {
	t.Helper()
	rows, err := schedule.Schedules.List(t.Context(), w.Pool, w.Viewer.Scope(), db.Where{}.And("c.customer_id = ?", customerID).And("c.status = 'ACTIVE'"), db.Page{Order: db.By("created_at")})
	require.NoError(t, err)
	require.LessOrEqual(t, len(rows), 1)
	if len(rows) == 0 {
		return nil
	}
	return rows[0]
}

func (w *world) schedules(t testing.TB, customerID uuid.UUID) map[uuid.UUID]schedule.ScheduleStatus {
	t.Helper()
	rows, err := schedule.Schedules.List(t.Context(), w.Pool, w.Viewer.Scope(), db.Where{}.And("c.customer_id = ?", customerID), db.Page{Order: db.By("created_at")})
	require.NoError(t, err)
	out := map[uuid.UUID]schedule.ScheduleStatus{}
	for _, s := range rows {
		out[s.TaskTypeID] = s.Status
	}
	return out
}

func (w *world) attempts(t testing.TB, customerID uuid.UUID) []*schedule.CallAttempt {
	t.Helper()
	rows, err := schedule.CallAttempts.List(t.Context(), w.Pool, w.Viewer.Scope(), db.Where{}.And("c.customer_id = ?", customerID), db.Page{Order: db.By("occurred_at")})
	require.NoError(t, err)
	return rows
}

func (w *world) record(t testing.TB, customerID uuid.UUID) *customer.Record {
	t.Helper()
	r, err := customer.Read(t.Context(), w.Pool, w.Viewer.Scope(), customerID)
	require.NoError(t, err)
	return r
}

func get[T any](t testing.TB, w *world, query string, args ...any) T {
	t.Helper()
	return dbtest.Get[T](t, w.World, query, args...)
}

// audited counts the audit entries of an action for a customer.
func (w *world) audited(t testing.TB, action string, customerID uuid.UUID) int {
	t.Helper()
	return get[int](t, w, "SELECT count(*) FROM audit_entries WHERE action = $1 AND customer_id = $2", action, customerID)
}

// refused requires an error that is user errors, and returns them as "CODE path".
func refused(t testing.TB, err error) []string {
	t.Helper()
	errs, ok := fault.AsUserErrors(err)
	require.Truef(t, ok, "want user errors, got %v", err)
	return lines(errs)
}

func lines(errs fault.UserErrors) []string {
	var out []string
	for _, e := range errs {
		line := string(e.Code)
		for i, p := range e.Path {
			if i == 0 {
				line += " " + p
			} else {
				line += "." + p
			}
		}
		out = append(out, line)
	}
	return out
}

// messages are the sentences of user errors.
func messages(t testing.TB, err error) string {
	t.Helper()
	errs, ok := fault.AsUserErrors(err)
	require.True(t, ok)
	var out []string
	for _, e := range errs {
		out = append(out, e.Message)
	}
	return strings.Join(out, "\n")
}

// fataler is what testing.TB and rapid.T have in common.
type fataler interface {
	Errorf(format string, args ...any)
	FailNow()
}

func zone(t fataler, name string) civil.Zone {
	z, err := civil.ParseZone(name)
	require.NoError(t, err)
	return z
}

func clock(t fataler, text string) civil.LocalTime {
	c, err := civil.ParseLocalTime(text)
	require.NoError(t, err)
	return c
}

func codes(denials []calling.CallDenial) []calling.CallRule {
	var out []calling.CallRule
	for _, d := range denials {
		out = append(out, d.Rule)
	}
	return out
}
