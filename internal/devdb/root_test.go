//go:build unix && !solaris && !aix

package devdb

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func needRoot(t *testing.T) *account {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can act as another user: run the tests as root, as CI does, to include this one")
	}
	as, err := currentAccount()
	require.NoError(t, err)
	return as
}

func TestRootHandsTheServerToAnotherAccount(t *testing.T) {
	t.Parallel()
	as := needRoot(t)
	dir := folder(t)
	s := mustStart(t, options(t, dir))
	require.Equal(t, filepath.Join(dir, "postgres"), s.home)
	require.Equal(t, as.uid, ownerOf(t, filepath.Join(s.home, "data")))
}

// A checkout under /root is closed to the account that runs PostgreSQL.
func TestRootInAClosedFolder(t *testing.T) {
	t.Parallel()
	needRoot(t)
	closed := filepath.Join(folder(t), "closed")
	require.NoError(t, os.Mkdir(closed, 0o700))
	dir := filepath.Join(closed, ".caseload")
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(closed)) })

	first := mustStart(t, options(t, dir))
	require.NotContains(t, first.home, closed)
	note, err := os.ReadFile(filepath.Join(dir, locationFile))
	require.NoError(t, err)
	require.Equal(t, first.home+"\n", string(note))
	mustExec(t, first.URL(), `CREATE TABLE kept AS SELECT 7 AS n`)
	require.NoError(t, first.Stop(t.Context()))

	second := mustStart(t, options(t, dir))
	require.Equal(t, first.URL(), second.URL())
	require.Equal(t, "7", query(t, second.URL(), `SELECT n FROM kept`))
	require.NoError(t, second.Stop(t.Context()))

	require.NoError(t, Remove(t.Context(), options(t, dir)))
	require.NoDirExists(t, first.home)
	require.NoFileExists(t, filepath.Join(dir, locationFile))
}

// A plain user's whole life with the server, and then root in the same checkout.
func TestPlainUserAndThenRoot(t *testing.T) {
	t.Parallel()
	needRoot(t)
	nobody, err := user.Lookup("nobody")
	require.NoError(t, err)
	plain, err := newAccount(nobody)
	require.NoError(t, err)
	dir := folder(t)
	require.NoError(t, plain.own(dir))
	program := openCopy(t)
	asPlain := func() *exec.Cmd {
		cmd := exec.Command(program)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: plain.credential()}
		return cmd
	}

	first, address := startChild(t, asPlain(), dir)
	mustExec(t, address, `CREATE TABLE kept AS SELECT 7 AS n`)
	require.NoError(t, first.Process.Kill())
	require.Error(t, first.Wait())
	require.Equal(t, plain.uid, ownerOf(t, filepath.Join(dir, "postgres", "data")))

	second, again := startChild(t, asPlain(), dir)
	require.Equal(t, "7", query(t, again, `SELECT n FROM kept`))
	require.NoError(t, second.Process.Signal(syscall.SIGKILL))
	require.Error(t, second.Wait())

	s := mustStart(t, options(t, dir))
	require.Equal(t, "7", query(t, s.URL(), `SELECT n FROM kept`))
	require.Equal(t, plain.uid, ownerOf(t, filepath.Join(s.home, "data")))
}

func TestPlainUserAfterRootGetsTheReason(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := startedBefore(t)
	s := mustStart(t, options(t, dir))
	require.NoError(t, s.Stop(t.Context()))

	nobody, err := user.Lookup("nobody")
	require.NoError(t, err)
	plain, err := newAccount(nobody)
	require.NoError(t, err)
	cmd := exec.Command(openCopy(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: plain.credential()}
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.Output()
	require.Error(t, err)
	require.Contains(t, string(out), "made by another user")
}

// openCopy is this test program in a place that every user can reach; `go test` builds in a closed one.
// Another program makes it: a file that this one has open for writing would stay open in whatever process
// other tests start just then, and what is open for writing cannot be run.
func openCopy(t *testing.T) string {
	t.Helper()
	path := filepath.Join(folder(t), "program")
	out, err := exec.CommandContext(t.Context(), "cp", os.Args[0], path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.Chmod(path, 0o755))
	return path
}
