package intake_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/bulk"
	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/intake"
	"caseload/internal/customer/merging"
	"caseload/internal/relay"
	"caseload/migrations"
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
	r = w.upsert(t, batch.IgnoreFailed, `{"sourceId": "3", "dateOfBirth": "31/12/1990", "ssn": "219-09"}`, `{"sourceId": "3", "dateOfBirth": "1990-12-31", "ssn": "219-09-1236"}`,
		`{"sourceId": "3", "dateOfBirth": "2190-12-31"}`, `{"sourceId": "3", "dateOfBirth": "31/12/1991", "ssn": "1"}`)
	require.Equal(t, []string{"Completed"}, r.Messages, "what is wrong is not stored")
	r = w.upsert(t, batch.RejectFailedRows, `{"sourceId": "4", "dateOfBirth": "1990-12-30", "email": "x"}`, `{"sourceId": "4", "dateOfBirth": "1990-12-31", "sourceUpdatedAt": "2026-01-02T00:00:00Z"}`,
		`{"sourceId": "4", "dateOfBirth": "1990-12-30", "sourceUpdatedAt": "2026-01-01T00:00:00Z"}`)
	require.Equal(t, "FAILED CREATE SKIPPED", upsertActions(r))
	require.Equal(t, []string{"Completed with 1 failed row", "1 row came too late and had no effect"}, r.Messages, "what is not stored overwrites nothing")

	results := w.create(t, batch.RejectFailedRows, `{"sourceOrganizationId": "50004", "sourceCustomerId": "K", "birthday": "1985-06-15", "ssn": "219-09-1234"}`,
		`{"sourceOrganizationId": "50004", "sourceCustomerId": "K\u00a0", "birthday": "1985-06-16", "ssn": "219-09-1235"}`).Results
	require.Empty(t, wrong(results[0]))
	require.Equal(t, []string{"DUPLICATE_INPUT_ITEM birthday", "DUPLICATE_INPUT_ITEM ssn"}, wrong(results[1]))
	require.Equal(t, "1985-06-15", results[0].Customer.Birthday.String())
	results = w.create(t, batch.RejectFailedRows, person("U", `"birthday": "31/12/1990"`), person("U", `"birthday": "1990-12-31"`), person("U", `"birthday": "31/12/1990"`)).Results
	require.Equal(t, [][]string{{"INVALID birthday"}, {}, {"INVALID birthday"}}, [][]string{wrong(results[0]), wrong(results[1]), wrong(results[2])})
}

// Each line of a file acts as a call of its own: the last birthday counts, and the line is told that an earlier one had another,
// also where another transaction wrote that. What was stored before the file, and what does not change, is no contradiction.
func TestOneKeyWithTwoBirthdaysInAFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bulk(t)
	w.upsert(t, batch.RejectFailedRows, `{"sourceId": "0", "dateOfBirth": "1980-01-01", "ssn": "219-09-0000"}`)
	between := func(line func(i int) string) string {
		lines := make([]string, 1100)
		for i := range lines {
			lines[i] = line(i)
		}
		return strings.Join(lines, "\n")
	}
	_, results := b.Import(t, w.v, upsertFile(bulk.JSONL), strings.Join([]string{
		`{"sourceId": "0", "dateOfBirth": "1980-01-02"}`,
		`{"sourceId": "1", "dateOfBirth": "1985-06-15", "ssn": "219-09-1234"}`,
		`{"sourceId": "1", "dateOfBirth": "1985-06-16"}`,
		`{"sourceId": "2", "dateOfBirth": "1985-06-15"}`,
		between(func(i int) string { return fmt.Sprintf(`{"sourceId": "f%d"}`, i) }),
		`{"sourceId": "2", "dateOfBirth": " 1985-06-15"}`,
		`{"sourceId": "1", "ssn": "219-09-1235", "dateOfBirth": "1985-06-16"}`,
		`{"sourceId": "0", "ssn": "219-09-0001", "dateOfBirth": "1980-01-03"}`,
	}, "\n"))
	told := map[int][]string{}
	for i, r := range results {
		require.NotEqual(t, batch.Failed, r.Action, i)
		if len(r.UserErrors) > 0 {
			told[i] = r.Wrong()
		}
	}
	require.Equal(t, map[int][]string{2: {"DUPLICATE_INPUT_ITEM dateOfBirth"}, 1105: {"DUPLICATE_INPUT_ITEM ssn"}, 1106: {"DUPLICATE_INPUT_ITEM dateOfBirth"}}, told)
	var last int
	require.NoError(t, w.pool.Get(t.Context(), &last, "SELECT count(*) FROM customers WHERE birthday = '1980-01-03'"))
	require.Equal(t, 1, last, "the last one counts")

	person := func(id, more string) string {
		return fmt.Sprintf(`{"sourceOrganizationId": "50004", "sourceCustomerId": "%s"%s}`, id, more)
	}
	_, results = b.Import(t, w.v, bulk.CreateInput{Kind: bulk.CreateCustomers, Format: bulk.JSONL}, strings.Join([]string{
		person("K", `, "birthday": "1985-06-15"`), between(func(i int) string { return person(fmt.Sprint("f", i), "") }), person("K", `, "birthday": "1985-06-16"`),
	}, "\n"))
	require.Equal(t, []string{"DUPLICATE_INPUT_ITEM birthday"}, results[len(results)-1].Wrong())
	require.Equal(t, batch.Update, results[len(results)-1].Action)

	in := upsertFile(bulk.JSONL)
	in.ErrorPolicy = graphql.OmittableOf(new(batch.IgnoreFailed))
	_, results = b.Import(t, w.v, in, `{"sourceId": "9", "dateOfBirth": "31/12/1990"}
{"sourceId": "9", "dateOfBirth": "1990-12-31"}
{"sourceId": "9", "dateOfBirth": "31/12/1990"}
`)
	require.Equal(t, [][]string{{"INVALID dateOfBirth"}, {}, {"INVALID dateOfBirth"}}, [][]string{results[0].Wrong(), results[1].Wrong(), results[2].Wrong()})
}

// exec runs a statement.
func (w *world) exec(t testing.TB, query string, args ...any) {
	t.Helper()
	_, err := w.pool.Exec(t.Context(), query, args...)
	require.NoError(t, err)
}

// normalize brings the stored keys into their form, and returns those that another row has.
func (w *world) normalize(t testing.TB) (taken []string) {
	t.Helper()
	w.exec(t, `INSERT INTO organizations (organization_id, id, name, created_at, updated_at, created_by, updated_by) VALUES ($1, $1, 'Harbor', now(), now(), 'x', 'x')
		ON CONFLICT DO NOTHING`, w.v.OrganizationID)
	require.NoError(t, migrations.NormalizeKeys(t.Context(), w.pool.SQL(), func(k migrations.StoredKey) {
		if k.Taken {
			taken = append(taken, k.Table+"."+k.Column)
		}
	}))
	return taken
}

// Keys that two customers had are in order when these are merged, whichever survives.
func TestKeysOfMergedCustomersAreInOrder(t *testing.T) {
	t.Parallel()
	for name, survivor := range map[string]int{"form survives": 0, "other spelling survives": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.create(t, batch.RejectFailedRows, person("A", `"referenceId": "R1"`), person("B", `"referenceId": "R2"`)).Results
			two := []*customer.Customer{r[0].Customer, r[1].Customer}
			w.exec(t, "UPDATE customers SET reference_id = ' R1' WHERE reference_id = 'R2'")
			w.exec(t, "UPDATE customer_identifiers SET source_id = 'A ' WHERE source_id = 'B'")
			require.Equal(t, []string{"customers.reference_id", "customer_identifiers.source_id"}, w.normalize(t))
			duplicate := two[1-survivor].ID()
			_, err := w.merging.Merge(t.Context(), w.v, merging.Input{SurvivorID: two[survivor].ID(), DuplicateIDs: []*relay.ID{&duplicate}})
			require.NoError(t, err)
			require.Empty(t, w.normalize(t))
			require.Len(t, all(t, w, customer.Identifiers), 1)
			var references []string
			require.NoError(t, w.pool.Select(t.Context(), &references, "SELECT reference_id FROM customers WHERE reference_id IS NOT NULL"))
			require.Equal(t, []string{"R1"}, references)
		})
	}
}

// A merge of before left the reference with the duplicate, since it was spelled otherwise.
func TestAReferenceOfAMergedCustomerIsTheSurvivors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.create(t, batch.RejectFailedRows, person("A", `"referenceId": "R1"`), person("B", `"referenceId": "R2"`)).Results
	w.exec(t, "UPDATE customers SET deleted_at = now(), merged_into_id = $1 WHERE id = $2", r[1].Customer.UUID, r[0].Customer.UUID)
	w.exec(t, "UPDATE customers SET reference_id = ' R1' WHERE id = $1", r[1].Customer.UUID)
	require.Empty(t, w.normalize(t))
	var reference string
	require.NoError(t, w.pool.Get(t.Context(), &reference, "SELECT reference_id FROM customers WHERE id = $1", r[1].Customer.UUID))
	require.Equal(t, "R1", reference)
}

// Who waited for a key that only in its form is that of a stored customer is linked by a job.
func TestWhoWaitedForAKeyInItsFormIsLinked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, batch.RejectFailedRows, person("C", childOf("P_")), person("B", accounts(accountOf("K", "P_", "B", "P_"))))
	p := w.create(t, batch.RejectFailedRows, person("P")).Results[0].Customer
	w.exec(t, "UPDATE customers SET parent_source_id = 'P ' WHERE parent_source_id = 'P_'")
	w.exec(t, "UPDATE account_holders SET source_customer_id = 'P ' WHERE source_customer_id = 'P_'")
	w.exec(t, "UPDATE accounts SET primary_source_customer_id = 'P '")
	require.Empty(t, w.normalize(t))
	var args []byte
	require.NoError(t, w.pool.Get(t.Context(), &args, "SELECT args FROM river_job WHERE kind = $1", intake.LinkParentsArgs{}.Kind()))
	var job intake.LinkParentsArgs
	require.NoError(t, json.Unmarshal(args, &job))
	require.NoError(t, w.LinkParents(t.Context(), job.Organization, job.Identifiers))
	require.Equal(t, map[string]string{"C": "P"}, w.parents(t))
	for _, h := range all(t, w, account.Holders) {
		require.NotNil(t, h.CustomerID, h.SourceCustomerID)
	}
	require.Equal(t, p.UUID, *all(t, w, account.Accounts)[0].PrimaryCustomerID)
	w.exec(t, "DELETE FROM river_job")
	require.Empty(t, w.normalize(t))
	require.Zero(t, w.count(t, "river_job"), "nobody waits")
}

// A key may get its form between the moment in which the job reads it and that in which it locks its customer.
func TestAKeyChangesWhileTheJobLinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, batch.RejectFailedRows, person("P"))
	i := all(t, w, customer.Identifiers)[0]
	w.exec(t, "UPDATE customer_identifiers SET source_id = 'P '")
	w.create(t, batch.RejectFailedRows, person("C", childOf("P")))
	tx, err := w.pool.SQL().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	_, err = tx.ExecContext(t.Context(), "LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- w.LinkParents(t.Context(), w.v.OrganizationID, []uuid.UUID{i.UUID}) }()
	require.Eventually(t, func() bool {
		var waits bool
		err := tx.QueryRowContext(t.Context(), "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = CAST('customers' AS regclass))").Scan(&waits)
		return err == nil && waits
	}, time.Minute, 5*time.Millisecond)
	_, err = tx.ExecContext(t.Context(), "UPDATE customer_identifiers SET source_id = 'P' WHERE id = $1", i.UUID)
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	require.NoError(t, <-ended)
	require.Equal(t, map[string]string{"C": "P"}, w.parents(t))
}
