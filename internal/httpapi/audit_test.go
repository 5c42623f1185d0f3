package httpapi

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/toolcheck"
)

// The audits of graphql-http are the conformance suite of GraphQL over HTTP; all must be ok.
func TestGraphQLHTTPAudits(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("testdata", "clients")
	node := toolcheck.Node(t)
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "graphql-http")); err != nil {
		toolcheck.Missing(t, "the packages of the JavaScript clients", "run `npm ci` in internal/httpapi/testdata/clients")
	}
	server := httptest.NewServer(newBench(t, nil))
	defer server.Close()
	cmd := exec.CommandContext(t.Context(), node, "audit.mjs")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CASELOAD_URL="+server.URL+"/graphql", "CASELOAD_API_KEY=admin")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "# 61 of 61 ok")
}
