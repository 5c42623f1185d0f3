package schedule_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/calling"
	"caseload/internal/customer"
	"caseload/internal/fault"
	"caseload/internal/lending"
	"caseload/internal/reveal"
	"caseload/internal/schedule"
)

// Values that nothing else contains go through every operation; then the whole database, the log and all
// errors are searched for them.
func TestNoSecretIsLeftInTheClear(t *testing.T) {
	t.Parallel()
	const (
		ssn, dashed, last = "987650417", "987-65-0417", "0417"
		email, phone      = "canary.7d1c@example.com", "+17185558137"
	)
	l := newLendingSystem(t)
	l.borrower["ssnLastFour"] = last
	w := newWorldWith(t, lending.Options{TryTimeout: patient, Timeout: 2 * patient})
	w.Listen(t)
	w.taskType(t, "collections", nil)
	_, err := w.customers.ConfigureLendingSystem(t.Context(), w.Viewer, customer.ConfigureLendingSystemInput{BaseURL: l.URL, Key: val(lendingKey)})
	require.NoError(t, err)

	var failures []error
	note := func(err error) {
		require.Error(t, err)
		failures = append(failures, err)
	}
	personal := func(in *schedule.SyncCustomerScheduleInput) {
		in.SSN, in.SSNLastFour, in.Email, in.PhoneNumber = val(dashed), val(last), val(email), val(phone)
	}
	id := w.syncWith(t, "C-1", "collections", personal).Customer.UUID
	w.bulk(t, batch.RejectFailedRows, rows("b-", 3, func(_ int, in *schedule.SyncCustomerScheduleInput) { personal(in) }))
	w.sync(t, fromLending("C-2", nil))
	for _, wrong := range []func(*schedule.SyncCustomerScheduleInput){
		func(in *schedule.SyncCustomerScheduleInput) { in.SSN, in.SSNLastFour = val(dashed), val("0418") },
		func(in *schedule.SyncCustomerScheduleInput) { in.SSN = val(ssn + "0") },
		func(in *schedule.SyncCustomerScheduleInput) { in.SSN = val("666-65-0417") },
		func(in *schedule.SyncCustomerScheduleInput) { in.SSNLastFour = val(last + last) },
		func(in *schedule.SyncCustomerScheduleInput) { in.Email = val(email + " " + ssn) },
		func(in *schedule.SyncCustomerScheduleInput) { in.PhoneNumber = val(phone + phone) },
		func(in *schedule.SyncCustomerScheduleInput) { in.Birthday = val(ssn) },
		func(in *schedule.SyncCustomerScheduleInput) { in.ReferenceID = ssn + "\x00" },
		func(in *schedule.SyncCustomerScheduleInput) { in.TaskType = ssn },
	} {
		in := input("C-1", "collections")
		personal(&in)
		wrong(&in)
		_, err := w.Sync(t.Context(), w.Viewer, in)
		note(err)
	}
	revealed, err := reveal.New(w.Pool, w.Clock.Now, customer.Sealed(w.Sealer)...).Reveal(t.Context(), w.Viewer, reveal.Input{Field: customer.FieldSSN, ID: w.record(t, id).Customer.ID(), Reason: "a test of what is logged"})
	require.NoError(t, err)
	require.Equal(t, ssn, revealed)
	w.Clock.Advance(2 * time.Hour) // nine o'clock in Los Angeles
	dialer := w.dialer()
	claims := w.claim(t, dialer, 10).Claims
	require.Len(t, claims, 5)
	for i, c := range claims {
		_, err = w.Renew(t.Context(), dialer, schedule.RenewCallTaskInput{ID: c.Task.ID(), CallStarted: val(true)})
		require.NoError(t, err)
		w.complete(t, dialer, c.Task, []calling.CallOutcome{calling.Conversation, calling.WrongNumber, calling.DNCRequested, calling.NoAnswer, calling.PromiseToPay}[i])
	}
	_, err = w.RecordCall(t.Context(), w.Viewer, schedule.RecordCallInput{CustomerRef: schedule.CustomerRef{ReferenceID: val("C-1")}, Direction: calling.Inbound, Outcome: calling.Conversation, PhoneNumber: val(phone)})
	require.NoError(t, err)
	_, err = w.RecordCall(t.Context(), w.Viewer, schedule.RecordCallInput{CustomerRef: schedule.CustomerRef{ReferenceID: val(ssn)}, Direction: calling.Inbound, Outcome: calling.Conversation})
	note(err)
	l.set(func(l *lendingSystem) { l.borrower["ssnLastFour"] = ssn })
	_, err = w.Sync(t.Context(), w.Viewer, fromLending("C-3", nil))
	note(err)
	l.Close()
	_, err = w.Sync(t.Context(), w.Viewer, fromLending("C-3", nil))
	note(err)
	require.NoError(t, w.Reap(t.Context()))

	secrets := []string{ssn, dashed, lendingKey, hex.EncodeToString([]byte(ssn)), hex.EncodeToString([]byte(lendingKey))}
	var columns []struct {
		Table  string `db:"table_name"`
		Column string `db:"column_name"`
		Type   string `db:"data_type"`
	}
	require.NoError(t, w.Pool.Select(t.Context(), &columns, "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"))
	rivers := 0
	for _, c := range columns {
		if strings.HasPrefix(c.Table, "river_") {
			rivers++
		}
		text := fmt.Sprintf("%q::text", c.Column)
		if c.Type == "bytea" {
			text = fmt.Sprintf("encode(%q, 'escape')", c.Column)
		}
		for _, secret := range secrets {
			n := get[int](t, w, fmt.Sprintf("SELECT count(*) FROM %s WHERE position($1 in %s) > 0", c.Table, text), secret)
			require.Zerof(t, n, "%s.%s holds a secret", c.Table, c.Column)
		}
		// Four digits may stand in an id or a time by chance, so they are looked for as words, and in text only.
		if c.Type == "text" || c.Type == "jsonb" {
			n := get[int](t, w, fmt.Sprintf(`SELECT count(*) FROM %s WHERE %s ~ $1`, c.Table, text), `(^|[^0-9a-f])`+last+`([^0-9a-f]|$)`)
			require.Zerof(t, n, "%s.%s holds the last four digits", c.Table, c.Column)
		}
		// E-mail and phone belong into their own columns and the search text alone.
		if c.Table == "audit_entries" || strings.HasPrefix(c.Table, "river_") || c.Table == "lending_systems" {
			for _, v := range []string{email, phone, phone[1:]} {
				require.Zero(t, get[int](t, w, fmt.Sprintf("SELECT count(*) FROM %s WHERE position($1 in %s) > 0", c.Table, text), v))
			}
		}
	}
	require.Positive(t, rivers, "the tables of jobs are searched too")
	require.Equal(t, 4, get[int](t, w, "SELECT count(*) FROM customers WHERE email = $1", email), "the search does find what is stored in the clear")
	output := w.Log.String()
	for _, err := range failures {
		errs, ok := fault.AsUserErrors(err)
		require.True(t, ok)
		output += "\n" + err.Error() + fmt.Sprintf("%+v %#v", err, err)
		for _, e := range errs {
			output += fmt.Sprintf("\n%+v", *e)
		}
	}
	for _, secret := range append(secrets, last, email, phone) {
		require.NotContains(t, output, secret)
	}
}
