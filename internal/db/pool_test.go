package db_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/db"
)

func TestOpenRefusesWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "localhost", "mysql://a:secret@b/c", "postgres://a:secret@b:port/c", "postgres://a:secret@b/c?sslmode=secret", "%zz"} {
		_, err := db.Open(address, db.Settings{})
		require.Error(t, err, address)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestSessionSettings(t *testing.T) {
	t.Parallel()
	pool := open(t, db.Settings{StatementTimeout: 1500 * time.Millisecond, LockTimeout: 2 * time.Second, IdleTimeout: time.Minute, ApplicationName: "caseload test & more"})
	for name, want := range map[string]string{
		"statement_timeout": "1500ms", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "1min",
		"TimeZone": "UTC", "application_name": "caseload test & more",
	} {
		var got string
		require.NoError(t, pool.Get(t.Context(), &got, "SELECT current_setting($1)", name))
		require.Equal(t, want, got, name)
	}
}

func TestStatementsAreCounted(t *testing.T) {
	t.Parallel()
	pool := open(t, db.Settings{})
	require.Zero(t, db.Statements(t.Context()))
	ctx := db.WithCounter(t.Context())
	var n int
	var all []int
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			var own int
			if err := pool.Get(ctx, &own, "SELECT 1"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.Equal(t, 3, db.Statements(ctx))
	require.NoError(t, pool.Select(ctx, &all, "SELECT 1"))
	_, err := pool.Exec(ctx, "SELECT 1")
	require.NoError(t, err)
	rows, err := pool.Query(ctx, "SELECT 1")
	require.NoError(t, err)
	require.NoError(t, rows.Close())
	require.Equal(t, 6, db.Statements(ctx))
	require.NoError(t, pool.InTx(ctx, noon, func(tx *db.Tx) error {
		require.NoError(t, tx.Get(ctx, &n, "SELECT 1"))
		require.NoError(t, tx.Select(ctx, &all, "SELECT 1"))
		_, err := tx.Exec(ctx, "SELECT 1")
		return err
	}))
	require.Equal(t, 9, db.Statements(ctx), "neither BEGIN nor COMMIT, nor preparing")
	require.Zero(t, db.Statements(t.Context()))
	require.Zero(t, db.Statements(db.WithCounter(ctx)), "a new counter starts at nothing")
}

// Texts without end, such as long IN lists made by hand, must not fill the server's memory.
func TestPreparedStatementsAreBounded(t *testing.T) {
	t.Parallel()
	pool := open(t, db.Settings{MaxOpen: 1})
	const bound = 1000
	var n int
	for i := range bound + 20 {
		require.NoError(t, pool.Get(t.Context(), &n, fmt.Sprintf("SELECT %d AS bounded", i)))
		require.Equal(t, i, n)
	}
	require.NoError(t, pool.InTx(t.Context(), noon, func(tx *db.Tx) error {
		return tx.Get(t.Context(), &n, "SELECT -1 AS bounded")
	}))
	var prepared int
	require.NoError(t, pool.SQL().QueryRow("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%AS bounded%' AND statement NOT LIKE '%pg_prepared%'").Scan(&prepared))
	require.Equal(t, bound, prepared)
}

func TestSameTextIsPreparedOnce(t *testing.T) {
	t.Parallel()
	pool := open(t, db.Settings{MaxOpen: 4})
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			var n int
			if err := pool.Get(context.Background(), &n, "SELECT $1 + 0 AS raced", 5); err != nil || n != 5 {
				t.Errorf("%d %v", n, err)
			}
		})
	}
	group.Wait()
}
