package schedule_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/calling"
	"caseload/internal/customer"
	"caseload/internal/dbtest"
	"caseload/internal/lending"
	"caseload/internal/schedule"
)

const lendingKey = "lms-key-canary-7f3a"

// lendingSystem is a real server that knows one borrower, and misbehaves when told.
type lendingSystem struct {
	*httptest.Server
	mu        sync.Mutex
	borrower  map[string]any
	loans     []map[string]any
	misbehave http.HandlerFunc
	asked     []string
	// during runs while a request is being answered.
	during func()
}

func newLendingSystem(t *testing.T) *lendingSystem {
	t.Helper()
	l := &lendingSystem{borrower: map[string]any{
		"firstName": "Ada", "lastName": "Hill", "email": "ada@example.com", "birthday": "1980-02-29", "ssnLastFour": "0123",
		"phoneNumber": "+14155550100", "timezone": "America/Los_Angeles", "language": "en", "streetAddress1": "1 Elm St",
		"streetAddress2": "Apt 4B", "city": "San Francisco", "state": "CA", "zipCode": "94102",
		"externalMetadata": map[string]any{"employer_name": "Acme"},
	}, loans: []map[string]any{
		{"id": 7, "status": "OPEN", "principalBalance": "100.50", "currency": "USD"},
		{"id": "8", "status": "LATE", "daysPastDue": 12},
	}}
	l.Server = httptest.NewServer(l)
	t.Cleanup(l.Close)
	return l
}

func (l *lendingSystem) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.asked = append(l.asked, r.URL.Path)
	misbehave, during := l.misbehave, l.during
	l.mu.Unlock()
	if during != nil {
		during()
	}
	if r.Header.Get("Authorization") != "Bearer "+lendingKey {
		http.Error(w, "{}", http.StatusUnauthorized)
		return
	}
	if misbehave != nil {
		misbehave(w, r)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	switch {
	case len(parts) == 2 && parts[0] == "borrowers":
		b := map[string]any{"referenceId": parts[1]}
		for k, v := range l.borrower {
			b[k] = v
		}
		_ = json.NewEncoder(w).Encode(b)
	case len(parts) == 3 && parts[2] == "loans":
		_ = json.NewEncoder(w).Encode(map[string]any{"loans": l.loans})
	case len(parts) == 2 && parts[0] == "loans":
		for _, loan := range l.loans {
			if fmt.Sprint(loan["id"]) == parts[1] {
				file := map[string]any{"borrowerReferenceId": "linked"}
				for k, v := range loan {
					file[k] = v
				}
				_ = json.NewEncoder(w).Encode(file)
				return
			}
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("{}"))
	}
}

func (l *lendingSystem) set(f func(l *lendingSystem)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l)
}

// patient is longer than any machine needs to answer.
const patient = 30 * time.Second

// newLendingWorld is a world with a client that waits for so long.
func newLendingWorld(t *testing.T, url string, patience time.Duration) *world {
	t.Helper()
	w := newWorldWith(t, lending.Options{
		TryTimeout: patience, Timeout: 2 * patience, FailuresToOpen: 1000,
		Backoff: func() backoff.BackOff { return &backoff.ZeroBackOff{} },
	})
	w.taskType(t, "collections", nil)
	if url != "" {
		_, err := w.customers.ConfigureLendingSystem(t.Context(), w.Viewer, customer.ConfigureLendingSystemInput{BaseURL: url, Key: val(lendingKey)})
		require.NoError(t, err)
	}
	return w
}

func fromLending(reference string, change func(*schedule.SyncCustomerScheduleInput)) schedule.SyncCustomerScheduleInput {
	in := schedule.SyncCustomerScheduleInput{TaskType: "collections", Sync: val(true), Fields: customer.Fields{ReferenceID: reference}}
	if change != nil {
		change(&in)
	}
	return in
}

func TestTheLendingSystemFillsOnlyWhatIsMissing(t *testing.T) {
	t.Parallel()
	l := newLendingSystem(t)
	w := newLendingWorld(t, l.URL, patient)
	r := w.sync(t, fromLending("C-1", nil))
	require.True(t, r.ScheduleCreated)
	require.Equal(t, 2, r.LoansImported)
	got := w.record(t, r.Customer.UUID)
	digits, err := got.Customer.LastFour(w.Sealer)
	require.NoError(t, err)
	require.Equal(t, []string{"Ada", "Hill", "ada@example.com", "1980-02-29", "0123", "+14155550100", "America/Los_Angeles", "en", "1 Elm St", "Apt 4B", "San Francisco", "CA", "94102"},
		[]string{*got.Customer.FirstName, *got.Customer.LastName, *got.Customer.Email, got.Customer.Birthday.String(), *digits, got.Phone.Number, *got.Customer.TimeZone,
			*got.Customer.Language, *got.Address.Line1, *got.Address.Line2, *got.Address.City, *got.Address.State, *got.Address.PostalCode})
	require.JSONEq(t, `{"employer_name": "Acme"}`, string(got.Customer.ExternalMetadata))

	// What is stored stays, whatever the lending system says now.
	l.set(func(l *lendingSystem) {
		l.borrower["firstName"], l.borrower["phoneNumber"], l.borrower["zipCode"] = "Eve", "+12125551212", "10001"
		l.borrower["externalMetadata"] = map[string]any{"employer_name": "Other"}
	})
	again := w.sync(t, fromLending("C-1", nil))
	require.Equal(t, batch.Unchanged, again.Action)
	require.Equal(t, got.Customer, w.record(t, r.Customer.UUID).Customer)

	// What is sent wins, and null is sent too.
	in := fromLending("C-2", func(in *schedule.SyncCustomerScheduleInput) {
		in.FirstName, in.PhoneNumber, in.Language, in.StreetAddress1 = val("Sent"), null[string](), null[string](), val("2 Oak St")
	})
	sent := w.record(t, w.sync(t, in).Customer.UUID)
	require.Equal(t, "Sent", *sent.Customer.FirstName)
	require.Nil(t, sent.Phone)
	require.Nil(t, sent.Customer.Language)
	require.Equal(t, "2 Oak St", *sent.Address.Line1)
	require.Nil(t, sent.Address.Line2, "the flat belongs to the other street")
	require.Equal(t, "Hill", *sent.Customer.LastName)

	// Without sync nobody asks.
	l.set(func(l *lendingSystem) { l.asked = nil })
	w.syncWith(t, "C-3", "collections", func(in *schedule.SyncCustomerScheduleInput) { in.Sync = val(false) })
	require.Empty(t, l.asked)
}

func TestAnOptOutThatTheLendingSystemKnowsOf(t *testing.T) {
	t.Parallel()
	l := newLendingSystem(t)
	w := newLendingWorld(t, l.URL, patient)
	first := w.sync(t, fromLending("C-1", nil))
	l.set(func(l *lendingSystem) { l.borrower["doNotCall"] = true })
	r := w.sync(t, fromLending("C-1", nil))
	require.True(t, r.Customer.DoNotCall)
	require.Equal(t, calling.RuleDoNotCall, *r.NotScheduledBecause)
	require.Equal(t, first.TasksCreated, r.ExistingTasksRemoved)
	require.Empty(t, w.tasks(t, r.Customer.UUID))
	// The lending system's "false" is no permission.
	l.set(func(l *lendingSystem) { l.borrower["doNotCall"] = false })
	_, err := w.Sync(t.Context(), w.Viewer, fromLending("C-1", nil))
	require.Equal(t, []string{"DO_NOT_CALL input.doNotCall"}, refused(t, err))
	// What the integrator says outright counts.
	l.set(func(l *lendingSystem) { l.borrower["doNotCall"] = true })
	r = w.sync(t, fromLending("C-1", func(in *schedule.SyncCustomerScheduleInput) { in.DoNotCall = val(false) }))
	require.False(t, r.Customer.DoNotCall)
}

func TestLoans(t *testing.T) {
	t.Parallel()
	l := newLendingSystem(t)
	w := newLendingWorld(t, l.URL, patient)
	loans := func(id uuid.UUID) string {
		return get[string](t, w, "SELECT coalesce(string_agg(external_id || ' ' || status || ' ' || coalesce(principal_balance::text, '-'), ', ' ORDER BY external_id), '') FROM loans WHERE customer_id = $1", id)
	}
	all := w.sync(t, fromLending("all", nil))
	require.Equal(t, "7 OPEN 100.50, 8 LATE -", loans(all.Customer.UUID))
	none := w.sync(t, fromLending("none", func(in *schedule.SyncCustomerScheduleInput) { in.ExternalLoanIDs = list[int64]() }))
	require.Empty(t, loans(none.Customer.UUID))
	require.Zero(t, none.LoansImported)
	some := w.sync(t, fromLending("some", func(in *schedule.SyncCustomerScheduleInput) { in.ExternalLoanIDs = list[int64](8, 9) }))
	require.Equal(t, "8 LATE -", loans(some.Customer.UUID))
	require.Equal(t, 1, some.LoansImported)
	every := w.sync(t, fromLending("every", func(in *schedule.SyncCustomerScheduleInput) { in.ExternalLoanIDs = graphql.OmittableOf[[]int64](nil) }))
	require.Equal(t, 2, every.LoansImported, "null is as if it were absent")

	linked := w.sync(t, fromLending("linked", func(in *schedule.SyncCustomerScheduleInput) { in.ExternalLoanID = val("7") }))
	loan := get[uuid.UUID](t, w, "SELECT id FROM loans WHERE customer_id = $1 AND external_id = '7'", linked.Customer.UUID)
	require.Equal(t, loan, *linked.Schedule.LoanID)
	require.Equal(t, loan, *w.tasks(t, linked.Customer.UUID)[0].LoanID)

	// Imported again, loans are brought up to date.
	l.set(func(l *lendingSystem) { l.loans[0]["principalBalance"], l.loans[0]["status"] = "90.25", "PAID" })
	again := w.sync(t, fromLending("linked", func(in *schedule.SyncCustomerScheduleInput) { in.ExternalLoanID = val("7") }))
	require.Equal(t, "7 PAID 90.25, 8 LATE -", loans(again.Customer.UUID))
	require.Equal(t, loan, *again.Schedule.LoanID)

	before := w.Dump(t)
	_, err := w.Sync(t.Context(), w.Viewer, fromLending("linked", func(in *schedule.SyncCustomerScheduleInput) { in.ExternalLoanID = val("99") }))
	require.Equal(t, []string{"NOT_FOUND input.sync"}, refused(t, err))
	require.Equal(t, before, w.Dump(t))

	results := w.bulk(t, batch.RejectFailedRows, []*schedule.SyncCustomerScheduleInput{ptr(fromLending("b-1", nil)), ptr(fromLending("b-2", nil)), ptr(fromLending("b-1", nil))})
	require.Equal(t, []batch.Action{batch.Create, batch.Create, batch.Unchanged}, actions(results))
}

func TestALendingSystemThatMisbehaves(t *testing.T) {
	t.Parallel()
	l := newLendingSystem(t)
	w := newLendingWorld(t, l.URL, 1500*time.Millisecond)
	w.sync(t, fromLending("C-1", nil))
	all := w.Dump(t)
	answer := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	for name, row := range map[string]struct {
		misbehave http.HandlerFunc
		code      string
	}{
		"500":        {answer(500, "application/json", "{}"), "LENDING_SYSTEM_UNAVAILABLE"},
		"503 html":   {answer(503, "text/html", "<h1>secret stack trace</h1>"), "LENDING_SYSTEM_UNAVAILABLE"},
		"html":       {answer(200, "text/html", "<h1>secret stack trace</h1>"), "LENDING_SYSTEM_REFUSED"},
		"no JSON":    {answer(200, "application/json", "secret stack trace"), "LENDING_SYSTEM_REFUSED"},
		"wrong type": {answer(200, "application/json", `{"referenceId": "C-1", "firstName": 7}`), "LENDING_SYSTEM_REFUSED"},
		"other":      {answer(200, "application/json", `{"referenceId": "C-2"}`), "LENDING_SYSTEM_REFUSED"},
		"404":        {answer(404, "application/json", "{}"), "NOT_FOUND"},
		"401":        {answer(401, "application/json", "{}"), "LENDING_SYSTEM_REFUSED"},
		"slow": {func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-hang:
			}
		}, "LENDING_SYSTEM_UNAVAILABLE"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, "LENDING_SYSTEM_UNAVAILABLE"},
		"bad zone": {func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/loans") {
				answer(200, "application/json", `{"loans": []}`)(w, r)
				return
			}
			answer(200, "application/json", `{"referenceId": "C-9", "firstName": "Ada", "lastName": "Hill", "email": "a@example.com", "birthday": "1980-02-29", "ssnLastFour": "0123", "timezone": "Mars/Olympus", "streetAddress1": "1", "city": "x", "state": "CA", "zipCode": "94102"}`)(w, r)
		}, "LENDING_SYSTEM_REFUSED"},
	} {
		l.set(func(l *lendingSystem) { l.misbehave = row.misbehave })
		reference := "C-1"
		if name == "bad zone" {
			reference = "C-9"
		}
		_, err := w.Sync(t.Context(), w.Viewer, fromLending(reference, nil))
		require.Equal(t, []string{row.code + " input.sync"}, refused(t, err), name)
		require.NotContains(t, messages(t, err), "secret", name)
		require.NotContains(t, messages(t, err), "127.0.0.1", name)
		require.Greater(t, len(messages(t, err)), 20, "the message says what happened")
		require.Equal(t, all, w.Dump(t), name)

		// In a batch the other rows are written; all wrong values are still found.
		wrong := fromLending("C-1", func(in *schedule.SyncCustomerScheduleInput) { in.Email = val("nobody") })
		if name == "500" {
			results := w.bulk(t, batch.RejectFailedRows, []*schedule.SyncCustomerScheduleInput{&wrong, ptr(input("by-itself", "collections"))})
			require.Equal(t, []string{row.code + " input.customers.0.sync", "INVALID input.customers.0.email"}, lines(results[0].UserErrors))
			require.Equal(t, batch.Create, results[1].Action)
			all = w.Dump(t)
		}
	}
	l.Close()
	_, err := w.Sync(t.Context(), w.Viewer, fromLending("C-1", nil))
	require.Equal(t, []string{"LENDING_SYSTEM_UNAVAILABLE input.sync"}, refused(t, err))
	require.Equal(t, all, w.Dump(t))
}

func TestNoLendingSystem(t *testing.T) {
	t.Parallel()
	w := newLendingWorld(t, "", patient)
	_, err := w.Sync(t.Context(), w.Viewer, fromLending("C-1", nil))
	require.Equal(t, []string{"INVALID_STATE input.sync"}, refused(t, err))
	l := newLendingSystem(t)
	_, err = w.customers.ConfigureLendingSystem(t.Context(), w.Viewer, customer.ConfigureLendingSystemInput{BaseURL: l.URL, Key: val(lendingKey), IsEnabled: val(false)})
	require.NoError(t, err)
	_, err = w.Sync(t.Context(), w.Viewer, fromLending("C-1", nil))
	require.Equal(t, []string{"INVALID_STATE input.sync"}, refused(t, err))
	require.Empty(t, l.asked)
	_, err = w.customers.ConfigureLendingSystem(t.Context(), w.Viewer, customer.ConfigureLendingSystemInput{BaseURL: l.URL, IsEnabled: val(true)})
	require.NoError(t, err)
	w.sync(t, fromLending("C-1", nil))
	// One organization's lending system is not another's.
	_, err = w.Sync(t.Context(), dbtest.NewViewer(uuidOf(9)), fromLending("C-1", nil))
	require.Contains(t, refused(t, err), "INVALID input.taskType")
}

// While another company's server thinks, nothing of ours is locked and no transaction is open.
func TestNothingIsLockedWhileTheLendingSystemIsAsked(t *testing.T) {
	t.Parallel()
	l := newLendingSystem(t)
	w := newLendingWorld(t, l.URL, patient)
	w.sync(t, fromLending("C-1", nil))
	asked := 0
	l.set(func(l *lendingSystem) {
		l.during = func() {
			asked++
			var open, locks int
			ctx := context.Background()
			if err := w.Pool.Get(ctx, &open, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"); err != nil {
				t.Error(err)
			}
			if err := w.Pool.Get(ctx, &locks, `SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
				WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.pid <> pg_backend_pid() AND c.relnamespace = 'public'::regnamespace`); err != nil {
				t.Error(err)
			}
			if open != 0 || locks != 0 {
				t.Errorf("%d transactions and %d locks while the lending system is asked", open, locks)
			}
			// A sync of the same customer gets through meanwhile.
			if _, err := w.Sync(ctx, w.Viewer, input("C-1", "collections")); err != nil {
				t.Error(err)
			}
		}
	})
	w.sync(t, fromLending("C-1", nil))
	require.Equal(t, 2, asked)
}
