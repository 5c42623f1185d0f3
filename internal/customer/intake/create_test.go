package intake_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/customertest"
	"caseload/internal/customer/intake"
	"caseload/internal/customer/merging"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

func TestCreateStoresTheExampleOfTheSourceDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	result := w.create(t, batch.RejectFailedRows, seedCustomer)
	row := result.Results[0]
	require.Equal(t, batch.Create, row.Action)
	require.Empty(t, row.UserErrors)
	require.Equal(t, "afa2r21-25f9-4501-b9db-e78afa73c0e3", row.Key)
	require.Equal(t, "sourceCustomerId", row.LookupKey)
	require.True(t, row.Success())

	id := row.Customer.UUID
	identifier := all(t, w, customer.Identifiers)[0]
	require.Equal(t, []any{"50004", row.Key, "", id}, []any{identifier.Source, identifier.SourceID, identifier.Language, identifier.CustomerID})
	require.Equal(t, "2017-01-01T08:00:00Z", identifier.SourceCreatedAt.UTC().Format(time.RFC3339))
	address := all(t, w, customer.Addresses)[0]
	require.Equal(t, []any{customer.AddressLabel("PRIMARY"), "78753", "US"}, []any{address.Label, *address.PostalCode, address.Country})
	stored := all(t, w, customer.Customers)[0]
	require.Nil(t, stored.ReferenceID)
	require.Nil(t, stored.ParentID, "the parent is not known yet")
	require.Equal(t, "2e052a88-6ae1-4501-b9db-e78afa73c0e3", *stored.ParentSourceID)
	program := all(t, w, customer.AlertPrograms)[0]
	require.Equal(t, []any{id, "ACTIVE", []string{"ALL"}, "TARGET"}, []any{program.UUID, *program.OptInStatus, []string(program.AlertOptIns), *program.TargetingIndicator})
	require.True(t, program.EnrollmentStartsAt.Equal(*program.EnrollmentEndsAt))

	a := all(t, w, account.Accounts)[0]
	require.Equal(t, []any{"50004", account.Open, "DDA", &id, int32(1), false}, []any{a.Source, a.Status, a.Type, a.PrimaryCustomerID, a.Version, a.NumberProvided()})
	require.Nil(t, a.ClosedAt)
	holders := all(t, w, account.Holders)
	require.Len(t, holders, 2)
	for _, h := range holders {
		require.Equal(t, h.SourceCustomerID == row.Key, h.IsPrimary)
		require.Equal(t, h.SourceCustomerID == row.Key, h.CustomerID != nil)
	}
	card := all(t, w, account.Cards)[0]
	require.Equal(t, []any{"123456", "2345", "CREDIT", account.Open, "3", &id}, []any{card.IIN, card.LastFour, card.CardType, card.Status, *card.NetworkIdentifier, card.CustomerID})

	request := all(t, w, intake.ImportRequests)[0]
	require.Equal(t, result.Request.UUID, request.UUID)
	require.Equal(t, []int32{1, 1, 0, 0, 0, 0}, []int32{request.Total, request.Created, request.Updated, request.Unchanged, request.Failed, request.Skipped})
	kept := all(t, w, intake.ImportRows)[0]
	require.Equal(t, []any{request.UUID, int32(0), batch.Create, row.Key, "sourceCustomerId", &id}, []any{kept.RequestID, kept.Index, kept.Action, kept.Key, kept.LookupKey, kept.CustomerID})
	errs, err := kept.Errors()
	require.NoError(t, err)
	require.Empty(t, errs)
}

func TestCreateAgainChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	full := edit(t, seedCustomer, "accounts.0.accountNumber", "GB29NWBK60161331926819")
	w.create(t, batch.RejectFailedRows, full)
	before := w.stored(t)
	entries := w.count(t, "audit_entries")
	require.Equal(t, []batch.Action{batch.Unchanged}, actions(w.create(t, batch.RejectFailedRows, full)))
	require.Equal(t, before, w.stored(t))
	require.Equal(t, entries, w.count(t, "audit_entries"))

	// Each of these changes exactly what it says.
	for path, value := range map[string]any{
		"country": "DE", "targetingIndicator": "CONTROL", "accounts.0.sourcePortfolioId": "P-2", "accounts.0.cards.0.cardType": "DEBIT",
		"accounts.0.accountNumber": "ACC-0002", "customerCreationDate": "2016-01-01T08:00:00Z", "sourceParentCustomerId": "somebody-else",
	} {
		changed := edit(t, full, path, value)
		require.Equal(t, []batch.Action{batch.Update}, actions(w.create(t, batch.RejectFailedRows, changed)), path)
		require.Equal(t, []batch.Action{batch.Unchanged}, actions(w.create(t, batch.RejectFailedRows, changed)), path)
		require.Equal(t, []batch.Action{batch.Update}, actions(w.create(t, batch.RejectFailedRows, full)), path)
	}
}

// What became of a row is told of that row, also where others of the call mean the same customer or account.
func TestEachRowOfACustomerIsToldByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := accounts(accountOf("K", "A", "A", "B"))
	r := w.create(t, batch.RejectFailedRows, person("A", k), person("A", k), person("A"), person("A", `"firstName": "Ann"`), person("A", `"firstName": "Ann"`), person("B", k))
	require.Equal(t, []batch.Action{batch.Create, batch.Unchanged, batch.Unchanged, batch.Update, batch.Unchanged, batch.Create}, actions(r))
	require.EqualValues(t, 1, r.Results[5].Customer.Version)
	more := func(a string) string {
		return strings.Replace(a, `"DDA"`, `"DDA", "accountOpenDate": "2020-01-01T00:00:00Z"`, 1)
	}
	holders := accounts(accountOf("K", "A", "A", "B", "C"))
	r = w.create(t, batch.RejectFailedRows, person("A"), person("A", more(k)), person("B", more(k)), person("A", holders), person("B", holders),
		person("A", `"targetingIndicator": "TARGET"`), person("A", `"targetingIndicator": "TARGET"`),
		person("A", `"customerCreationDate": "2017-01-01T08:00:00Z"`), person("A", `"customerCreationDate": "2017-01-01T08:00:00Z"`))
	require.Equal(t, []batch.Action{batch.Unchanged, batch.Update, batch.Unchanged, batch.Update, batch.Unchanged, batch.Update, batch.Unchanged, batch.Update, batch.Unchanged}, actions(r))
	require.Equal(t, []int32{9, 0, 4, 5}, []int32{r.Request.Total, r.Request.Created, r.Request.Updated, r.Request.Unchanged})
}

func ptr[T any](v T) *T { return &v }

func (w *world) count(t testing.TB, table string) (n int) {
	t.Helper()
	require.NoError(t, w.pool.Get(t.Context(), &n, "SELECT count(*) FROM "+table))
	return n
}

func person(id string, more ...string) string {
	return fmt.Sprintf(`{"organizationId": "7", "sourceCustomerId": %q%s}`, id, strings.Join(append([]string{""}, more...), ", "))
}

func accountOf(id, primary string, holders ...string) string {
	return fmt.Sprintf(`{"sourceAccountId": %q, "sourceCustomerIds": ["%s"], "primarySourceCustomerId": %q, "status": "OPEN", "type": "DDA"}`,
		id, strings.Join(holders, `", "`), primary)
}

func accounts(list ...string) string { return `"accounts": [` + strings.Join(list, ", ") + `]` }

func TestCustomersAreKnownByEitherKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.create(t, batch.RejectFailedRows, `{"referenceId": "R-1", "firstName": "Ann"}`).Results[0]
	require.Equal(t, []string{"R-1", "referenceId"}, []string{first.Key, first.LookupKey})
	// Both keys: the customer of the reference gets the id.
	both := w.create(t, batch.RejectFailedRows, person("A", `"referenceId": "R-1"`, `"lastName": "Lee"`)).Results[0]
	require.Equal(t, batch.Update, both.Action)
	require.Equal(t, first.Customer.UUID, both.Customer.UUID)
	require.Equal(t, "sourceCustomerId", both.LookupKey)
	// The id alone leads to the same, and a reference can be added to one known by id.
	require.Equal(t, batch.Unchanged, w.create(t, batch.RejectFailedRows, person("A")).Results[0].Action)
	w.create(t, batch.RejectFailedRows, person("B"))
	require.Equal(t, batch.Update, w.create(t, batch.RejectFailedRows, person("B", `"referenceId": "R-2"`)).Results[0].Action)
	require.Equal(t, 2, w.count(t, "customers"))
	w.create(t, batch.RejectFailedRows, person("C", fmt.Sprintf(`"referenceId": %q`, long(255))))
	before := w.stored(t)
	for row, want := range map[string]string{
		person("A", `"referenceId": "R-2"`): "TAKEN referenceId",
		person("A", `"referenceId": "R-9"`): "INVALID referenceId",
	} {
		got := w.create(t, batch.IgnoreFailed, row).Results[0]
		require.Equal(t, batch.Failed, got.Action)
		require.Equal(t, []string{want}, wrong(got))
		require.Nil(t, got.Customer)
	}
	require.Equal(t, before, w.stored(t))

	// In one call, too: the third row says that the first two are the same, but they are not.
	r := w.create(t, batch.RejectFailedRows, person("X"), `{"referenceId": "R-X"}`, person("X", `"referenceId": "R-X"`), person("Y", `"referenceId": "R-Y"`), `{"referenceId": "R-Y", "firstName": "Y"}`)
	require.Equal(t, []batch.Action{batch.Create, batch.Create, batch.Failed, batch.Create, batch.Update}, actions(r))
	require.Equal(t, r.Results[3].Customer.UUID, r.Results[4].Customer.UUID)
	require.Equal(t, "Y", *r.Results[3].Customer.FirstName)
}

func TestDeletedCustomersAreNotWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.create(t, batch.RejectFailedRows, person("A"), person("B"), `{"referenceId": "R"}`, `{"referenceId": "OLD"}`)
	_, err := w.customers.Delete(t.Context(), w.v, customer.DeleteInput{ID: r.Results[0].Customer.ID()})
	require.NoError(t, err)
	duplicates := []*relay.ID{ptr(r.Results[1].Customer.ID()), ptr(r.Results[3].Customer.ID())}
	_, err = w.merging.Merge(t.Context(), w.v, merging.Input{SurvivorID: r.Results[2].Customer.ID(), DuplicateIDs: duplicates})
	require.NoError(t, err)
	// A merge moves the ids of source systems; a reference stays where it was.
	survivor := w.create(t, batch.RejectFailedRows, person("B", `"lastName": "Lee"`), `{"referenceId": "OLD"}`)
	require.Equal(t, r.Results[2].Customer.UUID, survivor.Results[0].Customer.UUID)
	require.Equal(t, []string{"INVALID_STATE referenceId"}, wrong(survivor.Results[1]))
	require.Contains(t, survivor.Results[1].UserErrors[0].Message, r.Results[2].Customer.ID().String())
	before := w.stored(t)
	for policy := range map[batch.ErrorPolicy]bool{batch.RejectFailedRows: true, batch.IgnoreFailed: true} {
		got := w.create(t, policy, person("A", `"firstName": "Eve"`, accounts(accountOf("K", "A", "A"))), person("A", `"firstName": ""`))
		require.Equal(t, []batch.Action{batch.Failed, batch.Failed}, actions(got))
		require.Equal(t, []string{"INVALID_STATE sourceCustomerId"}, wrong(got.Results[0]))
		require.Equal(t, []string{"INVALID_STATE sourceCustomerId", "BLANK firstName"}, wrong(got.Results[1]), "all at once")
		require.Contains(t, got.Results[0].UserErrors[0].Message, "restoreCustomer")
	}
	require.Equal(t, before, w.stored(t))
}

func TestErrorPolicies(t *testing.T) {
	t.Parallel()
	rows := []string{
		person("A", `"firstName": "Ann"`),
		person("B", `"firstName": "Bob"`, `"email": "nobody"`, accounts(accountOf("K1", "B", "B"), strings.Replace(accountOf("K2", "B", "B"), "OPEN", "AJAR", 1))),
		`{"organizationId": "7", "firstName": "Nobody"}`,
		person("D", accounts(accountOf("K3", "D", "D"))),
	}
	for _, c := range []struct {
		policy    batch.ErrorPolicy
		actions   []batch.Action
		customers int
		accounts  int
	}{
		{batch.RejectFailedRows, []batch.Action{batch.Create, batch.Failed, batch.Failed, batch.Create}, 2, 1},
		{batch.RejectEverything, []batch.Action{batch.Skipped, batch.Failed, batch.Failed, batch.Skipped}, 0, 0},
		{batch.IgnoreFailed, []batch.Action{batch.Create, batch.Create, batch.Failed, batch.Create}, 3, 2},
	} {
		t.Run(string(c.policy), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.create(t, c.policy, rows...)
			require.Equal(t, c.actions, actions(r))
			require.Equal(t, []string{"INVALID accounts.1.status", "INVALID email"}, wrong(r.Results[1]))
			require.Equal(t, []string{"REQUIRED sourceCustomerId"}, wrong(r.Results[2]))
			require.Equal(t, c.customers, w.count(t, "customers"))
			require.Equal(t, c.accounts, w.count(t, "accounts"))
			for _, row := range r.Results {
				require.Equal(t, row.Success(), row.Customer != nil)
			}
			// What became of the rows is kept under every policy.
			request := all(t, w, intake.ImportRequests)[0]
			require.Equal(t, r.Request.UUID, request.UUID)
			require.EqualValues(t, 4, request.Total)
			require.Equal(t, 4, w.count(t, "import_rows"))
			kept := all(t, w, intake.ImportRows)
			for _, k := range kept {
				require.Equal(t, c.actions[k.Index], k.Action)
				errs, err := k.Errors()
				require.NoError(t, err)
				require.Equal(t, []*fault.UserError(r.Results[k.Index].UserErrors), errs)
			}
		})
	}
}

func TestCallsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refused := func(rows []*intake.CreateRow) string {
		_, err := w.Create(t.Context(), w.v, intake.CreateInput{Customers: rows})
		errs, ok := fault.AsUserErrors(err)
		require.True(t, ok, "%v", err)
		return string(errs[0].Code) + " " + strings.Join(errs[0].Path, ".")
	}
	require.Equal(t, "REQUIRED input.customers", refused(nil))
	require.Equal(t, "LIMIT_EXCEEDED input.customers", refused(make([]*intake.CreateRow, 51)))
	require.Zero(t, w.count(t, "import_requests"))

	many := func(n int, f func(i int) string) string {
		list := make([]string, n)
		for i := range list {
			list[i] = f(i)
		}
		return strings.Join(list, ", ")
	}
	r := w.create(t, batch.RejectFailedRows,
		person("A", `"accounts": [`+many(51, func(i int) string { return accountOf(fmt.Sprint("K", i), "A", "A") })+`]`),
		person("B", `"alertOptInStatus": [`+many(51, func(i int) string { return fmt.Sprintf("%q", fmt.Sprint("W", i)) })+`]`),
		person("C", accounts(strings.Replace(accountOf("K", "C", "C"), `["C"]`, `["C", `+many(50, func(i int) string { return fmt.Sprintf("%q", fmt.Sprint("H", i)) })+`]`, 1))),
		person("D", accounts(strings.Replace(accountOf("K", "D", "D"), `"type"`, `"cards": [`+many(51, func(int) string { return `{}` })+`], "type"`, 1))))
	for i, want := range []string{"accounts", "alertOptInStatus", "accounts.0.sourceCustomerIds", "accounts.0.cards"} {
		require.Equal(t, []string{"LIMIT_EXCEEDED " + want}, wrong(r.Results[i]))
	}
}

// The statements of a call do not grow with the customers, accounts and cards in it.
func TestStatementsAreFixed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var counts []int
	for round, n := range []int{2, 10, 50} {
		var rows []string
		for i := range n {
			id := fmt.Sprintf("%d-%d", round, i)
			row := edit(t, strings.ReplaceAll(seedCustomer, "afa2r21-25f9-4501-b9db-e78afa73c0e3", id), "accounts.0.sourceAccountId", "K"+id)
			rows = append(rows, edit(t, row, "accounts.0.cards.0.sourceAccountId", remove))
		}
		for range 2 {
			ctx := db.WithCounter(t.Context())
			_, err := w.Create(ctx, w.v, intake.CreateInput{Customers: customertest.CreateRows(t, rows...)})
			require.NoError(t, err)
			counts = append(counts, db.Statements(ctx))
		}
	}
	require.Equal(t, counts[:2], counts[2:4])
	require.Equal(t, counts[:2], counts[4:])
	require.LessOrEqual(t, counts[0], 26)
	require.LessOrEqual(t, counts[1], 16, "a repetition reads, and writes the import request alone")
}

func TestParentsOfCreatedCustomers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	parent := func(id string) string { return fmt.Sprintf(`"sourceParentCustomerId": %q`, id) }
	r := w.create(t, batch.RejectFailedRows, person("A", parent("B")), person("B", parent("C")), person("S", parent("S")))
	require.Equal(t, []batch.Action{batch.Create, batch.Create, batch.Failed}, actions(r))
	require.Equal(t, []string{"INVALID sourceParentCustomerId"}, wrong(r.Results[2]))
	require.Equal(t, &r.Results[1].Customer.UUID, r.Results[0].Customer.ParentID)
	// C comes and would close a circle; then it comes without one.
	circle := w.create(t, batch.RejectFailedRows, person("C", parent("A")))
	require.Equal(t, []string{"INVALID sourceParentCustomerId"}, wrong(circle.Results[0]))
	c := w.create(t, batch.RejectFailedRows, person("C", `"firstName": "Cy"`)).Results[0]
	b, err := customer.Customers.ByID(t.Context(), w.pool, w.v.Scope(), r.Results[1].Customer.UUID)
	require.NoError(t, err)
	require.Equal(t, &c.Customer.UUID, b.ParentID)
	require.EqualValues(t, 2, b.Version)
	// Null takes the parent away.
	gone := w.create(t, batch.RejectFailedRows, person("B", `"sourceParentCustomerId": null`)).Results[0]
	require.Nil(t, gone.Customer.ParentID)
	require.Nil(t, gone.Customer.ParentSourceID)
}

type heard struct{ events []customer.Event }

func (h *heard) Emit(_ context.Context, _ *db.Tx, _ *viewer.Viewer, events ...customer.Event) error {
	h.events = append(h.events, events...)
	return nil
}

func TestCreateTellsOfItsCustomers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := &heard{}
	w.customers.Events = h
	w.create(t, batch.RejectFailedRows, person("A", `"sourceParentCustomerId": "P"`), person("B"))
	require.Len(t, h.events, 2)
	for _, e := range h.events {
		require.Equal(t, customer.EventCreated, e.Kind)
	}
	h.events = nil
	w.create(t, batch.RejectFailedRows, person("A"), person("B", accounts(accountOf("K", "B", "B"))), person("P"))
	kinds := map[relay.ID]string{}
	for _, e := range h.events {
		kinds[e.Customer.ID()] = string(e.Kind) + " " + strings.Join(e.Changed, ",")
	}
	require.Len(t, kinds, 3)
	got := map[string]int{}
	for _, kind := range kinds {
		got[kind]++
	}
	require.Equal(t, map[string]int{"customer.created created": 1, "customer.updated accounts": 1, "customer.updated parent_id": 1}, got)
	h.events = nil
	w.create(t, batch.RejectFailedRows, person("A"), person("B"), person("P"))
	require.Empty(t, h.events)
}

// A child who was deleted while it waited keeps the link, but is no news to anybody.
func TestNothingIsToldOfWhoIsDeleted(t *testing.T) {
	t.Parallel()
	for name, arrive := range map[string]func(t *testing.T, w *world){
		"create": func(t *testing.T, w *world) { w.create(t, batch.RejectFailedRows, person("P")) },
		"upsert": func(t *testing.T, w *world) {
			_, err := w.BulkUpsert(t.Context(), w.v, intake.BulkUpsertInput{Source: "7", Customers: []*intake.UpsertRow{{SourceID: "P"}}})
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			child := w.create(t, batch.RejectFailedRows, person("A", `"sourceParentCustomerId": "P"`)).Results[0].Customer
			_, err := w.customers.Delete(t.Context(), w.v, customer.DeleteInput{ID: child.ID()})
			require.NoError(t, err)
			h := &heard{}
			w.customers.Events = h
			arrive(t, w)
			require.Len(t, h.events, 1)
			require.Equal(t, customer.EventCreated, h.events[0].Kind)
			after, err := customer.Customers.ByID(t.Context(), w.pool, w.v.Scope(), child.UUID)
			require.NoError(t, err)
			require.Equal(t, &h.events[0].Customer.UUID, after.ParentID)
		})
	}
}
