package calling_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The rules are pure: what they import directly, and what of Caseload and of databases they import at all, is listed here.
func TestImports(t *testing.T) {
	t.Parallel()
	list := func(format string, args ...string) []string {
		out, err := exec.CommandContext(t.Context(), "go", append(append([]string{"list", "-f", format}, args...), "caseload/internal/calling")...).Output()
		require.NoError(t, err)
		return strings.Fields(string(out))
	}
	pure := []string{
		"caseload/internal/civil", "caseload/internal/fault", "database/sql/driver", "encoding/binary", "errors", "fmt",
		"github.com/google/uuid", "github.com/nyaruka/phonenumbers", "io", "math", "slices", "strconv", "strings", "time",
	}
	require.Subset(t, pure, list(`{{join .Imports "\n"}}`))
	all := list("{{.ImportPath}}", "-deps")
	require.Contains(t, all, "caseload/internal/civil", "the list is that of this package")
	for _, path := range all {
		if strings.HasPrefix(path, "caseload/") {
			require.Contains(t, []string{"caseload/internal/calling", "caseload/internal/civil", "caseload/internal/fault"}, path)
		}
		for _, database := range []string{"github.com/jmoiron/sqlx", "github.com/lib/pq", "github.com/riverqueue/river", "github.com/99designs/gqlgen"} {
			require.False(t, path == "database/sql" || strings.HasPrefix(path, database), path)
		}
	}
}
