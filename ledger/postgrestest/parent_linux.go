package postgrestest

import "syscall"

// endWithParent makes the kernel tell a child to end in order when its parent has died.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGTERM }
