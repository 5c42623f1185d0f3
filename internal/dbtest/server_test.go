//go:build unix

package dbtest

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/devdb/filelock"
)

func answers(t *testing.T, s *server) {
	t.Helper()
	require.NoError(t, s.exec(t.Context(), `SELECT 1`))
}

// The life of a keeper: started by the first, shared, killed, replaced, and gone when nobody is left.
func TestServerIsSharedAndEnds(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(parent), 0o755))
	dir := filepath.Join(parent, "server")
	ended := filepath.Join(dir, "postgres", "lock")

	first, err := join(t.Context(), dir, time.Millisecond)
	require.NoError(t, err)
	answers(t, first)
	second, err := join(t.Context(), dir, time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, first.base, second.base, "one server for all")
	first.use.Release()
	answers(t, second)

	keeper, err := strconv.Atoi(filelock.ReadNote(ended))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(keeper, syscall.SIGKILL))
	third, err := join(t.Context(), dir, time.Millisecond)
	require.NoError(t, err, "what a killed keeper left is no obstacle")
	answers(t, third)

	second.use.Release()
	third.use.Release()
	// Free as soon as the keeper has seen that nobody is left and its PostgreSQL has ended.
	lock, err := filelock.Exclusive(ended)
	require.NoError(t, err)
	lock.Release()
	require.NoFileExists(t, filepath.Join(dir, "url"))
	require.NoFileExists(t, filepath.Join(dir, "postgres", "data", "postmaster.pid"))

	again, err := join(t.Context(), dir, time.Millisecond)
	require.NoError(t, err)
	answers(t, again)
	again.use.Release()
	lock, err = filelock.Exclusive(ended)
	require.NoError(t, err, "wait until it is gone, before its folder is")
	lock.Release()
	users, err := filelock.Exclusive(filepath.Join(dir, "users.lock"))
	require.NoError(t, err)
	users.Release()
}

func TestFolderOfSomebodyElseIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "server")
	require.NoError(t, os.WriteFile(dir, nil, 0o600))
	_, err := join(t.Context(), dir, time.Millisecond)
	require.ErrorContains(t, err, "belongs to somebody else")
}
