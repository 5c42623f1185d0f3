package audit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/audit"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 123000000, time.UTC)

func open(t testing.TB) *db.Pool {
	t.Helper()
	pool, err := db.Open(dbtest.New(t), db.Settings{MaxOpen: 2})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pool.Close() })
	return pool
}

func dialer() *viewer.Viewer {
	return &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: db.NewID(), ActorID: db.NewID(), ActorName: `"dialer" \ {}`, RequestID: "req", IP: "192.0.2.1"}
}

func entries(t testing.TB, pool *db.Pool, v *viewer.Viewer) []*audit.Entry {
	t.Helper()
	rows, err := audit.Entries.List(t.Context(), pool, v.Scope(), db.Where{}, db.Page{Order: db.By("occurred_at")})
	require.NoError(t, err)
	return rows
}

func TestWriteIsOneStatementInOrder(t *testing.T) {
	t.Parallel()
	pool, v := open(t), dialer()
	target, person := relay.ID{Prefix: "cust", UUID: db.NewID()}, db.NewID()
	changes := []audit.Change{
		{Action: "customer.synced", Target: target, CustomerID: person, Fields: map[string]any{"fields": []string{"email", `a"\{}`}, "n": nil}},
		{Action: "customer.ssn_revealed", Target: target, Reason: `because "NULL", \ {} é`},
		{Action: "x", Target: relay.ID{Prefix: "org", UUID: v.OrganizationID}, Reason: "NULL"},
	}
	ctx := db.WithCounter(t.Context())
	require.NoError(t, pool.InTx(ctx, noon, func(tx *db.Tx) error { return audit.Write(ctx, tx, v, changes...) }))
	require.Equal(t, 1, db.Statements(ctx))
	got := entries(t, pool, v)
	require.Len(t, got, 3)
	for i, e := range got {
		require.Equal(t, changes[i].Action, e.Action, "entries of one transaction keep their order")
		require.Equal(t, changes[i].Target.String(), e.TargetID)
		require.True(t, e.OccurredAt.Equal(noon))
		require.Equal(t, viewer.APIKey, e.ActorKind)
		require.Equal(t, []string{v.ActorText(), v.ActorName, v.RequestID, v.IP}, []string{e.ActorID, e.ActorName, e.RequestID, e.IP})
		require.True(t, strings.HasPrefix(e.ID().String(), "aud_"))
	}
	require.Equal(t, &person, got[0].CustomerID)
	require.Nil(t, got[1].CustomerID)
	require.JSONEq(t, `{"fields": ["email", "a\"\\{}"], "n": null}`, string(got[0].Changes))
	require.JSONEq(t, `{}`, string(got[1].Changes))
	require.Nil(t, got[0].Reason)
	require.Equal(t, changes[1].Reason, *got[1].Reason)
	require.Equal(t, "NULL", *got[2].Reason)
	require.Empty(t, entries(t, pool, dialer()), "another organization sees nothing")
}

func TestWriteIsPartOfTheTransaction(t *testing.T) {
	t.Parallel()
	pool, v := open(t), dialer()
	refused := errors.New("refused")
	err := pool.InTx(t.Context(), noon, func(tx *db.Tx) error {
		require.NoError(t, audit.Write(t.Context(), tx, v, audit.Change{Action: "x"}))
		return refused
	})
	require.ErrorIs(t, err, refused)
	require.Empty(t, entries(t, pool, v))
}

func TestWriteOfNothing(t *testing.T) {
	t.Parallel()
	pool := open(t)
	ctx := db.WithCounter(t.Context())
	require.NoError(t, pool.InTx(ctx, noon, func(tx *db.Tx) error { return audit.Write(ctx, tx, dialer()) }))
	require.Zero(t, db.Statements(ctx))
}

// An entry without a tenant would be seen by nobody, ever.
func TestWriteRefusesWhatNobodyCouldRead(t *testing.T) {
	t.Parallel()
	pool, v := open(t), dialer()
	v.OrganizationID = uuid.Nil
	require.Error(t, pool.InTx(t.Context(), noon, func(tx *db.Tx) error { return audit.Write(t.Context(), tx, v, audit.Change{Action: "x"}) }))
	var n int
	require.NoError(t, pool.Get(t.Context(), &n, "SELECT count(*) FROM audit_entries"))
	require.Zero(t, n)
}

func TestWriteRefusesValuesThatAreNoJSON(t *testing.T) {
	t.Parallel()
	pool, v := open(t), dialer()
	err := pool.InTx(t.Context(), noon, func(tx *db.Tx) error {
		return audit.Write(t.Context(), tx, v, audit.Change{Action: "x.y", Fields: map[string]any{"f": func() {}}})
	})
	require.ErrorContains(t, err, "x.y")
}
