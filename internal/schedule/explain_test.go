package schedule

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
)

// The statements of the dialer and of the sync read what they need by an index, in a database that is large
// enough for the difference to matter.
// PostgreSQL thinks otherwise of a database that holds one organization than of one that holds several.
func TestStatementsUseTheirIndexes(t *testing.T) {
	t.Parallel()
	for _, organizations := range []int{1, 2} {
		t.Run(fmt.Sprint(organizations), func(t *testing.T) {
			t.Parallel()
			explainStatements(t, organizations)
		})
	}
}

func explainStatements(t *testing.T, organizations int) {
	x := dbtest.Open(t)
	for range organizations {
		o := uuid.New()
		for _, statement := range []string{
			`INSERT INTO task_types (organization_id, id, name, purpose, max_attempts, max_attempts_per_day, min_interval_minutes, horizon_days, days, window_from, window_to,
				skip_holidays, jitter_minutes, end_guard_minutes, reg_f_mode, per_phone_24h_limit, on_exhausted, quiet_behavior, priority, created_at, updated_at, created_by, updated_by)
			 SELECT $1, gen_random_uuid(), 'type-' || i, 'COLLECTION', 7, 1, 240, 7, 127, '08:00', '21:00', false, 0, 5, 'ENFORCE', 3, 'NOTHING', 'NEXT_AVAILABLE', 5, now(), now(), 'x', 'x' FROM generate_series(1, 4) i`,
			`INSERT INTO customers (organization_id, id, reference_id, search_text, created_at, updated_at, created_by, updated_by)
			 SELECT $1, gen_random_uuid(), 'ref-' || i, 'x', now(), now(), 'x', 'x' FROM generate_series(1, ` + fmt.Sprint(6000/organizations) + `) i`,
			`INSERT INTO schedules (organization_id, id, customer_id, task_type_id, status, plan_number, attempts_made, time_zone, planned_at, planned_until, created_at, updated_at, created_by, updated_by)
			 SELECT $1, gen_random_uuid(), c.id, (SELECT id FROM task_types WHERE organization_id = $1 ORDER BY name LIMIT 1), 'ACTIVE', 1, 0, 'America/New_York', now(), now() + interval '7 days', now(), now(), 'x', 'x'
			 FROM customers c WHERE organization_id = $1`,
			`INSERT INTO call_tasks (organization_id, id, customer_id, schedule_id, task_type_id, plan_number, attempt_number, state, priority, due_at, due_local, time_zone, window_ends_at, created_at, updated_at)
			 SELECT $1, gen_random_uuid(), s.customer_id, s.id, s.task_type_id, 1, i, 'PENDING', 1 + i % 9, now() + (i * 20 - 30) * interval '1 hour', now(), 'America/New_York', now(), now(), now()
			 FROM schedules s, generate_series(1, 7) i WHERE s.organization_id = $1`,
			`INSERT INTO call_attempts (organization_id, id, customer_id, direction, phone_number, place, outcome, occurred_at, created_at, created_by)
			 SELECT $1, gen_random_uuid(), c.id, 'OUTBOUND', '+12125551212', 'RESIDENCE_OR_CELL', 'NO_ANSWER', now() - i * interval '9 days', now(), 'x' FROM customers c, generate_series(1, 3) i WHERE organization_id = $1`,
			`UPDATE call_tasks SET state = 'CLAIMED', lease_expires_at = now() WHERE organization_id = $1 AND id IN (SELECT id FROM call_tasks WHERE organization_id = $1 LIMIT 5)`,
		} {
			_, err := x.Exec(statement, o)
			require.NoError(t, err)
		}
	}
	for _, table := range []string{"task_types", "customers", "schedules", "call_tasks", "call_attempts"} {
		_, err := x.Exec("VACUUM ANALYZE " + table)
		require.NoError(t, err)
	}
	var tasks int
	require.NoError(t, x.Get(&tasks, "SELECT count(*) FROM call_tasks"))
	require.GreaterOrEqual(t, tasks, 40_000)
	for name, row := range map[string]struct {
		statement string
		want      string
	}{
		"claim":             {dueSQL, "call_tasks by call_tasks_queue_idx"},
		"expired leases":    {expiredSQL, "call_tasks_lease_idx"},
		"open calls":        {openCallSQL, "by call_tasks_"},
		"remove pending":    {removePendingSQL, "by call_tasks_"},
		"attempts":          {"SELECT " + CallAttempts.Select() + " FROM call_attempts c WHERE c.organization_id = $1 AND c.customer_id = ANY($2) AND c.occurred_at > now() - interval '31 days'", "by call_attempts_customer_idx"},
		"schedules":         {"SELECT " + Schedules.Select() + " FROM schedules c WHERE c.organization_id = $1 AND c.customer_id = ANY($2)", "by schedules_"},
		"tasks of schedule": {"SELECT " + CallTasks.Select() + " FROM call_tasks c WHERE c.organization_id = $1 AND c.schedule_id = (SELECT id FROM schedules WHERE organization_id = $1 AND customer_id = $2) ORDER BY c.due_at, c.id LIMIT 20", "call_tasks by call_tasks_schedule_idx"},
	} {
		scans := dbtest.Scans(t, x, row.statement)
		for _, scan := range scans {
			for _, large := range []string{"call_tasks", "call_attempts", "customers", "schedules"} {
				require.NotEqual(t, large+" whole", scan, "%s: %v", name, scans)
			}
		}
		require.Contains(t, strings.Join(scans, "\n"), row.want, name)
	}
}
