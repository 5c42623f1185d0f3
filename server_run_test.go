//go:build unix

package main

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNothingSetUp is `make run` as the one who runs the tests, root in a container, a plain user elsewhere: the server starts
// in an empty folder, works, ends and starts again.
func TestNothingSetUp(t *testing.T) {
	t.Parallel()
	c := &checkout{folder: openFolder(t), program: reachableProgram(t)}
	key, before := c.firstRun(t)

	second, again := c.serve(t)
	require.Equal(t, key, again, "the printed key stays")
	after, err := ask(second.address, again, readMine, map[string]any{"reference": "MINE-1"})
	require.NoError(t, err)
	require.Equal(t, before, after.Data)
	require.NotContains(t, second.out.String(), "Making", "the demonstration data is not made again")

	// A third one in the same folder is told why it cannot.
	third := c.spawn(t)
	require.Error(t, third.end())
	require.Contains(t, third.log.String(), "in use")
	second.stop()
	require.NoError(t, second.end(), "%s", second.log)
}

// TestNothingSetUpAsPlainUser is the first run of a user without any rights, when root runs the tests.
func TestNothingSetUpAsPlainUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("the tests do not run as root, so TestNothingSetUp is this one already")
	}
	nobody, err := user.Lookup("nobody")
	require.NoError(t, err)
	uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(nobody.Gid, 10, 32)
	require.NoError(t, err)
	c := &checkout{folder: openFolder(t), program: reachableProgram(t),
		as: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}}
	require.NoError(t, os.Chown(c.folder, int(uid), int(gid)))
	c.firstRun(t)

	info, err := os.Stat(filepath.Join(c.folder, ".caseload", "pii.keys"))
	require.NoError(t, err)
	require.EqualValues(t, uid, info.Sys().(*syscall.Stat_t).Uid)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

// checkout is a folder in which the server runs with nothing but a home, as `make run` does in a fresh clone.
type checkout struct {
	folder, program string
	as              *syscall.SysProcAttr
}

func (c *checkout) spawn(t *testing.T) *instance {
	t.Helper()
	return spawn(t, []string{"HOME=" + c.folder, "PATH=" + os.Getenv("PATH"), "CASELOAD_DEMO_CUSTOMERS=5", "CASELOAD_LISTEN=127.0.0.1:0"}, func(cmd *exec.Cmd) {
		cmd.Path, cmd.Dir, cmd.SysProcAttr = c.program, c.folder, c.as
	}, "serve")
}

func (c *checkout) serve(t *testing.T) (s *instance, key string) {
	t.Helper()
	s = c.spawn(t).listening()
	key = s.await(s.out, harborKey.String())[1]
	s.await(s.out, `API key of Summit Recovery: +cl_\S+`)
	s.await(s.out, `Playground: +`+s.address+`/`)
	return s, key
}

const readMine = `query ($reference: String!) { customers(first: 1) { totalCount } customer(referenceId: $reference) { firstName email birthday activeSchedule { status } } }`

// firstRun starts the server, writes, reads what was written, and ends it.
func (c *checkout) firstRun(t *testing.T) (key string, data any) {
	t.Helper()
	s, key := c.serve(t)
	a, err := ask(s.address, key, syncDocument, syncOf("MINE-1", "collections", "Ann"))
	require.NoError(t, err)
	require.Empty(t, a.Errors, a.Body)
	require.Equal(t, 0, a.Len("syncCustomerSchedule.userErrors"), a.Body)
	a, err = ask(s.address, key, readMine, map[string]any{"reference": "MINE-1"})
	require.NoError(t, err)
	require.Empty(t, a.Errors, a.Body)
	require.EqualValues(t, 6, a.At("customers.totalCount"), a.Body)
	require.Equal(t, "1985-06-15", a.Text("customer.birthday"), a.Body)
	require.Equal(t, "ACTIVE", a.Text("customer.activeSchedule.status"), a.Body)
	s.stop()
	require.NoError(t, s.end(), "%s", s.log)
	return key, a.Data
}

// reachableProgram is a copy of this test program that every user can run; `go test` builds in a closed folder.
// Another program makes it: a file that this one has open for writing would stay open in whatever process
// other tests start just then, and what is open for writing cannot be run.
func reachableProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(openFolder(t), "caseload")
	out, err := exec.CommandContext(t.Context(), "cp", os.Args[0], path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.Chmod(path, 0o755))
	return path
}
