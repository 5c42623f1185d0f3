// Package blobtest gives tests an object store in a folder.
package blobtest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/blob"
	"caseload/internal/pii"
)

// Open opens the store in a folder. It is closed when the test ends.
func Open(t testing.TB, folder string, sealer *pii.Sealer) *blob.Store {
	t.Helper()
	address, err := blob.Folder(folder)
	require.NoError(t, err)
	store, err := blob.Open(context.Background(), address, sealer)
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return store
}
