package graph_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"caseload/internal/bulk"
	"caseload/internal/graphtest"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

const (
	uploadLines = `mutation ($file: Upload!, $kind: BulkOperationKind!, $format: BulkOperationFormat!, $upsert: UpsertCustomersOptions, $create: CreateCustomersOptions) {
		createBulkOperation(input: {kind: $kind, format: $format, upsertCustomers: $upsert, createCustomers: $create, file: $file}) { bulkOperation { id state kind fileName byteSize progress } userErrors { code message path } } }`
	operationNow = `query ($id: ID!) { bulkOperation(id: $id) { id state lineCount processedCount createdCount updatedCount unchangedCount failedCount skippedCount
		progress messages resultsUrl expiresAt finishedAt cancelRequested } }`
	watchOperations = `subscription ($id: ID) { bulkOperationChanged(id: $id) { state occurredAt bulkOperation { id state processedCount lineCount progress } } }`
	exportAll       = `mutation { createExport(input: {kind: EXPORT_CUSTOMERS}) { bulkOperation { id } } }`
	cancelOperation = `mutation ($id: ID!) { cancelBulkOperation(input: {id: $id}) { bulkOperation { id state cancelRequested version } userErrors { code } } }`
)

// importing are the variables of an import; source is where rows without their own come from, or nil.
func importing(kind bulk.KindName, format bulk.Format, source any) vars {
	v := vars{"kind": string(kind), "format": string(format)}
	switch {
	case source == nil:
	case kind == bulk.CreateCustomers:
		v["create"] = vars{"sourceOrganizationId": source}
	default:
		v["upsert"] = vars{"source": source}
	}
	return v
}

// begin uploads a file and returns the id of the operation.
func begin(t testing.TB, w *graphtest.World, key string, kind bulk.KindName, format bulk.Format, source any, content string) string {
	t.Helper()
	r := w.Upload(t, key, uploadLines, importing(kind, format, source), graphtest.File{Name: "customers." + strings.ToLower(string(format)), Content: content})
	require.Empty(t, r.Errors, r.Body)
	require.Empty(t, r.At("createBulkOperation.userErrors"), r.Body)
	require.Equal(t, "PENDING", r.At("createBulkOperation.bulkOperation.state"), r.Body)
	return r.Text("createBulkOperation.bulkOperation.id")
}

// end works on an operation until it has ended and returns it.
func end(t testing.TB, w *graphtest.World, f *graphtest.Workers, o *graphtest.Tenant, id string) *graphtest.Reply {
	t.Helper()
	parsed, err := relay.ParseID(id)
	require.NoError(t, err)
	require.NoError(t, f.Operations.Run(t.Context(), o.ID(), parsed.UUID))
	r := w.OK(t, o.Key, operationNow, vars{"id": id})
	require.NotNil(t, r.At("bulkOperation.finishedAt"), "%s\n%s", r.Body, w.Log)
	return r
}

// resultLine is one line of a results file.
type resultLine struct {
	// Line is nil for what is not of one line.
	Line       *int
	Action     string
	Key, ID    string
	Success    bool
	UserErrors []struct {
		Code, Message string
		Path          []string
	}
}

// results follows the link of an operation.
func results(t testing.TB, w *graphtest.World, r *graphtest.Reply) []resultLine {
	t.Helper()
	content := w.Download(t, r.Text("bulkOperation.resultsUrl"))
	require.Equal(t, 200, content.Status, content.Body)
	var out []resultLine
	for text := range strings.Lines(content.Body) {
		var l resultLine
		require.NoError(t, json.Unmarshal([]byte(text), &l), text)
		out = append(out, l)
	}
	return out
}

// objects is what lies in the object store, by its path.
func objects(t testing.TB, w *graphtest.World) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(w.Folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, w.Folder)] = string(text)
		return err
	}))
	return out
}

// A file is uploaded, the jobs of the program work on it, subscribers see it come further, and the results have one
// line for each of the file.
func TestBulkOperationFromUploadToResults(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	w.StartWorkers(t, w.Server, nil)
	all, summit := w.Subscribe(t, w.Harbor.Key, watchOperations, nil), w.Subscribe(t, w.Summit.Key, watchOperations, nil)
	for key, s := range map[string]*graphtest.Stream{w.Harbor.Key: all, w.Summit.Key: summit} {
		untilEvent(t, s, func() { w.OK(t, key, exportAll, nil) })
	}
	var content strings.Builder
	const lines = 2500
	for i := range lines {
		switch i {
		case 7:
			content.WriteString("this is no JSON\n")
		case 8:
			content.WriteString(`{"sourceId": "S-8", "email": "nobody"}` + "\n")
		case 2400:
			content.WriteString(`{"sourceId": "S-3", "firstName": "Again"}` + "\n")
		default:
			fmt.Fprintf(&content, `{"sourceId": "S-%d", "firstName": "Ann", "lastName": "No %d", "phone": "+12125550123", "addresses": [{"city": "Troy", "state": "NY"}]}`+"\n", i, i)
		}
	}
	id := begin(t, w, w.Harbor.Key, bulk.UpsertCustomers, bulk.JSONL, "LMS", content.String())
	var states []any
	processed := 0.0
	for _, e := range all.Collect(func(r *graphtest.Reply) bool {
		return r.At("bulkOperationChanged.bulkOperation.id") == id && r.At("bulkOperationChanged.state") == "COMPLETED"
	}) {
		require.Empty(t, e.Errors, e.Body)
		if e.At("bulkOperationChanged.bulkOperation.id") != id {
			continue
		}
		states = append(states, e.At("bulkOperationChanged.state"))
		now, _ := e.At("bulkOperationChanged.bulkOperation.processedCount").(float64)
		require.GreaterOrEqual(t, now, processed, "progress never goes back")
		processed = now
	}
	require.Contains(t, states, "CHECKING")
	require.Contains(t, states, "RUNNING")
	require.Equal(t, float64(lines), processed)

	r := w.OK(t, w.Harbor.Key, operationNow, vars{"id": id})
	for path, want := range map[string]any{"state": "COMPLETED", "lineCount": 2500.0, "processedCount": 2500.0, "createdCount": 2497.0, "updatedCount": 1.0, "failedCount": 2.0, "progress": 1.0} {
		require.Equal(t, want, r.At("bulkOperation."+path), "%s: %s", path, r.Body)
	}
	got := results(t, w, r)
	require.Len(t, got, lines)
	for i, l := range got {
		require.Equal(t, i, *l.Line)
		switch i {
		case 7, 8:
			require.Equal(t, "FAILED", l.Action)
			require.NotEmpty(t, l.UserErrors)
			require.Empty(t, l.ID)
		case 2400:
			require.Equal(t, []any{"UPDATE", "S-3", got[3].ID}, []any{l.Action, l.Key, l.ID})
		default:
			require.Equal(t, []any{"CREATE", fmt.Sprintf("S-%d", i), true}, []any{l.Action, l.Key, l.Success})
		}
	}
	require.Equal(t, "Again", w.OK(t, w.Harbor.Key, `query ($id: ID!) { customer(id: $id) { firstName } }`, vars{"id": got[3].ID}).At("customer.firstName"))
	require.Equal(t, 2497.0, w.OK(t, w.Harbor.Key, `{ customers { totalCount } }`, nil).At("customers.totalCount"))
	for path := range objects(t, w) {
		require.NotContains(t, path, "/uploads/", "the file goes when the operation has finished")
	}

	// A link that was changed, or is old, leads nowhere.
	link := r.Text("bulkOperation.resultsUrl")
	require.Equal(t, 404, w.Download(t, strings.Replace(link, "/files/", "/files/x", 1)).Status)
	w.Clock.Advance(24 * time.Hour)
	require.Equal(t, 404, w.Download(t, link).Status)
	for e := summit.Within(0); e != nil; e = summit.Within(0) {
		require.NotEqual(t, id, e.At("bulkOperationChanged.bulkOperation.id"), "another organization hears of it")
	}
}

// A file with keys that nobody knows is refused as a whole, in the words of the contract, all of them.
func TestBulkOperationRefusesUnknownKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		format  bulk.Format
		content string
		want    []any
	}{
		{bulk.JSONL, `{"sourceId": "1", "firstName": "Ann", "company": "x"}` + "\n" + `{"sourceId": "2"}` + "\n" + `{"sourceId": "3", "addresses": [{"city": "Troy"}, {"planet": "Mars"}], "Company": 1}` + "\n", []any{
			"#/customers/0: extraneous key [company] is not permitted",
			"#/customers/2/addresses/1: extraneous key [planet] is not permitted",
			"#/customers/2: extraneous key [Company] is not permitted",
		}},
		{bulk.CSV, "sourceId,company,firstName\n1,x,Ann\n", []any{"#/header: extraneous key [company] is not permitted"}},
	} {
		w := graphtest.New(t)
		f := w.NewWorkers(t, w.Server, nil)
		r := end(t, w, f, w.Harbor, begin(t, w, w.Harbor.Key, bulk.UpsertCustomers, c.format, "LMS", c.content))
		require.Equal(t, "REFUSED", r.At("bulkOperation.state"), r.Body)
		messages, _ := r.At("bulkOperation.messages").([]any)
		require.Subset(t, messages, c.want)
		var reported []any
		for _, l := range results(t, w, r) {
			reported = append(reported, l.UserErrors[0].Message)
		}
		require.ElementsMatch(t, c.want, reported)
		require.Equal(t, 0.0, w.OK(t, w.Harbor.Key, `{ customers(filter: {}) { totalCount } }`, nil).At("customers.totalCount"), "nothing was written")
	}
}

// Every kind takes a file and does what its mutation does, for its organization alone.
func TestBulkOperationKinds(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	f := w.NewWorkers(t, w.Server, nil)
	owner := accountOf("K-1", vars{"accountNumber": "ABC123", "cards": []any{card("K-1", vars{"last4": "4242", "iin": "424242"})}})
	for _, c := range []struct {
		kind    bulk.KindName
		format  bulk.Format
		source  any
		content string
		check   string
		want    string
	}{
		{bulk.UpsertCustomers, bulk.CSV, "LMS", "sourceId;firstName;addresses.0.city;addresses.0.state\nC-1;Zoë;Troy;NY\n",
			`{ found: customer(identifier: {source: "LMS", sourceId: "C-1"}) { firstName addresses { nodes { city } } } }`, `{"firstName":"Zoë","addresses":{"nodes":[{"city":"Troy"}]}}`},
		{bulk.CreateCustomers, bulk.JSONL, "50004", line(t, person("sourceCustomerId", "K-1", vars{"accounts": []any{owner}})),
			`{ found: account(sourceAccount: {source: "50004", sourceAccountId: "A-K-1"}) { numberMasked primaryCustomer { lastName } cards { nodes { lastFour } } } }`,
			`{"numberMasked":"••••C123","primaryCustomer":{"lastName":"Bird"},"cards":{"nodes":[{"lastFour":"4242"}]}}`},
		{bulk.SyncSchedules, bulk.JSONL, nil, line(t, syncRow("Y-1", vars{"ssnLastFour": "1234"})),
			`{ found: customer(referenceId: "Y-1") { activeSchedule { status } } }`, `{"activeSchedule":{"status":"ACTIVE"}}`},
	} {
		r := end(t, w, f, w.Harbor, begin(t, w, w.Harbor.Key, c.kind, c.format, c.source, c.content))
		require.Equal(t, []any{"COMPLETED", 1.0}, []any{r.At("bulkOperation.state"), r.At("bulkOperation.createdCount")}, "%s: %s %v", c.kind, r.Body, results(t, w, r))
		found, err := json.Marshal(w.OK(t, w.Harbor.Key, c.check, nil).At("found"))
		require.NoError(t, err)
		require.JSONEq(t, c.want, string(found), c.kind)
		require.Nil(t, w.OK(t, w.Summit.Key, c.check, nil).At("found"))
	}
}

// line is a row as a line of a file.
func line(t testing.TB, row map[string]any) string {
	t.Helper()
	text, err := json.Marshal(row)
	require.NoError(t, err)
	return string(text) + "\n"
}

// What a kind changes needs its scope too, and a file of somebody who may not is not kept.
func TestBulkOperationNeedsTheScopeOfItsKind(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	for kind, scopes := range map[bulk.KindName][]viewer.Scope{bulk.UpsertCustomers: {viewer.CustomersWrite}, bulk.CreateCustomers: {viewer.CustomersWrite},
		bulk.SyncSchedules: {viewer.CustomersWrite, viewer.SchedulesWrite}} {
		for _, scope := range scopes {
			r := w.Upload(t, w.Harbor.KeyWithout(t, scope), uploadLines, vars{"kind": string(kind), "format": "JSONL"}, file)
			require.Equal(t, "FORBIDDEN", r.Code(), r.Body)
		}
	}
	r := w.Upload(t, w.Harbor.Key, uploadLines, vars{"kind": "EXPORT_CUSTOMERS", "format": "JSONL"}, file)
	require.Equal(t, "INVALID", r.At("createBulkOperation.userErrors.0.code"), r.Body)
	require.Equal(t, "input.kind", join(r.At("createBulkOperation.userErrors.0.path")))
	require.Empty(t, objects(t, w))
}

// An export has a line for each customer that fits, holds no full number, and needs its own scopes to be fetched.
func TestCustomerExport(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	f := w.NewWorkers(t, w.Server, nil)
	people := w.Harbor.People(t, 5)
	stranger := w.Summit.Person(t)
	created := w.OK(t, w.Harbor.Key, `mutation ($ref: String!) { createExport(input: {kind: EXPORT_CUSTOMERS, exportCustomers: {filter: {referenceId: {neq: $ref}}}}) { bulkOperation { id state } userErrors { code } } }`, vars{"ref": people[0].ReferenceID})
	id := created.Text("createExport.bulkOperation.id")
	r := end(t, w, f, w.Harbor, id)
	require.Equal(t, []any{"COMPLETED", 4.0}, []any{r.At("bulkOperation.state"), r.At("bulkOperation.processedCount")}, r.Body)
	content := w.Download(t, r.Text("bulkOperation.resultsUrl")).Body
	require.Equal(t, 4, strings.Count(content, "\n"))
	for _, p := range people[1:] {
		require.Contains(t, content, graphtest.ID(p.Customer))
	}
	require.NotContains(t, content, graphtest.ID(people[0].Customer)+`","referenceId"`)
	require.NotContains(t, content, graphtest.ID(stranger.Customer))
	require.NotRegexp(t, `219-?09-?\d{4}`, content)
	require.NotContains(t, content, "1EG4TE5MK73")

	// Where the rows went is in the audit log, once for each time.
	fetched := func() *graphtest.Reply {
		return w.OK(t, w.Harbor.Key, `{ auditEntries(filter: {action: {eq: "bulk_operation.export_fetched"}}) { nodes { actorKind actorName targetId } } }`, nil)
	}
	entries := fetched()
	require.Equal(t, 1, entries.Len("auditEntries.nodes"), entries.Body)
	require.Equal(t, []any{"API_KEY", "a key", id}, []any{entries.At("auditEntries.nodes.0.actorKind"), entries.At("auditEntries.nodes.0.actorName"), entries.At("auditEntries.nodes.0.targetId")}, entries.Body)
	require.Equal(t, 200, w.Download(t, r.Text("bulkOperation.resultsUrl")).Status)
	require.Equal(t, 2, fetched().Len("auditEntries.nodes"))
	results(t, w, end(t, w, f, w.Harbor, begin(t, w, w.Harbor.Key, bulk.UpsertCustomers, bulk.JSONL, "LMS", file.Content)))
	require.Equal(t, 2, fetched().Len("auditEntries.nodes"), "what became of an import holds no personal data")
	require.Nil(t, w.OK(t, w.Harbor.KeyWithout(t, viewer.CustomersRead), operationNow, vars{"id": id}).At("bulkOperation.resultsUrl"))
	require.Nil(t, w.OK(t, w.Summit.Key, operationNow, vars{"id": id}).At("bulkOperation"))
}

// What waits ends at once when it is cancelled, with its file; what has finished is left as it is.
func TestCancelBulkOperation(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	f := w.NewWorkers(t, w.Server, nil)
	id := begin(t, w, w.Harbor.Key, bulk.UpsertCustomers, bulk.JSONL, "LMS", file.Content)
	require.NotEmpty(t, objects(t, w))
	first, second := w.OK(t, w.Harbor.Key, cancelOperation, vars{"id": id}), w.OK(t, w.Harbor.Key, cancelOperation, vars{"id": id})
	require.Equal(t, "CANCELLED", first.At("cancelBulkOperation.bulkOperation.state"), first.Body)
	require.Equal(t, first.At("cancelBulkOperation"), second.At("cancelBulkOperation"))
	require.Empty(t, objects(t, w))
	end(t, w, f, w.Harbor, id)
	require.Equal(t, 0.0, w.OK(t, w.Harbor.Key, `{ customers { totalCount } }`, nil).At("customers.totalCount"), "nothing of it was done")

	done := begin(t, w, w.Harbor.Key, bulk.UpsertCustomers, bulk.JSONL, "LMS", file.Content)
	end(t, w, f, w.Harbor, done)
	require.Equal(t, "COMPLETED", w.OK(t, w.Harbor.Key, cancelOperation, vars{"id": done}).At("cancelBulkOperation.bulkOperation.state"))
}

func TestBulkSubscriptionPrincipals(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	v := vars{"id": graphtest.ID(p.Operation)}
	assert.Equal(t, "UNAUTHENTICATED", w.Subscribe(t, "", watchOperations, v).Next().Code())
	assert.Equal(t, "FORBIDDEN", w.Subscribe(t, w.Harbor.KeyWithout(t, viewer.BulkRead), watchOperations, v).Next().Code())
	assert.Equal(t, "BAD_USER_INPUT", w.Subscribe(t, w.Harbor.Key, watchOperations, vars{"id": graphtest.ID(p.Loan)}).Next().Code())

	// Only the operation that was asked for, and none of another organization.
	export := func() string {
		return w.OK(t, w.Harbor.Key, exportAll, nil).Text("createExport.bulkOperation.id")
	}
	cancel := func(id string) { w.OK(t, w.Harbor.Key, cancelOperation, vars{"id": id}) }
	id := export()
	one, peeping := w.Subscribe(t, w.Harbor.Key, watchOperations, vars{"id": id}), w.Subscribe(t, w.Summit.Key, watchOperations, vars{"id": id})
	all, summit := w.Subscribe(t, w.Harbor.Key, watchOperations, nil), w.Subscribe(t, w.Summit.Key, watchOperations, nil)
	untilEvent(t, all, func() { cancel(export()) })
	untilEvent(t, summit, func() { w.OK(t, w.Summit.Key, exportAll, nil) })
	cancel(id)
	all.Until(func(r *graphtest.Reply) bool {
		return r.At("bulkOperationChanged.bulkOperation.id") == id && r.At("bulkOperationChanged.state") == "CANCELLED"
	})
	for r := one.Within(0); r != nil; r = one.Within(0) {
		assert.Equal(t, id, r.At("bulkOperationChanged.bulkOperation.id"), r.Body)
	}
	assert.Nil(t, peeping.Within(0))
}

// An upload goes with the request that made no operation of it, but stays where that is not known: an operation may
// have it.
func TestUploadWhoseOperationIsNotKnown(t *testing.T) {
	t.Parallel()
	for statement, kept := range map[string]int{
		`RAISE EXCEPTION 'no'`: 0,
		`PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60)`: 1,
	} {
		w := graphtest.New(t)
		for _, prepare := range []string{
			`CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ` + statement + `; RETURN NULL; END $$`,
			`CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON bulk_operations DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()`,
		} {
			_, err := w.Pool.Exec(t.Context(), prepare)
			require.NoError(t, err)
		}
		r := w.Upload(t, w.Harbor.Key, uploadLines, importing(bulk.UpsertCustomers, bulk.JSONL, "LMS"), file)
		require.NotEmpty(t, r.Code(), r.Body)
		require.Len(t, objects(t, w), kept, statement)
	}
}
