package devdb

import "syscall"

// dieWithParent lets the kernel shut PostgreSQL down when this process ends in any way, kill -9 included.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }
