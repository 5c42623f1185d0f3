package intake_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/customertest"
	"caseload/internal/customer/intake"
	"caseload/internal/customer/merging"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/jobs"
	"caseload/internal/relay"
)

func childOf(id string) string { return fmt.Sprintf(`"sourceParentCustomerId": %q`, id) }

func upsertChild(id, of string) string {
	return fmt.Sprintf(`{"sourceId": %q, "parent": {"sourceId": %q}}`, id, of)
}

// parents are the source ids of children with those of their parents.
func (w *world) parents(t testing.TB) map[string]string {
	t.Helper()
	var rows []struct{ Child, Parent string }
	require.NoError(t, w.pool.Select(t.Context(), &rows, `SELECT i.source_id AS child, min(p.source_id) AS parent FROM customers c
		JOIN customer_identifiers i ON i.customer_id = c.id JOIN customer_identifiers p ON p.customer_id = c.parent_id GROUP BY 1`))
	out := map[string]string{}
	for _, r := range rows {
		out[r.Child] = r.Parent
	}
	return out
}

// requireNoCircle goes up from every customer.
func (w *world) requireNoCircle(t testing.TB) {
	t.Helper()
	var n int
	require.NoError(t, w.pool.Get(t.Context(), &n, `
		WITH RECURSIVE up AS (
			SELECT id AS start, parent_id FROM customers
			UNION
			SELECT up.start, c.parent_id FROM up JOIN customers c ON c.id = up.parent_id
		) SELECT count(*) FROM up WHERE start = parent_id`))
	require.Zero(t, n)
}

func TestASecondIDClosesNoCircle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, batch.RejectFailedRows, person("x", childOf("z")))
	w.create(t, batch.RejectFailedRows, person("p", childOf("x")))
	w.create(t, batch.RejectFailedRows, person("r", `"referenceId": "R1"`, childOf("p")))
	w.create(t, batch.RejectFailedRows, person("y", childOf("z")))
	require.Equal(t, []batch.Action{batch.Update}, actions(w.create(t, batch.RejectFailedRows, person("z", `"referenceId": "R1"`))))
	w.requireNoCircle(t)
	require.Equal(t, map[string]string{"p": "x", "r": "p", "z": "p", "y": "r"}, w.parents(t), "who stands above goes on waiting, others do not")
}

// Two customers get ids at the same time, each awaited by one above the other.
func TestTwoSecondIDsCloseNoCircle(t *testing.T) {
	t.Parallel()
	for range 5 {
		w := newWorld(t)
		w.create(t, batch.RejectFailedRows, person("x1", childOf("z1")), person("x2", childOf("z2")))
		w.create(t, batch.RejectFailedRows, person("r1", `"referenceId": "R1"`, childOf("x2")), person("r2", `"referenceId": "R2"`, childOf("x1")))
		var group sync.WaitGroup
		for _, n := range []string{"1", "2"} {
			group.Go(func() {
				w.create(t, batch.RejectFailedRows, person("z"+n, fmt.Sprintf(`"referenceId": "R%s"`, n)))
			})
		}
		group.Wait()
		w.requireNoCircle(t)
	}
}

func TestALanguageThatNobodyCanNameIsNoKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := "en" + strings.Repeat("-abcdefgh", 5)
	for _, policy := range []batch.ErrorPolicy{batch.RejectFailedRows, batch.IgnoreFailed} {
		r := w.upsert(t, policy, fmt.Sprintf(`{"sourceId": "1", "primaryLanguage": %q}`, long))
		require.Equal(t, "FAILED", upsertActions(r))
		require.Equal(t, []string{"TOO_LONG primaryLanguage"}, wrong(r.Results[0]))
	}
	w.upsert(t, "", `{"sourceId": "1"}`)
	_, err := w.pool.Exec(t.Context(), "UPDATE customer_identifiers SET language = $1", long)
	require.Equal(t, "customer_identifiers_language_length", db.Violated(err))
}

func TestLanguageTagsAreKnownInAnyCase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Equal(t, "CREATE UNCHANGED UNCHANGED", upsertActions(w.upsert(t, "", `{"sourceId": "1", "primaryLanguage": "ES-mx"}`,
		`{"sourceId": "1", "primaryLanguage": "ES-mx"}`, `{"sourceId": "1", "primaryLanguage": " es-MX "}`)), "another case is no change")
	w.upsert(t, "", `{"sourceId": "2", "parent": {"sourceId": "1", "language": "es-mX"}}`, `{"sourceId": "3", "parent": {"sourceId": "4", "language": "ZH-hANT-tw"}}`)
	require.Equal(t, "CREATE", upsertActions(w.upsert(t, "", `{"sourceId": "4", "primaryLanguage": "zh-Hant-TW"}`)))
	require.Equal(t, map[string]string{"2": "1", "3": "4"}, w.parents(t))
	for i, language := range []string{"SL-Rozaj-BISKE-1994", "sl-rozaj-biske-1994"} {
		r, err := w.BulkUpsert(t.Context(), w.v, intake.BulkUpsertInput{Source: "crm", Language: val(language), Customers: customertest.UpsertRows(t, `{"sourceId": "5"}`)})
		require.NoError(t, err)
		require.Equal(t, []string{"CREATE", "UNCHANGED"}[i], upsertActions(r))
	}
	var languages []string
	require.NoError(t, w.pool.Select(t.Context(), &languages, "SELECT language FROM customer_identifiers WHERE language <> '' ORDER BY 1"))
	require.ElementsMatch(t, []string{"es-MX", "sl-rozaj-biske-1994", "zh-Hant-TW"}, languages)
	by, err := customer.ByIdentifier(customer.IdentifierInput{Source: "crm", SourceID: "1", Language: val("es-mx")})
	require.NoError(t, err)
	found, err := customer.Customers.One(t.Context(), w.pool, w.v.Scope(), by)
	require.NoError(t, err)
	require.Equal(t, "1", w.idOf(t, found.UUID))
}

func (w *world) idOf(t testing.TB, id uuid.UUID) (text string) {
	t.Helper()
	require.NoError(t, w.pool.Get(t.Context(), &text, "SELECT source_id FROM customer_identifiers WHERE customer_id = $1", id))
	return text
}

// Who is awaited by many comes at once; those for whom there is no room are led by a job.
func TestWhoIsAwaitedByManyComes(t *testing.T) {
	t.Parallel()
	for source, bring := range map[string]func(t *testing.T, w *world){
		"crm": func(t *testing.T, w *world) {
			require.Equal(t, "FAILED", upsertActions(w.upsert(t, "", upsertChild("HQ", "c0"))), "c0 waits for it")
			require.Equal(t, "CREATE", upsertActions(w.upsert(t, "", `{"sourceId": "HQ"}`)))
			var waiting string
			require.NoError(t, w.pool.Get(t.Context(), &waiting, "SELECT reference_id FROM customers WHERE parent_source_id = 'HQ' AND parent_id IS NULL LIMIT 1"))
			require.Equal(t, "FAILED", upsertActions(w.upsert(t, "", upsertChild("HQ", waiting))), "it waits still")
		},
		"7": func(t *testing.T, w *world) {
			require.Equal(t, []batch.Action{batch.Create}, actions(w.create(t, "", person("HQ"))))
		},
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			const n = 2100
			w := newWorld(t)
			var err error
			w.Jobs, err = jobs.Inserter(w.pool.SQL())
			require.NoError(t, err)
			_, err = w.pool.Exec(t.Context(), `WITH made AS (
					INSERT INTO customers (organization_id, id, reference_id, search_text, parent_source, parent_source_id, created_at, updated_at, created_by, updated_by)
					SELECT $1, gen_random_uuid(), 'c' || i, 'x', $2, 'HQ', now(), now(), 'x', 'x' FROM generate_series(0, $3 - 1) i RETURNING id, reference_id)
				INSERT INTO customer_identifiers (organization_id, id, customer_id, source, source_id, created_at) SELECT $1, gen_random_uuid(), id, $2, reference_id, now() FROM made`,
				w.v.OrganizationID, source, n)
			require.NoError(t, err)
			h := &listener{}
			w.customers.Events = h
			bring(t, w)
			led := func() (n int) {
				require.NoError(t, w.pool.Get(t.Context(), &n, "SELECT count(*) FROM customers WHERE parent_id IS NOT NULL"))
				return n
			}
			require.Equal(t, 2000, led(), "a transaction is bounded")
			var args []byte
			require.NoError(t, w.pool.Get(t.Context(), &args, "SELECT args FROM river_job WHERE kind = 'customers.lead'"))
			job := &river.Job[intake.LinkParentsArgs]{}
			require.NoError(t, json.Unmarshal(args, &job.Args))
			for range 2 {
				require.NoError(t, (&intake.LinkParentsWorker{Intake: w.Service}).Work(t.Context(), job))
				require.Equal(t, n, led())
			}
			require.Len(t, h.events, n+1)
			require.Equal(t, n+1, w.count(t, "audit_entries"))
		})
	}
}

// A circle is not closed by a job either, and ends it.
func TestWhoStandsAboveIsNotLed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, batch.RejectFailedRows, person("x", childOf("z")))
	w.create(t, batch.RejectFailedRows, person("r", `"referenceId": "R1"`, childOf("x")))
	w.create(t, batch.RejectFailedRows, person("z", `"referenceId": "R1"`))
	for _, i := range all(t, w, customer.Identifiers) {
		require.NoError(t, w.LinkParents(t.Context(), w.v.OrganizationID, []uuid.UUID{i.UUID, uuid.New()}))
	}
	w.requireNoCircle(t)
	require.Equal(t, map[string]string{"r": "x", "z": "x"}, w.parents(t))
}

// What changes nothing waits for nobody who brings customers or names them.
func TestWhatChangesNothingDoesNotWaitForArrivals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	joint := person("A", childOf("late"), accounts(strings.Replace(accountOf("K", "gone", "A", "gone"), `"type"`,
		`"cards": [{"sourceCustomerId": "gone", "last4": "2345", "iin": "123456", "cardType": "CREDIT", "status": "OPEN", "openDate": "2023-01-01T08:00:00Z"}], "type"`, 1)))
	rows := []string{`{"sourceId": "1"}`, upsertChild("2", "1"), upsertChild("3", "late")}
	w.upsert(t, "", rows...)
	w.create(t, batch.RejectFailedRows, joint)

	var holder *sql.Tx
	hold := func(shared string) {
		tx, err := w.pool.SQL().Begin()
		require.NoError(t, err)
		holder = tx
		_, err = tx.Exec("SELECT pg_advisory_xact_lock"+shared+"(hashtextextended('arrivals of ' || CAST($1 AS text), 0))", w.v.OrganizationID)
		require.NoError(t, err)
	}
	isAwaited := func() (is bool) {
		require.NoError(t, holder.QueryRow("SELECT EXISTS (SELECT FROM pg_locks l WHERE NOT l.granted AND pg_backend_pid() = ANY(pg_blocking_pids(l.pid))) FROM pg_sleep(0.01)").Scan(&is))
		return is
	}
	// Who waits for the holder does not end before it does.
	waits := func(f func(ctx context.Context) error) bool {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- f(ctx) }()
		for !isAwaited() {
			select {
			case err := <-done:
				require.NoError(t, err)
				return false
			default:
			}
		}
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		for isAwaited() { //nolint:revive // The session of f may not have heard of it yet.
		}
		return true
	}
	upsert := func(rows ...string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := w.BulkUpsert(ctx, w.v, intake.BulkUpsertInput{Source: "crm", Customers: customertest.UpsertRows(t, rows...)})
			return err
		}
	}
	create := func(rows ...string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := w.Create(ctx, w.v, intake.CreateInput{Customers: customertest.CreateRows(t, rows...)})
			return err
		}
	}
	hold("")
	require.False(t, waits(upsert(rows...)))
	require.False(t, waits(upsert(`{"sourceId": "1", "firstName": "Ann"}`, `{"sourceId": "3", "parent": null}`)))
	require.False(t, waits(create(joint, strings.Replace(joint, "DDA", "DDA", 1))))
	for name, f := range map[string]func(context.Context) error{
		"a new customer": upsert(`{"sourceId": "4"}`), "another parent": upsert(upsertChild("2", "late")), "a new card": create(strings.Replace(joint, "2345", "2346", 1)),
		"another holder": create(strings.Replace(joint, `"gone"]`, `"gone", "lost"]`, 1)), "a new account": create(strings.Replace(joint, `"K"`, `"L"`, 1)),
	} {
		require.True(t, waits(f), name)
	}
	require.NoError(t, holder.Rollback())
	// Who is new and stands below one who is known is like others who are new.
	w.upsert(t, "", upsertChild("3", "late"))
	hold("_shared")
	require.False(t, waits(upsert(`{"sourceId": "4"}`, upsertChild("5", "1"))))
	require.True(t, waits(upsert(upsertChild("6", "7"))))
	require.True(t, waits(upsert(upsertChild("late", "1"))), "somebody waits for it")
	require.NoError(t, holder.Rollback())
}

// A holder who is refused with its own row remains a name.
func TestAHolderWhoIsRefusedIsAwaited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.create(t, batch.RejectFailedRows, person("A", `"email": "nobody"`), person("B", accounts(accountOf("K", "B", "A", "B"))))
	require.Equal(t, []batch.Action{batch.Failed, batch.Create}, actions(r))
	a := w.create(t, batch.RejectFailedRows, person("A")).Results[0].Customer
	for _, h := range all(t, w, account.Holders) {
		require.NotNil(t, h.CustomerID, h.SourceCustomerID)
		require.Equal(t, h.SourceCustomerID == "A", *h.CustomerID == a.UUID)
	}
}

func TestGenerationsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rows := []string{`{"sourceId": "0"}`}
	for i := range 101 {
		rows = append(rows, upsertChild(fmt.Sprint(i+1), fmt.Sprint(i)))
	}
	r := w.upsert(t, "", rows[:60]...)
	require.Zero(t, r.Counts.Failed)
	r = w.upsert(t, "", rows[60:]...)
	require.Equal(t, 1, r.Counts.Failed)
	require.Equal(t, []string{"LIMIT_EXCEEDED parent"}, wrong(r.Results[41]), "a hundred stand above the one before")
	require.Contains(t, r.Results[41].UserErrors[0].Message, "100")
	// It comes without one, and then nobody is led to a place too far below.
	w.upsert(t, "", upsertChild("stray", "101"), upsertChild("top", "nobody"), upsertChild("0", "top"))
	require.Equal(t, "UNCHANGED", upsertActions(w.upsert(t, "", rows[100])), "what stands stays")
	require.Equal(t, []string{"LIMIT_EXCEEDED parent"}, wrong(w.upsert(t, "", upsertChild("101", "99")).Results[0]))
	w.upsert(t, "", `{"sourceId": "101"}`)
	require.Equal(t, "101", w.parents(t)["stray"])
	require.Equal(t, []string{"LIMIT_EXCEEDED parent"}, wrong(w.upsert(t, "", upsertChild("top", "100")).Results[0]))
	w.requireNoCircle(t)

	find := func(id string) *customer.Customer {
		by, err := customer.ByIdentifier(customer.IdentifierInput{Source: "crm", SourceID: id})
		require.NoError(t, err)
		c, err := customer.Customers.One(t.Context(), w.pool, w.v.Scope(), by)
		require.NoError(t, err)
		return c
	}
	for field, in := range map[string]merging.Input{
		"survivorId":   {SurvivorID: find("100").ID(), DuplicateIDs: []*relay.ID{ptr(find("101").ID())}},
		"duplicateIds": {SurvivorID: find("101").ID(), DuplicateIDs: []*relay.ID{ptr(find("100").ID())}},
	} {
		_, err := w.merging.Merge(t.Context(), w.v, in)
		errs, _ := fault.AsUserErrors(err)
		require.Equal(t, []string{"LIMIT_EXCEEDED input." + field}, codesOf(errs), "%v", err)
	}
	_, err := w.merging.Merge(t.Context(), w.v, merging.Input{SurvivorID: find("50").ID(), DuplicateIDs: []*relay.ID{ptr(find("52").ID())}})
	require.NoError(t, err)
	w.requireNoCircle(t)
}

// TestAllWaysInAtOnce writes the same customers and accounts by upserts, creates and merges at once: none of them waits
// for another that waits for it, nobody is missed, and no circle is closed.
func TestAllWaysInAtOnce(t *testing.T) {
	t.Parallel()
	database := dbtest.NewWorld(t, dbtest.WorldOptions{Start: noon})
	w := serve(database)
	const people, calls = 40, 25
	id := func(random *rand.Rand) string { return fmt.Sprint("c", random.IntN(people)) }
	var group sync.WaitGroup
	for writer := range 8 {
		random := rand.New(rand.NewPCG(uint64(writer), 5))
		group.Go(func() {
			for range calls {
				ctx := context.Background()
				var err error
				switch writer % 4 {
				case 0, 1:
					in := intake.BulkUpsertInput{Source: "7"}
					for range 12 {
						row := fmt.Sprintf(`{"sourceId": %q, "firstName": "Ann %d"}`, id(random), random.IntN(9))
						if random.IntN(3) == 0 {
							row = upsertChild(id(random), id(random))
						}
						in.Customers = append(in.Customers, customertest.UpsertRows(t, row)...)
					}
					_, err = w.BulkUpsert(ctx, w.v, in)
				default:
					var rows []string
					for range 6 {
						a, b := id(random), id(random)
						row := person(a, accounts(accountOf(fmt.Sprint("K", random.IntN(12)), a, a, b)))
						switch random.IntN(4) {
						case 0:
							row = fmt.Sprintf(`{"referenceId": "R%d"}`, random.IntN(people))
						case 1:
							row = person(a, fmt.Sprintf(`"referenceId": "R-%s"`, a), childOf(b))
						}
						rows = append(rows, row)
					}
					_, err = w.Create(ctx, w.v, intake.CreateInput{Customers: customertest.CreateRows(t, rows...)})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Go(func() {
		random := rand.New(rand.NewPCG(9, 9))
		for range 3 * calls {
			rows, err := customer.Customers.List(context.Background(), w.pool, w.v.Scope(), db.Where{}.And("c.deleted_at IS NULL"), db.Page{Order: db.By()})
			if err != nil || len(rows) < 20 {
				continue
			}
			i, n := random.IntN(len(rows)), random.IntN(len(rows))
			_, err = w.merging.Merge(context.Background(), w.v, merging.Input{SurvivorID: rows[i].ID(), DuplicateIDs: []*relay.ID{ptr(rows[n].ID())}})
			if _, refused := fault.AsUserErrors(err); err != nil && !refused {
				t.Error(err)
			}
		}
	})
	group.Wait()
	w.requireNoCircle(t)
	for what, query := range map[string]string{
		"holders who are missed": `SELECT count(*) FROM account_holders h JOIN customer_identifiers i ON i.source = h.source AND i.source_id = h.source_customer_id AND i.language = ''
			WHERE h.customer_id IS DISTINCT FROM i.customer_id`,
		"accounts whose primary holder is missed": `SELECT count(*) FROM accounts a JOIN account_holders h ON h.account_id = a.id AND h.is_primary WHERE a.primary_customer_id IS DISTINCT FROM h.customer_id`,
	} {
		var n int
		require.NoError(t, w.pool.Get(t.Context(), &n, query))
		require.Zero(t, n, what)
	}
	// Sessions tell of their deadlocks when they end.
	require.NoError(t, w.pool.Close())
	observer, err := db.Open(database.URL, db.Settings{MaxOpen: 1})
	require.NoError(t, err)
	defer observer.Close() //nolint:errcheck // only read
	require.Eventually(t, func() bool {
		var others int
		err := observer.Get(t.Context(), &others, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'")
		return err == nil && others == 0
	}, 10*time.Second, 10*time.Millisecond)
	var deadlocks int
	require.NoError(t, observer.Get(t.Context(), &deadlocks, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))
	require.Zero(t, deadlocks)
}
