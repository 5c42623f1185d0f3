//go:build unix && !solaris && !aix

package filelock

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Two opened files hold two locks, also within one process, so one test can play both sides.
func TestLocks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")

	one, err := Shared(path)
	require.NoError(t, err)
	two, err := Shared(path)
	require.NoError(t, err, "shares go together")
	_, err = TryExclusive(path)
	require.ErrorIs(t, err, ErrHeld)

	one.Release()
	two.Release()
	two.Release()
	alone, err := TryExclusive(path)
	require.NoError(t, err)
	require.NoError(t, alone.Note("a long first note"))
	require.NoError(t, alone.Note("short"))
	require.Equal(t, "short", ReadNote(path))
	_, err = TryExclusive(path)
	require.ErrorIs(t, err, ErrHeld)

	waited := make(chan error, 1)
	go func() {
		next, err := Exclusive(path)
		next.Release()
		waited <- err
	}()
	alone.Release()
	require.NoError(t, <-waited)
	(*Lock)(nil).Release()
}

func TestReadNoteOfNothing(t *testing.T) {
	t.Parallel()
	require.Empty(t, ReadNote(filepath.Join(t.TempDir(), "missing")))
}
