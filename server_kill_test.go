package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestKilledDuringSyncs is what integrators live through: the server dies without a word in the middle of
// a thousand syncs, again and again, and they send again whatever was not answered.
func TestKilledDuringSyncs(t *testing.T) {
	t.Parallel()
	const customers, each, atOnce, kills = 200, 5, 16, 4
	taskTypes := []string{"collections", "welcome"}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	databaseURL, environ, key := seeded(t, "CASELOAD_LIMIT_OPERATIONS_PER_SECOND=100000", "CASELOAD_LIMIT_OPERATIONS_BURST=100000",
		"CASELOAD_LIMIT_POINTS_PER_SECOND=10000000", "CASELOAD_LIMIT_POINTS_BURST=10000000", "CASELOAD_LIMIT_PRINCIPAL_IN_FLIGHT=100")
	s := spawn(t, environ, nil, "serve").listening()

	// Each customer comes five times, in any order, sometimes twice at once, with changing names and task types.
	work := make(chan int, customers*each)
	for _, n := range random.Perm(customers * each) {
		work <- n
	}
	close(work)

	// A sender holds up in share mode; it is locked while the server is down.
	var up sync.RWMutex
	answered := make(chan struct{}, customers*each)
	var mu sync.Mutex
	unanswered := 0
	// By reference: the counts of tasks that the answers of the newest version told.
	newest, told := map[string]float64{}, map[string][]float64{}

	var clients sync.WaitGroup
	for range atOnce {
		clients.Go(func() {
			for n := range work {
				reference := fmt.Sprintf("KILL-%03d", n%customers)
				input := syncOf(reference, taskTypes[n%3%2], fmt.Sprintf("Ann %c", 'A'+n/customers))
				for {
					up.RLock()
					address := s.address
					up.RUnlock()
					a, err := ask(address, key, syncDocument, input)
					if err == nil && len(a.Errors) > 0 && a.Errors[0].Extensions.Retryable {
						err = fmt.Errorf("%s", a.Body)
					}
					if err == nil {
						if a.Status != 200 || len(a.Errors) > 0 || a.Len("syncCustomerSchedule.userErrors") != 0 {
							t.Errorf("sync of %s: %s", reference, a.Body)
							break
						}
						version, _ := a.At("syncCustomerSchedule.customer.version").(float64)
						tasks, _ := a.At("syncCustomerSchedule.tasksCreated").(float64)
						mu.Lock()
						if version > newest[reference] {
							newest[reference], told[reference] = version, nil
						}
						if version == newest[reference] {
							told[reference] = append(told[reference], tasks)
						}
						mu.Unlock()
						break
					}
					mu.Lock()
					unanswered++
					mu.Unlock()
				}
				answered <- struct{}{}
			}
		})
	}

	// The deaths, at random points among the answers.
	total := 0
	for death := range kills {
		wait := 1 + random.IntN(customers*each/kills-atOnce)
		for range wait {
			select {
			case <-answered:
			case <-time.After(patience):
				require.FailNow(t, "no answers come", "after %d answers, %d kills\n%s", total, death, s.log)
			}
			total++
		}
		up.Lock()
		s.kill()
		require.Error(t, s.end(), "killed, not ended")
		s = spawn(t, environ, nil, "serve").listening()
		up.Unlock()
		t.Logf("killed and started again after %d answers", total)
	}
	clients.Wait()
	t.Logf("%d tries were not answered and made again", unanswered)
	require.Positive(t, unanswered, "the kills have hit something")
	require.Len(t, told, customers)

	db := open(t, databaseURL)
	var plans []struct {
		Reference       string  `db:"reference_id"`
		Active          int     `db:"active"`
		Pending         float64 `db:"pending"`
		PendingOfOthers int     `db:"pending_of_others"`
	}
	require.NoError(t, db.Select(&plans, `
		SELECT c.reference_id,
			(SELECT count(*) FROM schedules s WHERE s.customer_id = c.id AND s.status = 'ACTIVE') AS active,
			(SELECT count(*) FROM call_tasks t JOIN schedules s ON s.id = t.schedule_id AND s.status = 'ACTIVE' AND s.plan_number = t.plan_number
				WHERE t.customer_id = c.id AND s.customer_id = c.id AND t.state = 'PENDING') AS pending,
			(SELECT count(*) FROM call_tasks t LEFT JOIN schedules s ON s.id = t.schedule_id
				WHERE t.customer_id = c.id AND t.state = 'PENDING' AND (s.id IS NULL OR s.status <> 'ACTIVE' OR s.plan_number <> t.plan_number)) AS pending_of_others
		FROM customers c WHERE c.reference_id LIKE 'KILL-%'`))
	require.Len(t, plans, customers, "each customer is stored once")
	for _, p := range plans {
		require.Equal(t, 1, p.Active, "active schedules of %s", p.Reference)
		require.Contains(t, told[p.Reference], p.Pending, "pending tasks of %s", p.Reference)
		require.Positive(t, p.Pending, p.Reference)
		require.Zero(t, p.PendingOfOthers, "pending tasks of %s that no plan in force holds", p.Reference)
	}
	var orphans int
	require.NoError(t, db.Get(&orphans, `SELECT count(*) FROM call_tasks t WHERE NOT EXISTS (
		SELECT FROM schedules s WHERE s.organization_id = t.organization_id AND s.id = t.schedule_id AND s.customer_id = t.customer_id)`))
	require.Zero(t, orphans)
	s.stop()
	require.NoError(t, s.end())
}
