package customertest_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/customer"
	"caseload/internal/graphtest"
	"caseload/internal/schedule"
)

// phone adds a phone, or changes the number of the one with the label.
func phone(t *testing.T, w *graphtest.World, c *customer.Customer, label, digits string, blocked bool) {
	t.Helper()
	execute(t, w, `INSERT INTO customer_phones (organization_id, id, customer_id, label, number, blocked_at, blocked_reason, created_at, updated_at)
		VALUES ($1, gen_random_uuid(), $2, $3, $4, CASE WHEN $5 THEN now() END, CASE WHEN $5 THEN 'WRONG_NUMBER' END, now(), now())
		ON CONFLICT (organization_id, customer_id, label) DO UPDATE SET number = excluded.number, blocked_at = excluded.blocked_at, blocked_reason = excluded.blocked_reason`,
		c.OrganizationID, c.UUID, label, digits, blocked)
}

// phonesOf returns the phones of a customer by label; one that is blocked has a cross behind it.
func phonesOf(t *testing.T, w *graphtest.World, id uuid.UUID) []string {
	t.Helper()
	var out []string
	require.NoError(t, w.Pool.Select(t.Context(), &out, `SELECT label || ' ' || number || CASE WHEN blocked_at IS NULL THEN '' ELSE ' x' END
		FROM customer_phones WHERE customer_id = $1 ORDER BY label`, id))
	return out
}

// What the survivor has no place for stays with the duplicate, can be read there, and is told to the audit log.
func TestAMergeDestroysNothing(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	o := w.Harbor
	p := o.People(t, 4)
	bare(t, w)
	into := p[0].Customer
	var from []*customer.Customer
	for i, d := range p[1:] {
		from = append(from, d.Customer)
		phone(t, w, d.Customer, "PRIMARY", fmt.Sprintf("+1212555017%d", i), i == 1)
		update(t, w, d.Customer, customer.UpdateInput{Agent: val(customer.UpdateAgentInput{Name: val(fmt.Sprint("Agent ", i))}),
			Medicare: val(customer.UpdateMedicareInput{MBI: val(fmt.Sprint("1EG4-TE5-MK7", i))})})
	}
	update(t, w, into, customer.UpdateInput{Agent: val(customer.UpdateAgentInput{Name: val("Own")}), Medicare: val(customer.UpdateMedicareInput{MBI: val("1EG4-TE5-MK79")})})
	rows := func() string {
		return number[string](t, w, `SELECT (SELECT string_agg(id::text, ',' ORDER BY id) FROM customer_phones) || (SELECT string_agg(id::text, ',' ORDER BY id) FROM customer_addresses)
			|| (SELECT string_agg(id || name, ',' ORDER BY id) FROM customer_agents) || (SELECT string_agg(id || mbi_sealed::text, ',' ORDER BY id) FROM customer_medicare)`)
	}
	before := rows()
	_, err := merge(t, w, into, from...)
	require.NoError(t, err)
	require.Equal(t, before, rows(), "not a row is gone")
	require.Equal(t, []string{"CELL +17165550123", "OTHER +12125550171 x", "PRIMARY +12125550100"}, phonesOf(t, w, into.UUID),
		"a number that must not be called goes before the others")
	require.Equal(t, []string{"CELL +17165550123", "PRIMARY +12125550172"}, phonesOf(t, w, from[2].UUID))
	r := w.OK(t, o.Key, `query ($id: ID!) { customer(id: $id) { mergedInto { id } agent { name } medicare { mbiLastFour } phones(first: 5) { totalCount } } }`,
		graphtest.Vars{"id": graphtest.ID(from[2])})
	require.Equal(t, map[string]any{"mergedInto": map[string]any{"id": graphtest.ID(into)}, "agent": map[string]any{"name": "Agent 2"},
		"medicare": map[string]any{"mbiLastFour": "MK72"}, "phones": map[string]any{"totalCount": 2.0}}, r.At("customer"))

	var changes struct {
		Moved   string `db:"moved"`
		Kept    string `db:"kept"`
		Removed string `db:"removed"`
	}
	require.NoError(t, w.Pool.Get(t.Context(), &changes, "SELECT changes->>'moved' AS moved, changes->>'kept' AS kept, changes->>'removed' AS removed FROM audit_entries WHERE action = 'customer.merged'"))
	require.JSONEq(t, `{"phones": 5, "addresses": 6, "agent": 3, "medicare": 3}`, changes.Kept)
	require.JSONEq(t, `{"loans": 3, "schedules": 6}`, changes.Removed)
	require.JSONEq(t, fmt.Sprintf(`{"phones": 1, "identifiers": 3, "call_attempts": 3, "inconvenient_times": 3, "call_tasks": %d}`,
		number[int](t, w, "SELECT count(*) FROM call_tasks WHERE customer_id = $1", into.UUID)-len(p[0].Tasks)), changes.Moved)
	var columns []string
	require.NoError(t, w.Pool.Select(t.Context(), &columns, "SELECT unnest(ARRAY(SELECT jsonb_object_keys(changes)))::text FROM audit_entries WHERE action = 'customer.merged' ORDER BY 1"))
	require.Equal(t, []string{"duplicates", "fields", "kept", "moved", "removed"}, columns)
}

// A number that was found wrong under the name of a duplicate, and for which the survivor had no place, is wrong when the
// survivor is sent it.
func TestABlockOutlivesAMerge(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.People(t, 2)
	phone(t, w, p[0].Customer, "OTHER", "+12125550160", false)
	phone(t, w, p[1].Customer, "PRIMARY", "+12125550170", true)
	_, err := merge(t, w, p[0].Customer, p[1].Customer)
	require.NoError(t, err)
	require.NotContains(t, phonesOf(t, w, p[0].Customer.UUID), "OTHER +12125550170 x")
	update(t, w, p[0].Customer, customer.UpdateInput{Phone: val(customer.UpdatePhoneInput{Number: val("+12125550170")})})
	require.Contains(t, phonesOf(t, w, p[0].Customer.UUID), "PRIMARY +12125550170 x")
	update(t, w, p[0].Customer, customer.UpdateInput{Phone: val(customer.UpdatePhoneInput{Number: val("+12125550171")})})
	require.Contains(t, phonesOf(t, w, p[0].Customer.UUID), "PRIMARY +12125550171")
}

// A survivor without a primary phone or address gets that of a duplicate, even when it, or another duplicate, has the
// same one under another label.
func TestAMergeFindsAPrimary(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]struct {
		// phones are those of the survivor and of each duplicate.
		phones []map[string]string
		want   []string
	}{
		"the same under another label":                    {[]map[string]string{{"OTHER": "1"}, {"PRIMARY": "1"}}, []string{"OTHER 1", "PRIMARY 1"}},
		"an earlier duplicate has it under another label": {[]map[string]string{{}, {"CELL": "1"}, {"PRIMARY": "1"}}, []string{"PRIMARY 1"}},
		"the first primary":                               {[]map[string]string{{}, {"PRIMARY": "1"}, {"PRIMARY": "2"}}, []string{"OTHER 2", "PRIMARY 1"}},
		"its own stays":                                   {[]map[string]string{{"PRIMARY": "1", "OTHER": "2"}, {"PRIMARY": "2"}, {"PRIMARY": "3"}}, []string{"OTHER 2", "PRIMARY 1"}},
		"a label that is free":                            {[]map[string]string{{"PRIMARY": "1"}, {"PRIMARY": "2"}, {"WORK": "2"}}, []string{"PRIMARY 1", "WORK 2"}},
		"known, and not the first":                        {[]map[string]string{{"WORK": "2"}, {"PRIMARY": "1"}, {"PRIMARY": "2"}}, []string{"PRIMARY 1", "WORK 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := graphtest.New(t)
			p := w.Harbor.People(t, len(step.phones))
			execute(t, w, "DELETE FROM customer_phones")
			execute(t, w, "DELETE FROM customer_addresses")
			var all []*customer.Customer
			for i, phones := range step.phones {
				all = append(all, p[i].Customer)
				for label, n := range phones {
					phone(t, w, p[i].Customer, label, "+1212555018"+n, false)
					if label == "CELL" {
						label = "MAILING"
					}
					execute(t, w, `INSERT INTO customer_addresses (organization_id, id, customer_id, label, line1, created_at, updated_at) VALUES ($1, gen_random_uuid(), $2, $3, $4, now(), now())`,
						p[i].Customer.OrganizationID, p[i].Customer.UUID, label, n)
				}
			}
			_, err := merge(t, w, all[0], all[1:]...)
			require.NoError(t, err)
			var phones, addresses []string
			require.NoError(t, w.Pool.Select(t.Context(), &phones, "SELECT label || ' ' || right(number, 1) FROM customer_phones WHERE customer_id = $1 ORDER BY 1", all[0].UUID))
			require.Equal(t, step.want, phones)
			require.NoError(t, w.Pool.Select(t.Context(), &addresses, "SELECT label || ' ' || line1 FROM customer_addresses WHERE customer_id = $1 ORDER BY 1", all[0].UUID))
			require.Equal(t, step.want, addresses)
		})
	}
	// A number that is there twice by then is wrong as a whole.
	w := graphtest.New(t)
	p := w.Harbor.People(t, 2)
	execute(t, w, "DELETE FROM customer_phones")
	phone(t, w, p[0].Customer, "OTHER", "+12125550170", true)
	phone(t, w, p[1].Customer, "PRIMARY", "+12125550170", false)
	_, err := merge(t, w, p[0].Customer, p[1].Customer)
	require.NoError(t, err)
	require.Equal(t, []string{"OTHER +12125550170 x", "PRIMARY +12125550170 x"}, phonesOf(t, w, p[0].Customer.UUID))
}

// The children of a duplicate change too, which is told of each of them.
func TestAMergeTellsOfChildren(t *testing.T) {
	t.Parallel()
	w, e := listen(t)
	p := w.Harbor.People(t, 5)
	bare(t, w)
	into, d := p[0].Customer, p[1].Customer
	for _, child := range p[2:] {
		execute(t, w, "UPDATE customers SET parent_id = $2 WHERE id = $1", child.Customer.UUID, d.UUID)
	}
	_, err := w.Customers.Delete(t.Context(), w.Harbor.System, customer.DeleteInput{ID: p[4].Customer.ID()})
	require.NoError(t, err)
	e.Take()
	version := read(t, w, p[2].Customer.UUID).Version
	_, err = merge(t, w, into, d)
	require.NoError(t, err)
	heard := e.Take()
	require.Equal(t, "customer.merged into "+into.ID().String(), heard[0])
	require.Contains(t, heard[1], "customer.updated [")
	require.Equal(t, []string{"customer.updated [parent_id]", "customer.updated [parent_id]"}, heard[2:], "who is deleted is told of to nobody")
	require.Equal(t, version+1, read(t, w, p[2].Customer.UUID).Version)
	var targets []string
	require.NoError(t, w.Pool.Select(t.Context(), &targets, `SELECT target_id FROM audit_entries
		WHERE action = 'customer.parent_changed' AND changes->>'parent' = $1 AND reason = 'the same person'`, into.ID().String()))
	require.ElementsMatch(t, []string{graphtest.ID(p[2].Customer), graphtest.ID(p[3].Customer), graphtest.ID(p[4].Customer)}, targets)
}

// A mark that comes with a merge is found in the audit log like any other.
func TestAMergeTellsOfDoNotCall(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.People(t, 3)
	on := customer.UpdateInput{Consent: val(customer.UpdateConsentInput{DoNotCall: val(true)})}
	update(t, w, p[1].Customer, on)
	entries := func() int {
		return number[int](t, w, "SELECT count(*) FROM audit_entries WHERE action = 'customer.do_not_call_set' AND customer_id = $1", p[0].Customer.UUID)
	}
	_, err := merge(t, w, p[0].Customer, p[1].Customer)
	require.NoError(t, err)
	require.Equal(t, 1, entries())
	update(t, w, p[2].Customer, on)
	_, err = merge(t, w, p[0].Customer, p[2].Customer)
	require.NoError(t, err)
	require.Equal(t, 1, entries(), "it was marked already")
}

// Of the schedules that duplicates have for one task type that of the first named stays.
func TestTheFirstDuplicatesScheduleStays(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.People(t, 10)
	// Both ways round: no order that the rows may happen to be in satisfies both.
	for _, group := range [][]*graphtest.Person{p[:5], {p[9], p[8], p[7], p[6], p[5]}} {
		execute(t, w, "UPDATE call_tasks SET state = 'CANCELLED', finished_at = now(), skip_reason = 'x' WHERE customer_id = $1", group[0].Customer.UUID)
		execute(t, w, "DELETE FROM call_attempts WHERE customer_id = $1", group[0].Customer.UUID)
		execute(t, w, "DELETE FROM call_tasks WHERE customer_id = $1", group[0].Customer.UUID)
		execute(t, w, "DELETE FROM schedules WHERE customer_id = $1", group[0].Customer.UUID)
		var from []*customer.Customer
		for _, d := range group[1:] {
			from = append(from, d.Customer)
		}
		_, err := merge(t, w, group[0].Customer, from...)
		require.NoError(t, err)
		rows, err := schedule.Schedules.ByKeys(t.Context(), w.Pool, w.Harbor.System.Scope(), "customer_id", []uuid.UUID{group[0].Customer.UUID})
		require.NoError(t, err)
		require.True(t, slices.ContainsFunc(rows, func(s *schedule.Schedule) bool { return s.UUID == group[1].Schedule.UUID }))
	}
}

// Null in a patch of the address clears as it does elsewhere.
func TestNullsOfAnAddress(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	update(t, w, p.Customer, customer.UpdateInput{Address: graphql.OmittableOf[*customer.AddressInput](nil)})
	row := read(t, w, p.Customer.UUID)
	again := update(t, w, p.Customer, customer.UpdateInput{Address: val(customer.AddressInput{City: graphql.OmittableOf[*string](nil)})})
	require.Equal(t, row.Version, again.Version, "nulls for an address that there is none of")
}
