//go:build unix && !solaris && !aix

package devdb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const locationFile = "postgres.location"

// home is the folder that holds everything of one PostgreSQL, and whom it runs as.
type home struct {
	path string
	as   *account
}

func (h home) file(name string) string { return filepath.Join(h.path, name) }
func (h home) data() string            { return h.file("data") }
func (h home) log() string             { return h.file("postgres.log") }
func (h home) initialised() bool       { return exists(filepath.Join(h.data(), "PG_VERSION")) }

// write stores a small file that only the owner reads.
func (h home) write(name, content string) error {
	path := h.file(name)
	// A rename leaves either the old file or the whole new one, also when the process is killed in between.
	if err := os.WriteFile(path+".new", []byte(content+"\n"), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := h.as.own(path + ".new"); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func (h home) read(name string) (string, error) {
	text, err := os.ReadFile(h.file(name))
	return strings.TrimSpace(string(text)), err
}

// settle finds the home of an earlier run or makes one.
func settle(ctx context.Context, dir string) (home, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return home{}, fmt.Errorf("find data folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return home{}, fmt.Errorf("make data folder: %w", err)
	}
	as, err := currentAccount()
	if err != nil {
		return home{}, err
	}
	if as == nil {
		return settleAsUser(dir)
	}
	return settleAsRoot(ctx, dir, as)
}

func settleAsUser(dir string) (home, error) {
	path := filepath.Join(dir, "postgres")
	if noted, ok := readLocation(dir); ok {
		path = noted
	}
	err := os.MkdirAll(path, 0o700)
	if err == nil {
		err = mine(path)
	}
	if err != nil {
		return home{}, fmt.Errorf("use data folder %s: %w; it was made by another user (root, perhaps): "+
			"run Caseload as that user, or let that user run `make db/reset`", path, err)
	}
	return home{path: path}, nil
}

func settleAsRoot(ctx context.Context, dir string, as *account) (home, error) {
	inside := filepath.Join(dir, "postgres")
	if noted, ok := readLocation(dir); ok && exists(noted) {
		return existingHome(ctx, noted)
	}
	if exists(filepath.Join(inside, "data")) {
		return existingHome(ctx, inside)
	}
	sum := sha256.Sum256([]byte(dir))
	name := hex.EncodeToString(sum[:6])
	var refused []error
	for _, path := range []string{
		inside,
		filepath.Join("/var/lib/caseload", name),
		filepath.Join(os.TempDir(), "caseload-"+name),
	} {
		if err := makeHome(ctx, path, as); err != nil {
			refused = append(refused, err)
			continue
		}
		if path != inside {
			if err := os.WriteFile(filepath.Join(dir, locationFile), []byte(path+"\n"), 0o644); err != nil {
				return home{}, fmt.Errorf("note where the data is: %w", err)
			}
		}
		return home{path: path, as: as}, nil
	}
	return home{}, fmt.Errorf("find a folder that user %s can use (PostgreSQL refuses to run as root): %w", as.name, errors.Join(refused...))
}

// existingHome is a home whose owner decides whom PostgreSQL runs as.
func existingHome(ctx context.Context, path string) (home, error) {
	owned := path
	if data := filepath.Join(path, "data"); exists(data) {
		owned = data
	}
	as, err := ownerAccount(owned)
	if err != nil {
		return home{}, err
	}
	if !as.reaches(ctx, path) {
		return home{}, fmt.Errorf("enter data folder %s as user %s: a folder above it is closed to that user; "+
			"open it with chmod, or begin anew with `make db/reset`", path, as.name)
	}
	return home{path: path, as: as}, nil
}

func makeHome(ctx context.Context, path string, as *account) error {
	parent := filepath.Dir(path)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if !as.reaches(ctx, parent) {
		return fmt.Errorf("user %s cannot enter %s", as.name, parent)
	}
	switch err := os.Mkdir(path, 0o700); {
	case errors.Is(err, fs.ErrExist):
		// In a folder open to all, somebody else may have made one of this name first.
		uid, err := owner(path)
		if err != nil {
			return err
		}
		if uid != 0 && uid != as.uid {
			return fmt.Errorf("%s belongs to another user", path)
		}
	case err != nil:
		return fmt.Errorf("make folder: %w", err)
	}
	return as.own(path)
}

func readLocation(dir string) (string, bool) {
	text, err := os.ReadFile(filepath.Join(dir, locationFile))
	path := strings.TrimSpace(string(text))
	return path, err == nil && filepath.IsAbs(path)
}

func mine(path string) error {
	uid, err := owner(path)
	if err == nil && int(uid) != os.Geteuid() {
		err = fmt.Errorf("it belongs to user id %d", uid)
	}
	return err
}

// owner does not follow a symbolic link: the link is what somebody else could have put there.
func owner(path string) (uint32, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return 0, fmt.Errorf("read owner: %w", err)
	}
	if !st.IsDir() {
		return 0, fmt.Errorf("%s is not a folder", path)
	}
	return st.Sys().(*syscall.Stat_t).Uid, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
