package httpapi

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/toolcheck"
)

// documented returns the block of code of docs/uploads.md below a marker.
func documented(t *testing.T, marker string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "uploads.md"))
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(text), "<!-- "+marker+" -->\n```sh\n")
	require.True(t, ok, "the marker %s is missing", marker)
	code, _, ok := strings.Cut(rest, "```")
	require.True(t, ok)
	return code
}

// The requests of the documentation are sent by curl as they stand there, but for the address and the key.
func TestDocumentedUploads(t *testing.T) {
	t.Parallel()
	toolcheck.Need(t, "curl", "install curl (Debian: `apt-get install curl`)")
	shell := toolcheck.Need(t, "sh", "a POSIX shell is part of every Unix")
	dir := t.TempDir()
	for name, content := range map[string]string{"customers.jsonl": "{}\n{}\n", "letter.pdf": "a letter", "statement.pdf": ""} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	u := newUploadBench(t, nil)
	server := httptest.NewServer(u)
	defer server.Close()
	run := func(marker string, edits ...string) string {
		edits = append(edits, "http://127.0.0.1:8080", server.URL, "cl_…", "admin", "curl -s", "curl -sS --noproxy '*'")
		script := "KEY=admin\n" + strings.NewReplacer(edits...).Replace(documented(t, marker))
		require.Contains(t, script, server.URL)
		cmd := exec.CommandContext(t.Context(), shell, "-c", script)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	require.Contains(t, run("upload: curl"), `{"createBulkOperation":{"bulkOperation":{"id":"bulk_1"}}}`)
	seen := <-u.seen
	require.Equal(t, "customers.jsonl", seen.Name)
	require.EqualValues(t, 6, seen.Size)

	require.Contains(t, run("uploads: curl", "mutation Attach($files: [Upload!]!) { … }", "mutation Attach($files: [Upload!]!) { keep(files: $files) }"), `["letter.pdf","statement.pdf"]`)
	require.EqualValues(t, 8, (<-u.seen).Size)
	seen = <-u.seen
	require.Zero(t, seen.Size)
	require.Equal(t, "application/pdf", seen.ContentType)
}
