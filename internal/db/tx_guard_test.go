package db_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/customer"
	"caseload/internal/db"
)

// watch is a guard that notes what it is asked.
type watch struct {
	said          []string
	begin, commit func(ctx context.Context, tx *db.Tx) error
}

func (w *watch) Begin(ctx context.Context, tx *db.Tx) error {
	w.said = append(w.said, "begin")
	if w.begin != nil {
		return w.begin(ctx, tx)
	}
	return nil
}

func (w *watch) Commit(ctx context.Context, tx *db.Tx, kept any) error {
	w.said = append(w.said, "commit "+*kept.(*string))
	if w.commit != nil {
		return w.commit(ctx, tx)
	}
	return nil
}

func TestAGuardRunsAroundEveryTry(t *testing.T) {
	t.Parallel()
	pool := open(t, db.Settings{})
	w := &watch{}
	result, tries := "first", 0
	err := pool.InTx(db.WithGuard(t.Context(), w), noon, func(tx *db.Tx) error {
		w.said = append(w.said, "run")
		tx.Keep(&result)
		if tries++; tries < 3 {
			return db.ErrRetry
		}
		tx.AfterCommit(func() { w.said = append(w.said, "told") })
		result = "last"
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"begin", "run", "begin", "run", "begin", "run", "commit last", "told"}, w.said, "the value at the end, not at the time of Keep")
}

func TestAGuardCommitsOnlyWhatIsKept(t *testing.T) {
	t.Parallel()
	pool := open(t, db.Settings{})
	result := "kept"
	w := &watch{}
	tries := 0
	require.NoError(t, pool.InTx(db.WithGuard(t.Context(), w), noon, func(tx *db.Tx) error {
		if tries++; tries == 1 {
			// What a run has kept is not the next one's.
			tx.Keep(&result)
			return db.ErrRetry
		}
		return nil
	}))
	require.Equal(t, []string{"begin", "begin"}, w.said)

	w.said = nil
	require.ErrorIs(t, pool.InTx(db.WithGuard(t.Context(), w), noon, func(tx *db.Tx) error { tx.Keep(&result); return errOwn }), errOwn)
	require.Equal(t, []string{"begin"}, w.said)
	require.NoError(t, pool.InTx(t.Context(), noon, func(tx *db.Tx) error { tx.Keep(&result); return nil }), "without a guard it is nothing")
}

func TestAGuardRollsBack(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{MaxOpen: 1}), scope()
	refuse := func(context.Context, *db.Tx) error { return errOwn }
	insert := func(tx *db.Tx) error {
		result := ""
		tx.Keep(&result)
		tx.AfterCommit(func() { t.Error("told of what did not happen") })
		return customer.Customers.Insert(t.Context(), tx, s, number(s, 1))
	}
	stored := func() int {
		n, err := customer.Customers.Count(t.Context(), pool, s, db.Where{})
		require.NoError(t, err)
		return n
	}
	err := pool.InTx(db.WithGuard(t.Context(), &watch{begin: refuse}), noon, func(*db.Tx) error { return errors.New("it ran") })
	require.ErrorIs(t, err, errOwn)
	require.ErrorIs(t, pool.InTx(db.WithGuard(t.Context(), &watch{commit: refuse}), noon, insert), errOwn)
	require.Zero(t, stored())

	// What the guard writes is in the same transaction, and it may ask for another try.
	tries := 0
	again := &watch{commit: func(ctx context.Context, tx *db.Tx) error {
		n, err := customer.Customers.Count(ctx, tx, s, db.Where{})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		if tries++; tries == 1 {
			return db.ErrRetry
		}
		return nil
	}}
	require.NoError(t, pool.InTx(db.WithGuard(t.Context(), again), noon, func(tx *db.Tx) error {
		result := ""
		tx.Keep(&result)
		return customer.Customers.Insert(t.Context(), tx, s, number(s, 1))
	}))
	require.Equal(t, 2, tries)
	require.Equal(t, 1, stored())
}
