package config

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite docs/configuration.md")

const (
	docPath = "../../docs/configuration.md"
	begin   = "<!-- variables: begin -->\n"
	end     = "<!-- variables: end -->\n"
)

func TestGoldenDocument(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(docPath)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(raw), begin)
	require.True(t, ok, "the beginning marker is missing")
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "the end marker is missing")
	want := before + begin + document() + "\n" + end + after
	if *update {
		require.NoError(t, os.WriteFile(docPath, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(raw), "run go test ./internal/config -run Golden -update")
}

func TestEveryVariableIsDeclaredWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	name := regexp.MustCompile(`^(CASELOAD_[A-Z][A-Z_]*[A-Z]|DATABASE_URL|OTEL_EXPORTER_OTLP_ENDPOINT)$`)
	for _, v := range variables() {
		require.Regexp(t, name, v.name)
		require.False(t, seen[v.name], "%s is declared twice", v.name)
		seen[v.name] = true
		require.Regexp(t, `^[A-Z].*\.$`, v.doc, "%s: the meaning is a sentence", v.name)
		require.Equal(t, v.min == "", v.max == "", "%s: both bounds or none", v.name)
		if v.isNumber() && !v.isLimit && v.want == "" {
			require.NotEmpty(t, v.min, "%s: a number has bounds", v.name)
			require.Less(t, v.bound(v.min), v.bound(v.max))
		}
		if v.kind.Kind().String() != "bool" && v.kind != durationType && !v.isNumber() && v.kind.Name() != "string" {
			require.NotEmpty(t, v.want, "%s: what would be right is not said", v.name)
		}
		require.Contains(t, document(), "| `"+v.name+"` |")
	}
	require.Greater(t, len(seen), 40)
	for _, need := range []string{"CASELOAD_LIMIT_DEPTH", "CASELOAD_LISTEN", "DATABASE_URL", "CASELOAD_PII_KEYS", "OTEL_EXPORTER_OTLP_ENDPOINT"} {
		require.True(t, seen[need], need)
	}
}

// document renders every variable as Markdown: the part of docs/configuration.md between its markers.
func document() string {
	var b strings.Builder
	section := ""
	for _, v := range variables() {
		if v.section != section {
			section = v.section
			fmt.Fprintf(&b, "\n## %s\n\n| variable | default | value | meaning |\n| --- | --- | --- | --- |\n", section)
		}
		preset := v.preset
		switch {
		case preset == "":
			preset = "empty"
		case !strings.Contains(preset, " "):
			preset = "`" + preset + "`"
		}
		cell := strings.NewReplacer("|", `\|`, "\n", " ")
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", v.name, cell.Replace(preset), cell.Replace(v.form()), cell.Replace(v.doc))
	}
	return b.String()
}
