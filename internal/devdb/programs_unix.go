//go:build unix && !solaris && !aix

package devdb

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldest is the first PostgreSQL whose features the schema uses.
const oldest = 14

// programs is a folder with `postgres` and `initdb` of one version.
type programs struct {
	bin   string
	major int
}

func (p programs) postgres() string { return filepath.Join(p.bin, "postgres") }
func (p programs) initdb() string   { return filepath.Join(p.bin, "initdb") }

// findPrograms returns the first usable programs among dirs. With major above 0 only that version is usable:
// data is readable by the version that made it alone.
func findPrograms(ctx context.Context, as *account, dirs []string, major int) (programs, bool) {
	for _, dir := range dirs {
		p, ok := inspect(ctx, as, dir)
		if ok && p.major >= oldest && (major == 0 || p.major == major) {
			return p, true
		}
	}
	return programs{}, false
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// inspect asks the programs themselves, as the account that will run them.
func inspect(ctx context.Context, as *account, dir string) (programs, bool) {
	p := programs{bin: dir}
	if !exists(p.postgres()) || !exists(p.initdb()) {
		return p, false
	}
	out, err := as.command(ctx, "/", p.postgres(), "--version").Output()
	if err != nil {
		return p, false
	}
	found := versionLine.FindSubmatch(out)
	if found == nil || as.command(ctx, "/", p.initdb(), "--version").Run() != nil {
		return p, false
	}
	p.major, err = strconv.Atoi(string(found[1]))
	return p, err == nil
}

// programDirs lists where PostgreSQL's programs may be, the likeliest first.
func programDirs(ctx context.Context) []string {
	var dirs []string
	add := func(dir string) {
		if dir != "" && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, name := range []string{"postgres", "initdb", "pg_ctl"} {
		found, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		add(filepath.Dir(found))
		// A lone link in /usr/local/bin leads to the folder that has the others too.
		if target, err := filepath.EvalSymlinks(found); err == nil {
			add(filepath.Dir(target))
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
		"/usr/pgsql-*/bin",                                   // Red Hat
		"/usr/libexec/postgresql*",                           // Alpine
		"/usr/lib/postgresql*/bin",                           // SUSE
		"/opt/homebrew/opt/postgresql*/bin",                  // Homebrew on Apple processors
		"/usr/local/opt/postgresql*/bin",                     // Homebrew on Intel
		"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
		"/opt/local/lib/postgresql*/bin",                     // MacPorts
		"/usr/local/pgsql/bin",                               // built from source
		"/usr/local/bin",
	} {
		for _, dir := range newestFirst(pattern) {
			add(dir)
		}
	}
	// A config program without a server is common, so it comes last.
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		add(strings.TrimSpace(string(out)))
	}
	return dirs
}

var digits = regexp.MustCompile(`\d+`)

// newestFirst sorts by the version in the name as a number: 9 is older than 10.
func newestFirst(pattern string) []string {
	found, err := filepath.Glob(pattern)
	if err != nil {
		panic(fmt.Sprintf("devdb: pattern %q: %v", pattern, err))
	}
	before, _, _ := strings.Cut(pattern, "*")
	version := func(path string) int {
		n, _ := strconv.Atoi(digits.FindString(strings.TrimPrefix(path, before)))
		return n
	}
	slices.SortStableFunc(found, func(a, b string) int { return version(b) - version(a) })
	return found
}
