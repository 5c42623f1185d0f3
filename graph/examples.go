package graph

import (
	"embed"
	"io/fs"
	"strings"

	"caseload/internal/playground"
)

// examples are documents that work as they are on the demonstration data. The first lines of a file say for
// whom it is, its title, and what it shows; the last may hold the variables. Tests run every one.
//
//go:embed examples/*.graphql
var examples embed.FS

// Examples returns the documented documents, for the playground and for tests.
func Examples() []playground.Tab {
	names, _ := fs.Glob(examples, "examples/*.graphql")
	tabs := make([]playground.Tab, 0, len(names))
	for _, name := range names {
		// An embedded file that was just listed can be read.
		text, _ := examples.ReadFile(name)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		audience, title, _ := strings.Cut(strings.TrimPrefix(lines[0], "# "), ": ")
		tab := playground.Tab{Audience: audience, Title: title, Note: strings.TrimPrefix(lines[1], "# ")}
		body := lines[2:]
		if last := body[len(body)-1]; strings.HasPrefix(last, "# variables: ") {
			tab.Variables, body = strings.TrimPrefix(last, "# variables: "), body[:len(body)-1]
		}
		tab.Document = strings.Join(body, "\n") + "\n"
		tabs = append(tabs, tab)
	}
	return tabs
}
