package observe_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/observe"
)

func TestBacklog(t *testing.T) {
	t.Parallel()
	m := observe.NewMetrics()
	var down error
	require.NoError(t, m.WatchBacklog(func(ctx context.Context) (observe.Backlog, error) {
		deadline, ok := ctx.Deadline()
		require.True(t, ok && time.Until(deadline) <= 2*time.Second, "a scrape does not wait for long")
		return observe.Backlog{Open: map[string]int{"PENDING": 3, "RUNNING": 0}, Waiting: 90 * time.Second}, down
	}))
	m.BulkRows("UPSERT_CUSTOMERS", "CREATE", 5)
	m.BulkRows("UPSERT_CUSTOMERS", "CREATE", 7)
	scrape := func() string {
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		require.Equal(t, http.StatusOK, w.Code)
		return w.Body.String()
	}
	for _, line := range []string{
		`caseload_bulk_operations_open{state="PENDING"} 3`, `caseload_bulk_operations_open{state="RUNNING"} 0`,
		"caseload_bulk_oldest_waiting_seconds 90", `caseload_bulk_rows_total{action="CREATE",kind="UPSERT_CUSTOMERS"} 12`,
	} {
		require.Contains(t, scrape(), line+"\n")
	}
	down = errors.New("the database is down")
	require.NotContains(t, scrape(), "caseload_bulk_operations_open")
	require.Contains(t, scrape(), "caseload_bulk_rows_total", "the others are told")

	var none *observe.Metrics
	require.NoError(t, none.WatchBacklog(nil))
	none.BulkRows("x", "y", 1)
}
