package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/graph"
	"caseload/internal/graphtest"
	"caseload/internal/playground/playgroundtest"
	"caseload/internal/toolcheck"
)

// block reads the fenced block of the README after its marker.
func block(t *testing.T, marker string) string {
	t.Helper()
	return blockOf(t, "README.md", marker)
}

// blockOf reads the fenced block of a document after its marker.
func blockOf(t *testing.T, document, marker string) string {
	t.Helper()
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(text), "<!-- "+marker+" -->\n```")
	require.True(t, ok, "%s has no block %q", document, marker)
	_, rest, _ = strings.Cut(rest, "\n")
	body, _, ok := strings.Cut(rest, "\n```\n")
	require.True(t, ok, "the block %q of %s does not end", marker, document)
	return body
}

// What differs from run to run, and its form.
var passing = []struct {
	form *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`^[a-z]+_[0-9a-hjkmnp-tv-z]{26}$`), "<id>"},
	{regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`), "<instant>"},
	{regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$`), "<local time>"},
	{regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`), "<request id>"},
}

// lasting replaces what differs from run to run by the name of its form.
func lasting(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for key := range x {
			x[key] = lasting(x[key])
		}
	case []any:
		for i := range x {
			x[i] = lasting(x[i])
		}
	case string:
		for _, p := range passing {
			if p.form.MatchString(x) {
				return p.name
			}
		}
	}
	return v
}

// requireAnswer compares an answer with the one that the README shows.
func requireAnswer(t *testing.T, marker, got string) {
	t.Helper()
	requireSame(t, block(t, marker), got)
}

// requireSame compares two answers but for what differs from run to run.
func requireSame(t *testing.T, shown, got string) {
	t.Helper()
	var want, have map[string]any
	require.NoError(t, json.Unmarshal([]byte(shown), &want))
	require.NoError(t, json.Unmarshal([]byte(got), &have), got)
	delete(have, "extensions")
	require.Equal(t, lasting(want), lasting(have))
}

func TestREADMEByCurl(t *testing.T) {
	t.Parallel()
	bash := toolcheck.Need(t, "bash", "install it, or read the README's commands in another shell")
	toolcheck.Need(t, "curl", "install it (Debian: `apt-get install curl`)")
	_, environ, key := seeded(t)
	s := startServer(t, environ)
	for _, first := range []string{"first query", "first sync"} {
		script := block(t, first+": curl")
		require.Contains(t, script, "KEY=cl_…  ")
		require.Contains(t, script, "http://127.0.0.1:8080/graphql")
		script = strings.NewReplacer("cl_…", key, "http://127.0.0.1:8080", s.address).Replace(script)
		out, err := exec.CommandContext(t.Context(), bash, "-euc", script).CombinedOutput()
		require.NoError(t, err, "%s", out)
		requireAnswer(t, first+": answer", string(out))
	}
}

// Each request of the REST APIs, translated, is answered as the guide says.
func TestTheMigratingGuide(t *testing.T) {
	t.Parallel()
	const guide = "docs/migrating.md"
	_, environ, key := seeded(t)
	s := startServer(t, environ)
	known, err := ask(s.address, key, `{ customer(referenceId: "CUST-000001") { id } }`, nil)
	require.NoError(t, err)
	id, ok := known.At("customer.id").(string)
	require.True(t, ok, known.Body)
	for _, endpoint := range []string{"bulk by source id", "patch", "create"} {
		v := variables(t, strings.ReplaceAll(blockOf(t, guide, endpoint+": variables"), "cust_…", id))
		for _, again := range []bool{false, true} {
			a, err := ask(s.address, key, blockOf(t, guide, endpoint+": operation"), v)
			require.NoError(t, err)
			shown := blockOf(t, guide, endpoint+": answer")
			if again {
				// A retry is safe, and says that nothing changed.
				shown = strings.ReplaceAll(shown, `"CREATE"`, `"UNCHANGED"`)
			}
			requireSame(t, shown, a.Body)
		}
	}
	a, err := ask(s.address, key, blockOf(t, guide, "empty patch: operation"), graphtest.Vars{"id": id})
	require.NoError(t, err)
	requireSame(t, blockOf(t, guide, "empty patch: answer"), a.Body)
	v := variables(t, strings.Replace(blockOf(t, guide, "bulk by source id: variables"), `"sourceId":`, `"company": "Acme", "sourceId":`, 1))
	a, err = ask(s.address, key, blockOf(t, guide, "bulk by source id: operation"), v)
	require.NoError(t, err)
	require.Equal(t, 400, a.Status)
	requireSame(t, blockOf(t, guide, "unknown key: answer"), a.Body)
}

func TestREADMEInThePlayground(t *testing.T) {
	t.Parallel()
	_, environ, key := seeded(t)
	s := startServer(t, environ)
	visit := playgroundtest.Open(t, s.address+"/")
	visit.UseKey(key)

	// The tab that is open when a person comes holds an example that works as it is.
	example := graph.Examples()[0]
	a, err := ask(s.address, key, example.Document, variables(t, example.Variables))
	require.NoError(t, err)
	require.Empty(t, a.Errors, a.Body)
	var seen graphtest.Reply
	require.NoError(t, json.Unmarshal([]byte(visit.Press()), &seen))
	require.Equal(t, a.Data, seen.Data)
	require.NotEmpty(t, graphtest.At(seen.Data, "customer.lastName"))

	for _, first := range []string{"first query", "first sync"} {
		requireAnswer(t, first+": answer", visit.Execute(block(t, first+": playground")))
	}
}

func variables(t *testing.T, text string) (v graphtest.Vars) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &v))
	return v
}

// The README names files, and make targets: all of them exist.
func TestREADMENamesWhatExists(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for _, link := range regexp.MustCompile(`\]\(([^):]+)\)`).FindAllStringSubmatch(string(text), -1) {
		_, err := os.Stat(link[1])
		require.NoError(t, err)
	}
	makefile, err := os.ReadFile("Makefile")
	require.NoError(t, err)
	for _, target := range regexp.MustCompile("(?m)(?:^|`)make ([a-z/]+)").FindAllStringSubmatch(string(text), -1) {
		require.Regexp(t, `(?m)^`+regexp.QuoteMeta(target[1])+`:`, string(makefile))
	}
}
