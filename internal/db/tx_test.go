package db_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/fault"
)

var errOwn = errors.New("refused by the program")

// raise makes PostgreSQL fail with a code of our choice.
func raise(ctx context.Context, q db.Querier, code string) error {
	_, err := q.Exec(ctx, `DO $$ BEGIN RAISE EXCEPTION 'secret text' USING ERRCODE = '`+code+`'; END $$`)
	return err
}

func TestInTxRunsAfterCommit(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{}), scope()
	precise := noon.Add(789 * time.Microsecond).In(time.FixedZone("", 3600))
	var told []string
	err := pool.InTx(t.Context(), precise, func(tx *db.Tx) error {
		require.Equal(t, noon, tx.Now, "in UTC, and with no more digits than a row keeps")
		seen := func() int {
			n, err := customer.Customers.Count(t.Context(), pool, s, db.Where{})
			require.NoError(t, err)
			return n
		}
		tx.AfterCommit(func() { told = append(told, "first"); require.Equal(t, 1, seen()) })
		tx.AfterCommit(func() { told = append(told, "second") })
		require.NoError(t, customer.Customers.Insert(t.Context(), tx, s, number(s, 1)))
		require.Zero(t, seen())
		require.Empty(t, told)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"first", "second"}, told)
}

func TestInTxRollsBack(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{MaxOpen: 1}), scope()
	insert := func(ctx context.Context, tx *db.Tx) {
		tx.AfterCommit(func() { t.Error("told of what did not happen") })
		require.NoError(t, customer.Customers.Insert(ctx, tx, s, number(s, 1)))
	}
	// After each of them the only connection is free again and nothing is stored.
	clean := func(t *testing.T) {
		n, err := customer.Customers.Count(t.Context(), pool, s, db.Where{})
		require.NoError(t, err)
		require.Zero(t, n)
	}
	t.Run("error", func(t *testing.T) {
		runs := 0
		err := pool.InTx(t.Context(), noon, func(tx *db.Tx) error { runs++; insert(t.Context(), tx); return errOwn })
		require.ErrorIs(t, err, errOwn)
		require.Equal(t, 1, runs)
		clean(t)
	})
	t.Run("panic", func(t *testing.T) {
		require.PanicsWithValue(t, "boom", func() {
			_ = pool.InTx(t.Context(), noon, func(tx *db.Tx) error { insert(t.Context(), tx); panic("boom") })
		})
		clean(t)
	})
	t.Run("cancelled before the commit", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		err := pool.InTx(ctx, noon, func(tx *db.Tx) error { insert(ctx, tx); cancel(); return nil })
		require.ErrorIs(t, err, context.Canceled)
		clean(t)
	})
	t.Run("cancelled in a statement", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		err := pool.InTx(ctx, noon, func(tx *db.Tx) error {
			insert(ctx, tx)
			time.AfterFunc(20*time.Millisecond, cancel)
			_, err := tx.Exec(ctx, "SELECT pg_sleep(60)")
			require.Error(t, err)
			return err
		})
		require.ErrorIs(t, err, context.Canceled)
		clean(t)
	})
	t.Run("cancelled, and the program goes on", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		err := pool.InTx(ctx, noon, func(tx *db.Tx) error {
			insert(ctx, tx)
			<-ctx.Done()
			// database/sql rolls back by itself now; whatever comes after fails in one of several ways.
			_, err := customer.Customers.Count(context.WithoutCancel(ctx), tx, s, db.Where{})
			return err
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, fault.Timeout, db.Fault(err).Code)
		clean(t)
	})
	t.Run("failed statement that the program overlooked", func(t *testing.T) {
		err := pool.InTx(t.Context(), noon, func(tx *db.Tx) error {
			insert(t.Context(), tx)
			require.Error(t, raise(t.Context(), tx, "P0001"))
			return nil
		})
		require.Error(t, err)
		clean(t)
	})
}

func TestInTxTriesAgain(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{}), scope()
	for name, fail := range map[string]func(tx *db.Tx) error{
		"serialization failure": func(tx *db.Tx) error { return raise(t.Context(), tx, "40001") },
		"deadlock":              func(tx *db.Tx) error { return raise(t.Context(), tx, "40P01") },
		"another writer":        func(*db.Tx) error { return db.ErrRetry },
	} {
		t.Run(name, func(t *testing.T) {
			runs, told := 0, 0
			row := number(s, 1)
			err := pool.InTx(t.Context(), noon, func(tx *db.Tx) error {
				runs++
				tx.AfterCommit(func() { told++ })
				if err := customer.Customers.Insert(t.Context(), tx, s, row); err != nil || runs == 3 {
					return err
				}
				return fail(tx)
			})
			require.NoError(t, err)
			require.Equal(t, 3, runs)
			require.Equal(t, 1, told, "only the run that was committed tells")
			_, err = pool.Exec(t.Context(), "DELETE FROM customers")
			require.NoError(t, err)

			runs = 0
			err = pool.InTx(t.Context(), noon, func(tx *db.Tx) error { runs++; return fail(tx) })
			require.Equal(t, 5, runs)
			f := db.Fault(err)
			require.Equal(t, fault.Conflict, f.Code)
			require.Positive(t, f.RetryAfter)
		})
	}
	t.Run("not after the caller has gone", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		runs := 0
		err := pool.InTx(ctx, noon, func(*db.Tx) error { runs++; cancel(); return db.ErrRetry })
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 1, runs)
	})
}

func TestInTxSurvivesARealDeadlock(t *testing.T) {
	t.Parallel()
	address := dbtest.New(t)
	if strings.Contains(address, "?") {
		address += "&deadlock_timeout=20ms"
	} else {
		address += "?deadlock_timeout=20ms"
	}
	pool, s := openAt(t, address, db.Settings{}), scope()
	rows := stored(t, pool, s, 2)
	var meet sync.WaitGroup
	meet.Add(2)
	errs := make(chan error, 2)
	for i := range 2 {
		go func() {
			first := true
			errs <- pool.InTx(context.Background(), noon, func(tx *db.Tx) error {
				if _, err := customer.Customers.Lock(context.Background(), tx, s, rows[i].UUID); err != nil {
					return err
				}
				if first {
					first = false
					meet.Done()
					meet.Wait()
				}
				other, err := customer.Customers.Lock(context.Background(), tx, s, rows[1-i].UUID)
				if err != nil {
					return err
				}
				return customer.Customers.Update(context.Background(), tx, s, other)
			})
		}()
	}
	require.NoError(t, <-errs)
	require.NoError(t, <-errs)
}

// As many transactions as connections, each with a statement that nobody has run before: none may wait for
// a connection that only another one could free.
func TestTransactionsNeedOneConnectionEach(t *testing.T) {
	t.Parallel()
	const connections = 2
	pool := open(t, db.Settings{MaxOpen: connections})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var begun sync.WaitGroup
	begun.Add(connections)
	errs := make(chan error, connections)
	for range connections {
		go func() {
			errs <- pool.InTx(ctx, noon, func(tx *db.Tx) error {
				begun.Done()
				begun.Wait()
				var n int
				return tx.Get(ctx, &n, "SELECT 1 AS never_run_before")
			})
		}()
	}
	for range connections {
		require.NoError(t, <-errs)
	}
}

// What a transaction ran becomes prepared for those that follow.
func TestTransactionsPrepare(t *testing.T) {
	t.Parallel()
	pool := open(t, db.Settings{MaxOpen: 1})
	prepared := func() (n int) {
		require.NoError(t, pool.SQL().QueryRow("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%marked%'").Scan(&n))
		return n
	}
	run := func() error {
		return pool.InTx(t.Context(), noon, func(tx *db.Tx) error {
			for range 2 {
				var n []int
				if err := tx.Select(t.Context(), &n, "SELECT $1 + 1 AS marked", 1); err != nil {
					return err
				}
				require.Equal(t, []int{2}, n)
			}
			return nil
		})
	}
	require.NoError(t, run())
	require.NoError(t, run())
	require.Equal(t, 1, prepared())
}

func TestTxIsAQuerier(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{}), scope()
	rows := stored(t, pool, s, 2)
	for range 2 { // unprepared, then prepared
		require.NoError(t, pool.InTx(t.Context(), noon, func(tx *db.Tx) error {
			var n int
			require.ErrorIs(t, tx.Get(t.Context(), &n, "SELECT 1 WHERE false"), sql.ErrNoRows)
			got, err := customer.Customers.List(t.Context(), tx, s, db.Where{}, db.Page{Order: db.By("created_at")})
			require.NoError(t, err)
			require.Equal(t, ids(rows), ids(got))
			per, err := customer.Phones.RowsPer(t.Context(), tx, s, "customer_id", ids(rows), db.Where{}, db.Page{Order: db.By("created_at")})
			require.NoError(t, err)
			require.Len(t, per, 2)
			changed, err := tx.Exec(t.Context(), "UPDATE customers SET language = 'en' WHERE organization_id = $1", s.OrganizationID)
			require.NoError(t, err)
			require.Equal(t, int64(2), changed)
			return tx.SQL().QueryRow("SELECT 7").Scan(&n)
		}))
	}
}

// A caller that put something outside of the database for a row must know whether the row is there: only a connection that
// breaks off at the commit leaves that open.
func TestInTxReportsAnUnknownCommit(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{MaxOpen: 1}), scope()
	atCommit := func(statement string) error {
		return pool.InTx(t.Context(), noon, func(tx *db.Tx) error {
			for _, prepare := range []string{
				`CREATE FUNCTION pg_temp.at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ` + statement + `; RETURN NULL; END $$`,
				`CREATE TEMPORARY TABLE witness (id integer)`,
				`CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON witness DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pg_temp.at_commit()`,
				`INSERT INTO witness VALUES (1)`,
			} {
				_, err := tx.Exec(t.Context(), prepare)
				require.NoError(t, err, "it fails at the commit and not before")
			}
			return customer.Customers.Insert(t.Context(), tx, s, number(s, 1))
		})
	}
	err := atCommit(`PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60)`)
	require.ErrorIs(t, err, db.ErrUnknown)
	require.Equal(t, fault.Unavailable, db.Fault(err).Code, "to a client it is an outage like another")
	require.Contains(t, db.Fault(err).Message, "may have been made")
	err = atCommit(`RAISE EXCEPTION 'secret text' USING ERRCODE = '23514'`)
	require.Error(t, err)
	require.NotErrorIs(t, err, db.ErrUnknown, "a refusal is an answer")
	err = pool.InTx(t.Context(), noon, func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `SELECT pg_terminate_backend(pg_backend_pid())`)
		return err
	})
	require.Error(t, err)
	require.NotErrorIs(t, err, db.ErrUnknown, "nothing was to be committed yet")
	ctx, cancel := context.WithCancel(t.Context())
	err = pool.InTx(ctx, noon, func(tx *db.Tx) error { cancel(); return nil })
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, db.ErrUnknown)
}
