package schedule_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/calling"
	"caseload/internal/dbtest"
	"caseload/internal/schedule"
)

func TestConcurrentClaimsShareNoTaskOrCustomer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", func(in *schedule.CreateTaskTypeInput) {
		in.MaxAttemptsPerDay, in.MinIntervalMinutes = val[int32](7), val[int32](15)
	})
	const customers = 60
	for i := range customers {
		w.syncWith(t, fmt.Sprint("C-", i), "collections", nil)
	}
	w.Clock.Advance(2 * time.Hour) // several tasks of each customer are due
	var mu sync.Mutex
	var tasks, persons []uuid.UUID
	failures := make(chan error, 1000)
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			dialer := w.dialer()
			for empty := 0; empty < 3; {
				r, err := w.ClaimTasks(context.Background(), dialer, schedule.ClaimCallTasksInput{Limit: val[int32](7)})
				if err != nil {
					failures <- err
					return
				}
				if len(r.Claims) == 0 {
					empty++
				}
				mu.Lock()
				for _, c := range r.Claims {
					tasks, persons = append(tasks, c.Task.UUID), append(persons, c.Task.CustomerID)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	require.Len(t, unique(tasks), len(tasks), "no task was given out twice")
	require.Len(t, unique(persons), len(persons), "nobody is called by two at once")
	require.Len(t, persons, customers)
}

func unique(ids []uuid.UUID) map[uuid.UUID]bool {
	out := map[uuid.UUID]bool{}
	for _, id := range ids {
		out[id] = true
	}
	return out
}

func TestClaimOrderAndFilter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "later", func(in *schedule.CreateTaskTypeInput) { in.Priority = val[int32](7) })
	w.taskType(t, "urgent", func(in *schedule.CreateTaskTypeInput) { in.Priority = val[int32](1) })
	w.taskType(t, "normal", nil)
	var want []uuid.UUID
	for i, name := range []string{"later", "normal", "urgent", "urgent", "normal"} {
		want = append(want, w.syncWith(t, fmt.Sprint("C-", i), name, nil).Customer.UUID)
		w.Clock.Advance(time.Minute)
	}
	var got []uuid.UUID
	dialer := w.dialer()
	for _, c := range w.claim(t, dialer, 3).Claims {
		got = append(got, c.Task.CustomerID)
		require.Equal(t, "+12125551212", c.PhoneNumber)
		require.Equal(t, calling.Claimed, c.Task.State)
		require.Equal(t, dialer.ActorText(), *c.Task.ClaimedBy)
		require.Equal(t, w.Clock.Now().Add(2*time.Minute), *c.Task.LeaseExpiresAt)
		require.Equal(t, "2026-03-03 01:55", c.CallBefore.UTC().Format("2006-01-02 15:04"), "21:00 in New York less the guard")
		stored := w.task(t, c.Task.UUID)
		require.Equal(t, stored.Version, c.Task.Version)
		require.Equal(t, "+12125551212", *stored.DialedNumber)
	}
	require.Equal(t, []uuid.UUID{want[2], want[3], want[1]}, got, "by priority, then by due time")
	r, err := w.ClaimTasks(t.Context(), dialer, schedule.ClaimCallTasksInput{TaskTypes: list("later")})
	require.NoError(t, err)
	require.Len(t, r.Claims, 1)
	require.Equal(t, want[0], r.Claims[0].Task.CustomerID)

	for name, in := range map[string]schedule.ClaimCallTasksInput{
		"OUT_OF_RANGE input.limit":         {Limit: val[int32](0)},
		"OUT_OF_RANGE input.limit ":        {Limit: val[int32](101)},
		"OUT_OF_RANGE input.leaseSeconds":  {LeaseSeconds: val[int32](14)},
		"OUT_OF_RANGE input.leaseSeconds ": {LeaseSeconds: val[int32](3601)},
		"NOT_FOUND input.taskTypes.1":      {TaskTypes: list("later", "unknown")},
	} {
		_, err := w.ClaimTasks(t.Context(), dialer, in)
		require.Equal(t, []string{trim(name)}, refused(t, err))
	}
}

func trim(s string) string {
	for len(s) > 0 && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}

// What happens between plan and claim counts.
func TestClaimsCheckTheRulesAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	w.taskType(t, "once", func(in *schedule.CreateTaskTypeInput) { in.QuietBehavior = val(calling.QuietAbort) })
	mark := func(statement string) func(id uuid.UUID) {
		return func(id uuid.UUID) { w.Exec(t, statement, id) }
	}
	for name, row := range map[string]struct {
		taskType  string
		change    func(id uuid.UUID)
		at        time.Time
		state     calling.CallTaskState
		reason    string
		postponed string
	}{
		"nothing happened":  {"collections", nil, dbtest.Monday, calling.Claimed, "", ""},
		"do not call":       {"collections", mark("UPDATE customers SET do_not_call = true WHERE id = $1"), dbtest.Monday, calling.Skipped, "DO_NOT_CALL", ""},
		"phone blocked":     {"collections", mark("UPDATE customer_phones SET blocked_at = now() WHERE customer_id = $1"), dbtest.Monday, calling.Skipped, "PHONE_BLOCKED", ""},
		"phone removed":     {"collections", mark("DELETE FROM customer_phones WHERE customer_id = $1"), dbtest.Monday, calling.Skipped, "NO_PHONE", ""},
		"zone removed":      {"collections", mark("UPDATE customers SET time_zone = NULL WHERE id = $1"), dbtest.Monday, calling.Skipped, "NO_ZONE", ""},
		"moved to Honolulu": {"collections", mark("UPDATE customers SET time_zone = 'Pacific/Honolulu' WHERE id = $1"), dbtest.Monday, calling.Pending, "", "2026-03-02 18:00"},
		"night":             {"collections", nil, dbtest.Monday.Add(14 * time.Hour), calling.Pending, "", "2026-03-03 13:00"},
		"night, abort":      {"once", nil, dbtest.Monday.Add(14 * time.Hour), calling.Skipped, "FEDERAL_WINDOW", ""},
		"window over":       {"once", mark("UPDATE call_tasks SET window_ends_at = due_at + interval '1 minute' WHERE customer_id = $1"), dbtest.Monday.Add(time.Hour), calling.Skipped, "the time of the call passed", ""},
		"plan over":         {"collections", nil, dbtest.Monday.Add(8 * 24 * time.Hour), calling.Expired, "the plan is over", ""},
		"inconvenient":      {"collections", mark("INSERT INTO inconvenient_times SELECT organization_id, gen_random_uuid(), id, 127, '09:00', '12:00', NULL, now(), 'x' FROM customers WHERE id = $1"), dbtest.Monday, calling.Pending, "", "2026-03-02 17:00"},
		"called by hand":    {"collections", mark("INSERT INTO call_attempts SELECT organization_id, gen_random_uuid(), id, NULL, 'OUTBOUND', '+13475550101', 'RESIDENCE_OR_CELL', '{}', 'NO_ANSWER', '2026-03-02 14:50:30Z', now(), 'x' FROM customers WHERE id = $1"), dbtest.Monday, calling.Pending, "", "2026-03-03 13:00"},
	} {
		w.Clock.Set(dbtest.Monday)
		r := w.syncWith(t, name, row.taskType, nil)
		id := r.Customer.UUID
		first := w.tasks(t, id)[0]
		w.Exec(t, "DELETE FROM call_tasks WHERE customer_id = $1 AND id <> $2", id, first.UUID)
		if row.change != nil {
			row.change(id)
		}
		w.Clock.Set(row.at)
		result := w.claim(t, w.dialer(), 100)
		task := w.task(t, first.UUID)
		require.Equal(t, row.state, task.State, name)
		switch row.state {
		case calling.Claimed:
			require.Len(t, result.Claims, 1, name)
		case calling.Pending:
			require.Equal(t, 1, result.Postponed, name)
			require.Equal(t, row.postponed, task.DueAt.UTC().Format("2006-01-02 15:04"), name)
			require.True(t, task.DueAt.Before(*w.active(t, id).PlannedUntil), name)
			require.True(t, task.WindowEndsAt.After(task.DueAt), name)
			require.Equal(t, task.DueAt.In(zone(t, task.TimeZone).Location()).Format("2006-01-02T15:04:05"), task.DueLocal.String(), name)
		default:
			require.Equal(t, 1, result.Skipped, name)
			require.Equal(t, row.reason, *task.SkipReason, name)
			require.NotNil(t, task.FinishedAt, name)
		}
		w.Exec(t, "DELETE FROM call_tasks")
	}
}

func TestPostponedOnlyWithinThePlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "today", func(in *schedule.CreateTaskTypeInput) { in.HorizonDays = val[int32](1) })
	id := w.syncWith(t, "C-1", "today", nil).Customer.UUID
	w.Clock.Set(dbtest.Monday.Add(13*time.Hour - 15*time.Minute + 13*time.Minute)) // 22:58 in New York, before the horizon's midnight
	r := w.claim(t, w.dialer(), 10)
	require.Equal(t, 1, r.Skipped)
	require.Zero(t, r.Postponed)
	require.Equal(t, calling.Skipped, w.tasks(t, id)[0].State, "tomorrow is not part of the plan")
}

func TestTasksOfArchivedTypesAreNotClaimed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	typ := w.taskType(t, "collections", nil)
	id := w.syncWith(t, "C-1", "collections", nil).Customer.UUID
	task := w.tasks(t, id)[0]
	for range 2 {
		got, err := w.ArchiveTaskType(t.Context(), w.Viewer, schedule.ArchiveTaskTypeInput{ID: typ.ID()})
		require.NoError(t, err)
		require.NotNil(t, got.ArchivedAt)
	}
	require.Empty(t, w.claim(t, w.dialer(), 10).Claims)
	require.Equal(t, calling.Pending, w.task(t, task.UUID).State)
	_, _, err := w.ClaimOne(t.Context(), w.Viewer, schedule.ClaimCallTaskInput{ID: task.ID()})
	require.Equal(t, []string{"INVALID_STATE input.id"}, refused(t, err))
}

func TestACustomerWithAnOpenCallIsNotClaimed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", func(in *schedule.CreateTaskTypeInput) {
		in.MaxAttemptsPerDay, in.MinIntervalMinutes, in.PerPhone24hLimit = val[int32](7), val[int32](15), val[int32](20)
	})
	id := w.syncWith(t, "C-1", "collections", nil).Customer.UUID
	first := w.dialer()
	task := w.claimOne(t, first)
	_, err := w.Renew(t.Context(), first, schedule.RenewCallTaskInput{ID: task.ID(), CallStarted: val(true), LeaseSeconds: val[int32](3600)})
	require.NoError(t, err)
	w.Clock.Advance(40 * time.Minute) // longer than the interval between two calls
	r := w.claim(t, w.dialer(), 10)
	require.Empty(t, r.Claims)
	require.Zero(t, r.Skipped+r.Postponed, "nothing becomes of the other tasks")
	w.complete(t, first, task, calling.NoAnswer)
	w.Clock.Advance(20 * time.Minute)
	require.Len(t, w.claim(t, w.dialer(), 10).Claims, 1)
	require.Len(t, w.tasks(t, id, calling.Claimed), 1)
}

func TestExpiredLeases(t *testing.T) {
	t.Parallel()
	for _, reap := range []bool{true, false} {
		w := newWorld(t)
		w.taskType(t, "collections", func(in *schedule.CreateTaskTypeInput) { in.RegulationF = val(calling.RegFOff) })
		var ids []uuid.UUID
		for i := range 4 {
			ids = append(ids, w.syncWith(t, fmt.Sprint("C-", i), "collections", nil).Customer.UUID)
		}
		dialer := w.dialer()
		held := map[uuid.UUID]*schedule.CallTask{}
		for _, c := range w.claim(t, dialer, 10).Claims {
			held[c.Task.CustomerID] = c.Task
		}
		require.Len(t, held, 4)
		_, err := w.Renew(t.Context(), dialer, schedule.RenewCallTaskInput{ID: held[ids[1]].ID(), CallStarted: val(true)})
		require.NoError(t, err)
		w.syncWith(t, "C-2", "collections", nil)
		w.Exec(t, "UPDATE schedules SET status = 'STOPPED' WHERE customer_id = $1", ids[3])
		w.Exec(t, "UPDATE call_tasks SET override_reason = 'a supervisor said so' WHERE id = $1", held[ids[0]].UUID)

		w.Clock.Advance(119 * time.Second)
		require.NoError(t, w.Reap(t.Context()))
		require.Equal(t, calling.Claimed, w.task(t, held[ids[0]].UUID).State, "the lease still runs")
		w.Clock.Advance(time.Second)
		if reap {
			require.NoError(t, w.Reap(t.Context()))
			require.NoError(t, w.Reap(t.Context()))
		} else {
			require.Empty(t, must(w.ClaimTasks(t.Context(), w.dialer(), schedule.ClaimCallTasksInput{TaskTypes: list[string]()})).Claims)
		}
		back := w.task(t, held[ids[0]].UUID)
		require.Equal(t, calling.Pending, back.State)
		require.Nil(t, back.FinishedAt)
		require.Nil(t, back.OverrideReason, "an override is for one claim")
		failed := w.task(t, held[ids[1]].UUID)
		require.Equal(t, calling.Failed, failed.State)
		require.Nil(t, failed.Outcome)
		require.Equal(t, calling.Expired, w.task(t, held[ids[2]].UUID).State, "a newer plan is in force")
		require.Equal(t, calling.Expired, w.task(t, held[ids[3]].UUID).State, "the schedule was stopped")

		attempts := w.attempts(t, ids[1])
		require.Len(t, attempts, 1, "the call may have reached the consumer")
		require.Nil(t, attempts[0].Outcome)
		require.Equal(t, "+12125551212", attempts[0].PhoneNumber)
		require.Equal(t, failed.UUID, *attempts[0].TaskID)
		require.Equal(t, int32(1), w.active(t, ids[1]).AttemptsMade)
		d, err := w.CallEligibility(t.Context(), w.Viewer, schedule.CallEligibilityInput{CustomerRef: schedule.CustomerRef{ReferenceID: val("C-1")}, TaskType: "collections"})
		require.NoError(t, err)
		require.Contains(t, codes(d.Denials), calling.RuleMinInterval, "the attempt counts")
		require.Empty(t, w.attempts(t, ids[0]))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A lease that ends while a sync makes a new plan must not bring the old task back.
func TestLeaseEndingDuringASync(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	for round := range 10 {
		reference := fmt.Sprint("C-", round)
		w.syncWith(t, reference, "collections", nil)
		require.Len(t, w.claim(t, w.dialer(), 1).Claims, 1)
		w.Clock.Advance(3 * time.Minute)
		var group sync.WaitGroup
		failures := make(chan error, 10)
		for i := range 6 {
			group.Go(func() {
				var err error
				if i%2 == 0 {
					err = w.Reap(context.Background())
				} else {
					_, err = w.Sync(context.Background(), w.Viewer, input(reference, "collections"))
				}
				failures <- err
			})
		}
		group.Wait()
		close(failures)
		for err := range failures {
			require.NoError(t, err)
		}
		require.NoError(t, w.Reap(t.Context()))
		w.consistent(t)
		w.Exec(t, "DELETE FROM call_tasks")
	}
}

func TestRenew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	id := w.syncWith(t, "C-1", "collections", nil).Customer.UUID
	dialer := w.dialer()
	task := w.claimOne(t, dialer)
	_, err := w.Renew(t.Context(), w.dialer(), schedule.RenewCallTaskInput{ID: task.ID()})
	require.Equal(t, []string{"NOT_ALLOWED input.id"}, refused(t, err))
	_, err = w.Complete(t.Context(), w.dialer(), schedule.CompleteCallTaskInput{ID: task.ID(), Outcome: calling.NoAnswer})
	require.Equal(t, []string{"NOT_ALLOWED input.id"}, refused(t, err))
	_, err = w.Renew(t.Context(), dialer, schedule.RenewCallTaskInput{ID: task.ID(), LeaseSeconds: val[int32](5)})
	require.Equal(t, []string{"OUT_OF_RANGE input.leaseSeconds"}, refused(t, err))
	w.Clock.Advance(time.Minute)
	got, err := w.Renew(t.Context(), dialer, schedule.RenewCallTaskInput{ID: task.ID(), LeaseSeconds: val[int32](300)})
	require.NoError(t, err)
	require.Equal(t, calling.Claimed, got.Task.State)
	require.Equal(t, w.Clock.Now().Add(5*time.Minute), *got.Task.LeaseExpiresAt)
	got, err = w.Renew(t.Context(), dialer, schedule.RenewCallTaskInput{ID: task.ID(), CallStarted: val(true)})
	require.NoError(t, err)
	require.Equal(t, calling.InProgress, got.Task.State)
	// A call that began is not judged any more.
	w.Exec(t, "UPDATE customers SET do_not_call = true WHERE id = $1", id)
	got, err = w.Renew(t.Context(), dialer, schedule.RenewCallTaskInput{ID: task.ID(), CallStarted: val(true)})
	require.NoError(t, err)
	require.Equal(t, calling.InProgress, got.Task.State)
	require.Equal(t, got.Task.Version, w.task(t, task.UUID).Version)
	_, err = w.Cancel(t.Context(), w.Viewer, schedule.CancelCallTaskInput{ID: task.ID(), Reason: "too late"})
	require.Equal(t, []string{"INVALID_STATE input.id"}, refused(t, err))
}

func TestAnOptOutBetweenClaimAndCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	id := w.syncWith(t, "C-1", "collections", nil).Customer.UUID
	dialer := w.dialer()
	task := w.claimOne(t, dialer)
	r := w.syncWith(t, "C-1", "collections", func(in *schedule.SyncCustomerScheduleInput) { in.DoNotCall = val(true) })
	require.Equal(t, 6, r.ExistingTasksRemoved)
	got, err := w.Renew(t.Context(), dialer, schedule.RenewCallTaskInput{ID: task.ID(), CallStarted: val(true)})
	require.NoError(t, err)
	require.Equal(t, []string{"CALL_NOT_ALLOWED input.callStarted"}, refused(t, got.UserErrors))
	require.Equal(t, calling.Skipped, got.Task.State)
	stored := w.task(t, task.UUID)
	require.Equal(t, calling.Skipped, stored.State)
	require.Equal(t, "DO_NOT_CALL", *stored.SkipReason)
	require.Equal(t, 1, w.audited(t, "call_task.skipped", id))
	require.Empty(t, w.attempts(t, id))
	_, err = w.Renew(t.Context(), dialer, schedule.RenewCallTaskInput{ID: task.ID()})
	require.Equal(t, []string{"INVALID_STATE input.id"}, refused(t, err))
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	id := w.syncWith(t, "C-1", "collections", nil).Customer.UUID
	tasks := w.tasks(t, id)
	for _, reason := range []string{"", " "} {
		_, err := w.Cancel(t.Context(), w.Viewer, schedule.CancelCallTaskInput{ID: tasks[0].ID(), Reason: reason})
		require.Equal(t, []string{"BLANK input.reason"}, refused(t, err))
	}
	for range 2 {
		got, err := w.Cancel(t.Context(), w.Viewer, schedule.CancelCallTaskInput{ID: tasks[0].ID(), Reason: "the customer paid"})
		require.NoError(t, err)
		require.Equal(t, calling.Cancelled, got.State)
		require.Equal(t, "the customer paid", *got.SkipReason)
	}
	require.Equal(t, 1, w.audited(t, "call_task.cancelled", id))
	// Foreign, unknown and wrong ids.
	stranger := dbtest.NewViewer(uuid.New())
	_, err := w.Cancel(t.Context(), stranger, schedule.CancelCallTaskInput{ID: tasks[1].ID(), Reason: "not mine"})
	require.Equal(t, []string{"NOT_FOUND input.id"}, refused(t, err))
	require.Equal(t, calling.Pending, w.task(t, tasks[1].UUID).State)
}

func TestOverduePlansExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	id := w.syncWith(t, "C-1", "collections", nil).Customer.UUID
	until := *w.active(t, id).PlannedUntil
	w.Clock.Set(until.Add(-time.Second))
	require.NoError(t, w.Reap(t.Context()))
	require.Len(t, w.tasks(t, id, calling.Pending), 7, "late, but the plan is not over")
	w.Clock.Set(until)
	require.NoError(t, w.Reap(t.Context()))
	require.Len(t, w.tasks(t, id, calling.Expired), 7)
}

func TestChangesArePublishedAfterTheCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.another(t)
	w.Listen(t)
	other.Listen(t)
	w.taskType(t, "collections", nil)
	changes := other.Changes(t.Context(), w.Viewer, nil)
	id := w.syncWith(t, "C-1", "collections", nil).Customer.UUID
	dialer := w.dialer()
	w.complete(t, dialer, w.claimOne(t, dialer), calling.DNCRequested)
	var kinds []schedule.ScheduleChangeKind
	for len(kinds) < 4 {
		select {
		case c := <-changes:
			require.NotNil(t, c)
			require.Equal(t, id, c.CustomerID)
			kinds = append(kinds, c.Kind)
		case <-time.After(20 * time.Second):
			t.Fatalf("only %v came", kinds)
		}
	}
	require.Equal(t, []schedule.ScheduleChangeKind{schedule.ChangeSynced, schedule.ChangeTaskClaimed, schedule.ChangeTaskFinished, schedule.ChangeStopped}, kinds)
}
