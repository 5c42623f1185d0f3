// Package blobtest gives tests an object store in a folder.
package blobtest

import (
	"context"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/blob"
	"caseload/internal/pii"
)

// Open opens the store in a folder. It is closed when the test ends.
func Open(t testing.TB, folder string, sealer *pii.Sealer) *blob.Store {
	t.Helper()
	store, err := blob.Open(context.Background(), Address(t, folder), sealer)
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// Address is that of the store in a folder.
func Address(t testing.TB, folder string) string {
	t.Helper()
	whole, err := filepath.Abs(folder)
	require.NoError(t, err)
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(whole)}).String()
}
