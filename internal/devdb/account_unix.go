//go:build unix && !solaris && !aix

package devdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// account is whom PostgreSQL runs as. A nil account is the process's own.
type account struct {
	uid, gid uint32
	name     string
}

// currentAccount is nil for a plain user; root gets an unprivileged account, since PostgreSQL refuses root.
// initdb wants the account to exist in the system's list, so a bare number would not do.
func currentAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		return newAccount(u)
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and this machine has neither a user `postgres` nor `nobody` to run it as: " +
		"run Caseload as an ordinary user, or add one with `useradd --system postgres`")
}

// ownerAccount is the account that owns the folder: PostgreSQL insists that its data is its own, and the
// folder may have been made by a plain user before root came.
func ownerAccount(folder string) (*account, error) {
	st, err := os.Stat(folder)
	if err != nil {
		return nil, fmt.Errorf("read owner of data: %w", err)
	}
	uid := st.Sys().(*syscall.Stat_t).Uid
	if uid == 0 {
		return nil, fmt.Errorf("data folder %s belongs to root, which PostgreSQL refuses: `make db/reset` removes it", folder)
	}
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return nil, fmt.Errorf("data folder %s belongs to user id %d, which this machine does not know: `make db/reset` removes it", folder, uid)
	}
	return newAccount(u)
}

func newAccount(u *user.User) (*account, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read user id of %s: %w", u.Username, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read group id of %s: %w", u.Username, err)
	}
	return &account{uid: uint32(uid), gid: uint32(gid), name: u.Username}, nil
}

func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// own hands a file or folder to the account; nothing to do for a plain user, who made it.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	if err := os.Lchown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("hand %s to user %s: %w", path, a.name, err)
	}
	return nil
}

// reaches reports whether the account can enter the folder. It tries, rather than adds up permission bits:
// only the kernel knows about access lists, mounts and security modules.
func (a *account) reaches(ctx context.Context, folder string) bool {
	cmd := a.command(ctx, folder, "/bin/sh", "-c", ":")
	return cmd.Run() == nil
}

// command is a program run by the account in folder, with an environment of its own: Caseload's holds
// secrets, and PG* variables of the user would bend PostgreSQL's behaviour.
func (a *account) command(ctx context.Context, folder, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = folder
	cmd.Env = environment(folder)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential()}
	return cmd
}

func environment(home string) []string {
	env := []string{
		"HOME=" + home,
		// Messages in English, which this package reads; without it PostgreSQL refuses to start on some macOS.
		"LC_ALL=C",
	}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
