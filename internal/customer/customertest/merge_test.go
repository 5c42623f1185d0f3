package customertest_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/customertest"
	"caseload/internal/customer/merging"
	"caseload/internal/db"
	"caseload/internal/entity"
	"caseload/internal/fault"
	"caseload/internal/graphtest"
	"caseload/internal/pii"
	"caseload/internal/relay"
	"caseload/internal/reveal"
	"caseload/internal/schedule"
)

func val[T any](v T) graphql.Omittable[*T] { return graphql.OmittableOf(&v) }

func TestMergeGivesAllToTheSurvivor(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	o := w.Harbor
	sc := o.System.Scope()
	p := o.People(t, 4)
	into, d1, d2, other := p[0], p[1], p[2], p[3]
	bare(t, w)
	none := graphql.OmittableOf[*string](nil)
	update(t, w, into.Customer, customer.UpdateInput{MiddleName: none, SSN: none, ReferenceID: none,
		Medicare: val(customer.UpdateMedicareInput{HasCard: val(true)})})
	update(t, w, d1.Customer, customer.UpdateInput{MiddleName: val("Maria"), SSN: val("321-54-9876"), FirstName: val("Other"),
		Medicare: val(customer.UpdateMedicareInput{MBI: val("1EG4-TE5-MK73"), HasCard: val(false), VANumber: val("VA-1")}),
		Agent:    val(customer.UpdateAgentInput{Name: val("Smith")})})
	update(t, w, d2.Customer, customer.UpdateInput{MiddleName: val("Later"), Consent: val(customer.UpdateConsentInput{DoNotSMS: val(true)}),
		Agent: val(customer.UpdateAgentInput{Name: val("Jones"), NPN: val(int32(7))})})
	execute(t, w, "UPDATE customers SET parent_id = $2 WHERE id = $1", other.Customer.UUID, d1.Customer.UUID)
	execute(t, w, "UPDATE customer_phones SET number = '+12125550177' WHERE customer_id = $1 AND label = 'PRIMARY'", d1.Customer.UUID)
	execute(t, w, "UPDATE customer_phones SET blocked_at = now(), blocked_reason = 'WRONG_NUMBER' WHERE customer_id = $1 AND label = 'CELL'", d2.Customer.UUID)

	result, err := merge(t, w, into.Customer, d1.Customer, d2.Customer)
	require.NoError(t, err)
	require.Equal(t, into.Customer.UUID, result.Customer.UUID)
	require.Len(t, result.Merged, 2)
	got := result.Customer
	require.Equal(t, read(t, w, got.UUID), got, "what is answered is what is stored")
	require.Equal(t, *into.Customer.FirstName, *got.FirstName, "the survivor keeps its values")
	require.Equal(t, "Maria", *got.MiddleName, "and gets what it lacks from the first that has it")
	require.Equal(t, d1.ReferenceID, *got.ReferenceID)
	require.True(t, got.DoNotSMS)
	require.False(t, got.DoNotCall)
	require.Contains(t, got.SearchText, "maria")
	require.Contains(t, got.SearchText, "s-ref-00002", "the search finds what moved")

	for _, d := range result.Merged {
		require.NotNil(t, d.DeletedAt)
		require.Equal(t, got.UUID, *d.MergedIntoID)
		require.Equal(t, o.System.ActorText(), *d.DeletedBy)
	}
	require.Nil(t, result.Merged[0].ReferenceID, "the survivor has it now")
	require.Equal(t, d2.ReferenceID, *result.Merged[1].ReferenceID, "this one leads to the survivor")

	// Numbers are sealed for their new row, and found by their index.
	for field, want := range map[reveal.Field]string{customer.FieldSSN: "321549876", customer.FieldMBI: "1EG4TE5MK73", customer.FieldVANumber: "VA-1"} {
		value, err := customertest.Revealer(w.Pool, w.Customers.Sealer()).Reveal(t.Context(), o.System, reveal.Input{ID: got.ID(), Field: field, Reason: "checking the merge"})
		require.NoError(t, err)
		require.Equal(t, want, value, field)
	}
	for _, filter := range []string{`ssn: "321-54-9876"`, `mbi: "1eg4te5mk73"`} {
		r := w.OK(t, o.Key, "{ customers(filter: {"+filter+"}) { nodes { id } } }", nil)
		require.Equal(t, []any{map[string]any{"id": got.ID().String()}}, r.At("customers.nodes"), filter)
	}
	agent := number[string](t, w, "SELECT name || npn FROM customer_agents WHERE id = $1", got.UUID)
	require.Equal(t, "Smith7", agent, "sections are merged field by field")
	require.True(t, number[bool](t, w, "SELECT has_card FROM customer_medicare WHERE id = $1", got.UUID))

	require.Equal(t, 3, number[int](t, w, "SELECT count(*) FROM customer_identifiers WHERE customer_id = $1", got.UUID))
	require.Equal(t, 3, number[int](t, w, "SELECT count(*) FROM call_attempts WHERE customer_id = $1", got.UUID))
	require.Equal(t, 3, number[int](t, w, "SELECT count(*) FROM inconvenient_times WHERE customer_id = $1", got.UUID))
	require.Equal(t, 1, number[int](t, w, "SELECT count(*) FROM loans WHERE customer_id = $1", got.UUID), "each loan of the lending system once")
	require.Equal(t, "+12125550177", number[string](t, w, "SELECT number FROM customer_phones WHERE customer_id = $1 AND label = 'OTHER'", got.UUID))
	require.Equal(t, 1, number[int](t, w, "SELECT count(*) FROM customer_phones WHERE customer_id = $1 AND blocked_at IS NOT NULL", got.UUID),
		"a number found wrong under one name is wrong under the other")
	require.Equal(t, got.UUID, *read(t, w, other.Customer.UUID).ParentID)
	active, err := schedule.Schedules.List(t.Context(), w.Pool, sc, db.Where{}.And("c.customer_id = ?", got.UUID).And("c.status = 'ACTIVE'"), db.Page{Order: db.By("created_at")})
	require.NoError(t, err)
	require.Len(t, active, 1)
	require.Equal(t, into.Schedule.UUID, active[0].UUID, "the survivor's plan stays")
	require.Equal(t, len(into.Tasks), number[int](t, w, "SELECT count(*) FROM call_tasks WHERE customer_id = $1 AND state = 'PENDING'", got.UUID))

	type entry struct {
		Action  string  `db:"action"`
		Target  string  `db:"target_id"`
		Reason  *string `db:"reason"`
		Changes string  `db:"changes"`
	}
	var entries []entry
	require.NoError(t, w.Pool.Select(t.Context(), &entries, "SELECT action, target_id, reason, changes::text FROM audit_entries WHERE action LIKE 'customer.merged%' ORDER BY action, target_id"))
	require.Len(t, entries, 3)
	require.Equal(t, "customer.merged", entries[0].Action)
	require.Equal(t, got.ID().String(), entries[0].Target)
	for _, e := range entries {
		require.Equal(t, "the same person", *e.Reason)
		require.NotContains(t, e.Changes, "Maria", "names of fields, no values")
	}
	require.Contains(t, entries[1].Changes, got.ID().String())

	// Again: nothing changes.
	before := number[string](t, w, "SELECT string_agg(xmin::text, ',' ORDER BY id) FROM customers")
	again, err := merge(t, w, into.Customer, d1.Customer, d2.Customer)
	require.NoError(t, err)
	require.Equal(t, got.Version, again.Customer.Version)
	require.Len(t, again.Merged, 2)
	require.Equal(t, before, number[string](t, w, "SELECT string_agg(xmin::text, ',' ORDER BY id) FROM customers"), "not a row is touched")
	require.Equal(t, 3, number[int](t, w, "SELECT count(*) FROM audit_entries WHERE action LIKE 'customer.merged%'"))
}

func TestMergeRefusals(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.People(t, 5)
	foreign := w.Summit.Person(t)
	_, err := w.Customers.Delete(t.Context(), w.Harbor.System, customer.DeleteInput{ID: p[3].Customer.ID()})
	require.NoError(t, err)
	_, err = merge(t, w, p[1].Customer, p[4].Customer)
	require.NoError(t, err)
	ids := func(list ...*graphtest.Person) []*relay.ID {
		var out []*relay.ID
		for _, p := range list {
			id := p.Customer.ID()
			out = append(out, &id)
		}
		return out
	}
	for name, step := range map[string]struct {
		in   merging.Input
		want []string
	}{
		"none":      {merging.Input{SurvivorID: p[0].Customer.ID()}, []string{"REQUIRED [input duplicateIds]"}},
		"itself":    {merging.Input{SurvivorID: p[0].Customer.ID(), DuplicateIDs: ids(p[1], p[0])}, []string{"INVALID [input duplicateIds 1]"}},
		"twice":     {merging.Input{SurvivorID: p[0].Customer.ID(), DuplicateIDs: ids(p[1], p[1])}, []string{"DUPLICATE_INPUT_ITEM [input duplicateIds 1]"}},
		"foreign":   {merging.Input{SurvivorID: p[0].Customer.ID(), DuplicateIDs: ids(p[2], foreign)}, []string{"NOT_FOUND [input duplicateIds 1]"}},
		"to others": {merging.Input{SurvivorID: foreign.Customer.ID(), DuplicateIDs: ids(p[2])}, []string{"NOT_FOUND [input survivorId]"}},
		"deleted":   {merging.Input{SurvivorID: p[0].Customer.ID(), DuplicateIDs: ids(p[3], p[4])}, []string{"INVALID_STATE [input duplicateIds 0]", "INVALID_STATE [input duplicateIds 1]"}},
		"into dead": {merging.Input{SurvivorID: p[4].Customer.ID(), DuplicateIDs: ids(p[2])}, []string{"INVALID_STATE [input survivorId]"}},
		"reason": {merging.Input{SurvivorID: p[0].Customer.ID(), DuplicateIDs: ids(p[2]), Reason: val(strings.Repeat("x", 501))},
			[]string{"TOO_LONG [input reason]"}},
	} {
		_, err := w.Merging.Merge(t.Context(), w.Harbor.System, step.in)
		require.Equal(t, step.want, customertest.Refusals(t, err), name)
	}
	require.False(t, read(t, w, p[2].Customer.UUID).IsDeleted(), "nothing was written")
	_, err = w.Merging.Merge(t.Context(), w.Harbor.System, merging.Input{SurvivorID: p[0].Loan.ID(), DuplicateIDs: ids(p[2])})
	require.Equal(t, fault.BadUserInput, fault.CodeOf(err), "an id of another type")
}

// After a chain of merges all who were merged lead to the last survivor, and a repetition is one by who it names.
func TestMergesInAChain(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.People(t, 3)
	d, s, last := p[0].Customer, p[1].Customer, p[2].Customer
	_, err := merge(t, w, s, d)
	require.NoError(t, err)
	_, err = merge(t, w, last, s)
	require.NoError(t, err)
	require.Equal(t, last.UUID, *read(t, w, d.UUID).MergedIntoID)
	version := read(t, w, last.UUID).Version
	again, err := merge(t, w, last, d)
	require.NoError(t, err)
	require.Equal(t, version, again.Customer.Version, "merged already, by way of another")
	_, err = merge(t, w, s, d)
	require.Equal(t, []string{"INVALID_STATE [input survivorId]", "INVALID_STATE [input duplicateIds 0]"}, customertest.Refusals(t, err))
}

// A survivor takes the place of a duplicate above it, and no merge makes a circle of parents.
func TestMergeAndParents(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]struct {
		// parents are by number: the customer at i has the parent parents[i], -1 is none.
		parents    []int
		into, from int
		want       []int
	}{
		"child takes the place":      {[]int{-1, 0, 1}, 2, 1, []int{-1, -1, 0}},
		"child of the highest":       {[]int{-1, 0, 1}, 2, 0, []int{-1, 2, -1}},
		"the survivor above":         {[]int{-1, 0, 1}, 0, 1, []int{-1, -1, 0}},
		"the parent that it lacks":   {[]int{-1, 0, -1}, 2, 1, []int{-1, -1, 0}},
		"its own parent stays":       {[]int{-1, 0, -1, 2}, 3, 1, []int{-1, -1, -1, 2}},
		"two who are each other's":   {[]int{1, 0}, 0, 1, []int{-1, -1}},
		"not one below the survivor": {[]int{-1, 0, 1}, 0, 2, []int{-1, 0, -1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := graphtest.New(t)
			p := w.Harbor.People(t, len(step.parents))
			bare(t, w)
			for i, parent := range step.parents {
				if parent >= 0 {
					execute(t, w, "UPDATE customers SET parent_id = $2 WHERE id = $1", p[i].Customer.UUID, p[parent].Customer.UUID)
				}
			}
			_, err := merge(t, w, p[step.into].Customer, p[step.from].Customer)
			require.NoError(t, err)
			for i, want := range step.want {
				got := -1
				for n := range p {
					if parent := read(t, w, p[i].Customer.UUID).ParentID; parent != nil && *parent == p[n].Customer.UUID {
						got = n
					}
				}
				require.Equal(t, want, got, "parent of %d", i)
			}
		})
	}
}

// Whatever is merged in whatever order, nothing is left with a merged customer, nothing is lost that counts, and who
// must not be called is not.
func TestRandomMergesLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := graphtest.New(t)
			o, rnd := w.Harbor, rand.New(rand.NewPCG(seed, 7))
			p := o.People(t, 9)
			bare(t, w)
			all := make([]*customer.Customer, len(p))
			for i := range p {
				all[i] = p[i].Customer
				disturb(t, w, rnd, all, i)
			}
			count := func(table string) int { return number[int](t, w, "SELECT count(*) FROM "+table) }
			kept := map[string]int{"customer_phones": 0, "customer_addresses": 0, "customer_identifiers": 0, "call_attempts": 0, "call_tasks": 0, "inconvenient_times": 0, "account_holders": 0, "cards": 0, "customers": 0}
			for table := range kept {
				kept[table] = count(table)
			}
			for range 5 {
				order := rnd.Perm(len(all))
				var live []*customer.Customer
				for _, i := range order {
					if row := read(t, w, all[i].UUID); !row.IsDeleted() {
						live = append(live, row)
					}
				}
				if len(live) < 3 {
					break
				}
				group := live[:2+rnd.IntN(min(3, len(live)-1))]
				mustNot := false
				for _, c := range group {
					mustNot = mustNot || c.DoNotCall
				}
				r, err := merge(t, w, group[0], group[1:]...)
				require.NoError(t, err)
				require.Equal(t, mustNot, r.Customer.DoNotCall)
				if group[0].FirstName != nil {
					require.Equal(t, *group[0].FirstName, *r.Customer.FirstName)
				}
				nothingLeft(t, w)
				for _, c := range group {
					require.LessOrEqual(t, primaries(t, w, c.UUID), primaries(t, w, r.Customer.UUID), "who had a primary phone or address gives the survivor one")
				}
				for table, n := range kept {
					require.Equal(t, n, count(table), table)
				}
				for _, field := range []reveal.Field{customer.FieldSSN, customer.FieldMBI} {
					_, err := customertest.Revealer(w.Pool, w.Customers.Sealer()).Reveal(t.Context(), o.System, reveal.Input{ID: r.Customer.ID(), Field: field, Reason: "checking the merge"})
					require.NoError(t, err, "what is sealed opens in its row")
				}
			}
		})
	}
}

// primaries counts the primary phone and the primary address of a customer.
func primaries(t *testing.T, w *graphtest.World, id uuid.UUID) int {
	t.Helper()
	return number[int](t, w, `SELECT (SELECT count(*) FROM customer_phones WHERE customer_id = $1 AND label = 'PRIMARY')
		+ (SELECT count(*) FROM customer_addresses WHERE customer_id = $1 AND label = 'PRIMARY')`, id)
}

// disturb gives a customer random values, relations and plans.
func disturb(t *testing.T, w *graphtest.World, rnd *rand.Rand, all []*customer.Customer, i int) {
	t.Helper()
	c, ctx, sc := all[i], t.Context(), w.Harbor.System.Scope()
	var in customer.UpdateInput
	maybe := func() bool { return rnd.IntN(2) == 0 }
	if maybe() {
		in.FirstName, in.SSN = graphql.OmittableOf[*string](nil), graphql.OmittableOf[*string](nil)
	}
	if maybe() {
		in.Medicare = val(customer.UpdateMedicareInput{MBI: val("1EG4-TE5-MK73"), MedicaidNumber: val("M-1")})
	}
	if maybe() {
		in.Profile, in.Coverage = val(customer.UpdateProfileInput{Suffix: val("Jr.")}), val(customer.UpdateCoverageInput{Carrier: val("Acme")})
		in.Household, in.Enrollment = val(customer.UpdateHouseholdInput{DependentCount: val(int32(2))}), val(customer.UpdateEnrollmentInput{PlanCode: val("P")})
	}
	if rnd.IntN(4) == 0 {
		in.Consent = val(customer.UpdateConsentInput{DoNotCall: val(true)})
	}
	update(t, w, c, in)
	if i > 0 && maybe() {
		// Parents come before: no circles to begin with.
		execute(t, w, "UPDATE customers SET parent_id = $2 WHERE id = $1", c.UUID, all[rnd.IntN(i)].UUID)
	}
	for _, table := range []string{"customer_phones", "customer_addresses"} {
		if maybe() {
			execute(t, w, "UPDATE "+table+" SET label = 'WORK' WHERE customer_id = $1 AND label NOT IN ('PRIMARY')", c.UUID)
		}
	}
	if maybe() {
		execute(t, w, "UPDATE loans SET external_id = $2 WHERE customer_id = $1", c.UUID, fmt.Sprint("L-", rnd.IntN(4)))
	}
	if rnd.IntN(3) == 0 {
		execute(t, w, `UPDATE call_tasks SET state = 'CLAIMED', lease_expires_at = now(), claimed_by = 'x', claimed_at = now()
			WHERE id = (SELECT id FROM call_tasks WHERE customer_id = $1 AND state = 'PENDING' LIMIT 1)`, c.UUID)
	}
	now := w.Clock.Now()
	row := func() db.Row { return db.Row{OrganizationID: sc.OrganizationID, UUID: db.NewID()} }
	held := &account.Account{Row: entity.Row{Row: row(), Version: 1, CreatedAt: now, UpdatedAt: now, CreatedBy: "x", UpdatedBy: "x"}, Source: "1", SourceAccountID: fmt.Sprint("A-", i), Status: account.Open, Type: "DDA", PrimarySourceCustomerID: "x",
		PrimaryCustomerID: &c.UUID}
	require.NoError(t, account.Accounts.Insert(ctx, w.Pool, sc, held))
	for n, holder := range []*customer.Customer{c, all[rnd.IntN(i+1)]} {
		require.NoError(t, account.Holders.Insert(ctx, w.Pool, sc, &account.Holder{Row: row(), AccountID: held.UUID, Source: "1",
			SourceCustomerID: fmt.Sprint(n), CustomerID: &holder.UUID, IsPrimary: n == 0, CreatedAt: now, UpdatedAt: now}))
	}
	require.NoError(t, account.Cards.Insert(ctx, w.Pool, sc, &account.Card{Row: row(), AccountID: held.UUID, Source: "1", SourceCustomerID: "0", CustomerID: &c.UUID,
		IIN: "123456", LastFour: "2345", CardType: "DEBIT", Status: account.Open, OpenedAt: now, CreatedAt: now, UpdatedAt: now}))
	require.NoError(t, customer.AlertPrograms.Insert(ctx, w.Pool, sc, &customer.AlertProgram{SectionRow: customer.SectionRow{Row: db.Row{OrganizationID: sc.OrganizationID, UUID: c.UUID}, CreatedAt: now, UpdatedAt: now},
		EnrollmentStartsAt: &now, AlertOptIns: pq.StringArray{"ALL"}}))
}

// staying are the tables whose rows stay with a duplicate where the survivor has no place for them.
var staying = []string{"customer_phones", "customer_addresses", "customer_profiles", "customer_coverages", "customer_medicare", "customer_households",
	"customer_enrollments", "customer_agents", "customer_alert_programs"}

// nothingLeft requires that no row points to a merged customer but those that tell of the past or have no other place,
// as the catalogue knows the references, and that calls are planned for the living only.
func nothingLeft(t *testing.T, w *graphtest.World) {
	t.Helper()
	var references []struct {
		Table  string `db:"tab"`
		Column string `db:"col"`
	}
	require.NoError(t, w.Pool.Select(t.Context(), &references, `
		SELECT k.conrelid::regclass::text AS tab, a.attname AS col FROM pg_constraint k
		JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[2]
		WHERE k.contype = 'f' AND k.confrelid = 'customers'::regclass`))
	require.GreaterOrEqual(t, len(references), 20)
	for _, r := range references {
		if r.Table == "import_rows" || r.Column == "merged_into_id" || slices.Contains(staying, r.Table) {
			continue
		}
		require.Zero(t, number[int](t, w, fmt.Sprintf(`SELECT count(*) FROM %s x JOIN customers c ON c.organization_id = x.organization_id AND c.id = x.%s
			WHERE c.merged_into_id IS NOT NULL`, r.Table, r.Column)), "%s.%s", r.Table, r.Column)
	}
	for what, query := range map[string]string{
		"merged into one that is merged too":     "SELECT count(*) FROM customers c JOIN customers s ON s.id = c.merged_into_id WHERE s.deleted_at IS NOT NULL",
		"tasks of another's schedule":            "SELECT count(*) FROM call_tasks t JOIN schedules s ON s.id = t.schedule_id WHERE s.customer_id <> t.customer_id",
		"calls of who must not be called":        "SELECT count(*) FROM call_tasks t JOIN customers c ON c.id = t.customer_id WHERE t.state = 'PENDING' AND (c.do_not_call OR c.deleted_at IS NOT NULL)",
		"calls planned without a plan":           "SELECT count(*) FROM call_tasks t JOIN schedules s ON s.id = t.schedule_id WHERE t.state = 'PENDING' AND (s.status <> 'ACTIVE' OR s.plan_number <> t.plan_number)",
		"held calls that would return":           "SELECT count(*) FROM call_tasks t JOIN customers c ON c.id = t.customer_id JOIN schedules s ON s.id = t.schedule_id WHERE t.state = 'CLAIMED' AND c.do_not_call AND s.status = 'ACTIVE'",
		"schedules of a loan that is not theirs": "SELECT count(*) FROM schedules s WHERE s.loan_id IS NOT NULL AND NOT EXISTS (SELECT FROM loans l WHERE l.id = s.loan_id AND l.customer_id = s.customer_id)",
		"circles":                                "WITH RECURSIVE up AS (SELECT id AS start, parent_id, 1 AS n FROM customers UNION ALL SELECT u.start, c.parent_id, n + 1 FROM up u JOIN customers c ON c.id = u.parent_id WHERE n < 50) SELECT count(*) FROM up WHERE parent_id = start",
	} {
		require.Zero(t, number[int](t, w, query), what)
	}
}

// The sealed value of a duplicate would not open in the survivor's row.
func TestSealedValuesAreBoundToTheirRow(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.People(t, 2)
	update(t, w, p[0].Customer, customer.UpdateInput{Medicare: val(customer.UpdateMedicareInput{MBI: val("1EG4-TE5-MK73")})})
	update(t, w, p[1].Customer, customer.UpdateInput{Medicare: val(customer.UpdateMedicareInput{MBI: val("1EG4-TE5-MK74")})})
	execute(t, w, "UPDATE customer_medicare m SET mbi_sealed = o.mbi_sealed FROM customer_medicare o WHERE m.id = $1 AND o.id = $2", p[0].Customer.UUID, p[1].Customer.UUID)
	_, err := customertest.Revealer(w.Pool, w.Customers.Sealer()).Reveal(t.Context(), w.Harbor.System, reveal.Input{ID: p[0].Customer.ID(), Field: customer.FieldMBI, Reason: "checking the seal"})
	require.ErrorIs(t, err, pii.ErrOpen)
}
