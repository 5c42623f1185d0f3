package db_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"caseload/internal/civil"
	"caseload/internal/customer"
	"caseload/internal/db"
)

func TestInsertAllSkipsTakenKeysOnlyWhenIgnoring(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{}), scope()
	stored(t, pool, s, 2)
	again := []*customer.Customer{number(s, 1), number(s, 2)}
	_, err := customer.Customers.InsertAll(t.Context(), pool, s, again, false)
	require.Equal(t, "customers_reference_id_key", db.Violated(err))
	n, err := customer.Customers.InsertAll(t.Context(), pool, s, again, true)
	require.NoError(t, err)
	require.Equal(t, int64(1), n)
	n, err = customer.Customers.InsertAll(t.Context(), pool, s, nil, false)
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestUpsertLeavesEqualRowsAlone(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{}), scope()
	parent := stored(t, pool, s, 1)[0]
	conflict := []string{"organization_id", "customer_id", "label"}
	update := []string{"number", "line_type", "blocked_at", "blocked_reason", "updated_at"}
	upsert := func(phones ...*customer.Phone) int64 {
		n, err := customer.Phones.Upsert(t.Context(), pool, s, phones, conflict, update)
		require.NoError(t, err)
		return n
	}
	home, cell := phoneOf(parent, "HOME", "+14155550100"), phoneOf(parent, "CELL", "+14155550101")
	require.Equal(t, int64(2), upsert(home, cell))
	wasHome, wasCell := version(t, pool, "customer_phones", home.UUID), version(t, pool, "customer_phones", cell.UUID)

	sameHome, newCell := phoneOf(parent, "HOME", "+14155550100"), phoneOf(parent, "CELL", "+14155550102")
	sameHome.UpdatedAt, newCell.UpdatedAt = noon.Add(time.Hour), noon.Add(time.Hour)
	newCell.BlockedReason = pointer("wrong number")
	require.Equal(t, int64(1), upsert(sameHome, newCell))
	require.Equal(t, wasHome, version(t, pool, "customer_phones", home.UUID), "an equal row is not written")
	require.NotEqual(t, wasCell, version(t, pool, "customer_phones", cell.UUID))

	got, err := customer.Phones.List(t.Context(), pool, s, db.Where{}, db.Page{Order: db.By("number")})
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{home.UUID, cell.UUID}, ids(got), "a row keeps its id")
	require.True(t, got[0].UpdatedAt.Equal(noon))
	require.True(t, got[1].UpdatedAt.Equal(noon.Add(time.Hour)))
	require.Equal(t, "wrong number", *got[1].BlockedReason)

	// NULL differs from a value, and is equal to NULL.
	require.Equal(t, int64(1), upsert(phoneOf(parent, "CELL", "+14155550102")))
	require.Zero(t, upsert(phoneOf(parent, "CELL", "+14155550102")))
	require.Zero(t, upsert())
}

func TestUpsertRaisesTheVersionOfWhatChanged(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{}), scope()
	rows := stored(t, pool, s, 2)
	a, b := *rows[0], *rows[1]
	a.ExternalMetadata, a.UpdatedAt, b.UpdatedAt = db.JSON(`{"x":1}`), noon.Add(time.Hour), noon.Add(time.Hour)
	upsert := func() int64 {
		n, err := customer.Customers.Upsert(t.Context(), pool, s, []*customer.Customer{&a, &b},
			[]string{"organization_id", "reference_id"}, []string{"external_metadata", "version", "updated_at", "updated_by"})
		require.NoError(t, err)
		return n
	}
	require.Equal(t, int64(1), upsert())
	a.ExternalMetadata = db.JSON(` { "x" : 1 } `)
	require.Zero(t, upsert(), "JSON is compared by its meaning")
	got, err := customer.Customers.List(t.Context(), pool, s, db.Where{}, db.Page{Order: db.By("reference_id")})
	require.NoError(t, err)
	require.Equal(t, int32(2), got[0].Version)
	require.Equal(t, int32(1), got[1].Version)
	require.True(t, got[1].UpdatedAt.Equal(rows[1].UpdatedAt))
}

func TestUpdateAll(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{}), scope()
	rows := stored(t, pool, s, 3)
	rows[0].LastName, rows[0].Email, rows[0].SSNIndex = nil, pointer("a@example.test"), []byte{1, 2}
	rows[2].LastName, rows[2].FirstName = pointer(`"\{},`), pointer("not in the list")
	n, err := customer.Customers.UpdateAll(t.Context(), pool, s, []*customer.Customer{rows[0], rows[2]}, []string{"last_name", "email", "ssn_index"})
	require.NoError(t, err)
	require.Equal(t, int64(2), n)
	got, err := customer.Customers.List(t.Context(), pool, s, db.Where{}, db.Page{Order: db.By("reference_id")})
	require.NoError(t, err)
	require.Equal(t, []int32{2, 1, 2}, []int32{got[0].Version, got[1].Version, got[2].Version})
	require.Nil(t, got[0].LastName)
	require.Equal(t, "a@example.test", *got[0].Email)
	require.Equal(t, []byte{1, 2}, got[0].SSNIndex)
	require.Equal(t, `"\{},`, *got[2].LastName)
	require.Nil(t, got[2].FirstName)
	require.Nil(t, got[2].SSNIndex)
	n, err = customer.Customers.UpdateAll(t.Context(), pool, s, nil, []string{"last_name"})
	require.NoError(t, err)
	require.Zero(t, n)
}

type (
	word   string
	small  int16
	count  int32
	bits   uint8
	truth  bool
	clocks []civil.LocalTime
)

func (clocks) PGType() string { return "time[]" }

// everything has a column of each kind that rows have.
type everything struct {
	db.Row
	Text      string           `db:"a_text"`
	Word      word             `db:"a_word"`
	MaybeText *string          `db:"maybe_text"`
	MaybeWord *word            `db:"maybe_word"`
	Texts     pq.StringArray   `db:"texts"`
	UUIDs     db.UUIDs         `db:"uuids"`
	MaybeUUID *uuid.UUID       `db:"maybe_uuid"`
	JSON      db.JSON          `db:"a_json"`
	Bytes     []byte           `db:"bytes"`
	Number    decimal.Decimal  `db:"a_number"`
	MaybeNum  *decimal.Decimal `db:"maybe_number"`
	Date      civil.Date       `db:"a_date"`
	MaybeDate *civil.Date      `db:"maybe_date"`
	Clock     civil.LocalTime  `db:"clock"`
	MaybeTime *civil.LocalTime `db:"maybe_clock"`
	At        time.Time        `db:"at"`
	MaybeAt   *time.Time       `db:"maybe_at"`
	Yes       bool             `db:"yes"`
	Flag      truth            `db:"a_flag"`
	MaybeYes  *bool            `db:"maybe_yes"`
	Int       int              `db:"a_int"`
	Int32     int32            `db:"an_int32"`
	Int64     int64            `db:"an_int64"`
	Small     small            `db:"a_small"`
	Count     count            `db:"a_count"`
	MaybeInt  *int32           `db:"maybe_int"`
	Bits      bits             `db:"bits"`
}

var everyType = db.NewTable[everything]("everything", "any")

const createEverything = `CREATE TABLE everything (
	organization_id uuid NOT NULL, id uuid NOT NULL,
	a_text text NOT NULL, a_word text NOT NULL, maybe_text text, maybe_word text,
	texts text[], uuids uuid[] NOT NULL, maybe_uuid uuid, a_json jsonb, bytes bytea,
	a_number numeric(30, 10) NOT NULL, maybe_number numeric, a_date date NOT NULL, maybe_date date,
	clock time NOT NULL, maybe_clock time, at timestamptz NOT NULL, maybe_at timestamptz,
	yes boolean NOT NULL, a_flag boolean NOT NULL, maybe_yes boolean,
	a_int integer NOT NULL, an_int32 integer NOT NULL, an_int64 bigint NOT NULL,
	a_small smallint NOT NULL, a_count integer NOT NULL, maybe_int integer, bits smallint NOT NULL,
	PRIMARY KEY (organization_id, id))`

// text draws what breaks a careless array literal.
func text() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"", "NULL", "null", `"`, `\`, `\\"`, "{}", "{a,b}", ",", " ", "'", `\x41`, "\t\n\r", "ß漢字🙂", "\u202e", "$1", "?", "%_", "\u0001"}),
		rapid.StringOf(rapid.RuneFrom([]rune(`a"\{},' é漢🙂`))),
	)
}

func maybe[V any](g *rapid.Generator[V]) *rapid.Generator[*V] {
	return rapid.Ptr(g, true)
}

func instant() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		micros := rapid.Int64Range(-30_000_000_000_000_000, 200_000_000_000_000_000).Draw(t, "micros")
		return time.UnixMicro(micros).UTC()
	})
}

func everyRow(s db.Scope) *rapid.Generator[*everything] {
	dates := rapid.Custom(func(t *rapid.T) civil.Date {
		return civil.DateOfUnixDay(rapid.Int64Range(-400_000, 800_000).Draw(t, "day"))
	})
	clock := rapid.Custom(func(t *rapid.T) civil.LocalTime {
		at, err := civil.LocalTimeOfMinute(rapid.IntRange(0, 1439).Draw(t, "minute"))
		if err != nil {
			t.Fatal(err)
		}
		return at
	})
	amount := rapid.Custom(func(t *rapid.T) decimal.Decimal {
		return decimal.New(rapid.Int64().Draw(t, "digits"), rapid.Int32Range(-10, 0).Draw(t, "exponent"))
	})
	id := rapid.Custom(func(t *rapid.T) uuid.UUID {
		return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
	})
	return rapid.Custom(func(t *rapid.T) *everything {
		row := &everything{
			Row:  db.Row{OrganizationID: s.OrganizationID, UUID: db.NewID()},
			Text: text().Draw(t, "text"), Word: word(text().Draw(t, "word")), MaybeText: maybe(text()).Draw(t, "maybe text"),
			UUIDs: db.UUIDs(rapid.SliceOfN(id, 0, 3).Draw(t, "uuids")), MaybeUUID: maybe(id).Draw(t, "maybe uuid"),
			Bytes:  rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOf(rapid.Byte())).Draw(t, "bytes"),
			Number: amount.Draw(t, "number"), MaybeNum: maybe(amount).Draw(t, "maybe number"),
			Date: dates.Draw(t, "date"), MaybeDate: maybe(dates).Draw(t, "maybe date"),
			Clock: clock.Draw(t, "clock"), MaybeTime: maybe(clock).Draw(t, "maybe clock"),
			At: instant().Draw(t, "at"), MaybeAt: maybe(instant()).Draw(t, "maybe at"),
			Yes: rapid.Bool().Draw(t, "yes"), Flag: truth(rapid.Bool().Draw(t, "flag")), MaybeYes: maybe(rapid.Bool()).Draw(t, "maybe yes"),
			Int: int(rapid.Int32().Draw(t, "int")), Int32: rapid.Int32().Draw(t, "int32"), Int64: rapid.Int64().Draw(t, "int64"),
			Small: small(rapid.Int16().Draw(t, "small")), Count: count(rapid.Int32().Draw(t, "count")),
			MaybeInt: maybe(rapid.Int32()).Draw(t, "maybe int"), Bits: bits(rapid.Uint8().Draw(t, "bits")),
		}
		if w := maybe(text()).Draw(t, "maybe word"); w != nil {
			row.MaybeWord = pointer(word(*w))
		}
		if rapid.Bool().Draw(t, "has texts") {
			row.Texts = rapid.SliceOfN(text(), 0, 3).Draw(t, "texts")
		}
		row.JSON = rapid.SampledFrom([]db.JSON{nil, db.JSON(`null`), db.JSON(`{"a\"\\": ["é", 1.5, {}]}`), db.JSON(`"\\"`), db.JSON(`[]`)}).Draw(t, "json")
		return row
	})
}

// A batch must store exactly what one INSERT per row does, and both what the program had.
func TestBatchesKeepEveryType(t *testing.T) {
	t.Parallel()
	pool := open(t, db.Settings{})
	_, err := pool.Exec(t.Context(), createEverything)
	require.NoError(t, err)
	ctx := t.Context()
	rapid.Check(t, func(rt *rapid.T) {
		s := scope()
		rows := rapid.SliceOfN(everyRow(s), 1, 4).Draw(rt, "rows")
		n, err := everyType.InsertAll(ctx, pool, s, rows, false)
		require.NoError(rt, err)
		require.Equal(rt, int64(len(rows)), n)
		read := func(of db.Scope) []*everything {
			got, err := everyType.List(ctx, pool, of, db.Where{}, db.Page{Order: db.By()})
			require.NoError(rt, err)
			for _, r := range got {
				r.At = r.At.UTC()
				if r.MaybeAt != nil {
					r.MaybeAt = pointer(r.MaybeAt.UTC())
				}
			}
			return got
		}
		got := read(s)
		require.Len(rt, got, len(rows))
		for i, want := range rows {
			equalRows(rt, want, got[i])
		}

		// The same rows one by one, in another organization.
		other := scope()
		for _, r := range rows {
			twin := *r
			twin.OrganizationID = other.OrganizationID
			require.NoError(rt, everyType.Insert(ctx, pool, other, &twin))
		}
		single := read(other)
		for i := range got {
			single[i].OrganizationID = got[i].OrganizationID
			require.Equal(rt, got[i], single[i])
		}
	})
}

func equalRows(t require.TestingT, want, got *everything) {
	require.True(t, want.Number.Equal(got.Number), "%v %v", want.Number, got.Number)
	require.Equal(t, want.MaybeNum == nil, got.MaybeNum == nil)
	if want.MaybeNum != nil {
		require.True(t, want.MaybeNum.Equal(*got.MaybeNum))
	}
	require.Equal(t, want.JSON == nil, got.JSON == nil)
	if want.JSON != nil {
		require.JSONEq(t, string(want.JSON), string(got.JSON))
	}
	require.Equal(t, want.Bytes == nil, got.Bytes == nil)
	require.Equal(t, want.Texts == nil, got.Texts == nil)
	require.Len(t, got.UUIDs, len(want.UUIDs))
	for i := range want.UUIDs {
		require.Equal(t, want.UUIDs[i], got.UUIDs[i])
	}
	require.True(t, want.At.Equal(got.At), "%v %v", want.At, got.At)
	a, b := *want, *got
	for _, r := range []*everything{&a, &b} {
		r.Number, r.MaybeNum, r.JSON, r.UUIDs = decimal.Decimal{}, nil, nil, nil
		if len(r.Bytes) == 0 {
			r.Bytes = nil
		}
		if len(r.Texts) == 0 {
			r.Texts = nil
		}
	}
	require.Equal(t, a, b)
}

func TestUnnestArrayOfArrays(t *testing.T) {
	t.Parallel()
	type row struct {
		db.Row
		Times clocks `db:"preferred_times"`
	}
	from, list, args := db.NewTable[row]("x", "x").Unnest(nil, []string{"id", "preferred_times"}, 3)
	require.Equal(t, "unnest(CAST($3 AS uuid[]), CAST($4 AS text[])) AS r(id, preferred_times)", from)
	require.Equal(t, "r.id, CAST(r.preferred_times AS time[])", list)
	require.Equal(t, []any{"{}", "{}"}, args)
}
