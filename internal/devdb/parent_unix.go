//go:build unix && !linux && !solaris && !aix

package devdb

import "syscall"

// dieWithParent can do nothing here: a PostgreSQL whose parent was killed runs on until the next Start ends it.
func dieWithParent(*syscall.SysProcAttr) {}
