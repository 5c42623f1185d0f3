package graph_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/bulk"
	"caseload/internal/graphtest"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

const (
	exportFile = `mutation ($filter: CustomerFilter) { createExport(input: {kind: EXPORT_CUSTOMERS, exportCustomers: {filter: $filter}}) { bulkOperation { id } userErrors { code path } } }`
	readBulk   = `query ($id: ID!) { bulkOperation(id: $id) { state processedCount createdCount updatedCount unchangedCount failedCount resultsUrl } }`
)

// finish works on a bulk operation as a worker does, and returns its id.
func finish(t testing.TB, w *graphtest.World, o *graphtest.Tenant, text string) string {
	t.Helper()
	id, err := relay.ParseID(text)
	require.NoError(t, err)
	key, err := id.As(bulk.Operations.Prefix())
	require.NoError(t, err)
	require.NoError(t, bulk.NewRunner(w.Bulk).Run(t.Context(), o.ID(), key))
	return text
}

// TestEveryKindOfFile sends each kind of file as a client does, and an export comes back.
func TestEveryKindOfFile(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	for _, c := range []struct {
		kind   bulk.KindName
		source any
		file   string
	}{
		{bulk.UpsertCustomers, "crm", `{"sourceId": "1", "firstName": "Ann", "dateOfBirth": "1985-06-15"}`},
		{bulk.CreateCustomers, "50004", `{"sourceCustomerId": "1", "firstName": "Eve", "accounts": [{"sourceAccountId": "A", "sourceCustomerIds": ["1"], "primarySourceCustomerId": "1", "status": "OPEN", "type": "DDA"}]}`},
		{bulk.SyncSchedules, nil, `{"id": "R-1", "taskType": "` + w.Harbor.TaskType + `", "firstName": "Kim", "lastName": "Lee", "email": "kim@example.com", "birthday": "1985-06-15", "ssnLastFour": "1234", "phoneNumber": "+12125551212", "timezone": "America/New_York", "streetAddress1": "1 Main St", "city": "New York", "state": "NY", "zipCode": "10001"}`},
	} {
		r := w.Upload(t, w.Harbor.Key, uploadLines, importing(c.kind, bulk.JSONL, c.source), graphtest.File{Name: "customers.jsonl", Content: c.file + "\n" + c.file + "\nnothing"})
		require.Equal(t, 0, r.Len("createBulkOperation.userErrors"), r.Body)
		id := finish(t, w, w.Harbor, r.Text("createBulkOperation.bulkOperation.id"))
		r = w.OK(t, w.Harbor.Key, readBulk, vars{"id": id})
		require.Equal(t, []any{"COMPLETED", 3.0, 1.0, 1.0}, []any{r.At("bulkOperation.state"), r.At("bulkOperation.processedCount"), r.At("bulkOperation.createdCount"), r.At("bulkOperation.failedCount")}, "%s: %s", c.kind, r.Body)
		results := w.Download(t, r.Text("bulkOperation.resultsUrl"))
		require.Equal(t, 3, strings.Count(results.Body, "\n"), results.Body)
	}

	r := w.OK(t, w.Harbor.Key, exportFile, vars{"filter": vars{"firstName": vars{"in": []string{"Ann", "Eve", "Kim"}}}})
	id := finish(t, w, w.Harbor, r.Text("createExport.bulkOperation.id"))
	r = w.OK(t, w.Harbor.Key, readBulk, vars{"id": id})
	require.Equal(t, 3.0, r.At("bulkOperation.processedCount"), r.Body)
	file := w.Download(t, r.Text("bulkOperation.resultsUrl"))
	require.Equal(t, 3, strings.Count(file.Body, `"birthday":`))
	require.Equal(t, 2, strings.Count(file.Body, `"birthday":"1985-06-15"`))

	// What the creator may see is not for everybody who may export.
	r = w.OK(t, w.Harbor.KeyWithout(t, viewer.PIIRead), readBulk, vars{"id": id})
	require.Nil(t, r.At("bulkOperation.resultsUrl"))
	require.Equal(t, "COMPLETED", r.At("bulkOperation.state"))
}

func TestFiltersThatAnExportRefuses(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	r := w.OK(t, w.Harbor.Key, exportFile, vars{"filter": vars{"or": []any{vars{"ssn": "123-45-6789"}}}})
	require.Equal(t, []any{"input", "exportCustomers", "filter", "or", "0", "ssn"}, r.At("createExport.userErrors.0.path"), r.Body)
	// Without the condition the file would have rows that the client meant to leave out.
	for _, filter := range []vars{{"firstName": nil}, {"email": nil}, {"not": nil}, {"or": []any{vars{"isDeleted": nil}}}} {
		r := w.Do(t, w.Harbor.Key, exportFile, vars{"filter": filter})
		require.Equal(t, "BAD_USER_INPUT", r.Code(), r.Body)
	}
	r = w.OK(t, w.Harbor.Key, exportFile, vars{"filter": nil})
	require.Equal(t, 0, r.Len("createExport.userErrors"), r.Body)
}
