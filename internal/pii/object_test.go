package pii_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/pii"
)

func TestKeysOfObjects(t *testing.T) {
	t.Parallel()
	old, err := pii.GenerateKeys()
	require.NoError(t, err)
	rotated, err := old.Rotate()
	require.NoError(t, err)
	before, err := pii.NewSealer(old)
	require.NoError(t, err)
	after, err := pii.NewSealer(rotated)
	require.NoError(t, err)

	key := []byte("sixteen bytes ..")
	sealed, err := before.SealKey("a/uploads/1", key)
	require.NoError(t, err)
	require.NotContains(t, string(sealed), string(key))
	for _, s := range []*pii.Sealer{before, after} {
		got, err := s.OpenKey("a/uploads/1", sealed)
		require.NoError(t, err, "a rotation goes on opening")
		require.Equal(t, key, got)
	}
	_, err = before.OpenKey("a/uploads/2", sealed)
	require.ErrorIs(t, err, pii.ErrOpen, "it belongs to one object")
	_, err = before.OpenKey("a/uploads/1", sealed[:len(sealed)-1])
	require.ErrorIs(t, err, pii.ErrOpen)
	young, err := after.SealKey("a/uploads/1", key)
	require.NoError(t, err)
	_, err = before.OpenKey("a/uploads/1", young)
	require.ErrorIs(t, err, pii.ErrOpen)

	_, err = before.SealKey("", key)
	require.Error(t, err)
	_, err = before.OpenKey("", sealed)
	require.Error(t, err)
}
