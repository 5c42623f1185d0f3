package db_test

import (
	"context"
	"errors"
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

// preparedTexts are the prepared statements of the connection whose text contains a word.
func preparedTexts(t *testing.T, pool *db.Pool, word string) (texts []string) {
	t.Helper()
	rows, err := pool.SQL().Query("SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%AS " + word + "%' AND statement NOT LIKE '%pg_prepared%'")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		texts = append(texts, text)
	}
	require.NoError(t, rows.Err())
	return texts
}

// Texts without end, such as the selections that clients think of, must neither fill the server's memory nor end the
// preparation of others.
func TestPreparedStatementsAreBounded(t *testing.T) {
	t.Parallel()
	pool := open(t, db.Settings{MaxOpen: 1})
	const declared, read = 600, 400
	var n int
	require.NoError(t, pool.Get(t.Context(), &n, "SELECT 7 AS often"))
	for i := range read + 50 {
		rows, err := pool.Read(t.Context(), db.Statement{SQL: fmt.Sprintf("SELECT %d AS selected", i)})
		require.NoError(t, err)
		require.True(t, rows.Next())
		require.NoError(t, rows.Close())
	}
	for i := range declared + 50 {
		require.NoError(t, pool.Get(t.Context(), &n, fmt.Sprintf("SELECT %d AS bounded", i)))
		require.Equal(t, i, n)
		if i%100 == 0 {
			require.NoError(t, pool.Get(t.Context(), &n, "SELECT 7 AS often"))
		}
	}
	require.NoError(t, pool.InTx(t.Context(), noon, func(tx *db.Tx) error {
		return tx.Get(t.Context(), &n, "SELECT -1 AS bounded")
	}))
	require.Eventually(t, func() bool { return len(preparedTexts(t, pool, "bounded")) == declared-1 }, 10*time.Second, 10*time.Millisecond, "the oldest are closed")
	require.Contains(t, preparedTexts(t, pool, "bounded"), "SELECT -1 AS bounded", "what comes last is prepared")
	require.Len(t, preparedTexts(t, pool, "often"), 1, "what is used stays")
	require.Len(t, preparedTexts(t, pool, "selected"), read, "neither displaces the other")
	require.NotContains(t, preparedTexts(t, pool, "selected"), "SELECT 0 AS selected")
}

// A statement may be forgotten while somebody holds it, or reads its rows.
func TestStatementsAreNotClosedInUse(t *testing.T) {
	t.Parallel()
	pool := open(t, db.Settings{MaxOpen: 4})
	var group sync.WaitGroup
	for worker := range 6 {
		group.Go(func() {
			for i := range 400 {
				want := i * 7 % 500
				rows, err := pool.Read(t.Context(), db.Statement{SQL: fmt.Sprintf("SELECT g + %d FROM generate_series(1, 3) g", want)})
				if err != nil {
					t.Errorf("worker %d: %v", worker, err)
					return
				}
				for at := 1; rows.Next(); at++ {
					var n int
					if err := rows.Scan(&n); err != nil || n != at+want {
						t.Errorf("%d instead of %d: %v", n, at+want, err)
					}
				}
				if err := errors.Join(rows.Err(), rows.Close()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
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
