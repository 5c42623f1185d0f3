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

// TestNothingSetUp is `make run` as the one who runs the tests: root in a container, a plain user elsewhere.
func TestNothingSetUp(t *testing.T) {
	t.Parallel()
	runTwice(t, openFolder(t), nil)
}

// TestNothingSetUpAsPlainUser is the same for a user without any rights, when root runs the tests.
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
	checkout := openFolder(t)
	require.NoError(t, os.Chown(checkout, int(uid), int(gid)))
	runTwice(t, checkout, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}})

	info, err := os.Stat(filepath.Join(checkout, ".caseload", "pii.keys"))
	require.NoError(t, err)
	require.EqualValues(t, uid, info.Sys().(*syscall.Stat_t).Uid)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

// runTwice starts the server in an empty folder with nothing but a home, as `make run` does in a fresh
// clone, works with it, ends it and starts it again.
func runTwice(t *testing.T, checkout string, as *syscall.SysProcAttr) {
	t.Helper()
	program := reachableProgram(t)
	serve := func() (s *instance, key string) {
		s = spawn(t, []string{"HOME=" + checkout, "PATH=" + os.Getenv("PATH"), "CASELOAD_DEMO_CUSTOMERS=50", "CASELOAD_LISTEN=127.0.0.1:0"}, func(cmd *exec.Cmd) {
			cmd.Path, cmd.Dir, cmd.SysProcAttr = program, checkout, as
		}, "serve").listening()
		key = s.await(s.out, harborKey.String())[1]
		s.await(s.out, `API key of Summit Recovery: +cl_\S+`)
		s.await(s.out, `Playground: +`+s.address+`/`)
		return s, key
	}
	const read = `query ($reference: String!) { customers(first: 1) { totalCount } customer(referenceId: $reference) { firstName email birthday activeSchedule { status } } }`

	first, key := serve()
	a, err := ask(first.address, key, syncDocument, syncOf("MINE-1", "collections", "Ann"))
	require.NoError(t, err)
	require.Empty(t, a.Errors, a.Body)
	require.Equal(t, 0, a.Len("syncCustomerSchedule.userErrors"), a.Body)
	before, err := ask(first.address, key, read, map[string]any{"reference": "MINE-1"})
	require.NoError(t, err)
	require.Empty(t, before.Errors, before.Body)
	require.EqualValues(t, 51, before.At("customers.totalCount"), before.Body)
	require.Equal(t, "1985-06-15", before.Text("customer.birthday"), before.Body)
	require.Equal(t, "ACTIVE", before.Text("customer.activeSchedule.status"), before.Body)
	first.stop()
	require.NoError(t, first.end(), "%s", first.log)

	second, again := serve()
	require.Equal(t, key, again, "the printed key stays")
	after, err := ask(second.address, again, read, map[string]any{"reference": "MINE-1"})
	require.NoError(t, err)
	require.Equal(t, before.Data, after.Data)
	require.NotContains(t, second.out.String(), "Making", "the demonstration data is not made again")

	// A third one in the same folder is told why it cannot.
	third := spawn(t, []string{"HOME=" + checkout, "PATH=" + os.Getenv("PATH"), "CASELOAD_LISTEN=127.0.0.1:0"}, func(cmd *exec.Cmd) {
		cmd.Path, cmd.Dir, cmd.SysProcAttr = program, checkout, as
	}, "serve")
	require.Error(t, third.end())
	require.Contains(t, third.log.String(), "in use")
	second.stop()
	require.NoError(t, second.end(), "%s", second.log)
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
