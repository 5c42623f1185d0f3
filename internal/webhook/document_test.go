package webhook

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// docs/webhooks.md is the contract with receivers: every name that they may see stands in it.
func TestDocumentNamesEverything(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/webhooks.md")
	require.NoError(t, err)
	text := string(raw)
	for _, e := range EventTypes {
		require.Contains(t, text, "| `"+e.Name()+"` | `"+string(e)+"` |")
	}
	for _, f := range Failures {
		require.Contains(t, text, "| `"+string(f)+"` |")
	}
	for _, h := range []string{HeaderEvent, HeaderDelivery, HeaderSignature} {
		require.Contains(t, text, "\n"+h+": ")
	}
	require.Contains(t, text, HeaderSignature+": t=1772452800,v1="+knownDigest+"\n", "the example by which receivers test theirs")
}
