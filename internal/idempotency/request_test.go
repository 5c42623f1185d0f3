package idempotency_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/idempotency"
	"caseload/internal/pii"
	"caseload/internal/viewer"
)

var noon = time.Date(2026, time.March, 9, 12, 0, 0, 0, time.UTC)

// desk is a database with outcomes, a clock and a caller.
type desk struct {
	*idempotency.Outcomes
	t    testing.TB
	pool *db.Pool
	keys pii.Keys
	now  time.Time
	v    *viewer.Viewer
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	w := dbtest.NewWorld(t, dbtest.WorldOptions{})
	d := &desk{t: t, pool: w.Pool, keys: w.Secrets, now: noon, v: caller()}
	d.Outcomes = d.with(d.keys)
	return d
}

func (d *desk) with(keys pii.Keys) *idempotency.Outcomes {
	d.t.Helper()
	sealer, err := pii.NewSealer(keys)
	require.NoError(d.t, err)
	return idempotency.New(d.pool, sealer, func() time.Time { return d.now })
}

func caller() *viewer.Viewer {
	return &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: db.NewID(), ActorID: db.NewID()}
}

func (d *desk) request(key, content string) *idempotency.Request {
	return d.Request(d.v, key, []byte(content))
}

// change runs a transaction that keeps a text.
func (d *desk) change(r *idempotency.Request, field, result string) error {
	return d.pool.InTx(db.WithGuard(d.t.Context(), r.Guard(field)), d.now, func(tx *db.Tx) error {
		tx.Keep(&result)
		return nil
	})
}

// found is the text that is stored for a field, "" when there is none.
func (d *desk) found(r *idempotency.Request, field string) string {
	d.t.Helper()
	replay, err := r.Find(d.t.Context(), field)
	require.NoError(d.t, err)
	if replay == nil {
		return ""
	}
	var text string
	require.NoError(d.t, json.Unmarshal(replay.Outcome, &text))
	return text
}

func (d *desk) count() int {
	d.t.Helper()
	var n int
	require.NoError(d.t, d.pool.Get(d.t.Context(), &n, "SELECT count(*) FROM idempotency_keys"))
	return n
}

func TestTheOutcomeIsStoredWithTheChange(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.request("k", "content")
	require.Empty(t, d.found(r, "a"))
	require.NoError(t, d.change(r, "a", "first"))
	require.Equal(t, "first", d.found(r, "a"))
	require.Empty(t, d.found(r, "b"), "another field of the request is another change")

	err := d.change(r, "a", "second")
	replay := idempotency.ReplayOf(err)
	require.NotNil(t, replay, "%v", err)
	require.JSONEq(t, `"first"`, string(replay.Outcome))
	require.NotContains(t, err.Error(), "first", "the log does not hold the outcome")
	require.Nil(t, idempotency.ReplayOf(errors.New("another error")))
	require.NoError(t, d.change(r, "b", "of b"))
	require.Equal(t, "of b", d.found(r, "b"))
	require.Equal(t, 2, d.count())

	for name, other := range map[string]*idempotency.Request{
		"another key":          d.request("k2", "content"),
		"another credential":   d.Request(caller(), "k", []byte("content")),
		"of another's request": d.Request(&viewer.Viewer{Kind: viewer.APIKey, OrganizationID: db.NewID(), ActorID: d.v.ActorID}, "k", []byte("content")),
		"another kind":         d.Request(&viewer.Viewer{Kind: viewer.Staff, OrganizationID: d.v.OrganizationID, ActorID: d.v.ActorID}, "k", []byte("content")),
	} {
		require.Empty(t, d.found(other, "a"), name)
		require.NoError(t, d.change(other, "a", name), name)
	}
	_, err = d.request("k", "another content").Find(t.Context(), "a")
	require.Equal(t, fault.IdempotencyReused, fault.CodeOf(err))
	_, err = d.request("k", "another content").Find(t.Context(), "c")
	require.Equal(t, fault.IdempotencyReused, fault.CodeOf(err), "also under a name of its own")
	require.Equal(t, fault.IdempotencyReused, fault.CodeOf(d.change(d.request("k", "another content"), "c", "x")))
}

func TestWhatIsRolledBackIsNotStored(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.request("k", "content")
	refused := errors.New("refused")
	result := "result"
	err := d.pool.InTx(db.WithGuard(t.Context(), r.Guard("a")), d.now, func(tx *db.Tx) error { tx.Keep(&result); return refused })
	require.ErrorIs(t, err, refused)
	require.NoError(t, d.pool.InTx(db.WithGuard(t.Context(), r.Guard("a")), d.now, func(*db.Tx) error { return nil }), "it kept nothing")
	// The caller goes away between the last statement and the commit.
	ctx, cancel := context.WithCancel(t.Context())
	err = d.pool.InTx(db.WithGuard(ctx, leaving{r.Guard("a"), cancel}), d.now, func(tx *db.Tx) error { tx.Keep(&result); return nil })
	require.ErrorIs(t, err, context.Canceled)
	// The connection is rolled back after the caller has its answer, and holds the key until then.
	require.Eventually(t, func() bool {
		err := d.pool.InTx(db.WithGuard(t.Context(), r.Guard("a")), d.now, func(*db.Tx) error { return nil })
		return fault.CodeOf(err) != fault.IdempotencyRunning
	}, dbtest.Patience, time.Millisecond)
	require.Error(t, d.pool.InTx(db.WithGuard(t.Context(), r.Guard("a")), d.now, func(tx *db.Tx) error { tx.Keep(make(chan int)); return nil }), "that is no JSON")
	require.Zero(t, d.count())
	require.NoError(t, d.change(r, "a", "now"))
	require.Equal(t, "now", d.found(r, "a"))
}

// leaving is a guard whose caller goes away when all is written.
type leaving struct {
	db.Guard
	leave func()
}

func (l leaving) Commit(ctx context.Context, tx *db.Tx, kept any) error {
	err := l.Guard.Commit(ctx, tx, kept)
	l.leave()
	return err
}

func TestARunningRequestIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.request("k", "content")
	result := "first"
	require.NoError(t, d.pool.InTx(db.WithGuard(t.Context(), r.Guard("a")), d.now, func(tx *db.Tx) error {
		for _, other := range []*idempotency.Request{r, d.request("k", "another content")} {
			for _, field := range []string{"a", "b"} {
				err := d.change(other, field, "x")
				var f *fault.Error
				require.ErrorAs(t, err, &f)
				require.Equal(t, fault.IdempotencyRunning, f.Code)
				require.Equal(t, time.Second, f.RetryAfter)
			}
		}
		require.NoError(t, d.change(d.request("k2", "content"), "a", "x"), "another key does not wait")
		tx.Keep(&result)
		return nil
	}))
	require.NotNil(t, idempotency.ReplayOf(d.change(r, "a", "x")))
}

// The lock is only the fast way to the answer: on a spread database it may be of another node than the row.
func TestTwoWithoutTheLockStoreOneOutcome(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.request("k", "content")
	runs, result := 0, "second"
	err := d.pool.InTx(db.WithGuard(t.Context(), r.Guard("a")), d.now, func(tx *db.Tx) error {
		if runs++; runs == 1 {
			require.NoError(t, d.change(r.ByAnotherLock(), "a", "first"))
		}
		tx.Keep(&result)
		return nil
	})
	require.Equal(t, 1, runs, "the second run found the outcome before it began")
	replay := idempotency.ReplayOf(err)
	require.NotNil(t, replay, "%v", err)
	require.JSONEq(t, `"first"`, string(replay.Outcome))
	require.Equal(t, "first", d.found(r, "a"))
}

func TestOutcomesExpire(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.request("k", "content")
	require.NoError(t, d.change(r, "a", "first"))
	d.now = noon.Add(idempotency.Kept - time.Millisecond)
	require.NotNil(t, idempotency.ReplayOf(d.change(r, "a", "second")))
	require.NoError(t, d.Expire(t.Context()))
	require.Equal(t, 1, d.count())
	d.now = noon.Add(idempotency.Kept)
	require.Empty(t, d.found(r, "a"))
	other := d.request("k", "another content")
	require.NoError(t, d.change(other, "a", "second"), "the key is free for any request")
	require.Equal(t, "second", d.found(other, "a"))
	require.Equal(t, 1, d.count())
}

func TestExpireRemovesInBatches(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	require.NoError(t, d.Expire(t.Context()), "of nothing")
	_, err := d.pool.Exec(t.Context(), `INSERT INTO organizations (organization_id, id, name, created_at, updated_at, created_by, updated_by)
		SELECT id, id, 'x', $1, $1, 'x', 'x' FROM (SELECT CAST(lpad(CAST(i AS text), 32, '0') AS uuid) id FROM generate_series(1, 2) i) o`, noon)
	require.NoError(t, err)
	fill := func(organization int, n int, expires time.Time) {
		_, err := d.pool.Exec(t.Context(), `INSERT INTO idempotency_keys SELECT lpad($1::int::text, 32, '0')::uuid, gen_random_uuid(), 'f', '', '', $3::timestamptz, $3::timestamptz FROM generate_series(1, $2)`,
			organization, n, expires)
		require.NoError(t, err)
	}
	fill(1, 2500, noon)
	fill(1, 7, noon.Add(time.Millisecond))
	fill(2, 1000, noon.Add(-time.Hour))
	require.NoError(t, d.Expire(t.Context()))
	require.Equal(t, 7, d.count())
	d.now = noon.Add(time.Hour)
	require.NoError(t, d.Expire(t.Context()))
	require.Zero(t, d.count())
}

// Of millions of outcomes few have expired: they are found without reading the others.
func TestExpireReadsWhatHasExpired(t *testing.T) {
	t.Parallel()
	x := dbtest.Open(t)
	// What is set and prepared belongs to a connection.
	x.SetMaxOpenConns(1)
	for _, statement := range []string{
		`INSERT INTO organizations (organization_id, id, name, created_at, updated_at, created_by, updated_by)
		 SELECT id, id, 'x', now(), now(), 'x', 'x' FROM (SELECT CAST(md5(CAST(i AS text)) AS uuid) id FROM generate_series(1, 50) i) o`,
		`INSERT INTO idempotency_keys SELECT organization_id, gen_random_uuid(), 'f', '', '', now(), now() + i * interval '1 minute' FROM organizations, generate_series(1, 400) i`,
		"VACUUM ANALYZE organizations", "VACUUM ANALYZE idempotency_keys", "SET plan_cache_mode = force_generic_plan",
		"PREPARE expire (timestamptz, bigint) AS " + idempotency.ExpireSQL,
	} {
		_, err := x.Exec(statement)
		require.NoError(t, err)
	}
	var lines []string
	require.NoError(t, x.Select(&lines, "EXPLAIN EXECUTE expire (now(), 1000)"))
	text := strings.Join(lines, "\n")
	require.Contains(t, text, "using idempotency_keys_expiry_idx")
	require.NotContains(t, text, "Seq Scan on idempotency_keys")
	require.NotContains(t, text, "Sort")
}

// A guard is for one transaction: what a service does afterwards under the same context is its own affair.
func TestAGuardLeavesLaterTransactionsAlone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.request("k", "content")
	ctx := db.WithGuard(t.Context(), r.Guard("a"))
	for _, result := range []string{"first", "second"} {
		require.NoError(t, d.pool.InTx(ctx, d.now, func(tx *db.Tx) error { tx.Keep(&result); return nil }))
	}
	require.Equal(t, "first", d.found(r, "a"))
}

// With write access to the table one request cannot be made to answer with the outcome of another.
func TestOutcomesOpenOnlyWhereTheyWereSealed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r, other := d.request("k", "content"), d.request("k2", "content")
	require.NoError(t, d.change(r, "a", "of a"))
	require.NoError(t, d.change(r, "b", "of b"))
	require.NoError(t, d.change(other, "a", "of another"))
	for _, swap := range []string{
		"UPDATE idempotency_keys k SET outcome_sealed = o.outcome_sealed FROM idempotency_keys o WHERE k.id = $1 AND k.field = 'a' AND o.id = $1 AND o.field = 'b' AND $2 <> ''",
		"UPDATE idempotency_keys k SET outcome_sealed = o.outcome_sealed FROM idempotency_keys o WHERE k.id = $1 AND k.field = 'a' AND o.id = CAST($2 AS uuid)",
		"UPDATE idempotency_keys SET outcome_sealed = '' WHERE id = $1 AND field = 'a' AND $2 <> ''",
	} {
		_, err := d.pool.Exec(t.Context(), swap, r.ID(), other.ID().String())
		require.NoError(t, err)
		_, err = r.Find(t.Context(), "a")
		require.ErrorIs(t, err, pii.ErrOpen, swap)
		// It has an outcome, whatever that is: to run again would be worse than to fail.
		require.ErrorIs(t, d.change(r, "a", "again"), pii.ErrOpen)
	}
	require.Equal(t, "of b", d.found(r, "b"))
}

// Rotated keys open what the old one sealed, for as long as the old one is among them.
func TestOutcomesOutliveARotation(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	require.NoError(t, d.change(d.request("k", "content"), "a", "before"))
	rotated, err := d.keys.Rotate()
	require.NoError(t, err)
	d.Outcomes = d.with(rotated)
	require.Equal(t, "before", d.found(d.request("k", "content"), "a"))
}

func TestOutcomesOfAnySize(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.String().Draw(rt, "text") + strings.Repeat(rapid.StringN(0, 4, -1).Draw(rt, "unit"), rapid.SampledFrom([]int{0, 1, 1000, 5000, 100_000}).Draw(rt, "times"))
		_, err := d.pool.Exec(t.Context(), "TRUNCATE idempotency_keys")
		require.NoError(rt, err)
		r := d.request("k", text)
		require.NoError(rt, d.change(r, "a", text))
		require.Equal(rt, text, d.found(r, "a"))
	})
	_, err := d.pool.Exec(t.Context(), "TRUNCATE idempotency_keys")
	require.NoError(t, err)
	// A large outcome is compressed before it is sealed.
	r := d.request("large", "content")
	require.NoError(t, d.change(r, "a", strings.Repeat("the same again, ", 100_000)))
	var size int
	require.NoError(t, d.pool.Get(t.Context(), &size, "SELECT length(outcome_sealed) FROM idempotency_keys"))
	require.Less(t, size, 100_000)
}
