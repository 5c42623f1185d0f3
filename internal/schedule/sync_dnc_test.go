package schedule_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/calling"
	"caseload/internal/dbtest"
	"caseload/internal/schedule"
	"caseload/internal/viewer"
)

// The table of docs/scheduling.md: what is stored, what is sent, what becomes of it.
func TestDoNotCallTable(t *testing.T) {
	t.Parallel()
	no, yes := false, true
	type stored int
	const (
		none stored = iota
		clear
		marked
	)
	names := map[stored]string{none: "new", clear: "clear", marked: "marked"}
	sent := func(b *bool) string {
		if b == nil {
			return "omitted"
		}
		return fmt.Sprint(*b)
	}
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	for _, row := range []struct {
		stored  stored
		sent    *bool
		refused bool
		after   bool
		planned bool
	}{
		{none, nil, false, false, true},
		{none, &no, false, false, true},
		{none, &yes, false, true, false},
		{clear, nil, false, false, true},
		{clear, &no, false, false, true},
		{clear, &yes, false, true, false},
		{marked, nil, true, true, false},
		{marked, &yes, true, true, false},
		{marked, &no, false, false, true},
	} {
		for _, pending := range []bool{false, true} {
			for _, explicitNull := range []bool{false, true} {
				if row.sent != nil && explicitNull || row.stored == none && pending {
					continue
				}
				name := fmt.Sprintf("%s %s pending=%v null=%v", names[row.stored], sent(row.sent), pending, explicitNull)
				before := 0
				if row.stored != none {
					first := w.syncWith(t, name, "collections", nil)
					before = first.TasksCreated
					require.Positive(t, before, name)
					if row.stored == marked {
						w.Exec(t, "UPDATE customers SET do_not_call = true, do_not_call_at = now() WHERE id = $1", first.Customer.UUID)
					}
					if !pending {
						w.Exec(t, "DELETE FROM call_tasks WHERE customer_id = $1", first.Customer.UUID)
						before = 0
					}
				}
				in := input(name, "collections")
				in.FirstName = val("Changed")
				if row.sent != nil {
					in.DoNotCall = val(*row.sent)
				} else if explicitNull {
					in.DoNotCall = null[bool]()
				}
				all := w.Dump(t)
				r, err := w.Sync(t.Context(), w.Viewer, in)
				if row.refused {
					require.Equal(t, []string{"DO_NOT_CALL input.doNotCall"}, refused(t, err), name)
					require.Equal(t, all, w.Dump(t), name)
					continue
				}
				require.NoError(t, err, name)
				id := r.Customer.UUID
				require.Equal(t, row.after, r.Customer.DoNotCall, name)
				require.Equal(t, row.after, w.record(t, id).Customer.DoNotCall, name)
				require.Equal(t, row.after, w.record(t, id).Customer.DoNotCallAt != nil, name)
				require.Equal(t, row.planned, r.ScheduleCreated, name)
				require.Equal(t, before, r.ExistingTasksRemoved, name)
				require.Len(t, w.tasks(t, id), r.TasksCreated, name)
				if row.planned {
					require.Positive(t, r.TasksCreated, name)
					require.Nil(t, r.NotScheduledBecause, name)
					require.Equal(t, r.Schedule.UUID, w.active(t, id).UUID, name)
				} else {
					require.Equal(t, calling.RuleDoNotCall, *r.NotScheduledBecause, name)
					require.Nil(t, r.Schedule, name)
					require.Nil(t, w.active(t, id), name)
				}
				times := map[bool]int{true: 1}
				require.Equal(t, times[row.stored == marked], w.audited(t, "customer.do_not_call_removed", id), name)
				require.Equal(t, times[row.after], w.audited(t, "customer.do_not_call_set", id), name)
			}
		}
	}
}

// Rows of one customer act in their order, and so says the audit log.
func TestEachChangeOfDoNotCallIsAudited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	r := w.syncWith(t, "C-1", "collections", func(in *schedule.SyncCustomerScheduleInput) { in.DoNotCall = val(true) })
	rows := make([]*schedule.SyncCustomerScheduleInput, 3)
	for i, mark := range []bool{false, true, false} {
		in := input("C-1", "collections")
		in.DoNotCall = val(mark)
		rows[i] = &in
	}
	w.bulk(t, batch.RejectFailedRows, rows)
	require.False(t, w.record(t, r.Customer.UUID).Customer.DoNotCall)
	require.Equal(t, "set removed set removed", get[string](t, w,
		"SELECT string_agg(replace(action, 'customer.do_not_call_', ''), ' ' ORDER BY occurred_at, id) FROM audit_entries WHERE action LIKE 'customer.do\\_not\\_call%' AND customer_id = $1", r.Customer.UUID))
}

func TestRemovingDoNotCallNeedsTheScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	r := w.syncWith(t, "C-1", "collections", func(in *schedule.SyncCustomerScheduleInput) { in.DoNotCall = val(true) })
	require.True(t, r.Customer.DoNotCall)

	weak := dbtest.NewViewer(w.Viewer.OrganizationID, viewer.CustomersWrite, viewer.SchedulesWrite)
	in := input("C-1", "collections")
	in.DoNotCall = val(false)
	all := w.Dump(t)
	_, err := w.Sync(t.Context(), weak, in)
	require.Equal(t, []string{"NOT_ALLOWED input.doNotCall"}, refused(t, err))
	require.Equal(t, all, w.Dump(t))

	// An opt-out is never refused for want of a scope.
	in.ReferenceID = "C-2"
	_, err = w.Sync(t.Context(), weak, in)
	require.NoError(t, err)
	in.DoNotCall = val(true)
	got, err := w.Sync(t.Context(), weak, in)
	require.NoError(t, err)
	require.True(t, got.Customer.DoNotCall)
}
