package intake_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"caseload/internal/batch"
	"caseload/internal/bulk/bulktest"
	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/customertest"
	"caseload/internal/customer/intake"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// holdersOf returns the holders of an account by their ids in the source system, those who are known with a +.
func (w *world) holdersOf(t testing.TB, sourceAccountID string) string {
	t.Helper()
	var names []string
	for _, a := range all(t, w, account.Accounts) {
		for _, h := range all(t, w, account.Holders) {
			if a.SourceAccountID == sourceAccountID && h.AccountID == a.UUID {
				name := h.SourceCustomerID
				if h.CustomerID != nil {
					name += "+"
				}
				if h.IsPrimary {
					name = "*" + name
				}
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestJointAccountsAreMerged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := func(holders ...string) string { return accounts(accountOf("K", "A", holders...)) }
	r := w.create(t, batch.RejectFailedRows, person("A", k("A", "B")), person("B", k("A", "B", "C")))
	require.Equal(t, []batch.Action{batch.Create, batch.Create}, actions(r))
	require.Equal(t, "*A+ B+ C", w.holdersOf(t, "K"), "all that the call names")
	require.Equal(t, 1, w.count(t, "accounts"))

	// Holders that are not named any more are none: a list replaces what is stored.
	require.Equal(t, []batch.Action{batch.Update}, actions(w.create(t, batch.RejectFailedRows, person("A", k("A", "B")))))
	require.Equal(t, "*A+ B+", w.holdersOf(t, "K"))
	require.EqualValues(t, 2, all(t, w, account.Accounts)[0].Version)
	// A customer who names no account leaves it alone.
	w.create(t, batch.RejectFailedRows, person("B", `"firstName": "Bob"`))
	require.Equal(t, "*A+ B+", w.holdersOf(t, "K"))
	// Another primary holder is a change of both holders.
	w.create(t, batch.RejectFailedRows, person("B", accounts(accountOf("K", "B", "A", "B"))))
	require.Equal(t, "*B+ A+", w.holdersOf(t, "K"))
	require.Equal(t, &r.Results[1].Customer.UUID, all(t, w, account.Accounts)[0].PrimaryCustomerID)
}

func TestJointAccountsMustAgree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seed := strings.Replace(seedCustomer, `"sourcePortfolioId"`, `"accountNumber": "ACC-0001", "sourcePortfolioId"`, 1)
	other := edit(t, seed, "sourceCustomerId", "2e052a88-6ae1-4b78-8d96-f3a037402567")
	for path, value := range map[string]any{
		"accounts.0.status": "CLOSED", "accounts.0.type": "SAV", "accounts.0.primarySourceCustomerId": "2e052a88-6ae1-4b78-8d96-f3a037402567",
		"accounts.0.sourcePortfolioId": "other", "accounts.0.accountNumber": "ACC-0002", "accounts.0.accountOpenDate": "2018-05-12T20:30:01Z",
		"accounts.0.cards.0.cardType": "DEBIT", "accounts.0.cards.0.networkIdentifier": "4", "accounts.0.cards.0.status": "CLOSED",
	} {
		later := edit(t, other, path, value)
		if value == "CLOSED" {
			later = edit(t, later, strings.Replace(strings.Replace(path, "accounts.0.status", "accounts.0.accountCloseDate", 1), "cards.0.status", "cards.0.closeDate", 1), "2024-01-01T00:00:00Z")
		}
		r := w.create(t, batch.RejectFailedRows, seed, later)
		require.True(t, r.Results[0].Success(), path)
		require.Equal(t, batch.Failed, r.Results[1].Action, path)
		require.Contains(t, wrong(r.Results[1]), "DUPLICATE_INPUT_ITEM "+path)
		require.Contains(t, r.Results[1].UserErrors[0].Message, path[strings.LastIndexByte(path, '.')+1:], "the field is named")
	}
	require.Equal(t, 1, w.count(t, "customers"))
	// What one of them leaves out is no contradiction, and a wrong row contradicts nobody.
	less := edit(t, edit(t, edit(t, other, "accounts.0.sourcePortfolioId", remove), "accounts.0.accountOpenDate", remove), "accounts.0.cards.0.networkIdentifier", remove)
	bad := edit(t, edit(t, seed, "accounts.0.type", "SAV"), "country", "nowhere")
	r := w.create(t, batch.RejectFailedRows, bad, less, seed)
	require.Equal(t, []batch.Action{batch.Failed, batch.Create, batch.Unchanged}, actions(r))
	// Twice under one customer is judged alike.
	twice := person("T", accounts(accountOf("T", "T", "T"), accountOf("T", "T", "T", "U")))
	require.Equal(t, []batch.Action{batch.Create}, actions(w.create(t, batch.RejectFailedRows, twice)))
	require.Equal(t, "*T+ U", w.holdersOf(t, "T"))
	twice = strings.Replace(twice, "DDA", "SAV", 1)
	require.Equal(t, []string{"DUPLICATE_INPUT_ITEM accounts.1.type"}, wrong(w.create(t, batch.RejectFailedRows, twice).Results[0]))
}

// Each mention may fit what is stored, and both together not.
func TestAnAccountThatIsMentionedTwiceIsJudgedAsAWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mention := func(dates string) string {
		return strings.Replace(accountOf("K", "A", "A"), `"OPEN"`, `"CLOSED", `+dates, 1)
	}
	late := accounts(mention(`"accountCloseDate": "2020-01-01T00:00:00Z"`), mention(`"accountOpenDate": "2020-06-01T00:00:00Z"`))
	stored := person("A", accounts(mention(`"accountOpenDate": "2019-01-01T00:00:00Z", "accountCloseDate": "2021-01-01T00:00:00Z"`)))
	require.True(t, w.create(t, batch.RejectFailedRows, stored).Results[0].Success())
	for policy, want := range map[batch.ErrorPolicy]batch.Action{batch.RejectFailedRows: batch.Failed, batch.IgnoreFailed: batch.Update} {
		r := w.create(t, policy, person("A", late), person(string(policy)))
		require.Equal(t, []batch.Action{want, batch.Create}, actions(r), policy)
		require.Equal(t, []string{"OUT_OF_RANGE accounts.1.accountCloseDate"}, wrong(r.Results[0]), policy)
		require.True(t, w.create(t, batch.RejectFailedRows, stored).Results[0].Success())
	}
	_, results := w.bulk(t).Import(t, w.v, createFile, strings.Join([]string{stored, person("A", late), person("B")}, "\n"))
	require.Equal(t, []batch.Action{batch.Unchanged, batch.Failed, batch.Create}, bulktest.Actions(results))
	require.Equal(t, []string{"OUT_OF_RANGE accounts.1.accountCloseDate"}, results[1].Wrong())
}

// Those who are named before they come are led to by whichever way they come.
func TestAwaitedCustomersAreLedTo(t *testing.T) {
	t.Parallel()
	k := strings.Replace(accountOf("K", "B", "A", "B", "C"), `"type"`, `"cards": [
		{"sourceCustomerId": "B", "last4": "0001", "iin": "123456", "cardType": "CREDIT", "status": "OPEN", "openDate": "2023-01-01T08:00:00Z"},
		{"sourceCustomerId": "C", "last4": "0002", "iin": "123456", "cardType": "CREDIT", "status": "OPEN", "openDate": "2023-01-01T08:00:00Z"}], "type"`, 1)
	for name, arrive := range map[string]func(t *testing.T, w *world){
		"create":              func(t *testing.T, w *world) { w.create(t, batch.RejectFailedRows, person("B")) },
		"create with account": func(t *testing.T, w *world) { w.create(t, batch.RejectFailedRows, person("B", accounts(k))) },
		"create of a reference": func(t *testing.T, w *world) {
			w.create(t, batch.RejectFailedRows, `{"referenceId": "R"}`)
			w.create(t, batch.RejectFailedRows, person("B", `"referenceId": "R"`))
		},
		"upsert": func(t *testing.T, w *world) {
			r, err := w.BulkUpsert(t.Context(), w.v, intake.BulkUpsertInput{Source: "7", Customers: []*intake.UpsertRow{{SourceID: "B"}}})
			require.NoError(t, err)
			require.Equal(t, batch.Create, r.Results[0].Action)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.create(t, batch.RejectFailedRows, person("A", accounts(k)))
			require.Equal(t, "*B A+ C", w.holdersOf(t, "K"))
			require.Nil(t, all(t, w, account.Accounts)[0].PrimaryCustomerID)
			arrive(t, w)
			require.Equal(t, "*B+ A+ C", w.holdersOf(t, "K"))
			a := all(t, w, account.Accounts)[0]
			require.NotNil(t, a.PrimaryCustomerID)
			require.EqualValues(t, 2, a.Version)
			require.Equal(t, 1, w.count(t, `audit_entries e WHERE action = 'account.imported' AND changes = '{"fields": ["primary_customer"]}'
				AND customer_id = (SELECT primary_customer_id FROM accounts)`), "the log tells of it")
			for _, c := range all(t, w, account.Cards) {
				require.Equal(t, c.SourceCustomerID == "B", c.CustomerID != nil)
			}
			// The language is a part of the id: B in Spanish is somebody else.
			r, err := w.BulkUpsert(t.Context(), w.v, intake.BulkUpsertInput{Source: "7", Language: val("es"), Customers: []*intake.UpsertRow{{SourceID: "C"}}})
			require.NoError(t, err)
			require.True(t, r.Results[0].Success())
			require.Equal(t, "*B+ A+ C", w.holdersOf(t, "K"))
			before := w.stored(t)
			require.Equal(t, []batch.Action{batch.Unchanged}, actions(w.create(t, batch.RejectFailedRows, person("A", accounts(k)))))
			require.Equal(t, before, w.stored(t))
		})
	}
}

// branch is a set of customers with joint accounts, parents and cards that do not contradict each other.
func branch(draw *rapid.T) []string {
	n := rapid.IntRange(1, 6).Draw(draw, "customers")
	joint := rapid.SliceOfN(rapid.SliceOfNDistinct(rapid.IntRange(0, 7), 1, 4, rapid.ID), 0, 4).Draw(draw, "accounts")
	var rows []string
	for i := range n {
		var list []string
		for k, holders := range joint {
			if !slices.Contains(holders, i) {
				continue
			}
			var names []string
			for _, h := range holders {
				names = append(names, fmt.Sprint("C", h))
			}
			list = append(list, strings.Replace(accountOf(fmt.Sprint("K", k), names[0], names...), `"type"`, fmt.Sprintf(`"cards": [
				{"sourceCustomerId": %q, "last4": "000%d", "iin": "123456", "cardType": "CREDIT", "status": "OPEN", "openDate": "2023-01-01T08:00:00Z"}], "type"`, names[len(names)-1], i), 1))
		}
		// Parents have higher numbers, so that there are no circles; the highest are never sent.
		parent := rapid.IntRange(i+1, 8).Draw(draw, "parent")
		rows = append(rows, person(fmt.Sprint("C", i), fmt.Sprintf(`"sourceParentCustomerId": "C%d"`, parent), accounts(list...)))
	}
	return rows
}

// empty removes all that creates have stored.
func (w *world) empty(t testing.TB) {
	t.Helper()
	for _, table := range []string{"import_requests", "cards", "account_holders", "accounts", "customer_alert_programs", "customer_addresses", "customer_identifiers", "customers"} {
		_, err := w.pool.Exec(t.Context(), "DELETE FROM "+table)
		require.NoError(t, err)
	}
}

func TestTheOrderOfCustomersDoesNotMatter(t *testing.T) {
	t.Parallel()
	one, two := newWorld(t), newWorld(t)
	rapid.Check(t, func(draw *rapid.T) {
		for _, w := range []*world{one, two} {
			w.empty(t)
		}
		rows := branch(draw)
		one.create(t, batch.RejectEverything, rows...)
		r := two.create(t, batch.RejectEverything, rapid.Permutation(rows).Draw(draw, "order")...)
		for _, row := range r.Results {
			require.Equal(t, batch.Create, row.Action)
			require.Empty(t, row.UserErrors)
		}
		require.Equal(t, one.stored(t), two.stored(t))
	})
}

// 8 callers with shuffled, overlapping parts of the same customers and joint accounts leave what one caller does.
func TestCallersAtOnceLeaveWhatOneDoes(t *testing.T) {
	t.Parallel()
	alone, crowd := newWorld(t), newWorld(t)
	const n = 120
	var rows []string
	for i := range n {
		k := strings.Replace(accountOf(fmt.Sprint("K", i), fmt.Sprint("C", i), fmt.Sprint("C", i), fmt.Sprint("C", (i+1)%n), fmt.Sprint("C", (i+7)%n), "stranger"),
			`"type"`, fmt.Sprintf(`"cards": [{"sourceCustomerId": "C%d", "last4": "0001", "iin": "123456", "cardType": "CREDIT", "status": "OPEN", "openDate": "2023-01-01T08:00:00Z"}], "type"`, (i+7)%n), 1)
		parent := ""
		if i%3 == 0 {
			parent = fmt.Sprintf(`"sourceParentCustomerId": "C%d"`, (i/3+n/2+1)%n)
		}
		more := []string{accounts(k)}
		if parent != "" && i < n/2 {
			more = append(more, parent)
		}
		rows = append(rows, person(fmt.Sprint("C", i), more...))
	}
	chunks := func(w *world, order []int) error {
		for part := range slices.Chunk(order, 30) {
			var texts []string
			for _, i := range part {
				texts = append(texts, rows[i])
			}
			r, err := w.Create(t.Context(), w.v, intake.CreateInput{Customers: customertest.CreateRows(t, texts...)})
			if err != nil {
				return err
			}
			for _, row := range r.Results {
				if !row.Success() {
					return fmt.Errorf("row %s: %w", row.Key, fault.UserErrors(row.UserErrors))
				}
			}
		}
		return nil
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	require.NoError(t, chunks(alone, order))
	var wg sync.WaitGroup
	failed := make(chan error, 8)
	for caller := range 8 {
		own := slices.Clone(order)
		rand.New(rand.NewPCG(uint64(caller), 4)).Shuffle(n, func(i, j int) { own[i], own[j] = own[j], own[i] })
		wg.Go(func() { failed <- chunks(crowd, own) })
	}
	wg.Wait()
	close(failed)
	for err := range failed {
		require.NoError(t, err)
	}
	require.Equal(t, alone.storedBut(t, "version"), crowd.storedBut(t, "version"))
	require.Equal(t, n, crowd.count(t, "customers"))
	require.Zero(t, crowd.count(t, "account_holders h JOIN customer_identifiers i ON i.source = h.source AND i.source_id = h.source_customer_id WHERE h.customer_id IS NULL"),
		"nobody who came is awaited still")
	require.Zero(t, crowd.count(t, "customers c JOIN customer_identifiers i ON i.source = c.parent_source AND i.source_id = c.parent_source_id WHERE c.parent_id IS NULL"))
}

// emit is a listener for events.
type emit func(tx *db.Tx) error

func (f emit) Emit(_ context.Context, tx *db.Tx, _ *viewer.Viewer, _ ...customer.Event) error {
	return f(tx)
}

// A customer arrives while the call that names it has not committed yet.
func TestArrivalsAreNotMissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	arrived := make(chan error, 1)
	var once sync.Once
	w.customers.Events = emit(func(tx *db.Tx) (err error) {
		once.Do(func() {
			go func() {
				_, err := w.BulkUpsert(t.Context(), w.v, intake.BulkUpsertInput{Source: "7", Customers: []*intake.UpsertRow{{SourceID: "B"}}})
				arrived <- err
			}()
			// Until the other waits for us there is nothing to prove.
			tick := time.NewTicker(2 * time.Millisecond)
			defer tick.Stop()
			for waiting := 0; waiting == 0 && err == nil; {
				select {
				case err := <-arrived:
					arrived <- fmt.Errorf("a customer came although it was being named: %v", err)
					return
				case <-tick.C:
				}
				err = tx.Get(t.Context(), &waiting, "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
			}
		})
		return err
	})
	w.create(t, batch.RejectEverything, person("A", accounts(accountOf("K", "B", "A", "B"))))
	require.NoError(t, <-arrived)
	require.Equal(t, "*B+ A+", w.holdersOf(t, "K"))
}
