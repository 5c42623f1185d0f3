package docs_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/observe"
)

var metricName = regexp.MustCompile("`(caseload_\\w+)`")

// The table of operations.md has every metric of the server, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("operations.md")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(raw), "\n## What to watch\n")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")
	var told []string
	for _, line := range strings.Split(section, "\n") {
		if strings.HasPrefix(line, "|") {
			for _, name := range metricName.FindAllStringSubmatch(line, -1) {
				told = append(told, name[1])
			}
		}
	}
	slices.Sort(told)

	m := observe.NewMetrics()
	require.NoError(t, m.WatchConnections("websocket", func() int { return 0 }))
	require.NoError(t, m.WatchBacklog(nil))
	require.Equal(t, m.Names(), told)
}
