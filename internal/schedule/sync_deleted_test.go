package schedule_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/customer"
	"caseload/internal/fault"
	"caseload/internal/schedule"
)

// TestADeletedCustomerIsNotSynced has one customer deleted and another merged into a third.
func TestADeletedCustomerIsNotSynced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	gone := w.sync(t, input("gone", "collections")).Customer
	twin, survivor := w.sync(t, input("twin", "collections")).Customer, w.sync(t, input("survivor", "collections")).Customer
	_, err := w.customers.Delete(t.Context(), w.Viewer, customer.DeleteInput{ID: gone.ID()})
	require.NoError(t, err)
	_, err = w.Pool.Exec(t.Context(), "UPDATE customers SET deleted_at = now(), merged_into_id = $1 WHERE id = $2", survivor.UUID, twin.UUID)
	require.NoError(t, err)
	one, two, three := input("gone", "collections"), input("twin", "collections"), input("survivor", "collections")
	one.FirstName, two.FirstName = val("Eve"), val("Eve")
	results, err := w.BulkSync(t.Context(), w.Viewer, schedule.BulkSyncCustomerSchedulesInput{Customers: []*schedule.SyncCustomerScheduleInput{&one, &two, &three}, ErrorPolicy: batch.IgnoreFailed})
	require.NoError(t, err)
	for i, remedy := range []string{"restoreCustomer", survivor.ID().String()} {
		require.Equal(t, batch.Failed, results[i].Action)
		require.Len(t, results[i].UserErrors, 1)
		require.Equal(t, fault.InvalidState, results[i].UserErrors[0].Code)
		require.Contains(t, results[i].UserErrors[0].Message, remedy)
	}
	require.True(t, results[2].Success())
	_, err = w.Sync(t.Context(), w.Viewer, one)
	refused, ok := fault.AsUserErrors(err)
	require.True(t, ok)
	require.Equal(t, []string{"input", "referenceId"}, refused[0].Path)
	require.Zero(t, get[int](t, w, "SELECT count(*) FROM customers WHERE first_name = 'Eve'"))
	require.Zero(t, get[int](t, w, "SELECT count(*) FROM call_tasks WHERE state = 'PENDING' AND customer_id = $1", gone.UUID))
}
