package schedule_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/bulk"
	"caseload/internal/bulk/bulktest"
	"caseload/internal/calling"
	"caseload/internal/customer"
	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/schedule"
	"caseload/internal/viewer"
)

// bulkOf makes the service of bulk operations on the world.
func bulkOf(t testing.TB, w *world) *bulktest.World {
	t.Helper()
	return bulktest.New(t, w.Pool, []bulk.Kind{schedule.NewSyncKind(w.Service)}, nil)
}

func syncFile(format bulk.Format) bulk.CreateInput {
	return bulk.CreateInput{Kind: bulk.SyncSchedules, Format: format}
}

// seedSync is the example of the source document with values, on one line.
const seedSync = `{"id": "C-1", "taskType": "collections", "firstName": "Ann", "lastName": "Lee", "email": "ann@example.com", "birthday": "1985-06-15", "ssnLastFour": "1234", "timezone": "America/Los_Angeles", "phoneNumber": "+14155550123", "streetAddress1": "123 Main St", "streetAddress2": "Apt 4B", "city": "San Francisco", "state": "CA", "zipCode": "94102", "doNotCall": false, "isTest": true, "test": true, "externalMetadata": {"home_phone": "+14155555555", "pay": [1.50, null]}, "loanIds": [123, 456], "sync": false}`

func TestAFileOfSyncs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	w.taskType(t, "welcome", func(in *schedule.CreateTaskTypeInput) { in.MaxAttempts = val[int32](2) })
	b := bulkOf(t, w)
	// A file is worked on now, so that is the time of its plans.
	o, results := b.Import(t, w.Viewer, syncFile(bulk.JSONL), strings.Join([]string{
		seedSync,
		strings.Replace(strings.Replace(seedSync, `"id": "C-1"`, `"referenceId": "C-2"`, 1), "collections", "nothing", 1),
		`{"id": "C-1", "taskType": "welcome", "middleName": "B."}`,
		`{"id": "C-3", "taskType": "welcome", "doNotCall": "no", "externalMetadata": 7}`,
		`{"id": "C-3", "referenceId": "C-4", "taskType": "welcome"}`,
		`{"taskType": "welcome"}`,
		strings.Replace(seedSync, `[123, 456]`, "["+strings.Repeat("1,", 100)+"1]", 1),
		strings.Replace(seedSync, `[123, 456]`, `["x", 1.5]`, 1),
		strings.Replace(seedSync, `"doNotCall": false`, `"doNotCall": true`, 1),
		`{"id": "C-1", "taskType": "welcome"}`,
	}, "\n"))
	require.Equal(t, []batch.Action{batch.Create, batch.Failed, batch.Update, batch.Failed, batch.Failed, batch.Failed, batch.Failed, batch.Failed, batch.Update, batch.Failed}, bulktest.Actions(results))
	require.Equal(t, []int32{1, 2, 7}, []int32{o.CreatedCount, o.UpdatedCount, o.FailedCount})
	for i, want := range map[int][]string{
		1: {"INVALID taskType"}, 3: {"INVALID doNotCall"}, 4: {"DUPLICATE_INPUT_ITEM id"}, 6: {"LIMIT_EXCEEDED loanIds"},
		7: {"INVALID loanIds.0", "INVALID loanIds.1"}, 9: {"DO_NOT_CALL doNotCall"},
	} {
		require.Equal(t, want, results[i].Wrong(), i)
	}
	require.Contains(t, results[5].Wrong(), "BLANK referenceId")
	require.Equal(t, []string{"C-1", "C-2"}, []string{*results[0].Key, *results[1].Key})
	require.Nil(t, results[5].Key)
	require.Equal(t, *results[0].ID, *results[8].ID)
	require.Nil(t, results[9].ID)

	var c customer.Customer
	require.NoError(t, w.Pool.Get(t.Context(), &c, "SELECT "+customer.Customers.Select()+" FROM customers c"))
	require.Equal(t, []any{"C-1", "B.", true, true}, []any{*c.ReferenceID, *c.MiddleName, c.DoNotCall, c.IsTest})
	require.JSONEq(t, `{"home_phone": "+14155555555", "pay": [1.50, null]}`, string(c.ExternalMetadata))
	require.Empty(t, w.tasks(t, c.UUID, calling.Pending), "the last right line takes all calls away")

	// CSV, with what the mutation plans for the same.
	_, results = b.Import(t, w.Viewer, syncFile(bulk.CSV), `id,taskType,firstName,lastName,email,birthday,ssnLastFour,phoneNumber,timezone,streetAddress1,city,state,zipCode,isTest,externalMetadata,loanIds
C-5,collections,Ann,Lee,ann@example.com,1985-06-15,1234,+12125551212,America/New_York,1 Main St,New York,NY,02134,TRUE,"{""a"": 1}",[]
`)
	require.Equal(t, []batch.Action{batch.Create}, bulktest.Actions(results), "%v", results)
	require.NoError(t, w.Pool.Get(t.Context(), &c, "SELECT "+customer.Customers.Select()+" FROM customers c WHERE reference_id = 'C-5'"))
	require.True(t, c.IsTest)
	require.Equal(t, "02134", *w.record(t, c.UUID).Address.PostalCode)
	require.NotEmpty(t, w.tasks(t, c.UUID, calling.Pending))
	require.NotNil(t, w.active(t, c.UUID))

	o, _ = b.Import(t, w.Viewer, syncFile(bulk.JSONL), `{"id": "C-6", "taskType": "welcome", "company": "Acme", "externalMetadata": {"company": "Acme"}}`)
	require.Equal(t, bulk.Refused, o.State)
	require.Equal(t, "#/customers/0: extraneous key [company] is not permitted", o.MessageTexts[0])
}

// The lines of a file act one by one: of two birthdays the last counts, and its line is told.
func TestTwoBirthdaysInAFileOfSyncs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	_, results := bulkOf(t, w).Import(t, w.Viewer, syncFile(bulk.JSONL), strings.Join([]string{seedSync, strings.Replace(seedSync, "1985-06-15", "1985-06-16", 1), seedSync}, "\n"))
	require.Empty(t, results[0].Wrong())
	require.Equal(t, []string{"DUPLICATE_INPUT_ITEM birthday"}, results[1].Wrong())
	require.Equal(t, batch.Update, results[1].Action)
	require.Empty(t, results[2].Wrong(), "that of the first line")
}

// A line that changes nothing is audited too: a later line of the file with another birthday, in another chunk, is right.
func TestALineThatChangesNothingBeforeAnotherBirthday(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	b := bulkOf(t, w)
	b.Import(t, w.Viewer, syncFile(bulk.JSONL), seedSync)
	// As an earlier version wrote what changed nothing, while the file was read.
	w.Exec(t, `UPDATE audit_entries SET changes = '{"fields": null}', occurred_at = now() + interval '1 hour'`)
	lines := make([]string, 1100)
	for i := range lines {
		lines[i] = `{"id": "C-2", "taskType": "nothing"}`
	}
	lines[0], lines[1099] = seedSync, strings.Replace(seedSync, "1985-06-15", "1985-06-16", 1)
	_, results := b.Import(t, w.Viewer, syncFile(bulk.JSONL), strings.Join(lines, "\n"))
	require.Equal(t, []batch.Action{batch.Unchanged, batch.Update}, []batch.Action{results[0].Action, results[1099].Action})
	require.Empty(t, results[1099].Wrong())
	require.Zero(t, get[int](t, w, `SELECT count(*) FROM audit_entries WHERE changes->'fields' = 'null' AND occurred_at < now()`))
}

func TestAFileOfSyncsAsksTheLendingSystem(t *testing.T) {
	t.Parallel()
	l := newLendingSystem(t)
	w := newLendingWorld(t, l.URL, patient)
	b := bulkOf(t, w)
	_, results := b.Import(t, w.Viewer, syncFile(bulk.JSONL), `{"id": "linked", "taskType": "collections", "sync": true, "firstName": "Eve", "externalLoanIds": [7], "loanId": 7}
{"id": "L-2", "taskType": "nothing", "sync": true}
{"id": "L-3", "taskType": "collections", "sync": false}
`)
	require.Equal(t, []string{}, results[0].Wrong())
	require.Equal(t, batch.Failed, results[2].Action, "nobody was asked for what is missing")
	require.Equal(t, []string{"Eve", "Hill"}, []string{get[string](t, w, "SELECT first_name FROM customers"), get[string](t, w, "SELECT last_name FROM customers")})
	require.Equal(t, 1, get[int](t, w, "SELECT count(*) FROM loans"))
	require.Equal(t, 1, get[int](t, w, "SELECT count(*) FROM schedules WHERE loan_id IS NOT NULL"))
	l.set(func(l *lendingSystem) {
		require.NotEmpty(t, l.asked)
		for _, path := range l.asked {
			require.NotContains(t, path, "L-2", "a row that is wrong already is not asked for")
		}
	})
}

func TestRowsOfAFileApplyInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	const n = 1200
	var file strings.Builder
	for i := range n {
		reference := fmt.Sprint(i)
		if i%500 == 9 {
			reference = "again"
		}
		file.WriteString(strings.Replace(strings.Replace(seedSync, `"C-1"`, `"`+reference+`"`, 1), `"Ann"`, fmt.Sprintf(`"Ann %d"`, i), 1) + "\n")
	}
	o, results := bulkOf(t, w).Import(t, w.Viewer, syncFile(bulk.JSONL), file.String())
	require.Len(t, results, n)
	require.Equal(t, []int32{n - 2, 2}, []int32{o.CreatedCount, o.UpdatedCount})
	require.Equal(t, "Ann 1009", get[string](t, w, "SELECT first_name FROM customers WHERE reference_id = 'again'"))
	require.Equal(t, n-2, get[int](t, w, "SELECT count(*) FROM schedules WHERE status = 'ACTIVE'"))
	w.consistent(t)
}

func TestFilesOfSyncsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := bulkOf(t, w)
	in := syncFile(bulk.CSV)
	in.Options = map[string]any{"upsertCustomers": struct{}{}}
	_, err := b.Create(t.Context(), w.Viewer, in, bulk.File{})
	require.Equal(t, []string{"NOT_ALLOWED input.upsertCustomers"}, refused(t, err))
	for _, only := range []viewer.Scope{viewer.CustomersWrite, viewer.SchedulesWrite} {
		_, err = b.Create(t.Context(), dbtest.NewViewer(w.Viewer.OrganizationID, only, viewer.BulkWrite), syncFile(bulk.CSV), bulk.File{})
		require.Equal(t, fault.Forbidden, fault.CodeOf(err), only)
	}

	// The do-not-call mark is removed by who may, when the operation was created.
	w.taskType(t, "collections", nil)
	marked := strings.Replace(seedSync, `"doNotCall": false`, `"doNotCall": true`, 1)
	b.Import(t, w.Viewer, syncFile(bulk.JSONL), marked)
	_, results := b.Import(t, dbtest.NewViewer(w.Viewer.OrganizationID, viewer.CustomersWrite, viewer.SchedulesWrite), syncFile(bulk.JSONL), seedSync)
	require.Equal(t, []string{"NOT_ALLOWED doNotCall"}, results[0].Wrong())
	_, results = b.Import(t, w.Viewer, syncFile(bulk.JSONL), seedSync)
	require.Equal(t, []batch.Action{batch.Update}, bulktest.Actions(results))
}

// A cancellation while the lending system is asked waits for the requests under way, not for all of a chunk.
func TestPrepareEndsWithItsContext(t *testing.T) {
	t.Parallel()
	l := newLendingSystem(t)
	w := newLendingWorld(t, l.URL, patient)
	ctx, cancel := context.WithCancel(t.Context())
	l.set(func(l *lendingSystem) { l.during = cancel })
	k := schedule.NewSyncKind(w.Service)
	o := &bulk.Operation{OptionJSON: []byte(`{"errorPolicy": "REJECT_FAILED_ROWS"}`)}
	decode := k.Decoder(o)
	var rows []*bulk.Row
	for i := range 100 {
		row := decode(fmt.Appendf(nil, `{"id": "L-%d", "taskType": "collections", "sync": true}`, i))
		require.Positive(t, row.Weight)
		rows = append(rows, &row)
	}
	_, err := k.Prepare(ctx, w.Viewer, o, rows)
	require.ErrorIs(t, err, context.Canceled)
	l.set(func(l *lendingSystem) { require.LessOrEqual(t, len(l.asked), 16) })
}
