package db_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
)

func TestFaultBySQLState(t *testing.T) {
	t.Parallel()
	pool := open(t, db.Settings{})
	for code, want := range map[string]fault.Code{
		"40001": fault.Conflict, "40P01": fault.Conflict, "55P03": fault.Conflict,
		"57014": fault.Timeout,
		"25006": fault.Unavailable, "53300": fault.Unavailable, "53100": fault.Unavailable, "53200": fault.Unavailable,
		"57P01": fault.Unavailable, "57P02": fault.Unavailable, "57P03": fault.Unavailable,
		"08000": fault.Unavailable, "08006": fault.Unavailable,
		"22021": fault.BadUserInput, "22P05": fault.BadUserInput,
		"22003": fault.Internal, "23505": fault.Internal, "23514": fault.Internal, "42P01": fault.Internal, "XX000": fault.Internal, "P0001": fault.Internal,
	} {
		err := raise(t.Context(), pool, code)
		require.Error(t, err)
		f := db.Fault(fmt.Errorf("read customers: %w", err))
		require.Equal(t, want, f.Code, code)
		require.NotContains(t, f.Message, "secret")
		require.NotContains(t, f.Message, code)
		require.ErrorIs(t, f, errors.Unwrap(f))
		if want == fault.Unavailable || want == fault.Conflict {
			require.Positive(t, f.RetryAfter, code)
		}
	}
}

func TestFaultOfOtherErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want fault.Code
	}{
		{driver.ErrBadConn, fault.Unavailable},
		{sql.ErrConnDone, fault.Unavailable},
		{io.EOF, fault.Unavailable},
		{io.ErrUnexpectedEOF, fault.Unavailable},
		{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, fault.Unavailable},
		{&net.DNSError{Name: "db.secret.internal"}, fault.Unavailable},
		{context.DeadlineExceeded, fault.Timeout},
		{sql.ErrNoRows, fault.NotFound},
		{db.ErrRetry, fault.Conflict},
		{&pq.Error{Message: "an error without a code"}, fault.Internal},
		{fault.New(fault.Forbidden, "x"), fault.Forbidden},
	} {
		f := db.Fault(fmt.Errorf("wrapped: %w", c.err))
		require.NotNil(t, f, c.err)
		require.Equal(t, c.want, f.Code, c.err)
		require.NotContains(t, f.Message, "secret")
	}
	for _, err := range []error{nil, errOwn, context.Canceled, fault.UserErrors{}} {
		require.Nil(t, db.Fault(err))
	}
}

// The real thing: what lib/pq returns when it happens.
func TestFaultOfRealOutages(t *testing.T) {
	t.Parallel()
	t.Run("killed backend", func(t *testing.T) {
		t.Parallel()
		pool := open(t, db.Settings{})
		err := pool.InTx(t.Context(), noon, func(tx *db.Tx) error {
			var pid int
			require.NoError(t, tx.Get(t.Context(), &pid, "SELECT pg_backend_pid()"))
			_, err := pool.Exec(t.Context(), "SELECT pg_terminate_backend($1, 5000)", pid)
			require.NoError(t, err)
			_, err = tx.Exec(t.Context(), "SELECT 1")
			return err
		})
		require.Equal(t, fault.Unavailable, db.Fault(err).Code, err)
	})
	t.Run("killed in a statement", func(t *testing.T) {
		t.Parallel()
		pool := open(t, db.Settings{})
		pids := make(chan int, 1)
		done := make(chan error, 1)
		go func() {
			done <- pool.InTx(context.Background(), noon, func(tx *db.Tx) error {
				var pid int
				if err := tx.Get(context.Background(), &pid, "SELECT pg_backend_pid()"); err != nil {
					return err
				}
				pids <- pid
				_, err := tx.Exec(context.Background(), "SELECT pg_sleep(60)")
				return err
			})
		}()
		_, err := pool.Exec(t.Context(), "SELECT pg_terminate_backend($1, 5000)", <-pids)
		require.NoError(t, err)
		err = <-done
		require.Equal(t, fault.Unavailable, db.Fault(err).Code, err)
	})
	t.Run("statement timeout", func(t *testing.T) {
		t.Parallel()
		pool := open(t, db.Settings{StatementTimeout: 20 * time.Millisecond})
		_, err := pool.Exec(t.Context(), "SELECT pg_sleep(60)")
		require.Equal(t, fault.Timeout, db.Fault(err).Code, err)
	})
	t.Run("deadline of the caller", func(t *testing.T) {
		t.Parallel()
		pool := open(t, db.Settings{})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := pool.Exec(ctx, "SELECT pg_sleep(60)")
		require.Equal(t, fault.Timeout, db.Fault(err).Code, err)
	})
	t.Run("no free connection in time", func(t *testing.T) {
		t.Parallel()
		pool := open(t, db.Settings{MaxOpen: 1})
		err := pool.InTx(t.Context(), noon, func(*db.Tx) error {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			_, err := pool.Exec(ctx, "SELECT 1")
			return err
		})
		require.Equal(t, fault.Timeout, db.Fault(err).Code, err)
	})
	t.Run("connection refused", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		host := l.Addr().String()
		require.NoError(t, l.Close())
		pool, err := db.Open("postgres://somebody:secret@"+host+"/nothing?sslmode=disable", db.Settings{MaxOpen: 1})
		require.NoError(t, err)
		defer pool.Close() //nolint:errcheck // nothing was opened
		_, err = pool.Exec(t.Context(), "SELECT 1")
		f := db.Fault(err)
		require.Equal(t, fault.Unavailable, f.Code, err)
		require.NotContains(t, f.Message, "127.0.0.1")
		require.NotContains(t, f.Error(), "secret")
	})
	t.Run("server that hangs up", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close() //nolint:errcheck // a listener of the test
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_ = c.Close()
			}
		}()
		pool, err := db.Open("postgres://somebody:secret@"+l.Addr().String()+"/nothing?sslmode=disable", db.Settings{MaxOpen: 1})
		require.NoError(t, err)
		defer pool.Close() //nolint:errcheck // nothing was opened
		_, err = pool.Exec(t.Context(), "SELECT 1")
		f := db.Fault(err)
		require.NotNil(t, f, "%#v", err)
		require.Equal(t, fault.Unavailable, f.Code, err)
	})
}

// A value that a client sends can make any statement fail; the answer holds nothing of it.
func TestFaultsHideDetails(t *testing.T) {
	t.Parallel()
	pool, s := open(t, db.Settings{}), scope()
	row := number(s, 1)
	row.Email, row.ReferenceID = pointer("ann@secret.test"), pointer(strings.Repeat("secret", 50))
	err := customer.Customers.Insert(t.Context(), pool, s, row)
	f := db.Fault(err)
	for _, hidden := range []string{"secret", "customers", "INSERT", "check", row.UUID.String()} {
		require.NotContains(t, f.Message, hidden)
	}
	users, ok := fault.AsUserErrors(db.Refused(err, "input", "items", "3"))
	require.True(t, ok)
	require.Equal(t, fault.UserErrors{{Code: fault.Invalid, Message: "A reference id has 1 to 255 characters.", Path: []string{"input", "items", "3", "referenceId"}}}, users)
	require.Equal(t, errOwn, db.Refused(errOwn, "input"))

	_, err = customer.Customers.Count(t.Context(), pool, s, db.Where{}.And("c.email = ?", "secret\x00"))
	f = db.Fault(err)
	require.Equal(t, fault.BadUserInput, f.Code, err)
	require.NotContains(t, f.Message, "secret")
}
