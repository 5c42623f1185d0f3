package schedule_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/fault"
	"caseload/internal/schedule"
)

// consistent requires that each customer has exactly one plan and no task beside it.
func (w *world) consistent(t testing.TB) {
	t.Helper()
	require.Zero(t, get[int](t, w, `SELECT count(*) FROM (SELECT FROM customers GROUP BY organization_id, reference_id HAVING count(*) > 1) x`))
	require.Zero(t, get[int](t, w, `SELECT count(*) FROM customers c WHERE (SELECT count(*) FROM schedules s WHERE s.customer_id = c.id AND s.status = 'ACTIVE') <> 1`))
	require.Zero(t, get[int](t, w, `SELECT count(*) FROM call_tasks t JOIN schedules s ON s.id = t.schedule_id WHERE t.state = 'PENDING' AND (s.status <> 'ACTIVE' OR s.plan_number <> t.plan_number)`))
	require.Zero(t, get[int](t, w, `SELECT count(*) FROM (SELECT FROM call_tasks WHERE state = 'PENDING' GROUP BY customer_id, due_at HAVING count(*) > 1) x`))
}

func TestFiftyConcurrentSyncsOfOneCustomer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	for _, round := range []string{"new", "existing"} {
		var group sync.WaitGroup
		failures := make(chan error, 50)
		created := make(chan batch.Action, 50)
		for range 50 {
			group.Go(func() {
				r, err := w.Sync(context.Background(), w.Viewer, input("C-1", "collections"))
				if err != nil {
					failures <- err
					return
				}
				created <- r.Action
			})
		}
		group.Wait()
		close(failures)
		close(created)
		for err := range failures {
			t.Errorf("%s: %v", round, err)
		}
		news := 0
		for action := range created {
			if action == batch.Create {
				news++
			}
		}
		if round == "new" {
			require.Equal(t, 1, news)
		} else {
			require.Zero(t, news)
		}
		w.consistent(t)
		require.Equal(t, 1, get[int](t, w, "SELECT count(*) FROM customers"))
		require.Equal(t, 7, get[int](t, w, "SELECT count(*) FROM call_tasks"))
		require.Equal(t, 1, get[int](t, w, "SELECT count(*) FROM customer_phones"))
	}
}

func TestConcurrentBulkSyncsOfTheSameCustomers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", func(in *schedule.CreateTaskTypeInput) { in.MaxAttempts = val[int32](2) })
	w.taskType(t, "welcome", func(in *schedule.CreateTaskTypeInput) { in.MaxAttempts = val[int32](3) })
	const keys, writers = 120, 8
	var group sync.WaitGroup
	failures := make(chan error, 10*writers*keys)
	for writer := range writers {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(writer), 7))
			var rows []*schedule.SyncCustomerScheduleInput
			for _, key := range random.Perm(keys)[:keys*4/5] {
				in := input(fmt.Sprintf("key-%d", key), []string{"collections", "welcome"}[writer%2])
				in.City = val(fmt.Sprint("City ", writer))
				rows = append(rows, &in)
			}
			results, err := w.BulkSync(context.Background(), w.Viewer, schedule.BulkSyncCustomerSchedulesInput{Customers: rows, ErrorPolicy: batch.RejectFailedRows})
			if err != nil {
				failures <- err
				return
			}
			for _, r := range results {
				if !r.Success() {
					failures <- fault.UserErrors(r.UserErrors)
				}
			}
			// Dialers and the job that ends leases are at work meanwhile.
			w.Clock.Advance(20 * time.Second)
			if err := w.Reap(context.Background()); err != nil {
				failures <- err
			}
			if _, err := w.ClaimTasks(context.Background(), w.dialer(), schedule.ClaimCallTasksInput{Limit: val[int32](20), LeaseSeconds: val[int32](15)}); err != nil {
				failures <- err
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	w.Clock.Advance(time.Hour)
	require.NoError(t, w.Reap(t.Context()))
	w.consistent(t)
	require.Equal(t, keys, get[int](t, w, "SELECT count(*) FROM customers"))
}
