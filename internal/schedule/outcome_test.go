package schedule_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/calling"
	"caseload/internal/customer"
	"caseload/internal/dbtest"
	"caseload/internal/relay"
	"caseload/internal/schedule"
	"caseload/internal/viewer"
)

// called is a customer whose first call is claimed.
func called(t *testing.T, w *world, reference, taskType string) (*schedule.CallTask, func(schedule.CompleteCallTaskInput) *schedule.CallResult) {
	t.Helper()
	w.syncWith(t, reference, taskType, nil)
	dialer := w.dialer()
	task := w.claimOne(t, dialer)
	return task, func(in schedule.CompleteCallTaskInput) *schedule.CallResult {
		in.ID = task.ID()
		first, err := w.Complete(t.Context(), dialer, in)
		require.NoError(t, err)
		all := w.Dump(t)
		again, err := w.Complete(t.Context(), dialer, in)
		require.NoError(t, err, "completing again with the same outcome changes nothing")
		require.Equal(t, all, w.Dump(t))
		require.Equal(t, first.Attempt.UUID, again.Attempt.UUID)
		require.Equal(t, first.CallTask.State, again.CallTask.State)
		require.Equal(t, first.Customer.UUID, again.Customer.UUID)
		return first
	}
}

func TestConsequencesOfEveryOutcome(t *testing.T) {
	t.Parallel()
	const (
		keeps   = iota // the other tasks stay as they are
		replans        // the rest is planned anew
		stops          // the schedule ends
	)
	rows := map[calling.CallOutcome]struct {
		state        calling.CallTaskState
		effect       int
		conversation bool
		blocked      bool
	}{
		calling.Conversation:      {calling.Completed, replans, true, false},
		calling.NoAnswer:          {calling.Completed, keeps, false, false},
		calling.Busy:              {calling.Completed, keeps, false, false},
		calling.Voicemail:         {calling.Completed, keeps, false, false},
		calling.NotInService:      {calling.Failed, stops, false, true},
		calling.WrongNumber:       {calling.Failed, stops, false, true},
		calling.Refused:           {calling.Completed, replans, true, false},
		calling.CallbackRequested: {calling.Completed, replans, true, false},
		calling.DNCRequested:      {calling.Completed, stops, true, false},
		calling.PromiseToPay:      {calling.Completed, replans, true, false},
	}
	require.Len(t, rows, len(calling.CallOutcomes))
	for _, mode := range []calling.RegulationFMode{calling.RegFEnforce, calling.RegFOff} {
		w := newWorld(t)
		w.taskType(t, "collections", func(in *schedule.CreateTaskTypeInput) { in.RegulationF = val(mode) })
		for outcome, row := range rows {
			name := fmt.Sprint(mode, " ", outcome)
			w.Clock.Set(dbtest.Monday)
			in := schedule.CompleteCallTaskInput{Outcome: outcome, Note: val("what\r\nwas said \u200b")}
			if outcome == calling.CallbackRequested {
				in.CallbackAt = val(dbtest.Monday.Add(3 * time.Hour))
			}
			task, complete := called(t, w, name, "collections")
			id := task.CustomerID
			w.Clock.Advance(90 * time.Second)
			r := complete(in)
			stored := w.task(t, task.UUID)
			require.Equal(t, row.state, stored.State, name)
			require.Equal(t, outcome, *stored.Outcome, name)
			require.Equal(t, "what\nwas said", *stored.Note, name)
			require.Nil(t, stored.LeaseExpiresAt, name)
			require.Equal(t, w.Clock.Now(), stored.FinishedAt.UTC(), name)
			attempts := w.attempts(t, id)
			require.Len(t, attempts, 1, name)
			require.Equal(t, outcome, *attempts[0].Outcome, name)
			require.Equal(t, "+12125551212", attempts[0].PhoneNumber, name)
			require.Equal(t, calling.Outbound, attempts[0].Direction, name)
			require.Equal(t, 1, w.audited(t, "call_task.completed", id), name)
			require.Equal(t, row.blocked, w.record(t, id).Phone.BlockedAt != nil, name)
			require.Equal(t, outcome == calling.DNCRequested, w.record(t, id).Customer.DoNotCall, name)
			require.Equal(t, outcome == calling.DNCRequested, w.audited(t, "customer.do_not_call_set", id) == 1, name)
			pending := w.tasks(t, id, calling.Pending)
			switch row.effect {
			case keeps:
				require.Len(t, pending, 6, name)
				require.Zero(t, r.TasksRemoved+r.TasksCreated, name)
				require.Equal(t, int32(1), pending[0].PlanNumber, name)
				require.Equal(t, int32(1), w.active(t, id).AttemptsMade, name)
			case stops:
				require.Empty(t, pending, name)
				require.Equal(t, 6, r.TasksRemoved, name)
				require.Nil(t, w.active(t, id), name)
			case replans:
				require.Equal(t, 6, r.TasksRemoved, name)
				require.Len(t, pending, r.TasksCreated, name)
				active := w.active(t, id)
				require.Equal(t, int32(2), active.PlanNumber, name)
				require.Equal(t, int32(1), active.AttemptsMade, name)
				if outcome == calling.CallbackRequested {
					require.Len(t, pending, 1, name)
					require.Equal(t, pending[0].UUID, r.Callback.UUID, name)
					want := dbtest.Monday.Add(3 * time.Hour)
					if pending[0].DueAt.UTC() != want {
						// One call a day: the callback bypasses no rule of the company either.
						want = time.Date(2026, 3, 3, 13, 0, 0, 0, time.UTC)
					}
					require.Equal(t, want, pending[0].DueAt.UTC(), name)
					break
				}
				require.Len(t, pending, 6, name)
				require.Equal(t, int32(2), pending[0].AttemptNumber, name)
				first := "2026-03-03"
				if mode == calling.RegFEnforce {
					first = "2026-03-09" // the Monday after the Monday of the conversation
				}
				require.Equal(t, first, pending[0].DueLocal.Date.String(), name)
			}
			w.Exec(t, "DELETE FROM call_tasks")
		}
	}
}

func TestCallbacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", func(in *schedule.CreateTaskTypeInput) {
		in.MaxAttemptsPerDay, in.MinIntervalMinutes = val[int32](3), val[int32](60)
	})
	for asked, want := range map[string]string{
		"2026-03-02 18:00:00": "2026-03-02 18:00", // asking is consent: no seven days
		"2026-03-02 18:00:01": "2026-03-02 18:01", // whole minutes
		"2026-03-02 15:10:00": "2026-03-02 16:00", // not before the interval between calls is over
		"2026-03-03 05:00:00": "2026-03-03 13:00", // not at night
		"2026-03-07 15:00:00": "2026-03-07 15:00",
		"2026-03-11 14:00:00": "2026-03-11 14:00", // beyond the first horizon
		"2026-05-20 14:00:00": "2026-05-20 14:00",
	} {
		w.Clock.Set(dbtest.Monday)
		at, err := time.ParseInLocation("2006-01-02 15:04:05", asked, time.UTC)
		require.NoError(t, err)
		task, complete := called(t, w, asked, "collections")
		r := complete(schedule.CompleteCallTaskInput{Outcome: calling.CallbackRequested, CallbackAt: val(at)})
		require.NotNil(t, r.Callback, asked)
		pending := w.tasks(t, task.CustomerID, calling.Pending)
		require.Len(t, pending, 1, asked)
		require.Equal(t, want, pending[0].DueAt.UTC().Format("2006-01-02 15:04"), asked)
		require.True(t, pending[0].DueAt.Before(*w.active(t, task.CustomerID).PlannedUntil), asked)
		require.True(t, pending[0].WindowEndsAt.After(pending[0].DueAt), asked)
		// And the dialer does get it then.
		w.Clock.Set(pending[0].DueAt)
		require.NoError(t, w.Reap(t.Context()))
		got := w.claimOne(t, w.dialer())
		require.Equal(t, pending[0].UUID, got.UUID, asked)
		w.Exec(t, "DELETE FROM call_tasks")
	}
	w.Clock.Set(dbtest.Monday)
	dialer := w.dialer()
	w.syncWith(t, "C-1", "collections", nil)
	task := w.claimOne(t, dialer)
	all := w.Dump(t)
	for want, in := range map[string]schedule.CompleteCallTaskInput{
		"REQUIRED input.callbackAt":      {Outcome: calling.CallbackRequested},
		"INVALID input.callbackAt":       {Outcome: calling.NoAnswer, CallbackAt: val(dbtest.Monday.Add(time.Hour))},
		"OUT_OF_RANGE input.callbackAt":  {Outcome: calling.CallbackRequested, CallbackAt: val(dbtest.Monday)},
		"OUT_OF_RANGE input.callbackAt ": {Outcome: calling.CallbackRequested, CallbackAt: val(dbtest.Monday.Add(91 * 24 * time.Hour))},
		"OUT_OF_RANGE input.startedAt":   {Outcome: calling.NoAnswer, StartedAt: val(dbtest.Monday.Add(time.Second))},
		"OUT_OF_RANGE input.startedAt ":  {Outcome: calling.NoAnswer, StartedAt: val(dbtest.Monday.Add(-time.Second))},
		"TOO_LONG input.note":            {Outcome: calling.NoAnswer, Note: val(strings.Repeat("é", 2001))},
		"NOT_FOUND input.loanIds.0":      {Outcome: calling.NoAnswer, LoanIDs: list(relay.ID{Prefix: customer.Loans.Prefix(), UUID: uuid.New()})},
	} {
		in.ID = task.ID()
		_, err := w.Complete(t.Context(), dialer, in)
		require.Equal(t, []string{trim(want)}, refused(t, err))
	}
	require.Equal(t, all, w.Dump(t))
}

// A sync may change the phone while the dialer talks: what the outcome says is of the number that was dialed.
func TestTheDialedNumberIsThatOfTheClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	id := w.syncWith(t, "C-1", "collections", nil).Customer.UUID
	dialer := w.dialer()
	task := w.claimOne(t, dialer)
	r := w.syncWith(t, "C-1", "collections", func(in *schedule.SyncCustomerScheduleInput) { in.PhoneNumber = val("+17185551234") })
	require.True(t, r.ScheduleCreated)
	w.complete(t, dialer, task, calling.WrongNumber)
	require.Nil(t, w.record(t, id).Phone.BlockedAt, "nobody dialed this number")
	require.Equal(t, "+12125551212", w.attempts(t, id)[0].PhoneNumber)
	require.NotEmpty(t, w.tasks(t, id, calling.Pending))
}

func TestCompletingAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	task, complete := called(t, w, "C-1", "collections")
	complete(schedule.CompleteCallTaskInput{Outcome: calling.NoAnswer})
	_, err := w.Complete(t.Context(), w.dialer(), schedule.CompleteCallTaskInput{ID: task.ID(), Outcome: calling.NoAnswer})
	require.Equal(t, []string{"INVALID_STATE input.id"}, refused(t, err), "another caller did not make this call")
	_, err = w.Complete(t.Context(), w.dialer(), schedule.CompleteCallTaskInput{ID: task.ID(), Outcome: calling.Busy})
	require.Equal(t, []string{"INVALID_STATE input.id"}, refused(t, err))
	require.Len(t, w.attempts(t, task.CustomerID), 1)
	pending := w.tasks(t, task.CustomerID, calling.Pending)[0]
	_, err = w.Complete(t.Context(), w.dialer(), schedule.CompleteCallTaskInput{ID: pending.ID(), Outcome: calling.Busy})
	require.Equal(t, []string{"INVALID_STATE input.id"}, refused(t, err))
}

func TestExhaustion(t *testing.T) {
	t.Parallel()
	for _, what := range calling.OnExhaustedValues {
		w := newWorld(t)
		w.Listen(t)
		changes := w.Changes(t.Context(), w.Viewer, nil)
		w.taskType(t, "collections", func(in *schedule.CreateTaskTypeInput) {
			in.MaxAttempts, in.HorizonDays, in.OnExhausted = val[int32](2), val[int32](3), val(what)
		})
		first := w.syncWith(t, "C-1", "collections", nil)
		id := first.Customer.UUID
		dialer := w.dialer()
		w.complete(t, dialer, w.claimOne(t, dialer), calling.NoAnswer)
		require.Equal(t, int32(1), w.active(t, id).AttemptsMade)
		w.Clock.Set(w.tasks(t, id, calling.Pending)[0].DueAt)
		until := *w.active(t, id).PlannedUntil
		r := w.complete(t, dialer, w.claimOne(t, dialer), calling.Voicemail)
		status := get[string](t, w, "SELECT status FROM schedules WHERE id = $1", first.Schedule.UUID)
		if what == calling.ExhaustedCreateTask {
			require.Equal(t, "ACTIVE", status)
			require.Equal(t, 2, r.TasksCreated)
			pending := w.tasks(t, id, calling.Pending)
			require.Len(t, pending, 2)
			require.False(t, pending[0].DueAt.Before(until), "after the horizon")
			require.Zero(t, w.active(t, id).AttemptsMade)
		} else {
			require.Equal(t, "EXHAUSTED", status)
			require.Empty(t, w.tasks(t, id, calling.Pending))
		}
		// The last message of all is the one that a sync sends now.
		w.syncWith(t, "C-2", "collections", nil)
		told := false
		for c := range changes {
			told = told || c.Kind == schedule.ChangeExhausted
			if c.CustomerID != id {
				break
			}
		}
		require.Equal(t, what == calling.ExhaustedEmitEvent, told, what)
	}
}

func TestAConversationInTheLastCallEndsThePlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", func(in *schedule.CreateTaskTypeInput) {
		in.MaxAttempts, in.OnExhausted = val[int32](1), val(calling.ExhaustedCreateTask)
	})
	task, complete := called(t, w, "C-1", "collections")
	r := complete(schedule.CompleteCallTaskInput{Outcome: calling.PromiseToPay})
	require.Zero(t, r.TasksCreated, "the customer was reached")
	require.Nil(t, w.active(t, task.CustomerID))
	require.Equal(t, "EXHAUSTED", get[string](t, w, "SELECT status FROM schedules"))
}

func TestRecordedCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	record := func(reference string, d calling.CallDirection, o calling.CallOutcome) *schedule.CallResult {
		r, err := w.RecordCall(t.Context(), w.Viewer, schedule.RecordCallInput{CustomerRef: schedule.CustomerRef{ReferenceID: val(reference)}, Direction: d, Outcome: o})
		require.NoError(t, err)
		return r
	}
	denials := func(reference string) []calling.CallRule {
		d, err := w.CallEligibility(t.Context(), w.Viewer, schedule.CallEligibilityInput{CustomerRef: schedule.CustomerRef{ReferenceID: val(reference)}, TaskType: "collections"})
		require.NoError(t, err)
		return codes(d.Denials)
	}
	id := w.syncWith(t, "in", "collections", nil).Customer.UUID
	// Seven calls that the customer made, without a conversation, forbid nothing.
	for range 7 {
		require.Empty(t, record("in", calling.Inbound, calling.NoAnswer).TasksRemoved)
	}
	require.Empty(t, denials("in"))
	r := record("in", calling.Inbound, calling.Conversation)
	require.Equal(t, 7, r.TasksRemoved)
	require.Equal(t, []calling.CallRule{calling.RuleSevenDaysAfterConversation}, denials("in"))
	require.Equal(t, "2026-03-09", w.tasks(t, id, calling.Pending)[0].DueLocal.Date.String())
	require.Zero(t, w.active(t, id).AttemptsMade, "only the plan's own calls use it up")

	w.syncWith(t, "out", "collections", nil)
	record("out", calling.Outbound, calling.NoAnswer)
	require.ElementsMatch(t, []calling.CallRule{calling.RuleDailyCap, calling.RuleMinInterval}, denials("out"))

	dnc := w.syncWith(t, "dnc", "collections", nil).Customer.UUID
	require.Equal(t, 7, record("dnc", calling.Inbound, calling.DNCRequested).TasksRemoved)
	require.True(t, w.record(t, dnc).Customer.DoNotCall)
	require.Nil(t, w.active(t, dnc))

	all := w.Dump(t)
	for want, in := range map[string]schedule.RecordCallInput{
		"REQUIRED input":                {},
		"REQUIRED input ":               {CustomerRef: schedule.CustomerRef{ReferenceID: val("in"), CustomerID: val(relay.ID{Prefix: customer.Customers.Prefix(), UUID: id})}},
		"NOT_FOUND input.referenceId":   {CustomerRef: schedule.CustomerRef{ReferenceID: val("nobody")}},
		"NOT_FOUND input.customerId":    {CustomerRef: schedule.CustomerRef{CustomerID: val(relay.ID{Prefix: customer.Customers.Prefix(), UUID: uuid.New()})}},
		"OUT_OF_RANGE input.occurredAt": {CustomerRef: schedule.CustomerRef{ReferenceID: val("in")}, OccurredAt: val(w.Clock.Now().Add(time.Minute))},
		"INVALID input.phoneNumber":     {CustomerRef: schedule.CustomerRef{ReferenceID: val("in")}, PhoneNumber: val("12")},
		"NOT_FOUND input.loanIds.0":     {CustomerRef: schedule.CustomerRef{ReferenceID: val("in")}, LoanIDs: list(relay.ID{Prefix: customer.Loans.Prefix(), UUID: uuid.New()})},
	} {
		in.Direction, in.Outcome = calling.Outbound, calling.NoAnswer
		_, err := w.RecordCall(t.Context(), w.Viewer, in)
		require.Equal(t, []string{trim(want)}, refused(t, err), want)
	}
	require.Equal(t, all, w.Dump(t))
	w.syncWith(t, "mute", "collections", func(in *schedule.SyncCustomerScheduleInput) { in.PhoneNumber = null[string]() })
	_, err := w.RecordCall(t.Context(), w.Viewer, schedule.RecordCallInput{CustomerRef: schedule.CustomerRef{ReferenceID: val("mute")}, Direction: calling.Outbound, Outcome: calling.NoAnswer})
	require.Equal(t, []string{"REQUIRED input.phoneNumber"}, refused(t, err))
}

// A conversation counts for each debt that was spoken about, and for no other.
func TestAConversationAboutSeveralDebts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	id := w.syncWith(t, "C-1", "collections", nil).Customer.UUID
	loans := map[string]relay.ID{}
	for _, number := range []string{"A", "B", "C"} {
		loan := uuid.New()
		loans[number] = relay.ID{Prefix: customer.Loans.Prefix(), UUID: loan}
		w.Exec(t, "INSERT INTO loans (organization_id, id, customer_id, external_id, status, fetched_at, created_at, updated_at) VALUES ($1, $2, $3, $4, 'OPEN', now(), now(), now())", w.Viewer.OrganizationID, loan, id, number)
	}
	w.Exec(t, "DELETE FROM call_tasks")
	_, err := w.RecordCall(t.Context(), w.Viewer, schedule.RecordCallInput{
		CustomerRef: schedule.CustomerRef{ReferenceID: val("C-1")}, Direction: calling.Inbound, Outcome: calling.Conversation, LoanIDs: list(loans["A"], loans["B"]),
	})
	require.NoError(t, err)
	for number, days := range map[string]int{"A": 7, "B": 7, "C": 0} {
		r := w.syncWith(t, "C-1", "collections", func(in *schedule.SyncCustomerScheduleInput) { in.ExternalLoanID = val(number + "\u200b") })
		require.Equal(t, loans[number].UUID, *r.Schedule.LoanID)
		pending := w.tasks(t, id, calling.Pending)
		if days == 7 {
			require.Empty(t, pending, "the horizon of seven days is closed")
			continue
		}
		require.Len(t, pending, 7, number)
		require.Equal(t, loans[number].UUID, *pending[0].LoanID)
		task := w.claimOne(t, w.dialer())
		require.Equal(t, loans[number].UUID, *task.LoanID)
		w.Exec(t, "DELETE FROM call_tasks")
	}
	// Without a loan the calls are about all of them.
	r := w.syncWith(t, "C-1", "collections", nil)
	require.Nil(t, r.Schedule.LoanID)
	require.Zero(t, r.TasksCreated)
	r = w.syncWith(t, "C-1", "collections", func(in *schedule.SyncCustomerScheduleInput) { in.ExternalLoanID = val("unknown") })
	require.Nil(t, r.Schedule.LoanID)
}

func TestClaimOneWithAnOverride(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	id := w.syncWith(t, "C-1", "collections", nil).Customer.UUID
	_, err := w.RecordCall(t.Context(), w.Viewer, schedule.RecordCallInput{CustomerRef: schedule.CustomerRef{ReferenceID: val("C-1")}, Direction: calling.Inbound, Outcome: calling.Conversation})
	require.NoError(t, err)
	task := w.tasks(t, id, calling.Pending)[0]
	claim, denials, err := w.ClaimOne(t.Context(), w.Viewer, schedule.ClaimCallTaskInput{ID: task.ID()})
	require.NoError(t, err)
	require.Nil(t, claim)
	require.Equal(t, calling.RuleSevenDaysAfterConversation, denials[0].Rule)
	require.Equal(t, calling.Pending, w.task(t, task.UUID).State)
	weak := dbtest.NewViewer(w.Viewer.OrganizationID, viewer.SchedulesWrite)
	for reason, code := range map[string]string{"short": "TOO_SHORT", strings.Repeat("\u200b", 10): "BLANK", strings.Repeat("\u00a0", 10): "BLANK", "the court\x00 said so": "INVALID"} {
		_, _, err = w.ClaimOne(t.Context(), weak, schedule.ClaimCallTaskInput{ID: task.ID(), OverrideReason: val(reason)})
		require.Equal(t, []string{code + " input.overrideReason", "NOT_ALLOWED input.overrideReason"}, refused(t, err), "%+q", reason)
	}
	claim, denials, err = w.ClaimOne(t.Context(), w.Viewer, schedule.ClaimCallTaskInput{ID: task.ID(), OverrideReason: val("the customer asked for this call by letter")})
	require.NoError(t, err)
	require.Empty(t, denials)
	require.Equal(t, calling.RuleSevenDaysAfterConversation, claim.Warnings[0].Rule)
	require.Equal(t, 1, w.audited(t, "call_task.claimed_by_override", id))
	_, err = w.Renew(t.Context(), w.Viewer, schedule.RenewCallTaskInput{ID: task.ID(), CallStarted: val(true)})
	require.NoError(t, err, "the override holds for the call itself")
	require.Equal(t, "+12125551212", *w.task(t, task.UUID).DialedNumber)
}
