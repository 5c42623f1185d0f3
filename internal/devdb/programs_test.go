//go:build unix && !solaris && !aix

package devdb

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func writePrograms(t *testing.T, dir, version string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for _, name := range []string{"postgres", "initdb"} {
		script := fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %s'\n", name, version)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755))
	}
}

func TestFindPrograms(t *testing.T) {
	t.Parallel()
	root := folder(t)
	as, err := currentAccount()
	require.NoError(t, err)
	old, client, broken := filepath.Join(root, "old"), filepath.Join(root, "client"), filepath.Join(root, "broken")
	p16, p15 := filepath.Join(root, "16"), filepath.Join(root, "15")
	writePrograms(t, old, "13.9")
	writePrograms(t, p16, "16.2 (Debian 16.2-1)")
	writePrograms(t, p15, "15beta1")
	writePrograms(t, client, "17.1")
	require.NoError(t, os.Remove(filepath.Join(client, "initdb")))
	writePrograms(t, broken, "17.1")
	require.NoError(t, os.WriteFile(filepath.Join(broken, "initdb"), []byte("#!/bin/sh\nexit 1\n"), 0o755))
	dirs := []string{filepath.Join(root, "missing"), old, client, broken, p16, p15}

	got, ok := findPrograms(t.Context(), as, dirs, 0)
	require.True(t, ok)
	require.Equal(t, programs{bin: p16, major: 16}, got)
	got, ok = findPrograms(t.Context(), as, dirs, 15)
	require.True(t, ok)
	require.Equal(t, programs{bin: p15, major: 15}, got)
	for _, major := range []int{13, 17} {
		_, ok = findPrograms(t.Context(), as, dirs, major)
		require.False(t, ok, major)
	}
}

func TestNewestFirst(t *testing.T) {
	t.Parallel()
	root := filepath.Join(folder(t), "x")
	for _, version := range []string{"9", "14", "16"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, version), 0o755))
	}
	var got []string
	for _, path := range newestFirst(filepath.Join(root, "*")) {
		got = append(got, filepath.Base(path))
	}
	require.Equal(t, []string{"16", "14", "9"}, got)
}

func nothingInstalled(context.Context) []string { return nil }

// repository offers one archive as Maven repositories do, and counts what is asked for.
func repository(t *testing.T) (address string, requests *[]string) {
	t.Helper()
	archive, err := os.ReadFile("testdata/programs.txz")
	require.NoError(t, err)
	var jar bytes.Buffer
	z := zip.NewWriter(&jar)
	w, err := z.Create("postgres.txz")
	require.NoError(t, err)
	_, err = w.Write(archive)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	requests = new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*requests = append(*requests, r.URL.Path)
		if !strings.HasSuffix(r.URL.Path, ".jar") {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(jar.Bytes())
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

func TestDownload(t *testing.T) {
	t.Parallel()
	address, requests := repository(t)
	o := options(t, folder(t))
	o.Repository, o.programDirs = address, nothingInstalled
	o = o.withDefaults()
	h, err := settle(t.Context(), o.Dir)
	require.NoError(t, err)

	p, err := choosePrograms(t.Context(), h, o)
	require.NoError(t, err)
	require.Equal(t, 17, p.major)
	require.Equal(t, filepath.Join(h.path, "postgresql-17.5.0", "bin"), p.bin)
	asked := len(*requests)
	require.Positive(t, asked)

	again, err := choosePrograms(t.Context(), h, o)
	require.NoError(t, err)
	require.Equal(t, p, again)
	require.Len(t, *requests, asked, "it is downloaded once")
	left, err := filepath.Glob(filepath.Join(h.path, "*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(h.path, "postgresql-17.5.0")}, left)
}

func TestDownloadThatIsImpossible(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	refusing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refusing.Close)
	for name, address := range map[string]string{"no network": gone.URL, "not offered": refusing.URL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, folder(t))
			o.Repository, o.programDirs = address, nothingInstalled
			_, err := Start(t.Context(), o)
			require.ErrorContains(t, err, "this machine has no PostgreSQL 14 or newer")
			require.ErrorContains(t, err, "apt-get install postgresql")
			require.ErrorContains(t, err, "DATABASE_URL")
		})
	}
}

func TestDataOfAVersionThatIsGone(t *testing.T) {
	t.Parallel()
	o := options(t, folder(t))
	o.programDirs = nothingInstalled
	h, err := settle(t.Context(), o.Dir)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(h.data(), 0o700))
	require.NoError(t, h.as.own(h.data()))
	require.NoError(t, os.WriteFile(filepath.Join(h.data(), "PG_VERSION"), []byte("12\n"), 0o600))

	_, err = Start(t.Context(), o)
	require.ErrorContains(t, err, "made by PostgreSQL 12")
	require.ErrorContains(t, err, "make db/reset")
}
