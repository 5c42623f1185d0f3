package schedule_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"caseload/internal/batch"
	"caseload/internal/bulk"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/schedule"
)

// syncKindState is what files have stored, by the customers' references: ids and times differ from one run to the next.
func (w *world) syncKindState(t fataler) []string {
	var rows []string
	require.NoError(t, w.Pool.Select(context.Background(), &rows, `
		SELECT concat_ws(' ', c.reference_id, c.first_name, c.last_name, c.email, c.time_zone, c.do_not_call, c.is_test, s.status, t.name,
			(SELECT count(*) FROM call_tasks k WHERE k.organization_id = c.organization_id AND k.customer_id = c.id AND k.state = 'PENDING'))
		FROM customers c LEFT JOIN schedules s ON s.organization_id = c.organization_id AND s.customer_id = c.id AND s.status = 'ACTIVE'
		LEFT JOIN task_types t ON t.organization_id = s.organization_id AND t.id = s.task_type_id
		WHERE c.reference_id IS NOT NULL ORDER BY 1`))
	return rows
}

// syncLines applies lines as one chunk of an operation, and tells what became of each.
func (w *world) syncLines(t fataler, k *schedule.SyncKind, policy batch.ErrorPolicy, lines []string) (outcomes []string) {
	o := &bulk.Operation{OptionJSON: fmt.Appendf(nil, `{"errorPolicy": %q}`, policy)}
	decode := k.Decoder(o)
	var right []*bulk.Row
	told := make([]string, len(lines))
	tell := func(i int, action batch.Action, errs fault.UserErrors) {
		told[i] = string(action)
		for _, e := range errs {
			told[i] += " " + string(e.Code) + " " + strings.Join(e.Path, ".")
		}
	}
	for i, line := range lines {
		row := decode([]byte(line))
		row.Line = int32(i)
		if row.Value == nil {
			tell(i, batch.Failed, row.UserErrors)
			continue
		}
		right = append(right, &row)
	}
	if len(right) == 0 {
		return told
	}
	prepared, err := k.Prepare(context.Background(), w.Viewer, o, right)
	require.NoError(t, err)
	require.NoError(t, w.Pool.InTx(context.Background(), w.Clock.Now(), func(tx *db.Tx) error {
		got, err := k.Apply(context.Background(), tx, w.Viewer, o, right, prepared)
		for i, out := range got {
			tell(int(right[i].Line), out.Action, out.UserErrors)
		}
		return err
	}))
	return told
}

// Any division of a file into chunks stores what its lines store one by one, and says the same of each.
func TestChunksOfSyncsEqualSingleLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	w.taskType(t, "welcome", func(in *schedule.CreateTaskTypeInput) { in.MaxAttempts = val[int32](2) })
	k := schedule.NewSyncKind(w.Service)
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 10).Draw(rt, "lines")
		lines := make([]string, n)
		for i := range lines {
			fields := map[string]string{
				"id": `"` + rapid.SampledFrom([]string{"A", "B", "C"}).Draw(rt, "id") + `"`, "taskType": `"collections"`, "firstName": `"Ann"`, "lastName": `"Lee"`,
				"email": `"ann@example.com"`, "birthday": `"1985-06-15"`, "ssnLastFour": `"1234"`, "timezone": `"America/New_York"`, "phoneNumber": `"+12125551212"`,
				"streetAddress1": `"1 Main St"`, "city": `"New York"`, "state": `"NY"`, "zipCode": `"10001"`,
			}
			for _, change := range [][]string{
				{"taskType", `"welcome"`, `"nothing"`, `7.5`}, {"firstName", `"Eve"`, `null`, `" "`}, {"email", `"eve@example.com"`, `"nobody"`, "-"},
				{"phoneNumber", `"12"`, "-"}, {"doNotCall", `true`, `false`, `"no"`}, {"isTest", `true`}, {"lastName", "-"}, {"loanId", `"L1"`}, {"id", `" "`},
			} {
				if rapid.IntRange(0, 5).Draw(rt, "change "+change[0]) == 0 {
					fields[change[0]] = rapid.SampledFrom(change[1:]).Draw(rt, change[0])
				}
			}
			var parts []string
			for field, value := range fields {
				if value != "-" {
					parts = append(parts, fmt.Sprintf("%q: %s", field, value))
				}
			}
			slices.Sort(parts)
			lines[i] = "{" + strings.Join(parts, ", ") + "}"
		}
		policy := rapid.SampledFrom([]batch.ErrorPolicy{batch.RejectFailedRows, batch.IgnoreFailed}).Draw(rt, "policy")
		run := func(next func(left int) int) (stored, outcomes []string) {
			_, err := w.Pool.SQL().Exec("DELETE FROM call_tasks; DELETE FROM schedules; DELETE FROM customers")
			require.NoError(rt, err)
			for from := 0; from < n; {
				to := from + next(n-from)
				outcomes = append(outcomes, w.syncLines(rt, k, policy, lines[from:to])...)
				from = to
			}
			return w.syncKindState(rt), outcomes
		}
		want, wantOutcomes := run(func(int) int { return 1 })
		got, gotOutcomes := run(func(left int) int { return rapid.IntRange(1, left).Draw(rt, "size") })
		require.Equal(rt, wantOutcomes, gotOutcomes, strings.Join(lines, "\n"))
		require.Equal(rt, want, got, strings.Join(lines, "\n"))
	})
}

func FuzzDecodeSync(f *testing.F) {
	for _, seed := range []string{
		seedSync, `{}`, `[]`, `null`, `{"id": 1e3}`, `{"id": 7, "referenceId": "7", "sync": true}`, `{"loanIds": [1, "2", 1.5, null]}`, `{"loanIds": {}} x`,
		`{"externalMetadata": null, "doNotCall": 1}`, "{\"id\": \"\xff\"}", `{"loanIds": [` + strings.Repeat("1,", 100) + `1]}`,
	} {
		f.Add([]byte(seed))
	}
	decode := schedule.NewSyncKind(nil).Decoder(&bulk.Operation{OptionJSON: []byte(`{}`)})
	f.Fuzz(func(t *testing.T, text []byte) {
		before := slices.Clone(text)
		row := decode(text)
		require.Equal(t, before, text, "the line is not the kind's")
		require.Equal(t, row.Value == nil, len(row.UserErrors) > 0, "a row, or what is wrong with it")
		for _, e := range row.UserErrors {
			require.NotEmpty(t, e.Message)
			require.NotEmpty(t, e.Code)
		}
		again := decode(text)
		require.Equal(t, []any{row.Key, row.Locks, row.Weight, row.UserErrors}, []any{again.Key, again.Locks, again.Weight, again.UserErrors})
	})
}
