package db_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/civil"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
)

func full(s db.Scope) *customer.Customer {
	c := number(s, 1)
	c.FirstName, c.MiddleName, c.Email = pointer(`Zoë "Z" O'Hara \ {a,b}`), pointer(""), pointer("zoë@example.test")
	c.Birthday = pointer(civil.MustDate(1980, 2, 29))
	c.SSNSealed, c.SSNIndex = []byte{0, 1, '"', '\\', 255}, []byte{}
	c.TimeZone, c.Language = pointer("America/New_York"), pointer("NULL")
	c.DoNotCall, c.DoNotCallAt = true, pointer(noon)
	c.ExternalMetadata = db.JSON(`{"a": ["\"", "\\", null, 1.50]}`)
	return c
}

// same compares rows as the program sees them, JSON by its meaning.
func same(t testing.TB, want, got *customer.Customer) {
	t.Helper()
	a, b := *want, *got
	if a.ExternalMetadata != nil && b.ExternalMetadata != nil {
		require.JSONEq(t, string(a.ExternalMetadata), string(b.ExternalMetadata))
		a.ExternalMetadata, b.ExternalMetadata = nil, nil
	}
	for _, c := range []*customer.Customer{&a, &b} {
		c.CreatedAt, c.UpdatedAt = c.CreatedAt.UTC(), c.UpdatedAt.UTC()
		if c.DoNotCallAt != nil {
			c.DoNotCallAt = pointer(c.DoNotCallAt.UTC())
		}
	}
	require.Equal(t, a, b)
}

func TestInsertAndReadBack(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{}), scope()
	empty := number(s, 2)
	for _, row := range []*customer.Customer{full(s), empty} {
		require.NoError(t, customer.Customers.Insert(t.Context(), pool, s, row))
		got, err := customer.Customers.ByID(t.Context(), pool, s, row.UUID)
		require.NoError(t, err)
		same(t, row, got)
	}
	got, err := customer.Customers.ByID(t.Context(), pool, s, empty.UUID)
	require.NoError(t, err)
	require.Nil(t, got.SSNSealed, "no bytes are NULL, not an empty value")
	require.Nil(t, got.ExternalMetadata, "no JSON is NULL, not the JSON value null")

	_, err = customer.Customers.ByID(t.Context(), pool, s, db.NewID())
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
}

func TestByKeys(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{}), scope()
	rows := stored(t, pool, s, 5)
	got, err := customer.Customers.ByKeys(t.Context(), pool, s, "id", []uuid.UUID{rows[3].UUID, rows[1].UUID, rows[1].UUID, db.NewID()})
	require.NoError(t, err)
	require.ElementsMatch(t, []uuid.UUID{rows[1].UUID, rows[3].UUID}, ids(got))

	none, err := customer.Customers.ByKeys(t.Context(), pool, s, "id", nil)
	require.NoError(t, err)
	require.Empty(t, none)
	require.Panics(t, func() { _, _ = customer.Customers.ByKeys(t.Context(), pool, s, "nonsense", ids(rows)) })
}

func TestListBothWays(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{}), scope()
	rows := stored(t, pool, s, 5)
	at := func(i int) []*string { return []*string{db.Text(rows[i].CreatedAt), db.Text(rows[i].UUID)} }
	for _, c := range []struct {
		name string
		page db.Page
		want []*customer.Customer
	}{
		{"all", db.Page{}, rows},
		{"first two and one more", db.Page{Limit: 2}, rows[:3]},
		{"last two and one more", db.Page{Limit: 2, Backward: true}, rows[2:]},
		{"after", db.Page{Limit: 2, After: at(1)}, rows[2:5]},
		{"after the last", db.Page{Limit: 2, After: at(4)}, nil},
		{"before", db.Page{Limit: 2, Before: at(2), Backward: true}, rows[:2]},
		{"between", db.Page{Limit: 5, After: at(0), Before: at(4)}, rows[1:4]},
		{"between, from the end", db.Page{Limit: 1, After: at(0), Before: at(4), Backward: true}, rows[2:4]},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.page.Order = db.By("created_at")
			got, err := customer.Customers.List(t.Context(), pool, s, db.Where{}, c.page)
			require.NoError(t, err)
			require.Equal(t, ids(c.want), ids(got))
		})
	}
	n, err := customer.Customers.Count(t.Context(), pool, s, db.Where{}.And("c.reference_id > ?", "ref-0002"))
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

func TestListPerAndCountPer(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{}), scope()
	parents := stored(t, pool, s, 3)
	var phones []*customer.Phone
	for i, label := range []customer.PhoneLabel{"PRIMARY", "HOME", "CELL", "WORK"} {
		phones = append(phones, phoneOf(parents[0], label, "+1415555010"+string(rune('0'+i))))
	}
	phones = append(phones, phoneOf(parents[2], "PRIMARY", "+14155550109"))
	_, err := customer.Phones.InsertAll(t.Context(), pool, s, phones, false)
	require.NoError(t, err)
	// One parent stands twice, one has no children, one does not exist.
	keys := []uuid.UUID{parents[2].UUID, parents[0].UUID, db.NewID(), parents[1].UUID, parents[0].UUID}

	for _, c := range []struct {
		name  string
		page  db.Page
		first []*customer.Phone
	}{
		{"all", db.Page{}, phones[:4]},
		{"first two and one more", db.Page{Limit: 2}, phones[:3]},
		{"last two and one more", db.Page{Limit: 2, Backward: true}, phones[1:4]},
		{"after", db.Page{Limit: 9, After: []*string{db.Text(phones[1].CreatedAt), db.Text(phones[1].UUID)}}, phones[2:4]},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.page.Order = db.By("created_at")
			got, err := customer.Phones.RowsPer(t.Context(), pool, s, "customer_id", keys, db.Where{}, c.page)
			require.NoError(t, err)
			require.Len(t, got, len(keys))
			require.Equal(t, ids(c.first), ids(phonesOf(got[1])))
			require.Equal(t, ids(c.first), ids(phonesOf(got[4])))
			require.Empty(t, got[2])
			require.Empty(t, got[3])
			require.Equal(t, c.first[0].Number, phonesOf(got[1])[0].Number)
			require.True(t, phonesOf(got[1])[0].CreatedAt.Equal(noon))
		})
	}

	counts, err := customer.Phones.CountPer(t.Context(), pool, s, "customer_id", keys, db.Where{}.And("c.label <> ?", "HOME"))
	require.NoError(t, err)
	require.Equal(t, []int{1, 3, 0, 0, 3}, counts)

	empty, err := customer.Phones.RowsPer(t.Context(), pool, s, "customer_id", nil, db.Where{}, db.Page{Order: db.By("created_at")})
	require.NoError(t, err)
	require.Empty(t, empty)
}

// phonesOf gives rows their type.
func phonesOf(rows []any) []*customer.Phone {
	out := make([]*customer.Phone, len(rows))
	for i, row := range rows {
		out[i] = row.(*customer.Phone)
	}
	return out
}

func TestUpdateRaisesTheVersionOnce(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{}), scope()
	row := full(s)
	require.NoError(t, customer.Customers.Insert(t.Context(), pool, s, row))
	stale := *row

	row.FirstName, row.SSNSealed, row.CreatedBy = pointer("Ann"), nil, "somebody else"
	require.NoError(t, customer.Customers.Update(t.Context(), pool, s, row))
	require.Equal(t, int32(2), row.Version)
	got, err := customer.Customers.ByID(t.Context(), pool, s, row.UUID)
	require.NoError(t, err)
	row.CreatedBy = "system"
	same(t, row, got)

	err = customer.Customers.Update(t.Context(), pool, s, &stale)
	users, ok := fault.AsUserErrors(err)
	require.True(t, ok, err)
	require.Equal(t, fault.StaleVersion, users[0].Code)
	require.Equal(t, int32(1), stale.Version)
	got, err = customer.Customers.ByID(t.Context(), pool, s, row.UUID)
	require.NoError(t, err)
	same(t, row, got)
}

func TestLockHoldsOtherWriters(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{LockTimeout: 50 * time.Millisecond}), scope()
	row := stored(t, pool, s, 1)[0]
	err := pool.InTx(t.Context(), noon, func(tx *db.Tx) error {
		locked, err := customer.Customers.Lock(t.Context(), tx, s, row.UUID)
		require.NoError(t, err)
		require.Equal(t, row.UUID, locked.UUID)

		err = customer.Customers.Update(t.Context(), pool, s, row)
		require.Equal(t, fault.Conflict, db.Fault(err).Code)
		// Children of a locked row can be written: their foreign keys need only its key.
		return customer.Phones.Insert(t.Context(), pool, s, phoneOf(row, "PRIMARY", "+14155550100"))
	})
	require.NoError(t, err)
	require.NoError(t, customer.Customers.Update(t.Context(), pool, s, row))
}

// Every verb is tried with the id of another organization's row: it is neither shown nor changed.
func TestOtherOrganizationsAreOutOfReach(t *testing.T) {
	t.Parallel()
	pool, mine, theirs := open(t, db.Settings{}), scope(), scope()
	foreign := stored(t, pool, theirs, 3)
	phone := phoneOf(foreign[0], "PRIMARY", "+14155550100")
	require.NoError(t, customer.Phones.Insert(t.Context(), pool, theirs, phone))
	before, err := json.Marshal(dump(t, pool))
	require.NoError(t, err)
	ctx, order := t.Context(), db.By("created_at")

	for name, s := range map[string]db.Scope{"another organization": mine, "no organization": {}} {
		t.Run(name, func(t *testing.T) {
			rows, err := customer.Customers.ByKeys(ctx, pool, s, "id", ids(foreign))
			require.NoError(t, err)
			require.Empty(t, rows)
			_, err = customer.Customers.ByID(ctx, pool, s, foreign[0].UUID)
			require.Equal(t, fault.NotFound, fault.CodeOf(err))
			_, err = customer.Customers.One(ctx, pool, s, db.Where{}.And("c.reference_id = ?", *foreign[0].ReferenceID))
			require.Equal(t, fault.NotFound, fault.CodeOf(err))
			rows, err = customer.Customers.List(ctx, pool, s, db.Where{}, db.Page{Order: order})
			require.NoError(t, err)
			require.Empty(t, rows)
			rows, err = customer.Customers.List(ctx, pool, s, db.Or([]db.Where{{}}), db.Page{Order: order})
			require.NoError(t, err)
			require.Empty(t, rows)
			per, err := customer.Phones.RowsPer(ctx, pool, s, "customer_id", ids(foreign), db.Where{}, db.Page{Order: order})
			require.NoError(t, err)
			require.Empty(t, slices.Concat(per...))
			n, err := customer.Customers.Count(ctx, pool, s, db.Where{})
			require.NoError(t, err)
			require.Zero(t, n)
			counts, err := customer.Phones.CountPer(ctx, pool, s, "customer_id", ids(foreign), db.Where{})
			require.NoError(t, err)
			require.Equal(t, []int{0, 0, 0}, counts)

			require.NoError(t, pool.InTx(ctx, noon, func(tx *db.Tx) error {
				_, err := customer.Customers.Lock(ctx, tx, s, foreign[0].UUID)
				require.Equal(t, fault.NotFound, fault.CodeOf(err))
				return nil
			}))

			// A row that says whose it is cannot be written in another scope.
			require.Error(t, customer.Customers.Insert(ctx, pool, s, number(theirs, 7)))
			require.Error(t, customer.Customers.Update(ctx, pool, s, foreign[0]))
			_, err = customer.Customers.InsertAll(ctx, pool, s, []*customer.Customer{number(s, 8), number(theirs, 8)}, true)
			require.Error(t, err)
			_, err = customer.Customers.UpdateAll(ctx, pool, s, foreign, []string{"last_name"})
			require.Error(t, err)
			_, err = customer.Phones.Upsert(ctx, pool, s, []*customer.Phone{phone}, []string{"organization_id", "customer_id", "label"}, []string{"number"})
			require.Error(t, err)

			// A row of this scope with the other's id does not reach the other either.
			if s.OrganizationID == uuid.Nil {
				return
			}
			twin := *foreign[0]
			twin.OrganizationID, twin.LastName = s.OrganizationID, pointer("Mallory")
			_, isUser := fault.AsUserErrors(customer.Customers.Update(ctx, pool, s, &twin))
			require.True(t, isUser)
			touched, err := customer.Customers.UpdateAll(ctx, pool, s, []*customer.Customer{&twin}, []string{"last_name"})
			require.NoError(t, err)
			require.Zero(t, touched)
			child := *phone
			child.OrganizationID, child.Number = s.OrganizationID, "+14155550199"
			_, err = customer.Phones.Upsert(ctx, pool, s, []*customer.Phone{&child}, []string{"organization_id", "customer_id", "label"}, []string{"number"})
			require.Equal(t, "customer_phones_customer_fkey", db.Violated(err))
		})
	}
	after, err := json.Marshal(dump(t, pool))
	require.NoError(t, err)
	require.JSONEq(t, string(before), string(after))
}

// dump reads all customers and phones, whoever they belong to.
func dump(t testing.TB, pool *db.Pool) []string {
	t.Helper()
	var rows []string
	require.NoError(t, pool.Select(t.Context(), &rows, `
		SELECT CAST(to_jsonb(c) AS text) FROM customers c UNION ALL SELECT CAST(to_jsonb(p) AS text) FROM customer_phones p ORDER BY 1`))
	return rows
}

func TestWhereIsAValue(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{}), scope()
	rows := stored(t, pool, s, 3)
	list := func(w db.Where) []uuid.UUID {
		got, err := customer.Customers.List(t.Context(), pool, s, w, db.Page{Order: db.By("created_at")})
		require.NoError(t, err)
		return ids(got)
	}
	begin := db.Where{}.And("c.reference_id >= ?", "ref-0001")
	one, two := begin.And("c.reference_id = ?", "ref-0001"), begin.And("c.reference_id = ?", "ref-0002")
	require.Equal(t, []uuid.UUID{rows[1].UUID}, list(one))
	require.Equal(t, []uuid.UUID{rows[2].UUID}, list(two))
	require.Equal(t, ids(rows[1:]), list(db.Or([]db.Where{one, two})))
	require.Equal(t, ids(rows[:1]), list(begin.Not()))
	require.Empty(t, list(db.Or(nil)), "one of none is nothing")
	require.Empty(t, list(db.Where{}.Not()))
	require.Equal(t, ids(rows), list(db.Or([]db.Where{{}, one})))
}

func TestTableDeclaredWrongPanics(t *testing.T) {
	t.Parallel()
	require.PanicsWithValue(t, "table x: struct struct { A string \"db:\\\"a\\\"\" } has no column organization_id", func() {
		db.NewTable[struct {
			A string `db:"a"`
		}]("x", "x")
	})
}
