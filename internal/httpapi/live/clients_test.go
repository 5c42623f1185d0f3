package live_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/httpapi/live"
	"caseload/internal/toolcheck"
)

// The clients are the reference clients of both protocols; their packages are installed with npm.
const clients = "../testdata/clients"

func TestReferenceClients(t *testing.T) {
	t.Parallel()
	node := toolcheck.Node(t)
	if _, err := os.Stat(filepath.Join(clients, "node_modules", "graphql-ws")); err != nil {
		toolcheck.Missing(t, "the packages of the JavaScript clients", "run `npm ci` in internal/httpapi/testdata/clients")
	}
	for _, script := range []string{"ws.mjs", "sse.mjs"} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, live.WebSocketOptions{}, live.SSEOptions{})
			ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
			defer cancel()
			command := exec.CommandContext(ctx, node, script)
			command.Dir = clients
			command.Env = append(os.Environ(),
				"CASELOAD_URL="+s.URL,
				"CASELOAD_API_KEY="+goodKey,
				"CASELOAD_SUBSCRIPTION=subscription { ticks }",
				"CASELOAD_TRIGGER=mutation ($value: String!) { poke(value: $value) }",
				`CASELOAD_TRIGGER_VARIABLES={"value":"tick"}`)
			output, err := command.CombinedOutput()
			require.NoError(t, err, string(output))
			require.Regexp(t, `(?m)\A(ok - .*\n){4}\z`, string(output))
		})
	}
}
