package webhook

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
)

// The statements are planned once, without their arguments, and find what they need by an index: in a database of
// many organizations, each with a long log and a backlog.
func TestStatementsUseTheirIndexes(t *testing.T) {
	t.Parallel()
	x := dbtest.Open(t)
	for _, statement := range []string{
		`INSERT INTO organizations (organization_id, id, name, created_at, updated_at, created_by, updated_by)
		 SELECT id, id, 'x', now(), now(), 'x', 'x' FROM (SELECT CAST(md5(CAST(i AS text)) AS uuid) id FROM generate_series(1, 200) i) o`,
		`INSERT INTO webhook_endpoints (organization_id, id, url, events, is_enabled, secret_sealed, created_at, updated_at, created_by, updated_by)
		 SELECT organization_id, gen_random_uuid(), 'https://x.example', '{CUSTOMER_CREATED}', true, '\x00', now(), now(), 'x', 'x' FROM organizations, generate_series(1, 5)`,
		`INSERT INTO webhook_deliveries (organization_id, id, endpoint_id, event, event_id, subject_id, payload, state, attempts, next_attempt_at, delivered_at, created_at)
		 SELECT organization_id, gen_random_uuid(), id, CASE WHEN i % 50 = 7 THEN 'PING' WHEN i % 2 = 0 THEN 'CUSTOMER_CREATED' ELSE 'CUSTOMER_UPDATED' END, 'evt_1', 'cust_1', '{}',
			CASE WHEN i % 10 = 0 THEN 'PENDING' WHEN i % 97 = 0 THEN 'FAILED' ELSE 'DELIVERED' END, 1,
			CASE WHEN i % 10 = 0 THEN now() END, CASE WHEN i % 10 > 0 AND i % 97 > 0 THEN now() END, now() - i * interval '6 hours'
		 FROM webhook_endpoints, generate_series(1, 100) i`,
		"VACUUM ANALYZE organizations", "VACUUM ANALYZE webhook_endpoints", "VACUUM ANALYZE webhook_deliveries",
	} {
		_, err := x.Exec(statement)
		require.NoError(t, err)
	}
	queue, created, own := "webhook_deliveries by webhook_deliveries_queue_idx", "webhook_deliveries by webhook_deliveries_created_idx", "webhook_deliveries by webhook_deliveries_endpoint_idx"
	marking, args := markStatement([]*Delivery{{}})
	for name, row := range map[string]struct {
		statement, types string
		want             string
		sorted           bool
	}{
		"claim":    {claimSQL + Deliveries.Select(), "uuid, uuid, timestamptz, timestamptz, bigint", queue, false},
		"mark":     {marking, "uuid, timestamptz" + strings.Repeat(", text", len(args)), "webhook_deliveries by webhook_deliveries_pkey", false},
		"abandon":  {abandonSQL, "uuid, uuid, text, bigint", queue, false},
		"next":     {nextSQL, "uuid, uuid", queue, false},
		"sweep":    {lateSQL, "timestamptz, timestamptz", queue, false},
		"purge":    {purgeSQL, "timestamptz, bigint", created, false},
		"forget":   {forgetSQL, "uuid, uuid, bigint", own, false},
		"hold":     {leaseSQL, "uuid, uuid, timestamptz, timestamptz", "webhook_endpoints by webhook_endpoints_pkey", false},
		"release":  {releaseSQL, "uuid, uuid, timestamptz, timestamptz", "webhook_endpoints by webhook_endpoints_pkey", false},
		"wanted":   {"SELECT DISTINCT unnest(events) FROM webhook_endpoints WHERE organization_id = $1 AND is_enabled", "uuid", "by webhook_endpoints_", true},
		"by state": {"SELECT * FROM webhook_deliveries c WHERE c.organization_id = $1 AND c.state = $2 ORDER BY c.created_at DESC, c.id DESC LIMIT 16", "uuid, text", "webhook_deliveries by webhook_deliveries_state_idx", false},
		"by event": {"SELECT * FROM webhook_deliveries c WHERE c.organization_id = $1 AND c.event = $2 ORDER BY c.created_at DESC, c.id DESC LIMIT 16", "uuid, text", "webhook_deliveries by webhook_deliveries_event_idx", false},
		"by both":  {"SELECT * FROM webhook_deliveries c WHERE c.organization_id = $1 AND c.endpoint_id = $2 AND c.state = $3 ORDER BY c.created_at DESC, c.id DESC LIMIT 16", "uuid, uuid, text", "webhook_deliveries by webhook_deliveries_endpoint_state_idx", false},
		"log":      {"SELECT * FROM webhook_deliveries c WHERE c.organization_id = $1 ORDER BY c.created_at DESC, c.id DESC LIMIT 16", "uuid", created, false},
		"own log":  {"SELECT * FROM webhook_deliveries c WHERE c.organization_id = $1 AND c.endpoint_id = $2 ORDER BY c.created_at DESC, c.id DESC LIMIT 16", "uuid, uuid", own, false},
	} {
		scans := dbtest.Scans(t, x, row.statement, row.types)
		text := strings.Join(scans, "\n")
		require.Contains(t, text, row.want, name)
		require.NotContains(t, text, "webhook_deliveries whole", name)
		if !row.sorted {
			require.NotContains(t, text, "sort", name)
		}
	}
}
