// Package toolcheck decides what a test does whose tool is missing: on a person's machine it is skipped
// and says how to get the tool, under CI=true it fails, since there a skipped suite would pass for a green one.
// A quick run (go test -short) leaves out what Node.js and Chromium take part in.
package toolcheck

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// oldestNode is the first Node.js that the clients under test support.
const oldestNode = 20

// Need returns the path of a program, or ends the test; hint says how to get it.
func Need(t testing.TB, program, hint string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		Missing(t, program, hint)
	}
	return path
}

// Missing ends the test because of what is missing: it fails under CI=true and is skipped elsewhere.
func Missing(t testing.TB, what, hint string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing, and CI skips nothing: %s", what, hint)
	}
	t.Skipf("%s is missing: %s", what, hint)
}

// slow skips the test in a quick run.
func slow(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("left out of a quick run")
	}
}

// Node returns the path of Node.js 20 or newer, or ends the test.
func Node(t testing.TB) string {
	t.Helper()
	slow(t)
	const hint = "install Node.js 20 or newer (Debian 13, Ubuntu 25.04 and newer: `apt-get install nodejs npm`; macOS: `brew install node`)"
	path := Need(t, "node", hint)
	out, err := exec.CommandContext(t.Context(), path, "--version").Output()
	if err != nil {
		t.Fatalf("ask node for its version: %v", err)
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestNode {
		Missing(t, "Node.js 20 (here is "+strings.TrimSpace(string(out))+")", hint)
	}
	return path
}

// Chromium returns the path of Chromium or Chrome, or ends the test. CHROMIUM, when set, names it.
func Chromium(t testing.TB) string {
	t.Helper()
	slow(t)
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"}
	if name := os.Getenv("CHROMIUM"); name != "" {
		names = []string{name}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(t, "Chromium", "install it (Debian: `apt-get install chromium`; macOS: `brew install chromium`), or name a Chrome in the variable CHROMIUM")
	return ""
}
