//go:build unix

package dbtest

import (
	"io/fs"
	"os"
	"syscall"
)

// detached starts a process in a session of its own: neither Ctrl-C nor the end of this program reaches it.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func isOurs(st fs.FileInfo) bool { return int(st.Sys().(*syscall.Stat_t).Uid) == os.Getuid() }
