package schedule_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/calling"
	"caseload/internal/civil"
	"caseload/internal/dbtest"
	"caseload/internal/schedule"
)

func TestLoadLawKeepsManualChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, schedule.LoadLaw(t.Context(), w.Pool, dbtest.Monday))
	windows := get[int](t, w, "SELECT count(*) FROM state_windows")
	require.Len(t, calling.StandardStateWindows(), windows)
	require.Positive(t, get[int](t, w, "SELECT count(*) FROM state_holidays WHERE state = 'US' AND on_date = '2026-07-04'"))
	w.Exec(t, "UPDATE state_windows SET closes_at = '19:00', source = 'by hand' WHERE state = 'CT' AND NOT on_holidays")
	w.Exec(t, "INSERT INTO state_holidays VALUES ('LA', '2026-03-03', 'Mardi Gras', true, 'by hand', '2026-01-01')")
	all := w.Dump(t)
	require.NoError(t, schedule.LoadLaw(t.Context(), w.Pool, dbtest.Monday))
	require.Equal(t, all, w.Dump(t))

	found, err := w.CallingWindows(t.Context(), w.Viewer, ptr("CT"))
	require.NoError(t, err)
	var closes []string
	for _, f := range found {
		require.Contains(t, []string{"CT", "US"}, f.State)
		require.False(t, f.IsOwn)
		if !f.OnHolidays {
			closes = append(closes, f.ClosesAt.String()+" "+f.Source)
		}
	}
	require.Equal(t, []string{"19:00 by hand"}, closes)
	holidays, err := w.CallingHolidays(t.Context(), w.Viewer, ptr("LA"), nil, nil)
	require.NoError(t, err)
	require.Equal(t, "Mardi Gras", holidays[0].Name)
	_, err = w.CallingHolidays(t.Context(), w.Viewer, nil, ptr(civil.MustDate(2026, 3, 3)), ptr(civil.MustDate(2026, 3, 2)))
	require.Error(t, err)
	_, err = w.CallingHolidays(t.Context(), w.Viewer, nil, ptr(civil.MustDate(2026, 3, 3)), ptr(civil.MustDate(2032, 3, 2)))
	require.Error(t, err)
}

func ptr[T any](v T) *T { return &v }

func clocks(t testing.TB, from, to string) func(*schedule.TightenCallingWindowInput) {
	return func(in *schedule.TightenCallingWindowInput) {
		in.OpensAt, in.ClosesAt = val(clock(t, from)), val(clock(t, to))
	}
}

func TestHoursCanOnlyBeTightened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, schedule.LoadLaw(t.Context(), w.Pool, dbtest.Monday))
	tighten := func(state string, change ...func(*schedule.TightenCallingWindowInput)) (*schedule.CallingWindow, error) {
		in := schedule.TightenCallingWindowInput{State: state, Days: calling.AllWeekdays}
		for _, c := range change {
			c(&in)
		}
		return w.TightenCallingWindow(t.Context(), w.Viewer, in)
	}
	all := w.Dump(t)
	solicitations := func(in *schedule.TightenCallingWindowInput) { in.Purposes = list(calling.Solicitation) }
	for _, row := range []struct {
		state   string
		change  []func(*schedule.TightenCallingWindowInput)
		code    string
		message string
	}{
		{"US", []func(*schedule.TightenCallingWindowInput){clocks(t, "07:59", "20:00")}, "NOT_ALLOWED input", "must open at 08:00 or later"},
		{"NY", []func(*schedule.TightenCallingWindowInput){clocks(t, "08:00", "21:01")}, "NOT_ALLOWED input", "must close at 21:00 or earlier"},
		{"CT", []func(*schedule.TightenCallingWindowInput){clocks(t, "09:00", "20:30"), solicitations}, "NOT_ALLOWED input", "must close at 20:00 or earlier"},
		{"AL", []func(*schedule.TightenCallingWindowInput){clocks(t, "09:00", "18:00"), solicitations}, "NOT_ALLOWED input", "must be closed too"},
		{"NY", []func(*schedule.TightenCallingWindowInput){clocks(t, "18:00", "09:00")}, "INVALID input.opensAt", "must open before it closes"},
		{"NY", nil, "REQUIRED input.opensAt", "isClosed: true"},
		{"NY", []func(*schedule.TightenCallingWindowInput){clocks(t, "09:00", "18:00"), func(in *schedule.TightenCallingWindowInput) { in.IsClosed = val(true) }}, "INVALID input.isClosed", "no hours"},
		{"ZZ", []func(*schedule.TightenCallingWindowInput){clocks(t, "09:00", "18:00")}, "INVALID input.state", "two-letter"},
		{"NY", []func(*schedule.TightenCallingWindowInput){clocks(t, "09:00", "18:00"), func(in *schedule.TightenCallingWindowInput) { in.Days = nil }}, "REQUIRED input.days", "one day"},
	} {
		_, err := tighten(row.state, row.change...)
		require.Equal(t, []string{row.code}, refused(t, err), row.message)
		require.Contains(t, messages(t, err), row.message)
	}
	require.Equal(t, all, w.Dump(t))
	// Collections are not what Connecticut's hours are about.
	_, err := tighten("CT", clocks(t, "08:00", "21:00"), func(in *schedule.TightenCallingWindowInput) { in.Purposes = list(calling.Collection) })
	require.NoError(t, err)
	for range 2 {
		got, err := tighten("NY", clocks(t, "10:00", "17:00"), func(in *schedule.TightenCallingWindowInput) { in.Note = val("our choice") })
		require.NoError(t, err)
		require.True(t, got.IsOwn)
		require.Equal(t, "our choice", got.Source)
		require.Equal(t, calling.CallPurposes, got.Purposes())
	}
	require.Equal(t, 2, get[int](t, w, "SELECT count(*) FROM organization_windows"))
	require.Equal(t, 3, get[int](t, w, "SELECT count(*) FROM audit_entries WHERE action = 'calling_window.tightened'"))
}

// Rules hold at once, in every server process, for plans and for calls that were planned before.
func TestTighterRulesApplyInAllProcesses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.another(t)
	w.Listen(t)
	other.Listen(t)
	w.taskType(t, "collections", nil)
	id := w.syncWith(t, "C-1", "collections", nil).Customer.UUID
	allowed := func(on *world) bool {
		d, err := on.CallEligibility(t.Context(), w.Viewer, schedule.CallEligibilityInput{CustomerRef: schedule.CustomerRef{ReferenceID: val("C-1")}, TaskType: "collections"})
		require.NoError(t, err)
		return d.Allowed
	}
	require.True(t, allowed(w))
	require.True(t, allowed(other), "the other process has the rules in its cache now")
	_, err := w.TightenCallingWindow(t.Context(), w.Viewer, schedule.TightenCallingWindowInput{State: "US", Days: calling.AllWeekdays, OpensAt: val(clock(t, "12:00")), ClosesAt: val(clock(t, "18:00"))})
	require.NoError(t, err)
	require.False(t, allowed(w))
	require.Eventually(t, func() bool { return !allowed(other) }, 20*time.Second, time.Millisecond)
	r := other.claim(t, other.dialer(), 10)
	require.Equal(t, 1, r.Postponed)
	require.Equal(t, "2026-03-02 17:00", w.tasks(t, id)[0].DueAt.UTC().Format("2006-01-02 15:04"))
	other.syncWith(t, "C-2", "collections", nil)
	for _, task := range w.tasks(t, id) {
		require.False(t, task.DueLocal.Clock.Before(clock(t, "08:00")))
	}
	two := other.syncWith(t, "C-2", "collections", nil).Customer.UUID
	for _, task := range w.tasks(t, two) {
		require.False(t, task.DueLocal.Clock.Before(clock(t, "12:00")))
	}
	// A holiday closes a day, of the organization that added it and no other.
	for range 2 {
		h, err := w.AddCallingHoliday(t.Context(), w.Viewer, schedule.AddCallingHolidayInput{State: "US", Date: civil.MustDate(2026, 3, 2), Name: "Day off"})
		require.NoError(t, err)
		require.True(t, h.ClosesCalls)
	}
	denied := func() []calling.CallRule {
		d, err := other.CallEligibility(t.Context(), w.Viewer, schedule.CallEligibilityInput{CustomerRef: schedule.CustomerRef{ReferenceID: val("C-1")}, TaskType: "collections"})
		require.NoError(t, err)
		return codes(d.Denials)
	}
	require.Eventually(t, func() bool {
		for _, c := range denied() {
			if c == calling.RuleStateHoliday {
				return true
			}
		}
		return false
	}, 20*time.Second, time.Millisecond)
	require.Equal(t, 1, get[int](t, w, "SELECT count(*) FROM organization_holidays"))
	stranger := dbtest.NewViewer(uuidOf(9))
	windows, err := w.CallingWindows(t.Context(), stranger, nil)
	require.NoError(t, err)
	require.Empty(t, windows)
	for want, in := range map[string]schedule.AddCallingHolidayInput{
		"INVALID input.state": {State: "XX", Name: "x"}, "BLANK input.name": {State: "US", Name: " "},
	} {
		_, err := w.AddCallingHoliday(t.Context(), w.Viewer, in)
		require.Equal(t, []string{want}, refused(t, err))
	}
}
