//go:build unix && !solaris && !aix

package devdb

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/devdb/filelock"
)

// childDir makes this test program a server that only runs PostgreSQL, for the tests that kill one.
const childDir = "CASELOAD_DEVDB_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		serveAsChild(dir)
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	// Every user can reach it: see folder.
	if original, err = os.MkdirTemp("", "caseload-devdb-*"); err == nil {
		err = os.Chmod(original, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(original) //nolint:errcheck // it is in the folder for temporary files
	return m.Run()
}

// serveAsChild prints the URL, or what went wrong, and stays until its standard input closes.
func serveAsChild(dir string) {
	s, err := Start(context.Background(), Options{Dir: dir, Fast: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(s.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := s.Stop(context.Background()); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func options(t *testing.T, dir string) Options {
	t.Helper()
	return Options{Dir: dir, Fast: true, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// folder is a temporary folder that every user can reach: the testing package makes closed ones, and a
// root process would keep its data elsewhere.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	return dir
}

// original is where initialiseOnce starts a server, until the tests have ended.
var original string

// initialiseOnce starts a server in original and stops it. Where the first start is not what a test is about, the test begins
// with a copy: initdb takes a second.
var initialiseOnce = sync.OnceValue(func() error {
	ctx := context.Background()
	s, err := Start(ctx, Options{Dir: original, Fast: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	// Each copy chooses its own port.
	return errors.Join(s.Stop(ctx), os.Remove(filepath.Join(s.home, "port")))
})

// startedBefore is a folder of the test's own in which a server has run before.
func startedBefore(t *testing.T) string {
	t.Helper()
	require.NoError(t, initialiseOnce())
	dir := folder(t)
	out, err := exec.CommandContext(t.Context(), "cp", "-a", original+"/.", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}

func mustStart(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	require.NoError(t, err)
	// t.Context has ended when this runs.
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	return s
}

func mustExec(t *testing.T, address, statement string) {
	t.Helper()
	db, err := sql.Open("postgres", address)
	require.NoError(t, err)
	defer db.Close() //nolint:errcheck // every statement's error was looked at
	_, err = db.ExecContext(t.Context(), statement)
	require.NoError(t, err)
}

func query(t *testing.T, address, statement string) string {
	t.Helper()
	db, err := sql.Open("postgres", address)
	require.NoError(t, err)
	defer db.Close() //nolint:errcheck // every statement's error was looked at
	var value string
	require.NoError(t, db.QueryRowContext(t.Context(), statement).Scan(&value))
	return value
}

func TestStartKeepsDataAndAddress(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "a checkout", ".caseload")

	first := mustStart(t, options(t, dir))
	mustExec(t, first.URL(), `CREATE TABLE kept AS SELECT 7 AS n`)
	require.NoError(t, first.Stop(t.Context()))
	require.NoError(t, first.Stop(t.Context()), "stopping twice is allowed")
	<-first.Done()

	second := mustStart(t, options(t, dir))
	require.Equal(t, first.URL(), second.URL())
	require.Equal(t, "7", query(t, second.URL(), `SELECT n FROM kept`))
}

func TestServerSettings(t *testing.T) {
	t.Parallel()
	o := options(t, folder(t))
	o.Fast = false
	s := mustStart(t, o)

	for statement, want := range map[string]string{
		`SHOW server_encoding`:         "UTF8",
		`SHOW timezone`:                "UTC",
		`SHOW listen_addresses`:        "127.0.0.1",
		`SHOW unix_socket_directories`: "",
		`SHOW fsync`:                   "on",
		`SHOW synchronous_commit`:      "on",
		`SELECT lower('ÄÖÜ ÉÑ ŁŞ')`:    "äöü éñ łş",
		`SELECT current_database()`:    "caseload",
		// Any method but this one in the file would be a way in without the password.
		`SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules`: "scram-sha-256",
	} {
		require.Equal(t, want, query(t, s.URL(), statement), statement)
	}

	mustExec(t, s.URL(), `CREATE EXTENSION pg_trgm`)
	require.Contains(t, query(t, s.URL(), `SELECT array_to_string(show_trgm('zoé'), '|')`), "|", "letters beyond ASCII make trigrams")
	require.Equal(t, "1", query(t, s.URL(), `SELECT similarity('ÄÖÜ', 'äöü')`))

	u, err := url.Parse(s.URL())
	require.NoError(t, err)
	for _, password := range []string{"", "wrong"} {
		u.User = url.UserPassword(role, password)
		db, err := sql.Open("postgres", u.String())
		require.NoError(t, err)
		require.ErrorContains(t, db.PingContext(t.Context()), "password")
		require.NoError(t, db.Close())
	}
	for _, name := range []string{"password", "postgres.log"} {
		st, err := os.Stat(filepath.Join(s.home, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), st.Mode().Perm(), name)
	}
}

func TestFastSettings(t *testing.T) {
	t.Parallel()
	s := mustStart(t, options(t, startedBefore(t)))
	require.Equal(t, "off", query(t, s.URL(), `SHOW fsync`))
}

func TestStartTwiceAtOnceIsRefused(t *testing.T) {
	t.Parallel()
	dir := startedBefore(t)
	mustStart(t, options(t, dir))

	_, err := Start(t.Context(), options(t, dir))
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, "process "+strconv.Itoa(os.Getpid()))
	require.ErrorIs(t, Remove(t.Context(), options(t, dir)), ErrInUse)
}

func TestStalePidFileOfAnotherProcess(t *testing.T) {
	t.Parallel()
	dir := startedBefore(t)
	s := mustStart(t, options(t, dir))
	require.NoError(t, s.Stop(t.Context()))

	for name, content := range map[string]string{
		"number of this very process": strconv.Itoa(os.Getpid()) + "\n/somewhere\n",
		"number of no process":        "2147483000\n",
		"nothing":                     "",
		"garbage":                     "\x00\x01",
	} {
		pidFile := filepath.Join(s.home, "data", "postmaster.pid")
		require.NoError(t, os.WriteFile(pidFile, []byte(content), 0o600), name)
		again, err := Start(t.Context(), options(t, dir))
		require.NoError(t, err, name)
		require.NoError(t, again.Stop(t.Context()), name)
	}
}

func TestServerWhoseParentWasKilled(t *testing.T) {
	t.Parallel()
	dir := startedBefore(t)
	child, address := startChild(t, exec.Command(os.Args[0]), dir)
	mustExec(t, address, `CREATE TABLE kept AS SELECT 7 AS n`)

	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())

	s := mustStart(t, options(t, dir))
	require.Equal(t, "7", query(t, s.URL(), `SELECT n FROM kept`))
}

// A server that no kernel ended with its parent, as on macOS, still has the port and the data.
func TestServerThatWasLeftRunning(t *testing.T) {
	t.Parallel()
	dir := startedBefore(t)
	o := options(t, dir).withDefaults()
	s := mustStart(t, o)
	mustExec(t, s.URL(), `CREATE TABLE kept AS SELECT 7 AS n`)
	require.NoError(t, s.Stop(t.Context()))

	h, err := settle(t.Context(), dir)
	require.NoError(t, err)
	p, err := choosePrograms(t.Context(), h, o)
	require.NoError(t, err)
	u, err := url.Parse(s.URL())
	require.NoError(t, err)
	port, err := strconv.Atoi(u.Port())
	require.NoError(t, err)
	orphan := h.as.command(t.Context(), h.path, p.postgres(), arguments(h, o, port)...)
	require.NoError(t, orphan.Start())
	ended := make(chan error, 1)
	go func() { ended <- orphan.Wait() }()
	waiting := &process{cmd: orphan, done: make(chan struct{})}
	require.NoError(t, awaitReady(t.Context(), s.URL(), waiting))

	again := mustStart(t, o)
	require.NoError(t, <-ended, "the orphan was shut down cleanly")
	require.Equal(t, "7", query(t, again.URL(), `SELECT n FROM kept`))
}

func TestUnfinishedFirstStartIsRepeated(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	h, err := settle(t.Context(), dir)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(h.path, "data.new", "base"), 0o700))
	require.NoError(t, h.write("password", "of the start that was killed"))

	s := mustStart(t, options(t, dir))
	require.Equal(t, "1", query(t, s.URL(), `SELECT 1`))
}

func TestPortThatIsTaken(t *testing.T) {
	t.Parallel()
	dir := startedBefore(t)
	s := mustStart(t, options(t, dir))
	require.NoError(t, s.Stop(t.Context()))
	u, err := url.Parse(s.URL())
	require.NoError(t, err)
	listener, err := net.Listen("tcp4", u.Host)
	require.NoError(t, err)
	defer listener.Close() //nolint:errcheck // nothing was sent

	t.Run("of the last run: another one is found", func(t *testing.T) {
		again := mustStart(t, options(t, dir))
		require.NotEqual(t, s.URL(), again.URL())
		require.Equal(t, "1", query(t, again.URL(), `SELECT 1`))
	})
	t.Run("asked for: an error that says so", func(t *testing.T) {
		o := options(t, dir)
		o.Port, err = strconv.Atoi(u.Port())
		require.NoError(t, err)
		_, err := Start(t.Context(), o)
		require.ErrorContains(t, err, "Another program uses the port")
		require.ErrorContains(t, err, "could not bind", "the log's last lines are shown")
	})
}

func TestMissingExtensionNamesThePackage(t *testing.T) {
	t.Parallel()
	s := mustStart(t, options(t, startedBefore(t)))
	err := prepare(t.Context(), s.URL(), []string{"no_such_extension"})
	require.ErrorContains(t, err, "no_such_extension")
	require.ErrorContains(t, err, "apt-get install postgresql-")
}

func TestLostPassword(t *testing.T) {
	t.Parallel()
	dir := startedBefore(t)
	s := mustStart(t, options(t, dir))
	require.NoError(t, s.Stop(t.Context()))
	require.NoError(t, os.Remove(filepath.Join(s.home, "password")))

	_, err := Start(t.Context(), options(t, dir))
	require.ErrorContains(t, err, "make db/reset")
	require.NoError(t, Remove(t.Context(), options(t, dir)))
	require.NoDirExists(t, s.home)
	again := mustStart(t, options(t, dir))
	require.Equal(t, "1", query(t, again.URL(), `SELECT 1`))
}

func TestRemoveOfNothing(t *testing.T) {
	t.Parallel()
	require.NoError(t, Remove(t.Context(), options(t, folder(t))))
}

func TestRemoveTouchesNoForeignFolder(t *testing.T) {
	t.Parallel()
	dir, foreign := folder(t), folder(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, locationFile), []byte(foreign), 0o600))
	require.ErrorContains(t, Remove(t.Context(), options(t, dir)), "does not look like")
	require.DirExists(t, foreign)
}

func TestStopThatMayNotWait(t *testing.T) {
	t.Parallel()
	s := mustStart(t, options(t, startedBefore(t)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Stop(ctx)
	<-s.Done()
	if err != nil {
		require.ErrorIs(t, err, context.Canceled)
	}
	require.NoError(t, s.Stop(t.Context()), "it has ended")
	lock, err := filelock.Exclusive(filepath.Join(s.home, lockFile))
	require.NoError(t, err, "the folder is free again")
	lock.Release()
}

// startChild runs this test program as a server of its own and returns its address.
func startChild(t *testing.T, child *exec.Cmd, dir string) (*exec.Cmd, string) {
	t.Helper()
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = t.Output()
	_, err := child.StdinPipe()
	require.NoError(t, err)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	t.Cleanup(func() { _ = child.Process.Kill() })
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case line := <-answer:
		require.True(t, strings.HasPrefix(line, "postgres://"), line)
		return child, line
	case <-time.After(time.Minute):
		require.FailNow(t, "the child did not start")
		return nil, ""
	}
}

func ownerOf(t *testing.T, path string) uint32 {
	t.Helper()
	st, err := os.Stat(path)
	require.NoError(t, err)
	return st.Sys().(*syscall.Stat_t).Uid
}
