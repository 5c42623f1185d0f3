package intake_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"caseload/internal/audit"
	"caseload/internal/batch"
	"caseload/internal/customer"
	"caseload/internal/customer/customertest"
	"caseload/internal/customer/intake"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// listener keeps the events of committed and of rolled back transactions.
type listener struct {
	mu     sync.Mutex
	calls  int
	events []customer.Event
}

func (h *listener) Emit(_ context.Context, _ *db.Tx, _ *viewer.Viewer, events ...customer.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	h.events = append(h.events, events...)
	return nil
}

// upserted is all that bulkUpsertCustomers stores, one customer a line, without ids, times of ours and versions: rows that
// are folded raise a version once.
func (w *world) upserted(t testing.TB) string {
	t.Helper()
	var text string
	require.NoError(t, w.pool.Get(t.Context(), &text, `
		SELECT coalesce(string_agg(x::text, E'\n' ORDER BY x::text), '') FROM (
			SELECT json_build_array(
				(SELECT json_agg(json_build_array(i.source, i.source_id, i.language, i.source_updated_at) ORDER BY i.source, i.source_id, i.language) FROM customer_identifiers i WHERE i.customer_id = c.id),
				c.first_name, c.last_name, c.email, c.birthday, c.gender, c.debtor_id, c.language, c.ssn_index, c.ssn_last_four_birthday_index, c.search_text,
				c.parent_source, c.parent_source_id, c.parent_language,
				(SELECT string_agg(i.source_id, ' ' ORDER BY i.source_id) FROM customer_identifiers i WHERE i.customer_id = c.parent_id),
				(SELECT json_agg(json_build_array(p.label, p.number, p.line_type)) FROM customer_phones p WHERE p.customer_id = c.id),
				(SELECT json_agg(json_build_array(a.label, a.city, a.state, a.country) ORDER BY a.label) FROM customer_addresses a WHERE a.customer_id = c.id)) AS x
			FROM customers c) rows`))
	return text
}

func TestUpsertPolicies(t *testing.T) {
	t.Parallel()
	rows := []string{`{"sourceId": "1", "firstName": "Ann"}`, `{"sourceId": "2", "firstName": "Bob", "email": "nobody", "gender": "?"}`, `{"sourceId": "", "firstName": "Cy"}`}
	for policy, want := range map[batch.ErrorPolicy]struct {
		actions, stored string
		messages        []string
		kept            int
	}{
		batch.RejectFailedRows: {"CREATE FAILED FAILED", "Ann", []string{"Completed with 2 failed rows"}, 1},
		batch.RejectEverything: {"SKIPPED FAILED FAILED", "", []string{"Nothing was written: 2 rows failed, and the error policy is REJECT_EVERYTHING"}, 0},
		batch.IgnoreFailed:     {"CREATE CREATE FAILED", "Ann Bob", []string{"Completed with 1 failed row"}, 2},
	} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			h := &listener{}
			w.customers.Events = h
			r := w.upsert(t, policy, rows...)
			require.Equal(t, want.actions, upsertActions(r))
			require.Equal(t, want.messages, r.Messages)
			require.Empty(t, wrong(r.Results[0]))
			require.Equal(t, []string{"INVALID gender", "INVALID email"}, wrong(r.Results[1]), "all at once, also where the right fields are written")
			require.Equal(t, []string{"input", "customers", "1", "gender"}, r.Results[1].UserErrors[0].Path)
			var names string
			require.NoError(t, w.pool.Get(t.Context(), &names, "SELECT coalesce(string_agg(first_name, ' ' ORDER BY first_name), '') FROM customers"))
			require.Equal(t, want.stored, names)
			require.Len(t, all(t, w, audit.Entries), want.kept)
			require.Len(t, h.events, want.kept)
			for _, e := range h.events {
				require.Equal(t, customer.EventCreated, e.Kind)
			}
		})
	}
}

func TestUpsertOfTheCallAsAWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	many := make([]*intake.UpsertRow, batch.MaxRows+1)
	for i := range many {
		many[i] = &intake.UpsertRow{SourceID: fmt.Sprint(i)}
	}
	for want, in := range map[string]intake.BulkUpsertInput{
		"REQUIRED at input.customers":       {Source: "crm"},
		"LIMIT_EXCEEDED at input.customers": {Source: "crm", Customers: many},
		"BLANK at input.source":             {Source: " ", Customers: many[:1]},
		"TOO_LONG at input.source":          {Source: wide(65), Customers: many[:1]},
		"INVALID at input.language":         {Source: "crm", Language: val("e n"), Customers: many[:1]},
	} {
		_, err := w.BulkUpsert(t.Context(), w.v, in)
		refused, ok := fault.AsUserErrors(err)
		require.True(t, ok, "%s: %v", want, err)
		require.Equal(t, "input refused: "+want, refused.Error())
	}
}

func TestTheSameKeyTwiceActsInSequence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := &listener{}
	w.customers.Events = h
	r := w.upsert(t, "", `{"sourceId": "1", "firstName": "Ann"}`, `{"sourceId": "1", "email": "x"}`, `{"sourceId": "1", "lastName": "Lee"}`, `{"sourceId": "1", "firstName": "Ann"}`)
	require.Equal(t, "CREATE FAILED UPDATE UNCHANGED", upsertActions(r))
	require.Same(t, r.Results[0].Customer, r.Results[2].Customer)
	require.Len(t, all(t, w, customer.Customers), 1)
	require.Len(t, h.events, 1)
	require.EqualValues(t, 1, r.Results[0].Customer.Version)
	// Two names of one customer, as after a merge, are one customer too.
	_, err := w.pool.Exec(t.Context(), "INSERT INTO customer_identifiers (organization_id, id, customer_id, source, source_id, created_at) SELECT organization_id, gen_random_uuid(), customer_id, source, '1b', now() FROM customer_identifiers")
	require.NoError(t, err)
	r = w.upsert(t, "", `{"sourceId": "1", "lastName": "Li"}`, `{"sourceId": "1b", "lastName": "Lee"}`, `{"sourceId": "1", "lastName": "Lee", "title": "Dr."}`)
	require.Equal(t, "UPDATE UPDATE UPDATE", upsertActions(r))
	require.Same(t, r.Results[0].Customer, r.Results[1].Customer)
	require.EqualValues(t, 2, all(t, w, customer.Customers)[0].Version)
	require.Equal(t, []string{"title"}, h.events[1].Changed)
	require.Equal(t, 2, h.calls)
}

func TestLateArrivals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	row := func(day int, name string) string {
		return fmt.Sprintf(`{"sourceId": "1", "sourceUpdatedAt": "2026-02-%02dT00:00:00Z", "firstName": "%s"}`, day, name)
	}
	r := w.upsert(t, batch.RejectEverything, row(10, "Ann"), row(9, "Old"), row(10, "Eve"), `{"sourceId": "1", "lastName": "Lee"}`)
	require.Equal(t, "CREATE SKIPPED UPDATE UPDATE", upsertActions(r), "late is not wrong; equal and undated rows are applied")
	require.Equal(t, []string{"STALE_VERSION sourceUpdatedAt"}, wrong(r.Results[1]))
	require.Nil(t, r.Results[1].Customer)
	require.Equal(t, []string{"Completed", "1 row came too late and had no effect"}, r.Messages)
	// What changes nothing moves the time on all the same.
	require.Equal(t, "UNCHANGED", upsertActions(w.upsert(t, "", row(12, "Eve"))))
	require.Equal(t, "SKIPPED", upsertActions(w.upsert(t, "", row(11, "Old"))))
	require.Equal(t, "UPDATE", upsertActions(w.upsert(t, "", row(12, "New"))))
	require.EqualValues(t, 2, all(t, w, customer.Customers)[0].Version)
}

func TestUpsertOfDeletedCustomers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	created := w.upsert(t, "", `{"sourceId": "1"}`).Results[0].Customer
	_, err := w.customers.Delete(t.Context(), w.v, customer.DeleteInput{ID: created.ID()})
	require.NoError(t, err)
	for _, policy := range []batch.ErrorPolicy{batch.RejectFailedRows, batch.IgnoreFailed} {
		r := w.upsert(t, policy, `{"sourceId": "1", "firstName": "Ann"}`)
		require.Equal(t, []string{"INVALID_STATE sourceId"}, wrong(r.Results[0]))
		require.Contains(t, r.Results[0].UserErrors[0].Message, "restoreCustomer")
	}
	_, err = w.customers.Restore(t.Context(), w.v, customer.RestoreInput{ID: created.ID()})
	require.NoError(t, err)
	require.Equal(t, "UPDATE", upsertActions(w.upsert(t, "", `{"sourceId": "1", "firstName": "Ann"}`)))
}

func TestParents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	parent := func(id string) string {
		var text *string
		require.NoError(t, w.pool.Get(t.Context(), &text, `SELECT p.source_id FROM customer_identifiers i JOIN customers c ON c.id = i.customer_id
			LEFT JOIN customer_identifiers p ON p.customer_id = c.parent_id WHERE i.source_id = $1`, id))
		if text == nil {
			return ""
		}
		return *text
	}
	row := func(id, of string) string {
		return fmt.Sprintf(`{"sourceId": "%s", "parent": {"sourceId": "%s"}}`, id, of)
	}
	h := &listener{}
	w.customers.Events = h
	// The parent comes later in the batch, earlier in it, or not at all.
	require.Equal(t, "CREATE CREATE CREATE CREATE", upsertActions(w.upsert(t, "", row("child", "mother"), `{"sourceId": "mother"}`, row("son", "mother"), row("stray", "late"))))
	require.Equal(t, "mother", parent("child"))
	require.Equal(t, "mother", parent("son"))
	require.Equal(t, "", parent("stray"))
	// It comes with another batch, which leads the child to it and tells of that.
	require.Equal(t, "CREATE", upsertActions(w.upsert(t, "", `{"sourceId": "late"}`)))
	require.Equal(t, "late", parent("stray"))
	last := h.events[len(h.events)-1]
	require.Equal(t, customer.EventUpdated, last.Kind)
	require.Equal(t, []string{"parent_id"}, last.Changed)
	// Null takes it away; named again it is found at once.
	require.Equal(t, "UPDATE", upsertActions(w.upsert(t, "", `{"sourceId": "stray", "parent": null}`)))
	require.Equal(t, "", parent("stray"))
	require.Equal(t, "UPDATE UNCHANGED", upsertActions(w.upsert(t, "", row("stray", "late"), row("stray", "late"))))
	require.Equal(t, "late", parent("stray"))
	// Nobody is their own ancestor, by stored customers, within a batch, or by a name that is waited for.
	require.Equal(t, "FAILED", upsertActions(w.upsert(t, "", row("mother", "child"))))
	require.Equal(t, "UPDATE FAILED", upsertActions(w.upsert(t, "", row("mother", "late"), row("late", "son"))))
	require.Equal(t, "CREATE CREATE FAILED", upsertActions(w.upsert(t, "", row("a", "b"), row("b", "c"), row("c", "a"))))
	require.Equal(t, "", parent("b"))
	r := w.upsert(t, "", row("c", "a"))
	require.Equal(t, []string{"INVALID parent"}, wrong(r.Results[0]))
	require.Equal(t, "CREATE", upsertActions(w.upsert(t, batch.IgnoreFailed, row("c", "a"))), "the other fields are right")
	require.Equal(t, "c", parent("b"))
	require.Equal(t, "", parent("c"))
	// The source and the language of a parent may be others.
	require.Equal(t, "CREATE CREATE", upsertActions(w.upsert(t, "", `{"sourceId": "x", "primaryLanguage": "es", "parent": {"source": "erp", "sourceId": "9", "language": null}}`, `{"sourceId": "9", "source": "erp"}`)))
	require.Equal(t, "9", parent("x"))
	require.Equal(t, "FAILED", upsertActions(w.upsert(t, "", row("self", "self"))))
}

func TestADryRunWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.upsert(t, "", complete)
	dump := func() string {
		var text string
		require.NoError(t, w.pool.Get(t.Context(), &text, `SELECT query_to_xml('SELECT * FROM customers ORDER BY id', true, false, '')::text || query_to_xml('SELECT * FROM customer_identifiers ORDER BY id', true, false, '')
			|| query_to_xml('SELECT * FROM customer_phones ORDER BY id', true, false, '') || query_to_xml('SELECT * FROM customer_addresses ORDER BY id', true, false, '') || query_to_xml('SELECT * FROM audit_entries ORDER BY id', true, false, '')`))
		return text
	}
	before := dump()
	r, err := w.BulkUpsert(t.Context(), w.v, intake.BulkUpsertInput{Source: "crm", Language: val("en"), DryRun: true, Customers: customertest.UpsertRows(t,
		`{"sourceId": "1", "firstName": "Eve", "addresses": [], "phone": null}`, `{"sourceId": "0"}`, `{"sourceId": "1", "email": "x"}`, `{"sourceId": "1", "sourceUpdatedAt": "2020-01-01T00:00:00Z"}`)})
	require.NoError(t, err)
	require.Equal(t, "UPDATE CREATE FAILED SKIPPED", upsertActions(r))
	require.True(t, r.DryRun)
	require.Equal(t, []string{"Nothing was written: this was a dry run"}, r.Messages)
	for _, row := range r.Results {
		require.Nil(t, row.Customer)
	}
	require.Equal(t, before, dump())
}

func TestAddressesKeepTheirIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.upsert(t, "", complete)
	before := all(t, w, customer.Addresses)
	r := w.upsert(t, "", `{"sourceId": "1", "primaryLanguage": "en", "addresses": [{"label": "WORK", "city": "Montreal", "country": "CA"}, {"line1": "1 Main St", "city": "Albany", "state": "NY", "postalCode": "12207"}]}`)
	require.Equal(t, "UPDATE", upsertActions(r))
	after := all(t, w, customer.Addresses)
	require.Len(t, after, 2)
	require.ElementsMatch(t, []any{before[0].UUID, before[1].UUID}, []any{after[0].UUID, after[1].UUID})
	// A list with an error is not taken in part: that would remove what it does not name.
	r = w.upsert(t, batch.IgnoreFailed, `{"sourceId": "1", "primaryLanguage": "en", "title": "Ms.", "addresses": [{"city": "Boston"}, {"label": "WORK", "country": "XX"}]}`)
	require.Equal(t, "UPDATE", upsertActions(r))
	require.Equal(t, []string{"INVALID addresses.1.country"}, wrong(r.Results[0]))
	require.Equal(t, after, all(t, w, customer.Addresses))
}

// TestStatementsOfAnUpsert counts them: the same number whatever the size.
func TestStatementsOfAnUpsert(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	type pass struct {
		name string
		row  func(i int) string
	}
	passes := []pass{
		{"new", func(i int) string {
			return fmt.Sprintf(`{"sourceId": "%d", "firstName": "A", "phone": "+12125551212", "addresses": [{"city": "x"}]}`, i)
		}},
		{"unchanged", func(i int) string { return fmt.Sprintf(`{"sourceId": "%d", "firstName": "A"}`, i) }},
		{"changed", func(i int) string {
			return fmt.Sprintf(`{"sourceId": "%d", "firstName": "B", "phone": "+12125551213", "addresses": [{"city": "y"}], "sourceUpdatedAt": "2026-01-01T00:00:00Z", "parent": {"sourceId": "P"}}`, i)
		}},
		{"cleared", func(i int) string {
			return fmt.Sprintf(`{"sourceId": "%d", "phone": null, "addresses": null, "parent": null}`, i)
		}},
	}
	counts := map[string]int{}
	for n, size := range []int{1, 100, 1000} {
		for _, p := range passes {
			rows := make([]string, size)
			for i := range rows {
				rows[i] = p.row(n*10_000 + i)
			}
			ctx := db.WithCounter(t.Context())
			_, err := w.BulkUpsert(ctx, w.v, intake.BulkUpsertInput{Source: "crm", Customers: customertest.UpsertRows(t, rows...)})
			require.NoError(t, err)
			if size == 1 {
				counts[p.name] = db.Statements(ctx)
			}
			require.Equal(t, counts[p.name], db.Statements(ctx), "%s, %d rows", p.name, size)
		}
	}
	require.Equal(t, 5, counts["unchanged"], "the lock of arrivals, customers, phones, addresses, identifiers")
	require.LessOrEqual(t, counts["changed"], 14)
}

// TestEightWritersOfTheSameCustomers upserts overlapping shuffled batches of the same 250 keys by eight writers at once
// and by one: the rows are the same, and no deadlock reaches a client.
func TestEightWritersOfTheSameCustomers(t *testing.T) {
	t.Parallel()
	const keys, writers, size = 250, 8, 50
	row := func(i int) string {
		return fmt.Sprintf(`{"sourceId": "%d", "firstName": "First %d", "email": "p%d@example.com", "phone": "+1212555%04d", "addresses": [{"city": "City %d"}]}`, i, i, i, i, i%7)
	}
	batches := func(writer int) (out []intake.BulkUpsertInput) {
		order := rand.New(rand.NewPCG(uint64(writer), 11)).Perm(keys)
		for from := 0; from < keys; from += size {
			in := intake.BulkUpsertInput{Source: "crm"}
			for _, i := range order[from:min(from+size, keys)] {
				in.Customers = append(in.Customers, customertest.UpsertRows(t, row(i))...)
			}
			out = append(out, in)
		}
		return out
	}
	one, eight := newWorld(t), newWorld(t)
	for _, in := range batches(0) {
		_, err := one.BulkUpsert(t.Context(), one.v, in)
		require.NoError(t, err)
	}
	var group sync.WaitGroup
	failures := make(chan error, writers*keys)
	for writer := range writers {
		mine := batches(writer)
		group.Go(func() {
			for _, in := range mine {
				result, err := eight.BulkUpsert(context.Background(), eight.v, in)
				if err != nil {
					failures <- err
				} else if result.Counts.Failed > 0 {
					failures <- fmt.Errorf("%d rows failed", result.Counts.Failed)
				}
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	require.Equal(t, one.upserted(t), eight.upserted(t))
	require.Len(t, all(t, eight, customer.Customers), keys)
}

// TestAnySplitIsLikeRowByRow splits random lists of rows into random batches: what is stored is what row by row stores,
// and so is what became of each row.
func TestAnySplitIsLikeRowByRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := func(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(values) }
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 14).Draw(rt, "rows")
		rows := make([]string, n)
		for i := range rows {
			var b strings.Builder
			fmt.Fprintf(&b, `{"sourceId": "%s"`, text("1", "2", "3", "4").Draw(rt, "id"))
			add := func(field string, values ...string) {
				if v := text(append(values, "")...).Draw(rt, field); v != "" {
					fmt.Fprintf(&b, `, "%s": %s`, field, v)
				}
			}
			add("firstName", `"Ann"`, `"Eve"`, `null`, `" "`)
			add("phone", `"+12125551212"`, `"+17185551234"`, `null`, `"12"`)
			add("ssn", `"123-45-6789"`, `"321549876"`, `null`)
			add("dateOfBirth", `"1985-06-15"`, `null`)
			add("addresses", `null`, `[]`, `[{"city": "Albany"}]`, `[{"label": "WORK", "city": "Boston"}]`, `[{"city": "Albany", "state": "NY"}, {"label": "OTHER", "city": "x"}]`)
			add("sourceUpdatedAt", `"2026-01-01T00:00:00Z"`, `"2026-01-02T00:00:00Z"`)
			add("parent", `null`, `{"sourceId": "1"}`, `{"sourceId": "2"}`, `{"sourceId": "3"}`, `{"sourceId": "5"}`)
			b.WriteString("}")
			rows[i] = b.String()
		}
		policy := rapid.SampledFrom([]batch.ErrorPolicy{batch.RejectFailedRows, batch.IgnoreFailed}).Draw(rt, "policy")
		run := func(next func(left int) int) (stored string, actions []string) {
			_, err := w.pool.SQL().Exec("DELETE FROM customer_identifiers; UPDATE customers SET parent_id = NULL; DELETE FROM customers")
			require.NoError(rt, err)
			for from := 0; from < n; {
				to := from + next(n-from)
				r := w.upsert(t, policy, rows[from:to]...)
				for _, row := range r.Results {
					actions = append(actions, fmt.Sprint(row.Action, " ", wrong(row)))
				}
				from = to
			}
			return w.upserted(t), actions
		}
		want, wantActions := run(func(int) int { return 1 })
		got, gotActions := run(func(left int) int { return rapid.IntRange(1, left).Draw(rt, "size") })
		require.Equal(rt, wantActions, gotActions, strings.Join(rows, "\n"))
		require.Equal(rt, want, got, strings.Join(rows, "\n"))
	})
}

func FuzzDecodeUpsertRow(f *testing.F) {
	for _, seed := range []string{complete, `{}`, `[]`, `null`, `{"sourceId": 1e3}`, `{"parent": 1, "addresses": [null, 1]}`, `{"sourceId": null, "addresses": {"a": 1}} x`, "{\"firstName\": \"\xff\"}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		row, read := intake.UpsertRows.Decode(text)
		errs := read.UserErrors
		if row == nil && len(errs) == 0 {
			t.Fatal("neither a row nor what is wrong")
		}
		for _, e := range errs {
			if e.Message == "" || e.Code == "" {
				t.Fatalf("an error says what would be right: %v", e)
			}
		}
	})
}

// TestAnotherOrganizationsCustomersAreNotFound sends the same key for two organizations.
func TestAnotherOrganizationsCustomersAreNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.upsert(t, "", `{"sourceId": "1", "firstName": "Ann"}`)
	other := *w.v
	other.OrganizationID = db.NewID()
	r, err := w.BulkUpsert(t.Context(), &other, intake.BulkUpsertInput{Source: "crm", Customers: customertest.UpsertRows(t, `{"sourceId": "1", "parent": {"sourceId": "2"}}`)})
	require.NoError(t, err)
	require.Equal(t, "CREATE", upsertActions(r))
	require.Equal(t, "UNCHANGED", upsertActions(w.upsert(t, "", `{"sourceId": "1", "firstName": "Ann"}`)))
	require.WithinDuration(t, noon, r.Results[0].Customer.CreatedAt, time.Second)
}
