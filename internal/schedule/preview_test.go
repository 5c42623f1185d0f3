package schedule_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/calling"
	"caseload/internal/dbtest"
	"caseload/internal/schedule"
)

// What is foretold is what is then done.
func TestPreviewAndEligibilityAgreeWithSyncAndClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, schedule.LoadLaw(t.Context(), w.Pool, dbtest.Monday))
	w.taskType(t, "collections", nil)
	w.taskType(t, "offers", func(in *schedule.CreateTaskTypeInput) {
		in.Purpose, in.MaxAttempts, in.MaxAttemptsPerDay, in.MinIntervalMinutes, in.JitterMinutes = calling.Solicitation, val[int32](12), val[int32](3), val[int32](90), val[int32](45)
		in.PreferredTimes, in.SkipHolidays, in.HorizonDays = list(clock(t, "12:00"), clock(t, "18:30")), val(true), val[int32](10)
	})
	places := []struct{ zone, phone, state string }{
		{"America/New_York", "+12125551212", "NY"}, {"America/Phoenix", "+16025550123", "AZ"}, {"America/Chicago", "+12125551212", "TX"},
		{"Pacific/Honolulu", "+18085550123", "HI"}, {"America/Indiana/Knox", "+15745550123", "IN"}, {"America/New_York", "+14015550123", "RI"},
	}
	n := 0
	for _, start := range []time.Time{dbtest.Monday, time.Date(2026, 3, 7, 23, 30, 30, 0, time.UTC), time.Date(2026, 7, 3, 12, 0, 0, 0, time.UTC), time.Date(2026, 10, 31, 15, 0, 0, 0, time.UTC)} {
		for _, place := range places {
			for _, taskType := range []string{"collections", "offers"} {
				n++
				reference := fmt.Sprint("C-", n)
				w.Clock.Set(start)
				change := func(in *schedule.SyncCustomerScheduleInput) {
					in.Timezone, in.PhoneNumber, in.State = val(place.zone), val(place.phone), val(place.state)
				}
				first := w.syncWith(t, reference, taskType, change)
				whose := schedule.CustomerRef{ReferenceID: val(reference)}
				if n%3 == 0 {
					_, err := w.RecordCall(t.Context(), w.Viewer, schedule.RecordCallInput{CustomerRef: whose, Direction: calling.Outbound, Outcome: calling.Voicemail})
					require.NoError(t, err)
				}
				w.Clock.Advance(time.Duration(n) * 37 * time.Minute)
				id := first.Customer.UUID

				// A dump is of the whole database, so not of every case.
				var all map[string][]string
				if n%5 == 1 {
					all = w.Dump(t)
				}
				preview, err := w.Preview(t.Context(), w.Viewer, schedule.SchedulePreviewInput{CustomerRef: whose, TaskType: taskType})
				require.NoError(t, err)
				if all != nil {
					require.Equal(t, all, w.Dump(t), "a preview writes nothing")
				}
				r := w.syncWith(t, reference, taskType, change)
				tasks := w.tasks(t, id, calling.Pending)
				require.Equal(t, r.TasksCreated, len(preview.Slots))
				require.Len(t, tasks, len(preview.Slots))
				for i, slot := range preview.Slots {
					require.Equal(t, slot.At, tasks[i].DueAt.UTC())
					require.Equal(t, slot.Local(), tasks[i].DueLocal.String())
					require.Equal(t, slot.WindowEndsAt(), tasks[i].WindowEndsAt.UTC())
					require.Equal(t, int32(slot.Attempt), tasks[i].AttemptNumber)
				}
				slots := 0
				for _, d := range preview.Days {
					slots += int(d.Slots)
					require.Equal(t, d.Slots == 0, d.SkippedBy != nil, "a day without a call says why")
				}
				require.Equal(t, len(preview.Slots), slots)

				for _, later := range []time.Duration{0, 5 * time.Hour, 11 * time.Hour, 26 * time.Hour} {
					w.Exec(t, "DELETE FROM call_tasks WHERE customer_id = $1", id)
					w.syncWith(t, reference, taskType, change)
					before := w.Clock.Now()
					w.Clock.Advance(later)
					w.Exec(t, "DELETE FROM call_tasks WHERE customer_id <> $1 OR due_at > $2", id, w.Clock.Now())
					if len(w.tasks(t, id, calling.Pending)) == 0 {
						w.Clock.Set(before)
						continue
					}
					decision, err := w.CallEligibility(t.Context(), w.Viewer, schedule.CallEligibilityInput{CustomerRef: whose, TaskType: taskType})
					require.NoError(t, err)
					then, err := w.CallEligibility(t.Context(), w.Viewer, schedule.CallEligibilityInput{CustomerRef: whose, TaskType: taskType, At: val(w.Clock.Now())})
					require.NoError(t, err)
					require.Equal(t, codes(decision.Denials), codes(then.Denials))
					claims := w.claim(t, w.dialer(), 1).Claims
					require.Equal(t, decision.Allowed, len(claims) == 1, "%s %s %v", reference, w.Clock.Now(), codes(decision.Denials))
					if decision.Allowed {
						require.Equal(t, decision.AllowedUntil.UTC(), claims[0].CallBefore.UTC())
					}
					w.Clock.Set(before)
				}
			}
		}
	}
	_, err := w.Preview(t.Context(), w.Viewer, schedule.SchedulePreviewInput{CustomerRef: schedule.CustomerRef{ReferenceID: val("C-1")}, TaskType: "nothing"})
	require.Equal(t, []string{"NOT_FOUND input.taskType"}, refused(t, err))
	_, err = w.Preview(t.Context(), w.Viewer, schedule.SchedulePreviewInput{CustomerRef: schedule.CustomerRef{ReferenceID: val("nobody")}, TaskType: "offers"})
	require.Equal(t, []string{"NOT_FOUND input.referenceId"}, refused(t, err))
	// What blocks a customer is told first.
	w.syncWith(t, "blocked", "offers", func(in *schedule.SyncCustomerScheduleInput) { in.DoNotCall = val(true) })
	preview, err := w.Preview(t.Context(), w.Viewer, schedule.SchedulePreviewInput{CustomerRef: schedule.CustomerRef{ReferenceID: val("blocked")}, TaskType: "offers"})
	require.NoError(t, err)
	require.Equal(t, calling.RuleDoNotCall, *preview.BlockedBy)
	require.Empty(t, preview.Slots)
}

func TestInconvenientTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	id := w.syncWith(t, "C-1", "collections", nil).Customer.UUID
	whose := schedule.CustomerRef{ReferenceID: val("C-1")}
	_, err := w.AddInconvenientTime(t.Context(), w.Viewer, schedule.AddInconvenientTimeInput{CustomerRef: whose, StartsAt: clock(t, "08:00"), EndsAt: clock(t, "09:00")})
	require.Equal(t, []string{"REQUIRED input.days"}, refused(t, err))
	added, err := w.AddInconvenientTime(t.Context(), w.Viewer, schedule.AddInconvenientTimeInput{
		CustomerRef: whose, Days: calling.AllWeekdays, StartsAt: clock(t, "22:00"), EndsAt: clock(t, "09:00"), Note: val("works at night"),
	})
	require.NoError(t, err)
	require.Equal(t, 6, added.TasksRemoved, "all but the one of today at 10:00 were due at 08:00")
	require.Len(t, w.tasks(t, id), 1)
	w.syncWith(t, "C-1", "collections", nil)
	for _, task := range w.tasks(t, id) {
		require.False(t, task.DueLocal.Clock.Before(clock(t, "09:00")))
	}
	_, err = w.RemoveInconvenientTime(t.Context(), dbtest.NewViewer(uuidOf(9)), schedule.RemoveInconvenientTimeInput{ID: added.InconvenientTime.ID()})
	require.Equal(t, []string{"NOT_FOUND input.id"}, refused(t, err))
	gone, err := w.RemoveInconvenientTime(t.Context(), w.Viewer, schedule.RemoveInconvenientTimeInput{ID: added.InconvenientTime.ID()})
	require.NoError(t, err)
	require.Equal(t, added.InconvenientTime.ID(), gone.ID())
	w.syncWith(t, "C-1", "collections", nil)
	require.Equal(t, clock(t, "08:00"), w.tasks(t, id)[1].DueLocal.Clock)
}
