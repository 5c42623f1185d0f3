package intake_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
)

// A key with white space, marks and other compositions around and in it is the same key, and so is the name of a parent.
func TestKeysAreComparedInTheirForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.upsert(t, batch.RejectFailedRows, `{"sourceId": "R\u00e9 1", "firstName": "Ann", "email": "Ann@EXAMPLE.com", "primaryLanguage": "EN"}`)
	require.Equal(t, "CREATE", upsertActions(first))
	for _, key := range []string{" R\u00e9 1", "\ufeffR\u00e9 1", "R\u00e9\u00a01\u00a0", "\u2066R\u00e9 1\u2069", "Re\u0301 1\\t", "R\u00e9 1\u200b"} {
		again := w.upsert(t, batch.RejectFailedRows, `{"sourceId": "`+key+`", "source": "\u00a0crm", "firstName": "Ann\ufeff", "email": "Ann@example.com", "primaryLanguage": "en"}`)
		require.Equal(t, "UNCHANGED", upsertActions(again), "%+q", key)
	}
	child := w.upsert(t, batch.RejectFailedRows, `{"sourceId": "C", "parent": {"sourceId": "Re\u0301\u00a01", "language": "EN"}}`)
	require.Equal(t, first.Results[0].Customer.UUID, *child.Results[0].Customer.ParentID)
}

// One key with two birthdays or numbers is told of: createCustomers refuses the later row, bulkUpsertCustomers takes it.
func TestOneKeyWithTwoBirthdays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.upsert(t, batch.RejectFailedRows, `{"sourceId": "1", "dateOfBirth": "1985-06-15", "ssn": "219-09-1234"}`, `{"sourceId": "1", "dateOfBirth": " 1985-06-15", "ssn": "219091234"}`,
		`{"sourceId": " 1", "dateOfBirth": "1985-06-16"}`, `{"sourceId": "2", "dateOfBirth": "1985-06-17"}`)
	require.Equal(t, "CREATE UNCHANGED UPDATE CREATE", upsertActions(r))
	require.Equal(t, []string{"Completed", "1 row had another birthday or social security number than an earlier row of the same customer"}, r.Messages)

	results := w.create(t, batch.RejectFailedRows, `{"sourceOrganizationId": "50004", "sourceCustomerId": "K", "birthday": "1985-06-15", "ssn": "219-09-1234"}`,
		`{"sourceOrganizationId": "50004", "sourceCustomerId": "K\u00a0", "birthday": "1985-06-16", "ssn": "219-09-1235"}`).Results
	require.Empty(t, wrong(results[0]))
	require.Equal(t, []string{"DUPLICATE_INPUT_ITEM birthday", "DUPLICATE_INPUT_ITEM ssn"}, wrong(results[1]))
	require.Equal(t, "1985-06-15", results[0].Customer.Birthday.String())
}
