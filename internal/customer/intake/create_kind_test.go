package intake_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/bulk"
	"caseload/internal/bulk/bulktest"

	"caseload/internal/customer/account"
	"caseload/internal/customer/intake"
	"caseload/internal/fault"
)

// oneLine writes a JSON object as a line of a file.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") + "\n" }

var createFile = bulk.CreateInput{Kind: bulk.CreateCustomers, Format: bulk.JSONL}

func TestAFileOfCustomersWithAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bulk(t)
	bare := edit(t, seedCustomer, "organizationId", remove)
	o, results := b.Import(t, w.v, createFile, oneLine(seedCustomer)+
		oneLine(edit(t, seedCustomer, "accounts.0.cards.0.last4", "4111111111111111"))+
		oneLine(edit(t, seedCustomer, "accounts", []any{1, "x"}))+
		`{"referenceId": "R-1", "firstName": "Ann"}`+"\n"+
		oneLine(bare))
	require.Equal(t, []batch.Action{batch.Create, batch.Failed, batch.Failed, batch.Create, batch.Failed}, bulktest.Actions(results))
	require.Equal(t, []int32{2, 3}, []int32{o.CreatedCount, o.FailedCount})
	require.Equal(t, []string{"INVALID accounts.0.cards.0.last4"}, results[1].Wrong())
	require.Equal(t, []string{"INVALID accounts.0", "INVALID accounts.1"}, results[2].Wrong())
	require.Equal(t, "R-1", *results[3].Key)
	require.Equal(t, *results[0].Key, *results[2].Key, "a row of a wrong type is known by its key too")
	require.Equal(t, []string{"REQUIRED sourceOrganizationId"}, results[4].Wrong())
	for _, e := range results[1].UserErrors {
		require.NotContains(t, e.Message, "4111")
	}
	require.Len(t, all(t, w, account.Cards), 1)
	require.Len(t, all(t, w, account.Holders), 2)
	require.Empty(t, all(t, w, intake.ImportRequests), "what became of the lines is in the results")

	// The source of the file is the organization of the rows that name none.
	in := createFile
	in.Options = map[string]any{"createCustomers": &intake.CreateCustomersOptions{SourceOrganizationID: val("50004")}}
	_, results = b.Import(t, w.v, in, oneLine(bare))
	require.Equal(t, []batch.Action{batch.Unchanged}, bulktest.Actions(results))

	o, _ = b.Import(t, w.v, createFile, oneLine(edit(t, seedCustomer, "accounts.0.cards.0.number", "x")))
	require.Equal(t, bulk.Refused, o.State)
	require.Equal(t, "#/customers/0/accounts/0/cards/0: extraneous key [number] is not permitted", o.MessageTexts[0])
}

func TestWhatAFileOfCustomersWithAccountsCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bulk(t)
	_, err := b.Create(t.Context(), w.v, bulk.CreateInput{Kind: bulk.CreateCustomers, Format: bulk.CSV,
		Options: map[string]any{"createCustomers": &intake.CreateCustomersOptions{SourceOrganizationID: val("crm")}, "upsertCustomers": &intake.UpsertCustomersOptions{}}}, bulk.File{})
	errs, ok := fault.AsUserErrors(err)
	require.True(t, ok, err)
	require.Equal(t, []string{"NOT_ALLOWED input.upsertCustomers", "NOT_ALLOWED input.format", "INVALID input.createCustomers.sourceOrganizationId"}, codesOf(errs))
}

// customerLine is a customer with accounts, in few words.
func customerLine(id, parent string, accounts ...map[string]any) string {
	row := map[string]any{"organizationId": "1", "sourceCustomerId": id}
	if parent != "" {
		row["sourceParentCustomerId"] = parent
	}
	if len(accounts) > 0 {
		row["accounts"] = accounts
	}
	// Texts and lists of them can be written.
	text, _ := json.Marshal(row)
	return string(text)
}

func accountLine(id, status, closed string, holders ...string) map[string]any {
	a := map[string]any{"sourceAccountId": id, "sourceCustomerIds": holders, "primarySourceCustomerId": holders[0], "status": status, "type": "DDA"}
	if closed != "" {
		a["accountCloseDate"] = closed
	}
	return a
}

// Within one call customers that mention an account must agree on it. A file is no call: whether two lines are in one
// chunk must not be seen.
func TestALineOfAFileActsLikeACallOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := strings.Join([]string{
		customerLine("A", "", accountLine("X", "OPEN", "", "A", "B")),
		customerLine("B", "A", accountLine("X", "CLOSED", "2026-01-02T00:00:00Z", "B")),
		customerLine("C", "", accountLine("X", "OPEN", "", "C")),
	}, "\n")
	_, results := w.bulk(t).Import(t, w.v, createFile, file)
	require.Equal(t, []batch.Action{batch.Create, batch.Create, batch.Failed}, bulktest.Actions(results))
	require.Equal(t, []string{"INVALID accounts.0.accountCloseDate"}, results[2].Wrong(), "it is closed, says the line before")
	a := all(t, w, account.Accounts)[0]
	require.Equal(t, account.Closed, a.Status)
	holders := all(t, w, account.Holders)
	require.Len(t, holders, 1)
	require.Equal(t, "B", holders[0].SourceCustomerID)
	require.Equal(t, int32(1), a.Version)
}

func TestAnyFileIsLikeItsLinesOneByOne(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	inFile, oneByOne := newWorld(t), newWorld(t)
	for range 10 {
		inFile.empty(t)
		oneByOne.empty(t)
		lines := make([]string, 1+random.IntN(12))
		for i := range lines {
			lines[i] = anyCustomer(t, random)
		}
		policy := oneOf(random, batch.RejectFailedRows, batch.IgnoreFailed)
		in := createFile
		in.ErrorPolicy = val(policy)
		_, results := inFile.bulk(t).Import(t, inFile.v, in, strings.Join(lines, "\n"))
		for i, line := range lines {
			one := oneByOne.create(t, policy, line).Results[0]
			require.Equal(t, wrong(one), results[i].Wrong(), "line %d of\n%s", i, strings.Join(lines, "\n"))
			require.Equal(t, one.Action, bulktest.Actions(results)[i], "line %d of\n%s", i, strings.Join(lines, "\n"))
		}
		// Each organization has an index of numbers of its own.
		require.Equal(t, oneByOne.storedBut(t, "version", "number_index"), inFile.storedBut(t, "version", "number_index"), "%s", strings.Join(lines, "\n"))
		require.Equal(t, oneByOne.numbers(t), inFile.numbers(t), "%s", strings.Join(lines, "\n"))
		require.Equal(t, oneByOne.marks(t) != "", inFile.marks(t) != "", "%s", strings.Join(lines, "\n"))
	}
}

// numbers are the numbers of accounts, masked.
func (w *world) numbers(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, a := range all(t, w, account.Accounts) {
		masked, err := a.NumberMasked(w.sealer)
		require.NoError(t, err)
		if masked != nil {
			out[a.SourceAccountID] = *masked
		}
	}
	return out
}

func oneOf[T any](random *rand.Rand, values ...T) T { return values[random.IntN(len(values))] }

// anyCustomer is a line about one of a few customers and accounts.
func anyCustomer(t testing.TB, random *rand.Rand) string {
	ids := []string{"A", "B", "C", "D"}
	id := oneOf(random, ids...)
	var accounts []map[string]any
	for n := range random.IntN(3) {
		holders := []string{id}
		for range random.IntN(3) {
			holders = append(holders, oneOf(random, ids...))
		}
		slices.Sort(holders)
		a := accountLine(oneOf(random, "X", "Y"), oneOf(random, "OPEN", "CLOSED"), oneOf(random, "", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"), slices.Compact(holders)...)
		if opened := oneOf(random, "", "", "2025-01-01T00:00:00Z", "2026-01-03T00:00:00Z"); opened != "" {
			a["accountOpenDate"] = opened
		}
		if number := oneOf(random, "", "", "ACC-0001", "ACC-0002"); number != "" {
			a["accountNumber"] = number
		}
		if random.IntN(2) == 0 {
			a["cards"] = []any{map[string]any{"sourceCustomerId": id, "last4": "1234", "iin": "123456", "cardType": oneOf(random, "CREDIT", "DEBIT"),
				"status": "OPEN", "openDate": "2020-01-01T00:00:00Z", "networkIdentifier": fmt.Sprint(n)}}
		}
		accounts = append(accounts, a)
	}
	line := customerLine(id, oneOf(random, append([]string{""}, ids...)...), accounts...)
	for key, values := range map[string][]any{
		"firstName": {"Ann", "Eve", nil}, "city": {"Austin", nil}, "targetingIndicator": {"TARGET", "CONTROL", nil},
		"doNotCall": {true, false, nil}, "isTest": {true, nil}, "customerCreationDate": {"2017-01-01T08:00:00Z", "2018-01-01T08:00:00Z"},
	} {
		if random.IntN(4) == 0 {
			line = edit(t, line, key, oneOf(random, values...))
		}
	}
	return line
}
